"""Readers for the formats people keep insights in: READERS maps a format to `reader(path) -> insights and problems`.

A new format is one function, one entry in READERS and its file extensions in EXTENSIONS. A reader never stops at an
item that it can't read: it yields a Problem for it and goes on.
"""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from corpus.errors import UsageError
from corpus.export import exported, is_export
from corpus.insight import Insight, make_insight, one_line
from corpus.markdown import front_matter, markdown_blocks
from corpus.plaintext import Unreadable, holds_broken_bytes, load_text
from corpus.prose import ends_like_a_sentence, is_heading, paragraphs, unwrapped
from corpus.rows import ALIASES, as_string, as_tags, csv_rows, delimiter_of, fields_of, iso_date, plain_key


@dataclass(frozen=True, slots=True)
class Problem:
    """One item, or one whole file, that couldn't be read."""

    path: Path
    line: int  # from 1; 0 means the file as a whole
    reason: str  # a full sentence or two: what is wrong, and what to do if there is something

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.reason}" if self.line else f"{self.path}: {self.reason}"


Item = Insight | Problem
Reader = Callable[[Path], Iterator[Item]]


def read_paths(paths: Sequence[Path], format_name: str | None = None) -> Iterator[Item]:
    """The insights in files and folders, in order; what can't be read becomes a Problem.

    Folders are read recursively, sorted by name, without hidden files. `format_name` overrides the file extensions.
    Raises UsageError at once if the format is unknown, or if a named file's extension is.
    """
    if format_name is not None and format_name not in READERS:
        raise UsageError(f'"{format_name}" is not a format.', f"The formats are: {', '.join(READERS)}.")
    for path in paths:
        if format_name is None and _format_of(path) is None and not os.path.isdir(path):
            raise UsageError(
                f"{path} has a file name that tells no known format.",
                f"Rename it to end in {', '.join(EXTENSIONS)}, or name its format: {', '.join(READERS)}.",
            )
    return _read_all(paths, format_name)


def _read_all(paths: Sequence[Path], format_name: str | None) -> Iterator[Item]:
    for path in paths:
        if not os.path.isdir(path):  # unlike Path.is_dir it doesn't raise where a folder may not be entered
            yield from READERS[format_name or _format_of(path) or "text"](path)
            continue
        empty = True
        for file in _files_in(path):
            empty = False
            if isinstance(file, Problem):
                yield file
            elif chosen := format_name or _format_of(file):
                yield from READERS[chosen](file)
            else:
                yield Problem(file, 0, f"Its name tells no known format ({', '.join(EXTENSIONS)}).")
        if empty:
            yield Problem(path, 0, "There are no files in this folder.")


def _files_in(folder: Path) -> Iterator[Path | Problem]:
    faults: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=faults.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))
    for fault in faults:
        yield Problem(Path(fault.filename or folder), 0, f"This folder can't be read: {fault.strerror}.")


def _format_of(path: Path) -> str | None:
    return EXTENSIONS.get(path.suffix.casefold())


def of_text(read: Callable[[Path, str], Iterator[Item]]) -> Reader:
    """Make a reader of a path from one of a path and its text; a file without readable text is one Problem."""

    @wraps(read)
    def reader(path: Path) -> Iterator[Item]:
        try:
            text = load_text(path)
        except Unreadable as fault:
            yield Problem(path, 0, str(fault))
        else:
            yield from read(path, text)

    return reader


# Running text: paragraphs with an empty line between them.


@of_text
def read_text(path: Path, text: str) -> Iterator[Item]:
    """Each paragraph is an insight. Headings, short lines that don't end like a sentence, are left out.

    If no empty line stands between them and every line ends like a sentence, each line is an insight.
    """
    lines = text.split("\n")
    blocks = list(paragraphs(lines))
    if len(blocks) == 1 and all(map(ends_like_a_sentence, blocks[0][1])):
        blocks = [(number, [line]) for number, line in enumerate(blocks[0][1], blocks[0][0])]
    kept = [(number, block) for number, block in blocks if len(block) > 1 or not is_heading(block[0])]
    for number, block in kept:
        yield _made(path, number, {"text": unwrapped(block)})
    if not kept:
        yield _only_headings(path)


@of_text
def read_markdown(path: Path, text: str) -> Iterator[Item]:
    """Each paragraph, block quote or item of a list is an insight; the nearest heading above is its title.

    A list belongs to the paragraph above it if no empty line stands between them, or if that paragraph is a sentence
    that ends in a colon. Front matter gives author, source, title, url, date and tags to all; below a heading its
    title is the source, if it names none. Code blocks are kept as text.
    What Footnoted exported comes back with all its fields.
    """
    lines = text.split("\n")
    if is_export(lines):
        yield from _read_export(path, lines)
        return
    front, first = front_matter(lines)
    shared = {name: value for name, value in fields_of(front).items() if name not in ("text", "insight_id", "note")}
    found = False
    for number, heading, block in markdown_blocks(lines, first):
        found = True
        fields = shared | {"text": block}
        if heading:
            fields |= {"title": heading, "source": shared.get("source") or shared.get("title", "")}
        yield _made(path, number, fields)
    if not found:
        yield _only_headings(path)


