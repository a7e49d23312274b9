"""Backups: made and put back while others use the library, whole or not at all."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from corpus.copies import back_up, free_name, restore
from corpus.errors import FootnotedError, LibraryError, UsageError
from corpus.imports import Report
from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from rag.index import embed_missing
from tests.fakes import HashEmbedder

MODEL = HashEmbedder.fingerprint


@pytest.fixture
def library(six: Path) -> Iterator[Library]:
    with open_library(six) as library:
        embed_missing(library, HashEmbedder())
        yield library


@pytest.fixture
def copy(library: Library, tmp_path: Path) -> Path:
    back_up(library.path, tmp_path / "copy.db")
    return tmp_path / "copy.db"


def vectors_by_text(library: Library) -> dict[str, list[float]]:
    keys, vectors = library.vectors(MODEL)
    found = library.passages(keys.tolist())
    return {found[key][0].text: vector.tolist() for key, vector in zip(keys.tolist(), vectors, strict=True)}


def test_a_copy_is_one_file_with_all_that_is_in_the_library(library: Library, copy: Path) -> None:
    library.add([make_insight("Not in the copy.")])
    assert sorted(p.name for p in copy.parent.iterdir() if "copy" in p.name) == ["copy.db"]
    with open_library(copy) as copied:
        assert copied.check() == []
        assert copied.insights() == library.insights()[:6]
        assert vectors_by_text(copied).items() <= vectors_by_text(library).items()
        assert copied.vector_sets()[0].name == "hash"
        assert copied.lexical("suitcases", 3)


def test_a_copy_without_vectors_is_smaller_and_has_all_else(library: Library, tmp_path: Path) -> None:
    library.put_vectors("large", [1], np.ones((1, 50_000), np.float32))
    assert back_up(library.path, tmp_path / "all.db") == 6
    assert back_up(library.path, tmp_path / "bare.db", vectors=False) == 6
    assert (tmp_path / "bare.db").stat().st_size < (tmp_path / "all.db").stat().st_size - 150_000
    with open_library(tmp_path / "bare.db") as bare:
        assert bare.vector_sets() == []
        assert bare.insights() == library.insights()
    assert len(library.vector_sets()) == 2


def test_a_copy_is_of_one_moment_while_an_import_goes_on(library: Library, tmp_path: Path) -> None:
    def many() -> Iterator[Insight]:
        for n in range(3000):
            yield make_insight(f"Rope {n} was coiled in shed {n}.", insight_id=f"r{n}")
            if n == 1000:
                begun.set()

    begun = threading.Event()
    importing = threading.Thread(target=lambda: library.add(many()))
    importing.start()
    begun.wait(30)
    counts = [back_up(library.path, tmp_path / f"{n}.db") for n in range(3)]
    importing.join()
    assert counts == sorted(counts)
    for n, count in enumerate(counts):
        with open_library(tmp_path / f"{n}.db") as copied:
            assert copied.check() == []
            assert copied.count() == count
            assert (count - 6) % 500 == 0, "a batch is in it whole or not at all"
    assert library.count() == 3006


@pytest.mark.parametrize("name", ["six.db", "there.db", "no folder/copy.db"])
def test_what_would_be_lost_is_not_written_over(library: Library, tmp_path: Path, name: str) -> None:
    (tmp_path / "there.db").write_text("something else")
    with pytest.raises(UsageError):
        back_up(library.path, tmp_path / name)
    assert (tmp_path / "there.db").read_text() == "something else"
    assert library.check() == []
    back_up(library.path, tmp_path / "there.db", replace=True)
    with open_library(tmp_path / "there.db") as copied:
        assert copied.count() == 6


def test_a_full_disk_leaves_nothing_behind(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(LibraryError, match="No space left"):
        back_up(library.path, tmp_path / "copy.db")
    assert sorted(tmp_path.iterdir()) == before


# Putting it back


def test_what_was_lost_is_there_again_for_everybody_at_once(library: Library, copy: Path) -> None:
    expected, vectors = library.insights(), vectors_by_text(library)
    with open_library(library.path) as other:  # as another process would have it open
        before = other.revision()
        library.remove(["s1", "s2"])
        library.edit("s3", {"text": "Something else.", "tags": ["wrong"]})
        library.add([make_insight("Added since.", insight_id="since")])
        restored = restore(library.path, copy)
        assert restored.insights == 6
        assert other.insights() == library.insights() == expected
        assert vectors_by_text(other) == vectors
        assert other.lexical("310 suitcases", 3)
        assert not other.lexical("since", 3)
        assert other.check() == []
        assert other.revision() not in (before, "")
        assert other.revision().split("-")[0] == before.split("-")[0], "it is still the same library"
    assert restored.kept == library.path.with_name("six.before-restore.db")
    with open_library(restored.kept) as kept:
        assert [insight.insight_id for insight in kept.insights()] == ["s3", "s4", "s5", "s6", "since"]
        assert kept.check() == []


def test_a_restore_can_be_undone_by_restoring_what_was_kept(library: Library, copy: Path) -> None:
    library.add([make_insight("Added since.", insight_id="since")])
    there = library.insights()
    kept = restore(library.path, copy).kept
    assert kept is not None
    again = restore(library.path, kept)
    assert library.insights() == there
    assert again.kept == library.path.with_name("six.before-restore-2.db")


def test_no_number_ever_comes_to_mean_something_else(library: Library, copy: Path) -> None:
    """An index in another process's memory still holds the keys, and an import that goes on still has its number."""
    ever = set(library.vectors(MODEL)[0].tolist())
    numbers = [last.number for last in [library.last_import()] if last]
    for _ in range(3):
        restore(library.path, copy)
        keys = set(library.vectors(MODEL)[0].tolist())
        assert not keys & ever
        ever |= keys
        numbers += [last.number for last in [library.last_import()] if last]
    assert len(set(numbers)) == len(numbers) == 4
    assert library.undo_import().removed == 6, "the journal has come along"
    assert library.check() == []


