"""The file in which a person's questions with known answers grow: JSON lines, in the form `plain` of `eval.formats`.

    questions.jsonl              the cases: what `footnoted eval run questions.jsonl --library L` asks
    questions.passed-over.jsonl  what was rejected, and which insights gave no question: not asked for again

Each line is on the disk before the function that wrote it returns. A line that a kill has torn is cut off by the next
call, never one that was complete.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import content_id, one_line
from corpus.places import cache_dir
from eval.formats import detect, load_plain
from eval.questions import Question

_BEGINNING = '{"id": "'  # of each line that is written here


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the file. `origin` says how it came there: accepted, edited, unread or reported.

    There is no gold answer in sentences: those that the reader marked would make it its own judge.
    """

    question: str
    insight_ids: tuple[str, ...] = ()  # that answer it
    short: str = ""
    answerable: bool = True
    without: tuple[str, ...] = ()  # hidden while it is asked
    note: str = ""
    origin: str = "accepted"

    @property
    def case_id(self) -> str:
        """12 hexadecimal digits of what is asked, and of what: the same case again has the same id."""
        return content_id("\n".join((self.question, str(self.answerable), *sorted(self.without))))[:12]

    def line(self) -> str:
        """The case as JSON; empty fields are left out."""
        given = {"short": self.short, "without": self.without, "note": self.note}
        return json.dumps(
            {"id": self.case_id, "question": self.question, "insight_ids": self.insight_ids}
            | {"answerable": self.answerable}
            | {name: value for name, value in given.items() if value}
            | {"origin": self.origin},
            ensure_ascii=False,
        )


@dataclass(frozen=True, slots=True)
class Passed:
    """What became of an insight, or of the question without it, other than a case."""

    insight_id: str
    outcome: str  # rejected; kept, if that was taken back; nothing, if the writer gave no question that will do
    answerable: bool = True
    question: str = ""
    writer: str = ""  # fingerprint of the writer that gave nothing


def append_case(
    file: Path, question: str, insight_ids: Sequence[str], note: str = "", *, answerable: bool = True
) -> bool:
    """Add a question that somebody wasn't content with, and why; False if it is there already.

    `insight_ids` are those that answer it, none if they aren't known; with `answerable` false it should have been
    refused. Raises UsageError for a question without words and for a file that isn't one of cases.
    """
    question = one_line(question)
    if not any(character.isalnum() for character in question):
        raise UsageError("There is no question to add.", "Give the question that was asked.")
    ids = tuple(dict.fromkeys(map(one_line, insight_ids))) if answerable else ()
    return add_case(file, Case(question, ids, answerable=answerable, note=one_line(note), origin="reported"))


def add_case(file: Path, case: Case) -> bool:
    """Write a case at the end of the file; False if its id is there already. Raises UsageError as `read_cases` does."""
    with _locked(file):
        if case.case_id in {question.question_id for question in _read(file)}:
            return False
        _append(file, case.line())
    return True


def change_case(file: Path, case_id: str, case: Case) -> bool:
    """Put a case in the place of the one with that id; False if another one has the new id."""
    with _locked(file):
        if case.case_id in {question.question_id for question in _read(file)} - {case_id}:
            return False
        _rewrite(file, case_id, f"{case.line()}\n".encode())
    return True


def remove_case(file: Path, case_id: str) -> None:
    """Take a case out; all other lines stay as they are, to the byte."""
    with _locked(file):
        _rewrite(file, case_id, b"")


def read_cases(file: Path) -> list[Question]:
    """The cases of a file; none if there is no file yet, or nothing in it.

    Raises UsageError, naming file and line, for a file of another kind. It is then left as it is.
    """
    with _locked(file):
        return _read(file)


def add_passed(file: Path, passed: Passed) -> None:
    """Note beside the file of cases what was passed over."""
    told = {"insight_id": passed.insight_id, "outcome": passed.outcome, "answerable": passed.answerable}
    more = {"question": passed.question, "writer": passed.writer}
    with _locked(file):
        _append(passed_over(file), json.dumps(told | {n: v for n, v in more.items() if v}, ensure_ascii=False))


def read_passed(file: Path) -> list[Passed]:
    """What was passed over, the last word on each; what can't be read of it is asked for again, no more."""
    try:
        lines = passed_over(file).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    last: dict[tuple[str, bool, str], Passed] = {}
    for line in lines:
        if found := _passed(line):
            last[found.insight_id, found.answerable, found.writer] = found
    return list(last.values())


def passed_over(file: Path) -> Path:
    """Where that is noted: questions.passed-over.jsonl beside questions.jsonl."""
    return file.with_name(f"{file.name.removesuffix('.jsonl')}.passed-over.jsonl")


def check_file(file: Path) -> None:
    """Raises UsageError if cases couldn't be written to this path."""
    if file.is_dir():
        raise UsageError(f"{file} is a folder.", "Give --out the path of a file.")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is not a folder.", "Make it first, or give --out another path.")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError(f"{file} can't be written to.", "Give --out another path.")


def _read(file: Path) -> list[Question]:
    if not file.exists():
        return []
    _cut_torn_line(file)
    if not file.stat().st_size:
        return []
    with file.open("rb") as opened:
        packed = opened.read(2) == b"\x1f\x8b"
    if packed or detect(file) != "plain":
        raise UsageError(
            f"{file} is no file of questions that more can be added to.", "Give --out the path of a new file."
        )
    (collection,) = load_plain(file, None, lambda text: None)
    return list(collection.questions)


def _cut_torn_line(file: Path) -> None:
    """Cut off the beginning of a line of ours, which is all that a kill can leave."""
    with file.open("rb+") as opened:
        data = opened.read()
        start = data.rfind(b"\n") + 1
        torn = data[start:]
        ours = torn.startswith(_BEGINNING.encode()) or _BEGINNING.encode().startswith(torn)
        if torn and ours and not _whole(torn):
            opened.truncate(start)
            os.fsync(opened.fileno())


def _append(path: Path, line: str) -> None:
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(f"{line}\n".encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())


def _rewrite(path: Path, case_id: str, by: bytes) -> None:
    """Another line, or none, for the one with that id, and the others as they are. The file changes in one step."""
    path = path.resolve()  # what a link points to, not the link
    lines = path.read_bytes().splitlines(keepends=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with open(handle, "wb") as file:
            file.writelines(by if _has_id(line, case_id) else line for line in lines)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(path.stat().st_mode & 0o777)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """One at a time: the page may report a question while a person is at another one."""
    from filelock import FileLock

    cache_dir().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir() / f"cases-{content_id(str(file.resolve()))}.lock"):
        yield


def _has_id(line: bytes, case_id: str) -> bool:
    item = _whole(line)
    return item is not None and item.get("id") == case_id


def _passed(line: bytes) -> Passed | None:
    item = _whole(line)
    fields = {name: item.get(name, "") for name in ("insight_id", "outcome", "question", "writer")} if item else {}
    if not item or not all(isinstance(value, str) for value in fields.values()) or not fields["insight_id"]:
        return None
    return Passed(answerable=item.get("answerable") is not False, **fields)


def _whole(line: bytes) -> dict[str, Any] | None:
    """The object of a line, or None if it is none or was torn."""
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) else None
