"""Readwise: its Markdown export and what its Obsidian plugin writes, a file or a first-level heading a document.

After files that people published: "## Metadata" with a list of details, then "## Highlights" with an item each, a link
to its place in brackets at the end, and the note and the tags as nested items.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from corpus.formats.markdown import markdown_with
from corpus.items import Item, Problem, located, made, of_text
from corpus.markdown import Section, front_matter, plain_text, sections
from corpus.rows import as_tags

is_readwise_markdown = markdown_with(
    r"^\s*- \**Full Title\**:|!\[rw-book-cover\]|\((?:https?://)?(?:read\.)?readwise\.io/"
)

_DETAIL = re.compile(r"\s*- \**(Author|Full Title|Document Tags|URL)\**:+\**\s*(.*?)\s*$", re.IGNORECASE)
_HIGHLIGHTS = re.compile(r"(?:new )?highlights\b", re.IGNORECASE)
_ADDED = re.compile(r"added\W+([A-Z][a-z]+) (\d{1,2})(?:st|nd|rd|th)?, (\d{4})\b")
_MONTHS = "January February March April May June July August September October November December".split()
_PLACE = re.compile(
    r"(?<!\s)\s*\(\[?((?:Location|Page|Time|View)\b[^\]()\n]{0,40})\]?(?:\((\S{1,2000}?)\))?\)\s*(?:\^\w{1,40})?$"
)
_SHORT = {"location": "loc. ", "page": "p. ", "time": ""}
_NESTED = re.compile(r"(?: {2,}|\t)\s*[-*] \**(note|tags)\**:+\**\s*(.*)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Highlight:
    line: int
    text: str  # with Markdown's marks
    note: str
    tags: tuple[str, ...]


@of_text
def read_readwise_markdown(path: Path, text: str) -> Iterator[Item]:
    """Each highlight is an insight; what a person wrote below one is its note, like the note that Readwise nests.

    Kept: the document as source, the chapter and the place as title, the author, the address (the document's own
    where it has one, else the highlight's), the tags of both. The date is that of "New highlights added".
    """
    lines = text.split("\n")
    _, first = front_matter(lines)
    about: dict[str, str] = {}
    chapter = date = ""
    inside = found = False
    for section in sections(lines, first):
        details = {match[1].casefold(): match[2] for line in section.lines if (match := _DETAIL.match(line))}
        heading = plain_text([section.heading])
        if section.level == 1:
            about, inside = {"full title": heading}, False
        about |= details
        if _HIGHLIGHTS.match(heading):
            inside, chapter, date = True, "", _date(section.heading)
        elif inside and section.level > 2:
            chapter = heading
        elif section.level:
            inside = False
        for highlight in _highlights(section) if inside else ():
            found = True
            yield _insight(path, highlight, about, chapter, date)
    if not found:
        yield Problem(path, 0, "There are no highlights in it, below a heading that says Highlights.")


def _highlights(section: Section) -> Iterator[_Highlight]:
    """The items of the outer list in a section."""
    lines = section.lines
    starts = [at for at, line in enumerate(lines) if re.match(r"[-*] +\S", line)]
    for start, end in pairwise([*starts, len(lines)]):
        parts: dict[str, list[str]] = {"text": [lines[start][1:]], "note": [], "tags": []}
        part = "text"
        for before, line in pairwise(lines[start:end]):
            if nested := _NESTED.match(line):
                part, line = nested[1].casefold(), nested[2]
            elif line[:1].strip() and not before.strip():  # not indented, after an empty line: the person's own
                part = "note"
            parts[part].append(re.sub(r"^\s*(?:>\s?)+", "", line))
        number = section.line + start + bool(section.level)
        yield _Highlight(number, "\n".join(parts["text"]), _shown(parts["note"]), _tags(" ".join(parts["tags"])))


def _insight(path: Path, highlight: _Highlight, about: Mapping[str, str], chapter: str, date: str) -> Item:
    place = _PLACE.search(highlight.text)
    text = highlight.text[: place.start()] if place else highlight.text
    words = re.sub(r"!\[[^\]\n]{0,500}\]\([^)\n]{0,2000}\)", "", text)
    if words != text and not any(map(str.isalnum, words)):
        return Problem(path, highlight.line, "This highlight is a picture: it has no words to find it by.")
    link = (place[2] or "") if place else ""
    of_readwise = re.match(r"https?://read\.readwise\.io/read/(\w{1,80})", link)
    kind, _, number = place[1].partition(" ") if place else ("", "", "")
    short = _SHORT.get(kind.casefold())
    source = plain_text([about.get("full title", "")])
    return made(
        path,
        highlight.line,
        {
            "text": _shown(words.split("\n")),
            "insight_id": f"readwise-{of_readwise[1]}" if of_readwise else "",
            "title": located(chapter, f"{short}{number}" if short is not None else "", source),
            "author": plain_text([about.get("author", "")]),
            "source": source,
            "url": about.get("url") if of_readwise and about.get("url") else link or about.get("url", ""),
            "date": date,
            "tags": [*_tags(about.get("document tags", "")), *highlight.tags],
            "note": highlight.note,
        },
    )


def _shown(lines: Sequence[str]) -> str:
    """Lines that each stand for one of the document's, without Markdown's marks."""
    return "\n".join(plain_text([line]) for line in lines if line.strip())


def _tags(words: str) -> tuple[str, ...]:
    linked = re.findall(r"\[\[([^\[\]]{1,200})\]\]|#([\w/-]{1,200})", words)
    return tuple(one or other for one, other in linked) if linked else tuple(filter(None, as_tags(words)))


def _date(heading: str) -> str:
    """The day on which new highlights came; the first ones all came on the day that Readwise was connected."""
    match = _ADDED.search(plain_text([heading]))
    return f"{match[3]}-{_MONTHS.index(match[1]) + 1:02}-{int(match[2]):02}" if match and match[1] in _MONTHS else ""
