"""`library add` and `library watch`: what they tell, what an interruption leaves, many processes at one library."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import LibraryError, UsageError
from corpus.imports import Found
from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from rag.models import Report
from rag.workers import Workers
from tests import kill_import
from tests.fakes import HashEmbedder
from ui import cli, import_cli, terminal, watch_cli
from ui.import_cli import Adding, add
from ui.watch_cli import differences, look, watch

SHORT = "Sourdough keeps longer because acid slows mould. Loaves from Harrow Mill lasted nine"
NOTES = ["A first insight about trains stands here.", "A second one about bread stands here.", f"{SHORT} days."]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cache", "data", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("rag.embed.open_embedder", lambda name, report: HashEmbedder())
    monkeypatch.chdir(tmp_path / "here")


def write(name: str, *texts: str) -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    assert cli.main(["library", *arguments, "--library", "mine.db"]) == 0
    out, err = capsys.readouterr()
    return out, err


def test_near_duplicates_are_told_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    write("notes.txt", *NOTES)
    told(capsys, "add", "notes.txt")
    Path("more.jsonl").write_text(f'{{"id": "short", "text": "{SHORT}"}}\n')
    with open_library("mine.db") as library:
        long = library.insights("sourdough")[0].insight_id
    out, _ = told(capsys, "add", "more.jsonl", "--dry-run")
    assert out.splitlines()[0].startswith(
        f"new\tshort\tIt isn't in the library yet. It is nearly the same as {long}.\t"
    )
    assert out.splitlines()[2] == f"1 near-duplicate, would be linked: short ~ {long}."
    out, _ = told(capsys, "add", "more.jsonl")
    assert out.splitlines() == [
        "1 new, 0 changed, 0 unchanged, 0 duplicate, 0 unreadable. mine.db now holds 4 insights.",
        f"1 near-duplicate, linked: short ~ {long}.",
    ]


def test_only_the_first_pairs_are_named() -> None:
    from corpus.imports import Report as AddReport

    pairs = tuple((f"a{n}", "b") for n in range(terminal.MOST_PAIRS + 2))
    text = terminal.near_duplicates(AddReport(near=pairs), "linked")
    assert text.startswith("12 near-duplicates, linked: a0 ~ b, a1 ~ b,")
    assert text.endswith("a9 ~ b and 2 more.")


def test_pruning_is_told_before_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    write("notes/a.txt", *NOTES)
    told(capsys, "add", "notes")
    write("notes/a.txt", *NOTES[1:])
    assert "removed" not in told(capsys, "add", "notes")[0]
    out, _ = told(capsys, "add", "notes", "--prune", "--dry-run")
    first, last = out.splitlines()
    assert first.startswith("removed\t")
    assert first.endswith(f"\tIts file doesn't hold it any more.\t{NOTES[0]}")
    assert last.startswith("Dry run: 0 new, 0 changed, 2 unchanged, 0 duplicate, 0 unreadable, 1 removed.")
    assert ", 1 removed. mine.db now holds 2 insights." in told(capsys, "add", "notes", "--prune")[0]
    assert "0 removed, 1 restored" in told(capsys, "undo")[0]


def nothing(library: Library, report: Report, workers: Workers) -> None:
    raise AssertionError("nothing is to be embedded")


def test_embedding_goes_on_where_a_call_was_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    write("notes.txt", *NOTES)

    def cut_off(library: Library, report: Report, workers: Workers) -> None:
        library.put_vectors("model", [1], HashEmbedder().encode_document(NOTES[:1]))
        raise KeyboardInterrupt

    def opened() -> Library:
        return open_library("mine.db", create=True)

    assert add(Adding([Path("notes.txt")]), opened, cut_off) == 130
    err = capsys.readouterr().err
    assert (
        "Stopped: mine.db holds 3 insights, stored but not all embedded. Give the same command again to go on." in err
    )
    assert told(capsys, "add", "notes.txt")[0].startswith("0 new, 0 changed, 3 unchanged")
    with open_library("mine.db") as library:
        assert library.missing(HashEmbedder.fingerprint) == []
    assert add(Adding([Path("notes.txt")]), opened, nothing) == 0


def test_an_interruption_tells_what_is_stored(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def items(*arguments: object) -> Iterator[Found]:
        for n in range(700):
            yield Found(make_insight(f"Insight number {n}."), "/notes.txt")
        raise KeyboardInterrupt

    write("notes.txt", *NOTES)
    monkeypatch.setattr(import_cli, "read_sources", items)
    assert add(Adding([Path("notes.txt")]), lambda: open_library("mine.db", create=True), nothing) == 130
    assert "Stopped: mine.db holds 500 insights, stored. Give the same command again" in capsys.readouterr().err


def test_progress_tells_how_much_of_the_files_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from corpus.readers import Source

    monkeypatch.setattr(import_cli, "TELL_AFTER", 10)
    paths = [write(name, *NOTES) for name in ("a.txt", "b.txt")]
    sources = [Source(path, path, "text") for path in paths]
    steps: list[tuple[str, int, int]] = []
    items = [Found(make_insight(text), os.path.abspath(path)) for path in paths for text in NOTES]
    kept = list(import_cli._with_progress(sources, items, lambda *step: steps.append(step)))
    assert kept == items
    assert {step[0] for step in steps} == {import_cli.READING}
    assert [step[1] for step in steps] == sorted(step[1] for step in steps)


def test_in_a_pipe_reading_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress() as report:
        report(import_cli.READING, 1, 2)
        report("Embedding the insights", 1, 2)
    assert capsys.readouterr().err == "Embedding the insights …\n"


# Watching


class Watched:
    """A folder under watch: `steps` happen at the pauses, after the last one comes Ctrl-C."""

    def __init__(self, folder: Path, *steps: Callable[[], object]) -> None:
        self.folder, self.steps = folder, list(steps)
        self.embedded = 0

    def pause(self, seconds: float) -> None:
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()

    def embed(self, library: Library) -> None:
        self.embedded += 1

    def run(self, **options: Any) -> int:
        return watch(self.folder, lambda: open_library("mine.db", create=True), self.embed, pause=self.pause, **options)


def wait() -> None:
    """A pause in which nothing happens."""


def texts() -> list[str]:
    with open_library("mine.db") as library:
        return sorted(insight.text for insight in library.insights())


def test_a_folder_is_kept_in_step_until_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    folder = write("vault/a.txt", NOTES[0]).parent
    watched = Watched(
        folder, wait, wait, lambda: write("vault/b.txt", NOTES[1]), wait, wait, Path("vault/a.txt").unlink, wait, wait
    )
    assert watched.run() == 0
    assert texts() == sorted(NOTES[:2])  # nothing is removed unless asked for
    assert watched.embedded == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Watching vault. Ctrl-C ends it."
    assert [line.split(",")[0] for line in lines[1:3]] == ["1 new", "1 new"]
    assert lines[3] == "Stopped watching vault. mine.db holds 2 insights."


def test_with_prune_what_is_gone_from_the_folder_goes(capsys: pytest.CaptureFixture[str]) -> None:
    folder = write("vault/a.txt", *NOTES[:2]).parent
    write("vault/c.txt", NOTES[2])
    with open_library("mine.db", create=True) as library:
        library.add([Found(make_insight("Gone while nobody watched."), os.path.abspath("vault/old.txt"))])

    def change() -> None:
        Path("vault/a.txt").rename("vault/b.txt")
        write("vault/b.txt", NOTES[0])
        Path("vault/c.txt").unlink()

    Watched(folder, wait, wait, change, wait, wait, wait).run(prune=True)
    assert texts() == [NOTES[0]]


def test_a_file_that_is_still_written_is_read_when_it_is_whole() -> None:
    folder = write("vault/a.txt", NOTES[0]).parent

    def grow(text: str) -> Callable[[], object]:
        return lambda: write("vault/b.txt", text)

    half = NOTES[2][:30]
    watched = Watched(folder, wait, wait, grow(half), grow(half + " and"), grow(NOTES[2]), wait, wait)
    watched.run()
    assert texts() == sorted([NOTES[0], NOTES[2]])


def test_a_folder_that_is_away_for_a_while_loses_nothing() -> None:
    folder = write("vault/a.txt", NOTES[0]).parent
    away = folder.rename
    watched = Watched(folder, wait, wait, lambda: away("away"), wait, wait, lambda: Path("away").rename("vault"), wait)
    watched.run(prune=True)
    assert texts() == [NOTES[0]]


def test_without_an_insight_no_library_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    folder = write("vault/a.txt", "").parent
    Watched(folder, wait, wait, wait).run()
    assert not Path("mine.db").exists()
    assert "Stopped watching vault.\n" in capsys.readouterr().out


def test_a_fault_is_told_once_and_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    folder = write("vault/a.txt", NOTES[0]).parent
    tries: list[int] = []

    def opened() -> Library:
        tries.append(1)
        if len(tries) < 3:
            raise LibraryError("Another program is writing to mine.db.", "Wait until it is done, then try again.")
        return open_library("mine.db", create=True)

    watched = Watched(folder, wait, wait, wait, wait)
    assert watch(folder, opened, watched.embed, pause=watched.pause) == 0
    assert texts() == [NOTES[0]]
    assert capsys.readouterr().err.count("Another program is writing") == 1


def test_only_a_folder_can_be_watched() -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        watch(write("a.txt", NOTES[0]), lambda: open_library("mine.db"), lambda library: None)


def test_a_look_sees_files_that_can_be_read_and_no_hidden_ones() -> None:
    for name in ("vault/a.txt", "vault/.b.txt", "vault/c.xyz", "vault/.obsidian/d.md", "vault/deep/e.MD"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    assert [os.path.relpath(path, "vault") for path in sorted(look(Path("vault")))] == ["a.txt", "deep/e.MD"]
    assert look(Path("nowhere")) == {}


def test_a_difference_is_one_that_stays() -> None:
    one, two = (1, 1), (2, 2)
    assert differences({}, {}, {"a": one}) == ([], [])
    assert differences({}, {"a": one}, {"a": one}) == (["a"], [])
    assert differences({"a": one}, {"a": two}, {"a": two}) == (["a"], [])
    assert differences({"a": one}, {"a": one}, {"b": one}) == ([], [])
    assert differences({"a": one}, {"b": one}, {"b": one}) == (["b"], ["a"])
    assert differences({"a": one}, {}, {}) == ([], [])


# Several processes


def test_an_import_killed_again_and_again_ends_as_if_it_never_was(tmp_path: Path) -> None:
    result = kill_import.run(tmp_path / "here", highlights=2000, kills=6, seed=1, share=0.7)
    assert result["kills"] == 6


READER = """
import sys, time
from corpus.library import open_library
until = time.monotonic() + float(sys.argv[2])
with open_library(sys.argv[1]) as library:
    while True:
        count = library.count()
        assert library.passage_count() >= count or library.count() > count
        assert library.lexical("rope", 5) and library.linked(["mine-1"]) == {}
        if time.monotonic() > until or count >= 600:
            break
