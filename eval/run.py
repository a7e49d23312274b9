"""Asking every question, and writing down what came back.

    QUESTIONS ─► formats ─► questions ─► answer_fn ─► Row … ─► measures ─► results (one JSON file)
                                                        └─ each at once ─► the unfinished run

`run` takes any `answer_fn`, so it works on a scripted one; only `eval.session` touches the real pipeline.
"""

import dataclasses
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import Insight
from eval.formats import FORMS, load_questions
from eval.measures import MEASURES
from eval.provenance import checkout_state, code_fingerprint, fingerprint, machine
from eval.questions import Question, merge_insights, sample, unite_twins, with_spans
from eval.rows import Row, answered_row, failed_row
from eval.session import AnswerFn, Opener, Prepare, Session, arrange, nothing, open_session, temporary_library
from eval.unfinished import Unfinished, unfinished, unfinished_path
from rag.config import Config
from rag.models import Report, silent


def run(
    questions: Sequence[Question],
    answer_fn: AnswerFn,
    report: Report = silent,
    *,
    prepare: Prepare = nothing,
    done: Mapping[int, Row] | None = None,
    keep: Callable[[int, Row], None] = lambda number, row: None,
) -> list[Row]:
    """Ask every question, one after the other; one row each, also for those that fail.

    `done` are rows that are there already, by the number of their question from 0; `keep` is given each new one.
    """
    rows = dict(done or {})
    if rows:
        report("asking", len(rows), len(questions))
    for number, question in enumerate(questions):
        if number not in rows:
            rows[number] = _ask(question, answer_fn, prepare)
            keep(number, rows[number])
            report("asking", len(rows), len(questions))
    return [rows[number] for number in range(len(questions))]


def _ask(question: Question, answer_fn: AnswerFn, prepare: Prepare) -> Row:
    start = time.perf_counter()
    try:
        prepare(question)
        start = time.perf_counter()
        answer = answer_fn(question.text, question.history)
        elapsed = time.perf_counter() - start  # what follows is our time, not the system's
        row = answered_row(question, answer, elapsed)
        json.dumps(row.to_json(), ensure_ascii=False, allow_nan=False).encode()  # what can't be written has failed
        return row
    except Exception as error:  # whatever it was, it is this question's result
        said = without_paths(f"{type(error).__name__}: {error}").encode("utf-8", "replace").decode()
        return failed_row(question, said, time.perf_counter() - start)


def summarise(rows: Sequence[Row]) -> dict[str, float | None]:
    """Every measure over these rows."""
    return {name: measure.score(rows) for name, measure in MEASURES.items()}


