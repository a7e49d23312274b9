"""What Pocket and Instapaper export: lists of saved pages, and the highlights in them.

Instapaper: URL, Title, Selection, Folder, Timestamp, and in newer exports Tags as a JSON list. Pocket: a table without
any text (title, url, time_added, tags, status) and, beside it, `annotations/part_000000.json`: objects with url, title
and highlights, each a quote with the time. Both taken from Pocket's own exporter and from public importers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from corpus.formats.csv import has_columns, plain_rows
from corpus.formats.json import parsed_json
from corpus.items import Item, Problem, made, of_text
from corpus.rows import as_string, as_tags, day_of_seconds

is_instapaper = has_columns("URL", "Title", "Selection", "Folder", "Timestamp")
is_pocket = has_columns("title", "url", "time_added", "tags", "status")
_OWN_FOLDERS = ("unread", "archive", "home")  # Instapaper's; the others are a person's, and tell like tags


def is_pocket_highlights(beginning: str) -> bool:
    """Whether JSON begins like Pocket's highlights."""
    return beginning.lstrip().startswith("[") and all(f'"{key}"' in beginning for key in ("url", "highlights", "quote"))


@of_text
def read_instapaper(path: Path, text: str) -> Iterator[Item]:
    """Each selection is an insight: page, address, day, tags, the folder as a tag. Pages without one are left out."""
    without = 0
    for line, row in plain_rows(path, text):
        if isinstance(row, Problem):
            yield row
        elif "selection" in row:
            yield made(path, line, _fields(row))
        else:
            without += 1
    if without:
        yield Problem(
            path,
            0,
            f"{without:,} of its pages came without selected text, and were left out: a title alone says nothing. "
            "Save such a page as HTML or PDF and add that.",
        )


def _fields(row: Mapping[str, str]) -> dict[str, object]:
    folder = row.get("folder", "").strip()
    return {
        "text": row["selection"],
        "source": row.get("title", ""),
        "url": row.get("url", ""),
        "date": day_of_seconds(row.get("timestamp", "")),
        "tags": [*as_tags(row.get("tags")), *([folder] if folder.casefold() not in _OWN_FOLDERS else [])],
    }


@of_text
def read_pocket(path: Path, text: str) -> Iterator[Item]:
    """Its table holds no text: one problem says where the highlights are."""
    rows = sum(not isinstance(row, Problem) for _, row in plain_rows(path, text))
    yield Problem(
        path,
        0,
        f"It lists {rows:,} pages, but holds no text of them. Your highlights are in the same export, in the folder "
        "annotations: add part_000000.json. Of a page without highlights, add the page itself as HTML or PDF.",
    )


@of_text
def read_pocket_highlights(path: Path, text: str) -> Iterator[Item]:
    """Each highlight is an insight: page, address and day."""
    try:
        pages = parsed_json(text)
    except ValueError as error:
        yield Problem(path, 0, f"It is not whole JSON ({error}).")
        return
    found = False
    for page in pages if isinstance(pages, list) else []:
        marks = page.get("highlights") if isinstance(page, dict) else None
        for mark in marks if isinstance(marks, list) else []:
            if isinstance(mark, dict):
                found = True
                url, title = as_string(page.get("url")), as_string(page.get("title"))
                fields = {"text": mark.get("quote", ""), "url": url, "source": title if title != url else ""}
                yield made(path, 0, fields | {"date": day_of_seconds(as_string(mark.get("created_at")))})
    if not found:
        yield Problem(path, 0, "There are no highlights in it.")
