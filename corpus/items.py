"""What every format module builds on: an item is an insight or a problem, a reader makes items of a file.

A reader never stops at an item that it can't read: it yields a Problem for it and goes on.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from corpus.errors import UsageError
from corpus.insight import Insight, make_insight, one_line
from corpus.plaintext import Unreadable, holds_broken_bytes, load_text
from corpus.rows import as_string, as_tags, iso_date


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
_PLACE = re.compile(r"(?:^|, )(?:(?:p|loc)\. \w+(?:-\w+)?|\d{1,3}(?::\d\d){1,2})$")
Columns = Mapping[str, str]  # field of an insight -> the column or key that holds it; "" for none


@dataclass(frozen=True, slots=True)
class Format:
    """A form in which people keep insights."""

    title: str  # as a person calls it: "Readwise CSV"
    read: Reader
    suffixes: tuple[str, ...]  # of the names of its files, with the dot, in lower case
    recognises: Callable[[str], bool] | None = None  # from a file's first characters; None: any file with its suffix
    mapped: Callable[[Path, Columns], Iterator[Item]] | None = None  # `read`, where the person names the columns
    is_text: bool = True  # whether it can be pasted


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


def made(path: Path, line: int, fields: Mapping[str, object]) -> Item:
    """The insight of these fields (of `make_insight`, as strings or as JSON has them), or why it can't be one."""
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


def located(title: str, place: str, source: str = "") -> str:
    """A title with the place to cite, "p. 12", "loc. 345" or "1:02:03": an insight has no field of its own for it.

    Where there is no title, but a place, the source's name stands for it.
    """
    title, place = title.strip(), place.strip()
    return ", ".join(part for part in (title or source.strip(), place) if part) if place else title


def without_place(title: str) -> str:
    """What `located` was given as the title, or as the source that stands for it."""
    return _PLACE.sub("", title)


def source_beside(insight: Insight) -> str:
    """An insight's source, where its title doesn't say it already."""
    return "" if without_place(insight.title) == insight.source else insight.source


def file_title(path: Path) -> str:
    """What a file is called by its name; "" for text that came without one."""
    return path.stem if path.suffix else ""


def own_words(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields, but where a note has no text that it is about, the note is the text.

    Its author is the person, not who wrote the book: who asks what that author said must not be given it.
    """
    if as_string(fields.get("text")).strip() or not as_string(fields.get("note")).strip():
        return dict(fields)
    return {name: value for name, value in fields.items() if name != "author"} | {"text": fields["note"], "note": ""}
