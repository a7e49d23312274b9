"""The runs in a folder of results: found by name, read once, with the figures that tell them apart.

A name comes from a browser: it must be that of a file that is there, and is never made into a path. Where several
people are served, runs of a person's own questions aren't there: what somebody asked is nobody else's business.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from corpus.errors import UsageError
from eval.compare import RESULTS, Comparison, Run, compare, load_run
from eval.html import FIRST
from eval.intervals import Estimate, estimates
from eval.measures import MEASURES

# What the list of runs shows: measure and heading. Each is a mean over questions, whose interval takes no time.
FIGURES = {
    "R@5": "found among 5",
    "citation_precision": "citations right",
    "citation_recall": "sources cited",
    "refusal_recall": "rightly refused",
    "false_refusal_rate": "wrongly refused",
}
OF_A_RUN = (*FIRST, "answerable_auc")  # the others are in the report
COMPARED = (
    *("R@5", "nDCG@10", "citation_precision", "citation_recall", "refusal_recall", "false_refusal_rate"),
    *("answerable_auc", "short_answer", "unsupported_rule", "prose_rate", "seconds_p50", "seconds_p95"),
)
LISTED = 50  # files; older ones are for the command line
_KEPT = 6  # runs in memory

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Listed:
    """A run in the list. With a `problem` it is a file that can't be read as one."""

    name: str
    date: str = ""
    questions: int = 0
    insights: str = ""
    figures: Mapping[str, Estimate | None] | None = None
    median: float | None = None  # seconds
    problem: str = ""


def results_folder() -> Path:
    """Where results lie: eval/results, or what FOOTNOTED_RESULTS names."""
    named = os.environ.get("FOOTNOTED_RESULTS", "").strip()
    return Path(named).expanduser() if named else RESULTS


class Runs:
    """The results files of a folder; `public` ones leave out those of a person's own questions.

    May be used from several threads.
    """

    def __init__(self, folder: Path, *, public: bool = False) -> None:
        self.folder = folder
        self.public = public
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, int, int], Run] = {}  # by name, time and size: a changed file is read anew
        self._listed: dict[tuple[str, int, int], Listed] = {}
        self._private: dict[tuple[str, int, int], bool] = {}
        self._estimates: dict[tuple[str, int, int], Mapping[str, Estimate | None]] = {}
        self._comparisons: dict[tuple[tuple[str, int, int], ...], Comparison] = {}

    def names(self) -> list[str]:
        """The names of all runs, the latest file first."""
        return [path.stem for path in self._files()]

    def listed(self) -> list[Listed]:
        """The latest runs, the newest first by the date that they say they have."""
        found = [self._describe(path) for path in self._files()[:LISTED]]
        return sorted(found, key=lambda each: (each.date, each.name), reverse=True)

    def load(self, name: object) -> Run:
        """The run with this name. Raises UsageError if there is none, or if its file can't be read."""
        return self._read(self._path(name))

    def _read(self, path: Path) -> Run:
        key = _stamp(path)
        with self._lock:
            if key not in self._runs:
                _drop_oldest(self._runs)
                try:
                    self._runs[key] = load_run(path)
                except UsageError as error:
                    raise UsageError(
                        f"{path.name} can't be read as the results of a run.", "Choose another one, or remove the file."
                    ) from error
            return self._runs[key]

    def estimates(self, name: object) -> Mapping[str, Estimate | None]:
        """A run's main measures with their intervals."""
        run, key = self.load(name), _stamp(self._path(name))
        with self._lock:
            if key not in self._estimates:
                _drop_oldest(self._estimates)
                self._estimates[key] = estimates(run.rows, {each: MEASURES[each] for each in OF_A_RUN})
            return self._estimates[key]

    def compared(self, first: object, second: object) -> Comparison:
        """Two runs side by side, on the questions that both were asked. Raises UsageError if there are none."""
        if first == second:
            raise UsageError("A run doesn't differ from itself.", "Choose another one.")
        runs = [self.load(first), self.load(second)]
        key = tuple(_stamp(self._path(name)) for name in (first, second))
        with self._lock:
            if key not in self._comparisons:
                _drop_oldest(self._comparisons)
                self._comparisons[key] = compare(runs, {each: MEASURES[each] for each in COMPARED})
            return self._comparisons[key]

    def _describe(self, path: Path) -> Listed:
        key = _stamp(path)
        if key not in self._listed:
            try:
                self._listed[key] = describe(self._read(path))
            except UsageError as error:
                self._listed[key] = Listed(path.stem, problem=error.problem)
        return self._listed[key]

    def _files(self) -> list[Path]:
        files = [path for path in self.folder.glob("*.json") if path.is_file()] if self.folder.is_dir() else []
        files = [path for path in files if not (self.public and self._is_private(path))]
        return sorted(files, key=lambda path: (_stamp(path)[1], path.name), reverse=True)

    def _is_private(self, path: Path) -> bool:
        """Whether a run asked a person's own questions; what can't be read says nothing, and isn't shown either."""
        key = _stamp(path)
        if key not in self._private:
            try:
                self._private[key] = self._read(path).about.get("form") == "plain"
            except UsageError:
                self._private[key] = True
        return self._private[key]

    def _path(self, name: object) -> Path:
        found = next((path for path in self._files() if path.stem == name), None)
        if found is None:
            raise UsageError("There is no run with this name any more.", "Choose another one from the list.")
        return found


def describe(run: Run) -> Listed:
    """What the list says of a run."""
    found = estimates(run.rows, {name: MEASURES[name] for name in FIGURES})
    library = run.about.get("library")
    return Listed(
        run.name,
        str(run.about.get("date") or "")[:16].replace("T", " "),
        len(run.rows),
        str(library.get("insights", "?")) if isinstance(library, Mapping) else "?",
        found,
        MEASURES["seconds_p50"].score(run.rows),
    )


def best_of(listed: Sequence[Listed], name: str) -> str:
    """The run that one most likely wants to compare with: the next older one, else any other."""
    names = [each.name for each in listed if not each.problem]
    at = names.index(name) if name in names else -1
    return names[at + 1] if 0 <= at < len(names) - 1 else next((other for other in names if other != name), "")


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        state = path.stat()
    except OSError:  # it was removed this moment
        return path.stem, 0, 0
    return path.stem, state.st_mtime_ns, state.st_size


def _drop_oldest(kept: dict[K, V]) -> None:
    while len(kept) >= _KEPT:
        kept.pop(next(iter(kept)))
