"""Folders of questions: what is read, what may be missing, and what a bad file is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import UsageError
from eval.questions import load_folder, merge_insights, sample
from rag.datatypes import Turn

RAIL: dict[str, Any] = {
    "collection": "rail",
    "insights": [
        {"id": "r1", "text": "Night trains fill with tourists.", "source": "Tracks", "date": "2024-05-01"},
        {"id": "r2", "text": "Freight cars stand idle."},
    ],
    "questions": [
        {
            "id": "rq1",
            "type": "followup",
            "question": "And freight?",
            "history": [{"question": "Who rides?", "answer": "Tourists."}],
            "answer": [{"text": "It idles.", "cites": ["r2"]}, {"text": "Tourists ride.", "cites": ["r1", "r2"]}],
            "short": "idle",
        },
        {"id": "rq2", "type": "unanswerable", "question": "Who paid?", "answer": [], "missing": "The payer."},
    ],
}


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.json").write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return folder


def test_a_collection_is_read_in_full(tmp_path: Path) -> None:
    (rail,) = load_folder(write(tmp_path, rail=RAIL))
    followup, unanswerable = rail.questions
    assert [insight.insight_id for insight in rail.insights] == ["r1", "r2"]
    assert rail.insights[0].source == "Tracks"
    assert followup.history == (Turn("Who rides?", "Tourists."),)
    assert followup.gold == ("r2", "r1"), "each once, by first mention"
    assert followup.answer == "It idles. Tourists ride."
    assert (followup.short, followup.answerable, followup.collection) == ("idle", True, "rail")
    assert (unanswerable.gold, unanswerable.answerable) == ((), False)


def test_all_but_the_texts_may_be_missing(tmp_path: Path) -> None:
    data = {
        "insights": [{"text": "Acid slows mould."}],
        "questions": [{"question": "Why?"}, {"question": "No?", "answer": []}],
    }
    (bread,) = load_folder(write(tmp_path, bread=data))
    first, second = bread.questions
    assert bread.name == "bread"
    assert len(bread.insights[0].insight_id) == 16, "the hash of the text"
    assert (first.question_id, first.type, first.answerable) == ("bread-q01", "untyped", True)
    assert (second.question_id, second.answerable) == ("bread-q02", False)


def test_unknown_types_and_plain_answers_pass_through(tmp_path: Path) -> None:
    question = {"id": 7, "type": "riddle", "question": "Why?", "answer": "Acid.", "cites": [1], "short": 9}
    (bread,) = load_folder(write(tmp_path, bread={"insights": [{"id": 1, "text": "Acid."}], "questions": [question]}))
    assert (bread.questions[0].question_id, bread.questions[0].type) == ("7", "riddle")
    assert bread.questions[0].gold == ("1",) == (bread.insights[0].insight_id,)
    assert (bread.questions[0].answer, bread.questions[0].short) == ("Acid.", "9")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "can't be used"),
        ("[]", "neither insights nor questions"),
        ({"insights": {}}, "'insights' is not a list"),
        ({"insights": ["x"]}, "insight 1 is not an object"),
        ({"insights": [{"id": "a", "text": " "}]}, "insight 1: This insight has no text"),
        ({"insights": [{"text": ["x"]}]}, "'text' is not text"),
        ({"questions": [{"id": "q"}]}, "question q has no text"),
        (
            {"questions": [{"id": "q", "question": "A?"}, {"id": "q", "question": "B?"}]},
            "two questions have the id 'q'",
        ),
        ({"questions": [{"id": "q", "type": "unanswerable", "question": "A?", "answer": "B."}]}, "but has an answer"),
        ({"questions": [{"question": "A?", "history": ["Before."]}]}, "'question' was expected"),
    ],
)
def test_a_bad_file_is_named_with_the_reason(tmp_path: Path, content: object, reason: str) -> None:
    with pytest.raises(UsageError, match=r"bad\.json") as caught:
        load_folder(write(tmp_path, bad=content))
    assert reason in str(caught.value)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b'{"insights": [{"text": "caf\xe9"}]}')
    with pytest.raises(UsageError, match=r"bad\.json can't be used"):
        load_folder(tmp_path)


def test_splits(tmp_path: Path) -> None:
    write(tmp_path / "dev", rail=RAIL)
    write(tmp_path / "test", bread={"insights": [{"text": "Acid."}]})
    assert [collection.name for collection in load_folder(tmp_path, "test")] == ["bread"]
    with pytest.raises(UsageError, match=r"no split 'train'.* It has dev, test"):
        load_folder(tmp_path, "train")
    with pytest.raises(UsageError, match=r"subfolders dev, test: .*--split dev"):
        load_folder(tmp_path)
    with pytest.raises(UsageError, match="leave --split out"):
        load_folder(tmp_path / "dev", "dev")
    with pytest.raises(UsageError, match="is not a folder"):
        load_folder(tmp_path / "nowhere")


def test_one_id_stands_for_one_insight(tmp_path: Path) -> None:
    again = {"insights": [RAIL["insights"][0]]}
    collections = load_folder(write(tmp_path, a=RAIL, b=again))
    assert len(merge_insights(collections)) == 2, "an identical copy is no fault and no second insight"
    with pytest.raises(UsageError, match="'r1' stands for two insights"):
        load_folder(write(tmp_path, b={"insights": [{"id": "r1", "text": "Something else."}]}))


def test_the_order_of_insights_depends_only_on_their_ids(tmp_path: Path) -> None:
    texts = [{"id": f"i{n:02}", "text": f"Insight {n}."} for n in range(12)]
    forward = load_folder(write(tmp_path / "a", x={"insights": texts}))
    backward = load_folder(write(tmp_path / "b", x={"insights": texts[::-1]}))
    merged = [insight.insight_id for insight in merge_insights(forward)]
    assert merged == [insight.insight_id for insight in merge_insights(backward)]
    assert merged not in (sorted(merged), sorted(merged, reverse=True)), "neighbours in the file are drawn apart"


def test_a_sample_is_spread_over_types_and_collections(tmp_path: Path) -> None:
    types = ["direct"] * 4 + ["terse"] * 2
    for name in "abcd":
        items = [{"id": f"{name}{n}", "type": type_, "question": "?!"} for n, type_ in enumerate(types)]
        write(tmp_path, **{name: {"collection": name, "questions": items}})
    questions = [question for collection in load_folder(tmp_path) for question in collection.questions]
    chosen = sample(questions, 12)
    assert len({question.question_id for question in chosen}) == 12
    assert sum(question.type == "direct" for question in chosen) == 8
    assert {question.collection for question in chosen} == set("abcd")
    assert chosen == sample(questions, 12) == [question for question in questions if question in chosen]
    assert sample(questions, None) == sample(questions, 99) == questions
    assert len(sample(questions, 1)) == 1
    every_sixth = sample(questions, 4)
    assert sorted(question.type for question in every_sixth) == ["direct"] * 3 + ["terse"], "a stride can't miss a type"
    with pytest.raises(UsageError, match="at least 1"):
        sample(questions, 0)
