"""What the page does: async generators over the engine, with no Gradio in them.

The engine is synchronous, so each question runs in a worker thread and its steps come through a queue. A
heartbeat notices a reader who left, even in the middle of a long prefill; `stopped` then frees the model.
"""

import asyncio
import contextlib
import logging
import secrets
import threading
import time
import unicodedata
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from corpus.browse import Facet, Selection
from corpus.errors import FootnotedError, ModelError, UsageError
from corpus.filters import EVERYTHING, Filter, filter_from
from corpus.insight import Insight
from rag.datatypes import Answer, Coming, Hit, Phase, Step, Turn
from rag.stances import Stand
from ui import render
from ui.record import answer_text, hit_record, number, record
from ui.render import Exchange
from ui.stances_view import stand_record
from ui.turns import Ticket, Turns

MAX_QUESTION = 2000  # characters
MAX_TURNS = 30  # exchanges that a page keeps; the oldest go first, with their sources
REMEMBERED = 4  # earlier exchanges that a follow-up question may refer to
RELATED = 3  # neighbours on a source's card
MOST_STANDS = 20  # insights that are held against a claim: the model may have to read each

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

    def linked(self, ids: Sequence[str], /) -> dict[str, tuple[str, ...]]:
        """For each of these ids that has near-duplicates: their ids."""
        ...

    def values(self, name: str, /) -> list[str]:
        """Its authors, sources, tags or years."""
        ...

    def passing(self, filters: Filter, limit: int = 0, /) -> tuple[int, list[int]]:
        """How many insights pass a filter, and keys of the newest."""
        ...

    def browse(self, selection: Selection, offset: int = 0, limit: int | None = None) -> list[Insight]:
        """The selected insights in their order."""
        ...

    def facets(self, selection: Selection, /) -> tuple[int, list[Facet]]:
        """How many insights are selected, and the values of each facet among them."""
        ...


class Engine(Protocol):
    """What answers. `search` and `related` may be called while a `stream` runs in another thread."""

    @property
    def library(self) -> Library:
        """The library that is asked."""
        ...

    def stream(
        self,
        question: str,
        history: Sequence[Turn] = (),
        stopped: Callable[[], bool] = lambda: False,
        filters: Filter = EVERYTHING,
        as_typed: bool = False,
    ) -> Iterator[Step]:
        """Snapshots of the answer on its way; the last one has the phase DONE."""
        ...

    def quoted(self, question: str, filters: Filter = EVERYTHING) -> Answer:
        """The answer in quotes alone: whether the library answers."""
        ...

    def search(self, query: str, k: int = 10, filters: Filter = EVERYTHING) -> list[Hit]:
        """The k hits nearest in meaning."""
        ...

    def related(self, insight_id: str, k: int = 5) -> list[Hit]:
        """The nearest neighbours of an insight."""
        ...

    def check_claim(self, claim: str, k: int = 6, filters: Filter = EVERYTHING) -> list[Stand]:
        """Where the nearest insights stand on a claim."""
        ...


@runtime_checkable
class Changing(Protocol):
    """An engine that may be on its way to another embedder."""

    coming: Coming | None


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds, but for the last; a test sets shorter ones."""

    total: float = 180.0  # of waiting for the model, and then again of answering
    heartbeat: float = 0.5
    between_updates: float = 0.1  # each update is a comparison and a change of the page: ten a second are enough
    waiting: int = 64  # questions in the queue for the model; the next one is refused


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation. It lives on the server: what a browser sends can't put words into an answer's mouth."""

    exchanges: tuple[Exchange, ...] = ()
    keys: tuple[str, ...] = ()  # of each exchange: under it the exchange is saved
    conversation: str = ""  # the id under which it is saved; none before the first answer
    kept: frozenset[str] = frozenset()  # the keys of what is saved
    editing: bool = False  # the last question is being changed: the next one takes its place

    @property
    def history(self) -> tuple[Turn, ...]:
        """The finished exchanges that a follow-up may refer to."""
        finished = [e for e in self.exchanges if e.done and e.answer is not None]
        return tuple(Turn(e.question, answer_text(e.answer)) for e in finished[-REMEMBERED:] if e.answer is not None)

    def with_last(self, exchange: Exchange) -> "Talk":
        """This conversation with its last exchange replaced."""
        return replace(self, exchanges=(*self.exchanges[:-1], exchange))

    def with_next(self, question: str) -> "Talk":
        """This conversation with a new question."""
        turn = self.exchanges[-1].turn + 1 if self.exchanges else 0
        exchanges = (*self.exchanges, Exchange(turn, question))[-MAX_TURNS:]
        keys = (*self.keys, secrets.token_urlsafe(9))[-MAX_TURNS:]
        return replace(self, exchanges=exchanges, keys=keys, editing=False)

    def with_instead(self, question: str) -> "Talk":
        """This conversation with another question in the place of the last one."""
        last = Exchange(self.exchanges[-1].turn, question)
        return replace(self.with_last(last), kept=self.kept - {self.keys[-1]}, editing=False)


