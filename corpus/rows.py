"""Rows with named fields, from JSON or CSV: which names mean which field of an insight, and what their values are."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

# Common names of columns and keys, the best first where a row has several; case, "_" and "-" make no difference.
ALIASES: dict[str, str] = {
    alias: field
    for field, aliases in {
        "text": ("text", "insight", "highlight", "quote", "content", "passage", "excerpt", "snippet", "body"),
        "insight_id": ("insight id", "id", "highlight id", "uuid", "guid"),
        "title": ("title", "heading", "chapter", "episode"),
        "author": ("author", "authors", "book author", "speaker"),
        "source": ("source", "book", "book title", "show", "podcast", "document", "publication"),
        "url": ("url", "link", "source url", "highlight url"),
        "date": ("date", "highlighted at", "created at", "created", "saved at", "added at"),
        "tags": ("tags", "tag", "labels", "keywords", "topics"),
        "note": ("note", "notes", "comment", "remark"),
    }.items()
    for alias in aliases
}


def plain_key(name: str) -> str:
    """A column's name as ALIASES has it."""
    return " ".join(re.split(r"[\s_\-]+", name.strip().casefold()))


def fields_of(row: Mapping[str, object]) -> dict[str, object]:
    """The fields of an insight that a row has, under any of their common names."""
    by_key = {plain_key(name): value for name, value in row.items() if value not in (None, "", [])}
    fields: dict[str, object] = {}
    for alias, field in ALIASES.items():
        if alias in by_key:
            fields.setdefault(field, by_key[alias])
    return fields


def as_string(value: object) -> str:
    """A number or a list in words; nothing is the empty string."""
    if isinstance(value, list):
        return ", ".join(map(as_string, value))
    return value if isinstance(value, str) else "" if value is None else str(value)


def as_tags(value: object) -> list[str]:
    """A list as it is (of strings, or of objects with a name); a string is cut at commas and semicolons.

    A string that is a list in JSON is that list: tags may hold commas themselves. One leading # is taken off each.
    """
    value = _listed(value)
    if isinstance(value, list):
        parts = [as_string(part.get("name") if isinstance(part, dict) else part) for part in value]
    else:
        parts = re.split(r"[,;]", as_string(value))
    return [part.strip().removeprefix("#") for part in parts]


def marked_tags(tags: Sequence[str]) -> list[str]:
    """The tags as `as_tags` reads them back: it takes one leading # off, so one that begins with # gets another."""
    return [f"#{tag}" if tag.startswith("#") else tag for tag in tags]


def tags_as_text(tags: Sequence[str]) -> str:
    """The tags in one string that `as_tags` reads back: with commas, or in JSON if a tag holds one itself."""
    text = ", ".join(marked_tags(tags))
    return text if not tags or as_tags(text) == list(tags) else json.dumps(marked_tags(tags), ensure_ascii=False)


def _listed(value: object) -> object:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return parsed if isinstance(parsed, list) else value
    return value


def iso_date(value: str) -> str:
    """The date without its time, with hyphens; one that doesn't begin with the year is left as it is."""
    match = re.match(r"\s*(\d{4})(?:[-/](\d{2})(?:[-/](\d{2}))?)?(?=$|[\sT])", value)
    return "-".join(part for part in match.groups() if part) if match else value


def day_of_seconds(value: str, *, since: int = 0) -> str:
    """The ISO date (UTC) of so many seconds since `since`, itself in Unix time; another value is left as it is."""
    try:
        return datetime.fromtimestamp(since + float(value), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return value


def delimiter_of(text: str) -> str:
    """The delimiter that makes most of the first row's parts known names of columns, or else the most parts."""
    first = text.split("\n", 1)[0]
    _let_in(first)

    def known(delimiter: str) -> tuple[int, int]:
        names = [name for row in csv.reader([first], delimiter=delimiter) for name in row]
        return sum(plain_key(name) in ALIASES for name in names), len(names)

    return max(",;\t|", key=known)


def _let_in(text: str) -> None:
    """Let a field be as long as this text: by default the longest has 131,072 characters."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))


def csv_rows(text: str, delimiter: str, *, quoted: bool = True) -> list[tuple[int, list[str] | csv.Error]]:
    """(line on which it begins, row) of each row that isn't empty; a row that can't be read is its error."""
    _let_in(text)
    lines = io.StringIO(text, newline="")
    if quoted:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE)
    rows: list[tuple[int, list[str] | csv.Error]] = []
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return rows
        except csv.Error as error:
            rows.append((number, error))
        else:
            if any(value.strip() for value in row):
                rows.append((number, row))
