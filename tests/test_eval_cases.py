"""The file of cases: what is on the disk, and that nothing complete is ever lost from it."""

import gzip
import json
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus.errors import UsageError
from eval.cases import (
    Case,
    Passed,
    add_case,
    add_passed,
    append_case,
    change_case,
    check_file,
    passed_over,
    read_cases,
    read_passed,
    remove_case,
)
from eval.formats import load_questions

IDLE = Case("How long do freight cars stand idle?", ("s6",), "two thirds")
GONE = Case("How long do freight cars stand idle?", answerable=False, without=("s6", "s7"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "questions.jsonl"


def test_cases_are_what_a_run_asks(file: Path) -> None:
    assert add_case(file, IDLE)
    assert add_case(file, GONE)
    form, (collection,) = load_questions(file)
    idle, gone = collection.questions
    assert form == "plain"
    assert (idle.text, idle.gold, idle.short, idle.answerable) == (IDLE.question, ("s6",), "two thirds", True)
    assert (gone.text, gone.gold, gone.answerable, gone.without) == (GONE.question, (), False, ("s6", "s7"))
    assert idle.question_id == IDLE.case_id != gone.question_id


def test_a_case_is_written_once(file: Path) -> None:
    assert add_case(file, IDLE)
    assert not add_case(file, IDLE)
    assert len(file.read_text().splitlines()) == 1


def test_a_line_says_no_more_than_there_is(file: Path) -> None:
    add_case(file, Case("Why?", ("a",)))
    (line,) = map(json.loads, file.read_text().splitlines())
    assert line == {
        "id": Case("Why?").case_id,
        "question": "Why?",
        "insight_ids": ["a"],
        "answerable": True,
        "origin": "accepted",
    }


def test_a_case_can_be_changed_and_taken_out(file: Path) -> None:
    file.write_text('{"question": "Mine?", "gold": ["x"]}')  # by hand, without a line break
    add_case(file, IDLE)
    add_case(file, GONE)
    better = Case("How much of its life is a freight car idle?", ("s6",))
    assert change_case(file, IDLE.case_id, better)
    assert [case.text for case in read_cases(file)] == ["Mine?", better.question, GONE.question]
    assert not change_case(file, better.case_id, GONE), "that one is there"
    assert change_case(file, better.case_id, Case(better.question, ("s6",), "two thirds")), "itself is no other one"
    remove_case(file, better.case_id)
    assert file.read_text() == f'{{"question": "Mine?", "gold": ["x"]}}\n{GONE.line()}\n'
    assert sorted(path.name for path in file.parent.iterdir()) == ["cache", "questions.jsonl"]


def test_a_link_stays_a_link(file: Path) -> None:
    add_case(file, IDLE)
    link = file.with_name("link.jsonl")
    link.symlink_to(file)
    remove_case(link, IDLE.case_id)
    assert link.is_symlink()
    assert file.read_text() == ""
    assert add_case(link, GONE)


def test_a_kill_at_any_byte_loses_at_most_the_line_in_flight(file: Path) -> None:
    add_case(file, IDLE)
    first = file.read_bytes()
    add_case(file, GONE)
    whole = file.read_bytes()
    for cut in range(len(first), len(whole) + 1):
        file.write_bytes(whole[:cut])
        kept = [IDLE.question] if cut < len(whole) - 1 else [IDLE.question, GONE.question]
        assert [case.text for case in read_cases(file)] == kept
        other = Case("Who rides the night train?", ("s2",))
        assert add_case(file, other)
        assert [case.text for case in read_cases(file)] == [*kept, other.question]


def test_a_file_of_another_kind_is_left_as_it_is(file: Path) -> None:
    for text in ("Shopping: milk", '{"insights": []}\n', '["a"]\n', '{"question": "Who?"}\n{"id": 1}\n'):
        file.write_text(text)
        with pytest.raises(UsageError, match=r"questions\.jsonl"):
            add_case(file, IDLE)
        assert file.read_text() == text
    file.write_bytes(packed := gzip.compress(b'{"question": "Who?"}\n'))
    with pytest.raises(UsageError, match="more can be added"):
        add_case(file, IDLE)
    assert file.read_bytes() == packed


def test_whether_it_can_be_written_is_told_before(tmp_path: Path) -> None:
    check_file(tmp_path / "new.jsonl")
    with pytest.raises(UsageError, match="is a folder"):
        check_file(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        check_file(tmp_path / "nowhere" / "new.jsonl")


def test_a_reported_answer_becomes_a_case(file: Path) -> None:
    assert append_case(file, " Who\n rides? ", ["s2", "s2"], "It named\ncommuters.")
    assert append_case(file, "Who drives?", [], answerable=False)
    assert not append_case(file, "Who rides?", ["s2"], "Again."), "the same report twice"
    rides, drives = read_cases(file)
    assert (rides.text, rides.gold, rides.answerable) == ("Who rides?", ("s2",), True)
    assert (drives.answerable, drives.gold) == (False, ())
    line = json.loads(file.read_text().splitlines()[0])
    assert (line["note"], line["origin"]) == ("It named commuters.", "reported")
    with pytest.raises(UsageError, match="no question"):
        append_case(file, " ?! ", [])


def test_threads_and_a_rewrite_lose_nothing(file: Path) -> None:
    add_case(file, IDLE)

    def report(number: int) -> None:
        for n in range(5):
            append_case(file, f"Question {number} of {n}?", [])

    threads = [threading.Thread(target=report, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    remove_case(file, IDLE.case_id)
    for thread in threads:
        thread.join()
    assert len(read_cases(file)) == 20


def test_the_last_word_on_what_was_passed_over_counts(file: Path) -> None:
    assert read_passed(file) == []
    add_passed(file, Passed("s1", "rejected", True, "Who?"))
    add_passed(file, Passed("s1", "rejected", False, "Who?"))
    add_passed(file, Passed("s2", "nothing", writer="w"))
    add_passed(file, Passed("s1", "kept", True, "Who?"))
    assert passed_over(file).name == "questions.passed-over.jsonl"
    with passed_over(file).open("ab") as opened:
        opened.write(b'\n[1]\n{"insight_id": 3}\n\xff\n{"insight_id": "s9", "outc')  # strange, and torn
    add_passed(file, Passed("s3", "rejected"))
    assert read_passed(file) == [
        Passed("s1", "kept", True, "Who?"),
        Passed("s1", "rejected", False, "Who?"),
        Passed("s2", "nothing", writer="w"),
        Passed("s3", "rejected"),
    ]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(min_size=1), st.lists(st.text(min_size=1), max_size=2), st.text()), max_size=4))
def test_whatever_is_reported_the_file_can_be_read(file: Path, reports: list[tuple[str, list[str], str]]) -> None:
    file.unlink(missing_ok=True)
    added = 0
    for question, ids, note in reports:
        try:
            added += append_case(file, question, ids, note)
        except UsageError:
            assert not any(character.isalnum() for character in question)
    assert len(read_cases(file)) == added
    lines = file.read_bytes().split(b"\n")[:-1] if added else []
    assert len([json.loads(line) for line in lines]) == added
