"""Questions with known answers, read from folders of collection files.

One JSON file is one collection: insights, and questions about them.

    {"collection": "rail",
     "insights":  [{"id": "rail-01", "text": "…", "source": "…", "date": "2024-05-11"}, …],
     "questions": [{"id": "rail-q01", "type": "direct", "question": "…",
                    "answer": [{"text": "…", "cites": ["rail-01"]}], "short": "…"}, …]}

Only an insight's "text" and a question's "question" must be there. A question counts as unanswerable if its type is
"unanswerable", if "answerable" is false, or if its "answer" is given and empty. Types are free. Instead of sentences
with what they cite, "gold" may list the ids of the insights that answer.

Other forms of questions are read by `eval.formats`; all end as the records of this file.
"""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import Insight, content_id, make_insight
from eval.fields import as_text, flag_of, items_of, text_of
from eval.spans import Span, derive_spans
from rag.datatypes import Turn

UNANSWERABLE = "unanswerable"


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what a right answer holds."""

    question_id: str
    type: str
    text: str
    history: tuple[Turn, ...]  # the turns before it, if it is a follow-up
    gold: tuple[str, ...]  # ids of the insights that the gold answer cites, in order of first mention
    answer: str  # the gold sentences, joined
    short: str  # the bare answer
    answerable: bool
    collection: str
    grades: tuple[int, ...] = ()  # how relevant each gold insight is, where the questions tell; else each is 1
    spans: tuple[Span, ...] = ()  # the characters of the gold insights that answer, where they are known
    among: tuple[str, ...] = ()  # ids of the only insights that the library may hold while it is asked; () for all
    without: tuple[str, ...] = ()  # ids of insights that the library must not hold while it is asked


@dataclass(frozen=True, slots=True)
class Collection:
    """Insights on one topic and the questions about them; without questions they only distract."""

    name: str
    insights: tuple[Insight, ...]
    questions: tuple[Question, ...]


def load_folder(folder: Path, split: str | None = None) -> list[Collection]:
    """The collections of a folder, or of its subfolder `split`, in order of file name.

    Raises UsageError, naming file and reason, for anything that can't be read as it stands.
    """
    if split is not None:
        folder = _split(folder, split)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", "Name a folder of question files.")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UsageError(f"{folder} holds no .json files.", _hint(folder))
    collections = [_load_file(file) for file in files]
    merge_insights(collections)  # for its check: one id, one insight
    return collections


def merge_insights(collections: Iterable[Collection]) -> list[Insight]:
    """All insights, each once, in an order that depends on nothing but their ids.

    The order is that of the ids' hashes: in a file, insights that are compared stand side by side, and whatever
    depends on the order of arrival must not profit from that. Raises UsageError if one id stands for two insights.
    """
    found: dict[str, tuple[Insight, str]] = {}
    for collection in collections:
        for insight in collection.insights:
            known, where = found.setdefault(insight.insight_id, (insight, collection.name))
            if known != insight:
                raise UsageError(
                    f"The id {insight.insight_id!r} stands for two insights, in {where} and in {collection.name}.",
                    "Give each insight an id of its own.",
                )
    return [insight for insight, _ in sorted(found.values(), key=lambda pair: _hash(pair[0].insight_id))]


def unite_twins(
    insights: Sequence[Insight], questions: Sequence[Question]
) -> tuple[list[Insight], list[Question], int]:
    """The insights without those whose text came before, the questions with the first one's id instead, how many went.

    A library holds each text once, so a question whose gold is the other copy could never find it.
    """
    first: dict[str, str] = {}
    kept = [each for each in insights if first.setdefault(content_id(each.text), each.insight_id) == each.insight_id]
    if len(kept) == len(insights):
        return kept, list(questions), 0
    kept_id = {each.insight_id: first[content_id(each.text)] for each in insights}
    return kept, [_renamed(question, kept_id) for question in questions], len(insights) - len(kept)


def sample(questions: Sequence[Question], limit: int | None, seed: int | None = None) -> list[Question]:
    """At most `limit` questions in their order, each type with its share, within a question more or less.

    Without a seed they are spread evenly over collections too, and always the same ones. With one they are drawn: every
    question is as likely as any other (systematic sampling from types in random order), by its id and the seed alone.
    Types come first because collections list their questions in the same order of types: every sixth question of such
    a folder would be of the same few types. Raises UsageError for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} leaves no question.", "Give --limit at least 1.")
    if limit is None or limit >= len(questions):
        return list(questions)
    if seed is None:
        start, order = 0.5, {}
    else:
        start = int.from_bytes(_hash(f"{seed}")[:4]) % 1000 / 1000
        order = {i: _hash(f"{seed} {each.collection} {each.question_id}") for i, each in enumerate(questions)}
    by_type = sorted(range(len(questions)), key=lambda i: (questions[i].type, order.get(i, b""), i))
    chosen = {by_type[int((i + start) * len(questions) / limit)] for i in range(limit)}
    return [questions[i] for i in sorted(chosen)]


def make_collection(name: str, insights: Iterable[Insight], questions: Iterable[Question]) -> Collection:
    """A collection whose questions know which characters answer them. Raises ValueError if two have the same id."""
    insights, questions = tuple(insights), tuple(questions)
    counts = Counter(question.question_id for question in questions)
    if twice := next((id_ for id_, count in counts.items() if count > 1), None):
        raise ValueError(f"two questions have the id {twice!r}")
    return Collection(name, insights, with_spans(questions, insights))


