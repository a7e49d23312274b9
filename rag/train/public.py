"""Pairs from the public sets that ../shared/data/README.md describes: their licences permit training."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

from corpus.passages import sentences
from rag.train.pairs import ANSWERS, SUPPORTS, Pair
from rag.train.sheets import Branch, Sheet
from rag.train.spoil import spoil


def public_pairs(folder: Path, rng: random.Random) -> list[Pair]:
    """Questions of SQuAD 2.0 and QED, claims of BEGIN and ExpertQA, and the passages' sentences, true and spoilt."""
    rows: list[Pair] = []
    texts: set[str] = set()
    for row in _rows(folder / "qa_squad2_train.jsonl.gz"):
        rows.append(Pair(ANSWERS, row["question"], row["passages"][0]["text"], float(row["answerable"])))
        texts.add(row["passages"][0]["text"])
    for row in _rows(folder / "qa_qedmix_train.jsonl.gz"):
        right = [p["text"] for p in row["passages"] if p["id"] in row["gold"]]
        near = [p["text"] for p in row["passages"] if p["id"] not in row["gold"]]
        rows += [Pair(ANSWERS, row["question"], text, 1.0) for text in right[:1]]
        rows += [Pair(ANSWERS, row["question"], text, 0.0) for text in near[:1]]
        texts.update(right[:1])
    for row in _rows(folder / "nli_begin_train.jsonl.gz"):
        rows.append(Pair(SUPPORTS, row["hypothesis"], row["premise"], float(row["label"] == "Fully attributable")))
    for row in _rows(folder / "nli_expertqa_train.jsonl.gz"):
        rows.append(Pair(SUPPORTS, row["hypothesis"], row["premise"], float(row["label"] == "supported")))
    for text in sorted(texts):
        said = [text[a:b] for a, b in sentences(text) if 6 <= len(text[a:b].split()) <= 40]
        if said and (wrong := spoil(sentence := rng.choice(said), text, rng)):
            rows += [Pair(SUPPORTS, sentence, text, 1.0), Pair(SUPPORTS, wrong, text, 0.0)]
    return rows


def public_questions(folder: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    """Question, right passage, near passages: QED and SQuAD 2.0."""
    rows = []
    for name in ("qa_qedmix_train", "qa_squad2x5_train"):
        for row in _rows(folder / f"{name}.jsonl.gz"):
            right = [p["text"] for p in row["passages"] if p["id"] in row["gold"]]
            near = tuple(p["text"] for p in row["passages"] if p["id"] not in row["gold"])
            if row["answerable"] and right:
                rows.append((row["question"], right[0], near[:1]))
    return rows


def public_sheets(folder: Path) -> list[Sheet]:
    """The passages of SQuAD 2.0, each with its questions; those without an answer were written to look answered."""
    asked: dict[str, list[Branch]] = {}
    for row in _rows(folder / "qa_squad2_train.jsonl.gz"):
        asked.setdefault(row["passages"][0]["text"], []).append(Branch(row["question"], bool(row["answerable"])))
    return [Sheet(text, tuple(branches)) for text, branches in asked.items()]


def _rows(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]
