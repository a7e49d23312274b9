"""A filter by author, source, tag, date and note: what it leaves, how it is read from a question, and that it costs no
recall: both searches look at nothing else.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus.browse import Selection
from corpus.errors import UsageError
from corpus.filters import EVERYTHING, Filter, condition, filter_from, filter_of, resolved
from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from corpus.sqlite import SqliteLibrary
from rag.asked import read_filter, understood
from rag.config import Config
from rag.datatypes import Status, Sure, Turn
from rag.index import open_index
from rag.nearest import INDEXES
from rag.pipeline import Pipeline
from rag.retrieve import RETRIEVERS, retrieve
from rag.write import QuoteWriter
from tests.fakes import HashEmbedder, OpenReader, WordReader, rows_of

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
    found, scores = INDEXES[kind].build(rows_of(keys, rows)).search(query, k, only)
    best = sorted(
        ((float(s), int(key)) for s, key in zip(rows @ query, keys, strict=True) if key in only), reverse=True
    )
    np.testing.assert_allclose(scores, [score for score, _ in best[:k]], atol=1e-4)
    assert set(found.tolist()) <= set(only.tolist())


VALUES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(tuple)
DATES = st.sampled_from(["", "2023", "2024", "2024-05", "2024-05-11", "2024-06-01", "long ago", "2025x"])
BOUNDS = st.sampled_from(["", "2023", "2024", "2024-05", "2024-05-11", "2024-05-31"])


@pytest.mark.parametrize("dearer", [0, 99])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])  # each is a file on disk
@given(
    insights=st.lists(st.tuples(VALUES, st.sampled_from(["", "a", "b"]), DATES, st.booleans()), max_size=12),
    filters=st.builds(Filter, VALUES, VALUES, VALUES, BOUNDS, BOUNDS, st.booleans()),
)
def test_what_the_indexes_tell_is_what_the_condition_says(
    dearer: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    insights: Sequence[tuple[tuple[str, ...], str, str, bool]],
    filters: Filter,
) -> None:
    """A million rows aren't read for a filter: what each part of it leaves is read from an index and put together."""
    path = tmp_path_factory.mktemp("passing") / "l.db"
    with open_library(path, create=True) as library, closing(sqlite3.connect(path)) as database:
        library.add(
            make_insight(f"Note {n}.", author=one, source=one, date=date_, tags=tags, note="!" * noted)
            for n, (tags, one, date_, noted) in enumerate(insights)
        )
        where, values = condition(filters)
        sql = f"SELECT key FROM passages JOIN insights USING (insight_id) WHERE {where} ORDER BY key"
        for change in range(3):
            expected = [key for (key,) in database.execute(sql, values)]
            everything = np.arange(99)
            monkeypatch.setattr("corpus.passing.DEARER", dearer)
            assert library.keys(filters, everything).tolist() == expected  # before they are all looked up, and after
            assert library.keys(filters).tolist() == expected
            assert library.keys(filters, everything).tolist() == expected
            assert library.passing(filters)[0] == len(expected)
            if change == 0 and insights:
                library.edit(library.insights()[0].insight_id, {"author": "c", "tags": ["c"], "date": "2024-05"})
                library.edit(library.insights()[-1].insight_id, {"text": "Another text."})
            elif change == 1 and insights:
                library.remove([library.insights()[0].insight_id])


def test_an_older_file_that_cannot_be_written_is_filtered_too(tmp_path: Path) -> None:
    with open_library(tmp_path / "l.db", create=True) as library:
        library.add([make_insight("One.", author="a", tags=["x"]), make_insight("Two.", author="b")])
        assert isinstance(library, SqliteLibrary)
        library._database.version = 2
        assert library.keys(Filter(tags=("x",))).tolist() == [1]
        assert library.passing(Filter(authors=("b",))) == (1, [])
        assert library.values("tag") == ["x"]


def test_what_was_counted_is_counted_again_after_a_change(tmp_path: Path) -> None:
    with open_library(tmp_path / "l.db", create=True) as library, open_library(tmp_path / "l.db") as other:
        for n in range(3):
            assert (library.count(), library.passage_count(), library.last_key()) == (n, n, n)
            assert library.values("author") == [f"A{i}" for i in range(n)]
            other.add([make_insight(f"Note {n}.", author=f"A{n}")])
        other.remove([other.insights()[0].insight_id])
        assert (library.count(), library.passage_count(), library.last_key()) == (2, 2, 3)
        assert library.values("author") == ["A1", "A2"]


@pytest.mark.parametrize("kind", RETRIEVERS)
@pytest.mark.parametrize("share", [2, 3, 400])
def test_a_filter_costs_nothing_of_the_best_however_many_it_leaves(kind: str, share: int, tmp_path: Path) -> None:
    """Wide filters are asked which of the nearest pass, narrow ones for all that pass: both find the same."""
    with open_library(tmp_path / "l.db", create=True) as library:
        library.add(
            make_insight(f"Crate {n % 7} in shed {n % 13} held rope number {n}.", author="A" if n % share == 0 else "B")
            for n in range(1200)
        )
        embedder = HashEmbedder()
        index = open_index(library, embedder)
        config, filters = Config(retriever=kind, candidates=3), Filter(authors=("A",))
        keys = set(library.keys(filters).tolist())
        for asked in ("Which crate held rope number 7?", "shed 12", "rope number 800 in crate 2"):
            found = retrieve(asked, library, index, embedder, config, filters=filters)
            everything = retrieve(asked, library, index, embedder, config, k=1200)
            assert all(set(library.keys_of(hit.insight.insight_id)) <= keys for hit in found)
            if kind == "dense":
                best = [hit.score for hit in everything if hit.insight.author == "A"][:3]
                np.testing.assert_allclose([hit.score for hit in found], best, atol=1e-5)
            else:
                assert len(found) == 3


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


