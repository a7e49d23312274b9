"""The command: every subcommand, option and exit code, with fakes for the models and real libraries."""

import io
import json
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import ModelError
from corpus.insight import make_insight
from corpus.library import Library, open_library
from rag.breaker import Breaker
from rag.config import Config
from rag.datatypes import Draft
from rag.embed import Embedder
from rag.endpoint import EndpointWriter
from rag.models import Report, silent
from rag.pipeline import Pipeline
from rag.prompt import Message
from rag.retry import Patience
from rag.stop import Stopped, never
from rag.workers import Batch, Done, Workers
from rag.write import QuoteWriter, Writer
from tests.fakes import HashEmbedder, OpenReader, OverlapScorer, ScriptedWriter
from tests.scripted_server import nothing_listens, says, scripted, status
from ui import cli

QUESTION = "How many suitcases did Ottavia Brandt count on one sleeper?"
QUOTE = "Ottavia Brandt counted 310 suitcases on one sleeper."
COMMAND = str(Path(sys.executable).with_name("footnoted"))


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Result]


@dataclass
class Models:
    """What `open_pipeline` opens in a test, and the settings it was asked for."""

    writer: Writer
    refuse: float = 0.0
    fault: BaseException | None = None
    config: Config | None = None

    def open(self, library: Library, config: Config, report: Report = silent) -> Pipeline:
        self.config = config
        if self.fault:
            raise self.fault
        return Pipeline(library, config, HashEmbedder(), OpenReader(self.refuse), self.writer)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache, a data folder and a working folder of the test's own."""
    for name in ("cache", "data", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    models = Models(ScriptedWriter("Brandt counted 310 suitcases on one sleeper."))
    monkeypatch.setattr("rag.pipeline.open_pipeline", models.open)
    monkeypatch.setattr("rag.embed.open_embedder", lambda name, report: HashEmbedder())
    return models


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], models: Models) -> Run:
    def run(*arguments: str | Path) -> Result:
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse's own
            code = int(error.code or 0)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Result(code, printed.out, printed.err)

    return run


def subprocess_run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60, **options)


# ------------------------------------------------------------------------------------------------------------- ask


def test_an_answer_has_its_quote_and_its_library_below(run: Run, six: Path) -> None:
    result = run("ask", QUESTION, "--library", six)
    assert result.code == 0
    assert result.err == ""
    answer, _, source, _, asked = result.out.splitlines()
    assert answer == "Brandt counted 310 suitcases on one sleeper [1]."
    assert source == f"[1] “{QUOTE}” — Tracks, 2024-05-01"
    assert asked.startswith(f"Strong evidence · Asked: {six} · ")


def test_the_record_has_exactly_these_keys(run: Run, six: Path) -> None:
    result = run("ask", QUESTION, "--library", six, "--json")
    (data,) = result.rows
    assert result.code == 0
    assert list(data) == ["question", "status", "answer", "claims", "nearest", "trace"]
    (claim,) = data["claims"]
    assert list(claim) == ["text", "verdict", "support", "citations"]
    (cited,) = claim["citations"]
    assert list(cited) == ["n", "insight_id", "passage_id", "start", "end", "quote"]
    assert (data["question"], data["status"], claim["verdict"]) == (QUESTION, "answered", "supported")
    assert (cited["n"], cited["insight_id"], cited["passage_id"], cited["quote"]) == (1, "s2", "s2#0", QUOTE)
    assert cited["end"] - cited["start"] == len(QUOTE)
    assert data["trace"]["library"] == str(six)


def test_what_is_not_in_the_library_is_exit_code_1_with_the_nearest(run: Run, six: Path, models: Models) -> None:
    models.refuse = 1.0
    result = run("ask", "Who won the World Cup?", "--library", six)
    assert result.code == 1
    assert result.out.startswith("Not in your insights. Looked for: won, World, Cup.\n\nThe nearest ones:\n- ")
    data = run("ask", "Who won the World Cup?", "--library", six, "--json").rows[0]
    assert (data["status"], data["claims"]) == ("not_in_library", [])
    assert len(data["nearest"]) == 3
    assert list(data["nearest"][0]) == ["insight_id", "text", "score"]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("", "There is no question."),
        ("  \n ", "There is no question."),
        ("\x00\x07\x1b", "There is no question."),
        ("?!", "There is no question."),
        ("x" * 100_000, "The question has 100,000 characters. Ask in at most 2,000."),
    ],
)
def test_what_cannot_be_asked_is_said_before_any_model_is_loaded(
    run: Run, models: Models, question: str, sentence: str
) -> None:
    models.fault = AssertionError("loaded")
    for command in ("ask", "search"):
        result = run(command, question, "--library", "demo")
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"footnoted: {sentence}")
        assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "question", ["Wie viele Koffer waren es?", "何個のスーツケース?", "كم عدد الحقائب؟", "🚂 trains?"]
)
def test_any_language_can_be_asked(run: Run, six: Path, question: str) -> None:
    assert run("ask", question, "--library", six).code == 0


