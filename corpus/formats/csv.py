"""CSV: a table with the names of its columns in the first row; other modules read the tables of known apps with it."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.formats.columns import fields_in, missing_column
from corpus.items import Columns, Item, Problem, made, of_text
from corpus.rows import ALIASES, csv_rows, delimiter_of, plain_key

_NONE: Columns = {}


@dataclass(frozen=True, slots=True)
class Table:
    """A table's names of columns, and its rows: (line, column -> value that isn't empty), or why one can't be read."""

    names: Sequence[str]
    rows: Sequence[tuple[int, dict[str, str] | str]]


def read_csv(path: Path, columns: Columns = _NONE) -> Iterator[Item]:
    """One insight a row; the first row names the columns. The delimiter is the one that the first row uses."""

    @of_text
    def reader(path: Path, text: str) -> Iterator[Item]:
        table = table_of(text)
        if lacks := missing_column(columns, table.names):
            yield Problem(path, 0, lacks)
        elif not columns.get("text") and "text" not in {ALIASES.get(plain_key(name)) for name in table.names}:
            known = ", ".join(name for name, field in ALIASES.items() if field == "text")
            yield Problem(
                path,
                0,
                f"It has no column of insights. Name its columns in the first row, this one {known}; "
                "or say which one it is: --map text=COLUMN.",
            )
        else:
            for line, row in rows_in(path, table):
                yield row if isinstance(row, Problem) else made(path, line, fields_in(row, columns))

    yield from reader(path)


def table_of(text: str) -> Table:
    """The table that a text is; without names of columns it has no rows. Of two columns with one name, the first
    that isn't empty counts."""
    skipped = 0
    if hint := re.match(r"sep=(.)\n", text, re.IGNORECASE):  # Excel's own way to name the delimiter
        text, skipped = text[hint.end() :], 1
    delimiter = hint[1] if hint else delimiter_of(text.lstrip("\n"))
    rows = csv_rows(text, delimiter)
    if delimiter == "\t" and any(isinstance(row, csv.Error) for _, row in rows):
        rows = csv_rows(text, delimiter, quoted=False)  # tab-separated files often hold bare quotation marks
    if not rows or isinstance(names := rows[0][1], csv.Error):
        return Table((), ())
    found: list[tuple[int, dict[str, str] | str]] = []
    for number, row in rows[1:]:
        if isinstance(row, csv.Error):
            found.append((number + skipped, f"This row can't be read ({row}): is a quotation mark left open?"))
        else:
            pairs = [(name, value) for name, value in zip(names, row, strict=False) if value.strip()]
            found.append((number + skipped, dict(reversed(pairs))))
    return Table(names, found)


def rows_in(path: Path, table: Table) -> Iterator[tuple[int, dict[str, str] | Problem]]:
    """(line, column -> value that isn't empty) of each row, or what is wrong with it; a table without rows says so."""
    if not table.rows:
        yield 0, Problem(path, 0, "There are no rows below the names of the columns.")
    for line, row in table.rows:
        yield line, Problem(path, line, row) if isinstance(row, str) else row


def plain_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str] | Problem]]:
    """The rows of a known app's table, with the names of the columns as `plain_key` writes them: "book title"."""
    for line, row in rows_in(path, table_of(text)):
        yield line, row if isinstance(row, Problem) else {plain_key(name): value for name, value in row.items()}


def has_columns(*wanted: str) -> Callable[[str], bool]:
    """A function that tells from a file's beginning whether it is a table with all these columns."""

    def recognises(beginning: str) -> bool:
        first = beginning.lstrip("\n").split("\n", 1)[0]
        rows = csv_rows(first, delimiter_of(first)) if first else []
        names = rows[0][1] if rows else []
        return isinstance(names, list) and set(map(plain_key, wanted)) <= set(map(plain_key, names))

    return recognises
