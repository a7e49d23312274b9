"""Whole documents: PDF, Word and web pages, converted by markitdown and cut into extracts of an insight's size."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from corpus.formats.conversion import Unconverted, convert
from corpus.formats.extracts import extracts, pdf_blocks
from corpus.items import Item, Problem, file_title, located, made
from corpus.markdown import Block, markdown_blocks
from corpus.plaintext import Unreadable, load_bytes

_OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # how a .doc begins, and a .docx with a password
_JUNK = re.compile(
    r"microsoft (?:word|powerpoint)|untitled|\.(?:docx?|indd|tex|qxd|dvi|pdf)$|^(?:slide|document)\s*\d*$"
)


def read_pdf(path: Path) -> Iterator[Item]:
    """Paragraphs of a PDF with about 40 to 120 words, with the heading above and the page as title."""

    def fault(data: bytes) -> str:
        return "" if b"%PDF-" in data[:1024] else "It is not a PDF, though it is called one."

    return _read(path, "pdf", fault, pdf_blocks)


def read_docx(path: Path) -> Iterator[Item]:
    """Paragraphs of a Word document with about 40 to 120 words, with the heading above as title."""

    def fault(data: bytes) -> str:
        if data.startswith(_OLD_OFFICE):
            return "It is locked with a password, or an old Word file (.doc). Save it as .docx without a password."
        return "" if data.startswith(b"PK\x03\x04") else "It is not a Word document, though it is called one."

    return _read(path, "docx", fault, _blocks)


def read_html(path: Path) -> Iterator[Item]:
    """Paragraphs of a web page with about 40 to 120 words, without menus, footers and scripts."""
    return _read(path, "html", lambda data: "", _blocks)


def _read(
    path: Path, kind: str, fault: Callable[[bytes], str], cut: Callable[[str], Iterable[tuple[int, Block]]]
) -> Iterator[Item]:
    try:
        data = load_bytes(path)
        reason = "" if data.strip() else "It is empty."
        if reason := reason or fault(data):
            raise Unreadable(reason)
        document = convert(path, kind)
    except (Unreadable, Unconverted) as error:
        yield Problem(path, 0, str(error))
        return
    title = " ".join(document.get("title", "").split())
    if len(title) < 3 or _JUNK.search(title.casefold()):  # what a program filled in
        title = file_title(path)
    found = False
    for extract in extracts(cut(document.get("markdown", ""))):
        found = True
        heading = extract.heading if extract.heading != title else ""
        yield made(
            path,
            0,
            {
                "text": extract.text,
                "title": located(heading, f"p. {extract.page}" if extract.page else "", title),
                "source": title,
                "author": document.get("author", ""),
                "url": document.get("url", ""),
                "date": document.get("date", ""),
            },
        )
    if not found:
        yield Problem(path, 0, "There are no paragraphs in it, only headings, labels, or tables too large to cite.")


def _blocks(markdown: str) -> Iterator[tuple[int, Block]]:
    text = re.sub(r"\s?!\[[^\]\n]{0,1000}\]\([^)\n]{0,4000}\)|</?u>", "", markdown)
    return ((0, block) for block in markdown_blocks(text.split("\n"), 0))