"""
EDITOR = """
import sys
from corpus.insight import Insight, make_insight
from corpus.library import open_library
with open_library(sys.argv[1]) as library:
    for n in range(40):
        library.edit("mine-1", {"note": f"Note {n}."})
        library.add([make_insight(f"Typed by hand, number {n}.", insight_id=f"typed-{n}")])
"""


def test_import_edits_and_readers_share_a_library(tmp_path: Path) -> None:
    here = tmp_path / "here"
    kill_import.make_highlights(here / "highlights", 600, seed=2)
    library = here / "library.db"
    with open_library(library, create=True) as opened:
        opened.add([make_insight("Mine about rope alone.", insight_id="mine-1")])
    python = [sys.executable, "-c"]
    importing = kill_import.command("library", "add", here / "highlights", "--library", library)
    commands = [importing, [*python, READER, str(library), "60"], [*python, EDITOR, str(library)]]
    running = [
        subprocess.Popen(
            one,
            cwd=kill_import.ROOT,
            env=kill_import.environment(here),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for one in commands
    ]
    for process in running:
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert "lock" not in err
        assert "writing to" not in err
    with open_library(library) as opened:
        assert opened.count() == 600 + 1 + 40
        mine = opened.get("mine-1")
        assert mine is not None
        assert mine.note == "Note 39."
        assert opened.check() == []
        assert all(
            "Typed" in text or "Mine" in text for _, text in opened.missing(kill_import.TrivialEmbedder.fingerprint)
        )


def test_problems_are_named_when_nothing_can_be_added(capsys: pytest.CaptureFixture[str]) -> None:
    write("empty.txt", "")
    assert cli.main(["library", "add", "empty.txt", "--library", "mine.db"]) == 2
    assert capsys.readouterr().err.startswith("unreadable  empty.txt: ")
    assert not Path("mine.db").exists()


def test_watching_loads_the_embedder_once(
    tmp_path: Path, six_insights: list[Insight], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def opening(name: str, report: object) -> HashEmbedder:
        loaded.append(name)
        return HashEmbedder()

    monkeypatch.setattr(watch_cli, "open_embedder", opening)
    embed = watch_cli.embedding("hash")
    assert loaded == [], "not before something is to be embedded"
    with open_library(tmp_path / "mine.db", create=True) as library:
        for insight in six_insights[:3]:
            library.add([insight])
            embed(library)
        assert library.missing(HashEmbedder.fingerprint) == []
    assert loaded == ["hash"]
