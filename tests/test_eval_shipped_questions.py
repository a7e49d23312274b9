"""The questions that ship: nothing is wrong with them, they are whole, and the data card counts what is there."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.formats import load_questions
from eval.questions import merge_insights
from eval.validate import check

FOLDER = Path(__file__).parents[1] / "eval" / "questions"
INSIGHTQA = FOLDER / "insightqa"
SPLITS = {"train": 38, "dev": 6, "test": 6}
ADDITIONS = sorted((FOLDER / "additions").glob("*.json"))
NEW = [file for file in ADDITIONS if not file.stem.endswith("-more")]
EACH = {"direct": 6, "paraphrase": 4, "terse": 2, "yes-no": 2, "multi": 3, "comparison": 1, "false-premise": 1}
EACH |= {"followup": 1, "unanswerable": 4}


def load(file: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data


@pytest.fixture(scope="module")
def card() -> str:
    return (FOLDER / "README.md").read_text(encoding="utf-8")


def test_nothing_is_wrong_with_what_ships() -> None:
    checked = check([FOLDER])
    assert [str(problem) for problem in checked.problems] == []
    assert (checked.files, checked.insights, checked.questions) == (184, 1_752, 13_176)


@pytest.mark.parametrize(("split", "count"), SPLITS.items())
def test_a_split_can_be_asked(split: str, count: int) -> None:
    form, collections = load_questions(INSIGHTQA, split)
    assert (form, len(collections)) == ("collections", count)
    for collection in collections:
        assert len(collection.insights) == 12
        assert Counter(question.type for question in collection.questions) == EACH
        for question in collection.questions:
            assert bool(question.short and question.answer) == question.answerable


def test_all_splits_are_one_library_of_600() -> None:
    collections = [each for split in SPLITS for each in load_questions(INSIGHTQA, split)[1]]
    assert len(merge_insights(collections)) == 600
    assert len({collection.name for collection in collections}) == sum(SPLITS.values())


@pytest.mark.parametrize("file", NEW, ids=lambda file: file.stem)
def test_an_added_collection_is_whole(file: Path) -> None:
    data = load(file)
    assert data["collection"] == file.stem
    assert len(data["insights"]) >= 12
    assert all(row["source"] and row["date"] for row in data["insights"])
    for row in data["questions"]:
        assert row["type"] != "unanswerable" or row["missing"]
        assert not row.get("answer") or (row["short"] and row["wrong"])
    assert Counter(row["type"] for row in data["questions"])["paraphrase"] >= 36


def test_additions_name_one_collection_and_no_insight_of_another() -> None:
    more = [load(file) for file in ADDITIONS if file not in NEW]
    assert {data["collection"] for data in more} == {file.stem for file in (INSIGHTQA / "train").glob("*.json")}
    for data in more:
        cited = {i for row in data["questions"] for i in (*row.get("gold", []), row.get("near")) if i}
        cited |= {row["insight"] for row in data["false"]}
        assert {i.rpartition("-")[0] for i in cited} == {data["collection"]}


def test_the_card_counts_what_is_there(card: str) -> None:
    new, more = [load(file) for file in NEW], [load(file) for file in ADDITIONS if file not in NEW]
    for kind in ("insights", "questions", "false"):
        assert f"| {sum(len(data[kind]) for data in new):,} " in card
    assert f"| {sum(len(data['questions']) for data in more):,} " in card
    types = Counter(row["type"] for data in (*new, *more) for row in data["questions"])
    for type_, count in types.items():
        assert f"{type_} {count:,}" in card
    drafts = (FOLDER / "drafts.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"{len(drafts)} sentences" in card


def test_the_card_counts_each_type_and_split(card: str) -> None:
    for type_, each in EACH.items():
        counts = " | ".join(str(each * count) for count in SPLITS.values())
        assert re.search(rf"^\| {type_} \| .* \| {counts} \|$", card, re.M), type_
    for split, count in SPLITS.items():
        assert re.search(rf"^\| `insightqa/{split}` \| .* \| {count} \| {12 * count} \| {24 * count} \|$", card, re.M)
