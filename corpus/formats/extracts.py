"""A document's paragraphs -> extracts of an insight's size, each within one section and made of whole sentences."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from corpus.markdown import Block
from corpus.passages import MAX_WORDS, count_words, stretches
from corpus.prose import ends_like_a_sentence, is_heading, paragraphs, unwrapped

FEW_WORDS = 40  # a shorter paragraph is joined to the next one, if that has room
_PAGE_NUMBER = re.compile(r"\W*(?:page|seite|p\.)?\s*(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:/|of|von)\s*\d{1,4})?\W*$", re.I)
_DOTS = re.compile(r"(?<!\.)(?<!\.\s)(?:\.\s?){4,}\s*\d{1,4}\s*$")  # a line of a table of contents


@dataclass(frozen=True, slots=True)
class Extract:
    """A stretch of a document: one paragraph, a few short ones, or a part of a long one."""

    heading: str
    text: str
    page: int  # on which it begins, from 1; 0 if there are no pages


def extracts(blocks: Iterable[tuple[int, Block]]) -> Iterator[Extract]:
    """The extracts of a document, in order; each block comes with its page.

    A table or code block stays whole, or is left out if it has more than MAX_WORDS words.
    """
    for heading, section in groupby(blocks, key=lambda pair: pair[1].heading):
        made: list[_Part] = []
        for page, block in section:
            between = "" if block.kind in ("table", "code") else "\n" if block.kind == "item" else "\n\n"
            if not between and count_words(block.text) > MAX_WORDS:
                made.append(_Part(page, "", 0, ""))  # what comes after it doesn't go on from what came before
                continue
            for start, end in stretches(block.text):
                text = block.text[start:end]
                part = _Part(page, text, count_words(text), between)
                if made and made[-1].words < FEW_WORDS and _fit(made[-1], part):
                    made[-1:] = [_joined(made[-1], part)]
                else:
                    made.append(part)
        if len(made) > 1 and made[-1].words < FEW_WORDS and _fit(made[-2], made[-1]):
            made[-2:] = [_joined(made[-2], made[-1])]
        yield from (Extract(heading, part.text, part.page) for part in made if _says_something(part))


@dataclass(frozen=True, slots=True)
class _Part:
    page: int
    text: str
    words: int
    between: str  # what parts it from the one before it, if they are put together; "" if it stays alone


def _fit(one: _Part, other: _Part) -> bool:
    return bool(one.between and other.between) and one.words + other.words <= MAX_WORDS


def _joined(one: _Part, other: _Part) -> _Part:
    return _Part(one.page, f"{one.text}{other.between}{other.text}", one.words + other.words, one.between)


def _says_something(part: _Part) -> bool:
    """Not a button's label, a byline or a stray number."""
    return part.words >= FEW_WORDS // 4 or (part.words > 3 and ends_like_a_sentence(part.text))


def pdf_blocks(text: str) -> Iterator[tuple[int, Block]]:
    """The paragraphs of a PDF's text, whose pages are parted by form feeds, each with its page.

    What stands at the top or foot of many pages, page numbers and tables of contents are left out; words that a
    line's end cut in two and paragraphs that a page's end cut are put together.
    """
    pages = [page.split("\n") for page in text.split("\f")]
    while pages and not any(map(str.strip, pages[-1])):
        pages.pop()
    edges = _edges(pages)
    heading = ""
    page, waiting = 0, list[str]()  # a paragraph that may go on, in parts
    for number, lines in enumerate(pages, 1):
        for _, block in paragraphs(_without(lines, edges)):
            words = _unhyphenated(block)
            is_table = block[0].lstrip().startswith("|") and len(block) > 1
            if waiting and words[0].isalpha() and words[0].islower() and not _ends(waiting[-1]):
                waiting.append(words)
                continue
            if waiting:
                yield page, Block(0, heading, _unhyphenated(waiting), "text")
            page, waiting = number if len(pages) > 1 else 0, []
            if is_table:
                yield page, Block(0, heading, words, "table")
            elif len(block) == 1 and _is_heading(words):
                heading = words
            elif re.search(r"\w", words):
                waiting = [words]
    if waiting:
        yield page, Block(0, heading, _unhyphenated(waiting), "text")


def _is_heading(line: str) -> bool:
    numbered = re.match(r"(?:\d{1,2}\.)+\d{0,2}\s+\S", line) and len(line) <= 80 and not line.endswith(".")
    return bool(re.search(r"[^\W\d_]{2}", line)) and not line.endswith(":") and bool(numbered or is_heading(line))


def _ends(text: str) -> bool:
    return ends_like_a_sentence(text) or text.rstrip().endswith((":", ";"))


def _unhyphenated(lines: Sequence[str]) -> str:
    """The lines as one, without the hyphen where a line's end cut a word in two."""
    joined = "\n".join(line.strip() for line in lines)
    return unwrapped(re.sub(r"(?<=[^\W\d_])[\u00ad-]\n(?=[a-zß-ÿ])", "", joined).split("\n"))


def _edges(pages: Sequence[Sequence[str]]) -> set[str]:
    """The lines, without their numbers, that stand at the top or foot of at least three pages in ten, and of three."""
    counts: dict[str, int] = {}
    for lines in pages:
        for shape in {_shape(lines[at]) for at in _outer(lines)}:
            counts[shape] = counts.get(shape, 0) + 1
    return {shape for shape, count in counts.items() if count >= max(3, 0.3 * len(pages))}


def _outer(lines: Sequence[str]) -> set[int]:
    """The first two and last two lines of a page, as far as they stand alone."""
    padded = ["", *lines, ""]
    written = [at for at, line in enumerate(lines) if line.strip()]
    ends = {*written[:2], *written[-2:]}
    return {at for at in ends if not padded[at].strip() and not padded[at + 2].strip()}


def _shape(line: str) -> str:
    return re.sub(r"\d+", "#", " ".join(line.split())).casefold()


def _without(lines: Sequence[str], edges: set[str]) -> list[str]:
    outer = _outer(lines)
    return [
        ""
        if (at in outer and (_shape(line) in edges or _PAGE_NUMBER.match(line.strip()[:40]))) or _DOTS.search(line)
        else re.sub(r"\(cid:\d{1,6}\)", "", line.replace("\u00a0", " "))  # a sign that the font doesn't name
        for at, line in enumerate(lines)
    ]
