"""Whose turn it is: there is one model, and whoever came first gets it first."""

import threading
from collections.abc import Callable

from corpus.errors import ModelError

LOOK = 0.1  # seconds between two looks whether the one who waits has left


class Ticket:
    """A place in the queue; only its identity counts."""


class Turns:
    """The queue for the model. Who stands first has it, until they leave. Any thread may call any method."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[Ticket] = []

    def join(self, longest: int | None = None) -> Ticket:
        """A place at the end. Raises ModelError if `longest` tickets or more are in the queue already."""
        with self._changed:
            if longest is not None and len(self._queue) >= longest:
                raise ModelError(
                    f"The queue for the model is full: {len(self._queue)} in it.", "Ask again in a minute."
                )
            ticket = Ticket()
            self._queue.append(ticket)
            return ticket

    def ahead(self, ticket: Ticket) -> int:
        """How many stand before this ticket; 0 if it has the model, or has left."""
        with self._changed:
            return self._queue.index(ticket) if ticket in self._queue else 0

    def wait(self, ticket: Ticket, stopped: Callable[[], bool]) -> bool:
        """Wait until it is this ticket's turn; False if `stopped()` became true before. Leave the queue either way."""
        with self._changed:
            while self._queue[0] is not ticket:
                if stopped():
                    return False
                self._changed.wait(LOOK)
            return not stopped()

    def leave(self, ticket: Ticket) -> None:
        """Give the place up, and with it the model. Leaving twice does no harm."""
        with self._changed:
            if ticket in self._queue:
                self._queue.remove(ticket)
                self._changed.notify_all()
