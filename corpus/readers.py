"""The formats people keep insights in, which of them a file has, and the insights of files and folders.

A new format is one module `formats/NAME.py` with its reader, and one entry in FORMATS.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath

from corpus.errors import UsageError
from corpus.formats.apple_books import is_apple_books, read_apple_books
from corpus.formats.bibtex import read_bibtex
from corpus.formats.csv import read_csv
from corpus.formats.documents import read_docx, read_html, read_pdf
from corpus.formats.hypothesis import is_hypothesis, read_hypothesis
from corpus.formats.json import read_json, read_jsonl
from corpus.formats.kindle import is_clippings, read_clippings
from corpus.formats.kindle_notebook import is_notebook, read_notebook
from corpus.formats.markdown import read_markdown
from corpus.formats.obsidian import is_obsidian, read_obsidian
from corpus.formats.read_later import (
    is_instapaper,
    is_pocket,
    is_pocket_highlights,
    read_instapaper,
    read_pocket,
    read_pocket_highlights,
)
from corpus.formats.readwise import is_readwise, read_readwise
from corpus.formats.readwise_markdown import is_readwise_markdown, read_readwise_markdown
from corpus.formats.snipd import is_snipd, read_snipd
from corpus.formats.text import read_text
from corpus.formats.zotero import is_zotero_json, is_zotero_note, read_zotero_json, read_zotero_note
from corpus.insight import Insight
from corpus.items import Format, Item, Problem
from corpus.plaintext import beginning

# By the name that --as takes. A file has the first format that has its suffix and recognises its beginning, so that
# the one that recognises any file stands last among those with its suffix.
FORMATS: dict[str, Format] = {
    "kindle": Format("Kindle clippings", read_clippings, (".txt",), is_clippings),
    "text": Format("Plain text", read_text, (".txt",)),
    "snipd": Format("Snipd Markdown", read_snipd, (".md", ".markdown"), is_snipd),
    "readwise-markdown": Format(
        "Readwise Markdown", read_readwise_markdown, (".md", ".markdown"), is_readwise_markdown
    ),
    "zotero-note": Format("Zotero note of annotations", read_zotero_note, (".md", ".markdown"), is_zotero_note),
    "obsidian": Format("Obsidian notes", read_obsidian, (".md", ".markdown"), is_obsidian),
    "markdown": Format("Markdown", read_markdown, (".md", ".markdown")),
    "jsonl": Format("JSON lines", read_jsonl, (".jsonl", ".ndjson"), mapped=read_jsonl),
    "hypothesis": Format("Hypothesis JSON", read_hypothesis, (".json",), is_hypothesis),
    "zotero": Format("Zotero JSON", read_zotero_json, (".json",), is_zotero_json),
    "pocket-highlights": Format("Pocket highlights", read_pocket_highlights, (".json",), is_pocket_highlights),
    "json": Format("JSON", read_json, (".json",), mapped=read_json),
    "readwise": Format("Readwise CSV", read_readwise, (".csv",), is_readwise),
    "apple-books": Format("Apple Books CSV", read_apple_books, (".csv",), is_apple_books),
    "instapaper": Format("Instapaper CSV", read_instapaper, (".csv",), is_instapaper),
    "pocket": Format("Pocket CSV", read_pocket, (".csv",), is_pocket),
    "csv": Format("CSV table", read_csv, (".csv", ".tsv"), mapped=read_csv),
    "kindle-notebook": Format("Kindle notebook", read_notebook, (".html", ".htm"), is_notebook),
    "html": Format("Web page", read_html, (".html", ".htm")),
    "pdf": Format("PDF", read_pdf, (".pdf",), is_text=False),
    "docx": Format("Word document", read_docx, (".docx",), is_text=False),
    "bibtex": Format("BibTeX of Footnoted", read_bibtex, (".bib",)),
}
CONVERTED = ("html", "pdf", "docx")  # by a process of its own, which takes seconds
READABLE = tuple(dict.fromkeys(suffix for form in FORMATS.values() for suffix in form.suffixes))
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Source:
    """A file that can be read."""

    path: Path
    named: Path  # the path that was asked for: the file itself, or a folder above it
    format_name: str  # of FORMATS

    def items(self, columns: Mapping[str, str] = _NONE) -> Iterator[Item]:
        """The insights in it; `columns` as in `read_paths`."""
        form = FORMATS[self.format_name]
        if not columns:
            return form.read(self.path)
        if form.mapped is None:
            return iter([Problem(self.path, 0, f"{form.title} has no columns that --map could name.")])
        return form.mapped(self.path, columns)


def detected(name: str, start: str) -> str | None:
    """The format of a file with this name that begins like this (see `beginning_of`); None if its name tells none."""
    return _first(PurePath(name).suffix.casefold(), lambda: start)


def format_of(path: Path) -> str | None:
    """The format of a file, if its name and, where several formats share a suffix, its beginning tell one."""
    return _first(path.suffix.casefold(), lambda: beginning(path))


def _first(suffix: str, start: Callable[[], str]) -> str | None:
    able = [(name, form) for name, form in FORMATS.items() if suffix in form.suffixes]
    if not any(form.recognises for _, form in able):
        return able[0][0] if able else None
    text = start()
    return next((name for name, form in able if form.recognises is None or form.recognises(text)), None)


def read_paths(
    paths: Sequence[Path],
    format_name: str | None = None,
    columns: Mapping[str, str] = _NONE,
    told: Callable[[Source, int], None] = lambda source, count: None,
) -> Iterator[Item]:
    """The insights in files and folders, in order; what can't be read becomes a Problem.

    Folders are read recursively, sorted by name, without hidden files. `format_name` overrides what is detected.
    `columns` says for tables and JSON which column holds which field. `told` hears of each file that was read, with
    the number of its insights.
    Raises UsageError at once if the format is unknown, or if a named file's extension is.
    """
    sources = find_sources(paths, format_name, by_columns=bool(columns))
    return _read(sources, columns, told)


def _read(
    sources: Iterator[Source | Problem], columns: Mapping[str, str], told: Callable[[Source, int], None]
) -> Iterator[Item]:
    for source in sources:
        if isinstance(source, Problem):
            yield source
            continue
        count = 0
        for item in source.items(columns):
            count += isinstance(item, Insight)
            yield item
        told(source, count)


def find_sources(
    paths: Sequence[Path], format_name: str | None = None, *, by_columns: bool = False
) -> Iterator[Source | Problem]:
    """The files in files and folders with their formats, in order. Raises UsageError as `read_paths` does.

    `by_columns`: the person names the columns, so that a known app's table is a table like any other.
    """
    if format_name is not None and format_name not in FORMATS:
        raise UsageError(f'"{format_name}" is not a format.', f"The formats are: {', '.join(FORMATS)}.")

    @cache  # asked for a named file twice, and each time its beginning would be read
    def chosen(path: Path) -> str | None:
        if format_name or not by_columns:
            return format_name or format_of(path)
        suffix = path.suffix.casefold()
        able = (name for name, form in FORMATS.items() if suffix in form.suffixes and form.mapped)
        return next(able, None) or format_of(path)

    for path in paths:
        if not os.path.isdir(path):  # unlike Path.is_dir it doesn't raise where a folder may not be entered
            name = chosen(path)
            if name is None:
                raise UsageError(
                    f"{path} has a file name that tells no known format.",
                    f"Rename it to end in {', '.join(READABLE)}, or name its format: {', '.join(FORMATS)}.",
                )
            if by_columns and FORMATS[name].mapped is None:
                able = ", ".join(name for name, form in FORMATS.items() if form.mapped)
                raise UsageError(
                    f"{path} is read as {FORMATS[name].title}, which has no columns that --map could name.",
                    f"Leave --map out, or name a format that has: {able}.",
                )
    return _sources(paths, chosen)


def _sources(paths: Sequence[Path], chosen: Callable[[Path], str | None]) -> Iterator[Source | Problem]:
    for path in paths:
        if not os.path.isdir(path):
            yield Source(path, path, chosen(path) or "text")
            continue
        empty = True
        for file in _files_in(path):
            empty = False
            if isinstance(file, Problem):
                yield file
            elif name := chosen(file):
                yield Source(file, path, name)
            else:
                yield Problem(file, 0, f"Its name tells no known format ({', '.join(READABLE)}).")
        if empty:
            yield Problem(path, 0, "There are no files in this folder.")


def _files_in(folder: Path) -> Iterator[Path | Problem]:
    faults: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=faults.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))
    for fault in faults:
        yield Problem(Path(fault.filename or folder), 0, f"This folder can't be read: {fault.strerror}.")
