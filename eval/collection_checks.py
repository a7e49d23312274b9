"""What can be wrong with a collection file, beyond what keeps it from being read (the form: `eval.questions`).

    parsed JSON ─► insight_flaws, question_flaws, restatement_flaws ─► Flaw …     of one file
                └► double_flaws, over all files that are looked at                 twins, and what leaks between splits

Every function goes on after what it finds, so that one call tells all. Nothing here reads a file.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpus.errors import UsageError
from corpus.insight import make_insight, one_line
from eval.fields import as_text, items_of, text_of, texts_of
from eval.questions import Question, make_question
from eval.text import is_verbatim, words

# A run takes any type; the check knows these, so that a slip of the pen isn't a type of its own in every table.
TYPES = (
    "direct",
    "paraphrase",
    "terse",
    "yes-no",
    "multi",
    "comparison",
    "joint",
    "false-premise",
    "followup",
    "unanswerable",
)
_OF_SEVERAL = ("multi", "comparison", "joint")  # types whose answers need two insights or more

# The keys that are read, here or in training. Any other may be there, unless it looks like one of these misspelt.
_FILE_KEYS = ("collection", "topic", "insights", "questions", "false")
_INSIGHT_KEYS = ("id", "text", "title", "author", "source", "url", "date", "tags", "note")
_QUESTION_KEYS = tuple(
    "id type question answer short wrong missing gold cites answerable near history standalone".split()
)

Flaw = tuple[str, str]  # where, most often an id; and what is wrong there


@dataclass(frozen=True, slots=True)
class Text:
    """An insight or a question as it is compared with all others."""

    kind: str  # insight or question
    id_: str
    said: str  # what two have in common if they are the same: blind to case, punctuation and articles
    collection: str
    file: str
    split: str  # the folder


def file_flaws(data: Mapping[str, Any]) -> Iterator[Flaw]:
    """Keys of the file itself, and lists that are none."""
    yield from (("", flaw) for flaw in _misspelt(data, _FILE_KEYS))
    for name in ("insights", "questions", "false"):
        if data.get(name) is not None and not isinstance(data[name], list):
            yield "", f"{name!r} is not a list"


def texts_by_id(data: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a file's insights by id, of those that can be read."""
    found = {}
    for item in _items(data, "insights"):
        try:
            insight = make_insight(text_of(item, "text"), insight_id=text_of(item, "id"))
        except (UsageError, ValueError):
            continue
        found[insight.insight_id] = insight.text
    return found


def insight_flaws(data: Mapping[str, Any]) -> Iterator[Flaw]:
    """Insights that can't be read, and ids that stand twice in the file."""
    seen: set[str] = set()
    for number, item in enumerate(_items(data, "insights"), 1):
        where = name_of(item, f"insight {number}")
        if not isinstance(item, Mapping):
            yield where, "it is not an object"
            continue
        try:
            fields = {name: text_of(item, name) for name in _INSIGHT_KEYS if name != "tags"}
            _ = [as_text(tag, "a tag") for tag in items_of(item, "tags")]
            insight = make_insight(fields["text"], insight_id=fields["id"])
        except UsageError as error:
            yield where, error.problem.rstrip(".")
            continue
        except ValueError as error:
            yield where, str(error)
            continue
        if insight.insight_id in seen:
            yield where, "another insight of this file has the same id or, without one, the same text"
        seen.add(insight.insight_id)
        yield from ((where, flaw) for flaw in _misspelt(item, _INSIGHT_KEYS))


