"""The training collections that ship: whole, and apart from what is reported on."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "eval" / "questions" / "train"
FILES = sorted(FOLDER.glob("*.json"))


def load(file: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data


NEW = [file for file in FILES if not file.stem.endswith("-more")]


@pytest.mark.parametrize("file", NEW, ids=lambda file: file.stem)
def test_a_collection_is_whole(file: Path) -> None:
    data = load(file)
    assert data["collection"] == file.stem
    ids = {row["id"] for row in data["insights"]}
    assert len(ids) == len(data["insights"]) >= 12
    assert all(row["text"].strip() and row["source"] and row["date"] for row in data["insights"])
    assert {row["insight"] for row in data["false"]} <= ids
    assert len({row["id"] for row in data["questions"]}) == len(data["questions"])
    for row in data["questions"]:
        gold = {i for part in row.get("answer", []) for i in part["cites"]} | set(row.get("gold", []))
        assert gold <= ids, row["id"]
        assert bool(gold) != (row["type"] == "unanswerable"), row["id"]
        assert row["type"] != "unanswerable" or row["missing"]
        assert row.get("near") is None or row["near"] in ids
        assert not row.get("answer") or (row["short"] and row["wrong"])
    assert Counter(row["type"] for row in data["questions"])["paraphrase"] >= 36


def test_additions_name_one_collection_and_no_insight_of_another() -> None:
    more = [load(file) for file in FILES if file.stem.endswith("-more")]
    assert len(more) == 38
    for data in more:
        cited = {i for row in data["questions"] for i in (*row.get("gold", []), row.get("near")) if i}
        cited |= {row["insight"] for row in data["false"]}
        assert {i.rpartition("-")[0] for i in cited} == {data["collection"]}


def test_the_card_counts_what_is_there() -> None:
    card = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    new = [load(file) for file in NEW]
    for kind in ("insights", "questions", "false"):
        assert f"| {sum(len(data[kind]) for data in new):,} " in card
