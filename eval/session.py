"""The library that a run asks, and whoever answers from it.

A run never asks a person's library itself, but a temporary one or a copy: what is hidden from single questions, the
vectors of another embedder, and whatever else a run leaves, must not be found in it afterwards.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.insight import Insight
from eval.questions import Question
from rag.config import Config
from rag.datatypes import Answer, Turn
from rag.models import Report, silent

if TYPE_CHECKING:
    from corpus.library import Library

AnswerFn = Callable[[str, Sequence[Turn]], Answer]
Prepare = Callable[[Question], None]


def nothing(question: Question) -> None:
    """The Prepare that has nothing to do."""


@dataclass(frozen=True, slots=True)
class Session:
    """Whoever answers. `prepare` is called with each question before it is asked; its time isn't the answer's."""

    ask: AnswerFn
    prepare: Prepare = nothing
    models: Mapping[str, str] = field(default_factory=dict)  # part -> fingerprint of its weights


Opener = Callable[["Library", Sequence[Insight], Config, Report], Session]


@contextmanager
def temporary_library(like: str | Path | None = None) -> Iterator["Library"]:
    """A library in a temporary folder: an empty one, or a copy of the one that `like` names, vectors included.

    Raises LibraryError if that one can't be opened.
    """
    from corpus.library import open_library  # here, so that whoever only reads results doesn't wait for it

    # Files may still be open on an error's way out: a folder that can't be removed must not hide the error.
    temporary = tempfile.TemporaryDirectory(prefix="footnoted-eval-", ignore_cleanup_errors=True)
    with temporary as folder:
        path = Path(folder) / "library"
        if like is not None:
            _copy(like, path)
        with open_library(path, create=True) as library:
            yield library


def open_session(
    library: "Library", insights: Sequence[Insight], config: Config, report: Report, without: Sequence[str] = ()
) -> Session:
    """The real pipeline over a temporary library, in which each question finds what it may see of these insights.

    The library may hold any part of them. Its index is brought up to date before a question is asked. `without` names
    what is taken out of the pipeline (eval/ablations.py).
    """
    from eval.ablations import ablated
    from rag.pipeline import open_pipeline

    pipeline = replace(open_pipeline(library, config, report), report=silent)  # embedding single insights is no news
    pipeline = ablated(pipeline, without)
    models = {part: getattr(pipeline, part).fingerprint for part in ("embedder", "reader", "writer")}
    shown: tuple[object, object] | None = None  # what the last question could see

    def prepare(question: Question) -> None:
        nonlocal shown
        if (question.among, question.without) != shown:
            arrange(library, insights, question)
            _ = pipeline.index
            shown = question.among, question.without

    return Session(pipeline.ask, prepare, models)


def arrange(library: "Library", insights: Sequence[Insight], question: Question) -> None:
    """Make a temporary library hold exactly what a question may see of these insights."""
    wanted = visible(insights, question)
    held = {insight.insight_id for insight in library.insights()}
    library.remove(held - {insight.insight_id for insight in wanted})
    library.add(insight for insight in wanted if insight.insight_id not in held)


def visible(insights: Sequence[Insight], question: Question) -> list[Insight]:
    """The insights that the library may hold while a question is asked."""
    among, without = set(question.among), set(question.without)
    return [each for each in insights if (not among or each.insight_id in among) and each.insight_id not in without]


def _copy(name: str | Path, path: Path) -> None:
    """Copy a library as it is now, also what SQLite hasn't yet written into its main file."""
    from corpus.database import Database, explained
    from corpus.library import library_address, open_library
    from corpus.migrate import migrate

    if library_address(name) is not None:
        migrate(str(name), str(path))
        return
    with (
        open_library(name) as library,
        closing(Database(library.path)) as database,
        explained(library.path),
        closing(sqlite3.connect(path)) as copy,
    ):
        database.connection().backup(copy)