def with_spans(questions: Iterable[Question], insights: Iterable[Insight]) -> tuple[Question, ...]:
    """The questions with the characters that answer them, where they lack them and the insights hold all their gold."""
    texts = {insight.insight_id: insight.text for insight in insights}
    return tuple(
        dataclasses.replace(question, spans=derive_spans(question.short, {id_: texts[id_] for id_ in question.gold}))
        if not question.spans and texts.keys() >= set(question.gold)
        else question
        for question in questions
    )


def make_question(item: object, number: int, collection: str) -> Question:
    """The question of a parsed JSON object; `number` is its place in the file. Raises ValueError with the reason."""
    if not isinstance(item, Mapping):
        raise ValueError(f"question {number} is not an object")
    question_id = text_of(item, "id") or f"{collection}-q{number:02}"
    if not (text := text_of(item, "question").strip()):
        raise ValueError(f"question {question_id} has no text")
    type_ = text_of(item, "type") or "untyped"
    sentences, gold = _gold(item)
    default = bool(sentences) if "answer" in item else True
    answerable = type_ != UNANSWERABLE and flag_of(item, "answerable", default)
    if sentences and not answerable:
        raise ValueError(f"question {question_id} is unanswerable but has an answer")
    return Question(
        question_id=question_id,
        type=type_,
        text=text,
        history=tuple(Turn(text_of(turn, "question"), text_of(turn, "answer")) for turn in items_of(item, "history")),
        gold=gold,
        answer=" ".join(sentences),
        short=text_of(item, "short"),
        answerable=answerable,
        collection=collection,
    )


def _renamed(question: Question, kept_id: Mapping[str, str]) -> Question:
    """The question with other ids for some insights; its spans go if they were of one of those."""

    def renamed(ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(kept_id.get(id_, id_) for id_ in ids))

    grades: dict[str, int] = {}
    for id_, grade in zip(question.gold, question.grades, strict=False):
        new = kept_id.get(id_, id_)
        grades[new] = max(grade, grades.get(new, 0))
    gold = renamed(question.gold)
    return dataclasses.replace(
        question,
        gold=gold,
        grades=tuple(grades.values()),
        spans=question.spans if gold == question.gold else (),
        among=renamed(question.among),
        without=renamed(question.without),
    )


def _split(folder: Path, split: str) -> Path:
    names = _subfolders(folder)
    if split not in names:
        there = f"It has {', '.join(names)}." if names else "It has no subfolders: leave --split out."
        raise UsageError(f"{folder} has no split {split!r}.", there)
    return folder / split


def _hint(folder: Path) -> str:
    names = _subfolders(folder)
    if not names:
        return "Name a folder of question files."
    return f"It has the subfolders {', '.join(names)}: name one of them, or for the questions say --split {names[0]}."


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _load_file(file: Path) -> Collection:
    try:
        return collection_of(json.loads(file.read_text(encoding="utf-8-sig")), default_name=file.stem)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}.", "Check the file.") from error
    except UsageError as error:
        raise UsageError(f"{file} can't be used: {error.problem}", error.remedy) from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{file} is not valid JSON: {error}.", "Mend that line.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} can't be used: {error}.", "See eval/questions.py for the form.") from error


# What follows raises ValueError with the reason; _load_file adds the file's name.


def collection_of(data: object, default_name: str) -> Collection:
    """The collection of a parsed file. Raises ValueError with the reason, or a UsageError without the file."""
    if not isinstance(data, Mapping) or not ({"insights", "questions"} & data.keys()):
        raise ValueError("it has neither insights nor questions")
    name = text_of(data, "collection") or default_name
    insights = tuple(_insight(item, n) for n, item in enumerate(items_of(data, "insights"), 1))
    questions = tuple(make_question(item, n, name) for n, item in enumerate(items_of(data, "questions"), 1))
    return make_collection(name, insights, questions)


def _insight(item: object, number: int) -> Insight:
    if not isinstance(item, Mapping):
        raise ValueError(f"insight {number} is not an object")
    fields = {name: text_of(item, name) for name in ("title", "author", "source", "url", "date", "note")}
    tags = [as_text(tag, "a tag") for tag in items_of(item, "tags")]
    try:
        return make_insight(text_of(item, "text"), insight_id=text_of(item, "id"), tags=tags, **fields)
    except UsageError as error:
        raise UsageError(f"insight {number}: {error.problem}", error.remedy) from error


def _gold(item: Mapping[str, Any]) -> tuple[list[str], tuple[str, ...]]:
    """The gold sentences and the ids they cite. A string will do as an answer, with "cites" or "gold" beside it."""
    answer = item.get("answer") or []
    parts = [{"text": answer}] if isinstance(answer, str) else items_of(item, "answer")
    sentences = [
        text for part in parts if (text := as_text(part, "answer") if isinstance(part, str) else text_of(part, "text"))
    ]
    cited = [id_ for part in [*parts, item] if not isinstance(part, str) for id_ in items_of(part, "cites")]
    cited += items_of(item, "gold")
    return sentences, tuple(dict.fromkeys(as_text(id_, "an id of an insight") for id_ in cited))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