def question_flaws(data: Mapping[str, Any], name: str, insights: Mapping[str, str]) -> Iterator[Flaw]:
    """What is wrong with the questions of a file of the collection `name`.

    `insights` are the texts by id of all that may be cited. Ids that stand twice are told too.
    """
    seen: set[str] = set()
    for number, item in enumerate(_items(data, "questions"), 1):
        where = name_of(item, f"{name}-q{number:02}")
        try:
            question = make_question(item, number, name)
            flaws = [*_flaws_of(item, question, insights)] if isinstance(item, Mapping) else []
        except ValueError as error:  # a field of the wrong kind
            yield where, str(error).removeprefix(f"question {where} ").removeprefix(f"question {number} ")
            continue
        if question.question_id in seen:
            yield where, "another question of this collection has the same id"
        seen.add(question.question_id)
        yield from ((where, flaw) for flaw in flaws)


def restatement_flaws(data: Mapping[str, Any], insights: Mapping[str, str]) -> Iterator[Flaw]:
    """What is wrong with the false restatements ("false": an insight's id, and a sentence that it doesn't support)."""
    for number, item in enumerate(_items(data, "false"), 1):
        where = f"false {number}"
        try:
            about, text = one_line(text_of(item, "insight")), text_of(item, "text").strip()
        except ValueError as error:
            yield where, str(error)
            continue
        if not text:
            yield where, "it has no text"
        if about not in insights:
            yield where, f"it is about {about!r}, which no insight has as its id"
        elif text and is_verbatim(text, insights[about]):
            yield where, f"it stands word for word in {about!r}, so it isn't false"


def cites_nothing_known(data: Mapping[str, Any], insights: Mapping[str, str]) -> bool:
    """Whether a file has no insights of its own, cites some, and none of those is known: it adds to another file."""
    cited: set[str] = set()
    for name in ("questions", "false"):
        for item in _items(data, name):
            try:
                cited |= set(_cited(item)) | {text_of(item, "insight")} - {""}
            except ValueError:
                continue
    return not _items(data, "insights") and bool(cited) and not cited & insights.keys()


def texts_in(data: Mapping[str, Any], name: str, file: str, split: str) -> Iterator[Text]:
    """The insights and questions of a file that have a text, to be compared with those of others."""
    for number, item in enumerate(_items(data, "insights"), 1):
        if isinstance(item, Mapping) and isinstance(text := item.get("text"), str):
            yield Text("insight", name_of(item, f"insight {number}"), _said(text), name, file, split)
    for number, item in enumerate(_items(data, "questions"), 1):
        try:
            question = make_question(item, number, name)
        except ValueError:
            continue
        # "And what about the second?" is another question after another answer.
        said = "\n".join(_said(each) for each in (question.text, *(turn.question for turn in question.history)))
        yield Text("question", question.question_id, said, name, file, split)


def double_flaws(texts: Iterable[Text]) -> Iterator[tuple[str, Flaw]]:
    """File and flaw of each text that was there before: in the same split, or in another, into which it then leaks."""
    first: dict[tuple[str, str], Text] = {}
    for text in texts:
        if not text.said.strip():
            continue
        before = first.setdefault((text.kind, text.said), text)
        if before is text:
            continue
        place = repr(before.id_) if before.file == text.file else f"{before.id_!r} of {before.file}"
        leak = "" if before.split == text.split else ", in another split: what is asked there has been seen"
        yield text.file, (text.id_, f"the same {text.kind} as {place}{leak}")


def double_ids(texts: Iterable[Text]) -> Iterator[tuple[str, Flaw]]:
    """File and flaw of each id that another file has too: an insight's anywhere, a question's in its collection."""
    first: dict[tuple[str, str, str], Text] = {}
    for text in texts:
        before = first.setdefault((text.kind, text.collection if text.kind == "question" else "", text.id_), text)
        if before.file != text.file:
            yield text.file, (text.id_, f"{before.file} has the same id for its own {text.kind}")


def name_of(item: object, default: str) -> str:
    """The id that an object has, on one line, or the default."""
    id_ = item.get("id") if isinstance(item, Mapping) else None
    return (one_line(str(id_))[:80] if isinstance(id_, (str, int)) and not isinstance(id_, bool) else "") or default


