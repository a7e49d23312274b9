"""Apple Books has no export of its own: the tables that people's tools make of its database on a Mac.

Two shapes are known. `apple-books-export` (denya) writes assetId, title, author, genre, annotationId, type, color,
text, note, location, chapter, createdAt. `apple-books-annotations-exporter` (angela-zhao) and what was made after it
(`notexport`) write AssetID or ZASSETID, Title, Author, HighlightedText, Note, Chapter, Created, the last in seconds
since 2001.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from corpus.formats.csv import has_columns, plain_rows
from corpus.items import Item, Problem, made, of_text
from corpus.rows import day_of_seconds

_EPOCH = 978_307_200  # 2001-01-01 in Unix time
_SHAPES = (
    has_columns("assetId", "annotationId", "text"),
    has_columns("AssetID", "HighlightedText"),
    has_columns("ZASSETID", "HighlightedText"),
)


def is_apple_books(beginning: str) -> bool:
    """Whether a text begins like one of these tables."""
    return any(recognises(beginning) for recognises in _SHAPES)


@of_text
def read_apple_books(path: Path, text: str) -> Iterator[Item]:
    """Each highlight is an insight: note, book, author, day, and the chapter as title. Bookmarks are left out.

    The number that a tool gives a highlight is none of the book's: it is counted anew on each Mac, and left out.
    """
    found = False
    for line, row in plain_rows(path, text):
        if isinstance(row, Problem):
            found = True
            yield row
            continue
        if row.get("type", "").strip().casefold() != "bookmark":
            found = True
            yield made(path, line, _fields(row))
    if not found:
        yield Problem(path, 0, "There are only bookmarks in it, and they have no text.")


def _fields(row: Mapping[str, str]) -> dict[str, object]:
    place = row.get("location", "")
    return {
        "text": row.get("text") or row.get("highlightedtext", ""),
        "note": row.get("note", ""),
        "source": row.get("title", ""),
        "author": row.get("author", ""),
        "title": row.get("chapter") or ("" if place.startswith("epubcfi") else place),
        "date": row.get("createdat") or day_of_seconds(row.get("created", ""), since=_EPOCH),
    }