def test_a_question_comes_from_standard_input_whatever_its_bytes(
    run: Run, six: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = io.TextIOWrapper(io.BytesIO(QUESTION.encode() + b"\xff\x00\n"), "utf-8")
    monkeypatch.setattr("sys.stdin", piped)
    assert run("ask", "-", "--library", six, "--json").rows[0]["question"] == QUESTION


class BrokenWriter:
    fingerprint = "broken"

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        yield Draft("Brandt", self.fingerprint, 1, 1)
        raise ModelError("The writer doesn't answer.", "Start it.")


def test_a_question_and_a_search_may_look_at_some_of_the_insights_only(run: Run, six: Path) -> None:
    asked = run("ask", QUESTION, "--source", "tracks", "--since", "2024", "--library", six, "--json").rows[0]
    assert asked["trace"]["filters"] == ["source=Tracks", "since=2024"]
    assert asked["trace"]["among"] == 3
    text = run("ask", QUESTION, "--source", "tracks", "--library", six).out
    assert text.splitlines()[-1].startswith(f"Strong evidence · Asked: {six}, 3 insights (source Tracks) · ")
    crumb = run("ask", QUESTION, "--source", "Crumb", "--library", six, "--json").rows[0]
    assert all(row["insight_id"] in ("s3", "s4", "s5") for claim in crumb["claims"] for row in claim["citations"])
    found = run("search", "suitcases", "--source", "Crumb", "--library", six, "--json").rows
    assert {row["insight_id"] for row in found} == {"s3", "s4", "s5"}
    assert run("search", "suitcases", "--until", "1999", "--library", six).code == 1
    none = run("ask", QUESTION, "--noted", "--library", six)
    assert none.code == 1
    assert "No insight meets the filter: with a note of yours." in none.out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--author", "Kahneman"), "No insight here has the author 'Kahneman'."),
        (("--source", "Track"), "No insight here has the source 'Track'. Did you mean Tracks?"),
        (("--since", "May"), "--since can't be 'May'. Give a year, a month or a day"),
        (("--until", "2024-13"), "--until can't be '2024-13'."),
    ],
)
def test_a_filter_that_cannot_be_is_exit_code_2(run: Run, six: Path, options: Sequence[str], sentence: str) -> None:
    for command in ("ask", "search"):
        result = run(command, QUESTION, *options, "--library", six)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"footnoted: {sentence}")


def test_a_writer_that_fails_is_told_on_standard_error_and_the_quotes_answer(
    run: Run, six: Path, models: Models
) -> None:
    models.writer = BrokenWriter()
    result = run("ask", QUESTION, "--library", six, "--json")
    assert result.code == 0
    assert result.err == "footnoted: The writer doesn't answer. Start it. Until then the quotes are the answer.\n"
    assert result.rows[0]["claims"][0]["text"] == QUOTE
    assert result.rows[0]["trace"]["fault"] == "The writer doesn't answer. Start it."


def test_an_endpoint_where_nothing_listens_is_such_a_writer(run: Run, six: Path, models: Models) -> None:
    with nothing_listens() as url:
        patience, breaker = Patience(first=0.01), Breaker(clock=lambda: 0.0)
        models.writer = EndpointWriter(f"m@{url}", Config(), patience=patience, breaker=breaker)
        told = [run("ask", QUESTION, "--library", six) for _ in range(4)]
    for result in told:
        assert result.code == 0
        assert f"“{QUOTE}”" in result.out
        assert result.err.startswith(f"footnoted: The writer at {url} ")
    assert "doesn't answer (APIConnectionError). Start that server" in told[0].err
    assert "failed several times in a row and isn't asked for the next 30 seconds. Start that server" in told[3].err


def test_a_missing_model_is_exit_code_3(run: Run, six: Path, models: Models) -> None:
    models.fault = ModelError("There is no model 'm' here.", "Install it.")
    result = run("ask", QUESTION, "--library", six)
    assert (result.code, result.out, result.err) == (3, "", "footnoted: There is no model 'm' here. Install it.\n")


# -------------------------------------------------------------------------------------------------------- settings


def test_settings_come_from_their_options(run: Run, six: Path, models: Models) -> None:
    Path("mine.toml").write_text("candidates = 9\nnearest = 2\n")
    options = ("--config", "mine.toml", "--set", "nearest=1", "--set", "writer=quote", "--caution", "strict")
    assert run("ask", QUESTION, "--library", six, *options).code == 0
    assert models.config == Config(candidates=9, nearest=1, writer="quote", caution="strict")
    run("ask", QUESTION, "--library", six, "--writer", "mine", "--set", "writer=quote")
    assert models.config == Config(writer="mine")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--set", "candidates"), "--set candidates has no value."),
        (("--set", "colour=red"), "There is no setting 'colour'."),
        (("--set", "file=x"), "There is no setting 'file'."),
        (("--set", "candidates=many"), "candidates can't be 'many'."),
        (("--config", "missing.toml"), "missing.toml can't be read: No such file or directory."),
        (("--config", "."), ". can't be read: Is a directory."),
        (("--writer", ""), "writer can't be empty."),
        (("--library", ""), "--library has no value."),
    ],
)
def test_an_option_that_cannot_be_is_exit_code_2(run: Run, options: Sequence[str], sentence: str) -> None:
    result = run("ask", QUESTION, *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"footnoted: {sentence}")


