"""What the page does: async generators over the engine, with no Gradio in them.

The engine is synchronous, so each question runs in a worker thread and its steps come through a queue. A
heartbeat notices a reader who left, even in the middle of a long prefill; `stopped` then frees the model.
"""

import asyncio
import contextlib
import logging
import threading
import time
import unicodedata
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from corpus.errors import FootnotedError, ModelError, UsageError
from corpus.insight import Insight
from rag.datatypes import Hit, Phase, Step, Turn
from ui import render
from ui.record import answer_text, hit_record, record
from ui.render import Exchange, Group

MAX_QUESTION = 2000  # characters
MAX_TURNS = 30  # exchanges that a page keeps; the oldest go first, with their sources
REMEMBERED = 4  # earlier exchanges that a follow-up question may refer to
PAGE = 40  # insights that the library shows at a time
NEAR = 10

UNEXPECTED = "Something went wrong here and was logged. Ask again, or restart Footnoted if it stays."

log = logging.getLogger(__name__)


class Library(Protocol):
    """What the page needs of the library on disk."""

    @property
    def name(self) -> str:
        """What the library is called."""
        ...

    def count(self) -> int:
        """How many insights it has."""
        ...

    def get(self, insight_id: str, /) -> Insight | None:
        """The insight with this id."""
        ...

    def insights(self, query: str = "", offset: int = 0, limit: int | None = None) -> list[Insight]:
        """The insights that contain the query, in a stable order."""
        ...


