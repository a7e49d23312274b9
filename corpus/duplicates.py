"""Near-duplicates: the same words saved twice, with other punctuation, cut short, or a little further on.

Two texts are near-duplicates only if the shorter one stands in the longer one word by word. So a number, a name or a
denial that differs tells two insights apart, and so does one that a longer version puts into a sentence. Which texts
to compare at all is found by sketches: a few of the hashes of a text's word sequences, chosen by the hashes themselves
(bottom-k, Broder 1997), so that a text and one that holds most of it nearly always have one in common. Plain MinHash
(as in `datasketch`, which needs SciPy) estimates Jaccard similarity, which a text cut to its half has little of.
"""

import functools
import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

SHINGLE = 5  # words that are hashed together
SKETCH = 6  # hashes kept of a text: one that holds but half of it shares none of them in 1 of 64 cases
COMMON = 32  # texts that may share a hash: one that more have is a phrase of everybody's, and tells nothing
LEAST = 8  # words of a text that may be a part of another
MANY = 20  # words that two texts have in common only if they come from one place
LEAST_PIECE = 4  # words between two ellipses
LEAST_EQUAL = 3  # words of a text that may differ in punctuation alone
LEAST_SHARE = 0.5  # of the longer text's words

# Words that turn or limit what a sentence says, in the languages most read here. A word too many costs a link only.
_TURNING = frozenset(
    """no not never none nobody nothing nowhere neither nor without cannot hardly barely scarcely rarely seldom unless
    if except but only until almost nearly wrong wrongly false falsely myth allegedly supposedly doubt doubts doubted
    deny denies denied claim claims claimed
    nicht nichts kein keine keinen keiner keines nie niemals niemand ohne kaum nur wenn außer
    ne pas jamais rien sans aucun aucune sauf si ni nunca sin nada nadie jamás salvo
    non mai senza nulla nessuno não sem nem niet niets geen nooit zonder""".split()
)
_LIGATURES = str.maketrans({"’": "'", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\u00ad": None})
_SYMBOLS = "%‰$€£¥₹?？+=<>×÷±≤≥≠¬"  # they mean something: each is a word of its own
_CHARACTER = r"\u3040-\u30ff\u3400-\u9fff"  # Chinese and Japanese: no spaces between words, so each counts as one
_ELLIPSIS = re.compile(r"…|\.\s?\.\s?\.")
_END = re.compile(r"[。！？।]|[.!?](?=[^\w\s]*(?:\s+[^\w\s]*[^\Wa-z_]|$))")  # "U.S. firms" is no end


def near(one: str, other: str) -> bool:
    """Is this the same quote twice? In either order."""
    short, long = sorted((_read(one), _read(other)), key=lambda text: len(text.words))
    if short.words == long.words:
        return len(short.words) >= LEAST_EQUAL
    if len(short.words) < max(LEAST, LEAST_SHARE * len(long.words)):
        return False
    spans = _found(short, long)
    if not spans:
        return False
    left_out = (long.words[end:start] for (_, end), (start, _) in pairwise(spans))
    if any(map(_turns, left_out)):
        return False
    first, last = spans[0][0], spans[-1][1]
    sentence = long.ends[bisect_right(long.ends, first) - 1] if first >= long.ends[0] else 0
    before, after = long.spelled[sentence:first], long.spelled[last : long.end_of(last)]
    # Many words alike are no chance: then names and numbers may be what was cut off, and after an ellipsis anything.
    is_long = len(short.words) >= MANY
    if before and not (short.begins_within and _goes_on(before, before[1:], is_long, short.cut_before)):
        return False
    return not after or (not short.is_closed and _goes_on(after, after, is_long, short.cut_after))


def sketch(text: str) -> tuple[int, ...]:
    """At most SKETCH hashes, ascending: those of the text's SHINGLE words in a row that come out lowest."""
    words = _words(_plain(text))
    data = " ".join(words).encode()
    starts, at = [], 0
    for word in words:
        starts.append(at)
        at += len(word.encode()) + 1
    ends = [start - 1 for start in starts[SHINGLE:]] + [len(data)]
    found = {crc32(data[start:end]) for start, end in zip(starts, ends, strict=False)} if words else set()
    return tuple(sorted(found)[:SKETCH])


class Neighbours:
    """Texts in memory by their sketches: what an import would have stored so far."""

    def __init__(self) -> None:
        self._ids: defaultdict[int, list[str]] = defaultdict(list)
        self._texts: dict[str, str] = {}

    def __contains__(self, insight_id: object) -> bool:
        return insight_id in self._texts

    def put(self, insight_id: str, text: str) -> None:
        """Take a text in, or another one under the same id."""
        self._texts[insight_id] = text
        for one in sketch(text):
            self._ids[one].append(insight_id)

    def near(self, insight_id: str, text: str) -> list[str]:
        """The ids of the near-duplicates of a text among those taken in, without the id itself."""
        lists = [self._ids[one] for one in sketch(text) if one in self._ids]
        others = {other for ids in lists if len(ids) <= COMMON for other in ids} - {insight_id}
        return [other for other in others if near(text, self._texts[other])]


@dataclass(frozen=True, slots=True)
class _Text:
    """A text as it is compared."""

    words: list[str]  # without case
    spelled: list[str]  # the same as they are spelled
    ends: list[int]  # ascending: the numbers of words after which a sentence ends; the last is that of all words
    gaps: list[int]  # the numbers of words after which an ellipsis stands, between words
    is_closed: bool  # it ends as a sentence ends
    begins_within: bool  # it begins in the middle of a sentence
    cut_before: bool  # it begins with an ellipsis
    cut_after: bool  # it ends with one

    def end_of(self, at: int) -> int:
        """Where the sentence ends that the word before `at` belongs to."""
        return at if at in self.ends else next((end for end in self.ends if end > at), len(self.words))


def _read(text: str) -> _Text:
    text = _plain(text)
    found = list(_word().finditer(text))
    spelled = [match.group() for match in found]
    ends, gaps = [], []
    for number, match in enumerate(found, 1):
        following = found[number] if number < len(found) else None
        # A symbol is a word, and the end of a sentence all the same if it is a question mark.
        start, stop = match.end() - (match.group() in "?？"), following.start() if following else len(text)
        between = text[start:stop]
        if _ELLIPSIS.search(between):
            if following:
                gaps.append(number)
        elif any(_END.match(text, at) for at in range(start, stop)) or (
            "\n" in between and following and not following.group()[0].islower()
        ):
            ends.append(number)
    closed = bool(ends) and ends[-1] == len(spelled)
    beginning = text[: found[0].start()] if found else ""
    cut_before = bool(_ELLIPSIS.search(beginning))
    cut_after = bool(found) and bool(_ELLIPSIS.search(text[found[-1].end() :]))
    within = bool(found) and (spelled[0][0].islower() or cut_before)
    words = [word.casefold() for word in spelled]
    all_ends = ends if closed else [*ends, len(words)]
    return _Text(words, spelled, all_ends, gaps, closed, within, cut_before, cut_after)


def _found(short: _Text, long: _Text) -> list[tuple[int, int]]:
    """Where the pieces of the short text, parted by its ellipses, stand in the long one, in order; [] if not all do."""
    cuts = [0, *short.gaps, len(short.words)]
    pieces = [short.words[start:end] for start, end in pairwise(cuts)]
    if len(pieces) > 1 and min(map(len, pieces)) < LEAST_PIECE:
        return []
    spans, at = [], 0
    for piece in pieces:
        found = _place(piece, long.words, at)
        if found is None:
            return []
        spans.append((found, found + len(piece)))
        at = found + len(piece)
    return spans


def _place(piece: Sequence[str], words: Sequence[str], at: int) -> int | None:
    """The number of the word from which on the piece stands among the words, from `at` on."""
    whole = f" {' '.join(words[at:])} "
    found = whole.find(f" {' '.join(piece)} ")
    return None if found < 0 else at + whole.count(" ", 0, found)


def _turns(words: Sequence[str]) -> bool:
    return any(word in _TURNING or word.endswith("n't") for word in words)


def _goes_on(spelled: Sequence[str], named: Sequence[str], is_long: bool, is_cut: bool) -> bool:
    """Whether these words can be the rest of a sentence: they don't turn it, nor bring a number, symbol or name.

    `named` are those of them that are names if they have a capital.
    """
    if is_long and is_cut:
        return True
    if _turns([word.casefold() for word in spelled]):
        return False
    if is_long:
        return True
    plain = all(not any(c.isdigit() for c in word) and any(c.isalpha() for c in word) for word in spelled)
    return plain and not any(word[0].isupper() or word[0].istitle() for word in named)


def _plain(text: str) -> str:
    """Without what differs from app to app: ligatures, curled apostrophes, hyphens at a line's end."""
    return text.translate(_LIGATURES).replace("-\n", "")


def _words(text: str) -> list[str]:
    return _word().findall(text.casefold())


@functools.cache  # not at import: it looks at each character that there is
def _word() -> re.Pattern[str]:
    """A word, number, symbol or Chinese character; what is neither that nor punctuation belongs to a word."""
    left_out = {chr(n) for n in range(0x10000) if unicodedata.category(chr(n)) in _PUNCTUATION}
    other = re.escape("".join(sorted(left_out | set(_SYMBOLS))))
    inside = rf"[^\s{other}{_CHARACTER}]"
    return re.compile(
        rf"[{_CHARACTER}]|(?<![^\s(])[-−]\d+(?:[.,:]\d+)*|(?<![\w.])\.\d+|{inside}+(?:(?<=\d)[.,:]\d+|'{inside}+)*[+#]*"
        rf"|[{re.escape(_SYMBOLS)}]"
    )


_PUNCTUATION = frozenset("Pc Pd Ps Pe Pi Pf Po Sk So Cc Cf".split())