def summarise_by(rows: Sequence[Row], key: Callable[[Row], str]) -> dict[str, dict[str, float | None]]:
    """Every measure, and the number of questions, for each group of rows; in order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: {"questions": len(group), **summarise(group)} for name, group in groups.items()}


def results(
    rows: Sequence[Row],
    config: Config,
    command: str,
    models: Mapping[str, str] | None = None,
    insights: Sequence[Insight] = (),
    form: str = "",
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """All that a result file holds: the measures, the rows they come from, and how to get them again."""
    commit, dirty = checkout_state()
    return {
        "questions": len(rows),
        "form": form,
        "measures": summarise(rows),
        "by_type": summarise_by(rows, lambda row: row.type),
        "by_answerable": summarise_by(rows, lambda row: "answerable" if row.answerable else "unanswerable"),
        "rows": [row.to_json() for row in rows],
        "config": dataclasses.asdict(config) | ({"without": ", ".join(without)} if without else {}),
        "config_fingerprint": _settings_fingerprint(config, without),
        "library": {"insights": len(insights), "fingerprint": fingerprint(map(dataclasses.astuple, insights))},
        "models": dict(models or {}),
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": dirty,
        "machine": machine(),
    }


def _settings_fingerprint(config: Config, without: Sequence[str]) -> str:
    return "-without-".join((config.fingerprint(), *without))


def evaluate(
    folder: Path,
    with_folders: Sequence[Path] = (),
    split: str | None = None,
    limit: int | None = None,
    config: Config | None = None,
    json_file: Path | None = None,
    report: Report = silent,
    opener: Opener | None = None,
    command: str = "",
    *,
    library: str | Path | None = None,
    seed: int | None = None,
    retry_failed: bool = False,
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """Ask questions, in any form of `eval.formats`, to ONE library.

    The library holds the insights that come with them and, as distractors, those of `with_folders`; or it is a copy of
    the one that `library` names. The results are returned and, with `json_file`, written; if that is a folder, to a new
    file of its own name in it. Until then each row waits in a file beside it (`eval.unfinished`), from which the same
    run goes on if it is called again; with `retry_failed` the questions that failed are asked again. `without` names
    parts of our pipeline to do without (`eval.ablations`).

    Raises UsageError for what can't be asked, LibraryError or ModelError for what can't be opened.
    """
    if json_file is not None:
        check_writable(json_file)  # now, not after an hour
    if library is not None and with_folders:
        raise UsageError("--library asks a library as it is, so --with can't add to it.", "Leave one of them out.")
    if seed is not None and limit is None:
        raise UsageError("--seed draws the questions of --limit, which is missing.", "Give --limit N too.")

    def note(text: str) -> None:
        report(text, 0, 0)

    config = config or Config()
    form, asked = load_questions(folder, split, note)
    note(f"{folder.name}: {FORMS[form].called}")
    if with_folders and any(question.among for collection in asked for question in collection.questions):
        raise UsageError(
            f"{folder} asks each question to its own passages, which --with can't add to.", "Leave it out."
        )
    others = [collection for other in with_folders for collection in load_questions(other)[1]]
    questions = sample([question for collection in asked for question in collection.questions], limit, seed)
    if not questions:
        raise UsageError(f"{folder} holds no questions.", "Name a folder of question files; --with only adds insights.")
    with temporary_library(library) as shelf:
        if library is None:
            insights, questions, twins = unite_twins(merge_insights([*asked, *others]), questions)
            if twins:
                note(f"insights with the text of another one, counted as that: {twins:,}")
        else:
            insights = shelf.insights()
            questions = [dataclasses.replace(question, among=()) for question in questions]
        questions = _checked(questions, insights, folder, library, note)
        arrange(shelf, insights, questions[0])
        session = (opener or partial(open_session, without=without))(shelf, insights, config, report)
        if json_file is None:
            rows = run(questions, session.ask, report, prepare=session.prepare)
            return results(rows, config, command, session.models, insights, form, without)
        decides = {  # each under the name that a user is told if it has changed
            "settings": _settings_fingerprint(config, without),
            "questions": fingerprint(map(dataclasses.astuple, questions), in_order=True),
            "insights": fingerprint(map(dataclasses.astuple, insights)),
            "models": dict(session.models),
            "code": code_fingerprint(),
            "machine": machine(),
        }
        path = unfinished_path(json_file, fingerprint([decides]))
        with unfinished(path, decides, len(questions)) as before:
            rows = _go_on(questions, session, before, retry_failed, report)
            data = results(rows, config, command, session.models, insights, form, without)
            note(f"written to {write_json(data, json_file)}")
    return data


def _checked(
    questions: Sequence[Question],
    insights: Sequence[Insight],
    folder: Path,
    library: str | Path | None,
    note: Callable[[str], None],
) -> list[Question]:
    """The questions with the spans that these insights tell. What isn't in the library is noted."""
    if not insights and library is None:
        raise UsageError(
            f"{folder} holds questions, but no insights.", "Name whom to ask: --library L, or --with and their folder."
        )
    if not insights:
        raise UsageError(f"The library {library} is empty.", "Add insights to it: footnoted library add FILE")
    there = {insight.insight_id for insight in insights}
    if lost := {id_ for question in questions for id_ in question.gold} - there:
        note(f"{len(lost)} insights that answers cite, as {min(lost)}, are not in the library: not found")
    if lost := {id_ for question in questions for id_ in question.without} - there:
        note(f"insights to be hidden that the library lacks, as {min(lost)}: {len(lost):,}")
    own = ", each to its own passages" if any(question.among for question in questions) else ""
    note(f"{len(questions):,} questions to a library of {len(insights):,} insights{own}")
    return list(with_spans(questions, insights))


def _go_on(
    questions: Sequence[Question], session: Session, before: Unfinished, retry_failed: bool, report: Report
) -> list[Row]:
    """Ask what an earlier call has left; each row is on the disk before the next question is asked."""
    done = {number: row for number, row in before.rows.items() if not (retry_failed and row.failed)}
    if before.differs:
        report(f"beginning anew: the unfinished run there had other {', '.join(before.differs)}", 0, 0)
    if before.rows:
        failed = sum(row.failed for row in done.values())
        hint = f" ({failed} of them failed: --retry-failed asks them again)" if failed else ""
        report(f"going on after {len(done):,} of {len(questions):,}{hint}", 0, 0)
    kept = len(done)

    def keep(number: int, row: Row) -> None:
        nonlocal kept
        before.add(number, row)
        kept += 1

    try:
        return run(questions, session.ask, report, prepare=session.prepare, done=done, keep=keep)
    except KeyboardInterrupt:
        report(f"stopped after {kept:,} of {len(questions):,}: the same command goes on from there", 0, 0)
        raise


def check_writable(path: Path) -> None:
    """Raises UsageError if no result file could be written to this path."""
    parent = path if path.is_dir() else path.parent
    if not parent.is_dir():
        raise UsageError(f"{parent} is not a folder.", "Make it first, or give --json another path.")
    if not os.access(parent, os.W_OK):
        raise UsageError(f"{parent} can't be written to.", "Give --json another path.")


def write_json(data: Mapping[str, Any], path: Path) -> Path:
    """Write results to a file, in full or not at all: what was there before stays until the new file is complete.

    In a folder the file is named <date>-<commit>-<config fingerprint>.json and never replaces another.
    """
    if path.is_dir():
        path = _unused(
            path / "-".join((data["date"][:10], data["commit"][:12] or "unknown", data["config_fingerprint"]))
        )
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def without_paths(text: str) -> str:
    """A text with every absolute path cut to its last part: result files are shared, and folders name people."""
    return re.sub(r"(?<![\w.:/~-])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"]+[/\\])+", "", text)


def _unused(stem: Path) -> Path:
    names = (stem.with_name(f"{stem.name}{end}.json") for end in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(name for name in names if not name.exists())
