"""Markdown as people write it, and as Footnoted exports it."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from corpus.export import exported, is_export
from corpus.formats.text import only_headings
from corpus.items import Item, Problem, made, of_text
from corpus.markdown import front_matter, markdown_blocks
from corpus.rows import fields_of

_JSON = re.compile(r"\s*[\[{][\[{\s]*\"")


def markdown_with(pattern: str) -> Callable[[str], bool]:
    """Recognise another app's Markdown by what stands in its beginning; what Footnoted exported is our own."""
    mark = re.compile(pattern, re.MULTILINE)
    return lambda start: not is_export([start]) and not _JSON.match(start) and bool(mark.search(start))


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
    for block in markdown_blocks(lines, first):
        found = True
        fields = shared | {"text": block.text}
        if block.heading:
            fields |= {"title": block.heading, "source": shared.get("source") or shared.get("title", "")}
        yield made(path, block.line, fields)
    if not found:
        yield only_headings(path)


def _read_export(path: Path, lines: Sequence[str]) -> Iterator[Item]:
    found = False
    for number, fields in exported(lines):
        found = True
        if fields is None:
            yield Problem(path, number, "The comment above this insight is damaged: its fields can't be read.")
        else:
            yield made(path, number, fields_of(fields))
    if not found:
        yield Problem(path, 0, "There are no insights in it.")
