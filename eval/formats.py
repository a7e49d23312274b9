"""The forms that questions with known answers come in, told apart by what is there.

    path ─► detect ─► FORMS[name].load ─► Collection …

| form | what it is |
| --- | --- |
| collections | a folder of collection files, as InsightQA's: `eval.questions` |
| collection | one such file |
| beir | a folder with corpus.jsonl, queries.jsonl and qrels (Thakur et al. 2021): relevance, no answers |
| squad | one JSON file as SQuAD 2.0's (Rajpurkar et al. 2018): each paragraph is an insight |
| passages | JSON lines, each a question with the passages that it is asked to |
| plain | JSON lines, each a question about a library that exists |

Files may be packed with gzip. A line of `plain`, of which only "question" must be there:

    {"question": "Who rides?", "insight_ids": ["r1"], "short": "tourists", "answerable": true, "without": []}

"without" lists insights that are hidden while this question is asked: so a question becomes unanswerable in truth.
A line of `passages` has "passages" ({"id", "title", "text"}), "gold" (ids of passages), "answers" and "answerable".

To add a form, write a function and enter it in FORMS. What can't be read is a UsageError with file, line and reason.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import MAX_CHARACTERS, Insight, make_insight, one_line
from eval.fields import flag_of, items_of, needed, text_of, texts_of
from eval.files import decoded, each_object, first_keys, lines, naming, plain_name, stem, whole
from eval.questions import (
    UNANSWERABLE,
    Collection,
    Question,
    collection_of,
    load_folder,
    make_collection,
    make_question,
)

LONGEST_SHORT = 15  # words; what is longer is an answer, but no short one

Note = Callable[[str], None]  # takes what a user must know of how a file was read
Loader = Callable[[Path, str | None, Note], list[Collection]]  # path and split


@dataclass(frozen=True, slots=True)
class Form:
    """How a form is called in a sentence, how it is told, and how it is read."""

    called: str
    folder: bool
    marks: frozenset[str]  # any of these tells it: files of a folder, or keys of a file's first object; none: the rest
    load: Loader


def load_questions(
    path: Path, split: str | None = None, note: Note = lambda text: None
) -> tuple[str, list[Collection]]:
    """The form of what is there, a key of FORMS, and its collections. `note` is told what was left out or cut.

    Raises UsageError, naming file, line and reason, for what can't be read as it stands.
    """
    form = detect(path)
    return form, FORMS[form].load(path, split, note)


def detect(path: Path) -> str:
    """The name of the form that a file or folder has. Raises UsageError if it has none that is known."""
    folder = path.is_dir()
    if not folder and not path.is_file():
        raise UsageError(f"{path} is neither a file nor a folder.", "Name a folder or a file of questions.")
    marks = {plain_name(file) for file in path.iterdir()} if folder else first_keys(path)
    for name, form in FORMS.items():
        if form.folder == folder and (not form.marks or form.marks & marks):
            return name
    there = ", ".join(sorted(marks)[:5]) or "nothing"
    raise UsageError(
        f"{path} is in no form of questions that is known: its first object has {there}.",
        'Write one object a line, {"question": "…", "insight_ids": ["…"], "short": "…"}, or see eval/formats.py.',
    )


# The forms. What is called in here raises ValueError or UsageError with the reason; `naming` adds file and line.


def load_collections(path: Path, split: str | None, note: Note) -> list[Collection]:
    """A folder of collection files, or its subfolder `split`."""
    return load_folder(path, split)


def load_collection(path: Path, split: str | None, note: Note) -> list[Collection]:
    """One collection file."""
    _no_split(path, split)
    with naming(str(path)):
        return [collection_of(whole(path), stem(path))]


def load_beir(path: Path, split: str | None, note: Note) -> list[Collection]:
    """Documents as insights; the queries with a relevant document (grade above 0) as questions, each with its grades.

    Of several qrels `split` chooses, else test.tsv is taken. The title of a document is the insight's title; where it
    has no text, it is the text too. What has neither is left out.
    """
    cut, empty = 0, 0
    insights: dict[str, Insight] = {}  # by the id in the files: an insight's id is cleaned

    def document(item: Mapping[str, Any], number: int) -> None:
        nonlocal cut, empty
        id_, title, text = needed(item, "_id"), text_of(item, "title"), text_of(item, "text")
        if id_ in insights:
            raise ValueError(f"the id {id_!r} was there before")
        text = text if _has_words(text) else title
        if not _has_words(text):
            empty += 1
            return
        cut += len(text) > MAX_CHARACTERS
        insights[id_] = make_insight(text[:MAX_CHARACTERS], insight_id=id_, title=title)

    queries: dict[str, str] = {}

    def query(item: Mapping[str, Any], number: int) -> None:
        id_ = needed(item, "_id")
        if id_ in queries:
            raise ValueError(f"the id {id_!r} was there before")
        queries[id_] = needed(item, "text")

    each_object(_part(path, "corpus.jsonl"), document)
    each_object(_part(path, "queries.jsonl"), query)
    qrels = _qrels(path, split)
    grades = _grades(qrels, queries)
    asked = [
        _beir_question(id_, text, grades[id_], insights, path.name) for id_, text in queries.items() if grades.get(id_)
    ]
    if empty:
        note(f"documents without any text, left out: {empty:,}")
    if cut:
        note(f"documents cut to {MAX_CHARACTERS:,} characters: {cut:,}")
    if left := len(grades) - len(asked):
        note(f"queries without a relevant document, left out: {left:,}")
    return [make_collection(path.name, insights.values(), asked)]


def load_squad(path: Path, split: str | None, note: Note) -> list[Collection]:
    """Each article is a collection, each paragraph an insight; impossible questions are unanswerable.

    An impossible question was written to be so for its own paragraph. That another one answers it is rare, but nobody
    has checked it.
    """
    _no_split(path, split)
    numbers: Counter[str] = Counter()  # of paragraphs by title: two articles may have the same
    with naming(str(path)):
        return [_article(item, place, numbers) for place, item in enumerate(items_of(whole(path), "data"), 1)]


def load_passages(path: Path, split: str | None, note: Note) -> list[Collection]:
    """Questions that are each asked to their own passages and to no other: that is what they were judged on.

    Passages that are only signs, as sets cut by program have them, are left out.
    """
    _no_split(path, split)
    name = stem(path)
    insights: dict[str, Insight] = {}
    seen: set[str] = set()
    empty = 0

    def question(item: Mapping[str, Any], number: int) -> Question:
        nonlocal empty
        passages = [(text_of(passage, "text"), passage) for passage in items_of(item, "passages")]
        own = [_passage(passage, n) for n, (text, passage) in enumerate(passages, 1) if _has_words(text)]
        empty += len(passages) - len(own)
        if not own:
            raise ValueError("the question has no passages with words")
        for passage in own:
            if insights.setdefault(passage.insight_id, passage) != passage:
                raise ValueError(f"the id {passage.insight_id!r} stands for another passage before")
        made = _with_answers(_line_question(item, number, name), texts_of(item, "answers"))
        made = dataclasses.replace(
            made, answer=text_of(item, "long_answer") or made.answer, among=tuple(each.insight_id for each in own)
        )
        return _checked(made, seen)

    questions = each_object(path, question)
    if empty:
        note(f"passages without any text, left out: {empty:,}")
    return [make_collection(name, insights.values(), questions)]


def load_plain(path: Path, split: str | None, note: Note) -> list[Collection]:
    """Questions about a library that exists: no insights are here."""
    _no_split(path, split)
    name = stem(path)
    seen: set[str] = set()

    def question(item: Mapping[str, Any], number: int) -> Question:
        without = tuple(dict.fromkeys(map(one_line, texts_of(item, "without"))))
        made = dataclasses.replace(_line_question(item, number, name), without=without)
        if made.answerable and (hidden := set(made.gold) & set(without)):
            raise ValueError(f"{min(hidden)!r} answers the question and is hidden from it")
        return _checked(made, seen)

    return [make_collection(name, (), each_object(path, question))]


FORMS: dict[str, Form] = {
    "beir": Form(
        "a BEIR folder, so only what is retrieved can be judged",
        True,
        frozenset({"corpus.jsonl", "queries.jsonl"}),
        load_beir,
    ),
    "collections": Form("a folder of collections", True, frozenset(), load_collections),
    "squad": Form("a SQuAD file", False, frozenset({"data"}), load_squad),
    "collection": Form("a file of one collection", False, frozenset({"insights", "questions"}), load_collection),
    "passages": Form("questions with passages of their own", False, frozenset({"passages"}), load_passages),
    "plain": Form("questions one a line", False, frozenset({"question"}), load_plain),
}


# BEIR


def _part(folder: Path, name: str) -> Path:
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    raise UsageError(f"{folder} has no {name}.", "A BEIR folder has corpus.jsonl, queries.jsonl and qrels.")


def _qrels(folder: Path, split: str | None) -> Path:
    """The file that says which documents are relevant."""
    there = [file for file in sorted((folder / "qrels").glob("*")) if plain_name(file).endswith(".tsv")]
    files = {plain_name(file).removesuffix(".tsv"): file for file in there}
    if not files and split is None:
        return _part(folder, "qrels.tsv")
    name = split or ("test" if "test" in files else next(iter(files)) if len(files) == 1 else "")
    if name not in files:
        if not split:
            raise UsageError(f"{folder} has several qrels: {', '.join(files)}.", "Choose one with --split.")
        remedy = f"It has {', '.join(files)}." if files else "Its qrels have no splits: leave --split out."
        raise UsageError(f"{folder} has no split {split!r}.", remedy)
    return files[name]


def _grades(path: Path, queries: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Query id -> document id -> grade, of those above 0, best first. A query that only has others is there, empty."""
    grades: dict[str, dict[str, int]] = {}
    for number, line in lines(path):
        with naming(f"{path}, line {number}"):
            parts = decoded(line, number).strip("\r\n").split("\t")
            if len(parts) != 3:
                raise ValueError(f"it has {len(parts)} columns, not query id, document id and grade")
            query, document, value = (part.strip() for part in parts)
            try:
                grade = float(value)
            except ValueError as error:
                if number == 1:  # the names of the columns
                    continue
                raise ValueError(f"the grade {value!r} is no number") from error
            if not abs(grade) < 1e9 or grade != int(grade):
                raise ValueError(f"the grade {value!r} is no whole number")
            if query not in queries:
                raise ValueError(f"there is no query {query!r}")
            found = grades.setdefault(query, {})
            if grade > 0:
                found[document] = max(int(grade), found.get(document, 0))
    return {query: dict(sorted(found.items(), key=lambda pair: -pair[1])) for query, found in grades.items()}


