"""JSON: objects with named fields, one a line or in a list."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from corpus.formats.columns import fields_in, missing_column
from corpus.items import Columns, Item, Problem, made, of_text

_NONE: Columns = {}


def read_jsonl(path: Path, columns: Columns = _NONE) -> Iterator[Item]:
    """One JSON object (or string) a line."""

    @of_text
    def reader(path: Path, text: str) -> Iterator[Item]:
        rows: list[tuple[int, object]] = []
        for number, line in enumerate(text.split("\n"), 1):  # not splitlines: U+2028 may stand inside a JSON string
            if line.strip():
                try:
                    rows.append((number, parsed_json(line)))
                except ValueError as error:
                    rows.append((number, error))
        if lacks := _missing(columns, [row for _, row in rows]):
            yield Problem(path, 0, lacks)
            return
        for number, row in rows:
            if isinstance(row, ValueError):
                yield Problem(path, number, f"This line is not whole JSON ({row}).")
            else:
                yield _from_json(path, number, row, columns)

    yield from reader(path)


def read_json(path: Path, columns: Columns = _NONE) -> Iterator[Item]:
    """A list of objects (or strings), or an object whose "insights" is such a list."""

    @of_text
    def reader(path: Path, text: str) -> Iterator[Item]:
        try:
            data = parsed_json(text)
        except ValueError as error:
            yield Problem(path, 0, f"It is not whole JSON ({error}). If it has one insight a line, name it .jsonl.")
            return
        rows = data.get("insights") if isinstance(data, dict) else data
        if not isinstance(rows, list):
            yield Problem(path, 0, 'It holds no list of insights. Make it a list, or an object with a list "insights".')
            return
        if not rows:
            yield Problem(path, 0, "There are no insights in it: its list is empty.")
        elif lacks := _missing(columns, rows):
            yield Problem(path, 0, lacks)
            return
        for number, row in enumerate(rows, 1):
            item = _from_json(path, 0, row, columns)
            yield Problem(path, 0, f"Item {number}: {item.reason}") if isinstance(item, Problem) else item

    yield from reader(path)


def parsed_json(text: str) -> object:
    """What a JSON text stands for. Raises ValueError with the reason if it isn't JSON."""
    try:
        data: object = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return data


def _missing(columns: Columns, rows: Sequence[object]) -> str:
    keys = dict.fromkeys(key for row in rows if isinstance(row, Mapping) for key in row)
    return missing_column(columns, keys)


def _from_json(path: Path, line: int, row: object, columns: Columns) -> Item:
    if isinstance(row, str):
        return made(path, line, {"text": row})
    if not isinstance(row, dict):
        return Problem(path, line, 'This is not an insight: it needs the form {"text": "…"}.')
    return made(path, line, fields_in(row, columns))
