"""`footnoted eval questions check`: every kind of fault, one line each, in every form; what is right passes."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus.errors import UsageError
from eval.questions import load_folder
from eval.validate import Checked, check, text
from tests.test_eval_formats import SAMPLES, SQUAD, beir, lines, put
from ui import cli

RAIL: dict[str, Any] = {
    "collection": "rail",
    "insights": [
        {"id": "r1", "text": "Night trains fill with tourists, not with commuters.", "date": "2024-05-01"},
        {"id": "r2", "text": "Freight cars stand idle for two thirds of their life."},
    ],
    "questions": [
        {
            "id": "q1",
            "type": "direct",
            "question": "Who fills night trains?",
            "answer": [{"text": "Tourists fill them.", "cites": ["r1"]}],
            "short": "tourists",
            "wrong": "Commuters fill them.",
        },
        {
            "id": "q2",
            "type": "followup",
            "history": [{"question": "Who fills night trains?", "answer": "Tourists."}],
            "question": "And freight?",
            "standalone": "How idle are freight cars?",
            "gold": ["r2"],
        },
        {"id": "q3", "type": "unanswerable", "question": "Who paid?", "answer": [], "missing": "Who.", "near": "r1"},
        {
            "id": "q4",
            "type": "multi",
            "question": "Who rides and what idles?",
            "answer": [{"text": "Tourists ride.", "cites": ["r1"]}, {"text": "Freight cars idle.", "cites": ["r2"]}],
        },
    ],
    "false": [{"insight": "r2", "text": "Freight cars stand idle for one third of their life."}],
}


def changed(change: Callable[[dict[str, Any]], object], data: dict[str, Any] = RAIL) -> dict[str, Any]:
    other = copy.deepcopy(data)
    change(other)
    return other


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.json").write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return folder


def told(checked: Checked) -> list[str]:
    """Where and what, of each problem."""
    return [": ".join(part for part in (each.where, each.what) if part) for each in checked.problems]


def test_nothing_is_wrong_with_what_is_right(tmp_path: Path) -> None:
    checked = check([write(tmp_path, rail=RAIL)])
    assert checked == Checked((), 1, 2, 4)
    assert text(checked) == "1 file, 2 insights, 4 questions: nothing is wrong.\n"


Q1, Q2, Q3, Q4 = range(4)


def at(number: int, **fields: Any) -> Callable[[dict[str, Any]], object]:
    """Fields of question `number`; None takes one away."""

    def change(data: dict[str, Any]) -> None:
        data["questions"][number] |= fields
        for name in [name for name, value in fields.items() if value is None]:
            del data["questions"][number][name]

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (at(Q1, type="dirct"), "q1: the type 'dirct' is unknown"),
        (at(Q1, question=" "), "q1: has no text"),
        (at(Q1, question=7.5, history="x"), "q1: 'history' is not a list"),
        (at(Q1, answerable="no"), "q1: 'answerable' is neither true nor false"),
        (at(Q1, id="q2"), "q2: another question of this collection has the same id"),
        (at(Q1, answer=[{"text": "Tourists.", "cites": ["r9"]}]), "q1: it names 'r9', which no insight has as its id"),
        (
            at(Q1, answer=[{"text": "Tourists.", "cites": []}], gold=["r1"]),
            "q1: sentence 1 of its answer cites nothing",
        ),
        (at(Q1, answer=[{"text": " ", "cites": ["r1"]}]), "q1: sentence 1 of its answer has no text"),
        (at(Q1, answer=None), "q1: it is answerable but names no insight that answers it"),
        (at(Q1, missing="Who."), "q1: it is answerable but has 'missing'"),
        (at(Q1, near="r2"), "q1: it is answerable but has 'near'"),
        (at(Q1, wrong="tourists fill THEM"), "q1: its wrong sentence is a sentence of its answer"),
        (at(Q1, wrong="Night trains fill with tourists."), "q1: its wrong sentence stands word for word in 'r1'"),
        (at(Q1, anser=["x"]), "q1: the key 'anser' isn't read: is 'answer' meant?"),
        (at(Q1, type="joint"), "q1: it is of the type 'joint' but needs only one insight"),
        (at(Q2, history=[]), "q2: it is a follow-up but has no history"),
        (at(Q2, history=[{"question": "Who?"}]), "q2: turn 1 of its history lacks the question or the answer"),
        (at(Q2, standalone=None), "q2: it is a follow-up but has no standalone form"),
        (at(Q2, type="direct", history=None), "q2: it has a standalone form but no history"),
        (at(Q2, gold=["r3"]), "q2: it names 'r3', which no insight has as its id"),
        (at(Q3, answer=[{"text": "The state."}]), "q3: is unanswerable but has an answer"),
        (at(Q3, gold=["r1"]), "q3: it is unanswerable but names insights that answer it"),
        (at(Q3, short="the state"), "q3: it is unanswerable but has 'short'"),
        (at(Q3, near="r3"), "q3: it names 'r3', which no insight has as its id"),
        (
            at(Q4, answer=[{"text": "Both.", "cites": ["r1"]}]),
            "q4: it is of the type 'multi' but needs only one insight",
        ),
        (at(Q4, type="joint"), "q4: it is of the type 'joint' but no sentence of its answer cites two insights"),
        (at(Q4, question="who fills the night trains"), "q4: the same question as 'q1'"),
        (lambda data: data["questions"].append("Why?"), "rail-q05: is not an object"),
        (lambda data: data.update(question=[]), "the key 'question' isn't read: is 'questions' meant?"),
        (lambda data: data.update(false={}), "'false' is not a list"),
        (lambda data: data["insights"].append({"id": "r3", "text": "…"}), "r3: This insight has no text"),
        (lambda data: data["insights"].append({"id": "r3", "text": ["x"]}), "r3: 'text' is not text"),
        (lambda data: data["insights"].append({"id": "r1", "text": "Else."}), "r1: another insight of this file has"),
        (lambda data: data["insights"].append(3), "insight 3: it is not an object"),
        (
            lambda data: data["insights"].append({"id": "r3", "text": "night trains fill with tourists not commuters"}),
            "",
        ),
        (
            lambda data: data["insights"].append({"id": "r3", "text": "FREIGHT cars stand idle for 2 thirds of life"}),
            "",
        ),
        (
            lambda data: data["insights"].append(data["insights"][1] | {"id": "r3"}),
            "r3: the same insight as 'r2'",
        ),
        (lambda data: data["false"].append({"insight": "r9", "text": "No."}), "false 2: it is about 'r9', which no"),
        (lambda data: data["false"].append({"insight": "r1", "text": ""}), "false 2: it has no text"),
        (
            lambda data: data["false"].append({"insight": "r1", "text": "Night trains fill with tourists"}),
            "false 2: it stands word for word in 'r1', so it isn't false",
        ),
    ],
)
def test_each_fault_is_one_line(tmp_path: Path, change: Callable[[dict[str, Any]], object], problem: str) -> None:
    found = told(check([write(tmp_path, rail=changed(change))]))
    if problem:
        assert len(found) == 1, found
        assert found[0].startswith(problem)
    else:  # near, but not the same text
        assert found == []


def test_it_goes_on_after_a_fault(tmp_path: Path) -> None:
    def many(data: dict[str, Any]) -> None:
        for change in (at(Q1, type="odd"), at(Q2, standalone=None), at(Q3, gold=["r1"]), at(Q4, id=" ")):
            change(data)

    folder = write(tmp_path, rail=changed(many), broken="{\n\n]", none="[]", other={"insights": [], "topic": 1})
    checked = check([folder])
    assert checked.files == 4
    by_file = [(Path(each.file).stem, each.where) for each in checked.problems]
    assert by_file == [("broken", ""), ("none", ""), ("rail", "q1"), ("rail", "q2"), ("rail", "q3")]
    assert str(checked.problems[0]).startswith(f"{folder / 'broken.json'}: line 3: this is not valid JSON")


def test_a_text_in_two_splits_leaks(tmp_path: Path) -> None:
    def rename(data: dict[str, Any]) -> None:
        data["collection"] = "tracks"
        data["insights"] = [{"id": "t1", "text": "night trains fill with tourists, not with commuters"}]
        data["questions"] = [{"id": "t-q1", "type": "terse", "question": "WHO fills night trains", "gold": ["t1"]}]
        data["false"] = []

    write(tmp_path / "train", rail=RAIL)
    write(tmp_path / "dev", tracks=changed(rename))
    found = told(check([tmp_path]))
    place = tmp_path / "dev" / "tracks.json"
    assert found == [
        f"r1: the same insight as 't1' of {place}, in another split: what is asked there has been seen",
        f"q1: the same question as 't-q1' of {place}, in another split: what is asked there has been seen",
    ]
    same_split = write(tmp_path / "one", rail=RAIL, tracks=changed(rename))
    assert [each.endswith("of " + str(same_split / "rail.json")) for each in told(check([same_split]))] == [True, True]


def test_ids_and_names_are_unique_over_files(tmp_path: Path) -> None:
    other = {"collection": "rail", "insights": [{"id": "r1", "text": "Bakers rise early."}], "questions": []}
    other["questions"] = [{"id": "q1", "type": "direct", "question": "Who rises?", "gold": ["r1"]}]
    folder = write(tmp_path, a=RAIL, b=other)
    found = told(check([folder]))
    assert found == [
        f"r1: {folder / 'a.json'} has the same id for its own insight",
        f"q1: {folder / 'a.json'} has the same id for its own question",
        f"{folder / 'a.json'} is a collection of the same name, 'rail'",
    ]


def test_a_file_that_adds_to_another_is_checked_with_it(tmp_path: Path) -> None:
    more = {
        "collection": "rail",
        "questions": [{"id": "q9", "type": "paraphrase", "question": "Full?", "gold": ["r1"]}],
    }
    base, added = write(tmp_path / "base", rail=RAIL), write(tmp_path / "added", more=more)
    assert check([base, added]) == Checked((), 2, 2, 5)
    assert told(check([added])) == ["the insights that it cites aren't here: check it with the folder that has 'rail'"]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    folder = write(tmp_path, rail=RAIL)
    assert check([folder, folder / "rail.json"]) == check([folder])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_form_is_checked(name: str, packed: bool, tmp_path: Path) -> None:
    checked = check([SAMPLES[name](tmp_path, packed)])
    assert told(checked) == []
    assert checked.insights == (0 if name == "plain" else 2)
    assert checked.questions == (1 if name == "beir" else 2)


def test_all_lines_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    good = {"id": "q1", "question": "Who led?", "insight_ids": ["normans"]}
    file = put(tmp_path / "own.jsonl", lines(good, {"question": ""}, 3, good) + "{\n")
    assert told(check([file])) == [
        "line 2: question own-q02 has no text",
        "line 3: this is not an object",
        "line 4: the id 'q1' was there before",
        "line 5: this is not valid JSON (Expecting property name enclosed in double quotes at character 2)",
    ]


def test_lines_that_say_what_can_not_be(tmp_path: Path) -> None:
    passages = [{"id": "a", "text": "Acid slows mould."}]
    rows = [
        {"id": "q1", "question": "Why?", "passages": passages, "gold": ["b"], "answerable": True},
        {"id": "q2", "question": "Who?", "passages": passages, "gold": ["a"], "answerable": False},
    ]
    assert told(check([put(tmp_path / "rows.jsonl", lines(*rows))])) == [
        "q1: it names 'b', which isn't among its insights",
        "q2: it is unanswerable but names insights that answer it",
    ]
    own = [{"id": "a", "question": "Why?"}, {"id": "b", "question": "why?"}, {"question": "Why?", "without": ["x"]}]
    assert told(check([put(tmp_path / "own.jsonl", lines(*own))])) == ["b: the same question as 'a'"]


def test_each_of_several_qrels_is_looked_at(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set", qrels="query-id\tcorpus-id\tscore\nq1\tnormans\t1\n", qrels_name="qrels/dev.tsv")
    put(folder / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore\nq1\tgone\t1\n")
    assert told(check([folder])) == ["q1: it names 'gone', which isn't among its insights"]
    put(folder / "qrels" / "train.tsv", "q9\tnormans\t1\n")
    assert told(check([folder]))[1] == "qrels/train.tsv, line 1: there is no query 'q9'"


def test_answers_stand_where_a_squad_file_says(tmp_path: Path) -> None:
    data: Any = copy.deepcopy(SQUAD)
    data["data"][0]["paragraphs"][0]["qas"][0]["answers"][1]["answer_start"] = 31
    file = put(tmp_path / "squad.json", json.dumps(data))
    assert told(check([file])) == ["q1: its answer 'Rollo' doesn't stand at character 31 of its paragraph"]


def test_there_must_be_something_to_check(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        check([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match=r"holds no \.json files"):
        check([tmp_path])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["r1", "r2", "", "Why?", "direct", "joint"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("id text question type answer cites gold history".split()), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """The sample with something else in one or two places."""
    data = copy.deepcopy(RAIL)
    for _ in range(draw(st.integers(1, 2))):
        place: Any = data
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            place[key] = draw(JSON)
            break
    return data


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=spoilt())
def test_it_never_fails_and_what_passes_can_be_read(data: dict[str, Any], tmp_path: Path) -> None:
    folder = write(tmp_path / "spoilt", rail=data)
    checked = check([folder])
    assert all("\n" not in str(problem) for problem in checked.problems)
    if not checked.problems:
        load_folder(folder)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, rail=RAIL)
    assert cli.main(["eval", "questions", "check", str(folder)]) == 0
    assert capsys.readouterr().out == "1 file, 2 insights, 4 questions: nothing is wrong.\n"
    write(tmp_path, rail=changed(at(Q1, id="q\x1b[31m\n1", type="odd")))
    assert cli.main(["eval", "questions", "check", str(folder)]) == 4
    shown = capsys.readouterr()
    (line,) = shown.out.splitlines()
    assert line.startswith(f"{folder / 'rail.json'}: q [31m 1: the type 'odd' is unknown")
    assert shown.err == "footnoted: 1 problem in 1 file, 2 insights, 4 questions. Mend them first.\n"
    assert cli.main(["eval", "questions", "check", str(tmp_path / "nowhere")]) == 2