def test_an_import_that_goes_on_during_a_restore_ends_in_what_was_restored(library: Library, copy: Path) -> None:
    def many() -> Iterator[Insight]:
        for n in range(1200):
            if n == 900:  # 500 are stored
                restore(library.path, copy)
            yield make_insight(f"Rope {n} was coiled in shed {n}.", insight_id=f"r{n}")

    assert library.add(many()) == Report(new=1200)
    ids = {insight.insight_id for insight in library.insights()}
    assert {"s1", "s6", "r500", "r1199"} <= ids
    assert "r499" not in ids, "that one is in the copy of what was there before"
    assert library.check() == []


def test_a_backup_of_an_earlier_version_is_brought_up_to_date_and_left_as_it_is(tmp_path: Path) -> None:
    backup = tmp_path / "v1.db"
    shutil.copyfile(Path(__file__).parent / "fixtures" / "libraries" / "v1.db", backup)
    before = backup.read_bytes()
    restored = restore(tmp_path / "new" / "mine.db", backup)
    assert restored.insights == 3
    assert restored.kept is None, "there was nothing before"
    assert backup.read_bytes() == before
    with open_library(tmp_path / "new" / "mine.db") as library:
        assert library.check() == []
        assert library.values("tag") == ["rope", "sea"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(5000, len(data), 4096):
        data[at : at + 2000] = b"\xff" * min(2000, len(data) - at)
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6000])


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE insights (text)")


def text(path: Path) -> None:
    path.write_text("Rope shrinks when it is wet.")


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (flip, "damaged, so nothing was restored"),
        (cut, "damaged, so nothing was restored"),
        (newer, "made by a newer Footnoted"),
        (foreign, "is not a backup"),
        (text, "is not a backup"),
        (gone, "There is no file"),
    ],
)
def test_what_is_no_sound_backup_is_refused(library: Library, copy: Path, harm: object, said: str) -> None:
    assert callable(harm)
    harm(copy)
    files = sorted(copy.parent.iterdir())
    with pytest.raises(FootnotedError, match=said):
        restore(library.path, copy)
    with pytest.raises(FootnotedError, match=said):
        restore(copy.with_name("none-yet.db"), copy)
    assert library.count() == 6
    assert sorted(copy.parent.iterdir()) == files, "not even an empty library"


def test_a_library_is_no_backup_of_itself(library: Library) -> None:
    with pytest.raises(UsageError, match="the library itself"):
        restore(library.path, library.path)


def test_a_restore_that_fails_midway_leaves_all_as_it_was(
    library: Library, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM main.insights")
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("corpus.copies._replace_rows", broken)
    files = sorted(copy.parent.iterdir())
    with pytest.raises(LibraryError):
        restore(library.path, copy)
    assert library.count() == 6
    assert sorted(copy.parent.iterdir()) == files


def test_a_name_that_is_taken_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert free_name(path, "x").name == "a.x.db"
    (tmp_path / "a.x.db").touch()
    assert free_name(path, "x").name == "a.x-2.db"
