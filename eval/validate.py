"""`footnoted eval questions check`: everything that is wrong with questions, one line each, before a run rests on them.

    paths ─► collection files ─► eval.collection_checks ─┐
         └─► any other form   ─► eval.formats ───────────┴─► Checked: Problem …, and what was looked at

Of collections each question and sentence is looked at, and whether a text stands twice: in two folders it leaks from
one split into the other. Of the other forms it is told what keeps them from being read, line by line where they have
lines, and where what they name isn't there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import one_line
from eval import collection_checks as checks
from eval.collection_checks import Flaw
from eval.fields import items_of, text_of
from eval.files import Faults, naming, plain_name, stem, whole
from eval.formats import FORMS, Note, detect
from eval.questions import Collection, Question, collection_of


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong: in which file, where in it (most often an id, or nothing), and what."""

    file: str
    where: str
    what: str

    def __str__(self) -> str:
        """The problem on one line, fit for a terminal whatever the file holds."""
        return one_line(": ".join(part for part in (self.file, self.where, self.what) if part))


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and all that is wrong with it."""

    problems: tuple[Problem, ...]
    files: int
    insights: int = 0
    questions: int = 0


@dataclass(frozen=True, slots=True)
class _File:
    """A collection file as its JSON stands."""

    path: Path
    name: str  # of the collection
    data: Mapping[str, Any]


def check(paths: Sequence[Path], note: Note = lambda text: None) -> Checked:
    """Look at files and folders of questions, all together; a folder with everything below it.

    `note` is told what a form leaves out or cuts. Raises UsageError if there is nothing to look at.
    """
    collections: dict[Path, Path] = {}  # each file once, whatever was named twice
    looked: list[Checked] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} is neither a file nor a folder.", "Name a folder or a file of questions.")
        try:
            form = detect(path)
        except UsageError as error:
            looked.append(Checked((_told(path, error),), 1))
            continue
        if form not in ("collections", "collection"):
            looked.append(_check_other(path, form, note))
            continue
        found = _below(path) if path.is_dir() else [path]
        if not found:
            raise UsageError(f"{path} holds no .json files.", "Name a folder or a file of questions.")
        for file in found:
            collections.setdefault(file.resolve(), file)
    looked += [_check_collections([*collections.values()])] if collections else []
    return Checked(
        problems=tuple(dict.fromkeys(problem for each in looked for problem in each.problems)),
        files=sum(each.files for each in looked),
        insights=sum(each.insights for each in looked),
        questions=sum(each.questions for each in looked),
    )


def text(checked: Checked) -> str:
    """The problems, one a line, or that there are none."""
    if checked.problems:
        return "".join(f"{problem}\n" for problem in checked.problems)
    return f"{counts(checked)}: nothing is wrong.\n"


def counts(checked: Checked) -> str:
    """What was looked at, in words."""
    named = (("file", checked.files), ("insight", checked.insights), ("question", checked.questions))
    return ", ".join(f"{count:,} {name}{'s' * (count != 1)}" for name, count in named)


# Collections


def _below(folder: Path) -> list[Path]:
    """The .json files of a folder and of those in it; hidden ones are left out."""
    return [
        file
        for file in sorted(folder.rglob("*.json"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _check_collections(paths: Sequence[Path]) -> Checked:
    parsed = [_parsed(path) for path in paths]
    files = [file for file in parsed if isinstance(file, _File)]
    problems = [problem for problem in parsed if isinstance(problem, Problem)]
    insights: dict[str, str] = {}
    for file in files:
        insights |= checks.texts_by_id(file.data)
    for file in files:
        problems += [Problem(str(file.path), *flaw) for flaw in _flaws(file, insights)]
    texts = [
        each
        for file in files
        for each in checks.texts_in(file.data, file.name, str(file.path), str(file.path.resolve().parent))
    ]
    problems += [Problem(where, *flaw) for where, flaw in (*checks.double_ids(texts), *checks.double_flaws(texts))]
    kinds = [each.kind for each in texts]
    problems += _names_twice(files)
    return Checked(tuple(problems), len(paths), kinds.count("insight"), kinds.count("question"))


def _parsed(path: Path) -> _File | Problem:
    try:
        with naming(str(path)):
            data = whole(path)
            if not isinstance(data, dict) or not ({"insights", "questions"} & data.keys()):
                raise ValueError("it has neither insights nor questions")
            return _File(path, text_of(data, "collection") or stem(path), data)
    except UsageError as error:
        return _told(path, error)


def _flaws(file: _File, insights: Mapping[str, str]) -> list[Flaw]:
    if checks.cites_nothing_known(file.data, insights):
        return [("", f"the insights that it cites aren't here: check it with the folder that has {file.name!r}")]
    found = [
        *checks.file_flaws(file.data),
        *checks.insight_flaws(file.data),
        *checks.question_flaws(file.data, file.name, insights),
        *checks.restatement_flaws(file.data, insights),
    ]
    if found:
        return found
    try:  # the last word is the reader's: what it refuses no run can ask
        collection_of(file.data, stem(file.path))
    except UsageError as error:
        return [("", error.problem.rstrip("."))]
    except (ValueError, RecursionError) as error:
        return [("", str(error))]
    return []


def _names_twice(files: Sequence[_File]) -> Iterator[Problem]:
    """Two files with insights of their own and one name: in tables they'd be one."""
    first: dict[str, Path] = {}
    for file in files:
        if file.data.get("insights") and first.setdefault(file.name, file.path) != file.path:
            yield Problem(str(file.path), "", f"{first[file.name]} is a collection of the same name, {file.name!r}")


