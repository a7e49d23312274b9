"""Runs that are cut off: what is on the disk by then, and that the next call goes on from exactly there."""

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus.errors import UsageError
from corpus.insight import Insight, Passage, make_insight
from corpus.library import Library
from eval import provenance
from eval.questions import Question
from eval.rows import Row
from eval.run import evaluate, run
from eval.session import Session
from eval.unfinished import unfinished, unfinished_path
from rag.config import Config
from rag.datatypes import Answer, Citation, Claim, Hit, Status, Trace, Turn, Verdict
from rag.models import Report

RUN = {"settings": "s1", "models": {"writer": "w1"}}
MOULD = make_insight("Acid slows mould.", insight_id="s4")
HIT = Hit(Passage("s4#0", "s4", MOULD.text, 0, 17), MOULD, 0.5, 1)
QUESTIONS = [Question(f"q{n}", "direct", f"Naïve {n}?", (), ("s4",), "", "acid", True, "bread") for n in range(3)]


class Killed(BaseException):
    """What no code of ours catches, as none can catch SIGKILL."""


def answer(question: str, history: Sequence[Turn] = ()) -> Answer:
    if "1" in question:
        raise OSError("no such model")
    claim = Claim(MOULD.text, (Citation("s4#0", 0, 17),), 0.75, Verdict.SUPPORTED)
    trace = Trace(seconds={"total": 0.5}, tokens={"prompt": 3}, dropped=("“No” – (why)",), answerable=0.5)
    return Answer(question, Status.ANSWERED, (claim,), hits=(HIT,), trace=trace)


def timeless(rows: Sequence[Row]) -> list[Row]:
    return [dataclasses.replace(row, seconds=0.0) for row in rows]


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda number: None)


def go(path: Path, answer_fn: Callable[[str, Sequence[Turn]], Answer] = answer) -> tuple[list[Row], list[str]]:
    """All rows in the end, and which questions were asked for them."""
    asked: list[str] = []

    def noting(question: str, history: Sequence[Turn]) -> Answer:
        asked.append(question)
        return answer_fn(question, history)

    with unfinished(path, RUN, len(QUESTIONS)) as before:
        rows = run(QUESTIONS, noting, done=before.rows, keep=before.add)
    return rows, asked


def cut_off(path: Path) -> bytes:
    """What a run leaves that was killed after its last question, before its results were written."""

    def kill() -> Iterator[Row]:
        with unfinished(path, RUN, len(QUESTIONS)) as before:
            yield from run(QUESTIONS, answer, done=before.rows, keep=before.add)
            raise Killed

    with pytest.raises(Killed):
        list(kill())
    return path.read_bytes()


def test_each_row_is_on_the_disk_before_the_next_question(tmp_path: Path) -> None:
    path = tmp_path / "r.unfinished.jsonl"
    seen: list[list[str]] = []

    def looking(question: str, history: Sequence[Turn]) -> Answer:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines[0] == {"run": RUN}
        seen.append([line["row"]["id"] for line in lines[1:]])
        return answer(question)

    go(path, looking)
    assert seen == [[], ["q0"], ["q0", "q1"]]
    assert list(tmp_path.iterdir()) == [], "once the results are written nothing is left, no lock either"


def test_a_kill_at_any_byte_loses_at_most_the_question_in_flight(tmp_path: Path, no_fsync: None) -> None:
    path = tmp_path / "r.unfinished.jsonl"
    whole = cut_off(path)
    expected = timeless(go(path)[0])
    assert [row.status for row in expected] == ["answered", "error", "answered"]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        written = max(0, whole[:length].count(b"\n") - 1)  # the first line is no row
        rows, asked = go(path)
        assert timeless(rows) == expected, length
        assert asked == [question.text for question in QUESTIONS[written:]], length
        assert not path.exists()


def test_it_can_be_killed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "r.unfinished.jsonl"
    for last in range(2):

        def dying(question: str, history: Sequence[Turn], at: str = str(last + 1)) -> Answer:
            if at in question:
                raise Killed
            return answer(question)

        with pytest.raises(Killed):
            go(path, dying)
        with path.open("ab") as file:
            file.write(b'{"number": 2, "row": {"id": "q')  # each time a line was being written
    assert go(path)[1] == ["Naïve 2?"], "each call has asked one more"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, 3), junk=st.binary(max_size=40).filter(lambda data: b"\n" not in data))
