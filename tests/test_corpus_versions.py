"""The library's file of every earlier version, made by that version's code: nothing that a person had may be lost."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from corpus.database import VERSION
from corpus.errors import UsageError
from corpus.imports import Report, Undone
from corpus.insight import make_insight
from corpus.library import open_library
from rag.index import open_index
from tests.fakes import HashEmbedder
from tests.fixtures.libraries.make import LONG, MODEL

FILES = Path(__file__).parent / "fixtures" / "libraries"
EARLIER = [f"v{version}" for version in range(1, VERSION)]
IMPORTS_FROM = 2  # the version since which imports are remembered


@pytest.fixture(params=EARLIER)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    shutil.copyfile(FILES / f"{request.param}.db", path)
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_every_earlier_version_has_its_file() -> None:
    missing = [name for name in EARLIER if not (FILES / f"{name}.db").is_file()]
    assert not missing, f"make {missing} with the code of that version: see tests/fixtures/libraries/make.py"
    for name in EARLIER:
        assert f"v{version(FILES / f'{name}.db')}" == name


def test_it_is_brought_up_to_date_with_all_that_is_in_it(old: Path) -> None:
    made_by = version(old)
    with open_library(old) as library:
        assert version(old) == VERSION
        assert library.check() == []
        rope = library.get("rope")
        assert rope is not None
        assert (rope.author, rope.tags, rope.note, rope.date) == ("Ida Quill", ("rope", "sea"), "Try it.", "2023-04")
        other = library.get("ünïcode#1")
        assert other is not None
        assert other.text.startswith("Über Öltücher")
        keys, vectors = library.vectors(MODEL)
        assert len(keys) == library.passage_count()
        assert np.array_equal(vectors, np.eye(4, dtype=np.float32)[keys % 4])
        assert [found.fingerprint for found in library.vector_sets()] == [MODEL]
        assert library.lexical("naive brulee", 5), "accents don't matter to the full text"
        assert library.insights("ledg")[0].insight_id == "long"
        found, _ = open_index(library, HashEmbedder()).search(HashEmbedder().encode_query([rope.text])[0], 1)
        assert [insight.insight_id for _, insight in library.passages(found.tolist()).values()] == ["rope"]
        if made_by >= IMPORTS_FROM:
            assert rope.title == "Rope, my words"
            assert library.add([replace(rope, title="Rope")]) == Report(unchanged=1), "the edit stays"


def test_imports_can_be_undone_after_it(old: Path) -> None:
    made_by = version(old)
    with open_library(old) as library:
        assert library.add([make_insight("A new one.", insight_id="new")], origin="third.csv") == Report(new=1)
        assert library.undo_import() == Undone(removed=1)
        if made_by < IMPORTS_FROM:
            with pytest.raises(UsageError, match="no import to undo"):
                library.undo_import()
            return
        last = library.last_import()
        assert last is not None
        assert last.origin == "second.csv"
        assert library.undo_import() == Undone(removed=1, restored=1)
        long = library.get("long")
        assert long is not None
        assert long.text == LONG
        assert library.check() == []


def test_one_that_can_only_be_read_is_read_as_it_is(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpus.database.writable", lambda path: False)
    before = version(old)
    with open_library(old) as library:
        assert library.count() >= 3
        assert library.lexical("rope", 5)
        assert len(library.vectors(MODEL)[0]) == library.passage_count()
        assert len(library.vector_sets()) == 1
        library.note_model(MODEL, "nobody's")  # nothing can be noted, and nothing is wrong with that
    assert version(old) == before
