"""The doctor and --fix on files that are really broken. What it says of models and packages: tests/test_ui_cli.py."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from corpus.insight import Insight, make_insight
from corpus.library import open_library
from corpus.salvage import salvage
from rag.config import Config
from rag.index import embed_missing, open_index
from tests.fakes import HashEmbedder, OverlapScorer
from ui.conversations import Store
from ui.doctor import examine
from ui.findings import Finding
from ui.users import Cost, add_user

Look = Callable[..., dict[str, list[Finding]]]


@pytest.fixture
def path(tmp_path: Path, six_insights: list[Insight]) -> Path:
    """A library that is in order: all vectors, and the index file."""
    path = tmp_path / "mine" / "six.db"
    with open_library(path, create=True) as library:
        library.add(six_insights, origin="six.csv")
        open_index(library, HashEmbedder())
    return path


@pytest.fixture
def look(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("ui.doctor.open_embedder", lambda name: HashEmbedder())
    monkeypatch.setattr("ui.doctor.CrossEncoder", OverlapScorer)
    monkeypatch.setattr("ui.doctor.Judge", OverlapScorer)

    def look(fix: bool = False, auth: Path | None = None, library: Path = path) -> dict[str, list[Finding]]:
        found: dict[str, list[Finding]] = {}
        for finding in examine(str(library), Config(writer="quote"), fix=fix, auth=auth):
            found.setdefault(finding.part, []).append(finding)
        return found

    return look


@pytest.fixture
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as whoever breaks it sees it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def marks(found: dict[str, list[Finding]], *parts: str) -> list[str]:
    return [finding.line[:4].strip() for part in parts for finding in found.get(part, [])]


def state_of(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()).encode()


def test_one_in_order_is_well_and_nothing_is_done_to_it(look: Look, path: Path) -> None:
    before, files = state_of(path), sorted(path.parent.iterdir())
    for fix in (False, True):
        found = look(fix)
        assert marks(found, "library", "disk", "vectors", "index", "conversations") == ["ok"] * 5
        assert not found.keys() & {"leftovers", "room", "users"}
    assert state_of(path) == before
    assert [p for p in sorted(path.parent.iterdir()) if p.suffix == ".db"] == [p for p in files if p.suffix == ".db"]


def lexical_row(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE passages_fts SET text = 'another' WHERE rowid = 2")


def lexical_extra(raw: sqlite3.Connection) -> None:
    raw.execute("INSERT INTO passages_fts (rowid, text, about) VALUES (99, 'nobody', '')")


def lexical_inside(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE passages_fts_data SET block = x'00' WHERE id > 10")


def lexical_parts(raw: sqlite3.Connection) -> None:
    raw.execute("DROP TABLE passages_fts_data")


def lexical_table(raw: sqlite3.Connection) -> None:
    raw.execute("DROP TABLE passages_fts")


def orphans(raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("INSERT INTO insights VALUES (90, 'x', 'x', 'Some text.', '', '', '', '', '', '[]', '', '')")
    raw.execute("INSERT INTO passages VALUES (50, 'x#0', 'x', 0, 5)")
    raw.execute("INSERT INTO vectors SELECT 50, fingerprint, vector FROM vectors LIMIT 1")
    raw.execute("DELETE FROM insights WHERE insight_id = 'x'")


def bare(raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA foreign_keys = ON")
    raw.execute("DELETE FROM passages WHERE insight_id IN ('s2', 's3')")


def short_vectors(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE vectors SET vector = x'0000803f' WHERE key = 3")


def all_at_once(raw: sqlite3.Connection) -> None:
    for harm in (orphans, bare, lexical_parts):
        harm(raw)
    raw.execute("UPDATE vectors SET vector = x'00' WHERE key = 1")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lexical_row, "The lexical index is not in step with the passages. With --fix it is made again"),
        (lexical_extra, "The lexical index is not in step with the passages."),
        (lexical_inside, "The lexical index is damaged. With --fix it is made again from the insights."),
        (lexical_parts, "The lexical index is damaged."),
        (lexical_table, "The lexical index is damaged."),
        (orphans, "1 row belongs to insights or passages that are gone. With --fix they are removed."),
        (bare, "2 insights have no passages, so that nothing finds them. With --fix they are made."),
        (short_vectors, "1 vector is damaged. With --fix they are removed, and made again"),
        (all_at_once, "The lexical index is damaged."),
    ],
)
def test_what_can_be_made_again_is_mended(
    look: Look,
    path: Path,
    raw: sqlite3.Connection,
    harm: Callable[[sqlite3.Connection], None],
    said: str,
    six_insights: list[Insight],
) -> None:
    harm(raw)
    raw.close()
    before = path.read_bytes()
    found = look()
    assert said in found["library"][0].text
    assert not found["library"][0].ok
    assert path.read_bytes() == before, "without --fix nothing is written"
    found = look(fix=True)
    assert set(marks(found, "library")) == {"done", "ok"}
    assert all(finding.ok for findings in found.values() for finding in findings)
    with open_library(path) as library:
        assert library.check() == []
        assert library.insights() == six_insights
        assert len(library.vectors(HashEmbedder.fingerprint)[0]) == library.passage_count() == 6
        assert library.lexical("310 suitcases", 1)
        assert library.undo_import().removed == 6
    assert marks(look(), "library", "vectors") == ["ok", "ok"]


# A damaged file


def large(path: Path) -> list[Insight]:
    """A library of which a damaged page is a small part."""
    insights = [make_insight(f"Rope {n} was coiled in shed {n}. " * 8, insight_id=f"r{n}") for n in range(400)]
    with open_library(path, create=True) as library:
        library.add(insights, origin="ropes.csv")
        library.edit("r7", {"title": "Mine"})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return library_insights(path)


def library_insights(path: Path) -> list[Insight]:
    with open_library(path) as library:
        return library.insights()


def pages_of(path: Path, table: str) -> list[int]:
    """The numbers of a table's leaf pages."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = path.read_bytes()
    waiting, leaves = [int(root)], []
    while waiting:
        number = waiting.pop()
        page = data[(number - 1) * size : number * size]
        if page[0] == 5:  # an inner page of a table: its cells begin with the number of a page below it
            cells = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n]) for n in range(int.from_bytes(page[3:5]))]
            waiting += [int.from_bytes(page[at : at + 4]) for at in cells] + [int.from_bytes(page[8:12])]
        elif page[0] == 13:
            leaves.append(number)
    return leaves


