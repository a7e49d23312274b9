"""Asking every question, and writing down what came back.

    folder ─► questions ─► answer_fn ─► Row … ─► measures ─► results (one JSON file)

`run` takes any `answer_fn`, so it works on a scripted one; only `answering` touches the real pipeline.
"""

import dataclasses
import hashlib
import json
import os
import platform
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import Insight
from eval.measures import MEASURES
from eval.questions import Question, load_folder, merge_insights, sample
from eval.rows import Row, answered_row, failed_row
from rag.config import Config
from rag.datatypes import Answer, Turn
from rag.models import Report, silent

AnswerFn = Callable[[str, Sequence[Turn]], Answer]
Opener = Callable[[Sequence[Insight], Config, Report], AbstractContextManager[AnswerFn]]

CHECKOUT = Path(__file__).resolve().parents[1]


def run(questions: Sequence[Question], answer_fn: AnswerFn, report: Report = silent) -> list[Row]:
    """Ask every question, one after the other; one row each, also for those that fail."""
    rows = []
    for done, question in enumerate(questions, 1):
        rows.append(_ask(question, answer_fn))
        report("asking", done, len(questions))
    return rows


def _ask(question: Question, answer_fn: AnswerFn) -> Row:
    start = time.perf_counter()
    try:
        answer = answer_fn(question.text, question.history)
        elapsed = time.perf_counter() - start  # what follows is our time, not the system's
        return answered_row(question, answer, elapsed)
    except Exception as error:  # whatever it was, it is this question's result
        return failed_row(question, without_paths(f"{type(error).__name__}: {error}"), time.perf_counter() - start)


def summarise(rows: Sequence[Row]) -> dict[str, float | None]:
    """Every measure over these rows."""
    return {name: measure(rows) for name, measure in MEASURES.items()}


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
) -> dict[str, Any]:
    """All that a result file holds: the measures, the rows they come from, and how to get them again."""
    commit, dirty = _checkout_state()
    return {
        "questions": len(rows),
        "measures": summarise(rows),
        "by_type": summarise_by(rows, lambda row: row.type),
        "by_answerable": summarise_by(rows, lambda row: "answerable" if row.answerable else "unanswerable"),
        "rows": [row.to_json() for row in rows],
        "config": dataclasses.asdict(config),
        "config_fingerprint": config.fingerprint(),
        "library": {"insights": len(insights), "fingerprint": _library_fingerprint(insights)},
        "models": dict(models or {}),
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": dirty,
        "machine": _machine(),
    }


@contextmanager
def answering(insights: Sequence[Insight], config: Config, report: Report) -> Iterator[AnswerFn]:
    """The real pipeline over a library of these insights, which lives in a temporary folder as long as it is asked."""
    from corpus.library import open_library  # here, so that whoever only reads results waits for neither
    from rag.pipeline import open_pipeline

    # Files may still be open on an error's way out: a folder that can't be removed must not hide the error.
    temporary = tempfile.TemporaryDirectory(prefix="footnoted-eval-", ignore_cleanup_errors=True)
    with temporary as folder, open_library(Path(folder) / "library", create=True) as library:
        library.add(insights)
        yield open_pipeline(library, config, report).ask


def evaluate(
    folder: Path,
    with_folders: Sequence[Path] = (),
    split: str | None = None,
    limit: int | None = None,
    config: Config | None = None,
    json_file: Path | None = None,
    report: Report = silent,
    command: str = "",
    opener: Opener | None = None,
) -> dict[str, Any]:
    """Ask a folder's questions to ONE library of its insights and, as distractors, those of the other folders.

    The results are returned and, with `json_file`, written; if that is a folder, to a new file of its own name in it.
    """
    if json_file is not None:
        check_writable(json_file)  # now, not after an hour
    config = config or Config()
    asked = load_folder(folder, split)
    insights = merge_insights([*asked, *(collection for other in with_folders for collection in load_folder(other))])
    questions = sample([question for collection in asked for question in collection.questions], limit)
    if not questions:
        raise UsageError(f"{folder} holds no questions.", "Name a folder of question files; --with only adds insights.")
    if lost := {id_ for question in questions for id_ in question.gold} - {insight.insight_id for insight in insights}:
        report(f"{len(lost)} insights that answers cite, as {min(lost)}, are not in the library: not found", 0, 0)
    report(f"{len(questions)} questions to a library of {len(insights)} insights", 0, 0)

    models: dict[str, str] = {}
    with (opener or answering)(insights, config, report) as answer_fn:

        def noting_models(text: str, history: Sequence[Turn]) -> Answer:
            answer = answer_fn(text, history)
            models.update(answer.trace.models)
            return answer

        rows = run(questions, noting_models, report)
    data = results(rows, config, command, models, insights)
    if json_file is not None:
        report(f"written to {write_json(data, json_file)}", 0, 0)
    return data


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


def _library_fingerprint(insights: Sequence[Insight]) -> str:
    """12 hexadecimal digits that change whenever an insight does."""
    lines = sorted(json.dumps(dataclasses.astuple(insight)) for insight in insights)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _checkout_state() -> tuple[str, bool]:
    """The commit, and whether anything but result files differs from it; ("", True) outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", ".", ":(exclude)eval/results")
    return (commit or "").strip(), commit is None or changes is None or bool(changes.strip())


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _machine() -> dict[str, str | int]:
    """What the seconds depend on; no name of the machine and no paths."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