@pytest.mark.parametrize(
    "arguments",
    [(), ("nonsense",), ("ask",), ("library",), ("library", "add"), ("ask", "x", "--caution", "reckless"), ("eval",)],
)
def test_a_command_that_is_not_one_shows_its_usage(run: Run, arguments: Sequence[str]) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert result.err.startswith("usage: footnoted")


# ---------------------------------------------------------------------------------------------------------- search


def test_a_search_lists_score_id_and_text_and_tells_the_library_apart(run: Run, six: Path) -> None:
    result = run("search", "suitcases on a sleeper", "-k", "2", "--library", six)
    assert result.code == 0
    first, second = (line.split("\t") for line in result.out.splitlines())
    assert first[1] == "s2"
    assert first[2].endswith(f"{QUOTE} — Tracks, 2024-05-01")
    assert float(first[0]) >= float(second[0])
    assert result.err == f"2 nearest in {six}.\n"


def test_a_search_as_json_is_one_object_a_line(run: Run, six: Path) -> None:
    rows = run("search", "suitcases", "-k", "3", "--library", six, "--json").rows
    assert len(rows) == 3
    assert {tuple(row) for row in rows} == {
        ("insight_id", "text", "score", "title", "author", "source", "url", "date", "tags")
    }
    assert rows[0]["insight_id"] == "s2"


def test_a_search_loads_no_writer(run: Run, six: Path, models: Models) -> None:
    run("search", "suitcases", "--library", six, "--writer", "mine")
    assert models.config is not None
    assert models.config.writer == "quote"


