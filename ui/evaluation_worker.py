"""A small run, started from the page: asked question by question, in turn with the people who ask on the page.

    QuestionSet ─► eval.run.evaluate, in a thread ─► the desk's one model ─► a results file in the folder of runs

There is one run at a time. It asks with the models that the page has loaded already, and never asks the person's
library itself but a copy of it (eval/session.py).
"""

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.errors import FootnotedError, UsageError
from corpus.insight import Insight
from corpus.places import data_dir
from eval.questions import Question
from eval.run import evaluate
from eval.session import Opener, Session, arrange
from rag.config import Config
from rag.datatypes import Answer, Turn
from rag.models import Report, silent
from rag.pipeline import Pipeline
from ui.handlers import UNEXPECTED, Desk

if TYPE_CHECKING:
    from corpus.library import Library

MOST = 200  # questions of a run that is started here; more are for the command line
USUAL = 20
SHIPPED = Path(__file__).resolve().parents[1] / "eval" / "questions"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions that can be asked from the page, and which insights they are asked to."""

    key: str
    title: str
    folder: Path
    split: str | None = None
    with_folders: tuple[Path, ...] = ()
    library: Path | None = None  # asked instead of the insights that come with the questions

    @property
    def own(self) -> bool:
        """Whether a person made them: then nobody else may see them."""
        return self.library is not None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the run is. With `saved`, the name under which its results lie; with `problem`, why it has none."""

    title: str = ""
    own: bool = False  # the questions are a person's own
    running: bool = False
    done: int = 0
    total: int = 0
    said: str = ""  # what it does before it asks
    seconds: float = 0.0  # since the first question, as of the last one
    asked: int = 0  # questions in those seconds
    stopped: bool = False
    saved: str = ""
    problem: str = ""

    @property
    def left(self) -> float | None:
        """About how many seconds are left, as soon as that can be told."""
        return self.seconds / self.asked * (self.total - self.done) if self.asked and self.running else None


def question_sets(library: Path | None, shipped: Path = SHIPPED) -> dict[str, QuestionSet]:
    """What can be asked: the shipped questions that are there, and the person's own about the served library."""
    found = []
    benchmark = shipped / "insightqa"
    for split, others in (("dev", ("train", "test")), ("train", ("dev", "test"))):
        if any((benchmark / split).glob("*.json")):
            distractors = tuple(benchmark / other for other in others if any((benchmark / other).glob("*.json")))
            found.append(QuestionSet(f"insightqa-{split}", f"InsightQA {split}", benchmark, split, distractors))
    own = [data_dir() / "questions.jsonl", Path("questions.jsonl")]
    if library is not None:
        there = list(dict.fromkeys(file.resolve() for file in own if file.is_file() and file.stat().st_size))
        for number, file in enumerate(there):
            title = "Your own questions" if not number else "Your own questions, in the folder where Footnoted runs"
            found.append(QuestionSet(f"own-{number}", title, file, library=library))
    return {each.key: each for each in found}


class Worker:
    """Runs one evaluation at a time. Its `progress` may be read at any time."""

    def __init__(self, desk: Desk, folder: Path, opener: Opener | None = None) -> None:
        self.folder = folder
        self.progress = Progress()
        self._desk = desk
        self._opener = opener or self._open
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._began = 0.0
        self._before = 0  # questions that an earlier run had asked already

    def start(self, chosen: QuestionSet, limit: int) -> None:
        """Begin a run. Raises UsageError while another one is under way, and for a limit that isn't from 1 to MOST."""
        if not 1 <= limit <= MOST:
            raise UsageError(
                f"A run from here can't have {limit:,} questions.",
                f"Choose from 1 to {MOST}, or use `footnoted eval run` for more.",
            )
        with self._lock:
            if self.progress.running:
                raise UsageError("A run is under way already.", "Wait for its end, or stop it first.")
            self._stopped.clear()
            self._began = 0.0
            self.progress = Progress(chosen.title, chosen.own, running=True, total=limit, said="Reading the questions")
        threading.Thread(target=self._work, args=(chosen, limit), name="footnoted-evaluation", daemon=True).start()

    def stop(self) -> None:
        """End the run after the question that it is at. What was asked is kept: the same run goes on from there."""
        self._stopped.set()

    def _work(self, chosen: QuestionSet, limit: int) -> None:
        end = replace(self.progress, running=False, problem=UNEXPECTED)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            before = {path.name for path in self.folder.glob("*.json")}
            evaluate(
                chosen.folder,
                chosen.with_folders,
                chosen.split,
                limit,
                self._config(),
                json_file=self.folder,
                report=self._report,
                opener=self._opener,
                command=f"from the page: {chosen.title}, {limit} questions",
                library=chosen.library,
            )
            new = [path for path in self.folder.glob("*.json") if path.name not in before]
            saved = max(new, key=lambda path: path.stat().st_mtime_ns).stem if new else ""
            end = replace(self.progress, running=False, said="", saved=saved)
        except KeyboardInterrupt:
            end = replace(self.progress, running=False, said="", stopped=True)
        except FootnotedError as error:
            end = replace(self.progress, running=False, said="", problem=str(error))
        except OSError as error:
            said = f"The results can't be written ({error.strerror or error}). Check the disk and the folder's rights."
            end = replace(self.progress, running=False, said="", problem=said)
        except Exception:
            log.exception("a run failed")
        finally:
            self.progress = end

    def _config(self) -> Config:
        engine = self._desk.engine
        return engine.config if isinstance(engine, Pipeline) else Config()

    def _report(self, text: str, done: int, total: int) -> None:
        """Take note of how far it is. It is called between questions too: here a run is stopped."""
        self._check()
        if text == "asking":
            if not self._began:
                self._began, self._before = time.monotonic(), max(0, done - 1)
            took, asked = time.monotonic() - self._began, done - self._before - 1
            self.progress = replace(self.progress, done=done, total=total, said="", seconds=took, asked=max(0, asked))
        else:
            self.progress = replace(self.progress, said=f"{text}: {done:,} of {total:,}" if total else text)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise KeyboardInterrupt  # as at a terminal: `evaluate` then keeps what was asked

    def _open(self, library: "Library", insights: Sequence[Insight], config: Config, report: Report) -> Session:
        """The models that the page answers with, over another library. They are used in turn with the page."""
        engine = self._desk.engine
        if not isinstance(engine, Pipeline):
            raise UsageError("Whoever answers here can't be asked about another library.", "Use `footnoted eval run`.")
        pipeline = Pipeline(
            library, config, engine.embedder, engine.reader, engine.writer, report=silent, check=engine.check
        )
        report("Preparing the library", 0, 0)
        with self._desk.model(self._stopped.is_set):
            self._check()
            _ = pipeline.index
        turn = contextlib.ExitStack()  # from before a question's clock starts until its answer is there
        shown: tuple[object, object] | None = None

        def prepare(question: Question) -> None:
            nonlocal shown
            self._check()
            turn.enter_context(self._desk.model(self._stopped.is_set))
            try:
                self._check()
                if (question.among, question.without) != shown:
                    arrange(library, insights, question)
                    _ = pipeline.index
                    shown = question.among, question.without
            except BaseException:
                turn.close()
                raise

        def ask(question: str, history: Sequence[Turn]) -> Answer:
            with turn:
                answer = list(pipeline.stream(question, history, self._stopped.is_set))[-1].answer
            self._check()  # an answer that was cut short is none
            return answer

        models = {part: getattr(pipeline, part).fingerprint for part in ("embedder", "reader", "writer")}
        return Session(ask, prepare, models)