def _read_export(path: Path, lines: Sequence[str]) -> Iterator[Item]:
    found = False
    for number, fields in exported(lines):
        found = True
        if fields is None:
            yield Problem(path, number, "The comment above this insight is damaged: its fields can't be read.")
        else:
            yield _made(path, number, fields_of(fields))
    if not found:
        yield Problem(path, 0, "There are no insights in it.")


def _only_headings(path: Path) -> Problem:
    return Problem(
        path,
        0,
        "There are no insights in it, only headings: short lines that don't end like a sentence. "
        "End each insight with a full stop and put an empty line between two.",
    )


# Fields with names.


@of_text
def read_jsonl(path: Path, text: str) -> Iterator[Item]:
    """One JSON object (or string) a line."""
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: U+2028 may stand inside a JSON string
        if not line.strip():
            continue
        try:
            yield _from_json(path, number, _parsed(line))
        except ValueError as error:
            yield Problem(path, number, f"This line is not whole JSON ({error}).")


@of_text
def read_json(path: Path, text: str) -> Iterator[Item]:
    """A list of objects (or strings), or an object whose "insights" is such a list."""
    try:
        data = _parsed(text)
    except ValueError as error:
        yield Problem(path, 0, f"It is not whole JSON ({error}). If it has one insight a line, name it .jsonl.")
        return
    rows = data.get("insights") if isinstance(data, dict) else data
    if not isinstance(rows, list):
        yield Problem(path, 0, 'It holds no list of insights. Make it a list, or an object with a list "insights".')
        return
    if not rows:
        yield Problem(path, 0, "There are no insights in it: its list is empty.")
    for number, row in enumerate(rows, 1):
        item = _from_json(path, 0, row)
        yield Problem(path, 0, f"Item {number}: {item.reason}") if isinstance(item, Problem) else item


@of_text
def read_csv(path: Path, text: str) -> Iterator[Item]:
    """One insight a row; the first row names the columns. The delimiter is the one that the first row uses."""
    skipped = 0
    if hint := re.match(r"sep=(.)\n", text, re.IGNORECASE):  # Excel's own way to name the delimiter
        text, skipped = text[hint.end() :], 1
    delimiter = hint[1] if hint else delimiter_of(text.lstrip("\n"))
    rows = csv_rows(text, delimiter)
    if delimiter == "\t" and any(isinstance(row, csv.Error) for _, row in rows):
        rows = csv_rows(text, delimiter, quoted=False)  # tab-separated files often hold bare quotation marks
    names = rows[0][1] if rows else []
    if isinstance(names, csv.Error) or "text" not in {ALIASES.get(plain_key(name)) for name in names}:
        known = ", ".join(name for name, field in ALIASES.items() if field == "text")
        yield Problem(path, 0, f"It has no column of insights. Name its columns in the first row, this one {known}.")
        return
    if len(rows) == 1:
        yield Problem(path, 0, "There are no rows below the names of the columns.")
    for number, row in rows[1:]:
        line = number + skipped
        if isinstance(row, csv.Error):
            yield Problem(path, line, f"This row can't be read ({row}): is a quotation mark left open?")
        else:
            # Of two columns with one name, the first that isn't empty counts.
            pairs = [(name, value) for name, value in zip(names, row, strict=False) if value.strip()]
            yield _made(path, line, fields_of(dict(reversed(pairs))))


def _parsed(text: str) -> object:
    try:
        data: object = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return data


def _from_json(path: Path, line: int, row: object) -> Item:
    if isinstance(row, str):
        return _made(path, line, {"text": row})
    if not isinstance(row, dict):
        return Problem(path, line, 'This is not an insight: it needs the form {"text": "…"}.')
    return _made(path, line, fields_of(row))


def _made(path: Path, line: int, fields: Mapping[str, object]) -> Item:
    text = fields.get("text", "")
    if not isinstance(text, str):
        return Problem(path, line, "The text of this insight is not a string.")
    words = {name: as_string(value) for name, value in fields.items() if name not in ("text", "tags", "date")}
    tags = as_tags(fields.get("tags"))
    if any(map(holds_broken_bytes, (text, *words.values(), *tags))):
        return Problem(path, line, "This insight holds bytes that are not UTF-8. Save the file as UTF-8.")
    try:
        return make_insight(text, tags=tags, date=iso_date(one_line(as_string(fields.get("date")))), **words)
    except UsageError as error:
        return Problem(path, line, str(error))


READERS: dict[str, Reader] = {
    "text": read_text,
    "markdown": read_markdown,
    "jsonl": read_jsonl,
    "json": read_json,
    "csv": read_csv,
}
EXTENSIONS: dict[str, str] = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
}
