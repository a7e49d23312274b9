"""Runs side by side: every measure with its interval, the differences with theirs, and which questions changed.

    results file ─► Run ─┐
    results file ─► Run ─┴─► the questions that all were asked ─► Comparison

The first run is the one that the others are compared with. All is computed from the rows; nothing is asked again.
"""

import dataclasses
import json
import string
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from eval.intervals import Difference, Estimate, difference, estimate, resample
from eval.measures import MEASURES, Measure, same_sources
from eval.rows import Row

RESULTS = Path(__file__).parent / "results"
LETTERS = string.ascii_uppercase  # what runs are called in tables


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its results file has it; `about` is what the file says beside the rows."""

    name: str
    rows: tuple[Row, ...]
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs with only the questions that all were asked, in the order of the first run."""

    runs: tuple[Run, ...]
    measures: Mapping[str, Measure]
    estimates: tuple[Mapping[str, Estimate | None], ...]  # one mapping a run
    differences: tuple[Mapping[str, Difference | None], ...]  # one mapping for each run after the first: it minus that
    notes: tuple[str, ...]  # what whoever reads the numbers must know
    seed: int


@dataclass(frozen=True, slots=True)
class Change:
    """A question that scores differently in two runs."""

    before: Row
    after: Row
    old: float
    new: float


def find_run(name: str | Path, folder: Path | None = None) -> Path:
    """The results file that a name means: a path, else the one file in `folder` (default: eval/results) so named.

    The beginning of the name is enough, or of the commit or fingerprint in it, if only one file has it. Raises
    UsageError if none or several do.
    """
    if (path := Path(name)).is_file():
        return path
    folder = RESULTS if folder is None else folder
    files = sorted(folder.glob("*.json"))
    wanted = str(name).removesuffix(".json")
    if exact := [file for file in files if file.stem == wanted]:
        return exact[0]
    found = [file for file in files if wanted and f"-{wanted}" in f"-{file.stem}"]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{name} could be any of {_few([file.stem for file in found])}.", "Give more of the name, or the file."
        )
    there = f"There are {_few([file.stem for file in files])}." if files else "There are none yet."
    raise UsageError(
        f"There is no results file {name}, here or in {folder.name}.",
        f"{there} Make one with `footnoted eval run QUESTIONS --json FILE`.",
    )


