"""Imports of files: read by several processes alike, resumed after a cut, pruned only of what is surely gone."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from corpus import reading
from corpus.errors import UsageError
from corpus.imports import BATCH, Found, Held, Outcome, Report, Undone, is_within, packed
from corpus.insight import Insight, make_insight
from corpus.items import Problem
from corpus.library import Library, open_library
from corpus.readers import Source, find_sources
from corpus.reading import read_sources, wanted


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "mine.db", create=True) as opened:
        yield opened


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    folder.mkdir()
    for name in ("a", "b"):
        write(folder / f"{name}.txt", f"The first of {name} is about rope.", f"The second of {name} is about bread.")
    return folder


def write(path: Path, *texts: str) -> None:
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")


def found_in(*paths: Path) -> list[Found]:
    return list(read_sources(list(find_sources(paths)), {}, lambda source, count: None))


def add(library: Library, *paths: Path, prune: bool = False) -> Report:
    scope = [os.path.abspath(path) for path in paths] if prune else []
    foreseen = [one for one in library.preview(found_in(*paths), scope) if one.outcome is Outcome.REMOVED]
    report = library.add(found_in(*paths), origin="vault", prune=scope)
    assert len(foreseen) == report.removed, "the dry run and the import agree"
    return report


def texts(library: Library) -> list[str]:
    return [insight.text for insight in library.insights()]


# Pruning


def test_nothing_is_removed_unless_asked_for(library: Library, vault: Path) -> None:
    assert add(library, vault) == Report(new=4)
    write(vault / "a.txt", "The first of a is about rope.")
    assert add(library, vault) == Report(unchanged=3)
    assert library.count() == 4


def test_what_a_file_lost_goes_and_comes_back_by_undoing(library: Library, vault: Path) -> None:
    add(library, vault)
    before = sorted(map(packed, library.insights()))
    write(vault / "a.txt", "The first of a is about rope.", "A third of a is about tar.")
    (vault / "b.txt").unlink()
    assert add(library, vault, prune=True) == Report(new=1, unchanged=1, removed=3)
    assert texts(library) == ["The first of a is about rope.", "A third of a is about tar."]
    last = library.last_import()
    assert last is not None
    assert (last.new, last.changed, last.removed) == (1, 0, 3)
    assert library.undo_import() == Undone(removed=1, restored=3)
    assert sorted(map(packed, library.insights())) == before
    assert len(library.missing("any")) == 4
    assert library.check() == []


def test_only_what_was_named_is_pruned(library: Library, vault: Path) -> None:
    add(library, vault)
    write(vault / "a.txt", "The first of a is about rope.")
    write(vault / "b.txt", "The first of b is about rope.")
    assert add(library, vault / "a.txt", prune=True) == Report(unchanged=1, removed=1)
    assert library.count() == 3


@pytest.mark.parametrize("how", ["edited", "in another file", "in another import", "with the same text elsewhere"])
def test_what_is_somebody_s_or_stands_elsewhere_stays(library: Library, vault: Path, how: str) -> None:
    add(library, vault)
    (lost,) = [insight for insight in library.insights() if insight.text.startswith("The second of a")]
    match how:
        case "edited":
            library.edit(lost.insight_id, {"note": "Mine."})
        case "in another file":
            write(vault.parent / "c.txt", lost.text)
            add(library, vault.parent / "c.txt")
        case "in another import":
            library.add([lost])
        case _:
            path = vault.parent / "c.jsonl"
            path.write_text(f'{{"text": "{lost.text}", "id": "own"}}\n')
            assert add(library, path) == Report(duplicate=1)
    write(vault / "a.txt", "The first of a is about rope.")
    assert add(library, vault, prune=True).removed == 0
    assert library.get(lost.insight_id) is not None


def test_a_file_that_moved_loses_nothing(library: Library, vault: Path) -> None:
    add(library, vault)
    (vault / "deeper").mkdir()
    (vault / "a.txt").rename(vault / "deeper" / "z.txt")
    assert add(library, vault, prune=True) == Report(unchanged=4)
    (vault / "deeper" / "z.txt").unlink()
    (vault / "deeper").rmdir()
    assert add(library, vault, prune=True) == Report(unchanged=2, removed=2)


def test_what_can_not_be_read_is_not_taken_for_gone(library: Library, vault: Path) -> None:
    add(library, vault)
    (vault / "a.txt").write_bytes(bytes(range(256)) * 20)
    assert add(library, vault, prune=True).removed == 0
    (vault / "a.txt").unlink()
    (vault / "b.txt").unlink()
    report = add(library, vault, prune=True)  # an empty folder: a disk that isn't there, most likely
    assert (report.removed, len(report.unreadable)) == (0, 1)
    vault.rmdir()
    assert add(library, vault.with_suffix(".txt"), prune=True).removed == 0
    assert library.count() == 4


def test_insights_of_a_program_before_origins_are_never_pruned(tmp_path: Path, vault: Path) -> None:
    import sqlite3

    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(Path(__file__).with_name("library-v1.sql").read_text(encoding="utf-8"))
    connection.close()
    with open_library(path) as library:
        held = [insight.text for insight in library.insights()]
        write(vault / "a.txt", *held)
        (vault / "b.txt").unlink()
        add(library, vault)
        write(vault / "a.txt", "Only this.")
        assert add(library, vault, prune=True).removed == 0
        assert library.check() == []


def test_what_undoing_can_not_bring_back_is_told(library: Library, vault: Path) -> None:
    add(library, vault)
    lost = next(insight for insight in library.insights() if insight.text.startswith("The second of a"))
    write(vault / "a.txt", "The first of a is about rope.")
    add(library, vault, prune=True)
    library.add([make_insight(lost.text, insight_id="own")])
    library.undo_import()
    assert library.undo_import() == Undone(restored=1)
    library.remove([lost.insight_id])
    add(library, vault, prune=True)
    assert library.count() == 3


@pytest.mark.parametrize(
    ("path", "other", "within"),
    [("/v/a", "/v", True), ("/v/a", "/v/a", True), ("/va", "/v", False), ("/v", "/v/a", False), ("/v", "/", True)],
)
def test_a_path_is_within_a_folder_by_its_parts(path: str, other: str, within: bool) -> None:
    assert is_within(path, other) is within


def test_without_a_scope_nothing_is_kept_in_mind() -> None:
    held = Held()
    held.note("a", "/v/a")
    assert held.places == {}


# Going on


def many(count: int) -> list[Insight]:
    return [make_insight(f"Insight number {n}.", insight_id=f"n{n}") for n in range(count)]


def cut(items: Sequence[Insight], at: int) -> Iterator[Insight]:
    yield from items[:at]
    raise KeyboardInterrupt


def test_an_import_that_was_cut_off_goes_on_as_one(library: Library) -> None:
    items = many(2 * BATCH + 5)
    with pytest.raises(KeyboardInterrupt):
        library.add(cut(items, 2 * BATCH - 1), "big", resume="/big")
    assert library.count() == BATCH  # the second batch wasn't whole when it was cut
    assert library.add(items, "big", resume="/big") == Report(new=BATCH + 5, unchanged=BATCH)
    last = library.last_import()
    assert last is not None
    assert (last.number, last.new) == (1, 2 * BATCH + 5)
    assert library.undo_import() == Undone(removed=2 * BATCH + 5)
    assert library.last_import() is None


def test_one_that_came_to_its_end_is_not_gone_on_with(library: Library) -> None:
    items = many(4)
    library.add(items[:2], "big", resume="/big")
    library.add(items, "big", resume="/big")
    assert library.undo_import() == Undone(removed=2)
    assert library.undo_import() == Undone(removed=2)


@pytest.mark.parametrize("resume", ["", "/other"])
def test_another_import_is_not_taken_for_the_one_that_was_cut_off(library: Library, resume: str) -> None:
    items = many(BATCH + 5)
    with pytest.raises(KeyboardInterrupt):
        library.add(cut(items, BATCH + 1), "big", resume=resume and "/big")
    library.add(items, "big", resume=resume)
    assert library.undo_import() == Undone(removed=5)


def test_after_another_import_a_new_one_begins(library: Library) -> None:
    items = many(BATCH + 5)
    with pytest.raises(KeyboardInterrupt):
        library.add(cut(items, BATCH + 1), "big", resume="/big")
    library.add([make_insight("In between.")])
    library.add(items, "big", resume="/big")
    assert [library.undo_import().removed for _ in range(3)] == [5, 1, BATCH]


def test_what_changes_before_the_import_goes_on_is_undone_to_what_was(library: Library) -> None:
    first = make_insight("The text as it was.", insight_id="n0", title="One")
    library.add([first])
    items = [make_insight("The text as it is.", insight_id="n0"), *many(BATCH + 2)[1:]]
    with pytest.raises(KeyboardInterrupt):
        library.add(cut(items, BATCH + 1), resume="/big")
    library.add([make_insight("The text as it will be.", insight_id="n0"), *items[1:]], resume="/big")
    library.undo_import()
    assert library.insights() == [first]


def test_an_edit_before_the_import_goes_on_is_kept(library: Library) -> None:
    items = many(BATCH + 2)
    with pytest.raises(KeyboardInterrupt):
        library.add(cut(items, BATCH + 1), resume="/big")
    library.edit("n1", {"title": "Mine"})
    changed = make_insight("Insight number 1.", insight_id="n1", author="Ida")
    library.add([items[0], changed, *items[2:]], resume="/big")
    assert library.undo_import() == Undone(removed=BATCH + 1, kept=1)
    assert [insight.title for insight in library.insights()] == ["Mine"]


# Reading


@pytest.fixture
def many_files(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(3 * reading.TOGETHER + 1):
        write(folder / f"{n:03}.txt", *(f"Insight {m} of the file {n}." for m in range(n % 4 + 1)))
    (folder / "007.txt").write_bytes(b"")
    (folder / "008.xyz").write_text("nothing")
    (folder / "table.csv").write_text("Satz,Wer\nEin Satz.,Ida\n")
    return folder


def test_several_processes_read_the_same_in_the_same_order(many_files: Path) -> None:
    sources = list(find_sources([many_files]))
    told: list[list[tuple[Source, int]]] = [[], []]
    alone = list(read_sources(sources, {}, lambda *one: told[0].append(one), processes=1))
    together = list(read_sources(sources, {}, lambda *one: told[1].append(one), processes=2))
    assert together == alone
    assert told[0] == told[1]
    assert len([found for found in alone if isinstance(found.item, Problem)]) == 3
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_costs_nothing(many_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = list(find_sources([many_files]))
    alone = list(read_sources(sources, {}, lambda *one: None, processes=1))
    monkeypatch.setattr(reading, "_begin", os.abort)
    assert list(read_sources(sources, {}, lambda *one: None, processes=2)) == alone


def test_who_stops_reading_leaves_no_process_behind(many_files: Path) -> None:
    items = read_sources(list(find_sources([many_files])), {}, lambda *one: None, processes=2)
    next(items)
    assert multiprocessing.active_children()
    items.close()
    assert multiprocessing.active_children() == []


def test_few_small_files_are_read_alone(tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    few = list(find_sources([vault]))
    assert wanted(few) == 1
    assert wanted(few * reading.MANY) == 4
    with (vault / "a.txt").open("wb") as file:
        file.truncate(reading.LARGE)
    assert wanted(few) == 2
    assert wanted(few[:1]) == 1


def test_an_unknown_format_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tells no known format"):
        found_in(tmp_path / "a.xyz")
