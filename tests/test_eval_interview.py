"""The dialogue, on scripted keys; and the whole command, with fakes for the models and a real library."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus.library import Library, open_library
from eval.cases import Passed, add_passed, passed_over, read_cases, read_passed
from eval.interview import EVERY, PROMPT, accept_all, fruitless, interview, open_table, summary, taken
from eval.propose import Proposal
from rag.config import Config
from rag.models import Report, silent
from rag.pipeline import Pipeline
from rag.write import QuoteWriter, Writer
from tests.fakes import AskingWriter, HashEmbedder, WordReader
from ui import cli


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "questions.jsonl"


def proposal(number: int) -> Proposal:
    """One that can't be made unanswerable."""
    return Proposal(
        f"What moved in the year {number}?", (f"i{number}",), f"Cargo {number} moved.", "Tracks", f"C{number} did.", "C"
    )


def twinned(number: int) -> Proposal:
    """One that can."""
    return replace(proposal(number), without=(f"i{number}", "twin"), nearest=("A shed held rope.",))


class Typist:
    """Types the given lines, then ends the input; keeps all that was on the screen."""

    def __init__(self, *lines: str) -> None:
        self.lines = iter(lines)
        self.screen: list[str] = []

    def ask(self, prompt: str) -> str:
        self.screen.append(prompt)
        try:
            return next(self.lines)
        except StopIteration:
            raise EOFError from None

    def say(self, text: str) -> None:
        self.screen.append(text)

    @property
    def shown(self) -> str:
        return "\n".join(self.screen)


Session = Callable[..., tuple[bool, Typist]]


@pytest.fixture
def session(file: Path) -> Session:
    """One call of the command: what is typed at up to `count` of nine proposals that weren't decided before."""

    def session(*lines: str, count: int = 9, make: Callable[[int], Proposal] = proposal) -> tuple[bool, Typist]:
        table, typist = open_table(file), Typist(*lines)
        gone = taken(table)
        proposals = (each for each in map(make, range(1, 10)) if each.insight_ids[0] not in gone)
        return interview(table, proposals, count, typist.ask, typist.say), typist

    return session


def kept(file: Path) -> list[str]:
    return [case.text for case in read_cases(file)]


def asked(*numbers: int) -> list[str]:
    return [f"What moved in the year {number}?" for number in numbers]


def test_accepted_is_in_the_file_and_rejected_beside_it(session: Session, file: Path) -> None:
    ended, typist = session("a", "r", "accept", "R ", "q")
    assert not ended
    assert kept(file) == asked(1, 3)
    assert [(each.insight_id, each.outcome) for each in read_passed(file)] == [("i2", "rejected"), ("i4", "rejected")]
    assert "── 4 of 9 ──" in typist.shown
    assert "── 5 of 9 ──" in typist.shown
    line = json.loads(file.read_text().splitlines()[0])
    assert (line["insight_ids"], line["short"], line["origin"]) == (["i1"], "C", "accepted")


def test_all_that_a_person_needs_is_on_the_screen(session: Session) -> None:
    _, typist = session("q")
    for text in ("1 of 9", "Cargo 1 moved.", "— Tracks", *asked(1), "C1 did.", "Short     C", PROMPT):
        assert text in typist.shown
    assert max(len(line) for line in typist.shown.splitlines()) <= 80


def test_the_next_call_goes_on(session: Session, file: Path) -> None:
    session("a", "s", "r", "a", "q")
    assert kept(file) == asked(1, 4)
    _, typist = session("a", "a", "q")
    assert "4 of 9" in typist.shown
    assert kept(file) == asked(1, 4, 2, 5), "what was skipped comes again, what was rejected doesn't"


def test_it_ends_when_enough_are_decided_or_there_are_no_more(session: Session, file: Path) -> None:
    ended, _ = session("a", "r", "", count=2)
    assert not ended
    ended, typist = session(*["a"] * 7, "", count=12)
    assert ended, "nine proposals are fewer than twelve"
    assert len(kept(file)) == 8
    assert typist.screen[-1].startswith("That was the last one.")


def test_the_last_decision_can_be_taken_back(session: Session, file: Path) -> None:
    session("a", "a", "b", "r", "", count=2)
    assert kept(file) == asked(1)


