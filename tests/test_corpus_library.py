"""The library: what is added stays, once; what is removed goes, wholly; what isn't ours is refused in words."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

import corpus.database
import corpus.library
from corpus.errors import LibraryError
from corpus.imports import BATCH, Report
from corpus.insight import Insight, make_insight
from corpus.items import Problem
from corpus.library import Library, open_library
from corpus.sqlite import SqliteLibrary

ROOT = Path(__file__).parent.parent
MODEL = "model-1"


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


def embed_missing(library: Library) -> list[int]:
    keys = [key for key, _ in library.missing(MODEL)]
    library.put_vectors(MODEL, keys, random_vectors(len(keys)))
    return keys


def random_vectors(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(count).standard_normal((count, 4)).astype(np.float32)


def many(count: int) -> Iterator[Insight]:
    return (make_insight(f"Insight number {n} is about topic{n}.", insight_id=f"n{n}") for n in range(count))


def lines_of(path: Path) -> int:
    """The rows of all tables but meta: what a removal must leave empty."""
    with sqlite3.connect(path) as connection:
        tables = ("insights", "passages", "vectors", "passages_fts", "passages_fts_docsize")
        return sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)


# Add, change, remove


def test_what_was_added_comes_back_after_reopening(path: Path, six_insights: list[Insight]) -> None:
    first = make_insight(
        "A “text”.", title="T", author="A", source="S", url="U", date="2024", tags=["a, b", "ü"], note="N\nM"
    )
    with open_library(path, create=True) as library:
        assert library.add([first, *six_insights]) == Report(new=7)
    with open_library(path) as library:
        assert library.insights() == [first, *six_insights]
        assert library.insights(offset=5, limit=1) == [six_insights[4]]
        assert library.get("s3") == six_insights[2]
        assert library.get("s9") is None
        assert (library.count(), library.passage_count(), library.name, library.path) == (7, 7, str(path), path)
        assert library.check() == []
        assert not library.read_only


def test_adding_again_changes_nothing(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    keys, before = embed_missing(library), library.revision()
    assert library.add(six_insights) == Report(unchanged=6)
    assert (library.revision(), library.vectors(MODEL)[0].tolist(), library.missing(MODEL)) == (before, keys, [])


def test_a_changed_text_alone_is_embedded_again(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    keys, before = embed_missing(library), library.revision()
    six_insights[5] = replace(six_insights[5], text="Zeppelins returned.")
    assert library.add(six_insights) == Report(changed=1, unchanged=5)
    assert library.revision() != before
    ((key, text),) = library.missing(MODEL)
    assert text == "Zeppelins returned."
    assert key not in keys  # a key that an index file remembers must not come to mean another text
    assert library.vectors(MODEL)[0].tolist() == keys[:5]
    assert [found for found, _ in library.lexical("zeppelins idle", 5)] == [key]
    assert library.check() == []


def test_changed_details_keep_the_passages_and_their_vectors(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    embed_missing(library)
    assert library.add([replace(six_insights[0], author="Ida Quill", tags=("cargo",), source="")]) == Report(changed=1)
    assert library.missing(MODEL) == []
    assert library.get("s1") == replace(six_insights[0], author="Ida Quill", tags=("cargo",), source="")
    (first,) = library.keys_of("s1")
    assert [key for key, _ in library.lexical("Ida cargo", 5)] == [first]
    assert first not in [key for key, _ in library.lexical("tracks", 5)]
    assert library.check() == []


def test_duplicates_are_stored_once(library: Library, six_insights: list[Insight]) -> None:
    same_id = replace(six_insights[0], text="Other text.")
    same_text = replace(six_insights[1], insight_id="other", text=six_insights[1].text.upper())
    assert library.add([*six_insights, same_id, same_text]) == Report(new=6, duplicate=2)
    assert library.add([same_text]) == Report(duplicate=1)
    assert library.insights() == six_insights


def test_a_plain_copy_of_a_text_does_not_wipe_its_details(library: Library) -> None:
    rich = make_insight("The text.", title="T", tags=["a"], note="Mine")
    library.add([rich])
    assert library.add([make_insight("The text.")]) == Report(unchanged=1)
    assert library.add([make_insight("The text.", author="A", note="New")]) == Report(changed=1)
    assert library.insights() == [replace(rich, author="A", note="New")]


def test_problems_are_handed_on(library: Library, six_insights: list[Insight]) -> None:
    problem = Problem(Path("a.csv"), 3, "No text.")
    assert library.add([six_insights[0], problem]) == Report(new=1, unreadable=(problem,))


def test_removal_leaves_nothing_behind(library: Library, path: Path, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    embed_missing(library)
    before = library.revision()
    assert library.remove(["s1", "s1", "none", "\ud800"]) == 1
    assert library.revision() != before
    assert library.lexical("Quill", 5) == []
    assert library.count() == 5
    assert library.remove(insight.insight_id for insight in six_insights) == 5
    assert lines_of(path) == 0
    assert library.check() == []
    after = library.revision()
    assert library.remove(["s1"]) == 0
    assert library.revision() == after


def test_two_libraries_never_share_a_revision(library: Library, tmp_path: Path) -> None:
    with open_library(tmp_path / "other.db", create=True) as other:
        assert other.revision() != library.revision()


# Passages, search, vectors


def test_passages_come_in_the_order_asked(library: Library) -> None:
    library.add(many(1200))
    keys = [key for key, _ in library.missing(MODEL)]
    asked = [*reversed(keys), keys[0], 999_999]
    found = list(library.passages(asked).values())
    assert [passage.insight_id for passage, _ in found] == [f"n{n}" for n in reversed(range(1200))]
    assert all(insight.text[passage.start : passage.end] == passage.text for passage, insight in found)


def test_a_long_insight_has_several_passages(library: Library) -> None:
    text = " ".join(f"Sentence {n} has the word marker{n} in it." for n in range(60))
    library.add([make_insight(text, insight_id="long")])
    keys = library.keys_of("long")
    assert len(keys) == library.passage_count() == 4
    assert [passage.text for passage, _ in library.passages(keys).values()] == [
        text for _, text in library.missing(MODEL)
    ]
    assert [key for key, _ in library.lexical("marker59", 3)] == keys[3:]
    assert len(library.insights("marker")) == 1


def test_lexical_ties_are_in_order_of_passage_id(library: Library) -> None:
    library.add(make_insight(f"Same words {letter}.", insight_id=letter) for letter in "cab")
    hits = library.lexical("same", 3)
    assert [passage.passage_id for passage, _ in library.passages([key for key, _ in hits]).values()] == [
        "a#0",
        "b#0",
        "c#0",
    ]


def test_vectors_of_removed_passages_are_passed_over(library: Library, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    keys = [key for key, _ in library.missing(MODEL)]
    library.remove(["s1"])
    library.put_vectors(MODEL, keys, random_vectors(6))
    assert library.vectors(MODEL)[0].tolist() == keys[1:]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with open_library(tmp_path_factory.mktemp("shared") / "l.db", create=True) as opened:
        opened.add([make_insight('Some NEAR words OR others, AND a* (text) ^x "y" c:d — 中文 été.', insight_id="q")])
        yield opened


SYNTAX = ["NEAR(", "OR", '"', "*", "text:", "^", "-", "+", "{a b}", "\0", "'", "_", "中", "\ud800", "(", ")", ","]


@given(st.one_of(st.text(), st.lists(st.sampled_from(SYNTAX)).map(" ".join)))
@example("words " * 5000)
@example(" ".join(f"w{n}" for n in range(3000)))
def test_no_question_is_syntax(shared: Library, query: str) -> None:
    assert all(score > 0 for _, score in shared.lexical(query, 5))
    assert all(insight.insight_id == "q" for insight in shared.insights(query))
    shared.get(query)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with open_library(tmp_path_factory.mktemp("words") / "l.db", create=True) as opened:
        yield opened


@given(st.from_regex(r"[a-zA-Zà-öø-ü]{2,12}", fullmatch=True), st.text(max_size=30))
def test_a_word_of_the_text_is_always_found(words: Library, word: str, rest: str) -> None:
    words.add([make_insight(f"{word} {rest}", insight_id="w")])
    assert words.lexical(f"{rest} {word}", 1)
    assert words.insights(word)


# Which library


def test_the_demo_is_built_once_and_can_be_asked_but_not_changed(
    six_insights: list[Insight], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_library() as library:
        assert (library.name, library.count(), library.read_only, library.check()) == ("demo", 11, True, [])
        embed_missing(library)
        with pytest.raises(LibraryError, match="footnoted library add"):
            library.add(six_insights)
        with pytest.raises(LibraryError):
            library.remove(["x"])
        where = library.path
    monkeypatch.setattr(corpus.library, "_build_demo", None)
    with open_library("demo") as library:
        assert (library.path, library.missing(MODEL)) == (where, [])


def test_the_demo_is_built_again_when_it_is_damaged_or_its_files_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_library("demo") as library:
        where = library.path
    where.write_bytes(b"garbage")
    with open_library("demo") as library:
        assert library.count() == 11
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "a.txt").write_text("Only one insight ships now.")
    monkeypatch.setattr(corpus.library, "SHIPPED", tmp_path / "shipped")
    with open_library("demo") as library:
        assert library.path != where
        assert library.count() == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "file"))
    with pytest.raises(LibraryError, match="FOOTNOTED_CACHE"):
        open_library("demo")


def test_without_a_name_the_environment_then_ones_own_then_the_demo(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_library().name == "demo"
    assert open_library(create=True).path == tmp_path / "data" / "library.db"
    assert open_library().path == tmp_path / "data" / "library.db"
    open_library(path, create=True).close()
    monkeypatch.setenv("FOOTNOTED_LIBRARY", str(path))
    assert open_library().path == path
    monkeypatch.setenv("FOOTNOTED_LIBRARY", "demo")
    assert open_library().name == "demo"


def test_a_folder_means_the_library_in_it(tmp_path: Path) -> None:
    assert open_library(tmp_path, create=True).path == tmp_path / "library.db"
    assert open_library(f"{tmp_path}/new/", create=True).path == tmp_path / "new" / "library.db"


# What is refused


def refusal(path: Path | str, *, create: bool = False) -> str:
    with pytest.raises(LibraryError) as caught:
        open_library(path, create=create)
    assert "sqlite" not in str(caught.value).lower()
    return str(caught.value)


def test_a_missing_file_is_not_made_unasked(path: Path) -> None:
    assert f"footnoted library add FILE --library {path}" in refusal(path)
    assert not path.exists()


@pytest.mark.parametrize("create", [False, True])
def test_other_files_are_refused_and_left_alone(path: Path, create: bool) -> None:
    path.write_text("My insights, as text.")
    assert f"is not a Footnoted library. To make one from it: footnoted library add {path}" in refusal(
        path, create=create
    )
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
    before = path.read_bytes()
    assert "is not a Footnoted library" in refusal(path, create=create)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_empty_file_becomes_a_library_only_when_asked(path: Path) -> None:
    path.touch()
    assert "is not a Footnoted library" in refusal(path)
    assert open_library(path, create=True).count() == 0


def test_a_newer_library_asks_for_an_update(path: Path, library: Library) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "Update Footnoted" in refusal(path)


@pytest.mark.parametrize("name", ["a\0b", "file/mine.db"])
def test_impossible_paths_are_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    refusal(f"{tmp_path}/{name}", create=True)


def test_damage_is_told(path: Path, six_insights: list[Insight]) -> None:
    with open_library(path, create=True) as library:
        library.add(many(400))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xa5" * (size - 4096 * 4))
    with open_library(path) as library:
        assert "damaged" in library.check()[0]
        with pytest.raises(LibraryError, match="damaged"):
            library.insights()


def test_check_finds_an_index_out_of_step(library: Library, path: Path, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM passages_fts WHERE rowid = 2")
    assert library.check() == ["The lexical index is not in step with the passages."]


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """A folder that becomes read-only after `lock(folder)`, also for root, who is nobody until the test ends."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        user = os.geteuid()
        yield folder
        os.seteuid(user)
        folder.chmod(0o755)


