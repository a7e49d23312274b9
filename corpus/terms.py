"""A text's terms: the words that a lexical index holds where the database has no tokenizer that fits.

Like SQLite's unicode61 with accents taken off: letters, digits and marks make words, anything else stands between them.
Of a script without spaces each character is a term, and so is each pair of neighbours (corpus/unspaced.py): a pair is
what is searched for, since a tsvector knows no phrase whose score could be told.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from corpus.unspaced import is_pair, terms_of

LONGEST = 200  # characters of a term; the rest says no more
MOST_BYTES = 400_000  # of a passage's terms: PostgreSQL takes at most 1 MB
_ACCENTS = re.compile(r"[\u0300-\u036f]")


def terms(text: str) -> list[str]:
    """The terms of a text in order, in small letters and without accents; not yet brought to their stems."""
    found, size = [], 0
    for term in _terms(text):
        size += len(term.encode())
        if size > MOST_BYTES:
            break
        found.append(term)
    return found


def asked_terms(word: str) -> list[str]:
    """The terms to search for a word of a query: a pair, as `asked_words` gives it, is one."""
    return [_bare(word).replace(" ", "")] if " " in word else terms(word)


def counted(found: Sequence[str]) -> int:
    """How long a text with these terms is: a pair's characters have been counted one by one."""
    return sum(not is_pair(term) for term in found)


def _terms(text: str) -> Iterator[str]:
    return (term[:LONGEST] for term in terms_of(_bare(text)))


def _bare(text: str) -> str:
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text.lower())))
