"""The questions that a first visit offers, as long as the library that they were made of is the one that is asked.

Somebody who adds insights to the shipped ones gets a library of their own: from then on the questions are made of that,
beside whatever else goes on, and again once it has become twice as large.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Sequence

from corpus.errors import FootnotedError
from corpus.insight import Insight
from ui import asking_view as view
from ui.examples import examples
from ui.handlers import Desk
from ui.suggest import checking

log = logging.getLogger(__name__)


class Starters:
    """The questions for the desk's library; `given` are those for the library as it is now."""

    def __init__(self, desk: Desk, given: Sequence[str]) -> None:
        self._desk = desk
        self._making = threading.Lock()
        self._made = self._state(), tuple(given)

    def html(self) -> str:
        """The questions that are known, as HTML; none if the library has become another one since."""
        state, questions = self._made
        return view.starters(questions if state == self._state() else ())

    async def shown(self) -> AsyncGenerator[str, None]:
        """The same, and once they have been made anew those, where that was needed."""
        yield self.html()
        if self._made[0] != self._state():
            await asyncio.to_thread(self._make)
            yield self.html()

    def _make(self) -> None:
        with self._making:  # one makes them, others wait for that
            state = self._state()
            if self._made[0] == state:
                return
            try:
                questions = examples(self._desk.engine.library, self._check)
            except FootnotedError:
                log.warning("no first questions were made", exc_info=True)
                questions = ()
            except Exception:  # they are an extra: anything can be asked without them
                log.exception("making first questions failed")
                questions = ()
            self._made = state, questions

    def _check(self, question: str, insight: Insight) -> bool:
        with self._desk.model() as held:
            return held and checking(self._desk.engine.quoted)(question, insight)

    def _state(self) -> tuple[str, int]:
        """Which library it is, and about how large."""
        library = self._desk.engine.library
        try:
            return library.name, library.count().bit_length()
        except FootnotedError:  # the list of insights and the next question say why
            return library.name, 0
