"""Insights out, as JSONL, CSV, Markdown or BibTeX: an import of the file makes the same insights with the same ids.

Where two insights hold the same text (a source can change one into the other), an import keeps the first.

Cards for Anki are for learning: not every field has a place in them, and they aren't read back.

The Markdown is to be read and may be edited: above each insight stands a comment with its fields, and its text is the
block quote below. Without the first line it is Markdown like any other.
"""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from corpus.anki import HEAD, anki_card
from corpus.bibtex import MARK as BIBTEX_MARK
from corpus.bibtex import bibtex_entry
from corpus.errors import UsageError
from corpus.insight import FIELDS, Insight
from corpus.rows import marked_tags, tags_as_text

MARK = "<!-- Footnoted export 1. Each insight is a comment with its fields and a quote with its text: edit these. -->"
_BEGINS = "<!-- Footnoted export "
_COMMENT = re.compile(r"<!-- insight (\{.*\}) -->\s*$")


def _jsonl(insights: Iterable[Insight]) -> Iterator[str]:
    for insight in insights:
        yield json.dumps(_fields(insight), ensure_ascii=False) + "\n"


def _csv(insights: Iterable[Insight]) -> Iterator[str]:
    yield _csv_row(FIELDS)
    for insight in insights:
        yield _csv_row((_fields(insight) | {"tags": tags_as_text(insight.tags)}).values())


def _markdown(insights: Iterable[Insight]) -> Iterator[str]:
    yield f"{MARK}\n"
    for insight in insights:
        kept = {name: value for name, value in _fields(insight).items() if value and name != "text"}
        # In JSON these two signs may always be written so, and no value can then end the comment.
        fields = json.dumps(kept, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")
        yield f"\n<!-- insight {fields} -->\n"
        if insight.title:
            yield f"## {_shown(insight.title)}\n\n"
        if about := " · ".join(part for part in (insight.author, insight.source, insight.date) if part):
            yield f"{_shown(about)}\n\n"
        yield "".join(f"> {_shown(line)}".rstrip(" ") + "\n" for line in insight.text.split("\n"))
        for name, value in (("Note", insight.note), ("Tags", ", ".join(insight.tags)), ("Address", insight.url)):
            if value:
                yield f"\n{name}: {_shown(value)}\n"


def _bibtex(insights: Iterable[Insight]) -> Iterator[str]:
    yield f"{BIBTEX_MARK}\n"
    for number, insight in enumerate(insights, 1):
        yield "\n" + bibtex_entry(number, _fields(insight) | {"tags": tags_as_text(insight.tags)})


def _anki(insights: Iterable[Insight]) -> Iterator[str]:
    yield HEAD
    for insight in insights:
        yield anki_card({name: getattr(insight, name) for name in FIELDS if name != "tags"}, insight.tags)


@dataclass(frozen=True, slots=True)
class Export:
    """A form in which all insights can be written."""

    title: str  # as a person calls it
    suffix: str
    media_type: str
    write: Callable[[Iterable[Insight]], Iterator[str]]
    comes_back: bool = True  # whether a reader makes the same insights of it


EXPORTS: dict[str, Export] = {
    "jsonl": Export("JSON lines", ".jsonl", "application/jsonl", _jsonl),
    "csv": Export("CSV table", ".csv", "text/csv", _csv),
    "markdown": Export("Markdown", ".md", "text/markdown", _markdown),
    "bibtex": Export("BibTeX", ".bib", "application/x-bibtex", _bibtex),
    "anki": Export("Anki", ".anki.txt", "text/plain", _anki, comes_back=False),
}


def export_format(path: Path, format_name: str | None = None) -> str:
    """The format to write: as named, else by the file's name. Raises UsageError if neither tells one."""
    name = path.name.casefold()
    found = format_name or next((form for form, export in EXPORTS.items() if name.endswith(export.suffix)), None)
    if found not in EXPORTS:
        suffixes = [export.suffix for export in EXPORTS.values()]
        raise UsageError(
            f'"{format_name}" is not a format to export to.' if format_name else f"{path} tells no format by its name.",
            f"Name it one that ends in {', '.join(suffixes)}, or name its format: {', '.join(EXPORTS)}.",
        )
    return found


def write_export(path: Path, insights: Iterable[Insight], format_name: str, *, replace: bool = False) -> int:
    """Write the insights to a file, whole or not at all; how many they were.

    Raises UsageError if the file is there already (without `replace`) or a folder, OSError if it can't be written.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", "Name a file in it.")
    if path.exists() and not replace:
        raise UsageError(f"There is a file {path} already.", "Name another one, or give --replace.")
    count = 0

    def counted() -> Iterator[Insight]:
        nonlocal count
        for insight in insights:
            count += 1
            yield insight

    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(EXPORTS[format_name].write(counted()))
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return count


def is_export(lines: Sequence[str]) -> bool:
    """Whether Markdown was written by us."""
    return bool(lines) and lines[0].startswith(_BEGINS)


def exported(lines: Sequence[str]) -> Iterator[tuple[int, dict[str, object] | None]]:
    """(line from 1, fields) of each insight in Markdown that we wrote; None if its comment isn't whole any more."""
    starts = [at for at, line in enumerate(lines) if line.startswith("<!-- insight ")]
    for start, end in pairwise([*starts, len(lines)]):
        fields = _of_comment(lines[start])
        if fields is not None:
            fields["text"] = "\n".join(map(_read, _quote(lines[start + 1 : end])))
        yield start + 1, fields


def _fields(insight: Insight) -> dict[str, object]:
    return {name: getattr(insight, name) for name in FIELDS} | {"tags": marked_tags(insight.tags)}


def _csv_row(values: Iterable[object]) -> str:
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow(values)
    return row.getvalue()


def _of_comment(line: str) -> dict[str, object] | None:
    match = _COMMENT.match(line)
    try:
        fields = json.loads(match[1]) if match else None
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _quote(lines: Sequence[str]) -> Iterator[str]:
    """The lines of the first block quote, without its marks."""
    begun = False
    for line in lines:
        if line.startswith(">"):
            begun = True
            yield line[1:].removeprefix(" ")
        elif begun:
            return


def _shown(text: str) -> str:
    """Text in Markdown in which no tag works and no line begins a quote or a comment of ours."""
    return re.sub(r"(\\*)<", r"\1\1\\<", re.sub(r"^(\\*)>", r"\1\1\\>", text, flags=re.MULTILINE))


def _read(line: str) -> str:
    """What `_shown` was given."""

    def halved(match: re.Match[str]) -> str:
        return "\\" * (len(match[1]) // 2) + match[2] if len(match[1]) % 2 else match[0]

    return re.sub(r"^(\\+)(>)", halved, re.sub(r"(\\+)(<)", halved, line))