@dataclass(frozen=True, slots=True)
class Deleted:
    """The conversation that a page deleted last; until then, by the machine's clock, it can be brought back."""

    conversation: str = ""
    was_open: bool = False
    until: float = 0.0


class Switch:
    """A session's stop button and what else its events must agree on: the only mutable thing in a session."""

    def __init__(self) -> None:
        self.busy = False
        self.stop = False
        self.run = 0  # which answer may still change the page
        self.secret = ""  # what the page got for its browser to keep
        self.opened = ""  # the id of the conversation on the page, if it is a saved one
        self.sought = ""  # what the list of conversations is searched for
        self.deleted = Deleted()
        self.settled = False  # the page has been told which conversation it shows
        self.warned = False  # the reader knows that conversations can't be saved
        self.rated: dict[tuple[int, str], str] = {}  # turn and question -> what was said when the answer was rated

    def forget(self) -> None:
        """End the answer on its way without another word: its conversation is gone."""
        self.run += 1
        self.busy = False


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows now.

    `taken`: the question was accepted, so the question box can be emptied. `last`: its answer is there, and saved.
    """

    talk: Talk
    notice: str = ""
    taken: bool = False
    last: bool = False
    rated: Mapping[tuple[int, str], str] = field(default_factory=dict)  # turn and question -> what is said of a rating

    @property
    def thread(self) -> str:
        """The conversation as HTML."""
        return render.thread(self.talk.exchanges, self.notice, self.rated)

    @property
    def sources(self) -> str:
        """The sources panel as HTML."""
        return render.sources(self.talk.exchanges)


Keep = Callable[[Talk], tuple[Talk, str]]  # saves a conversation; a sentence says if that failed


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
        self._turns = Turns()
        self._search = threading.Lock()

    # ------------------------------------------------------------------------------------------------------- asking

    async def ask(
        self,
        question: object,
        talk: Talk,
        switch: Switch,
        keep: Keep | None = None,
        instead: bool = False,
        filters: Filter = EVERYTHING,
        as_typed: bool = False,
    ) -> AsyncGenerator[View, None]:
        """Answer on the page; yields at least every heartbeat, so that a reader who left is noticed.

        `keep` saves the conversation once the answer is there. With `instead` the question takes the place of the last.
        Only insights that pass the filter are asked; unless `as_typed`, the question's words may say a narrower one.
        """
        try:
            asked = check(question)
            if switch.busy:
                raise UsageError("An answer is still being written.", "Wait for it, or stop it first.")
        except UsageError as error:
            yield View(talk, notice=str(error), rated=switch.rated)
            return
        instead = instead and bool(talk.exchanges)
        before = talk
        history = (replace(talk, exchanges=talk.exchanges[:-1]) if instead else talk).history
        talk = talk.with_instead(asked) if instead else talk.with_next(asked)
        exchange = talk.exchanges[-1]
        rated = switch.rated.pop((exchange.turn, exchange.question), "")
        switch.forget()
        switch.busy, switch.stop, run = True, False, switch.run
        try:
            try:
                yield View(talk, taken=True, rated=switch.rated)
                async with contextlib.aclosing(self._steps(asked, history, filters, as_typed)) as steps:
                    async for step in steps:
                        if switch.run != run:
                            return
                        if switch.stop:
                            exchange = replace(exchange, stopped=True)
                            break
                        if isinstance(step, Step):
                            exchange = replace(exchange, answer=step.answer, phase=step.phase, waiting=False, ahead=0)
                        elif exchange.phase is None:
                            exchange = replace(exchange, waiting=step > 0, ahead=step)
                        if exchange.done:  # it is shown once it is saved: who then leaves at once loses nothing
                            break
                        yield View(talk.with_last(exchange), rated=switch.rated)
                if exchange.busy:  # the engine ended without a last step
                    raise RuntimeError(f"the engine stopped in phase {exchange.phase}")
            except FootnotedError as error:
                exchange = replace(exchange, problem=str(error))
            except Exception:
                log.exception("a question failed")
                exchange = replace(exchange, problem=UNEXPECTED)
            talk, fault = talk.with_last(exchange), ""
            if exchange.problem and instead and _answers(before, asked):  # an answer is worth more than a failure
                talk, fault = before, f"{exchange.problem} The answer that stood there before is still there."
                switch.rated.update({(exchange.turn, exchange.question): rated} if rated else {})
            talk, notice = await asyncio.to_thread(self._finish, talk, keep)
            notice = " ".join(filter(None, (fault, notice)))
            if switch.run != run:
                return
            switch.opened, switch.busy = talk.conversation, False
            yield View(talk, notice=notice, last=True, rated=switch.rated)
        finally:
            if switch.run == run:
                switch.busy = False

    def _finish(self, talk: Talk, keep: Keep | None) -> tuple[Talk, str]:
        """The conversation with its last answer complete, and saved; a sentence if that failed."""
        if talk.exchanges[-1].done:
            talk = talk.with_last(self._with_related(talk.exchanges[-1]))
        return keep(talk) if keep is not None else (talk, "")

    def _with_related(self, exchange: Exchange) -> Exchange:
        """The exchange with the neighbours of each insight that its answer cites."""
        cited = number(exchange.answer) if exchange.answer else {}
        try:
            with self._search:
                near = [(id_, self.engine.related(id_, RELATED)) for id_ in cited]
        except Exception:  # they are an extra: the answer stands
            log.exception("no related insights for %s", ", ".join(cited))
            return exchange
        rows = ((id_, tuple(hit.insight for hit in hits if hit.insight.insight_id != id_)) for id_, hits in near)
        return replace(exchange, related=tuple((id_, insights) for id_, insights in rows if insights))

    async def record(self, question: object, history: object = None, filters: object = None) -> dict[str, Any]:
        """Answer for the API: the finished answer as data. Raises FootnotedError."""
        answer: Answer | None = None
        asking = self.steps(question, turns_of(history), filter_of_api(filters))
        async with contextlib.aclosing(asking) as steps:
            async for step in steps:
                if isinstance(step, Step):
                    answer = step.answer
        assert answer is not None  # without one `steps` raises
        return record(answer)

    async def steps(
        self, question: object, history: Sequence[Turn] = (), filters: Filter = EVERYTHING
    ) -> AsyncGenerator[Step | int, None]:
        """An answer on its way, for other programs: its steps, the last one DONE, and between them heartbeats.

        A heartbeat is the number of questions that are answered before this one. Raises FootnotedError.
        """
        asked = check(question)
        last: Step | None = None
        try:
            async with contextlib.aclosing(self._steps(asked, history, filters)) as steps:
                async for step in steps:
                    last = step if isinstance(step, Step) else last
                    yield step
        except FootnotedError:
            raise
        except Exception as error:
            log.exception("a question failed")
            raise ModelError("Something went wrong here and was logged.", "Ask again.") from error
        if last is None or last.phase is not Phase.DONE:
            raise ModelError("The answer broke off.", "Ask again.")

    async def _steps(
        self, question: str, history: Sequence[Turn], filters: Filter, as_typed: bool = False
    ) -> AsyncGenerator[Step | int, None]:
        """The engine's steps, at most ten a second; for each heartbeat without one how many questions are before it."""
        ticket = self._turns.join(self.limits.waiting)
        narrowed: dict[str, Any] = {"filters": filters} if filters else {}
        narrowed |= {"as_typed": True} if as_typed else {}
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Step | BaseException | _Mark] = asyncio.Queue()
        stopped = threading.Event()

        def hand_over(item: Step | BaseException | _Mark) -> None:
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, item)
            except RuntimeError:  # the loop is closed: the server is going down
                stopped.set()

        worker = threading.Thread(
            target=self._work,
            args=(question, history, narrowed, ticket, stopped, hand_over),
            name="footnoted-answer",
            daemon=True,
        )
        try:
            worker.start()
        except RuntimeError:  # no more threads: then nobody would give the place up
            self._turns.leave(ticket)
            raise
        deadline = time.monotonic() + self.limits.total
        try:
            while True:
                items = await _next_items(arrived, self.limits.heartbeat)
                if _STARTED in items:
                    deadline = time.monotonic() + self.limits.total
                steps = [item for item in items if isinstance(item, Step)]
                if steps or not items:
                    yield steps[-1] if steps else self._turns.ahead(ticket)
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
        narrowed: Mapping[str, Any],
        ticket: Ticket,
        stopped: threading.Event,
        hand_over: Callable[["Step | BaseException | _Mark"], None],
    ) -> None:
        try:
            if not self._turns.wait(ticket, stopped.is_set):
                return
            hand_over(_STARTED)
            for step in self.engine.stream(question, history, stopped.is_set, **narrowed):
                if stopped.is_set():
                    break
                hand_over(step)
        except BaseException as error:
            hand_over(error)
        finally:
            self._turns.leave(ticket)
            hand_over(_ENDED)

    @contextlib.contextmanager
    def model(self, stopped: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """The model, for work that is no answer on the page; waits for its turn. False if `stopped()` came before."""
        ticket = self._turns.join()
        try:
            yield self._turns.wait(ticket, stopped)
        finally:
            self._turns.leave(ticket)

    # ------------------------------------------------------------------------------------------------------ library

    def header(self) -> str:
        """The head of the page."""
        library = self.engine.library
        return render.header(library.name, library.count(), self.coming)

    @property
    def coming(self) -> Coming | None:
        """The embedder that is to take the place of the present one, if there is one."""
        return self.engine.coming if isinstance(self.engine, Changing) else None

    def search(self, query: object, k: object = 10, filters: object = None) -> list[dict[str, Any]]:
        """The nearest insights for the API."""
        asked = check(query)
        count = min(max(k, 1), 50) if isinstance(k, int) else 10
        narrowed = filter_of_api(filters)
        with self._search:
            hits = self.engine.search(asked, count, narrowed)
        return [hit_record(hit) for hit in hits]

    def found(self, insight_id: object) -> Insight:
        """An insight for the API. Raises UsageError if there's none with this id."""
        insight = self.engine.library.get(insight_id) if isinstance(insight_id, str) else None
        if insight is None:
            raise UsageError("No insight has this id.", "Search for it: what is found comes with its id.")
        return insight

    def related(self, insight_id: object, k: object = 5) -> list[dict[str, Any]]:
        """The nearest other insights for the API. Raises UsageError if there's none with this id."""
        insight = self.found(insight_id)
        count = min(max(k, 1), 50) if isinstance(k, int) else 5
        with self._search:
            hits = self.engine.related(insight.insight_id, count)
        return [hit_record(hit) for hit in hits]

    def check_claim(self, claim: object, k: object = 6, filters: object = None) -> list[dict[str, Any]]:
        """Where the nearest insights stand on a claim, for the API; waits for the model, which reads some of them."""
        said, narrowed = check(claim), filter_of_api(filters)
        count = min(max(k, 1), MOST_STANDS) if isinstance(k, int) else 6
        deadline = time.monotonic() + self.limits.total
        with self.model(lambda: time.monotonic() > deadline) as mine:
            if not mine:
                raise ModelError("Others ask the model all the time.", "Try it again later.")
            return [stand_record(stand) for stand in self.engine.check_claim(said, count, narrowed)]


def _answers(talk: Talk, question: str) -> bool:
    """Whether the conversation ends with a finished answer to this question."""
    return talk.exchanges[-1].done and talk.exchanges[-1].question == question


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


def filter_of_api(given: object) -> Filter:
    """The API's filter, {"authors": […], "since": …}. Raises UsageError if it is none."""
    if given is None:
        return EVERYTHING
    if not isinstance(given, dict):
        raise UsageError("The filter has the wrong form.", 'Write it as {"authors": ["…"], "since": "2024"}.')
    return filter_from(given)


def turns_of(history: object) -> tuple[Turn, ...]:
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
