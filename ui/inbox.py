"""What was pasted or sent to the page, until it is imported: in memory, limited, forgotten after an hour, never shown
to anyone who doesn't hold its token."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from corpus.errors import UsageError
from corpus.insight import one_line
from corpus.items import Item
from corpus.pasted import guess_format, read_bytes
from corpus.plaintext import beginning_of
from corpus.readers import CONVERTED, FORMATS, READABLE, detected

MAX_PASTE = 60_000  # characters; in UTF-8 it must pass the limit that server.py sets for a request
MAX_FILE = 5_000_000  # bytes
MAX_FILES = 20  # in one import
MAX_ITEMS = 100_000  # in one import
HELD_BYTES = 60_000_000  # of all parcels; the oldest make room
HELD_SECONDS = 3600.0
PASTED = "Pasted text"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Bytes that came, what they are called, and the format that was asked for or found."""

    name: str
    data: bytes
    format_name: str
    sent: bool = True  # a file; else it was pasted
    found: tuple[Item, ...] | None = None  # what `opened` found in it

    @property
    def items(self) -> list[Item]:
        """The insights in it, and what can't be read; if these are too many for an import, not all."""
        if self.found is not None:
            return [*self.found]
        return read_bytes(self.name, self.data, self.format_name, MAX_ITEMS + 1)

    def opened(self) -> "Parcel":
        """The same, and a document isn't converted again: that may take minutes. Of the others reading is quick."""
        return replace(self, found=tuple(self.items)) if self.format_name in CONVERTED else self


class Inbox:
    """Parcels by token. A token is a secret: whoever has it may look at the parcel and import it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Parcel]] = {}

    def send(self, name: object, data: bytes) -> str:
        """Keep a file; its token. Raises UsageError if its name tells no format, or if it is too large."""
        name = one_line(PurePosixPath(name.replace("\\", "/")).name)[:120] if isinstance(name, str) else ""
        format_name = detected(name, beginning_of(data))
        if format_name is None:
            raise UsageError(
                f"{name or 'This file'} has a name that tells no known format.",
                f"Send a file whose name ends in {', '.join(READABLE)}.",
            )
        if len(data) > MAX_FILE:
            raise UsageError(
                f"{name} has {len(data) / 1e6:.1f} MB, more than {MAX_FILE / 1e6:.0f}.",
                "Split it, or add it in the terminal: footnoted library add FILE",
            )
        return self._keep(Parcel(name, data, format_name))

    def paste(self, text: object) -> str:
        """Keep a pasted text; its token. Raises UsageError if there is none or too much of it."""
        if not isinstance(text, str) or not text.strip():
            raise UsageError("There is nothing to add yet.", "Paste your insights, or choose a file.")
        if len(text) > MAX_PASTE:
            raise UsageError(
                f"This text has {len(text):,} characters, more than {MAX_PASTE:,}.", "Save it as a file and send that."
            )
        data = text.encode("utf-8", "replace")
        return self._keep(Parcel(PASTED, data, guess_format(data), sent=False))

    def parcels(self, tokens: object, format_name: object = "") -> list[tuple[str, Parcel]]:
        """The parcels of these tokens, read in the format if it is one. Raises UsageError if one isn't there."""
        if not isinstance(tokens, list) or not 0 < len(tokens) <= MAX_FILES:
            raise UsageError(
                f"An import takes 1 to {MAX_FILES} files.", "Choose fewer, or add a folder in the terminal."
            )
        found = []
        with self._lock:
            self._forget()
            for token in tokens:
                held = self._held.get(token) if isinstance(token, str) else None
                if held is None:
                    raise UsageError("This is not held here any more.", "Paste it or choose the file again.")
                parcel = held[1]
                if isinstance(format_name, str) and format_name in FORMATS and format_name != parcel.format_name:
                    parcel = replace(parcel, format_name=format_name, found=None)
                found.append((token, parcel))
        return found

    def settle(self, parcels: list[tuple[str, Parcel]]) -> list[tuple[str, Parcel]]:
        """Keep these parcels as they are here, in place of what was held under their tokens."""
        with self._lock:
            for token, parcel in parcels:
                if token in self._held:
                    self._held[token] = (self._held[token][0], parcel)
        return parcels

    def drop(self, tokens: list[str]) -> None:
        """Forget these parcels."""
        with self._lock:
            for token in tokens:
                self._held.pop(token, None)

    def _keep(self, parcel: Parcel) -> str:
        token = secrets.token_urlsafe(18)
        with self._lock:
            self._held[token] = (self._clock(), parcel)
            self._forget()
        return token

    def _forget(self) -> None:
        """Let go what is too old, and the oldest while there is too much; they stand in the order they came."""
        total = sum(len(parcel.data) for _, parcel in self._held.values())
        for token, (came, parcel) in list(self._held.items()):
            if total <= HELD_BYTES and self._clock() - came <= HELD_SECONDS:
                break
            del self._held[token]
            total -= len(parcel.data)
