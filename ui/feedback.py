"""What a person thinks of an answer, kept as JSON lines beside their library; a bad one can become a test question.

feedback.jsonl      one line a judgement: the question, the answer as it was, what was wrong with it
questions.jsonl     the test questions: `footnoted eval run questions.jsonl` asks them again (see eval/cases.py)
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from corpus.errors import LibraryError, UsageError
from corpus.places import data_dir
from eval.cases import append_case
from rag.datatypes import Answer, Status
from ui.record import answer_text, number

GOOD, BAD = "good", "bad"
ABSENT = "absent"  # the reason that makes a question one that should have been refused
REASONS: Mapping[str, str] = {  # what is kept -> what the page says
    "wrong": "Something in it is wrong",
    "beside": "It doesn't answer the question",
    "missing": "My insights say more",
    ABSENT: "My insights don't answer this",
}
REFUSED: Mapping[str, str] = {"there": "My insights do answer this"}  # the same for a refusal
MOST = 20_000_000  # bytes: from there on nothing more is kept


def reasons(answer: Answer) -> Mapping[str, str]:
    """What may be wrong with this answer."""
    return REFUSED if answer.status is Status.NOT_IN_LIBRARY else REASONS


def keep(answer: Answer, reason: str, *, test: bool = False, folder: Path | None = None) -> str:
    """Write down that an answer was good (`reason` is empty) or why it was bad; a sentence says what was done.

    With `test` the question becomes a test question. Raises UsageError for an unknown reason, LibraryError if it can't
    be written.
    """
    if reason and reason not in reasons(answer):
        raise UsageError("That is no reason that can be given for this answer.", "Choose one of those shown.")
    folder = folder or data_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _append(folder / "feedback.jsonl", _row(answer, reason))
        if not (reason and test):
            return "Noted, thank you."
        new = _append_case(folder / "questions.jsonl", answer, reason)
    except OSError as error:
        raise LibraryError(
            f"It could not be kept: {error.strerror or error}.", "Free some space, or make that folder writable."
        ) from error
    return f"Noted. It {'is' if new else 'was'} one of your test questions{' now' if new else ' already'}."


def _append_case(file: Path, answer: Answer, reason: str) -> bool:
    """Make it a test question; False if it is one already. A follow-up is asked as it was searched, to stand alone."""
    question = answer.question if answer.trace.filters else answer.trace.standalone or answer.question
    file.touch(0o600)  # for its owner alone, as feedback.jsonl
    try:
        return append_case(file, question, (), reasons(answer)[reason], answerable=reason != ABSENT)
    except UsageError as error:
        raise LibraryError(f"It was noted, but {file.name} is no file of test questions.", "Move it away.") from error


def _row(answer: Answer, reason: str) -> dict[str, Any]:
    trace = answer.trace
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "question": answer.question,
        "asked_as": trace.standalone,
        "filters": trace.filters,
        "rating": BAD if reason else GOOD,
        "reason": reason,
        "status": answer.status.value,
        "answer": answer_text(answer),
        "insight_ids": list(number(answer)) or [hit.insight.insight_id for hit in answer.nearest],
        "library": trace.library,
        "revision": trace.revision,
        "config": trace.config,
        "models": dict(trace.models),
    }


def _append(file: Path, row: Mapping[str, Any]) -> None:
    """One line at the end, in one write: two at once don't mix."""
    line = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace")
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.fstat(handle).st_size + len(line) > MOST:
            raise LibraryError("So much was kept already.", f"Move {file.name} away, then try again.")
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)