# The other forms


def _check_other(path: Path, form: str, note: Note) -> Checked:
    problems: list[Problem] = []
    insights = questions = 0
    for split in _splits(path) if form == "beir" else [None]:
        try:
            collections = FORMS[form].load(path, split, note)
        except Faults as faults:
            problems += [_told(path, fault) for fault in faults.each]
            continue
        except UsageError as error:
            problems.append(_told(path, error))
            continue
        problems += [Problem(str(path), *flaw) for flaw in _loaded_flaws(collections, form)]
        insights = max(insights, sum(len(each.insights) for each in collections))
        questions += sum(len(each.questions) for each in collections)
    if form == "squad" and not problems:
        problems += [Problem(str(path), *flaw) for flaw in _misplaced(path)]
    return Checked(tuple(problems), 1, insights, questions)


def _splits(folder: Path) -> list[str | None]:
    """The qrels of a BEIR folder, each of which is looked at."""
    names = [plain_name(file) for file in sorted((folder / "qrels").glob("*"))]
    return [name.removesuffix(".tsv") for name in names if name.endswith(".tsv")] or [None]


def _loaded_flaws(collections: Sequence[Collection], form: str) -> Iterator[Flaw]:
    """What is wrong with questions that can be read: they name what isn't there, or stand twice."""
    known = {insight.insight_id for each in collections for insight in each.insights}
    asked: dict[tuple[str, tuple[str, ...]], Question] = {}
    for question in (question for each in collections for question in each.questions):
        where = one_line(question.question_id)[:80]
        there = set(question.among) or known
        if form != "plain":  # whose insights lie in a library
            yield from (
                (where, f"it names {id_[:80]!r}, which isn't among its insights")
                for id_ in question.gold
                if id_ not in there
            )
        if not question.answerable and question.gold:
            yield where, "it is unanswerable but names insights that answer it"
        if form == "plain":
            before = asked.setdefault((question.text.casefold(), tuple(sorted(question.without))), question)
            if before is not question:
                yield where, f"the same question as {before.question_id!r}"


def _misplaced(path: Path) -> Iterator[Flaw]:
    """Answers of a SQuAD file that don't stand where it says; the file can be read."""
    for article in items_of(whole(path), "data"):
        for paragraph in items_of(article, "paragraphs"):
            context = text_of(paragraph, "context")
            for question in items_of(paragraph, "qas"):
                for answer in items_of(question, "answers"):
                    said, start = text_of(answer, "text"), answer.get("answer_start")
                    if isinstance(start, int) and context[start : start + len(said)] != said:
                        yield (
                            checks.name_of(question, "a question"),
                            f"its answer {said[:40]!r} doesn't stand at character {start} of its paragraph",
                        )


def _told(path: Path, error: UsageError) -> Problem:
    """A fault of reading as a problem: its sentence without the path, which the line begins with anyway."""
    said = error.problem.removeprefix(str(path)).lstrip(",:/ ").rstrip(".")
    return Problem(str(path), "", said)
