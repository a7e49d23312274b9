"""What every kind of library must do alike, in a file and on a real server; each test runs on both.

What only SQLite's files can meet stands in tests/test_corpus_library.py, what only a server can in
tests/test_corpus_postgres.py.
"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import corpus.postgres
import corpus.postgres_servers
import corpus.postgres_vectors
from corpus.browse import Selection
from corpus.errors import LibraryError, ModelError, UsageError
from corpus.filters import Filter
from corpus.imports import BATCH, REMEMBERED, Found, Report, Undone, packed, reported
from corpus.insight import Insight, make_insight
from corpus.items import Item, Problem
from corpus.library import Library, open_library
from corpus.postgres import PostgresLibrary
from rag.config import Config
from rag.index import open_index
from rag.nearest import ExactIndex
from rag.pgvector import DatabaseIndex
from rag.retrieve import RETRIEVERS, retrieve
from tests.fakes import HashEmbedder
from tests.postgres_server import PostgresServer
from tests.waiting import wait_for

MODEL = "model-1"
KINDS = ("sqlite", "postgres")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a library of each kind may be made."""
    if request.param == "sqlite":
        return str(tmp_path / "mine.db")
    return str(request.getfixturevalue("postgres_address"))


@pytest.fixture
def library(address: str) -> Iterator[Library]:
    with open_library(address, create=True) as opened:
        yield opened


def embed_missing(library: Library) -> list[int]:
    keys = [key for key, _ in library.missing(MODEL)]
    library.put_vectors(MODEL, keys, random_vectors(len(keys)))
    return keys


def random_vectors(count: int, width: int = 8) -> NDArray[np.float32]:
    return np.random.default_rng(count).standard_normal((count, width)).astype(np.float32)


def many(count: int) -> Iterator[Insight]:
    return (make_insight(f"Insight number {n} is about topic{n}.", insight_id=f"n{n}") for n in range(count))


def ids_of(library: Library, keys: Sequence[int]) -> list[str]:
    return [insight.insight_id for _, insight in library.passages(keys).values()]


# Add, change, remove


def test_what_was_added_comes_back_after_reopening(address: str, six_insights: list[Insight]) -> None:
    first = make_insight(
        "A “text”.", title="T", author="A", source="S", url="U", date="2024", tags=["a, b", "ü"], note="N\nM"
    )
    with open_library(address, create=True) as library:
        assert library.add([first, *six_insights]) == Report(new=7)
        before = library.revision()
    with open_library(address) as library:
        assert library.insights() == [first, *six_insights]
        assert library.insights(offset=5, limit=1) == [six_insights[4]]
        assert (library.get("s3"), library.get("s9"), library.get("\0\ud800")) == (six_insights[2], None, None)
        assert (library.count(), library.passage_count(), library.revision()) == (7, 7, before)
        assert library.check() == []
        assert not library.read_only


def test_new_changed_unchanged_and_duplicate(library: Library, six_insights: list[Insight]) -> None:
    problem = Problem(Path("a.csv"), 3, "No text.")
    assert library.add([*six_insights, problem]) == Report(new=6, unreadable=(problem,))
    keys, before = embed_missing(library), library.revision()
    assert library.add(six_insights) == Report(unchanged=6)
    assert (library.revision(), library.missing(MODEL)) == (before, [])
    items = [
        replace(six_insights[0], author="Ida Quill", tags=("cargo",), source=""),
        replace(six_insights[5], text="Zeppelins returned."),
        replace(six_insights[1], insight_id="other", text=six_insights[1].text.upper()),
        replace(six_insights[0], note="Again"),
    ]
    foreseen = reported(library.preview(items))
    assert library.add(items) == foreseen == Report(changed=2, duplicate=2)
    assert library.revision() != before
    assert library.insights() == [items[0], *six_insights[1:5], items[1]]
    ((late, text),) = library.missing(MODEL)  # a changed text alone is embedded again, under a key of its own
    assert text == "Zeppelins returned."
    assert late == library.last_key() > max(keys)
    assert library.missing(MODEL, after=late) == []
    assert library.vectors(MODEL)[0].tolist() == keys[:5]
    assert [key for key, _ in library.lexical("zeppelins idle", 5)] == [late]
    assert ids_of(library, [key for key, _ in library.lexical("Ida cargo", 5)]) == ["s1"]
    assert "s1" not in ids_of(library, [key for key, _ in library.lexical("tracks", 5)])
    assert library.check() == []


