"""Importing with a net: the dry run tells what the import does, an import is undone, an edit stays, old files open."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.database import VERSION
from corpus.errors import LibraryError, UsageError
from corpus.imports import BATCH, Import, Outcome, Report, Undone, packed, plan, reported, unpacked
from corpus.insight import Insight, make_insight
from corpus.items import Problem
from corpus.library import Library, open_library
from corpus.pasted import guess_format, read_bytes

MODEL = "model-1"
OLD = Path(__file__).with_name("library-v1.sql")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path / "data"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.db"


@pytest.fixture
def library(path: Path) -> Iterator[Library]:
    with open_library(path, create=True) as opened:
        yield opened


def embed_missing(library: Library) -> None:
    keys = [key for key, _ in library.missing(MODEL)]
    library.put_vectors(MODEL, keys, np.ones((len(keys), 4), np.float32))


# The dry run


def test_a_dry_run_says_what_and_why_and_writes_nothing(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    before = library.revision(), library.insights(), library.last_import()
    items: list[Insight | Problem] = [
        six_insights[0],
        replace(six_insights[1], title="Sleepers", tags=("trains",)),
        make_insight("Quite another one."),
        make_insight(six_insights[2].text.upper(), insight_id="other"),
        replace(six_insights[0], note="Again"),
        Problem(Path("a.csv"), 3, "No text."),
    ]
    planned = list(library.preview(items))
    assert [one.outcome for one in planned] == [
        Outcome.UNCHANGED,
        Outcome.CHANGED,
        Outcome.NEW,
        Outcome.DUPLICATE,
        Outcome.DUPLICATE,
        Outcome.UNREADABLE,
    ]
    assert [one.why for one in planned] == [
        "It is in the library as it is.",
        "Another title and tags than in the library.",
        "It isn't in the library yet.",
        "Its text is there already, with the id s3.",
        "Its id came before in this import.",
        "No text.",
    ]
    assert (planned[1].before, planned[1].after) == (six_insights[1], items[1])
    assert (library.revision(), library.insights(), library.last_import()) == before


def test_into_nothing_all_is_new_but_what_comes_twice(six_insights: list[Insight]) -> None:
    same_text = replace(six_insights[1], insight_id="other")
    planned = list(plan([*six_insights, six_insights[0], same_text]))
    assert reported(planned) == Report(new=6, duplicate=2)
    assert planned[-1].why == "Its text is there already, with the id s2."


TEXTS = [f"Insight {letter} has a text." for letter in "abcd"]
INSIGHTS = st.builds(
    make_insight,
    st.sampled_from(TEXTS),
    insight_id=st.sampled_from(["", "", "x", "y", "z"]),
    title=st.sampled_from(["", "T", "U"]),
    tags=st.lists(st.sampled_from(["a", "b"]), max_size=2),
)
ITEMS = st.lists(st.one_of(INSIGHTS, INSIGHTS, st.just(Problem(Path("p"), 1, "No."))), max_size=8)


@settings(max_examples=60)
@given(imports=st.lists(ITEMS, min_size=1, max_size=4), edited=st.sampled_from([None, "title", "text"]))
def test_the_dry_run_and_the_import_agree(
    imports: list[list[Insight | Problem]], edited: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with open_library(tmp_path_factory.mktemp("p") / "l.db", create=True) as library:
        for items in imports:
            foreseen = list(library.preview(items))
            before = {insight.insight_id: insight for insight in library.insights()}
            assert library.add(items) == reported(foreseen)
            expected = before | {one.after.insight_id: one.after for one in foreseen if one.after is not None}
            assert {insight.insight_id: insight for insight in library.insights()} == expected
            assert library.check() == []
            if edited and expected:
                first = next(iter(expected))
                library.edit(first, {edited: f"Edited {first} by hand."})


@settings(max_examples=60)
@given(first=ITEMS, second=ITEMS)
def test_undoing_an_import_brings_back_what_was(
    first: list[Insight | Problem], second: list[Insight | Problem], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with open_library(tmp_path_factory.mktemp("p") / "l.db", create=True) as library:
        library.add(first)
        before, last = library.insights(), library.last_import()
        report = library.add(second)
        if report.new or report.changed:
            assert library.undo_import() == Undone(removed=report.new, restored=report.changed)
        assert sorted(map(packed, library.insights())) == sorted(map(packed, before))
        assert library.last_import() == last
        assert library.check() == []


# Undo


def test_undo_removes_what_is_new_and_restores_what_changed(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights[:3], origin="first.csv")
    embed_missing(library)
    changed = replace(six_insights[0], text="Another text about cargo.", author="Ida")
    library.add([changed, *six_insights[1:]], origin="second.csv")
    last = library.last_import()
    assert last is not None
    assert (last.origin, last.new, last.changed) == ("second.csv", 3, 1)
    assert last.at.startswith("20")
    before = library.revision()
    assert library.undo_import(last.number) == Undone(removed=3, restored=1)
    assert library.revision() != before
    assert library.insights() == six_insights[:3]
    assert [text for _, text in library.missing(MODEL)] == [six_insights[0].text]  # its old vector went with its text
    assert library.lexical("cargo", 3) == []
    assert library.check() == []
    left = library.last_import()
    assert left is not None
    assert left.origin == "first.csv"
    assert library.undo_import() == Undone(removed=3)
    assert library.count() == 0
    with pytest.raises(UsageError, match="no import to undo"):
        library.undo_import()


def test_undo_leaves_what_was_done_since(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights[:4])
    library.edit("s1", {"title": "Mine"})
    library.remove(["s2"])
    assert library.undo_import() == Undone(removed=2, kept=1)
    assert library.insights() == [replace(six_insights[0], title="Mine")]


def test_only_the_import_that_was_meant_is_undone(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights[:2])
    shown = library.last_import()
    assert shown is not None
    library.add(six_insights[2:])
    with pytest.raises(UsageError, match="not the last import any more"):
        library.undo_import(shown.number)
    assert library.count() == 6


def test_an_import_that_changes_nothing_is_none(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights, origin="first")
    last = library.last_import()
    library.add([*six_insights, Problem(Path("p"), 1, "No.")], origin="again")
    assert library.last_import() == last


def test_an_import_of_several_batches_is_one(library: Library) -> None:
    library.add(make_insight(f"Insight number {n}.", insight_id=f"n{n}") for n in range(BATCH + 5))
    last = library.last_import()
    assert last is not None
    assert last.new == BATCH + 5
    assert library.undo_import() == Undone(removed=BATCH + 5)


def test_an_import_that_is_undone_while_it_is_under_way_can_be_undone_again(library: Library, path: Path) -> None:
    def items() -> Iterator[Insight]:
        for n in range(BATCH + 5):
            if n == BATCH:
                with open_library(path) as other:
                    assert other.undo_import() == Undone(removed=BATCH)
            yield make_insight(f"Insight number {n}.", insight_id=f"n{n}")

    library.add(items())
    assert library.undo_import() == Undone(removed=5)


# Edit


def test_a_changed_text_gets_new_passages_and_the_same_id(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    embed_missing(library)
    before = library.revision()
    after = library.edit("s6", {"text": "Zeppelins  returned.\r\nSlowly. ", "tags": "air, freight,air"})
    assert after == replace(six_insights[5], text="Zeppelins  returned.\nSlowly.", tags=("air", "freight"))
    assert library.get("s6") == after
    assert library.revision() != before
    assert [text for _, text in library.missing(MODEL)] == [after.text]
    assert library.lexical("zeppelins", 1)
    assert library.check() == []


def test_an_edit_that_changes_nothing_is_none(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    before = library.revision()
    assert library.edit("s1", {"source": " Tracks "}) == six_insights[0]
    assert library.revision() == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"text": "  "}, "This insight has no text."),
        ({"text": "x" * 100_001}, "100,001 characters"),
        ({"title": "x" * 1001}, "The title has 1,001 characters"),
        ({"date": "yesterday"}, "yesterday is not a date. Write it as 2024, 2024-05 or 2024-05-11."),
        ({"date": "2024-13-01"}, "2024-13-01 is not a date"),
        ({"date": "\u0662\u0660\u0662\u0664"}, "is not a date"),  # in digits that no filter would find
        ({"insight_id": "s2"}, '"insight_id" can\'t be edited. The fields are: text, title,'),
        ({"nonsense": "x"}, '"nonsense" can\'t be edited'),
        (
            {"text": "SOURDOUGH keeps longer because acid slows mould. Loaves from Harrow Mill lasted nine days."},
            "id s4",
        ),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(
    library: Library, six_insights: list[Insight], changes: dict[str, object], sentence: str
) -> None:
    library.add(six_insights)
    with pytest.raises(UsageError) as caught:
        library.edit("s1", {"note": "with it", **changes})
    assert sentence in str(caught.value)
    assert library.insights() == six_insights


def test_an_unknown_insight_can_not_be_edited(library: Library) -> None:
    with pytest.raises(UsageError, match="No insight has the id s9"):
        library.edit("s9", {"title": "x"})


def test_dates_and_empty_values_are_taken(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    assert library.edit("s1", {"date": "2024/05/11 10:00", "source": ""}).date == "2024-05-11"
    assert library.edit("s1", {"date": ""}).date == ""


def test_an_edit_outlasts_the_next_import_of_its_source(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    mine = library.edit("s1", {"title": "Mine", "text": "My own words for it."})
    (planned,) = library.preview([six_insights[0]])
    assert planned.why == "You edited it, and its source is as before."
    assert library.add(six_insights) == Report(unchanged=6)
    assert library.get("s1") == mine
    # The source has something new: that is taken over, what was edited stays.
    assert library.add([replace(six_insights[0], author="Ida")]) == Report(changed=1)
    assert library.get("s1") == replace(mine, author="Ida")
    assert library.add([replace(six_insights[0], author="Ida")]) == Report(unchanged=1)
    # It tells anew what was edited: then it counts.
    assert library.add([replace(six_insights[0], author="Ida", title="Theirs")]) == Report(changed=1)
    assert library.get("s1") == replace(mine, author="Ida", title="Theirs")
    # And undoing that brings back the edit, with what it was an edit of.
    library.undo_import()
    assert library.get("s1") == replace(mine, author="Ida")
    assert library.add([replace(six_insights[0], author="Ida")]) == Report(unchanged=1)


def test_an_edited_text_is_still_known_by_its_old_one(library: Library) -> None:
    plain = make_insight("The text as it was saved.")
    library.add([plain])
    library.edit(plain.insight_id, {"text": "The text as I put it."})
    assert library.add([plain]) == Report(unchanged=1)
    assert library.add([make_insight("The text as I put it.")]) == Report(duplicate=1)
    assert library.count() == 1


def test_the_shipped_insights_can_not_be_edited_or_undone() -> None:
    with open_library("demo") as demo:
        first = demo.insights(limit=1)[0].insight_id
        for change in (lambda: demo.edit(first, {"title": "x"}), demo.undo_import):
            with pytest.raises(LibraryError, match="ships with Footnoted"):
                change()
        assert reported(demo.preview(demo.insights())) == Report(unchanged=11)


@given(INSIGHTS)
def test_the_journal_keeps_every_field(insight: Insight) -> None:
    assert unpacked(packed(insight)) == insight


# Older files


@pytest.fixture
def old(path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    connection.close()
    return path


def version(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_a_library_of_version_1_opens_with_all_that_is_in_it(old: Path) -> None:
    with open_library(old) as library:
        assert version(old) == VERSION
        assert library.revision() == "0123456789ab-3"
        assert [insight.insight_id for insight in library.insights()] == ["r1", "9fc2ef34d217b9c6"]
        rope = library.get("r1")
        assert rope is not None
        assert (rope.title, rope.tags, rope.note) == ("Rope", ("rope", "sea"), "Try it.")
        assert library.vectors(MODEL)[0].tolist() == [1]
        assert len(library.lexical("rope", 5)) == 2
        assert library.check() == []
        assert library.last_import() is None
        assert library.add([make_insight("Tar keeps rope dry for a season."), make_insight("A third.")]) == Report(
            new=1, unchanged=1
        )
        assert library.undo_import() == Undone(removed=1)
        assert library.edit("r1", {"note": ""}).note == ""
    with open_library(old) as library:  # a second time there is nothing left to do
        assert library.count() == 2


def test_an_old_library_that_can_only_be_read_is_read_as_it_is(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpus.database.writable", lambda path: False)
    with open_library(old) as library:
        assert (library.count(), library.last_import()) == (2, None)
        planned = list(library.preview([make_insight("Tar keeps rope dry for a season."), make_insight("New.")]))
        assert Counter(one.outcome for one in planned) == {Outcome.UNCHANGED: 1, Outcome.NEW: 1}
    assert version(old) == 1


def test_an_import_is_told_with_its_numbers(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights, origin="a\ud800.csv")
    last = library.last_import()
    assert last == Import(1, last.at if last else "", "a?.csv", 6, 0)


# Pasted text


@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        ("One insight.\n\nAnother one.", "text"),
        ("# Heading\n\nAn insight.", "markdown"),
        ("- An item.\n- Another one.", "markdown"),
        ("text,author\nAn insight,Ida\n", "csv"),
        ("Highlight\nOnly one column.\n", "csv"),
        ('{"text": "A"}\n{"text": "B"}', "jsonl"),
        ('{"text": "A"}', "jsonl"),
        ('{"text": "A", "tags": ["insights"]}', "jsonl"),
        ('[{"text": "A"}]', "json"),
        ('{"insights": ["A"]}', "json"),
        ("{braces} are no JSON.", "text"),
        ("Text, and a comma.\n\nMore.", "text"),
        ("\x00", "text"),
    ],
)
def test_the_format_of_a_pasted_text_is_found(text: str, format_name: str) -> None:
    assert guess_format(text.encode()) == format_name


@given(st.binary(max_size=60))
def test_whatever_is_sent_is_read_or_told(data: bytes) -> None:
    items = read_bytes("sent.bin", data, guess_format(data))
    assert all(item.path == Path("sent.bin") for item in items if isinstance(item, Problem))
    assert items
