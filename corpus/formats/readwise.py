"""Readwise's CSV of all highlights (Export, CSV).

Its columns were taken from public importers and their test data; older exports lack "Document tags".
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from corpus.formats.csv import has_columns, plain_rows
from corpus.items import Item, Problem, located, made, of_text, own_words
from corpus.rows import as_tags

is_readwise = has_columns("Highlight", "Book Title", "Book Author", "Amazon Book ID", "Highlighted at")


@of_text
def read_readwise(path: Path, text: str) -> Iterator[Item]:
    """Each row is an insight: highlight, note, book, author, tags of both, day, and the place in the title."""
    for line, row in plain_rows(path, text):
        yield row if isinstance(row, Problem) else made(path, line, own_words(_fields(row)))


def _fields(row: Mapping[str, str]) -> dict[str, object]:
    book_id = row.get("amazon book id", "").strip()
    return {
        "text": row.get("highlight", ""),
        "note": row.get("note", ""),
        "source": row.get("book title", ""),
        "author": row.get("book author", ""),
        "title": located("", _place(row.get("location type", ""), row.get("location", "")), row.get("book title", "")),
        "url": f"https://read.amazon.com/?asin={book_id}" if re.fullmatch("[A-Z0-9]{10}", book_id) else "",
        "date": row.get("highlighted at", ""),
        "tags": [*as_tags(row.get("tags")), *as_tags(row.get("document tags"))],
    }


def _place(kind: str, at: str) -> str:
    """A page, a Kindle location or a time in seconds as it is cited; other kinds only say the order."""
    kind, at = kind.strip().casefold(), at.strip()
    if kind == "time_offset" and at.isascii() and at.isdigit():
        minutes, seconds = divmod(int(at[:9]), 60)
        return f"{minutes}:{seconds:02}"
    shown = {"page": "p.", "location": "loc."}.get(kind)
    return f"{shown} {at}" if shown and at else ""
