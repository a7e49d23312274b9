"""Scripts that put no spaces between words, or glue words together: how their words are found all the same.

Chinese, Japanese, Thai, Lao, Burmese, Khmer and Korean. The lexical index holds each of their characters by itself, and
a search looks for two that stand side by side (as in Lucene's CJK bigrams): no dictionary is needed, and nothing is
missed. In SQLite the characters are set apart in SQL, so that triggers can do it without this program.
"""

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

_RANGES = (
    *("\u0e01-\u0e3a", "\u0e40-\u0e4e"),  # Thai, without its digits
    *("\u0e81-\u0ec4", "\u0ec8-\u0ece"),  # Lao
    *("\u1000-\u103f", "\u1780-\u17d3"),  # Burmese, Khmer
    *("\u3005-\u3007", "\u3041-\u309a", "\u309d-\u309f", "\u30a1-\u30fa", "\u30fc-\u30ff", "\u31f0-\u31ff"),  # Japanese
    *("\u3400-\u4dbf", "\u4e00-\u9fff", "\uf900-\ufaff", "\U00020000-\U0003134f"),  # Chinese
    "\uac00-\ud7a3",  # Korean: its words have spaces, but their endings don't
)
CHARACTER = f"[{''.join(_RANGES)}]"  # for `re`, and for GLOB in SQL, which reads ranges alike
_SOME = "[\u0e01-\u17d3\u3005-\ud7a3\uf900-\ufaff\U00020000-\U0003134f]"  # all of these and more: sooner seen
BLOCK = 200  # characters that SQL takes at once: the n-th of a text is found by counting from its beginning
MARKS_TO = 0x20000  # beyond it no character combines with a letter, but for a few that select its form
_RUN = re.compile(f"{CHARACTER}+")


def set_apart(text: str) -> str:
    """The SQL for a text (itself SQL, without side effects) with spaces around each character of such a script."""
    blocks = f"'[0' || replace(hex(zeroblob(length(text) / {BLOCK})), '00', ',0') || ']'"
    within = f"'[0' || replace(hex(zeroblob({BLOCK - 1})), '00', ',0') || ']'"
    return f"""(SELECT CASE WHEN text GLOB '*{_SOME}*' THEN (
            SELECT group_concat(CASE WHEN letter GLOB '{CHARACTER}' THEN ' ' || letter || ' ' ELSE letter END, '')
            FROM (SELECT substr(block, place.key + 1, 1) AS letter
                -- The limit keeps SQLite from cutting the block out anew for each of its letters.
                FROM (
                    SELECT substr(text, {BLOCK} * at.key + 1, {BLOCK}) AS block FROM json_each({blocks}) AS at LIMIT -1
                )
                CROSS JOIN json_each({within}) AS place)
        ) ELSE text END FROM (SELECT {text} AS text))"""


def words_of(text: str) -> list[str]:
    """The words of a query, in order; of such a script each pair of neighbours, with a space between, or one alone."""
    return [word for found in _word().findall(text) for word in _parts(found, pairs=True)]


def stretches_of(text: str) -> list[str]:
    """The words of a query, in order; a stretch of such a script is one, with spaces between its characters."""
    return [word for found in _word().findall(text) for word in _parts(found, pairs=False)]


def terms_of(text: str) -> Iterator[str]:
    """The terms of a text for an index that knows no phrases; of such a script each character and each pair."""
    for found in _word().findall(text.replace("_", " ")):
        for part in _parts(found, pairs=False):
            characters = part.split(" ") if _RUN.match(part) else [part]
            yield from characters
            yield from map("".join, pairwise(characters))


def is_pair(term: str) -> bool:
    """Whether a term of `terms_of` is two characters that have been counted one by one."""
    return len(term) == 2 and bool(_RUN.match(term))


def _parts(word: str, *, pairs: bool) -> Iterator[str]:
    """The word cut where a script without spaces begins or ends."""
    at = 0
    for match in _RUN.finditer(word):
        if match.start() > at:
            yield word[at : match.start()]
        run, at = match[0], match.end()
        if pairs and len(run) > 2:
            yield from (f"{one} {other}" for one, other in pairwise(run))
        else:
            yield " ".join(run)
    if at < len(word):
        yield word[at:]


@cache
def _word() -> re.Pattern[str]:
    """A word with the marks that stand above, below and beside its letters: to `re` alone Hindi's vowels end a word."""
    marks = [
        chr(n) for n in range(0x300, min(MARKS_TO, sys.maxunicode)) if unicodedata.category(chr(n)) in ("Mn", "Mc")
    ]
    return re.compile(rf"\w(?:\w|[{''.join(marks)}])*")
