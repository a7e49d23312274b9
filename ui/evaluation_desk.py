"""The evaluation tab behind the page: runs listed, shown, compared and started. No Gradio here.

Whatever a browser names is looked up among what is there; nothing that it sends is made into a path.
"""

import asyncio
import copy
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from corpus.errors import FootnotedError, UsageError
from eval.html import page
from eval.intervals import estimates
from eval.measures import MEASURES
from eval.rows import Row
from eval.session import Opener
from eval.stages import STAGES
from ui import evaluation_view as view
from ui.evaluation_runs import Runs, best_of, results_folder
from ui.evaluation_view import BY, LISTABLE, MOST_ROWS, ROWS, Filter
from ui.evaluation_worker import Progress, QuestionSet, Worker, question_sets
from ui.handlers import UNEXPECTED, Desk, Library

BETWEEN = 0.5  # seconds between two looks at how far a run is
LONGEST = 300  # characters of a name or a search
VISITOR = "Only who sits at this machine starts runs here: without a log-in nobody else is known."

log = logging.getLogger(__name__)


class EvaluationDesk:
    """Runs in a folder of results (default: `results_folder()`), and the one that is under way.

    `sets` gives the questions that may be asked, and `opener` whoever answers them; a test gives its own. What `public`
    makes of it is the same for everybody: neither a person's own questions nor runs of them.
    """

    def __init__(
        self,
        desk: Desk,
        folder: Path | None = None,
        sets: Callable[[], Mapping[str, QuestionSet]] | None = None,
        opener: Opener | None = None,
    ) -> None:
        self.runs = Runs(folder or results_folder())
        self.worker = Worker(desk, self.runs.folder, opener)
        self._starts = True
        self._others: dict[bool, EvaluationDesk] = {}
        self._engine = desk.engine  # its library may become another one
        self._sets = sets or self._own_sets

    def public(self, *, starts: bool = True) -> "EvaluationDesk":
        """The same desk, with the same run under way, for those who aren't alone at it.

        Who only happens to come by, without a password, starts and stops no run: it takes the models for minutes.
        """
        if starts not in self._others:
            other = copy.copy(self)
            other.runs = Runs(self.runs.folder, public=True)
            other._sets = lambda: {key: each for key, each in self._sets().items() if not each.own}
            other._starts = starts
            self._others[starts] = other
        return self._others[starts]

    # ---------------------------------------------------------------------------------------------------- the list

    def listing(self, chosen: object = "") -> str:
        """All runs, the newest first; `chosen` is the one that is shown."""
        try:
            name = chosen if isinstance(chosen, str) else ""
            return view.runs_list(self.runs.listed(), self.runs.folder.name, name)
        except FootnotedError as error:
            return view.problem(str(error))
        except Exception:
            log.exception("the runs can't be listed")
            return view.problem(UNEXPECTED)

    def nothing(self) -> str:
        """What stands where a run will be shown."""
        return view.nothing_chosen(empty=not self.runs.names())

    # --------------------------------------------------------------------------------------------------- one or two

    def show(self, name: object) -> tuple[str, str]:
        """A run, and its questions."""

        def shown() -> tuple[str, str]:
            run = self.runs.load(name)
            names = [other for other in self.runs.names() if other != run.name]
            likely = best_of(self.runs.listed(), run.name)
            others = [*([likely] if likely in names else []), *(other for other in names if other != likely)]
            return view.run_page(run, self.runs.estimates(name), others), self._rows(name, Filter(), ROWS)

        return _guarded(shown)

    def compare(self, first: object, second: object) -> tuple[str, str]:
        """Two runs side by side, and the questions that changed."""

        def shown() -> tuple[str, str]:
            found = self.runs.compared(first, second)
            return view.comparison_page(found), view.changes_part(found, BY)

        return _guarded(shown)

    def rows(self, wanted: Mapping[str, object]) -> str:
        """The questions of a run that pass a filter, or those of two runs that changed by a measure."""

        def shown() -> tuple[str, str]:
            limit = wanted.get("limit")
            limit = min(max(limit, ROWS), MOST_ROWS) if isinstance(limit, int) else ROWS
            if wanted.get("second"):
                by = wanted.get("by")
                compared = self.runs.compared(wanted.get("first"), wanted.get("second"))
                return "", view.changes_part(compared, by if isinstance(by, str) and by in LISTABLE else BY, limit)
            stage = _text(wanted.get("stage"))
            chosen = Filter(
                _text(wanted.get("find")),
                stage if stage in STAGES or stage == "lost" else "",
                _text(wanted.get("kind")),
                _text(wanted.get("status")),
            )
            return "", self._rows(wanted.get("name"), chosen, limit)

        said, part = _guarded(shown)
        return said or part

    def _rows(self, name: object, chosen: Filter, limit: int) -> str:
        run = self.runs.load(name)
        shown = (each.row for each in view.shown_rows(run, chosen)[:limit])
        return view.rows_part(run, chosen, insight_texts(self._engine.library, shown), limit)

    # --------------------------------------------------------------------------------------------------- a new run

    def start_panel(self, notice: str = "") -> str:
        """The part that starts a run, and shows how far one is."""
        progress = self.worker.progress
        if self.runs.public and progress.own:  # that there is one, and no more
            progress = replace(progress, title="A run", said="") if progress.running else Progress()
        return view.start_panel(list(self._sets().values()), progress, notice, "" if self._starts else VISITOR)

    def start(self, key: object, limit: object) -> str:
        """Begin a run; what to say if that can't be done, else nothing."""
        try:
            if not self._starts:
                raise UsageError(VISITOR, "Ask them to.")
            sets = self._sets()
            if not isinstance(key, str) or key not in sets:
                raise UsageError("These questions aren't there any more.", "Choose others.")
            self.worker.start(sets[key], _count(limit))
        except FootnotedError as error:
            return str(error)
        return ""

    def stop(self) -> None:
        """End the run that is under way, for whoever might have started it."""
        if self._starts:
            self.worker.stop()

    async def watch(self, notice: str = "") -> AsyncGenerator[tuple[str, str | None], None]:
        """The start panel as the run goes on, twice a second at most; with its end, the list of runs too."""
        before: Progress | None = None
        while True:
            now = self.worker.progress
            if now != before:
                ended = before is not None and before.running and not now.running
                panel = await asyncio.to_thread(self.start_panel, notice)
                yield panel, await asyncio.to_thread(self.listing, now.saved) if ended else None
            before = now
            if not now.running:
                return
            await asyncio.sleep(BETWEEN)

    def _own_sets(self) -> Mapping[str, QuestionSet]:
        path = getattr(self._engine.library, "path", None)
        return question_sets(path if isinstance(path, Path) and path.exists() else None)


def report_page(runs: Runs, name: str, library: Library) -> str:
    """The report of a run as a page of its own, with the texts of those insights that the library holds.

    Raises UsageError if there is no such run.
    """
    run = runs.load(name)
    return page(run, estimates(run.rows, MEASURES), insight_texts(library, run.rows))


def insight_texts(library: Library, rows: Iterable[Row]) -> dict[str, str]:
    """The texts of the insights that are cited or gold in these rows, as far as the library has them."""
    ids = dict.fromkeys(id_ for row in rows for id_ in (*row.gold, *row.cited))
    found = {id_: library.get(id_) for id_ in ids}
    return {id_: insight.text for id_, insight in found.items() if insight is not None}


def _guarded(shown: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """What is shown, or a sentence in its place."""
    try:
        return shown()
    except FootnotedError as error:
        return view.problem(str(error)), ""
    except Exception:
        log.exception("a run can't be shown")
        return view.problem(UNEXPECTED), ""


def _text(value: object) -> str:
    return value[:LONGEST] if isinstance(value, str) else ""


def _count(value: object) -> int:
    """The number that a field of the page holds; the browser sends it as text."""
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise UsageError("It isn't said how many questions to ask.", "Give a number, such as 20.")
    return int(text)
