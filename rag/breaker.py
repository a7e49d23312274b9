"""A circuit breaker: after some failures in a row a server is left alone for a while, then tried with one request.

closed ── `failures` in a row ──► open ── `rest` seconds ──► trying ── it answers ──► closed
                                   ▲                            └─ it fails ─► open
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """What becomes of a request now."""

    CLOSED = "closed"  # it goes out
    OPEN = "open"  # it doesn't
    TRYING = "trying"  # one is under way, which decides


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to send one request. Whoever got it tells once how that went; what comes late no longer counts."""

    period: int  # the state changed so many times before
    trial: bool


class Breaker:
    """May be used from several threads; one for each server."""

    def __init__(self, failures: int = 3, rest: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = failures
        self._rest, self._clock = rest, clock
        self._lock = threading.Lock()
        self._state, self._period = State.CLOSED, 0
        self._in_a_row = 0
        self._until = 0.0  # when an open one may be tried; when a trial that told nothing is taken for lost

    @property
    def state(self) -> State:
        """As of now; one that is open stays so until the next request is let out for a trial."""
        return self._state

    def enter(self) -> Ticket | None:
        """Leave to send a request, or None if the server is to be left alone."""
        with self._lock:
            if self._state is State.CLOSED:
                return Ticket(self._period, trial=False)
            now = self._clock()
            if now < self._until:
                return None
            if self._state is State.OPEN:
                self._become(State.TRYING)
            self._until = now + self._rest  # in the same period: the answer to a slow trial still counts
            return Ticket(self._period, trial=True)

    def seconds(self) -> float:
        """How long until a request may go out again, at the most; 0.0 if it may now."""
        with self._lock:
            return 0.0 if self._state is State.CLOSED else max(0.0, self._until - self._clock())

    def succeeded(self, ticket: Ticket) -> None:
        """The server answered, if only that it refuses this request."""
        with self._lock:
            if ticket.period == self._period:
                self._in_a_row = 0
                if ticket.trial:
                    self._become(State.CLOSED)

    def failed(self, ticket: Ticket) -> None:
        """The server couldn't be reached, was overloaded or broke off."""
        with self._lock:
            if ticket.period == self._period:
                self._in_a_row += 1
                if ticket.trial or self._in_a_row >= self.failures:
                    self._become(State.OPEN)
                    self._until = self._clock() + self._rest

    def abandoned(self, ticket: Ticket) -> None:
        """Nobody waited for the answer: it tells nothing, and after a trial the next request is one."""
        with self._lock:
            if ticket.period == self._period and ticket.trial:
                self._become(State.OPEN)
                self._until = self._clock()

    def _become(self, state: State) -> None:
        self._state, self._period = state, self._period + 1