def test_a_damaged_line_is_asked_again(number: int, junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.unfinished.jsonl"
    lines = cut_off(path).split(b"\n")
    lines[number] = junk
    path.write_bytes(b"\n".join(lines))
    assert go(path)[1] == [QUESTIONS[number - 1].text]


@pytest.mark.parametrize("line", ['{"number": 3, "row": {}}', '{"number": -1}', '{"number": "1", "row": []}', "7"])
def test_lines_that_are_no_rows_are_passed_over(line: str, tmp_path: Path) -> None:
    path = tmp_path / "r.unfinished.jsonl"
    path.write_bytes(json.dumps({"run": RUN}).encode() + b"\n" + line.encode() + b"\n")
    assert len(go(path)[1]) == 3


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\n", b"[1]\n", b'{"run": 3}\n{"number": 0}\n', b"[" * 99_999])
def test_what_is_no_run_is_begun_anew(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.unfinished.jsonl"
    path.write_bytes(content)
    with unfinished(path, RUN, 3) as before:
        assert (before.rows, before.differs) == ({}, ())


def test_another_run_is_begun_anew_and_told_why(tmp_path: Path) -> None:
    path = tmp_path / "r.unfinished.jsonl"
    cut_off(path)
    with unfinished(path, {"settings": "s3", "models": {"writer": "w1"}, "code": "c"}, 3) as before:
        assert (before.rows, before.differs) == ({}, ("settings", "code"))
    assert not path.exists()


def test_two_runs_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "r.unfinished.jsonl"
    with (
        FileLock(tmp_path / ".r.unfinished.jsonl.lock"),
        pytest.raises(UsageError, match=r"Another run is writing to r\.unf.*another path"),
        unfinished(path, RUN, 3),
    ):
        raise AssertionError("it was opened all the same")
    assert not path.exists()


def test_where_it_lies(tmp_path: Path) -> None:
    assert unfinished_path(tmp_path / "a.json", "0f") == tmp_path / "a.unfinished.jsonl"
    assert unfinished_path(tmp_path / "a.txt", "0f") == tmp_path / "a.txt.unfinished.jsonl"
    assert unfinished_path(tmp_path, "0f") == tmp_path / "0f.unfinished.jsonl"


# The whole of `evaluate`


@pytest.fixture
def bread(tmp_path: Path) -> Path:
    questions = [{"id": q.question_id, "question": q.text, "gold": ["s4"]} for q in QUESTIONS]
    data = {"insights": [{"id": "s4", "text": MOULD.text}], "questions": questions}
    (tmp_path / "bread").mkdir()
    (tmp_path / "bread" / "bread.json").write_text(json.dumps(data))
    return tmp_path / "bread"


class Calls:
    """Calls of `evaluate` with an answer function that can be told to stop, and what they said and asked."""

    def __init__(self, bread: Path, json_file: Path) -> None:
        self.bread, self.json_file = bread, json_file
        self.said: list[str] = []
        self.asked: list[str] = []

    def __call__(
        self, stop_at: str = "never", by: type[BaseException] = Killed, fail: str = "1", **options: Any
    ) -> dict[str, Any]:
        self.said, self.asked = [], []

        def scripted(question: str, history: Sequence[Turn]) -> Answer:
            if stop_at in question:
                raise by
            self.asked.append(question)
            if fail in question:
                raise OSError("no such model")
            return answer(question.replace("1", "one"))

        def opener(library: Library, insights: Sequence[Insight], config: Config, report: Report) -> Session:
            return Session(scripted, models={"writer": "w1"})

        def report(what: str, done: int, total: int) -> None:
            self.said.append(f"{what} {done}/{total}" if total else what)

        return evaluate(self.bread, opener=opener, report=report, **{"json_file": self.json_file, **options})


@contextmanager
def killed(by: type[BaseException] = Killed) -> Iterator[None]:
    with pytest.raises(by):
        yield


@pytest.fixture
def calls(bread: Path, tmp_path: Path) -> Calls:
    return Calls(bread, tmp_path / "out.json")


def test_a_second_call_goes_on_and_says_so(calls: Calls) -> None:
    with killed():
        calls(stop_at="2")
    assert not calls.json_file.exists()
    data = calls()
    assert calls.asked == ["Naïve 2?"]
    assert "going on after 2 of 3 (1 of them failed: --retry-failed asks them again)" in calls.said
    assert "asking 2/3" in calls.said, "the bar begins where the run does"
    assert [row["status"] for row in data["rows"]] == ["answered", "error", "answered"]
    assert json.loads(calls.json_file.read_text())["rows"] == json.loads(json.dumps(data["rows"]))
    assert sorted(path.name for path in calls.json_file.parent.iterdir()) == ["bread", "out.json"]
    calls()
    assert len(calls.asked) == 3, "a run that is finished isn't gone on with"
    assert not any("going on" in line for line in calls.said)


def test_questions_that_failed_are_asked_again_if_wished(calls: Calls) -> None:
    with killed():
        calls(stop_at="2")
    with killed():
        calls(stop_at="2", retry_failed=True)
    assert calls.asked == ["Naïve 1?"]
    data = calls(fail="never", retry_failed=True)
    assert calls.asked == ["Naïve 1?", "Naïve 2?"]
    assert "going on after 1 of 3" in calls.said
    assert [row["status"] for row in data["rows"]] == ["answered"] * 3


def test_of_two_rows_of_a_question_the_later_one_holds(calls: Calls) -> None:
    with killed():
        calls(stop_at="2")
    with killed():
        calls(stop_at="2", fail="never", retry_failed=True)
    assert [row["status"] for row in calls()["rows"]] == ["answered"] * 3
    assert calls.asked == ["Naïve 2?"]


@pytest.mark.parametrize(
    ("changed", "told", "asked"),
    [({"config": Config(caution="strict")}, "settings", 3), ({"limit": 2}, "questions", 2)],
)
def test_another_run_begins_anew(calls: Calls, changed: dict[str, Any], told: str, asked: int) -> None:
    with killed():
        calls(stop_at="2")
    calls(**changed)
    assert len(calls.asked) == asked
    assert f"beginning anew: the unfinished run there had other {told}" in calls.said


def test_other_insights_and_other_code_begin_anew(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    with killed():
        calls(stop_at="2")
    more = calls.bread.parent / "more"
    more.mkdir()
    (more / "more.json").write_text('{"insights": [{"text": "Steam makes crust."}]}')
    with killed():
        calls(stop_at="2", with_folders=[more])
    assert "beginning anew: the unfinished run there had other insights" in calls.said
    monkeypatch.setattr("eval.provenance.CODE", ("eval/rows.py",))
    calls(with_folders=[more])
    assert "beginning anew: the unfinished run there had other code" in calls.said


def test_ctrl_c_says_how_to_go_on(calls: Calls) -> None:
    with killed(KeyboardInterrupt):
        calls(stop_at="2", by=KeyboardInterrupt)
    assert "stopped after 2 of 3: the same command goes on from there" in calls.said


def test_in_a_folder_unfinished_runs_lie_side_by_side(bread: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    calls = Calls(bread, folder)
    for config in (Config(), Config(caution="strict")):
        with killed():
            calls(stop_at="2", config=config)
    assert len(list(folder.glob("*.unfinished.jsonl"))) == 2
    calls()
    assert calls.asked == ["Naïve 2?"]
    assert len(list(folder.glob("*.unfinished.jsonl"))) == len(list(folder.glob("*.json"))) == 1


def test_without_a_file_nothing_is_written(bread: Path, tmp_path: Path) -> None:
    calls = Calls(bread, tmp_path / "out.json")
    with killed():
        calls(stop_at="2", json_file=None)
    assert [path.name for path in tmp_path.iterdir()] == ["bread"]


def test_the_code_that_rows_come_from_is_found() -> None:
    assert all(list(provenance.CHECKOUT.glob(pattern)) for pattern in provenance.CODE)
    assert provenance.code_fingerprint() == provenance.code_fingerprint()


def test_an_unfinished_run_does_not_make_the_checkout_dirty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    assert provenance.checkout_state() == ("", True), "outside a checkout nothing is known"
    for words in ("init -q", "-c user.name=a -c user.email=a@b commit -q --allow-empty -m empty"):
        subprocess.run(["git", "-C", str(tmp_path), *words.split()], check=True)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "r.unfinished.jsonl").write_text("{}")
    (tmp_path / ".r.unfinished.jsonl.lock").write_text("")
    commit, dirty = provenance.checkout_state()
    assert (len(commit), dirty) == (40, False)
    (tmp_path / "new.py").write_text("")
    assert provenance.checkout_state() == (commit, True)