def _flaws_of(item: Mapping[str, Any], question: Question, insights: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a question that can be read. Raises ValueError for a field of the wrong kind."""
    yield from _misspelt(item, _QUESTION_KEYS)
    if item.get("type") and question.type not in TYPES:
        yield f"the type {question.type[:40]!r} is unknown: the types are {', '.join(TYPES)}"
    for id_ in dict.fromkeys(_cited(item)):
        if id_ not in insights:
            yield f"it names {id_[:80]!r}, which no insight has as its id"
    yield from _history_flaws(item, question)
    yield from _answer_flaws(item, question, insights) if question.answerable else _refusal_flaws(item, question)


def _history_flaws(item: Mapping[str, Any], question: Question) -> Iterator[str]:
    alone = text_of(item, "standalone").strip()
    if question.type == "followup" and not question.history:
        yield "it is a follow-up but has no history"
    elif alone and not question.history:
        yield "it has a standalone form but no history"
    if question.type == "followup" and not alone:
        yield "it is a follow-up but has no standalone form"
    for number, turn in enumerate(question.history, 1):
        if not turn.question.strip() or not turn.answer.strip():
            yield f"turn {number} of its history lacks the question or the answer"


def _refusal_flaws(item: Mapping[str, Any], question: Question) -> Iterator[str]:
    if question.gold:
        yield "it is unanswerable but names insights that answer it"
    for name in ("short", "wrong"):
        if text_of(item, name).strip():
            yield f"it is unanswerable but has {name!r}"


def _answer_flaws(item: Mapping[str, Any], question: Question, insights: Mapping[str, str]) -> Iterator[str]:
    for name in ("missing", "near"):
        if text_of(item, name).strip():
            yield f"it is answerable but has {name!r}"
    if not question.gold:
        yield "it is answerable but names no insight that answers it"
    answer = item.get("answer")
    parts = [part for part in items_of(item, "answer") if not isinstance(part, str)] if isinstance(answer, list) else []
    for number, part in enumerate(parts, 1):
        if not text_of(part, "text").strip():
            yield f"sentence {number} of its answer has no text"
        if not texts_of(part, "cites"):
            yield f"sentence {number} of its answer cites nothing"
    if question.type in _OF_SEVERAL and len(question.gold) < 2:
        yield f"it is of the type {question.type!r} but needs only one insight"
    elif question.type == "joint" and parts and not any(len(set(texts_of(part, "cites"))) > 1 for part in parts):
        yield "it is of the type 'joint' but no sentence of its answer cites two insights"
    if wrong := text_of(item, "wrong").strip():
        if _said(wrong) in {_said(text_of(part, "text")) for part in parts} | {_said(question.answer)}:
            yield "its wrong sentence is a sentence of its answer"
        for id_ in question.gold:
            if is_verbatim(wrong, insights.get(id_, "")):
                yield f"its wrong sentence stands word for word in {id_!r}, so it isn't wrong"


def _cited(item: object) -> list[str]:
    """Every id of an insight that a question names. Raises ValueError for what is no id."""
    parts = items_of(item, "answer") if isinstance(item, dict) and isinstance(item.get("answer"), list) else []
    found = [id_ for part in [*parts, item] if isinstance(part, dict) for id_ in texts_of(part, "cites")]
    near = text_of(item, "near") if isinstance(item, dict) else ""
    return [*found, *texts_of(item, "gold"), *([near] if near else [])]


def _items(data: Mapping[str, Any], name: str) -> Sequence[Any]:
    """The list under a name, none if it is no list: `file_flaws` tells that."""
    value = data.get(name)
    return value if isinstance(value, list) else []


def _said(text: str) -> str:
    return " ".join(words(text))


def _misspelt(item: Mapping[str, Any], known: Sequence[str]) -> Iterator[str]:
    for key in item:
        if key not in known and (meant := difflib.get_close_matches(str(key), known, 1, 0.8)):
            yield f"the key {str(key)[:40]!r} isn't read: is {meant[0]!r} meant?"