TODAY = date(2026, 3, 18)  # a Wednesday


@pytest.mark.parametrize(
    ("when", "since", "until"),
    [
        ("last year", "2025", "2025"),
        ("this year", "2026", "2026"),
        ("in the last year", "2025-03-18", ""),
        ("this month", "2026-03", "2026-03"),
        ("last month", "2026-02", "2026-02"),
        ("the previous month", "2026-02", "2026-02"),
        ("in the past month", "2026-02-18", ""),
        ("this week", "2026-03-16", ""),
        ("last week", "2026-03-09", "2026-03-15"),
        ("in the last two weeks", "2026-03-04", ""),
        ("over the past 10 days", "2026-03-08", ""),
        ("within the last couple of months", "2026-01-18", ""),
        ("in the last 300 years", "", ""),
        ("today", "2026-03-18", "2026-03-18"),
        ("yesterday", "2026-03-17", "2026-03-17"),
        ("since yesterday", "2026-03-17", ""),
        ("before yesterday", "", "2026-03-16"),
        ("three days ago", "2026-03-15", "2026-03-15"),
        ("a year ago", "2025", "2025"),
        ("two weeks ago", "2026-03-02", "2026-03-08"),
        ("since March", "2026-03", ""),
        ("since April", "2025-04", ""),
        ("after January", "2026-02", ""),
        ("in May", "2025-05", "2025-05"),
        ("last March", "2025-03", "2025-03"),
        ("since Monday", "2026-03-16", ""),
        ("on Wednesday", "2026-03-18", "2026-03-18"),
        ("last Wednesday", "2026-03-11", "2026-03-11"),
        ("before last year", "", "2024"),
        ("until last month", "", "2026-02"),
        ("between last Monday and yesterday", "2026-03-16", "2026-03-17"),
        ("from November to February", "2025-11", "2026-02"),
        ("before 2020", "", "2019"),
        ("since 2024-05-11", "2024-05-11", ""),
        ("after 2023-12-31", "2024-01-01", ""),
        ("in 2024 or 2023", "2023", "2024"),
        ("in 2022, 2023 and March 2024", "2022", "2024-03"),
        ("on 2024-02-31", "", ""),
    ],
)
@pytest.mark.parametrize("frame", ["What did I save {} about luck?", "{}, what have I highlighted about luck?"])
def test_a_date_is_counted_from_today(frame: str, when: str, since: str, until: str) -> None:
    asked = understood(frame.format(when), EVERYTHING, KNOWN.__getitem__, today=TODAY)
    assert (asked.filters.since, asked.filters.until) == (since, until)
    assert (when in asked.query) is not bool(since or until)
    assert asked.query.endswith("about luck?")


@pytest.mark.parametrize(
    ("question", "since"),
    [
        ("my notes from last week", "2026-03-09"),
        ("Any highlights since Monday on luck?", "2026-03-16"),
        ("Which of my insights are from last month?", "2026-02"),
        ("insights this week", "2026-03-16"),
        ("Everything I read yesterday", "2026-03-17"),
        ("What did I save?", ""),
        ("What changed in the last decade?", ""),
        ("What happened last year?", ""),
        ("What did prices do in the last two weeks?", ""),
        ("How do I keep warm this year?", ""),
        ("What should I read this week?", ""),
        ("Do my notes say why prices rose last year?", ""),
        ("What do my insights say about last year's election?", ""),
        ("What do my insights say about the fall since March?", ""),
        ("What did I save about how trains changed in the last year?", ""),
        ("What did I save about the last year of the war?", ""),
        ("What did I save about last week?", ""),
        ("Which insights explain the fall in the last month?", ""),
        ("Do my notes disagree about tariffs this year?", ""),
        ("What did I note about the march on Rome since may?", ""),
    ],
)
def test_a_relative_date_of_what_is_asked_about_is_none(question: str, since: str) -> None:
    rest, filters = read_filter(question, KNOWN.__getitem__, TODAY)
    assert filters.since == since
    assert (rest == question) is not bool(since)


@given(st.text(max_size=60), st.dates(date(1900, 1, 1), date(2999, 12, 31)))
def test_reading_a_filter_never_fails(question: str, today: date) -> None:
    read_filter(f"What did I save from {question}", KNOWN.__getitem__, today)


PIECES = (
    "in since last the two 999 days weeks years ago or and from between to May Sunday yesterday 2023 2024-02-30".split()
)


@given(st.lists(st.sampled_from(PIECES), max_size=7))
def test_whatever_stands_for_a_date_becomes_one_or_none(pieces: list[str]) -> None:
    _, filters = read_filter(f"What did I save {' '.join(pieces)}", KNOWN.__getitem__, TODAY)
    assert filter_of(filters.terms) == filters


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


def test_the_chips_show_what_a_relative_date_came_to(library: Library) -> None:
    flow = replace(pipeline(library), today=lambda: date(2025, 2, 1))
    answer = flow.ask("What did I save last year?")
    assert answer.trace.filters == ("since=2024", "until=2024")
    assert [hit.insight.insight_id for hit in answer.hits] == ["a", "c"]
    assert flow.ask("Did losses weigh more last year?").trace.filters == ()


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
