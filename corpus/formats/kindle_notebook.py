"""The notebook of a book as the Kindle apps export it: HTML in which classes say what is what.

Its tags are mismatched in older versions (a heading `h3` closed by `div`), so that only the classes are looked at:
bookTitle, authors, sectionHeading, noteHeading, noteText. That, and what headings look like, was taken from the notes
and the test data of public converters: krystofl/kindle-notes-to-md and those that read both forms.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

from corpus.formats.kindle_marks import (
    BOOKMARK,
    HIGHLIGHT,
    NOTE,
    Mark,
    authors_in,
    fields_of_marks,
    kind_of,
    locations_in,
    page_in,
)
from corpus.items import Item, Problem, made, of_text

_CLASSES = ("bookTitle", "authors", "sectionHeading", "noteHeading", "noteText")
_OTHER_CLASSES = ("bodyContainer", "notebookFor", "citation")
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]{0,30})([^<>]{0,2000})>")
_CLASS = re.compile(r"\bclass\s{0,9}=\s{0,9}[\"']([^\"']*)")


def is_notebook(beginning: str) -> bool:
    """Whether HTML begins like a notebook: its style sheet, or its body, names the classes."""
    return sum(name in beginning for name in (*_CLASSES, *_OTHER_CLASSES)) > 2


@of_text
def read_notebook(path: Path, text: str) -> Iterator[Item]:
    """Each highlight is an insight, with its notes; so is each note that belongs to none. Bookmarks are left out."""
    found = False
    for mark, fields in fields_of_marks(list(_marks(_blocks(text)))):
        found = True
        yield made(path, mark.line, fields)
    if not found:
        yield Problem(path, 0, "There are no highlights or notes in it.")


@dataclass(slots=True)
class _Block:
    """An element of one of the classes."""

    name: str
    line: int
    colour: bool = False  # whether it names a highlight's colour
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        lines = (" ".join(unescape(line).split()) for line in "".join(self.parts).split("\n"))
        # Older versions put a space before each full stop and comma.
        return re.sub(r"(?<=\w) (?=[,.](?:\s|$)(?! ?\.))", "", "\n".join(filter(None, lines)))


def _blocks(html: str) -> Iterator[_Block]:
    """The blocks of the known classes, each up to the next heading or division that begins or ends.

    A few patterns instead of html.parser, which takes hours for some broken files.
    """
    block: _Block | None = None
    line, at = 1, 0
    for tag in _TAG.finditer(html):
        if block:
            block.parts.append(html[at : tag.start()].replace("\n", " "))
        line += html.count("\n", at, tag.start())
        classes = match[1].split() if (match := _CLASS.search(tag[3])) else []
        known = next((name for name in classes if name in _CLASSES), None)
        ends = tag[1] and tag[2].casefold() in ("div", "h1", "h2", "h3")
        if block and (known or ends):
            yield block
            block = None
        if known:
            block = _Block(known, line)
        elif block:
            block.colour |= any(name.startswith("highlight_") for name in classes)
            if tag[2].casefold() in ("br", "p"):
                block.parts.append("\n")
        line += tag[0].count("\n")
        at = tag.end()
    if block:  # the file ends within it
        block.parts.append(html[at:].replace("\n", " "))
        yield block


def _marks(blocks: Iterable[_Block]) -> Iterator[Mark]:
    book = author = section = ""
    heading: _Block | None = None
    for block in blocks:
        match block.name:
            case "bookTitle":
                book = block.text
            case "authors":
                author = authors_in(block.text)
            case "sectionHeading":
                section, heading = block.text, None
            case "noteHeading":
                heading = block
            case "noteText" if heading:
                start, end = locations_in(heading.text)
                kind = HIGHLIGHT if heading.colour else kind_of(heading.text) or NOTE
                if kind != BOOKMARK and block.text:
                    yield Mark(
                        line=heading.line,
                        kind=kind,
                        book=book,
                        author=author,
                        text=block.text,
                        page=page_in(heading.text),
                        start=start,
                        end=end,
                        chapter=_chapter(heading.text) or section,
                    )
                heading = None


def _chapter(heading: str) -> str:
    """ "Highlight (yellow) - A Chapter > Page 9 · Location 123" names a chapter."""
    before, arrow, _ = heading.rpartition(" > ")
    return before.partition(" - ")[2].strip() if arrow else ""
