"""Runs on a scripted answer function: rows, summaries, result files, and the whole of `evaluate`."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import UsageError
from corpus.insight import Insight, Passage, make_insight
from corpus.library import Library, open_library
from eval.cli import add_arguments, add_show_arguments, main, show
from eval.measures import MEASURES
from eval.questions import Question
from eval.report import markdown, table
from eval.rows import Row, answered_row
from eval.run import evaluate, results, run, summarise, without_paths, write_json
from eval.session import Session
from rag.config import Config
from rag.datatypes import Answer, Citation, Claim, Hit, Status, Trace, Turn, Verdict
from rag.models import Report

FREIGHT = make_insight("Freight cars stand idle for two thirds of their life.", insight_id="s6")
TRAINS = make_insight("Night trains fill with tourists. Ottavia Brandt counted 310 suitcases.", insight_id="s2")


def hits(*insights: Insight) -> tuple[Hit, ...]:
    """Two passages an insight, so that insights come up twice."""
    passages = [
        (Passage(f"{i.insight_id}#{n}", i.insight_id, i.text, 0, len(i.text)), i) for n in (0, 1) for i in insights
    ]
    return tuple(Hit(passage, insight, 1 / rank, rank) for rank, (passage, insight) in enumerate(passages, 1))


def cite(text: str, *passage_ids: str) -> Claim:
    return Claim(text, tuple(Citation(id_, 0, 5) for id_ in passage_ids), 0.8, Verdict.SUPPORTED)


def scripted(question: str, history: Sequence[Turn] = ()) -> Answer:
    found = hits(FREIGHT, TRAINS)
    trace = Trace(models={"writer": "w1"}, seconds={"total": 0.5})
    if "broken" in question:
        raise OSError("no such file: /home/somebody/models/weights.bin")
    if "paid" in question:
        return Answer(question, Status.NOT_IN_LIBRARY, hits=found, nearest=found[:1], trace=trace)
    claims = (cite("Freight cars stand idle.", "s6#0", "s6#1"), cite("Brandt counted 999 suitcases.", "s2#0"))
    return Answer(question, Status.ANSWERED, claims, hits=found, trace=trace)


def ask(text: str, gold: tuple[str, ...] = ("s6",), type_: str = "direct") -> Question:
    return Question(text, type_, text, (), gold, "Idle.", "idle", type_ != "unanswerable", "rail")


def test_a_row_holds_what_was_shown() -> None:
    (row,) = run([ask("How idle?")], scripted)
    assert (row.question_id, row.status, row.answerable, row.error) == ("How idle?", "answered", True, "")
    assert row.answer == "Freight cars stand idle. Brandt counted 999 suitcases."
    assert row.cited == ("s6", "s2")
    assert row.retrieved == ("s6", "s2"), "an insight counts where it is first found"
    assert row.stages == {"total": 0.5}
    copied, invented = row.claims
    assert (copied.cited, copied.verbatim, copied.grounded) == (("s6",), True, True)
    assert (invented.cited, invented.verbatim, invented.grounded) == (("s2",), False, False)
    assert (invented.verdict, invented.support) == ("supported", 0.8), "what the pipeline thought is kept apart"


def test_the_history_is_passed_on() -> None:
    seen: list[Sequence[Turn]] = []

    def noting(question: str, history: Sequence[Turn]) -> Answer:
        seen.append(history)
        return scripted(question)

    turns = (Turn("Before?", "Yes."),)
    run([Question("q", "followup", "And?", turns, (), "", "", True, "rail")], noting)
    assert seen == [turns]


def test_a_failure_is_a_row() -> None:
    rows = run([ask("broken?"), ask("How idle?")], scripted)
    assert [row.status for row in rows] == ["error", "answered"]
    assert rows[0].error == "OSError: no such file: weights.bin", "without the folders of this machine"
    assert summarise(rows)["R@5"] == 0.5
    assert summarise(rows)["citation_precision"] == 0.25


def test_a_citation_of_an_unknown_passage_is_kept_and_supports_nothing() -> None:
    answer = Answer("?", Status.ANSWERED, (cite("Freight cars stand idle.", "gone#0"),), hits=hits(FREIGHT))
    row = answered_row(ask("?"), answer, 1.0)
    assert row.cited == ("gone#0",)
    assert not row.claims[0].grounded


@pytest.mark.parametrize("text", ["How idle?", "Who paid?", "broken?"])
def test_a_row_survives_a_result_file(text: str) -> None:
    (row,) = run([ask(text)], scripted)
    assert Row.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_what_cannot_be_written_down_is_a_failure() -> None:
    def odd(question: str, history: Sequence[Turn]) -> Answer:
        text = "a\ud800b" if question == "half?" else "Idle."
        claim = Claim(text, (), float("nan"), Verdict.SUPPORTED)
        return Answer(question, Status.ANSWERED, (claim,), hits=hits(FREIGHT))

    def failing(question: str, history: Sequence[Turn]) -> Answer:
        raise ValueError("no file \udcff")

    rows = [*run([ask("half?"), ask("nan?")], odd), *run([ask("lone?")], failing)]
    assert [row.status for row in rows] == ["error"] * 3
    json.dumps([row.to_json() for row in rows], ensure_ascii=False, allow_nan=False).encode()


def test_preparing_is_not_timed_and_its_faults_are_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("eval.run.time.perf_counter", lambda: now[0])

    def prepare(question: Question) -> None:
        now[0] += 5.0
        if question.text == "hidden?":
            raise OSError("the disk is full")

    rows = run([ask("How idle?"), ask("hidden?")], scripted, prepare=prepare)
    assert rows[0].seconds == 0
    assert rows[1].error == "OSError: the disk is full"


def test_progress_is_reported() -> None:
    seen: list[tuple[str, int, int]] = []
    run([ask("a?"), ask("b?")], scripted, lambda *step: seen.append(step))
    assert seen == [("asking", 1, 2), ("asking", 2, 2)]


def a_run() -> dict[str, Any]:
    rows = run([ask("How idle?"), ask("Who paid?", (), "unanswerable"), ask("broken?")], scripted)
    return results(rows, Config(), "footnoted eval run rail", {"writer": "w1"}, [FREIGHT, TRAINS])


def test_results_say_how_they_came_about() -> None:
    data = a_run()
    assert list(data["measures"]) == list(MEASURES)
    assert data["questions"] == len(data["rows"]) == 3
    assert {"id", "type", "status", "cited"} <= data["rows"][0].keys()
    assert data["by_type"]["unanswerable"]["questions"] == 1
    assert data["by_type"]["unanswerable"]["refusal_recall"] == 1.0
    assert data["by_type"]["direct"]["refusal_recall"] is None
    assert data["by_answerable"]["answerable"]["false_refusal_rate"] == 0.5
    assert data["config"]["writer"] == Config().writer
    assert data["config_fingerprint"] == Config().fingerprint()
    assert data["models"] == {"writer": "w1"}
    assert data["library"]["insights"] == 2
    assert data["machine"]["cores"] >= 1
    assert re.fullmatch(r"[0-9a-f]{40}|", data["commit"])
    assert data["dirty"] in (True, False)
    assert str(Path.home()) not in json.dumps(data["machine"])


def test_the_library_has_a_fingerprint() -> None:
    def fingerprint(*insights: Insight) -> str:
        return str(results([], Config(), "", {}, insights)["library"]["fingerprint"])

    assert fingerprint(FREIGHT, TRAINS) == fingerprint(TRAINS, FREIGHT) != fingerprint(FREIGHT)


def test_a_file_is_replaced_in_full_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    write_json({"old": 1}, file)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json({"new": float("nan")}, file)
    with pytest.raises(TypeError):
        write_json({"new": object()}, file)
    assert json.loads(file.read_text()) == {"old": 1}
    write_json({"new": "naïve"}, file)
    assert json.loads(file.read_text(encoding="utf-8")) == {"new": "naïve"}
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"], "nothing is left beside it"


def test_in_a_folder_no_file_replaces_another(tmp_path: Path) -> None:
    data = {"date": "2026-01-02T03:04:05+00:00", "commit": "0123456789abcdef", "config_fingerprint": "fedcba"}
    names = [write_json(data, tmp_path).name for _ in range(3)]
    stem = "2026-01-02-0123456789ab-fedcba"
    assert names == [f"{stem}.json", f"{stem}-2.json", f"{stem}-3.json"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("open /home/a/b.json: gone", "open b.json: gone"),
        ("'/home/a/b c'", "'b c'"),
        (r"C:\Users\a\b.json", "b.json"),
        ("~/secret/b.json", "b.json"),
        ("no/such/relative and/or 1/2", "no/such/relative and/or 1/2"),
        ("http://localhost:8000/v1/models", "http://localhost:8000/v1/models"),
    ],
)
def test_without_paths(text: str, expected: str) -> None:
    assert without_paths(text) == expected


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Questions in rail/dev, distractors in more."""
    questions = [
        {"id": "q1", "type": "direct", "question": "How idle?", "answer": [{"text": "Idle.", "cites": ["s6"]}]},
        {"id": "q2", "type": "unanswerable", "question": "Who paid?", "answer": []},
        {"id": "q3", "type": "riddle", "question": "Who else?", "answer": [{"text": "Idle.", "cites": ["zz"]}]},
    ]
    rail = {"collection": "rail", "insights": [{"id": "s6", "text": FREIGHT.text}], "questions": questions}
    more = {"insights": [{"id": "s2", "text": TRAINS.text}], "questions": [{"question": "Never asked?"}]}
    for path, data in (("rail/dev/rail.json", rail), ("more/more.json", more)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(json.dumps(data))
    return tmp_path


def opener(
    library: Library, insights: Sequence[Insight], config: Config, report: Report, without: Sequence[str] = ()
) -> Session:
    assert {insight.insight_id for insight in insights} == {"s2", "s6"}
    assert {insight.insight_id for insight in library.insights()} == {"s2", "s6"}
    return Session(scripted, models={"writer": "w1"})


def test_evaluate_asks_one_library_with_distractors(folders: Path) -> None:
    said: list[str] = []
    data = evaluate(
        folders / "rail",
        [folders / "more", folders / "rail" / "dev"],
        "dev",
        json_file=folders / "out.json",
        report=lambda what, done, total: said.append(what),
        opener=opener,
    )
    assert [row["id"] for row in data["rows"]] == ["q1", "q2", "q3"]
    assert data["library"]["insights"] == 2
    assert data["models"] == {"writer": "w1"}
    assert data["form"] == "collections"
    assert "rail: a folder of collections" in said
    assert any("zz" in line for line in said), "gold that isn't in the library is told"
    assert json.loads((folders / "out.json").read_text()) == json.loads(json.dumps(data))


def test_the_library_is_one_and_temporary(folders: Path) -> None:
    seen: list[tuple[int, Path]] = []

    def noting(library: Library, insights: Sequence[Insight], config: Config, report: Report) -> Session:
        seen.append((library.count(), library.path))
        return Session(scripted)

    data = evaluate(folders / "rail", [folders / "more"], "dev", opener=noting)
    ((count, path),) = seen
    assert (count, data["questions"]) == (2, 3)
    assert not path.parent.exists()


def test_evaluate_refuses_before_it_starts(folders: Path) -> None:
    (folders / "empty").mkdir()
    with pytest.raises(UsageError, match="--json"):
        evaluate(folders / "rail", split="dev", json_file=folders / "nowhere" / "out.json", opener=opener)
    with pytest.raises(UsageError, match=r"no \.json files"):
        evaluate(folders / "empty", opener=opener)
    (folders / "empty" / "a.json").write_text('{"insights": [{"text": "Alone."}]}')
    with pytest.raises(UsageError, match="holds no questions"):
        evaluate(folders / "empty", opener=opener)
    with pytest.raises(UsageError, match="--with can't add"):
        evaluate(folders / "rail", [folders / "more"], "dev", library="demo", opener=opener)
    with pytest.raises(UsageError, match="Give --limit N too"):
        evaluate(folders / "rail", split="dev", seed=3, opener=opener)
    (folders / "plain.jsonl").write_text('{"question": "How idle?", "insight_ids": ["s6"]}')
    with pytest.raises(UsageError, match=r"holds questions, but no insights.*--library L"):
        evaluate(folders / "plain.jsonl", opener=opener)
    (folders / "own.jsonl").write_text('{"question": "How?", "passages": [{"id": "p", "text": "So."}], "gold": ["p"]}')
    with pytest.raises(UsageError, match="own passages, which --with can't add to"):
        evaluate(folders / "own.jsonl", [folders / "more"], opener=opener)


def test_reports_are_aligned_and_narrow(folders: Path) -> None:
    data = a_run()
    lines = table(data).splitlines()
    header = next(line for line in lines if line.startswith("type"))
    below = lines[lines.index(header) + 1 :][:2]
    assert [line.split()[0] for line in below] == ["direct", "unanswerable"]
    assert {len(line) for line in below} == {len(header)}
    assert max(map(len, lines)) <= 100
    assert all(any(line.startswith(name) for line in lines) for name in MEASURES)
    assert "Failed: 1 of 3. broken?: OSError" in table(data)


def test_markdown_has_whole_tables() -> None:
    rows = [line for line in markdown(a_run()).splitlines() if line.startswith("|")]
    assert len(rows) == len(MEASURES) + 2 + 2 + 2
    assert {row.count("|") for row in rows} == {4, 9}


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_the_command(folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("eval.run.open_session", opener)
    monkeypatch.chdir(folders)
    words = ["rail", *"--split dev --limit 2 --seed 5 --writer quote --with".split(), str(folders / "more")]
    assert main(parsed(*words, "--set", "caution=strict", "candidates=9", "--json", "out.json")) == 0
    data = json.loads((folders / "out.json").read_text())
    shown = capsys.readouterr()
    assert shown.out == table(data)
    assert "2 questions to a library of 2 insights" in shown.err
    assert (data["config"]["writer"], data["config"]["caution"], data["config"]["candidates"]) == ("quote", "strict", 9)
    command = (
        "footnoted eval run rail --split dev --limit 2 --seed 5 --writer quote --with more "
        "--set caution=strict candidates=9"
    )
    assert data["command"] == command


@pytest.mark.parametrize(
    ("pair", "reason"), [("caution", "KEY=VALUE"), ("file=x", "no setting 'file'"), ("caution=x", "can't be 'x'")]
)
def test_the_command_refuses_bad_settings(folders: Path, pair: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        main(parsed(str(folders), "--set", pair))


def test_a_library_without_a_name_is_refused(folders: Path) -> None:
    with pytest.raises(UsageError, match="--library has no value"):
        main(parsed(str(folders / "rail"), "--library", " "))


def test_a_library_is_asked_as_it_is(folders: Path) -> None:
    """Its insights, not those of the folder; questions with passages of their own are asked to all of it."""
    own = folders / "own.db"
    with open_library(own, create=True) as library:
        library.add([FREIGHT, TRAINS])
    row = {
        "question": "How idle?",
        "passages": [{"id": "s6", "text": FREIGHT.text}],
        "gold": ["s6"],
        "answers": ["idle"],
    }
    (folders / "rows.jsonl").write_text(json.dumps(row))
    for questions, form in ((folders / "rail" / "dev", "collections"), (folders / "rows.jsonl", "passages")):
        data = evaluate(questions, library=str(own), opener=opener)
        assert (data["form"], data["library"]["insights"]) == (form, 2)
    assert data["rows"][0]["gold_spans"] == (("s6", 0, len(FREIGHT.text)),)
    with open_library(folders / "empty.db", create=True):
        pass
    with pytest.raises(UsageError, match=r"The library .*empty\.db is empty"):
        evaluate(folders / "rows.jsonl", library=folders / "empty.db", opener=opener)


def test_answers_are_drawn_to_be_read(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    evaluate(folders / "rail", [folders / "more"], "dev", json_file=file, opener=opener)
    parser = argparse.ArgumentParser()
    add_show_arguments(parser)
    assert show(parser.parse_args([str(file), "--count", "2", "--seed", "3"])) == 0
    drawn = capsys.readouterr().out
    assert "2 of 3 answers, drawn with seed 3" in drawn
    assert drawn.count("\n## ") == 2
    monkeypatch.setattr("eval.compare.RESULTS", tmp_path)
    assert show(parser.parse_args(["ru", "--count", "2", "--seed", "3"])) == 0
    assert capsys.readouterr().out == drawn, "by the beginning of its name too"


@pytest.mark.parametrize("content", ["", "[]", '{"rows": 3}', "\udcff"])
def test_what_is_no_run_is_a_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    parser = argparse.ArgumentParser()
    add_show_arguments(parser)
    with pytest.raises(UsageError, match="can't be read as the results of a run"):
        show(parser.parse_args([str(file)]))


def test_the_command_is_light_to_import() -> None:
    code = "import sys; import eval.cli; sys.exit(bool({'numpy', 'torch', 'faiss', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0