class Engine(Protocol):
    """What answers. `search` and `related` may be called while a `stream` runs in another thread."""

    @property
    def library(self) -> Library:
        """The library that is asked."""
        ...

    def stream(
        self, question: str, history: Sequence[Turn] = (), stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Step]:
        """Snapshots of the answer on its way; the last one has the phase DONE."""
        ...

    def search(self, query: str, k: int = 10) -> list[Hit]:
        """The k hits nearest in meaning."""
        ...

    def related(self, insight_id: str, k: int = 5) -> list[Hit]:
        """The nearest neighbours of an insight."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds; a test sets shorter ones."""

    total: float = 180.0  # of waiting for the model, and then again of answering
    heartbeat: float = 0.5
    between_updates: float = 0.1  # each update is a comparison and a change of the page: ten a second are enough


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation. It lives on the server: what a browser sends can't put words into an answer's mouth."""

    exchanges: tuple[Exchange, ...] = ()

    @property
    def history(self) -> tuple[Turn, ...]:
        """The finished exchanges that a follow-up may refer to."""
        finished = [e for e in self.exchanges if e.done and e.answer is not None]
        return tuple(Turn(e.question, answer_text(e.answer)) for e in finished[-REMEMBERED:] if e.answer is not None)

    def with_last(self, exchange: Exchange) -> "Talk":
        """This conversation with its last exchange replaced."""
        return Talk((*self.exchanges[:-1], exchange))

    def with_next(self, question: str) -> "Talk":
        """This conversation with a new question."""
        turn = self.exchanges[-1].turn + 1 if self.exchanges else 0
        return Talk((*self.exchanges, Exchange(turn, question))[-MAX_TURNS:])


class Switch:
    """A session's stop button. The only mutable thing in a session: two events meet in it."""

    def __init__(self) -> None:
        self.busy = False
        self.stop = False
        self.run = 0  # which answer may still change the page

    def forget(self) -> None:
        """End the answer on its way without another word: its conversation is gone."""
        self.run += 1
        self.busy = False


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows now. `taken`: the question was accepted, so the question box can be emptied."""

    talk: Talk
    notice: str = ""
    taken: bool = False

    @property
    def thread(self) -> str:
        """The conversation as HTML."""
        return render.thread(self.talk.exchanges, self.notice)

    @property
    def sources(self) -> str:
        """The sources panel as HTML."""
        return render.sources(self.talk.exchanges)


def check(question: object) -> str:
    """The question, trimmed; UsageError if it can't be asked. The browser's own limits are only a courtesy."""
    if not isinstance(question, str) or not question.strip():
        raise UsageError("There is no question yet.", "Type one and press Enter.")
    question = question.strip()
    if len(question) > MAX_QUESTION:
        raise UsageError(
            f"This question has {len(question):,} characters, more than {MAX_QUESTION:,}.", "Shorten it and ask again."
        )
    if any(c not in "\n\t\r" and unicodedata.category(c) in ("Cc", "Cs") for c in question):
        raise UsageError("This question holds control characters.", "Type it anew instead of pasting it.")
    return question


class Desk:
    """The engine behind its one model lock: the page and the API take their turn at the same desk."""

    def __init__(self, engine: Engine, limits: Limits = Limits()) -> None:
        self.engine = engine
        self.limits = limits
        self._model = threading.Lock()
        self._search = threading.Lock()

    # ------------------------------------------------------------------------------------------------------- asking

    async def ask(self, question: object, talk: Talk, switch: Switch) -> AsyncGenerator[View, None]:
        """Answer on the page; yields at least every heartbeat, so that a reader who left is noticed."""
        try:
            asked = check(question)
            if switch.busy:
                raise UsageError("An answer is still being written.", "Wait for it, or stop it first.")
        except UsageError as error:
            yield View(talk, notice=str(error))
            return
        history = talk.history
        talk = talk.with_next(asked)
        exchange = talk.exchanges[-1]
        switch.forget()
        switch.busy, switch.stop, run = True, False, switch.run
        try:
            yield View(talk, taken=True)
            async with contextlib.aclosing(self._steps(asked, history)) as steps:
                async for step in steps:
                    if switch.run != run:
                        return
                    if switch.stop:
                        exchange = replace(exchange, stopped=True)
                        break
                    if step is not None:
                        exchange = replace(exchange, answer=step.answer, phase=step.phase, waiting=False)
                    elif exchange.phase is None:
                        exchange = replace(exchange, waiting=True)
                    yield View(talk.with_last(exchange))
            if exchange.busy:  # the engine ended without a last step
                raise RuntimeError(f"the engine stopped in phase {exchange.phase}")
        except FootnotedError as error:
            exchange = replace(exchange, problem=str(error))
        except Exception:
            log.exception("a question failed")
            exchange = replace(exchange, problem=UNEXPECTED)
        finally:
            if switch.run == run:
                switch.busy = False
        yield View(talk.with_last(exchange))

    async def record(self, question: object, history: object = None) -> dict[str, Any]:
        """Answer for the API: the finished answer as data. Raises FootnotedError."""
        asked, turns = check(question), _turns(history)
        last: Step | None = None
        try:
            async with contextlib.aclosing(self._steps(asked, turns)) as steps:
                async for step in steps:
                    last = step or last
        except FootnotedError:
            raise
        except Exception as error:
            log.exception("a question failed")
            raise ModelError("Something went wrong here and was logged.", "Ask again.") from error
        if last is None or last.phase is not Phase.DONE:
            raise ModelError("The answer broke off.", "Ask again.")
        return record(last.answer)

    async def _steps(self, question: str, history: Sequence[Turn]) -> AsyncGenerator[Step | None, None]:
        """The engine's steps, at most ten a second, and None for each heartbeat without one."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Step | BaseException | _Mark] = asyncio.Queue()
        stopped = threading.Event()

        def hand_over(item: Step | BaseException | _Mark) -> None:
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, item)
            except RuntimeError:  # the loop is closed: the server is going down
                stopped.set()

        threading.Thread(
            target=self._work, args=(question, history, stopped, hand_over), name="footnoted-answer", daemon=True
        ).start()
        deadline = time.monotonic() + self.limits.total
        try:
            while True:
                items = await _next_items(arrived, self.limits.heartbeat)
                if _STARTED in items:
                    deadline = time.monotonic() + self.limits.total
                steps = [item for item in items if isinstance(item, Step)]
                if steps or not items:
                    yield steps[-1] if steps else None
                for item in items:
                    if isinstance(item, BaseException):
                        raise item if isinstance(item, Exception) else RuntimeError(repr(item))  # a Rust panic, say
                    if item is _ENDED:
                        return
                if time.monotonic() > deadline:
                    raise ModelError(
                        f"This took longer than {self.limits.total:.0f} seconds and was stopped.",
                        "Ask again, or ask something narrower.",
                    )
                if steps:
                    await asyncio.sleep(self.limits.between_updates)
        finally:
            stopped.set()

    def _work(
        self,
        question: str,
        history: Sequence[Turn],
        stopped: threading.Event,
        hand_over: Callable[["Step | BaseException | _Mark"], None],
    ) -> None:
        try:
            while not self._model.acquire(timeout=0.1):
                if stopped.is_set():
                    return
            try:
                hand_over(_STARTED)
                for step in self.engine.stream(question, history, stopped.is_set):
                    if stopped.is_set():
                        break
                    hand_over(step)
            finally:
                self._model.release()
        except BaseException as error:
            hand_over(error)
        finally:
            hand_over(_ENDED)

    # ------------------------------------------------------------------------------------------------------ library

    def header(self) -> str:
        """The head of the page."""
        library = self.engine.library
        return render.header(library.name, library.count())

    def listing(self, query: object = "", limit: object = PAGE) -> str:
        """The library's list: insights that contain the query, then those near it in meaning."""
        query = " ".join(query.split())[:MAX_QUESTION] if isinstance(query, str) else ""
        limit = min(max(limit, PAGE), 2000) if isinstance(limit, int) else PAGE
        library = self.engine.library
        try:
            found = library.insights(query=query, limit=limit + 1)
            groups = [Group("Containing these words" if query else "", tuple(found[:limit]))]
            if query:
                with self._search:
                    hits = self.engine.search(query, NEAR)
                known = {insight.insight_id for insight in found}
                near = {h.insight.insight_id: h.insight for h in hits if h.insight.insight_id not in known}
                groups.append(Group("Near in meaning", tuple(near.values())))
            more = limit + PAGE if len(found) > limit else 0
            return render.listing(groups, library.count(), query, more)
        except FootnotedError as error:
            return render.listing([], 0, problem=str(error))
        except Exception:
            log.exception("a search failed")
            return render.listing([], 0, problem=UNEXPECTED)

    def insight(self, insight_id: object) -> str:
        """An insight's page, or nothing if there's no such insight (any more)."""
        insight = self.engine.library.get(insight_id) if isinstance(insight_id, str) else None
        if insight is None:
            return ""
        try:
            with self._search:
                related = self.engine.related(insight.insight_id, 5)
        except Exception:  # its neighbours are an extra: the insight itself is still worth showing
            log.exception("no related insights for %s", insight.insight_id)
            related = []
        return render.insight_page(insight, [hit for hit in related if hit.insight.insight_id != insight.insight_id])

    def search(self, query: object, k: object = 10) -> list[dict[str, Any]]:
        """The nearest insights for the API."""
        asked = check(query)
        count = min(max(k, 1), 50) if isinstance(k, int) else 10
        with self._search:
            hits = self.engine.search(asked, count)
        return [hit_record(hit) for hit in hits]


class _Mark:
    """Something other than a step that the worker reports."""


_STARTED, _ENDED = _Mark(), _Mark()


async def _next_items(
    arrived: "asyncio.Queue[Step | BaseException | _Mark]", wait: float
) -> "list[Step | BaseException | _Mark]":
    """All that has arrived; nothing if nothing does within the wait."""
    try:
        items = [await asyncio.wait_for(arrived.get(), wait)]
    except TimeoutError:
        return []
    while not arrived.empty():
        items.append(arrived.get_nowait())
    return items


def _turns(history: object) -> tuple[Turn, ...]:
    """The API's history, [[question, answer], …], as turns."""
    if history is None:
        return ()
    turns = []
    for row in history[-REMEMBERED:] if isinstance(history, list) else [None]:
        match row:
            case [str(question), str(answer)]:
                turns.append(Turn(question[:MAX_QUESTION], answer[: 4 * MAX_QUESTION]))
            case _:
                raise UsageError("The history has the wrong form.", "Give it as a list of [question, answer].")
    return tuple(turns)