def test_removal_leaves_nothing_behind(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    keys, before = embed_missing(library), library.revision()
    assert library.remove(["s1", "s1", "none", "\ud800", "\0"]) == 1
    assert library.revision() != before
    assert library.lexical("Quill", 5) == []
    assert (library.count(), library.vectors(MODEL)[0].tolist()) == (5, keys[1:])
    assert library.remove(insight.insight_id for insight in six_insights) == 5
    assert (library.count(), library.passage_count(), len(library.vectors(MODEL)[0])) == (0, 0, 0)
    assert library.check() == []
    after = library.revision()
    assert (library.remove(["s1"]), library.revision()) == (0, after)


def test_a_batch_is_stored_whole_or_not_at_all(library: Library, six_insights: list[Insight]) -> None:
    with pytest.raises(UnicodeEncodeError):
        library.add([six_insights[1], replace(six_insights[0], insight_id="\ud800")])
    assert library.count() == 0
    assert library.add(six_insights) == Report(new=6)

    def breaks_off() -> Iterator[Insight]:
        yield from many(BATCH + 5)
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        library.add(breaks_off())
    assert library.count() == 6 + BATCH
    assert library.check() == []


# Undo, edit, links, pruning


def test_undo_removes_what_is_new_and_restores_what_changed(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights[:3], origin="first\ud800.csv")
    embed_missing(library)
    changed = replace(six_insights[0], text="Another text about cargo.", author="Ida")
    library.add([changed, *six_insights[1:]], origin="second.csv")
    last = library.last_import()
    assert last is not None
    assert (last.origin, last.new, last.changed) == ("second.csv", 3, 1)
    with pytest.raises(UsageError, match="not the last import any more"):
        library.undo_import(last.number - 1)
    assert library.undo_import(last.number) == Undone(removed=3, restored=1)
    assert library.insights() == six_insights[:3]
    assert [text for _, text in library.missing(MODEL)] == [six_insights[0].text]
    left = library.last_import()
    assert left is not None
    assert left.origin == "first?.csv"
    library.edit("s1", {"title": "Mine"})
    assert library.undo_import() == Undone(removed=2, kept=1)
    assert library.insights() == [replace(six_insights[0], title="Mine")]
    with pytest.raises(UsageError, match="no import to undo"):
        library.undo_import()
    assert library.check() == []


def test_only_so_many_imports_are_remembered(library: Library) -> None:
    for n in range(REMEMBERED + 2):
        library.add([make_insight(f"Insight number {n}.")])
    for _ in range(REMEMBERED):
        library.undo_import()
    assert library.last_import() is None
    assert library.count() == 2


def test_an_edit_outlasts_the_next_import_of_its_source(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    mine = library.edit("s1", {"title": "Mine", "text": "My own words for it."})
    assert library.add(six_insights) == Report(unchanged=6)
    assert library.get("s1") == mine
    assert library.add([replace(six_insights[0], author="Ida", title="Theirs")]) == Report(changed=1)
    assert library.get("s1") == replace(mine, author="Ida", title="Theirs")
    library.undo_import()  # and with the edit comes back what it was an edit of
    assert library.get("s1") == mine
    assert library.add([six_insights[0]]) == Report(unchanged=1)
    for insight_id, changes, sentence in (
        ("s9", {"title": "x"}, "No insight has the id s9"),
        ("s2", {"text": six_insights[3].text.upper()}, "id s4"),
        ("s2", {"date": "yesterday"}, "not a date"),
    ):
        with pytest.raises(UsageError, match=sentence):
            library.edit(insight_id, changes)
    assert library.check() == []


def test_near_duplicates_are_linked_and_parted_again(library: Library) -> None:
    long = "The map is not the territory, and the word is not the thing that it was made to name."
    library.add([make_insight(long, insight_id="long"), make_insight("Something else altogether.", insight_id="else")])
    short = make_insight("“The map is not the territory, and the word is not the thing…”", insight_id="short")
    assert reported(library.preview([short])).near == library.add([short]).near == (("short", "long"),)
    assert library.linked(["long", "short", "else", "none"]) == {"long": ("short",), "short": ("long",)}
    library.edit("short", {"text": "Words are no things."})
    assert library.linked(["long", "short"]) == {}
    library.edit("short", {"text": short.text})
    assert library.linked(["long"]) == {"long": ("short",)}
    library.remove(["short"])
    assert library.linked(["long"]) == {}


def test_an_import_that_was_cut_off_goes_on_as_one(library: Library) -> None:
    def cut_off() -> Iterator[Insight]:
        yield from many(BATCH)
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        library.add(cut_off(), resume="key")
    assert library.add(many(BATCH + 3), resume="key") == Report(new=3, unchanged=BATCH)
    assert library.undo_import() == Undone(removed=BATCH + 3)


def test_pruning_removes_what_its_file_holds_no_more(library: Library) -> None:
    one, two, three = many(3)

    def found(*insights: Insight, file: str = "/notes/a.md") -> list[Item | Found]:
        return [Found(insight, file) for insight in insights]

    library.add(found(one, two, three))
    library.add(found(three, file="/notes/b.md"))
    library.edit("n1", {"title": "Mine"})
    assert library.add(found(one), prune=["/elsewhere"]) == Report(unchanged=1)
    four = make_insight("A fourth.", insight_id="n4")
    library.add(found(four))
    gone = [planned.item for planned in library.preview(found(one), prune=["/notes/a.md"]) if planned.after is None]
    assert gone == [four]
    assert library.add(found(one), prune=["/notes/a.md"]) == Report(unchanged=1, removed=1)
    assert [insight.insight_id for insight in library.insights()] == ["n0", "n1", "n2"]
    last = library.last_import()
    assert last is not None
    assert (last.new, last.removed) == (0, 1)
    assert library.undo_import() == Undone(restored=1)
    assert library.get("n4") == four
    assert library.check() == []


# Finding


def test_browsing_finds_beginnings_of_words_and_else_parts(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)

    def ids(query: str) -> list[str]:
        return [insight.insight_id for insight in library.insights(query)]

    assert ids("suitc") == ["s2"]
    assert sorted(ids("trac")) == ["s1", "s2", "s6"]
    assert ids("freig sched") == ["s6"]
    assert ids("itcase") == ["s2"]
    assert ids("ITCASE") == ["s2"]
    assert ids("12%") == ["s3"]
    assert ids("%") == ["s1", "s3"]
    assert ids("_ \\") == ids("nothing like it") == []
    assert ids("  ") == [f"s{n}" for n in range(1, 7)]
    assert len(library.insights("trac", offset=1, limit=1)) == 1
    assert library.insights("trac", limit=0) == []


def test_facets_narrow_and_are_counted(library: Library) -> None:
    rows = [
        ("a", "Beta", "B", "2024-05-11", ("x", "y")),
        ("b", "alpha", "A", "2023", ("x",)),
        ("c", "", "A", "May 2024", ("y",)),
        ("d", "Gamma", "", "", ()),
    ]
    library.add(make_insight(f"Case {i}.", insight_id=i, title=t, author=a, date=d, tags=g) for i, t, a, d, g in rows)

    def ids(selection: Selection) -> str:
        return "".join(insight.insight_id for insight in library.browse(selection))

    assert ids(Selection(author="A")) == "bc"
    assert ids(Selection(year="2024")) == "a"
    assert ids(Selection(tags=("x", "y"))) == "a"
    assert [ids(Selection(sort=sort)) for sort in ("latest", "newest", "title", "author")] == [
        "dcba",
        "abcd",
        "badc",
        "bcad",
    ]
    count, facets = library.facets(Selection("case", tags=("x",)))
    assert count == 2
    assert {facet.name: facet.values for facet in facets} == {
        "author": (("A", 1), ("B", 1)),
        "source": (),
        "tag": (("x", 2), ("y", 1)),
        "year": (("2024", 1), ("2023", 1)),
    }


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (Filter(), "abcde"),
        (Filter(authors=("Daniel Kahneman", "Ines Okafor")), "abce"),
        (Filter(authors=("Ines Okafor",), sources=("Tracks",)), "c"),
        (Filter(tags=("money", "bias")), "abd"),
        (Filter(tags=("mon",)), ""),
        (Filter(since="2024-02"), "a"),
        (Filter(since="2023-07"), "abc"),  # b may be from July
        (Filter(until="2024-01-01"), "bc"),
        (Filter(since="2024", until="2024", note=True), ""),
        (Filter(note=True), "bd"),
        (Filter(authors=("Nobody\0",), tags=("\0",)), ""),
    ],
)
def test_a_filter_leaves_what_meets_every_condition(library: Library, filters: Filter, ids: str) -> None:
    rows = [
        ("a", "Daniel Kahneman", "Thinking", "2024-05-11", ("bias",), ""),
        ("b", "Daniel Kahneman", "Tracks", "2023", ("bias", "money"), "Ask Ines."),
        ("c", "Ines Okafor", "Tracks", "2024-01", (), ""),
        ("d", "", "", "", ("money",), "Mine."),
        ("e", "Ines Okafor", "Thinking", "May 2024", (), ""),
    ]
    library.add(
        make_insight(f"Losses weigh more. Case {i}.", insight_id=i, author=a, source=s, date=d, tags=t, note=n)
        for i, a, s, d, t, n in rows
    )
    keys = library.keys(filters)
    assert "".join(sorted(ids_of(library, keys.tolist()))) == ids
    assert library.keys(filters, np.array([10**9, *keys[1:]])).tolist() == keys[1:].tolist()
    count, newest = library.passing(filters, 2)
    assert (count, len(newest)) == (len(ids), min(2, len(ids)))
    assert sorted(key for key, _ in library.lexical("losses", 9, filters=filters)) == keys.tolist()
    if not filters:
        assert ids_of(library, library.passing(filters, 9)[1]) == list("acbed")
        assert library.values("author") == ["Daniel Kahneman", "Ines Okafor"]
        assert (library.values("tag"), library.values("year")) == (["bias", "money"], ["2024", "2023"])
        library.add([make_insight("More.", author="New")])
        assert "New" in library.values("author")


