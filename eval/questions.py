"""Questions with known answers, read from folders of collection files.

One JSON file is one collection: insights, and questions about them.

    {"collection": "rail",
     "insights":  [{"id": "rail-01", "text": "…", "source": "…", "date": "2024-05-11"}, …],
     "questions": [{"id": "rail-q01", "type": "direct", "question": "…",
                    "answer": [{"text": "…", "cites": ["rail-01"]}], "short": "…"}, …]}

Only an insight's "text" and a question's "question" must be there. A question counts as unanswerable if its type is
"unanswerable", if "answerable" is false, or if its "answer" is given and empty. Types are free.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import Insight, make_insight
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


def sample(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """At most `limit` questions, spread evenly over types and, within a type, over collections; always the same ones.

    Types come first because collections list their questions in the same order of types: every sixth question of such
    a folder would be of the same few types.
    """
    if limit is None or limit >= len(questions):
        return list(questions)
    if limit < 1:
        raise UsageError(f"A limit of {limit} leaves no question.", "Give --limit at least 1.")
    by_type = sorted(range(len(questions)), key=lambda i: (questions[i].type, i))
    chosen = {by_type[int((i + 0.5) * len(questions) / limit)] for i in range(limit)}
    return [questions[i] for i in sorted(chosen)]


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
        return _collection(json.loads(file.read_text(encoding="utf-8-sig")), default_name=file.stem)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}.", "Check the file.") from error
    except UsageError as error:
        raise UsageError(f"{file} can't be used: {error.problem}", error.remedy) from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{file} is not valid JSON: {error}.", "Mend that line.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} can't be used: {error}.", "See eval/questions.py for the form.") from error


# What follows raises ValueError with the reason; _load_file adds the file's name.


def _collection(data: object, default_name: str) -> Collection:
    if not isinstance(data, Mapping) or not ({"insights", "questions"} & data.keys()):
        raise ValueError("it has neither insights nor questions")
    name = _text(data, "collection") or default_name
    insights = tuple(_insight(item, n) for n, item in enumerate(_items(data, "insights"), 1))
    questions = tuple(_question(item, n, name) for n, item in enumerate(_items(data, "questions"), 1))
    ids = [question.question_id for question in questions]
    if twice := next((id_ for id_ in ids if ids.count(id_) > 1), None):
        raise ValueError(f"two questions have the id {twice!r}")
    return Collection(name, insights, questions)


def _insight(item: object, number: int) -> Insight:
    if not isinstance(item, Mapping):
        raise ValueError(f"insight {number} is not an object")
    fields = {name: _text(item, name) for name in ("title", "author", "source", "url", "date", "note")}
    tags = [_as_text(tag, "a tag") for tag in _items(item, "tags")]
    try:
        return make_insight(_text(item, "text"), insight_id=_text(item, "id"), tags=tags, **fields)
    except UsageError as error:
        raise UsageError(f"insight {number}: {error.problem}", error.remedy) from error


def _question(item: object, number: int, collection: str) -> Question:
    if not isinstance(item, Mapping):
        raise ValueError(f"question {number} is not an object")
    question_id = _text(item, "id") or f"{collection}-q{number:02}"
    if not (text := _text(item, "question").strip()):
        raise ValueError(f"question {question_id} has no text")
    type_ = _text(item, "type") or "untyped"
    sentences, gold = _gold(item)
    answerable = type_ != UNANSWERABLE and bool(item.get("answerable", sentences if "answer" in item else True))
    if sentences and not answerable:
        raise ValueError(f"question {question_id} is unanswerable but has an answer")
    return Question(
        question_id=question_id,
        type=type_,
        text=text,
        history=tuple(Turn(_text(turn, "question"), _text(turn, "answer")) for turn in _items(item, "history")),
        gold=gold,
        answer=" ".join(sentences),
        short=_text(item, "short"),
        answerable=answerable,
        collection=collection,
    )


def _gold(item: Mapping[str, Any]) -> tuple[list[str], tuple[str, ...]]:
    """The gold sentences and the ids they cite. A plain string will do as an answer; "cites" may stand beside it."""
    answer = item.get("answer") or []
    parts = [{"text": answer}] if isinstance(answer, str) else _items(item, "answer")
    sentences = [
        text for part in parts if (text := _as_text(part, "answer") if isinstance(part, str) else _text(part, "text"))
    ]
    cited = [id_ for part in [*parts, item] if not isinstance(part, str) for id_ in _items(part, "cites")]
    return sentences, tuple(dict.fromkeys(_as_text(id_, "an id in cites") for id_ in cited))


def _items(data: object, name: str) -> list[Any]:
    value = data.get(name) if isinstance(data, Mapping) else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name!r} is not a list")
    return value


def _text(data: object, name: str) -> str:
    if not isinstance(data, Mapping):
        raise ValueError(f"an object with {name!r} was expected, not {str(data)[:40]!r}")
    return _as_text(data.get(name), repr(name))


def _as_text(value: object, what: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{what} is not text")
    return str(value)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
