"""Kindle's `My Clippings.txt`, the file on the device itself.

A clipping is the book's title with its author in brackets, a line that says what it is, where and when, an empty line,
the text, and a line of ten equals signs. The second line is in the language of the device; which forms it has was
taken from the test data of public parsers: knotes, clipshelf, kindle-clippings, Ember.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpus.formats.kindle_marks import (
    BOOKMARK,
    Mark,
    authors_in,
    date_in,
    fields_of_marks,
    kind_of,
    locations_in,
    page_in,
)
from corpus.insight import one_line
from corpus.items import Item, Problem, made, of_text

_SEPARATOR = re.compile(r"\s*={10}\s*")
_LEFT_OUT = re.compile(r"<[^<>\n]*>")  # "<You have reached the clipping limit for this item>"


def is_clippings(beginning: str) -> bool:
    """Whether a text begins like a file of clippings."""
    lines = [line for line in _clean(beginning).split("\n") if line.strip()]
    return len(lines) > 1 and _says_what(lines[1]) and bool(kind_of(lines[1]))


@of_text
def read_clippings(path: Path, text: str) -> Iterator[Item]:
    """Each highlight is an insight, with its notes; so is each note that belongs to none. Bookmarks are left out."""
    marks: list[Mark] = []
    without_text = found = 0
    for number, block in _blocks(_clean(text).split("\n")):
        mark = _mark(number, block)
        if mark is None:
            found += 1
            yield Problem(path, number, "This is no clipping: no line below its title says what it is, and where.")
        elif not mark.kind:
            found += 1
            said = one_line(block[1])[:200]
            yield Problem(path, number, f"It can't be told whether this is a highlight or a note: {said}.")
        elif mark.kind != BOOKMARK and (not mark.text or _LEFT_OUT.fullmatch(mark.text)):
            without_text += 1
        else:
            marks.append(mark)
    for mark, fields in fields_of_marks(marks):
        found += 1
        yield made(path, mark.line, fields)
    if without_text:
        yield Problem(
            path,
            0,
            f"{without_text:,} of its clippings came without text: Kindle leaves it out beyond the part of a book that "
            "its publisher lets you copy. Export the notebook of that book in the Kindle app.",
        )
    elif not found:
        yield Problem(path, 0, "There are no highlights or notes in it.")


def _clean(text: str) -> str:
    return text.replace("\ufeff", "").replace("\u200b", "")  # the device writes marks between its clippings too


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(line, lines) of each clipping; the first of its lines isn't empty."""
    block: list[str] = []
    start = 0
    for number, line in enumerate([*lines, "=" * 10], 1):
        if _SEPARATOR.fullmatch(line):
            if block:
                yield start, block
            block = []
        elif block or line.strip():
            start = start if block else number
            block.append(line)


def _mark(number: int, block: Sequence[str]) -> Mark | None:
    lines = ["", *block] if _says_what(block[0]) and kind_of(block[0]) else block  # a document without a title
    if len(lines) < 2 or not _says_what(lines[1]):
        return None
    about = lines[1]
    book, author = _titled(lines[0])
    start, end = locations_in(about)
    return Mark(
        line=number,
        kind=kind_of(about),
        book=book,
        author=author,
        text="\n".join(lines[2:]).strip(),
        page=page_in(about),
        start=start,
        end=end,
        day=date_in(about),
    )


def _says_what(line: str) -> bool:
    return bool(re.match(r"\s*-\s*\S.*[|｜]", line))


def _titled(line: str) -> tuple[str, str]:
    """Title and author: what stands in the last brackets, which may hold others."""
    line = line.strip()
    depth = 0
    for at in range(len(line) - 1, 0, -1) if line.endswith(")") else ():
        depth += (line[at] == ")") - (line[at] == "(")
        if not depth:
            return line[:at].strip(), authors_in(line[at + 1 : -1])
    return line, ""