def lock(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    if os.geteuid() == 0:  # no permission binds root
        os.seteuid(65534)
    assert not os.access(folder, os.W_OK, effective_ids=True)


def test_a_library_in_a_read_only_folder_can_be_read(locked_folder: Path, six_insights: list[Insight]) -> None:
    path = locked_folder / "mine.db"
    with open_library(path, create=True) as library:
        library.add(six_insights)
        embed_missing(library)
    lock(locked_folder)
    with open_library(path, create=True) as library:
        assert library.read_only
        assert library.insights() == six_insights
        assert library.lexical("ovens", 1)
        assert len(library.vectors(MODEL)[0]) == 6
        for write in (
            lambda: library.add(six_insights),
            lambda: library.remove(["s1"]),
            lambda: library.put_vectors(MODEL, [1], random_vectors(1)),
        ):
            with pytest.raises(LibraryError, match="can only be read"):
                write()
        assert library.check() == []
    assert [file.name for file in locked_folder.iterdir()] == [path.name]


def test_an_unfinished_log_in_a_read_only_folder_is_not_passed_over(path: Path, locked_folder: Path) -> None:
    copy = locked_folder / "copy.db"
    with open_library(path, create=True) as library:
        library.add(many(3))
        copy.write_bytes(path.read_bytes())
        Path(f"{copy}-wal").write_bytes(Path(f"{path}-wal").read_bytes())
    lock(locked_folder)
    assert "-wal" in refusal(copy)


def test_a_full_disk_is_told_and_loses_nothing(library: Library, path: Path, six_insights: list[Insight]) -> None:
    library.add(six_insights)
    assert isinstance(library, SqliteLibrary)
    connection = library._database.connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(LibraryError, match="no room left"):
        library.add(many(BATCH))
    connection.execute("PRAGMA max_page_count = 100000")
    assert library.insights() == six_insights
    assert library.add(many(BATCH)) == Report(new=BATCH)
    assert library.check() == []


def test_a_busy_library_is_told(
    library: Library, path: Path, six_insights: list[Insight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus.database, "BUSY_SECONDS", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with open_library(path) as second:
        with pytest.raises(LibraryError, match="Another program"):
            second.add(six_insights)
        assert second.count() == 0  # reading goes on
    other.close()


def test_a_fault_in_the_middle_of_a_batch_takes_all_of_it_back(library: Library, six_insights: list[Insight]) -> None:
    broken = replace(six_insights[0], insight_id="\ud800")
    with pytest.raises(UnicodeEncodeError):
        library.add([six_insights[1], broken])
    assert library.count() == 0
    assert library.add(six_insights) == Report(new=6)


# Threads, processes, kills


ADD = """
import sys
from pathlib import Path
from corpus.insight import make_insight
from corpus.library import open_library

def items(name, count):
    for n in range(count):
        if n % 500 == 0:
            print(n, flush=True)
        yield make_insight(f"Process {name} wrote number {n}.", insight_id=f"{name}{n}")

with open_library(sys.argv[1], create=True) as library:
    report = library.add(items(sys.argv[2], int(sys.argv[3])))
    print(report.new)
"""


def start_adding(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", ADD, str(path), name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_make_and_fill_a_library_at_once(path: Path) -> None:
    processes = [start_adding(path, name, 600) for name in "abc"]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [output.split()[-1] for output in outputs] == ["600"] * 3
    with open_library(path) as library:
        assert library.count() == 1800
        assert library.check() == []


def test_a_kill_in_the_middle_of_an_import_leaves_what_was_acknowledged(path: Path) -> None:
    process = start_adding(path, "k", 10_000_000)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "1500":  # then three batches are on disk and a fourth is under way
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with open_library(path) as library:
        count = library.count()
        assert count >= 3 * BATCH
        assert count % BATCH == 0
        assert library.check() == []
        assert library.add([make_insight("It goes on.")]) == Report(new=1)
