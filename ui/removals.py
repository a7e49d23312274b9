"""Insights that were deleted on the page a short while ago: each can be brought back, by whoever holds its token.

In memory: after a restart they are gone. What comes back has its id, its fields and what the person had edited.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from corpus.errors import UsageError
from corpus.imports import differing
from corpus.insight import Insight
from corpus.library import Library
from corpus.rows import marked_tags

KEPT = 600.0  # seconds
MOST = 100  # beyond, the oldest are let go
ORIGIN = "Brought back after it was deleted"


@dataclass(frozen=True, slots=True)
class Removed:
    """An insight, as its source told it if that is known to differ, and the name of the library that had it."""

    insight: Insight
    told: Insight | None
    library: str


class Removals:
    """What was deleted, under random tokens. Any thread may call any method."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Removed]] = {}

    def remove(self, library: Library, insight_id: str) -> str:
        """Take an insight out of a library; the token under which it can be brought back, "" if it wasn't there."""
        insight = library.get(insight_id)
        if insight is None:
            return ""
        told = library.told(insight_id)
        library.remove([insight_id])
        token = secrets.token_urlsafe(12)
        with self._lock:
            self._held[token] = self._now(), Removed(insight, told, library.name)
            while len(self._held) > MOST:
                del self._held[next(iter(self._held))]
        return token

    def bring_back(self, library: Library, token: object) -> Insight:
        """Put it into its library again. Raises UsageError if that can't be done any more."""
        with self._lock:
            at, removed = self._held.get(token, (0.0, None)) if isinstance(token, str) else (0.0, None)
        if removed is None or self._now() - at > KEPT or removed.library != library.name:
            raise UsageError("This can’t be brought back any more.", "Add it again, if you have it elsewhere.")
        wanted, told = removed.insight, removed.told or removed.insight
        report = library.add([told], ORIGIN)
        if not report.new:
            raise UsageError("Its text or its id has come back already.", "Search for it in the list.")
        if changed := differing(told, wanted):
            changes: dict[str, object] = {name: getattr(wanted, name) for name in changed}
            library.edit(wanted.insight_id, changes | ({"tags": marked_tags(wanted.tags)} if "tags" in changed else {}))
        with self._lock:
            self._held.pop(str(token), None)
        return wanted
