"""A filter by author, source, tag, date and note: what it leaves, how it is read from a question, and that it costs no
recall: both searches look at nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.browse import Selection
from corpus.errors import UsageError
from corpus.filters import EVERYTHING, Filter, condition, filter_from, filter_of, resolved
from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from rag.asked import read_filter, understood
from rag.config import Config
from rag.datatypes import Status, Sure, Turn
from rag.index import INDEXES, open_index
from rag.pipeline import Pipeline
from rag.retrieve import RETRIEVERS, retrieve
from rag.write import QuoteWriter
from tests.fakes import HashEmbedder, OpenReader, WordReader

KNOWN: dict[str, Sequence[str]] = {
    "author": ["Daniel Kahneman", "Amos Tversky and Daniel Kahneman", "Ines Okafor", "May Long"],
    "source": ["Thinking, Fast and Slow", "Tracks", "practice", "The Long View"],
    "tag": ["bias", "night trains", "ai"],
}
BOTH = ("author=Daniel Kahneman", "author=Amos Tversky and Daniel Kahneman")


def saved() -> list[Insight]:
    """The same sentence over and over, so that only the filter can tell one insight from another."""
    text = "Losses weigh more than gains of the same size."
    rows = [
        ("a", "Daniel Kahneman", "Thinking, Fast and Slow", "2024-05-11", ("bias",), ""),
        ("b", "Daniel Kahneman", "Tracks", "2023", ("bias", "money"), "Ask Ines."),
        ("c", "Ines Okafor", "Tracks", "2024-01", (), ""),
        ("d", "", "", "", ("money",), "Mine."),
        ("e", "Ines Okafor", "Thinking, Fast and Slow", "May 2024", (), ""),
    ]
    return [
        make_insight(f"{text} Case {i}.", insight_id=i, author=a, source=s, date=d, tags=t, note=n)
        for i, a, s, d, t, n in rows
    ]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "saved.db", create=True) as library:
        library.add(saved())
        yield library


def left(library: Library, filters: Filter) -> str:
    return "".join(sorted(i.insight_id for _, i in library.passages(library.keys(filters).tolist()).values()))


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (Filter(), "abcde"),
        (Filter(authors=("Daniel Kahneman",)), "ab"),
        (Filter(authors=("Daniel Kahneman", "Ines Okafor")), "abce"),
        (Filter(sources=("Tracks",)), "bc"),
        (Filter(authors=("Ines Okafor",), sources=("Tracks",)), "c"),
        (Filter(tags=("money",)), "bd"),
        (Filter(tags=("mon",)), ""),
        (Filter(since="2024"), "ac"),
        (Filter(since="2024-02"), "a"),
        (Filter(since="2023-07"), "abc"),  # b may be from July
        (Filter(until="2023"), "b"),
        (Filter(until="2024-01-01"), "bc"),
        (Filter(since="2024", until="2024"), "ac"),
        (Filter(note=True), "bd"),
        (Filter(authors=("Nobody",)), ""),
    ],
)
def test_a_filter_leaves_what_meets_every_condition(library: Library, filters: Filter, ids: str) -> None:
    assert left(library, filters) == ids
    count, keys = library.passing(filters, 2)
    assert count == len(ids)
    assert len(keys) == min(2, len(ids))


def test_the_newest_come_first_and_those_without_a_date_last(library: Library) -> None:
    _, keys = library.passing(Filter(), 9)
    assert [insight.insight_id for _, insight in library.passages(keys).values()] == ["a", "c", "b", "e", "d"]
    assert [insight.insight_id for insight in library.browse(Selection(sort="newest"))] == ["a", "c", "b", "e", "d"]


def test_the_values_come_with_the_most_frequent_first(library: Library) -> None:
    assert library.values("author") == ["Daniel Kahneman", "Ines Okafor"]
    assert library.values("tag") == ["bias", "money"]
    assert library.values("year") == ["2024", "2023"]


@given(st.lists(st.text(max_size=9), max_size=3), st.booleans())
def test_whatever_a_name_holds_it_stays_a_value(names: list[str], note: bool) -> None:
    filters = Filter(authors=tuple(names), sources=tuple(names), tags=tuple(names), note=note)
    sql, values = condition(filters)
    assert sql.count("?") == len(values) == 3 * len(names)


@given(
    st.lists(st.text(min_size=1, max_size=9), unique=True, max_size=2),
    st.lists(st.text(min_size=1, max_size=9), unique=True, max_size=2),
    st.sampled_from(["", "2024", "2024-05", "2024-05-11"]),
    st.booleans(),
)
def test_a_filter_is_made_again_of_its_terms(authors: list[str], tags: list[str], date: str, note: bool) -> None:
    filters = Filter(authors=tuple(authors), tags=tuple(tags), since=date, until=date, note=note)
    assert filter_of(filters.terms) == filters
    for term in filters.terms:
        assert set(filters.without_term(term).terms) == set(filters.terms) - {term}
    assert bool(filters) == bool(filters.terms)


@pytest.mark.parametrize("term", ["", "author", "author=", "colour=red", "since=yesterday", "until=2024-13", "note=no"])
def test_what_is_no_term_is_a_sentence(term: str) -> None:
    with pytest.raises(UsageError):
        EVERYTHING.with_term(term)


def test_two_filters_together_are_narrower() -> None:
    first = Filter(authors=("A",), tags=("x",), since="2023", until="2024")
    second = Filter(tags=("y",), since="2023-05", until="2024-06", note=True)
    assert first.joined(second) == Filter(authors=("A",), tags=("y",), since="2023-05", until="2024-06", note=True)
    assert first.joined(EVERYTHING) == EVERYTHING.joined(first) == first


def test_a_name_typed_loosely_becomes_the_librarys_own() -> None:
    found = resolved(Filter(authors=("kahneman",), sources=("tracks",)), KNOWN.__getitem__)
    assert found == Filter(authors=("Daniel Kahneman", "Amos Tversky and Daniel Kahneman"), sources=("Tracks",))
    assert resolved(Filter(authors=("daniel kahneman",)), KNOWN.__getitem__).authors == ("Daniel Kahneman",)
    with pytest.raises(UsageError, match=r"the author 'Ines Okafr'\. Did you mean Ines Okafor\?"):
        resolved(Filter(authors=("Ines Okafr",)), KNOWN.__getitem__)
    with pytest.raises(UsageError, match="Give more of it"):
        resolved(Filter(tags=("x",)), lambda name: [f"x {n}" for n in range(999)])


@pytest.mark.parametrize(
    "given",
    [
        {"colour": "red"},
        {"authors": "Ines"},
        {"authors": [1]},
        {"since": 2024},
        {"until": "soon"},
        {"note": "yes"},
        {"tags": [""]},
    ],
)
def test_plain_data_that_is_no_filter_is_a_sentence(given: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        filter_from(given)


def test_plain_data_becomes_a_filter() -> None:
    assert filter_from({"authors": [" Ines  Okafor ", ""], "since": "2024"}) == Filter(
        authors=("Ines Okafor",), since="2024"
    )
    assert filter_from({}) == EVERYTHING


# ------------------------------------------------------------------------------------------------------- the searches


@pytest.mark.parametrize("kind", INDEXES)
@given(st.integers(1, 40), st.integers(0, 50), st.integers(0, 99))
def test_every_index_finds_the_best_of_the_keys_that_it_may(kind: str, count: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((count, 8)).astype(np.float32)
    keys = random.permutation(5 * count)[:count].astype(np.int64)
    only = random.permutation(5 * count)[: 2 * count].astype(np.int64)  # some of them the index doesn't have
    query = random.standard_normal(8).astype(np.float32)
    found, scores = INDEXES[kind](keys, rows).search(query, k, only)
    best = sorted(
        ((float(s), int(key)) for s, key in zip(rows @ query, keys, strict=True) if key in only), reverse=True
    )
    np.testing.assert_allclose(scores, [score for score, _ in best[:k]], atol=1e-4)
    assert set(found.tolist()) <= set(only.tolist())


@pytest.mark.parametrize("kind", RETRIEVERS)
def test_what_only_the_filter_leaves_is_found_however_far_down_it_was(kind: str, library: Library) -> None:
    library.add([make_insight(f"Losses weigh more than gains, says note {n}.", author="Crowd") for n in range(120)])
    library.add([make_insight("Gains of crates weigh less to a clerk.", insight_id="far", author="Lone Clerk")])
    embedder = HashEmbedder()
    index = open_index(library, embedder)
    config = Config(retriever=kind, candidates=5)
    asked = "Do losses weigh more than gains of the same size?"
    everything = retrieve(asked, library, index, embedder, config)
    assert "far" not in [hit.insight.insight_id for hit in everything]
    hits = retrieve(asked, library, index, embedder, config, filters=Filter(authors=("Lone Clerk",)))
    assert [hit.insight.insight_id for hit in hits] == ["far"]
    assert retrieve(asked, library, index, embedder, config, filters=Filter(authors=("Nobody",))) == []


# ------------------------------------------------------------------------------------------------- read from a question


@pytest.mark.parametrize(
    ("question", "rest", "terms"),
    [
        ("What did I save from Kahneman in 2024?", "What did I save?", (*BOTH, "since=2024", "until=2024")),
        (
            "What have I highlighted about noise since March 2023?",
            "What have I highlighted about noise?",
            ("since=2023-03",),
        ),
        ("my notes by Daniel Kahneman on luck", "my notes on luck", BOTH),
        ("Any highlights tagged night trains?", "Any highlights?", ("tag=night trains",)),
        (
            "What did I read in Thinking, Fast and Slow before 2022?",
            "What did I read?",
            ("source=Thinking, Fast and Slow", "until=2021"),
        ),
        (
            "What did I note from Tracks and The Long View?",
            "What did I note?",
            ("source=Tracks", "source=The Long View"),
        ),
        ("all insights between 2021 and May 2023", "all insights", ("since=2021", "until=2023-05")),
        ("What did I save after 2023-12 from the author Okafor?", "What did I save?", ("since=2024-01",)),
        ("Is luck noise? #Bias", "Is luck noise?", ("tag=bias",)),
        ("What did I save from 'Tracks'?", "What did I save?", ("source=Tracks",)),
    ],
)
def test_what_a_question_says_of_saving_is_a_filter(question: str, rest: str, terms: tuple[str, ...]) -> None:
    if "Okafor" in question:
        terms = (*terms, "author=Ines Okafor")
    assert read_filter(question, KNOWN.__getitem__) == (rest, filter_of(terms))


@pytest.mark.parametrize(
    "question",
    [
        "What happened in 2024?",
        "What did Kahneman find in 2002?",
        "How do trains run on Tracks?",
        "Who learns from practice?",
        "What did I save from practice runs?",  # not the newsletter: it goes on
        "What do my insights say about Kahneman?",
        "What did I save from Kahneman's mother?",
        "What did I save from Long Island?",  # not by May Long
        "What did I save from Long-Term Capital?",
        "What did I save from Ottavia Brandt?",
        "Is C# older than AI?",
        "What may I keep from long nights?",
        "",
    ],
)
def test_what_a_question_is_about_is_no_filter(question: str) -> None:
    known = KNOWN | {"source": ["Tracks", "Practice", "The Long View"]}
    assert read_filter(question, known.__getitem__) == (question, EVERYTHING)


@given(st.text(max_size=60))
def test_reading_a_filter_never_fails(question: str) -> None:
    read_filter(f"What did I save from {question}", KNOWN.__getitem__)


def test_a_question_for_nothing_but_the_filter_is_told_from_others() -> None:
    assert understood("What did I save in 2024?", EVERYTHING, KNOWN.__getitem__).only
    assert understood("What did I save?", Filter(since="2024"), KNOWN.__getitem__).only
    assert not understood("What did I save in 2024 about luck?", EVERYTHING, KNOWN.__getitem__).only
    assert not understood("What did I save?", EVERYTHING, KNOWN.__getitem__).only
    assert not understood("Why?", Filter(since="2024"), KNOWN.__getitem__).only
    assert understood("#bias", EVERYTHING, KNOWN.__getitem__).only
    assert understood("#bias and #ai?", EVERYTHING, KNOWN.__getitem__).only
    typed = understood("What did I save in 2024?", EVERYTHING, KNOWN.__getitem__, as_typed=True)
    assert typed.query == "What did I save in 2024?"
    assert not typed.filters


# ------------------------------------------------------------------------------------------------------------ the flow


def pipeline(library: Library, refuse: float = 0.0) -> Pipeline:
    return Pipeline(library, Config(), HashEmbedder(), OpenReader(refuse), QuoteWriter("", Config()))


def test_the_answer_cites_only_what_the_filter_leaves_and_says_so(library: Library) -> None:
    answer = pipeline(library).ask(
        "Do losses weigh more than gains?", filters=Filter(authors=("okafor",), since="2024")
    )
    assert {hit.insight.insight_id for hit in answer.hits} == {"c"}
    assert answer.trace.filters == ("author=Ines Okafor", "since=2024")
    assert answer.trace.among == 1
    assert pipeline(library).ask("Do losses weigh more than gains?").trace.among == 0


def test_a_filter_typed_in_the_question_holds_for_its_follow_up_too(library: Library) -> None:
    asked = "What did I save from Kahneman about losses?"
    answer = pipeline(library).ask(asked)
    assert answer.trace.filters == ("author=Daniel Kahneman",)
    assert answer.trace.standalone == "What did I save about losses?"
    later = pipeline(library).ask("And about gains?", [Turn(asked, "…")])
    assert later.trace.filters == ("author=Daniel Kahneman",)


def test_a_question_for_the_filter_alone_lists_the_newest_in_their_own_words(library: Library) -> None:
    steps = list(pipeline(library, refuse=1.0).stream("What did I save from Kahneman?"))
    answer = steps[-1].answer
    assert answer.status is Status.ANSWERED
    assert [hit.insight.insight_id for hit in answer.hits] == ["a", "b"]
    assert {claim.text for claim in answer.claims} >= {"Losses weigh more than gains of the same size.", "Case b."}
    none = pipeline(library).ask("What did I save from Okafor in 2019?")
    assert none.status is Status.NOT_IN_LIBRARY
    assert none.nearest == ()


def test_a_filter_that_leaves_nothing_is_a_refusal(library: Library) -> None:
    answer = pipeline(library).ask("Do losses weigh more?", filters=Filter(until="1999"))
    assert (answer.status, answer.trace.among, answer.nearest) == (Status.NOT_IN_LIBRARY, 0, ())


def test_an_unknown_name_is_a_sentence(library: Library) -> None:
    with pytest.raises(UsageError, match="No insight here has the tag 'zeppelin'"):
        pipeline(library).ask("Why?", filters=Filter(tags=("zeppelin",)))
    with pytest.raises(UsageError, match="zeppelin"):
        pipeline(library).search("losses", filters=Filter(tags=("zeppelin",)))


def test_search_obeys_the_filter_too(library: Library) -> None:
    found = pipeline(library).search("losses and gains", 9, Filter(sources=("Tracks",)))
    assert {hit.insight.insight_id for hit in found} == {"b", "c"}


@pytest.mark.parametrize(
    ("question", "status", "sure"),
    [
        ("Do losses weigh more than gains?", Status.ANSWERED, Sure.STRONG),
        ("Do losses weigh more than gains for clever bankers?", Status.ANSWERED, Sure.PARTIAL),
        ("Do losses weigh clever bankers down?", Status.PARTLY, Sure.WEAK),
        ("Who sells rope?", Status.NOT_IN_LIBRARY, ""),
    ],
)
def test_how_sure_an_answer_is_stands_in_a_word(library: Library, question: str, status: Status, sure: str) -> None:
    answer = replace(pipeline(library), reader=WordReader()).ask(question)
    assert (answer.status, answer.trace.sure) == (status, sure)