def load_run(path: Path) -> Run:
    """The run of a results file. Raises UsageError if it can't be read as one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(Row.from_json(row) for row in data["rows"])
        about = {name: value for name, value in data.items() if name != "rows"}
        # Fields that rows have now and had not when the file was written: what rests on them can't be told.
        known = {name for row in data["rows"] for name in row}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} can't be read as the results of a run ({type(error).__name__}).",
            "Name a file that `footnoted eval run --json FILE` has written.",
        ) from error
    if not rows:
        raise UsageError(f"{path} holds no questions.", "Name a run that has asked some.")
    about["lacks"] = sorted({each.name for each in dataclasses.fields(Row)} - known - {"question_id"})
    return Run(path.stem, rows, about)


def compare(runs: Sequence[Run], measures: Mapping[str, Measure] | None = None, seed: int = 0) -> Comparison:
    """Every measure of every run, and how far each run is from the first, on the questions that all were asked.

    A question is the same if its collection, id, text, gold insights and short answer are. Raises UsageError if the
    runs have none in common.
    """
    if len(runs) > len(LETTERS):
        raise UsageError(f"{len(runs)} runs are too many for one table.", f"Compare at most {len(LETTERS)}.")
    measures = MEASURES if measures is None else measures
    shared = _shared(runs)
    rows = [run.rows for run in shared]
    drawn = resample(rows, measures, seed)
    scores = [{name: measure.score(each) for name, measure in measures.items()} for each in rows]
    return Comparison(
        runs=tuple(shared),
        measures=measures,
        estimates=tuple(
            {name: estimate(value, drawn[name][number]) for name, value in each.items()}
            for number, each in enumerate(scores)
        ),
        differences=tuple(
            {
                name: difference(scores[0][name], value, drawn[name][number] - drawn[name][0], measures[name].higher)
                for name, value in each.items()
            }
            for number, each in enumerate(scores[1:], 1)
        ),
        notes=tuple(_notes(runs, shared)),
        seed=seed,
    )


def changes(measure: Measure, before: Sequence[Row], after: Sequence[Row]) -> tuple[list[Change], list[Change], int]:
    """The questions that got better and those that got worse, the largest change first, and how many can't be compared:
    those with a value in one run alone. Raises ValueError for a measure without a value a question.
    """
    if measure.each is None:
        raise ValueError("this measure has no value a question")
    found: list[Change] = []
    lone = 0
    for old_row, new_row in zip(before, after, strict=True):
        old, new = measure.each(old_row), measure.each(new_row)
        if old is not None and new is not None:
            found.append(Change(old_row, new_row, float(old), float(new)))
        else:
            lone += old is not new
    found.sort(key=lambda change: -abs(change.new - change.old))
    sign = 1 if measure.higher else -1
    better = [change for change in found if sign * (change.new - change.old) > 0]
    worse = [change for change in found if sign * (change.new - change.old) < 0]
    return better, worse, lone


def consistency(first: Run, other: Run) -> float:
    """How far two runs cite the same insights, the mean over their questions, which must be the same: 1 is fully."""
    pairs = zip(first.rows, other.rows, strict=True)
    return sum(same_sources(one, two) for one, two in pairs) / len(first.rows)


def settings_changed(first: Run, other: Run) -> list[str]:
    """What differs between two runs beside the answers, each in a few words: settings, weights, code."""
    old, new = (dict(run.about.get("config") or {}) for run in (first, other))
    said = [f"{name} {old.get(name, '–')} -> {new.get(name, '–')}" for name in _unequal(old, new)]
    if parts := _unequal(*(dict(run.about.get("models") or {}) for run in (first, other))):
        said.append(f"other weights: {', '.join(parts)}")
    commits = [str(run.about.get("commit") or "unknown")[:7] for run in (first, other)]
    return said if commits[0] == commits[1] else [*said, f"commit {' -> '.join(commits)}"]


def _shared(runs: Sequence[Run]) -> list[Run]:
    asked = [_by_question(run.rows) for run in runs]
    common = [key for key in asked[0] if all(key in other for other in asked)]
    if not common:
        raise UsageError(
            f"{runs[0].name} and {', '.join(run.name for run in runs[1:])} have no question in common.",
            "Compare runs of the same questions.",
        )
    return [
        dataclasses.replace(run, rows=tuple(rows[key] for key in common)) for run, rows in zip(runs, asked, strict=True)
    ]


def _by_question(rows: Iterable[Row]) -> dict[Hashable, Row]:
    """Rows by what makes a question the same; one that was asked twice keeps both rows, numbered."""
    seen: Counter[Hashable] = Counter()
    found: dict[Hashable, Row] = {}
    for row in rows:
        key = (row.collection, row.question_id, row.question, row.answerable, frozenset(row.gold), row.short)
        found[key, seen[key]] = row
        seen[key] += 1
    return found


def _notes(runs: Sequence[Run], shared: Sequence[Run]) -> list[str]:
    notes = []
    kept = len(shared[0].rows)
    if any(len(run.rows) > kept for run in runs):
        left = ", ".join(
            f"{len(run.rows) - kept} of {len(run.rows)} in {letter}" for letter, run in zip(LETTERS, runs, strict=False)
        )
        notes.append(
            f"The runs weren't asked the same questions: compared are the {kept} that all were. Left out: {left}."
        )
    libraries = [_library(run) for run in runs]
    if len(set(libraries)) > 1:
        counts = ", ".join(
            f"{letter} {insights} insights ({fingerprint[:6] or 'unknown'})"
            for letter, (insights, fingerprint) in zip(LETTERS, libraries, strict=False)
        )
        notes.append(f"The runs searched different libraries, so they differ for that alone: {counts}.")
    if len({json.dumps(run.about.get("machine"), sort_keys=True) for run in runs}) > 1:
        notes.append("The runs were made on different machines: their times don't compare.")
    for letter, run in zip(LETTERS, runs, strict=False):
        if failed := sum(row.failed for row in run.rows):
            notes.append(f"In {letter} {failed} of {len(run.rows)} questions ended in an error; they score worst.")
    older: dict[str, list[str]] = {}
    for letter, run in zip(LETTERS, runs, strict=False):
        older.setdefault(", ".join(run.about.get("lacks") or ()), []).append(letter)
    notes += [
        f"The rows of {' and '.join(letters)} are of an older form, without {lacks}: what rests on that can't be told."
        for lacks, letters in older.items()
        if lacks
    ]
    return notes


def _unequal(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]


def _library(run: Run) -> tuple[object, str]:
    library = run.about.get("library") or {}
    return library.get("insights", "?"), str(library.get("fingerprint", ""))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