def spoil(path: Path, number: int) -> None:
    with path.open("rb+") as file:
        file.seek((number - 1) * 4096)
        file.write(b"\xa5" * 4096)


def test_what_can_be_read_of_a_damaged_library_is_saved_beside_it(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "ropes.db"
    insights = large(path)
    for number in pages_of(path, "insights")[3:5]:
        spoil(path, number)
    damaged = path.read_bytes()
    found = look(library=path)
    assert not found["library"][0].ok
    assert f"With --fix what can be read is saved in {path.with_name('ropes.recovered.db')}" in found["library"][0].text
    assert not path.with_name("ropes.recovered.db").exists()
    found = look(fix=True, library=path)
    assert path.read_bytes() == damaged, "it is left alone"
    with open_library(path.with_name("ropes.recovered.db")) as recovered:
        saved = recovered.insights()
        assert f" {len(saved)} of 400 insights were saved in " in found["library"][0].text
        assert 340 < len(saved) < 400
        assert saved == [insight for insight in insights if insight in saved], "whole, and in their order"
        assert recovered.check() == []
        assert recovered.lexical("shed", 3)
        assert recovered.add(insights).new == 400 - len(saved), "what was lost can be added again"
    assert not found["library"][0].ok, "the file that is named is still damaged"


def test_damage_elsewhere_costs_no_insight(tmp_path: Path) -> None:
    path = tmp_path / "ropes.db"
    insights = large(path)
    for table in ("passages", "vectors", "passages_fts_data"):
        for number in pages_of(path, table):
            spoil(path, number)
    saved = salvage(path)
    assert (saved.insights, saved.known) == (400, 400)
    assert library_insights(saved.path) == insights
    with open_library(saved.path) as library:
        assert library.undo_import().removed == 399, "the edited one stays"


def test_a_file_of_which_nothing_is_left_says_so(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "ropes.db"
    large(path)
    path.write_bytes(path.read_bytes()[:100] + os.urandom(50_000))
    found = look(fix=True, library=path)
    assert "can be read any more. Put back a backup of it." in found["library"][0].text
    assert sorted(p.name for p in path.parent.iterdir() if "ropes" in p.name) == ["ropes.db"]


# Vectors and the index


def test_missing_vectors_are_a_note_and_made(look: Look, path: Path) -> None:
    with open_library(path) as library:
        library.add([make_insight("Zeppelins returned.", insight_id="z")])
    found = look()
    assert found["vectors"][0].line.startswith("note vectors: 1 of 7 passages have no vector of hash-embedder-1 yet.")
    assert marks(look(fix=True), "vectors") == ["done"]
    assert marks(look(), "vectors", "index") == ["ok", "ok"]


class Other(HashEmbedder):
    name = "other"
    fingerprint = "other-1"


def test_vectors_of_another_model_are_a_note_and_dropped(look: Look, path: Path) -> None:
    with open_library(path) as library:
        embed_missing(library, Other())
        library.put_vectors("large-1", [1, 2], np.ones((2, 600_000), np.float32))
    found = look()
    text = "The vectors of other, large-1 take 4.8 MB and aren't used with these settings. With --fix they are removed"
    assert text in found["vectors"][1].text
    assert found["vectors"][1].mark == "note"
    size = path.stat().st_size
    found = look(fix=True)
    assert marks(found, "vectors", "room") == ["ok", "done", "done"]
    assert path.stat().st_size < size - 4_000_000
    with open_library(path) as library:
        assert [each.fingerprint for each in library.vector_sets()] == ["hash-embedder-1"]
        assert library.count() == 6


def test_the_vectors_that_a_page_answers_with_are_not_dropped(
    look: Look, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as those of the settings can't be made."""
    monkeypatch.setattr("ui.library_health.embed_missing", lambda *_: None)
    with open_library(path) as library:
        embed_missing(library, Other())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM vectors WHERE fingerprint = 'hash-embedder-1' AND key > 3")
    monkeypatch.setattr("ui.library_health.open_index", lambda *_: None)
    assert marks(look(fix=True), "vectors") == ["note", "note"]
    with open_library(path) as library:
        assert {each.fingerprint for each in library.vector_sets()} == {"hash-embedder-1", "other-1"}


def index_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.index")


@pytest.mark.parametrize(
    "harm", [lambda data: data[: len(data) // 2], lambda data: data[:-9] + b"\xa5" + data[-8:], lambda data: b""]
)
def test_a_damaged_index_file_is_told_and_made(look: Look, path: Path, harm: Callable[[bytes], bytes]) -> None:
    file = index_of(path)
    file.write_bytes(harm(file.read_bytes()))
    assert look()["index"][0].line.startswith("FAIL index: The index file is damaged. With --fix it is made now")
    assert marks(look(fix=True), "index") == ["done"]
    assert marks(look(), "index") == ["ok"]


def test_an_index_file_of_another_embedder_or_none_is_a_note(look: Look, path: Path) -> None:
    with open_library(path) as library:
        open_index(library, Other())
    assert look()["index"][0].line.startswith("note index: The index file is of another state of the library or of")
    index_of(path).unlink()
    assert look()["index"][0].line.startswith("note index: There is no index file. With --fix it is made now")
    assert not index_of(path).exists()
    assert marks(look(fix=True), "index") == ["done"]


def test_an_index_file_of_another_library_is_told(look: Look, path: Path, tmp_path: Path) -> None:
    with open_library(tmp_path / "other.db", create=True) as other:
        other.add([make_insight("Zeppelins returned.")])
        open_index(other, HashEmbedder())
    index_of(path).write_bytes(index_of(tmp_path / "other.db").read_bytes())
    (finding,) = look()["index"]
    assert finding.line.startswith("FAIL index: The index file was made from another library. With --fix it is made")
    assert marks(look(fix=True), "index") == ["done"]


# What lies around it


def test_leftovers_are_removed_once_they_are_old(look: Look, path: Path, tmp_path: Path) -> None:
    left = [path.with_name(f".{path.name}.index.4711"), path.with_name(".copy.db.copy.4711")]
    folder = tmp_path / "cache" / "models" / ".converting-x"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * 3_000_000)
    for each in (*left, path.with_name(".restoring-x")):
        each.write_bytes(b"x")
    mine = path.with_name("my notes.txt")
    mine.write_text("x")
    old = time.time() - 7200
    for each in (*left, folder, mine):
        os.utime(each, (old, old))
    (finding,) = look()["leftovers"]
    assert finding.line.startswith("note leftovers: 3 leftovers of programs that were cut off, 3.0 MB: ")
    assert marks(look(fix=True), "leftovers") == ["done"]
    assert not folder.exists()
    assert not any(each.exists() for each in left)
    assert path.with_name(".restoring-x").exists(), "somebody may be at work with it"
    assert mine.exists()


def test_a_full_disk_is_told(look: Look, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shutil import disk_usage

    usage = disk_usage(path.parent)._replace(free=3_000_000)
    monkeypatch.setattr("ui.library_health.shutil.disk_usage", lambda _: usage)
    assert f"Only 3 MB are free in {path.parent}." in look()["disk"][0].text


def test_a_library_that_may_not_be_written_is_only_looked_at(
    look: Look, path: Path, raw: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(raw)
    raw.close()
    monkeypatch.setattr("corpus.database.writable", lambda path: False)
    before = path.read_bytes()
    found = look(fix=True)
    assert "2 insights have no passages" in found["library"][0].text
    assert not found["library"][0].ok
    assert path.read_bytes() == before


def test_the_conversations_are_looked_at(look: Look, tmp_path: Path) -> None:
    assert "none are kept yet" in look()["conversations"][0].text
    file = tmp_path / "data" / "conversations.db"
    Store(file).new_secret()
    assert marks(look(), "conversations") == ["ok"]
    file.chmod(0o644)
    text = f"Other people on this machine can get at {file}. With --fix only you may read it."
    assert look()["conversations"][1] == Finding("conversations", False, text)
    assert marks(look(fix=True), "conversations") == ["ok", "done"]
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(file.read_bytes()[:3000] + b"\xff" * 20_000)
    assert "damaged" in look()["conversations"][0].text
    assert not look()["conversations"][0].ok


def test_the_file_of_users_is_looked_at_if_it_is_named(look: Look, tmp_path: Path) -> None:
    users = tmp_path / "users.toml"
    assert not look(auth=users)["users"][0].ok
    add_user(users, "ada", "a long password", Cost(2**4))
    assert look(auth=users)["users"] == [Finding("users", True, f"{users}, 1 person")]
    users.chmod(0o644)
    (finding,) = look(auth=users)["users"]
    assert finding.line.startswith(f"FAIL users: Other people on this machine can get at {users}.")
    assert marks(look(fix=True, auth=users), "users") == ["done", "ok"]
    assert users.stat().st_mode & 0o777 == 0o600