def _beir_question(
    id_: str, text: str, grades: Mapping[str, int], insights: Mapping[str, Insight], collection: str
) -> Question:
    gold = tuple(insights[each].insight_id if each in insights else each for each in grades)
    return Question(id_, "query", text, (), gold, "", "", True, collection, grades=tuple(grades.values()))


# SQuAD, passages and plain lines


def _article(item: object, place: int, numbers: Counter[str]) -> Collection:
    insights: list[Insight] = []
    questions: list[Question] = []
    with naming(f"article {place}"):
        title = one_line(text_of(item, "title")) or "untitled"
        for at, paragraph in enumerate(items_of(item, "paragraphs"), 1):
            with naming(f"paragraph {at}"):
                numbers[title[:150]] += 1  # an id is cut if it is long
                insight_id = f"{title[:150]} {numbers[title[:150]]}"
                insights.append(make_insight(text_of(paragraph, "context"), insight_id=insight_id, title=title))
                for number, question in enumerate(items_of(paragraph, "qas"), 1):
                    with naming(f"question {number}"):
                        questions.append(_squad_question(question, len(questions) + 1, insight_id, title))
        return make_collection(title, insights, questions)


def _squad_question(item: object, number: int, paragraph_id: str, title: str) -> Question:
    answerable = not flag_of(item, "is_impossible", False)
    plain = {
        "id": text_of(item, "id"),
        "question": text_of(item, "question"),
        "gold": [paragraph_id] if answerable else [],
        "answerable": answerable,
        "type": _type(answerable),
    }
    return _with_answers(
        make_question(plain, number, title), [text_of(answer, "text") for answer in items_of(item, "answers")]
    )


