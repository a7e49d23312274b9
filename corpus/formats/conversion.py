"""A document as Markdown, made by markitdown (a PDF's text by its pdfminer) in a process of its own, so that a hostile
file can't hang or crash an import.

    python -P conversion.py pdf|docx|html FILE      writes a JSON object: markdown, title, author, url, date; or fault

Run as a file, not as a module of ours, so that nothing in the folder it is started from is imported.
"""

import contextlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 120.0  # for one document: 2,000 pages and more
_MEMORY = 6 * 2**30  # bytes of address space, of which the libraries take one or two before they read a file
_LONGEST = 20_000_000  # characters
_FURNITURE = "script style noscript template svg form button nav header footer aside iframe".split()


class Unconverted(Exception):
    """A document can't be converted; the message is a sentence for the user."""


def is_able() -> bool:
    """Whether what converts documents is installed."""
    return importlib.util.find_spec("markitdown") is not None


def convert(path: Path, kind: str) -> dict[str, str]:
    """The document's markdown (a PDF's pages parted by form feeds) and what is known of title, author, url and date.

    Raises Unconverted.
    """
    if not is_able():
        raise Unconverted("Reading it needs a converter that isn't installed. Install it: pip install '.[documents]'")
    command = [sys.executable, "-P", __file__, kind, str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unconverted(
            f"Reading it took longer than {SECONDS:.0f} seconds. Split it into parts, or save it as text."
        ) from None
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise Unconverted(
            "Reading it took too much memory, or it broke the converter. Save it as text, or export it anew."
        ) from None
    if fault := found.get("fault"):
        raise Unconverted(fault)
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _pdf(path: Path) -> dict[str, Any]:
    # As markitdown reads PDFs without tables. Where it sees a table, it joins the words of prose, and loses the pages.
    from pdfminer.high_level import extract_text
    from pdfminer.pdfdocument import PDFDocument, PDFPasswordIncorrect
    from pdfminer.pdfparser import PDFParser
    from pdfminer.utils import decode_text

    data = path.read_bytes()
    try:
        document = PDFDocument(PDFParser(io.BytesIO(data)))
    except PDFPasswordIncorrect:
        return {"fault": "It is locked with a password. Save a copy without one."}
    details: dict[str, Any] = {}
    for one in document.info:
        details |= {name: decode_text(value) for name, value in one.items() if isinstance(value, bytes)}
    markdown = extract_text(io.BytesIO(data))
    if len(re.findall(r"\w{2,}", markdown)) < 3:
        return {
            "fault": "There is no text in it, only pictures of pages. "
            "Let a program for character recognition, such as ocrmypdf, add the text."
        }
    return {"markdown": markdown, "title": details.get("Title", ""), "author": details.get("Author", "")}


def _docx(path: Path) -> dict[str, Any]:
    import zipfile

    from defusedxml import ElementTree
    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter

    details: dict[str, str] = {}
    with zipfile.ZipFile(path) as parts:
        if sum(part.file_size for part in parts.infolist()) > 50 * _LONGEST:
            return {"fault": "It is too large when unpacked. Split it into parts."}
        if "docProps/core.xml" in parts.namelist():
            for element in ElementTree.fromstring(parts.read("docProps/core.xml")):
                details[element.tag.rpartition("}")[2]] = element.text or ""
    with path.open("rb") as file:
        markdown = DocxConverter().convert(file, StreamInfo(extension=".docx")).markdown
    return {"markdown": markdown, "title": details.get("title", ""), "author": details.get("creator", "")}


def _html(path: Path) -> dict[str, Any]:
    import bs4
    from markitdown.converters import HtmlConverter

    soup = bs4.BeautifulSoup(path.read_bytes(), "html.parser")

    def meta(*names: str) -> str:
        for name in names:
            for key in ("property", "name", "itemprop"):
                if (tag := soup.find("meta", attrs={key: name})) and tag.get("content"):
                    return str(tag["content"])
        return ""

    canonical = soup.find("link", rel="canonical")
    url = str(canonical["href"]) if canonical and canonical.get("href") else meta("og:url")
    title = meta("og:title") or (soup.title.get_text() if soup.title else "")
    details = {
        "title": title,
        "author": meta("author", "article:author", "citation_author"),
        "url": url if url.startswith(("http://", "https://")) else "",
        "date": meta("article:published_time", "citation_publication_date", "date", "datePublished"),
    }
    articles = soup.find_all("article")
    body = (articles[0] if len(articles) == 1 else None) or soup.find("main") or soup.body or soup
    for tag in body.find_all(_FURNITURE):
        # The heading of an article often stands in a <header> of its own.
        if tag.name == "header" and tag.find("h1"):
            tag.replace_with(tag.find("h1"))
        elif not tag.decomposed:
            tag.decompose()
    for tag in body.find_all(["ul", "ol", "table"]):
        links = tag.find_all("a")
        linked = sum(len(link.get_text(strip=True)) for link in links)
        if len(links) > 2 and linked > 0.7 * len(tag.get_text(strip=True)):  # a menu
            tag.decompose()
    for tag in body.find_all("img"):
        tag.decompose()
    for tag in body.find_all(["a", "u"]):
        tag.unwrap()
    return details | {"markdown": HtmlConverter().convert_string(str(body)).markdown}


_KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {"pdf": _pdf, "docx": _docx, "html": _html}


def _limit() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS) + 5, int(SECONDS) + 10))


def main() -> None:
    """Convert the file that the command line names."""
    kind, name = sys.argv[1:]
    _limit()
    try:
        found = _KINDS[kind](Path(name))
    except ImportError as error:
        found = {"fault": f"A part of the converter isn't installed ({error.name}): pip install '.[documents]'"}
    except MemoryError:
        found = {"fault": "Reading it took too much memory. Split it into parts, or save it as text."}
    except Exception:  # whatever a broken file makes the libraries raise
        found = {"fault": "It is damaged, or not what its name says. Open it in its own program and export it anew."}
    if len(found.get("markdown") or "") > _LONGEST:
        found = {"fault": f"It has more than {_LONGEST:,} characters. Split it into parts."}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