def test_a_decision_can_be_changed(session: Session, file: Path) -> None:
    _, typist = session("a", "r", "b", "a", "b", "b", "r", "q")
    assert kept(file) == asked(2)
    assert "You rejected it." in typist.shown
    assert "You accepted it." in typist.shown
    assert {each.insight_id: each.outcome for each in read_passed(file)} == {"i1": "rejected", "i2": "kept"}
    _, typist = session("q")
    assert "3 of 9" in typist.shown


def test_skipping_leaves_a_decision_as_it_is(session: Session, file: Path) -> None:
    session("a", "b", "s", "q")
    assert kept(file) == asked(1)


def test_before_the_first_there_is_none(session: Session) -> None:
    _, typist = session("b", "q")
    assert "This is the first one of this session." in typist.shown


def test_a_question_can_be_edited(session: Session, file: Path) -> None:
    session("e", "Who moved?", "", "a", "e", "", "-", "a", "e", " ", "C3", "a", "q")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["question"], row.get("short", ""), row["origin"]) for row in rows] == [
        ("Who moved?", "C", "edited"),
        (*asked(2), "", "edited"),
        (*asked(3), "C3", "edited"),
    ]


def test_an_accepted_question_can_be_edited(session: Session, file: Path) -> None:
    _, typist = session("a", "a", "b", "b", "e", "", "Cargo", "a", "e", "Who moved?", "", "a", "q")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["question"], row["short"]) for row in rows] == [(*asked(1), "Cargo"), ("Who moved?", "C")]
    assert "accept it again" in typist.shown


def test_an_edit_that_is_no_question_is_not_taken(session: Session, file: Path) -> None:
    _, typist = session("e", "?!", "", "e", "x" * 3000, "", "a", "q")
    assert kept(file) == asked(1)
    assert "There is no question." in typist.shown
    assert "3,000 characters" in typist.shown


def test_a_question_that_is_there_is_not_written_again(session: Session, file: Path) -> None:
    _, typist = session("a", "e", *asked(1), "", "a", "r", "q")
    assert kept(file) == asked(1)
    assert "in the file already" in typist.shown


def test_another_key_is_explained(session: Session, file: Path) -> None:
    _, typist = session("", "x", "aa", "A", "q")
    assert typist.shown.count("Type a, e, r, s, b or q and Enter.") == 3
    assert kept(file) == asked(1)


def test_each_fourth_is_unanswerable(session: Session, file: Path) -> None:
    _, typist = session(*["a"] * 8, "q", make=twinned)
    cases = read_cases(file)
    assert [case.answerable for case in cases] == [True, True, True, False] * 2
    assert [(case.text, case.without) for case in cases if not case.answerable] == [
        (*asked(3), ("i3", "twin")),
        (*asked(6), ("i6", "twin")),
    ]
    for text in ("4 of 9 · unanswerable", "2 insights are taken away", "A shed held rope.", "don't answer it now"):
        assert text in typist.shown


def test_a_rejected_twin_is_not_proposed_again(session: Session, file: Path) -> None:
    session("a", "a", "a", "r", "q", make=twinned)
    session("a", "a", "a", "a", "q", make=twinned)
    assert [case.text for case in read_cases(file) if not case.answerable] == asked(6)


def test_no_question_has_two_twins(session: Session, file: Path) -> None:
    session("a", "a", "a", "a", "r", "r", "r", "a", "q", make=twinned)
    assert [case.text for case in read_cases(file) if not case.answerable] == asked(3, 2)


def test_a_twin_that_was_not_decided_is_made_up_for(session: Session, file: Path) -> None:
    session("a", "a", "a", "q", make=twinned)
    session("a", "a", "a", "q", make=twinned)
    assert [(case.text, case.answerable) for case in read_cases(file)[3:]] == [
        (*asked(4), True),
        (*asked(4), False),
        (*asked(5), True),
    ]


def test_without_an_accepted_question_there_is_nothing_to_take_away(session: Session, file: Path) -> None:
    session(*["r"] * EVERY, "a", "q", make=twinned)
    assert kept(file) == asked(5)


def test_only_the_question_of_a_twin_can_be_edited(session: Session, file: Path) -> None:
    session("a", "a", "a", "e", "Who moved then?", "a", "q", make=twinned)
    case = read_cases(file)[-1]
    assert (case.text, case.answerable, case.without, case.short) == ("Who moved then?", False, ("i3", "twin"), "")