def test_a_long_insight_is_listed_once_and_k_may_be_large(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.db"
    with open_library(path, create=True) as library:
        sentences = (f"Suitcase {n} stood by door {n * 3} of the sleeper until the inspector came." for n in range(80))
        library.add([make_insight(" ".join(sentences), insight_id="long")])
        library.add(make_insight(f"Shed {n} in port {n} holds rope.", insight_id=f"s{n}") for n in range(90))
        assert len(library.keys_of("long")) > 1
    rows = run("search", "suitcase by the door of the sleeper", "-k", "100", "--library", path, "--json").rows
    ids = [row["insight_id"] for row in rows]
    assert ids[0] == "long"
    assert len(set(ids)) == len(ids) == 91


@pytest.mark.parametrize("k", ["0", "-3"])
def test_a_search_for_none_is_refused(run: Run, six: Path, k: str) -> None:
    result = run("search", "suitcases", "-k", k, "--library", six)
    assert (result.code, result.err) == (2, f"footnoted: -k can't be {k}. Give it 1 or more.\n")


# --------------------------------------------------------------------------------------------------------- library

NOTES = "A first insight about trains stands here.\n\nA second one about bread stands here.\n"


def test_adding_counts_what_became_of_every_item(run: Run) -> None:
    Path("notes.txt").write_text(NOTES)
    Path("more.jsonl").write_text('{"text": "A third one about rope."}\n{"text": "A first insight about tra\n')
    result = run("library", "add", "notes.txt", "more.jsonl", "--library", "mine.db")
    assert result.code == 0
    assert result.out == "3 new, 0 changed, 0 unchanged, 0 duplicate, 1 unreadable. mine.db now holds 3 insights.\n"
    assert "unreadable  more.jsonl, line 2: This line is not whole JSON" in result.err
    again = run("library", "add", "notes.txt", "notes.txt", "--library", "mine.db")
    assert again.out == "0 new, 0 changed, 2 unchanged, 2 duplicate, 0 unreadable. mine.db now holds 3 insights.\n"


def test_adding_says_as_what_it_read_each_path(run: Run) -> None:
    Path("notes").mkdir()
    Path("notes/a.txt").write_text(NOTES)
    Path("notes/b.txt").write_text("A third one about rope.")
    Path("notes/c.csv").write_text("text\nA fourth one.\n")
    Path("mine.csv").write_text("Highlight,Book Title,Book Author,Amazon Book ID,Highlighted at\nA fifth.,B,A,,2024\n")
    told = ["notes: Plain text, 2 files, 3 insights", "notes: CSV table, 1 file, 1 insight"]
    told.append("mine.csv: Readwise CSV, 1 insight")
    assert run("library", "add", "notes", "mine.csv", "--dry-run").err.splitlines() == told
    assert run("library", "add", "notes", "mine.csv").err.splitlines()[:3] == told


def test_the_columns_of_a_table_can_be_named(run: Run) -> None:
    Path("mine.csv").write_text("Satz,Wer\nBread is slow.,Ida\n")
    assert run("library", "add", "mine.csv", "--map", 'text=Satz,author="Wer"').code == 0
    (row,) = run("library", "list", "--json").rows
    assert (row["text"], row["author"]) == ("Bread is slow.", "Ida")
    missing = run("library", "add", "mine.csv", "--map", "text=Quote")
    assert 'It has no "Quote". What it has: Satz, Wer.' in missing.err
    assert missing.code == 2
    wrong = run("library", "add", "mine.csv", "--map", "words=Satz")
    assert (wrong.code, wrong.out) == (2, "")
    assert 'An insight has no field "words". The fields are: id, text,' in wrong.err


def test_workers_are_asked_also_when_nothing_is_new(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("notes.txt").write_text(NOTES)
    asked: list[tuple[str, str | None]] = []
    embedded: list[str] = []

    def workers(name: str, address: str | None = None) -> Workers:
        asked.append((name, address))

        def embed(embedder: Embedder, batches: Iterable[Batch]) -> Iterator[Done]:
            for keys, texts in batches:
                embedded.extend(texts)
                yield keys, embedder.encode_document(texts)

        return embed

    monkeypatch.setattr("rag.workers.on_ray", workers)
    assert run("library", "add", "notes.txt", "--workers", "ray").code == 0
    assert len(embedded) == 2
    assert run("library", "add", "notes.txt", "--workers", "ray://host:10001").code == 0
    assert len(embedded) == 2
    assert asked == [("footnoted-embedder", None), ("footnoted-embedder", "ray://host:10001")]


def test_workers_that_are_none_are_told_before_anything_is_stored(run: Run, tmp_path: Path) -> None:
    Path("notes.txt").write_text(NOTES)
    result = run("library", "add", "notes.txt", "--workers", "dask")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("footnoted: There are no workers called 'dask'. Use --workers ray or")
    assert not list((tmp_path / "data").iterdir())


def test_what_is_added_is_embedded_at_once(run: Run) -> None:
    Path("notes.txt").write_text(NOTES)
    run("library", "add", "notes.txt", "--library", "mine.db")
    with open_library("mine.db") as library:
        assert library.missing(HashEmbedder.fingerprint) == []


BAD_FILES: dict[str, tuple[bytes | None, str]] = {
    "empty.txt": (b"", "It is empty."),
    "blank.txt": (b" \n\n", "It is empty."),
    "binary.txt": (bytes(range(256)) * 20, "It is not a text file"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n\0\0", "It is not a text file"),
    "report.md": (b"%PDF-1.7 ...", "It is a PDF file"),
    "japanese.txt": (("日本語の文章です。" * 3).encode("shift_jis"), "its encoding can't be told"),
    "half.json": (b'[{"text": "One"},', "It is not whole JSON"),
    "headings.txt": (b"Title\n\nAnother title\n", "There are no insights in it"),
    "missing.txt": (None, "There is no such file."),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_without_a_readable_insight_makes_no_library(run: Run, tmp_path: Path, name: str) -> None:
    content, reason = BAD_FILES[name]
    if content is not None:
        Path(name).write_bytes(content)
    result = run("library", "add", name)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"unreadable  {name}: ")
    assert reason in result.err
    assert result.err.endswith(
        "footnoted: Nothing was added. Mend or leave out what is named above, then add it again.\n"
    )
    assert list((tmp_path / "data").iterdir()) == [], "or an empty library would take the place of the demo"


def test_a_file_of_100_megabytes_is_refused_unread(run: Run) -> None:
    with open("huge.txt", "wb") as file:
        file.truncate(100_000_000)  # sparse: takes no room
    start = time.perf_counter()
    result = run("library", "add", "huge.txt")
    assert result.code == 2
    assert "It has 100 MB, more than 50. Split it into smaller files." in result.err
    assert time.perf_counter() - start < 2


def test_a_format_that_is_not_known_makes_no_library(run: Run, tmp_path: Path) -> None:
    Path("notes.xyz").write_text(NOTES)
    assert "tells no known format" in run("library", "add", "notes.xyz").err
    assert '"nonsense" is not a format' in run("library", "add", "notes.xyz", "--as", "nonsense").err
    assert list((tmp_path / "data").iterdir()) == []
    assert run("library", "add", "notes.xyz", "--as", "text").code == 0


def test_the_default_is_the_demo_then_ones_own_then_the_variable(
    run: Run, six: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("ask", QUESTION, "--json")
    own = tmp_path / "data" / "library.db"
    assert run(*asked).rows[0]["trace"]["library"] == "demo"
    Path("notes.txt").write_text(NOTES)
    assert f"{own} now holds 2 insights." in run("library", "add", "notes.txt").out
    assert run(*asked).rows[0]["trace"]["library"] == str(own)
    monkeypatch.setenv("FOOTNOTED_LIBRARY", str(six))
    assert run(*asked).rows[0]["trace"]["library"] == str(six)
    assert run(*asked, "--library", "demo").rows[0]["trace"]["library"] == "demo"


def test_the_demo_says_that_it_is_not_ones_own(run: Run) -> None:
    assert "Asked: demo, the insights that ship with Footnoted · " in run("ask", QUESTION).out


def test_a_list_is_a_line_an_insight(run: Run, six: Path) -> None:
    result = run("library", "list", "--library", six)
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [line[0] for line in lines] == ["s1", "s2", "s3", "s4", "s5", "s6"]
    assert lines[1][1].endswith("on one sleeper. — Tracks, 2024-05-01")
    assert (result.code, result.err) == (0, f"6 insights in {six}.\n")


def test_a_line_break_in_an_insight_is_no_second_line(run: Run) -> None:
    with open_library("mine.db", create=True) as library:
        library.add([make_insight("Two things:\n- rope\n- tar", insight_id="i")])
    assert run("library", "list", "--library", "mine.db").out == "i\tTwo things: - rope - tar\n"
    assert run("search", "rope", "--library", "mine.db").out.count("\n") == 1


def test_a_list_as_json_is_one_whole_insight_a_line(run: Run, six: Path) -> None:
    rows = run("library", "list", "suitcases", "--library", six, "--json").rows
    assert [row["insight_id"] for row in rows] == ["s2"]
    assert list(rows[0]) == ["insight_id", "text", "title", "author", "source", "url", "date", "tags", "note"]


def test_a_list_of_none_is_exit_code_1(run: Run, six: Path) -> None:
    result = run("library", "list", "zeppelin", "--library", six)
    assert (result.code, result.out, result.err) == (1, "", f"0 insights in {six}.\n")


def test_removing_counts_an_id_given_twice_once(run: Run, six: Path) -> None:
    assert run("library", "remove", "s1", "s1", "--library", six).out == f"Removed 1 insight from {six}.\n"
    assert run("library", "remove", "s2", "s3", "--library", six).out == f"Removed 2 insights from {six}.\n"


def test_an_unknown_id_is_named_and_nothing_is_removed(run: Run, six: Path) -> None:
    result = run("library", "remove", "s1", "nobody", "--library", six)
    assert result.code == 2
    assert result.err.startswith("footnoted: No insight has the id nobody.")
    with open_library(six) as library:
        assert library.count() == 6


def test_a_dry_run_names_each_item_and_makes_no_library(run: Run) -> None:
    Path("notes.txt").write_text(NOTES)
    result = run("library", "add", "notes.txt", "--library", "mine.db", "--dry-run")
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert [(row[0], row[2]) for row in rows[:2]] == [("new", "It isn't in the library yet.")] * 2
    assert rows[0][3] == "A first insight about trains stands here."
    tally = "Dry run: 2 new, 0 changed, 0 unchanged, 0 duplicate, 0 unreadable."
    assert rows[2] == [f"{tally} mine.db would be made."]
    assert not Path("mine.db").exists()
    nothing = run("library", "add", "no.txt", "--library", "mine.db", "--dry-run")
    assert nothing.out.endswith("1 unreadable. No library would be made.\n")
    run("library", "add", "notes.txt", "--library", "mine.db")
    Path("notes.txt").write_text(f"{NOTES}\nAnd a third one about rope.\n\nA first insight about trains stands here.\n")
    again = run("library", "add", "notes.txt", "--library", "mine.db", "--dry-run")
    assert [line.split("\t")[0] for line in again.out.splitlines()[:-1]] == ["new", "duplicate"]
    assert again.out.endswith("2 unchanged, 1 duplicate, 0 unreadable. mine.db is as it was.\n")
    with open_library("mine.db") as library:
        assert library.count() == 2


def test_an_import_is_undone_once(run: Run, six: Path) -> None:
    Path("notes.txt").write_text(NOTES)
    run("library", "add", "notes.txt", "--library", six)
    result = run("library", "undo", "--library", six)
    assert (result.code, result.out) == (
        0,
        f"Undid the import of notes.txt: 2 removed, 0 restored. {six} now holds 6 insights.\n",
    )
    run("library", "edit", "s1", "--set", "title=Mine", "--library", six)
    assert "5 removed, 0 restored. 1 changed since and stayed." in run("library", "undo", "--library", six).out
    result = run("library", "undo", "--library", six)
    assert (result.code, result.err) == (
        2,
        "footnoted: There is no import to undo. Only the last 20 can be undone.\n",
    )


def test_an_insight_is_edited_by_its_fields(run: Run, six: Path) -> None:
    result = run("library", "edit", "s1", "--set", "title=On rails", "--set", "tags=a, b", "--library", six)
    assert (result.code, result.out) == (0, f"Changed s1 in {six}.\n")
    row = run("library", "list", "freight loses", "--library", six, "--json").rows[0]
    assert (row["title"], row["tags"]) == ("On rails", ["a", "b"])
    for options, sentence in (
        (("s1", "--set", "nonsense=1"), '"nonsense" can\'t be edited.'),
        (("s1", "--set", "title"), "--set title has no value."),
        (("s1",), "Nothing was given to change."),
        (("s9", "--set", "title=x"), "No insight has the id s9."),
    ):
        result = run("library", "edit", *options, "--library", six)
        assert result.code == 2
        assert result.err.startswith(f"footnoted: {sentence}")


@pytest.mark.parametrize("name", ["all.jsonl", "all.csv", "all.md"])
def test_what_is_exported_can_be_added_to_another_library(run: Run, six: Path, name: str) -> None:
    result = run("library", "export", name, "--library", six)
    assert (result.code, result.out) == (0, f"Wrote 6 insights of {six} to {name}.\n")
    run("library", "add", name, "--library", "copy.db")
    listed = ("library", "list", "--json", "--library")
    assert run(*listed, "copy.db").out == run(*listed, six).out
    result = run("library", "export", name, "--library", six)
    assert (result.code, result.err) == (
        2,
        f"footnoted: There is a file {name} already. Name another one, or give --replace.\n",
    )
    assert run("library", "export", name, "--library", six, "--replace").code == 0


def test_an_export_takes_the_place_of_no_folder_and_not_of_the_library(run: Run, six: Path) -> None:
    for file, sentence in ((".", ". is a folder."), (str(six), f"{six} is the library itself.")):
        result = run("library", "export", file, "--as", "csv", "--replace", "--library", six)
        assert result.code == 2
        assert result.err.startswith(f"footnoted: {sentence}")
    with open_library(six) as library:
        assert library.count() == 6


def test_an_export_may_go_to_standard_output_and_wants_a_format(run: Run, six: Path) -> None:
    assert run("library", "export", "-", "--library", six).rows[0]["insight_id"] == "s1"
    assert run("library", "export", "-", "--as", "csv", "--library", six).out.startswith("insight_id,text,")
    result = run("library", "export", "all.pdf", "--library", six)
    assert (result.code, result.err.startswith("footnoted: all.pdf tells no format by its name.")) == (2, True)


def test_the_demo_cannot_be_changed(run: Run) -> None:
    Path("notes.txt").write_text(NOTES)
    for change in (("add", "notes.txt"), ("remove", "whatever"), ("undo",), ("edit", "x", "--set", "title=y")):
        result = run("library", *change, "--library", "demo")
        assert result.code == 3
        assert result.err.startswith('footnoted: The library "demo" ships with Footnoted and can\'t be changed.')


def test_a_read_only_library_answers_but_takes_nothing(run: Run, six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpus.database.writable", lambda path: False)
    Path("notes.txt").write_text(NOTES)
    assert run("ask", QUESTION, "--library", six).code == 0
    for change in (("add", "notes.txt"), ("remove", "s1"), ("remove", "nobody")):
        result = run("library", *change, "--library", six)
        assert (result.code, result.out) == (3, "")
        assert result.err.startswith(f"footnoted: {six} can only be read. Copy it")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no library at other.db. To make one: footnoted library add FILE --library other.db"),
        (
            b"My notes, as text.",
            "other.db is not a Footnoted library. To make one from it: footnoted library add other.db",
        ),
        (b"SQLite format 3\0 but damaged", "other.db"),
    ],
)
def test_a_file_that_is_no_library_is_exit_code_3(run: Run, content: bytes | None, sentence: str) -> None:
    if content is not None:
        Path("other.db").write_bytes(content)
    for command in (("ask", QUESTION), ("search", "x"), ("library", "list"), ("library", "remove", "x")):
        result = run(*command, "--library", "other.db")
        assert (result.code, result.out) == (3, "")
        assert result.err.startswith(f"footnoted: {sentence}")
    if content is not None:
        assert Path("other.db").read_bytes() == content


def test_an_empty_library_asks_for_insights(run: Run) -> None:
    open_library("mine.db", create=True).close()
    result = run("ask", QUESTION, "--library", "mine.db")
    assert result.code == 2
    assert result.err.startswith("footnoted: The library mine.db is empty. Add insights to it")


# ---------------------------------------------------------------------------------------------- serve, doctor, eval


def test_the_page_gets_the_pipeline_the_address_and_examples(
    run: Run, six: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    monkeypatch.setattr("ui.server.check_port", lambda host, port: None)
    monkeypatch.setattr("ui.server.serve", lambda *args, **options: served.append((args, options)))
    result = run("serve", "--library", six, "--port", "7999", "--no-browser")
    assert result.code == 0
    assert "http://127.0.0.1:7999/" in result.out
    ((pipeline, host, port, examples), options) = served[0]
    assert pipeline.library.name == str(six)
    assert (host, port) == ("127.0.0.1", 7999)
    alone = {"auth": None, "without_auth": False, "mcp": False, "address": ""}
    assert options == {"open_browser": False, **alone}
    names = ("Ottavia Brandt", "Quill Logistics", "Lindow", "Harrow Mill")
    assert len(examples) == 4
    assert sum(f"What do my insights say about {name}?" in examples for name in names) == 2
    assert "What do my insights say about Night?" not in examples


def test_a_taken_port_is_told_before_any_model_is_loaded(run: Run, models: Models) -> None:
    models.fault = AssertionError("loaded")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("serve", "--port", port, "--no-browser")
    assert result.code == 2
    assert f"can't listen on port {port}" in result.err


def test_the_doctor_finds_everything_well(run: Run, six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.doctor.open_embedder", lambda name: HashEmbedder())
    monkeypatch.setattr("ui.doctor.CrossEncoder", OverlapScorer)
    monkeypatch.setattr("ui.doctor.Judge", OverlapScorer)
    monkeypatch.setattr("ui.doctor.open_writer", lambda config: QuoteWriter("", config))
    monkeypatch.setattr("ui.doctor.CONVERTED", 0)
    monkeypatch.setattr("ui.doctor.ROOM", 0)
    monkeypatch.setattr("ui.library_health.ROOM", 0)
    parts = ["python", "packages", "cache", "library", "disk", "embedder", "reader", "vectors", "index", "writer"]
    for fix, new in (([], "note"), (["--fix"], "done"), ([], "ok")):
        result = run("doctor", "--library", six, *fix)
        assert result.code == 0
        marks = [(line[:4].strip(), line[5:].partition(":")[0]) for line in result.out.splitlines()]
        assert marks == [(new if part in ("vectors", "index") else "ok", part) for part in [*parts, "conversations"]]
        assert f"ok   library: {six}, 6 insights, writable" in result.out


# Backups


def test_a_backup_is_put_back(run: Run, six: Path) -> None:
    result = run("library", "backup", "mine.db", "--library", six)
    assert re.fullmatch(rf"Backed up 6 insights of {six} to mine.db, 0\.\d MB\.\n", result.out)
    run("library", "remove", "s1", "--library", six)
    result = run("library", "restore", "mine.db", "--library", six)
    kept = six.with_name("six.before-restore.db")
    assert (result.code, result.out) == (
        0,
        f"{six} now holds 6 insights, those of mine.db.\nWhat it held before is kept in {kept}.\n",
    )
    with open_library(six) as library:
        assert library.get("s1")
        assert library.missing(HashEmbedder.fingerprint) == [], "what came without vectors is embedded"


def test_a_backup_moves_a_library_to_another_machine(run: Run, six: Path, tmp_path: Path) -> None:
    run("library", "backup", "mine.db", "--without-vectors", "--library", six)
    result = run("library", "restore", "mine.db")  # no library of one's own is there yet
    own = tmp_path / "data" / "library.db"
    assert (result.code, result.out) == (0, f"{own} now holds 6 insights, those of mine.db.\n")
    assert run("library", "list").out.count("\n") == 6


def test_what_can_not_be_backed_up_or_restored_is_refused_in_words(run: Run, six: Path) -> None:
    Path("there.db").write_text("a diary")
    for arguments, said in (
        (["backup", "there.db", "--library", six], "there.db is there already."),
        (["backup", six, "--library", six], "is the library itself."),
        (["restore", "there.db", "--library", six], "there.db is not a backup of a Footnoted library."),
        (["restore", "gone.db", "--library", six], "There is no file gone.db."),
        (["restore", six, "--library", "demo"], "The insights that ship can't be replaced."),
    ):
        result = run("library", *arguments)
        assert (result.code, result.out) == (2, "")
        assert said in result.err
    assert Path("there.db").read_text() == "a diary"
    assert run("library", "backup", "there.db", "--replace", "--library", six).code == 0


def test_the_doctor_names_every_fault_and_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: Config) -> Writer:
        raise ModelError("There is no model 'm' here.", "Install it.")

    def spoilt() -> OverlapScorer:
        raise ModelError("The reader's weights can't be used.", "Put them back.")

    def crash(name: str) -> HashEmbedder:
        raise RuntimeError("no such device")

    Path("taken").write_text("a file where the cache should be")
    monkeypatch.setenv("FOOTNOTED_CACHE", str(Path("taken/cache").absolute()))
    monkeypatch.setattr("ui.doctor.open_embedder", crash)
    monkeypatch.setattr("ui.doctor.CrossEncoder", spoilt)
    monkeypatch.setattr("ui.doctor.open_writer", refuse)
    monkeypatch.setattr("ui.doctor.PACKAGES", ("numpy", "no-such-distribution"))
    result = run("doctor", "--library", "missing.db")
    assert result.code == 3
    assert "FAIL packages: no-such-distribution can't be found. Install Footnoted anew" in result.out
    assert "can't be written: Not a directory. Make it writable" in result.out
    assert "FAIL library: There is no library at missing.db." in result.out
    assert "FAIL embedder: RuntimeError: no such device\n" in result.out
    assert "FAIL reader: The reader's weights can't be used. Put them back.\n" in result.out
    assert "FAIL writer: There is no model 'm' here. Install it.\n" in result.out


def test_the_doctor_wants_room_for_the_writer_until_it_is_converted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ui.doctor import CONVERTED, examine
    from ui.library_health import ROOM

    usage = shutil.disk_usage(tmp_path)._replace(free=ROOM + 1)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)

    def cache() -> tuple[bool, str]:
        (finding,) = (found for found in examine(None, Config(writer="quote")) if found.part == "cache")
        return finding.ok, finding.text

    monkeypatch.setattr("ui.doctor.open_embedder", lambda name: HashEmbedder())
    monkeypatch.setattr("ui.doctor.CrossEncoder", OverlapScorer)
    monkeypatch.setattr("ui.doctor.Judge", OverlapScorer)
    ok, text = cache()
    assert not ok
    assert f"Free {(CONVERTED + ROOM) // 1_000_000} MB there" in text
    (tmp_path / "cache" / "models" / "m").mkdir(parents=True)
    (tmp_path / "cache" / "models" / "m" / "complete.json").touch()
    assert cache()[0]


def test_the_doctor_asks_an_endpoint_for_a_word(run: Run, six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.doctor.open_embedder", lambda name: HashEmbedder())
    monkeypatch.setattr("ui.doctor.CrossEncoder", OverlapScorer)
    monkeypatch.setattr("ui.doctor.Judge", OverlapScorer)

    def said(url: str) -> str:
        result = run("doctor", "--library", six, "--writer", f"openai:m@{url}")
        return next(line for line in result.out.splitlines() if " writer: " in line)

    with scripted(says("Hello"), status(401)) as server:
        assert re.fullmatch(rf"ok   writer: openai:m@{server.url}, which answered within [0-9.]+ s", said(server.url))
        assert server.bodies[0]["max_tokens"] == 1
        assert said(server.url) == (
            f"FAIL writer: The writer at {server.url} refuses the key (AuthenticationError). "
            "Put the right one into OPENAI_API_KEY, or use --writer quote."
        )
    with nothing_listens() as url:
        assert said(url).startswith(f"FAIL writer: The writer at {url} doesn't answer (APIConnectionError).")


def test_eval_run_is_handed_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def evaluate(options: Any) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr("eval.cli.main", evaluate)
    assert run("eval", "run", "questions", "--split", "dev", "--writer", "quote").code == 0
    assert (seen[0].questions, seen[0].split, seen[0].writer) == (Path("questions"), "dev", "quote")


# -------------------------------------------------------------------------------------------------- faults and pipes


def test_ctrl_c_is_silent(run: Run, six: Path, models: Models) -> None:
    models.fault = KeyboardInterrupt()
    assert run("ask", QUESTION, "--library", six) == Result(130, "", "")


def test_what_nobody_foresaw_is_a_sentence_too(
    run: Run, six: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.fault = ZeroDivisionError("by zero")
    result = run("ask", QUESTION, "--library", six)
    assert result.code == 3
    assert result.err.startswith("footnoted: something went wrong that we didn't foresee (ZeroDivisionError: by zero).")
    monkeypatch.setenv("FOOTNOTED_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("ask", QUESTION, "--library", six)


@pytest.fixture
def large(tmp_path: Path) -> str:
    """More than a pipe holds."""
    path = tmp_path / "large.db"
    with open_library(path, create=True) as library:
        library.add(make_insight(f"Shed {n} holds “rope”. " * 20) for n in range(400))
    return str(path)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_has_seen_enough_is_no_fault(large: str, options: Sequence[str]) -> None:
    command = [COMMAND, "library", "list", "--library", large, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in (said := process.stderr.read())
        assert b"Exception" not in said
    assert process.returncode == 0


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_is_gone_already_is_no_fault(six: Path, options: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [COMMAND, "library", "list", "--library", str(six), *options]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full, as on Linux")
def test_output_onto_a_full_disk_is_a_sentence(large: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, "library", "list", "--library", large], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 3
    assert (
        done.stderr == "footnoted: The system refused (No space left on device). Check the disk and your permissions.\n"
    )


def test_a_terminal_that_knows_only_ascii_gets_no_fault(large: str) -> None:
    done = subprocess_run("library", "list", "--library", large, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert r"\u201crope\u201d" in done.stdout


def test_on_a_terminal_there_is_style_and_in_a_pipe_there_is_none(six: Path) -> None:
    arguments = [COMMAND, "library", "list", "suitcases", "--library", str(six)]
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    ours, theirs = pty.openpty()
    with subprocess.Popen(arguments, stdout=theirs, env=environment | {"TERM": "xterm-256color"}) as process:
        process.wait(60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "\x1b[36ms2\x1b[0m" in shown
    assert shown.rstrip().endswith(f"1 insight in {six}.")
    piped = subprocess_run(*arguments[1:], env=environment)
    assert piped.stdout.startswith("s2\tNight trains")
    assert "\x1b" not in piped.stdout + piped.stderr


# ------------------------------------------------------------------------------------------------------------- help


def test_help_is_instant() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        done = subprocess_run("--help")
        assert (done.returncode, done.stderr) == (0, "")
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 0.3


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from ui.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = set("numpy torch transformers sentence_transformers faiss gradio openai rich huggingface_hub".split())
sys.exit(f"imported {sorted(heavy & sys.modules.keys())}" if heavy & sys.modules.keys() else 0)
"""
    root = Path(cli.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=root)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "command",
    [
        "ask",
        "search",
        "library",
        *(f"library {action}" for action in ("add", "list", "remove", "undo", "edit", "export")),
        "serve",
        "doctor",
        "eval run",
    ],
)
def test_every_command_has_help(run: Run, command: str) -> None:
    result = run(*command.split(), "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"usage: footnoted {command}")
    if command not in ("library", "eval run"):  # one has actions, the other makes its library from its questions
        assert "--library PATH" in result.out