def _passage(item: object, number: int) -> Insight:
    try:
        return make_insight(text_of(item, "text"), insight_id=text_of(item, "id"), title=text_of(item, "title"))
    except (UsageError, ValueError) as error:
        raise ValueError(f"passage {number}: {error}".removesuffix(".")) from error


def _line_question(item: Mapping[str, Any], number: int, collection: str) -> Question:
    """The question of a line; its type says whether it is answerable if it has none."""
    gold = [one_line(id_) for name in ("insight_ids", "gold") for id_ in texts_of(item, name)]
    made = make_question({**item, "gold": gold}, number, collection)
    return made if item.get("type") else dataclasses.replace(made, type=_type(made.answerable))


def _type(answerable: bool) -> str:
    return "answerable" if answerable else UNANSWERABLE


def _with_answers(question: Question, answers: Sequence[str]) -> Question:
    """The question with the answer that most people gave, the shortest of those, as its short one if it is short."""
    counts = Counter(answer.strip() for answer in answers if answer.strip())
    if not counts:
        return question
    if not question.answerable:
        raise ValueError(f"question {question.question_id} is unanswerable but has an answer")
    best = min(counts, key=lambda answer: (-counts[answer], len(answer.split())))
    is_short = len(best.split()) <= LONGEST_SHORT
    return dataclasses.replace(question, short=best) if is_short else dataclasses.replace(question, answer=best)


def _checked(question: Question, seen: set[str]) -> Question:
    if question.question_id in seen:
        raise ValueError(f"the id {question.question_id!r} was there before")
    seen.add(question.question_id)
    return question


def _no_split(path: Path, split: str | None) -> None:
    if split is not None:
        raise UsageError(f"{path} is a file and has no split {split!r}.", "Leave --split out.")


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)
