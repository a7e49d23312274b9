"""Insights that are not in a file on this disk: pasted into the page, or sent to it."""

import json
import re
import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePath

from corpus.export import is_export
from corpus.items import Item, Problem
from corpus.plaintext import Unreadable, beginning_of, decoded
from corpus.readers import FORMATS
from corpus.rows import ALIASES, csv_rows, delimiter_of, plain_key


def read_bytes(name: str, data: bytes, format_name: str, most: int | None = None) -> list[Item]:
    """The insights in the bytes of a file, the first `most` of them.

    What can't be read becomes a Problem that calls the file by this name.
    """
    with tempfile.TemporaryDirectory() as folder:
        # A document's reader may take its title from the name; text that was pasted has none.
        called = PurePath(name).name
        path = Path(folder, called if re.fullmatch(r"[^\0\ud800-\udfff]{1,50}\.\w{1,9}", called) else "given")
        path.write_bytes(data)
        items = list(islice(FORMATS[format_name].read(path), most))
    return [replace(item, path=Path(name)) if isinstance(item, Problem) else item for item in items]


def guess_format(data: bytes) -> str:
    """The format that bytes without a telling name are most likely in."""
    try:
        text = decoded(data).replace("\r\n", "\n").replace("\r", "\n").strip()
    except Unreadable:
        return "text"  # whose reader says why
    plain = _plain_format(text)
    suffixes = FORMATS[plain].suffixes if plain in ("json", "jsonl", "csv") else (".txt", ".md", ".csv", ".html")
    start = beginning_of(text.encode("utf-8", "replace"))
    for name, form in FORMATS.items():
        if form.recognises and set(suffixes) & set(form.suffixes) and form.recognises(start):
            return name
    return plain


def _plain_format(text: str) -> str:
    """Which of the formats that no app has a text looks like."""
    lines = text.split("\n")
    if text.startswith(("{", "[")):
        if _is_json(text):
            one = text.startswith("{") and len(lines) == 1 and "insights" not in json.loads(text)
            return "jsonl" if one else "json"
        if _is_json(lines[0]):
            return "jsonl"
    if _is_table(text):
        return "csv"
    if is_export(lines) or any(re.match(r"#{1,6}\s|\s*[-*+]\s+\S|>|```|---\s*$", line) for line in lines):
        return "markdown"
    return "text"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_table(text: str) -> bool:
    """Whether the first line names columns, one of them the insights' text."""
    rows = csv_rows(text.split("\n", 1)[0], delimiter_of(text))
    names = rows[0][1] if rows else []
    if not isinstance(names, list):
        return False
    fields = [ALIASES.get(plain_key(name)) for name in names]
    return "text" in fields and (len(fields) == 1 or sum(field is not None for field in fields) > 1)
