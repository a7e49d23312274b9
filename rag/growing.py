"""A sentence that grows as a harmless edit of a source: which word may come next, and may it end here?

The rules are those of rag/edits.py, asked while a draft is written instead of afterwards, so that a writer that was
taught to write edits doesn't lose a whole sentence to one slip.
"""

import re
from collections.abc import Iterator

from corpus.passages import sentences
from rag.edits import HARMLESS, Word, closes, loses, opens, stands_for, unsafe_gap, words_of

LEAST_KEPT = 3  # words of the source
FARTHEST = 16  # words left out at once: an insertion between two commas is shorter
_END = re.compile(r"[%\"”’)]*[.!?…]+[\"”’)]*\s*")
_JOINT = re.compile(r"[.,:'’\-]")  # within a word, or after it

Places = tuple[int, ...]


class Growing:
    """Whether a text can still become an edit of the source; see `rag.decode.Guide`."""

    least = 0.05  # a word that the model finds less likely is one that it doesn't mean

    def __init__(self, source: str) -> None:
        self._source = source
        self._held = words_of(source)
        self._plain = [word.text.casefold() for word in self._held]
        self._opens = [opens(self._held, at, source) for at in range(len(self._held))]
        spans = sentences(source)
        self._ends = {end for _, end in spans}
        self._sentence = [sum(word.start >= end for _, end in spans) for word in self._held]
        self._known: dict[tuple[str, ...], dict[Places, Places]] = {}

    def allows(self, text: str, piece: str) -> bool:
        """May `piece` follow `text`? A word that is still growing must be the beginning of one that may stand there."""
        whole = text + piece
        words = words_of(whole)
        if self.ends(text) or "\n" in piece:
            return not piece.strip()
        if not words:
            return not re.search(r"[^\s\"“‘'(]", whole)
        tail = whole[words[-1].end :]
        if not tail or _JOINT.fullmatch(tail):
            grows = self._grows(words[:-1], words[-1].text + tail)
            if grows or not tail:
                return grows
        if not self._aligned(words):
            return False
        if not re.search(r"[.!?…]", tail) or self._goes_on(words, tail):
            return True
        return bool(_END.fullmatch(tail)) and self._complete(whole, words)

    def ends(self, text: str) -> bool:
        """Is the text a whole sentence that may end here?"""
        words = words_of(text)
        return bool(words and _END.fullmatch(text[words[-1].end :])) and self._complete(text, words)

    def _complete(self, text: str, words: list[Word]) -> bool:
        balanced = text.count('"') % 2 == 0 and text.count("(") == text.count(")")
        return balanced and any(
            len(kept) >= LEAST_KEPT
            and closes(self._held, kept[-1], self._source)
            and not loses(self._held, set(kept), self._source)
            for kept in self._aligned(words).values()
        )

    def _goes_on(self, words: list[Word], tail: str) -> bool:
        """Does the source have the same behind the word, and its sentence goes on? As after "St."."""
        places = (self._held[last[-1]].end for last in self._aligned(words) if last)
        return any(self._source.startswith(tail.rstrip(), at) and at + 1 not in self._ends for at in places)

    def _grows(self, words: list[Word], part: str) -> bool:
        """May a word that begins so follow these?"""
        part = part.casefold()
        ways = self._aligned(words).values()
        if ways and any(word.startswith(part) for word in HARMLESS):
            return True
        return any(self._plain[at].startswith(part) for kept in ways for at in self._next(kept, words))

    def _aligned(self, words: list[Word]) -> dict[Places, Places]:
        """Where in the source these words may be from: by the last place (none: words put in before the first) the
        places of all, of two ways to one end the one that keeps more.
        """
        if not words:
            return {(): ()}
        key = tuple(word.text.casefold() for word in words)
        if key not in self._known:
            found: dict[Places, Places] = {}
            for before, kept in self._aligned(words[:-1]).items():
                ways = [(*kept, at) for at in self._next(kept, words[:-1]) if self._plain[at] == key[-1]]
                options = {way[-1:]: way for way in ways}
                if key[-1] in HARMLESS:
                    options.setdefault(before, kept)
                for last, places in options.items():
                    if last not in found or len(places) > len(found[last]):
                        found[last] = places
            self._known[key] = found
        return self._known[key]

    def _next(self, kept: Places, words: list[Word]) -> Iterator[int]:
        """The places in the source of a word that may follow."""
        if not kept:
            for at in range(len(self._held)):
                if self._opens[at] or stands_for(words, self._held, at, self._source):
                    yield at
            return
        for at in range(kept[-1] + 1, min(len(self._held), kept[-1] + 2 + FARTHEST)):
            if self._sentence[at] != self._sentence[kept[-1]]:
                return
            if not unsafe_gap(self._held, kept[-1] + 1, at, self._source):
                yield at