def test_where_there_is_no_question_a_person_writes_it(session: Session, file: Path) -> None:
    def unworded(number: int) -> Proposal:
        return replace(proposal(number), question="", answer="", short="")

    _, typist = session("a", "e", "Who moved it?", "the crew", "a", "e", "", "", "a", "r", "q", make=unworded)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["question"], row["short"], row["insight_ids"], row["origin"]) for row in rows] == [
        ("Who moved it?", "the crew", ["i1"], "edited")
    ]
    assert "1 of 9 · write your own" in typist.shown
    assert typist.shown.count("There is no question yet") == 2


def test_insights_without_a_question_are_remembered_by_writer(file: Path) -> None:
    add_passed(file, Passed("i1", "nothing", writer="small"))
    assert fruitless(open_table(file), "small") == {"i1"}
    assert fruitless(open_table(file), "large") == set()


def test_what_is_accepted_unread_says_so(file: Path) -> None:
    said: list[str] = []
    assert accept_all(open_table(file), map(proposal, range(3)), 5, said.append)
    assert said == [f"{n + 1} of 5  What moved in the year {n}?" for n in range(3)]
    assert {json.loads(line)["origin"] for line in file.read_text().splitlines()} == {"unread"}
    assert not accept_all(open_table(file), map(twinned, range(5, 9)), 5, said.append)
    assert said[3:] == [f"{n} of 5  What moved in the year 5?{end}" for n, end in ((4, ""), (5, " (unanswerable)"))]


def test_the_summary_says_what_to_do_next(session: Session, file: Path) -> None:
    session("a", "r", "q")
    text = summary(open_table(file), 9, False, "my lib.db")
    assert f"{file} holds 1 question, 0 of them unanswerable; 1 rejected." in text
    assert "7 of 9 are left: the same command goes on there." in text
    assert f"footnoted eval run {file} --library 'my lib.db'" in text
    assert "their insight is found: so R@k and false_refusal_rate look better than they are." in text
    assert max(len(line) for line in text.splitlines() if "eval run" not in line and str(file) not in line) <= 80
    assert "--count 4" in summary(open_table(file), 2, False, "demo")
    assert "another --writer" in summary(open_table(file), 9, True, "demo")


class Killed(BaseException):
    pass


KEYS = st.sampled_from([*"aersbq", "accept", "", "-", "Who moved?", "What moved in the year 2?", "?"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(KEYS | st.text(max_size=20), max_size=14), max_size=3))
def test_whatever_is_typed_the_file_holds_what_was_accepted(file: Path, typed: list[list[str]]) -> None:
    """The input breaks off in the middle of each session; the next one goes on from the disk."""
    for path in (file, passed_over(file)):
        path.unlink(missing_ok=True)
    expected: set[str] = set()
    for lines in typed:
        table = open_table(file)
        assert {case.question_id for case in table.cases} == expected
        proposals = (each for each in map(twinned, range(1, 10)) if each.insight_ids[0] not in taken(table))
        rest = iter(lines)

        def ask(prompt: str, rest: Iterator[str] = rest) -> str:
            for line in rest:
                return line
            raise Killed

        with contextlib.suppress(Killed):
            interview(table, proposals, 9, ask, lambda text: None)
        before = {case.question_id for case in table.cases}
        expected = before | {each.case.case_id for each in table.seen if each.case}
        assert all(bool(each.case) == (each.decision == "accepted") for each in table.seen)
        rows = [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]] if file.exists() else []
        assert {row["id"] for row in rows} == expected
        assert len(rows) == len(expected)
        assert {case.question_id for case in read_cases(file)} == expected


# ------------------------------------------------------------------------------------------------------ the command

SUITCASES = "How many suitcases did Ottavia Brandt count on one sleeper?"
WRITTEN = {
    "310": [SUITCASES],
    "1931": ["How many bakeries kept a starter of their own by 1931?"],
    "Harrow": ["Which loaves of sourdough lasted nine days?"],
    "idle": ["What share of a life do freight cars stand idle?"],
}


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> AskingWriter:
    writer = AskingWriter(WRITTEN)

    def open_fakes(library: Library, config: Config, report: Report = silent) -> Pipeline:
        chosen: Writer = QuoteWriter("", config) if config.writer == "quote" else writer
        return Pipeline(library, config, HashEmbedder(), WordReader(), chosen)

    monkeypatch.setattr("rag.pipeline.open_pipeline", open_fakes)
    return writer


