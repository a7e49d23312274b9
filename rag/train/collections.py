"""InsightQA collections, and our additions to them, as the trainers read them (the form: eval/questions/README.md)."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from corpus.errors import UsageError
from corpus.passages import sentences
from rag.config import Config
from rag.embed import open_embedder
from rag.train.pairs import ANSWERS, SUPPORTS, Pair
from rag.train.spoil import spoil

HELD_OUT = 5  # every fifth collection of a folder is kept from training: thresholds are fitted on those


@dataclass(frozen=True, slots=True)
class Question:
    """A question that stands alone, and what is known of its answer."""

    text: str
    gold: frozenset[str]  # insight ids; empty: the library doesn't answer
    answers: tuple[tuple[str, tuple[str, ...]], ...] = ()  # sentences with the ids that fully support each
    wrong: str = ""
    near: str = ""  # of an unanswerable one: the insight that seems to answer
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """Insights on one topic with their questions."""

    name: str
    insights: dict[str, str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    false: list[tuple[str, str]] = field(default_factory=list)  # insight id, false restatement


def load_collections(folders: Sequence[Path]) -> dict[str, Collection]:
    """All collections by name; a file that adds questions to a collection of another folder joins it.

    Raises UsageError for a folder without any.
    """
    for folder in folders:
        if not any(folder.glob("*.json")):
            raise UsageError(f"{folder} holds no collections.", "Name folders of InsightQA's form: one JSON file each.")
    found: dict[str, Collection] = {}
    for file in (file for folder in folders for file in sorted(folder.glob("*.json"))):
        data = json.loads(file.read_text(encoding="utf-8"))
        collection = found.setdefault(data["collection"], Collection(data["collection"]))
        collection.insights.update({row["id"]: row["text"] for row in data.get("insights", [])})
        for row in data["questions"]:
            answers = tuple((part["text"], tuple(part["cites"])) for part in row.get("answer", []))
            gold = frozenset(row.get("gold", [])) | {i for _, cites in answers for i in cites}
            text = row.get("standalone") or row["question"]
            collection.questions.append(
                Question(text, gold, answers, row.get("wrong", ""), row.get("near", ""), row["type"])
            )
        collection.false.extend((row["insight"], row["text"]) for row in data.get("false", []))
    return {name: collection for name, collection in found.items() if collection.insights}


def load_edits(file: Path) -> dict[tuple[str, str], str]:
    """(question, insight id) -> the insight's own words that answer, with what else it says left out."""
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {(row["question"], row["insight"]): row["edit"] for row in rows}


def held_out(folder: Path) -> set[str]:
    """The names of the folder's collections that no training may see."""
    names = [json.loads(file.read_text(encoding="utf-8"))["collection"] for file in sorted(folder.glob("*.json"))]
    return set(names[HELD_OUT - 1 :: HELD_OUT])


def nearest(collections: Mapping[str, Collection], k: int = 24) -> dict[str, list[str]]:
    """For each question the ids of the k most similar insights, nearest first, by the embedder that ships."""
    embedder = open_embedder(Config().embedder)
    insights = {i: text for collection in collections.values() for i, text in collection.insights.items()}
    ids, questions = list(insights), [q.text for collection in collections.values() for q in collection.questions]
    scores = embedder.encode_query(questions) @ embedder.encode_document(list(insights.values())).T
    order = np.argsort(-scores, axis=1)[:, :k]
    return {question: [ids[n] for n in row] for question, row in zip(questions, order.tolist(), strict=True)}


def all_pairs(
    collections: Mapping[str, Collection], neighbours: Mapping[str, Sequence[str]], rng: random.Random
) -> list[Pair]:
    """What the collections teach the cross-encoder."""
    insights = {i: text for collection in collections.values() for i, text in collection.insights.items()}
    rows: list[Pair] = []
    for collection in collections.values():
        for question in collection.questions:
            rows += question_pairs(question, insights, neighbours[question.text], rng)
            rows += claim_pairs(question, insights, neighbours[question.text], rng)
        for insight_id, text in collection.insights.items():
            rows += insight_pairs(text, [false for i, false in collection.false if i == insight_id], rng)
    return rows


def question_pairs(
    question: Question, insights: Mapping[str, str], neighbours: Sequence[str], rng: random.Random
) -> list[Pair]:
    """The question with the insights that answer it, and near ones that don't. `neighbours`: ids, nearest first."""
    others = [i for i in neighbours if i not in question.gold and i != question.near]
    if not question.gold:
        chosen = [question.near, *rng.sample(others[:4], 1)] if question.near else others[:3]
        return [Pair(ANSWERS, question.text, insights[i], 0.0) for i in chosen]
    chosen = [*rng.sample(others[:3], 1), *rng.sample(others[3:12], 1)]
    return [Pair(ANSWERS, question.text, insights[i], 1.0) for i in sorted(question.gold)] + [
        Pair(ANSWERS, question.text, insights[i], 0.0) for i in chosen
    ]


def claim_pairs(
    question: Question, insights: Mapping[str, str], neighbours: Sequence[str], rng: random.Random
) -> list[Pair]:
    """The question's gold, wrong and spoilt sentences with the insights that they cite."""
    rows = []
    others = [insights[i] for i in neighbours[:6] if i not in question.gold]
    for sentence, cites in question.answers:
        text = " ".join(insights[i] for i in cites)
        rows.append(Pair(SUPPORTS, asked(question.text, sentence, rng), text, 1.0))
        context = text if rng.random() < 0.6 or not others else f"{text} {rng.choice(others)}"
        if spoilt := spoil(sentence, context, rng):
            rows.append(Pair(SUPPORTS, asked(question.text, spoilt, rng), text, 0.0))
        if others and rng.random() < 0.5:
            rows.append(Pair(SUPPORTS, asked(question.text, sentence, rng), rng.choice(others[:2]), 0.0))
    if question.wrong and question.gold:
        text = " ".join(insights[i] for i in sorted(question.gold))
        rows.append(Pair(SUPPORTS, asked(question.text, question.wrong, rng), text, 0.0))
    return rows


def insight_pairs(text: str, false: Sequence[str], rng: random.Random) -> list[Pair]:
    """False restatements of an insight, its own sentences, and those spoilt."""
    rows = [Pair(SUPPORTS, sentence, text, 0.0) for sentence in false]
    said = [text[a:b] for a, b in sentences(text) if len(text[a:b].split()) > 5]
    for sentence in rng.sample(said, min(2, len(said))):
        rows.append(Pair(SUPPORTS, sentence, text, 1.0))
    if said and (spoilt := spoil(rng.choice(said), text, rng)):
        rows.append(Pair(SUPPORTS, spoilt, text, 0.0))
    return rows


def asked(question: str, sentence: str, rng: random.Random) -> str:
    """The sentence after its question, three times in four: "No, it fell" means nothing alone."""
    return f"{question} {sentence}" if rng.random() < 0.75 else sentence
