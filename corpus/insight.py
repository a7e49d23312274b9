"""The two records of the corpus: what a person saved, and the part of it that is embedded and cited."""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, fields

from corpus.errors import UsageError

MAX_CHARACTERS = 100_000  # a longer "insight" is a document: its reader should split it


@dataclass(frozen=True, slots=True)
class Insight:
    """One saved paragraph. Make it with `make_insight`, which cleans and checks the fields."""

    insight_id: str  # the source's own stable id, else the hash of the text
    text: str
    title: str = ""
    author: str = ""
    source: str = ""  # the show, book, talk or report it was saved from
    url: str = ""
    date: str = ""  # ISO 8601, as far as it is known: 2024, 2024-05 or 2024-05-11
    tags: tuple[str, ...] = ()
    note: str = ""  # the person's own remark


FIELDS = tuple(field.name for field in fields(Insight))


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of an insight that is embedded, retrieved and cited: `insight.text[start:end] == text`."""

    passage_id: str  # "<insight_id>#<n>", n from 0
    insight_id: str
    text: str
    start: int  # in characters of the insight's text
    end: int


def make_insight(
    text: str,
    *,
    insight_id: str = "",
    title: str = "",
    author: str = "",
    source: str = "",
    url: str = "",
    date: str = "",
    tags: Iterable[str] = (),
    note: str = "",
) -> Insight:
    """Clean and check the fields; without an `insight_id` the text's own hash becomes the id.

    Raises UsageError if no text is left or if it is longer than MAX_CHARACTERS.
    """
    text = clean(text)
    if not any(character.isalnum() for character in text):
        raise UsageError("This insight has no text.", "Give it at least one word.")
    if len(text) > MAX_CHARACTERS:
        raise UsageError(
            f"This insight has {len(text):,} characters, more than {MAX_CHARACTERS:,}.",
            "Split it into paragraphs, with an empty line between them.",
        )
    return Insight(
        insight_id=one_line(insight_id)[:200].rstrip() or content_id(text),
        text=text,
        title=one_line(title),
        author=one_line(author),
        source=one_line(source),
        url=one_line(url),
        date=one_line(date),
        tags=tuple(dict.fromkeys(tag for tag in map(one_line, tags) if tag)),
        note=clean(note),
    )


def first_words(text: str) -> str:
    """What stands for a title where there is none: the first eight words."""
    words = text.split()
    return " ".join(words[:8]) + ("…" if len(words) > 8 else "")


def content_id(text: str) -> str:
    """The id of a text: 16 hexadecimal digits of its SHA-256, blind to case and spacing."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode()).hexdigest()[:16]


def clean(text: str) -> str:
    """Compose accents (NFC), drop control, format and broken characters, keep line breaks, trim the edges."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = (c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn") else " " for c in text)
    return "\n".join(line.strip() for line in "".join(kept).split("\n")).strip()


def one_line(text: str) -> str:
    """A short field: cleaned, on a single line."""
    return " ".join(clean(text).split())