def test_lexical_finds_any_word_and_ranks_the_rare_one_higher(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    hits = library.lexical("What did Ottavia count on the trains?", 5)
    assert ids_of(library, [key for key, _ in hits]) == ["s2", "s1"]  # trains is train; function words are passed over
    assert hits[0][1] > hits[1][1] > 0
    assert len(library.lexical("the trains", 1)) == 1
    assert library.lexical("the", 9)  # nothing but function words: then they count
    assert library.lexical("crumb", 9) != []  # the source is searched too
    assert library.lexical("Óttavia", 9) == library.lexical("ottavia", 9) != []
    assert library.lexical("?!", 9) == library.lexical("ottavia", 0) == library.lexical("\0\ud800", 9) == []
    assert ids_of(library, [key for key, _ in library.lexical("trains ottavia", 9, rarest=1)]) == ["s2"]
    assert library.lexical("trains", 9, rarest=1) == []


def test_ties_are_in_order_of_passage_id(library: Library) -> None:
    library.add(make_insight(f"Same words {letter}.", insight_id=letter) for letter in "cAb")
    assert ids_of(library, [key for key, _ in library.lexical("same", 3)]) == ["A", "b", "c"]


@contextmanager
def both(factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[list[Library]]:
    """An empty library of each kind."""
    addresses = (str(factory.mktemp("both") / "l.db"), server.url(schema=f"s{uuid.uuid4().hex[:12]}"))
    with ExitStack() as stack:
        yield [stack.enter_context(open_library(address, create=True)) for address in addresses]


WORDS = st.lists(
    st.sampled_from(
        "rail Rails night trains café cafe naïve oven 310 s1 don't co-op and the x".split()
        + "中文 人工智能 中 हिन्दी 한국은 เรือ AI手机".split()
    ),
    max_size=9,
).map(" ".join)


@pytest.mark.slow
@settings(max_examples=15)
@given(texts=st.lists(WORDS.filter(bool), min_size=1, max_size=6), asked=WORDS)
def test_both_kinds_find_the_same_and_score_it_alike(
    texts: list[str], asked: str, tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> None:
    with both(tmp_path_factory, postgres) as libraries:
        found = []
        for library in libraries:
            library.add(make_insight(text, insight_id=f"n{n}", title="Title") for n, text in enumerate(texts))
            hits = library.lexical(asked, 9)
            scores = dict(zip(ids_of(library, [key for key, _ in hits]), [score for _, score in hits], strict=True))
            found.append((scores, sorted(insight.insight_id for insight in library.insights(asked))))
        (one, listed), (other, listed_there) = found
        assert other == pytest.approx(one, abs=1e-5)
        assert listed == listed_there


TEXTS = [
    *("Insight a has a text.", "Insight b has a text.", "INSIGHT a has a text."),
    "Long enough to be near another that has but a few words more in it.",
    "long enough to be near another that has but a few words",
]
INSIGHTS = st.builds(
    make_insight,
    st.sampled_from(TEXTS),
    insight_id=st.sampled_from(["", "x", "y", "z"]),
    title=st.sampled_from(["", "T", "U"]),
    tags=st.lists(st.sampled_from(["a", "b"]), max_size=2),
)
ITEMS = st.lists(
    st.one_of(
        INSIGHTS, st.builds(Found, INSIGHTS, st.sampled_from(["/f/a", "/f/b"])), st.just(Problem(Path("p"), 1, "No."))
    ),
    max_size=6,
)
STEPS = st.one_of(
    st.tuples(st.just("add"), ITEMS),
    st.tuples(st.just("prune"), ITEMS),
    st.tuples(st.just("undo"), st.none()),
    st.tuples(st.just("edit"), st.tuples(st.sampled_from("xyz"), st.sampled_from(["title", "text"]))),
    st.tuples(st.just("remove"), st.sampled_from("xyz")),
)


def taken(library: Library, step: tuple[str, Any]) -> object:
    """What a library says to a step."""
    act, given = step
    try:
        match act:
            case "add":
                return library.add(given)
            case "prune":
                foreseen = reported(library.preview(given, ["/f"]))
                report = library.add(given, prune=["/f"])
                assert report == foreseen
                return report
            case "undo":
                return library.undo_import()
            case "edit":
                return library.edit(given[0], {given[1]: f"Edited {given[0]} by hand."})
            case _:
                return library.remove([given])
    except UsageError as error:
        return str(error)


@pytest.mark.slow
@settings(max_examples=20)
@given(steps=st.lists(STEPS, min_size=1, max_size=8))
def test_both_kinds_do_the_same(
    steps: list[tuple[str, Any]], tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> None:
    with both(tmp_path_factory, postgres) as (one, other):
        for step in steps:
            assert taken(one, step) == taken(other, step)
            assert sorted(map(packed, one.insights())) == sorted(map(packed, other.insights()))
            assert one.revision().split("-")[1] == other.revision().split("-")[1]
            assert one.passage_count() == other.passage_count()
            first, second = one.last_import(), other.last_import()
            assert (first and replace(first, at="")) == (second and replace(second, at=""))
            ids = [insight.insight_id for insight in one.insights()]
            links = [{id_: sorted(others) for id_, others in library.linked(ids).items()} for library in (one, other)]
            assert links[0] == links[1]
        assert one.check() == other.check() == []


SYNTAX = [
    "NEAR(",
    "OR",
    '"',
    "*",
    "text:",
    "^",
    "-",
    "+",
    "{a b}",
    "\0",
    "'",
    "_",
    "中",
    "\ud800",
    "(",
    ")",
    "%",
    "\\",
    "&!",
    ":*",
]


@settings(max_examples=40)
@given(st.one_of(st.text(), st.lists(st.sampled_from(SYNTAX)).map(" ".join)))
def test_no_question_is_syntax(full: Library, query: str) -> None:
    assert all(score > 0 for _, score in full.lexical(query, 5))
    assert all(insight.insight_id == "q" for insight in full.insights(query))
    named = query.replace("\ud800", "")
    full.facets(Selection(query, author=named, year=named, tags=(named, f"{named}x")))
    full.get(query)


@pytest.fixture(scope="module", params=KINDS)
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    if request.param == "sqlite":
        address = str(tmp_path_factory.mktemp("full") / "l.db")
    else:
        address = request.getfixturevalue("postgres").url(schema="full_of_syntax")
    with open_library(address, create=True) as opened:
        opened.add([make_insight('Some NEAR words OR others, AND a* (text) ^x "y" c:d — 中文 été.', insight_id="q")])
        yield opened


# Vectors


def test_vectors_come_back_as_they_were(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    keys = [key for key, _ in library.missing(MODEL)]
    vectors = random_vectors(6)
    library.put_vectors(MODEL, keys[::-1], vectors)
    library.put_vectors("model-2", keys[:2], random_vectors(2, 4))
    found_keys, found = library.vectors(MODEL)
    assert (found_keys.dtype, found.dtype) == (np.dtype(np.int64), np.dtype(np.float32))
    assert found_keys.tolist() == keys
    np.testing.assert_array_equal(found, vectors[::-1])
    some, theirs = library.vectors_after(MODEL, keys[1], 3)
    assert some.tolist() == keys[2:5]
    np.testing.assert_array_equal(theirs, vectors[::-1][2:5])
    some, theirs = library.vectors_of(MODEL, np.array([keys[4], 10**9, keys[0]]))
    assert some.tolist() == [keys[0], keys[4]]
    np.testing.assert_array_equal(theirs, vectors[::-1][[0, 4]])
    assert library.vectors("model-3")[1].shape == library.vectors_of("model-3", some)[1].shape == (0, 0)
    assert len(library.missing("model-3")) == 6
    library.note_model(MODEL, "all-MiniLM")
    assert [(one.fingerprint, one.name, one.count, one.bytes) for one in library.vector_sets()] == [
        (MODEL, "all-MiniLM", 6, 6 * 8 * 4),
        ("model-2", "", 2, 2 * 4 * 4),
    ]
    library.remove(["s1"])
    library.put_vectors(MODEL, keys, vectors)  # one is of a passage that was removed meanwhile: it is passed over
    assert library.vectors(MODEL)[0].tolist() == keys[1:]


def test_vectors_that_cannot_be_right_are_refused(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    first, second = [key for key, _ in library.missing(MODEL)][:2]
    with pytest.raises(ValueError, match="2 keys"):
        library.put_vectors(MODEL, [first, second], random_vectors(1))
    with pytest.raises(ModelError):
        library.put_vectors(MODEL, [first], np.full((1, 4), np.nan, np.float32))
    library.put_vectors(MODEL, [first], np.ones((1, 4), np.float32))
    library.put_vectors(MODEL, [second], np.ones((1, 3), np.float32))
    for read in (library.vectors, lambda model: library.vectors_after(model, 0, 9)):
        with pytest.raises(LibraryError, match="damaged vectors"):
            read(MODEL)


@pytest.mark.parametrize("kind", RETRIEVERS)
def test_what_only_the_filter_leaves_is_found_however_far_down_it_was(kind: str, library: Library) -> None:
    library.add([make_insight(f"Losses weigh more than gains, says note {n}.", author="Crowd") for n in range(260)])
    library.add([make_insight("Gains of crates weigh less to a clerk.", insight_id="far", author="Lone Clerk")])
    embedder = HashEmbedder()
    index = open_index(library, embedder)
    config = Config(retriever=kind, candidates=5)
    asked = "Do losses weigh more than gains of the same size?"
    everything = retrieve(asked, library, index, embedder, config)
    assert len(everything) == 5
    assert "far" not in [hit.insight.insight_id for hit in everything]
    hits = retrieve(asked, library, index, embedder, config, filters=Filter(authors=("Lone Clerk",)))
    assert [hit.insight.insight_id for hit in hits] == ["far"]
    assert retrieve(asked, library, index, embedder, config, filters=Filter(authors=("Nobody",))) == []


@pytest.mark.parametrize("indexed", [False, True])
def test_the_index_in_the_database_finds_what_the_exact_one_finds(
    indexed: bool, postgres_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways of searching: every vector compared, and through HNSW with the best scored again."""
    monkeypatch.setattr(corpus.postgres, "INDEXED", 0 if indexed else 10**9)
    monkeypatch.setattr(corpus.postgres_vectors, "FEW", 3)
    if indexed:  # of so few vectors PostgreSQL would compare every one all the same
        never = {f"enable_{way}": "off" for way in ("seqscan", "bitmapscan", "sort")}
        monkeypatch.setattr(corpus.postgres_servers, "SETTINGS", corpus.postgres_servers.SETTINGS | never)
    random = np.random.default_rng(7)
    with open_library(postgres_address, create=True) as library:
        library.add(many(400))
        embedder = HashEmbedder()
        keys = np.array([key for key, _ in library.missing(embedder.fingerprint)])
        rows = random.standard_normal((400, embedder.dimensions)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows[200:] = rows[:200]  # equals, whose order is that of their keys
        library.put_vectors(embedder.fingerprint, keys.tolist(), rows)
        index = open_index(library, embedder)
        assert isinstance(index, DatabaseIndex)
        assert ("HNSW" in index.description) is indexed
        exact = ExactIndex(keys, rows)
        for k in (0, 1, 7, 500):
            for only in (None, keys[::3], np.array([10**9, keys[5], keys[205]]), keys[:0]):
                vector = rows[random.integers(400)] + 0.1 * rows[random.integers(400)]
                found, scores = index.search(vector, k, only)
                wanted, theirs = exact.search(vector, k, only)
                assert found.tolist() == wanted.tolist()
                np.testing.assert_allclose(scores, theirs, atol=1e-5)
                assert (found.dtype, scores.dtype) == (wanted.dtype, theirs.dtype)
        if indexed:
            assert isinstance(library, PostgresLibrary)
            name = corpus.postgres_vectors.index_name(embedder.fingerprint, embedder.dimensions)
            sql = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelid = to_regclass(%s)"
            wait_for(lambda: library._servers.rows(sql, (name,))[0][0] >= 6)  # it is counted a little late
        asked = [int(keys[3]), 10**9, int(keys[1])]
        assert list(index.reconstruct(asked)) == [asked[0], asked[2]]
        np.testing.assert_array_equal(index.reconstruct(asked)[asked[0]], rows[3])
        library.remove(["n3"])
        assert asked[0] not in index.search(rows[3], 5)[0]
        assert library.check() == []


# Threads


def test_threads_write_and_read_at_once(library: Library) -> None:
    faults: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(8):
                library.add([make_insight(f"Thread {name} wrote number {n}.", insight_id=f"{name}{n}")])
                assert library.lexical(f"thread {name}", 50)
                embed_missing(library)
                if n % 4 == 3:
                    library.remove([f"{name}{n - 1}"])
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("x", "y", "z")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert library.count() == 18
    assert library.revision().endswith("-30")
    assert library.check() == []


def test_a_closed_library_says_so(library: Library) -> None:
    library.close()
    library.close()
    with pytest.raises(LibraryError, match="closed"):
        library.count()