def command(*arguments: str | Path) -> int:
    writer = [] if "--writer" in arguments else ["--writer", "asking"]
    return cli.main(["eval", "questions", "new", *map(str, arguments), *writer])


def type_lines(monkeypatch: pytest.MonkeyPatch, lines: Sequence[str | BaseException]) -> None:
    rest = iter(lines)

    def typed(prompt: str) -> str:
        line = next(rest)
        if isinstance(line, BaseException):
            raise line
        return line

    monkeypatch.setattr("builtins.input", typed)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)


def test_a_script_accepts_all(six: Path, writer: AskingWriter, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(six, "--yes") == 0
    cases = read_cases(Path("questions.jsonl"))
    assert len(cases) == 5
    assert sum(not case.answerable for case in cases) == 1
    printed = capsys.readouterr()
    assert "questions.jsonl holds 5 questions, 1 of them unanswerable." in printed.out
    assert "The library gives no more than these 5" in printed.out
    count = len(writer.asked)
    assert command(six, "--yes") == 0
    assert len(writer.asked) == count, "what gave nothing isn't tried again"
    assert "--count 4" in (capsys.readouterr().out if not command(six, "--yes", "--count", "2") else "")


def test_a_person_judges(
    six: Path, writer: AskingWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    type_lines(monkeypatch, ["a", "r", "q"])
    assert command(six, "--out", "mine.jsonl", "--count", "4", "--seed", "5") == 0
    printed = capsys.readouterr().out
    assert "── 3 of 4 " in printed
    assert "2 of 4 are left: the same command goes on there." in printed
    (case,) = read_cases(Path("mine.jsonl"))
    assert case.text in {texts[0] for texts in WRITTEN.values()}
    type_lines(monkeypatch, ["a", KeyboardInterrupt()])
    assert command(six, "--out", "mine.jsonl", "--count", "4", "--seed", "5") == 130
    assert len(read_cases(Path("mine.jsonl"))) == 2
    assert "mine.jsonl holds 2 questions" in capsys.readouterr().out


def test_what_gave_no_question_is_left_to_the_person(
    six: Path, writer: AskingWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.questions = {"310": [SUITCASES]}
    type_lines(monkeypatch, ["a", "e", "Why does it keep longer than others?", "acid", "a", "s", "q"])
    assert command(six) == 0
    assert "2 of 20 · write your own" in capsys.readouterr().out
    assert [case.short for case in read_cases(Path("questions.jsonl"))] == ["310", "acid"]
    type_lines(monkeypatch, ["r", "r", "r", "r", ""])
    assert command(six) == 0
    assert "4 rejected" in capsys.readouterr().out


def test_without_a_terminal_it_says_so(
    six: Path, writer: AskingWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert command(six) == 2
    assert "There is no terminal" in capsys.readouterr().err
    assert not Path("questions.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--count", "0"], "--count can't be 0"),
        (["--out", "nowhere/q.jsonl"], "nowhere is not a folder"),
        (["--out", "."], "is a folder"),
        (["--set", "colour=red"], "There is no setting 'colour'"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    six: Path, writer: AskingWriter, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert command(six, "--yes", *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_fault_of_the_writer_keeps_what_was_decided(
    six: Path, writer: AskingWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    command(six, "--yes", "--count", "1")
    capsys.readouterr()
    writer.questions = {"broken": []}
    assert command(six, "--yes", "--count", "3") == 3
    printed = capsys.readouterr()
    assert "The writer doesn't answer." in printed.err
    assert len(read_cases(Path("questions.jsonl"))) == 1


def test_an_empty_library_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_library(tmp_path / "empty.db", create=True):
        pass
    assert command(tmp_path / "empty.db", "--yes") == 2
    assert "is empty" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["quote", Config().writer])
def test_without_a_writer_that_asks_the_rules_are_alone(
    six: Path, writer: AskingWriter, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert command(six, "--yes", "--writer", name) == 0
    assert "questions.jsonl holds 0 questions" in capsys.readouterr().out
    assert writer.asked == []
