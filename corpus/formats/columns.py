"""Which column or key holds which field of an insight, where the person says so: `text=Highlight`."""

import re
from collections.abc import Iterable, Mapping, Sequence

from corpus.errors import UsageError
from corpus.insight import FIELDS, one_line
from corpus.rows import fields_of, plain_key

_PAIR = re.compile(r'\s*([^=,"]*?)\s*=\s*(?:"([^"]*)"|([^,"]*?))\s*(?:,|$)')
_SHOWN = 40  # names of columns in a sentence
_EXAMPLE = 'Write it as FIELD=COLUMN, for example --map text=Highlight,author="Book Author".'


def columns_given(given: Sequence[str]) -> dict[str, str]:
    """Field -> column. A column with a comma in its name stands in quotation marks; an empty one means no column.

    Raises UsageError if it isn't written so, or if there is no such field.
    """
    columns: dict[str, str] = {}
    for text in given:
        at = 0
        while at < len(text):
            pair = _PAIR.match(text, at)
            if pair is None:
                raise UsageError(f"--map {text} can't be read.", _EXAMPLE)
            name = "insight_id" if pair[1].casefold() == "id" else pair[1].casefold()
            if name not in FIELDS:
                known = ", ".join("id" if field == "insight_id" else field for field in FIELDS)
                raise UsageError(f'An insight has no field "{pair[1]}".', f"The fields are: {known}.")
            if name in columns:
                raise UsageError(f'--map names the field "{pair[1]}" twice.', "Leave one of them out.")
            columns[name] = pair[2] if pair[2] is not None else pair[3]
            at = pair.end()
    return columns


def missing_column(columns: Mapping[str, str], names: Iterable[str]) -> str:
    """A sentence about the first column that was named and isn't among these names; "" if all are there."""
    names = [str(name) for name in names]
    there = {plain_key(name) for name in names}
    for column in columns.values():
        if column and plain_key(column) not in there:
            shown = [one_line(name)[:60] for name in names if name.strip()]
            return f'It has no "{column}". What it has: {", ".join(shown[:_SHOWN]) or "no names at all"}.'
    return ""


def fields_in(row: Mapping[str, object], columns: Mapping[str, str]) -> dict[str, object]:
    """The fields of an insight that a row has: where the person said, the others under their common names."""
    taken = {plain_key(column) for column in columns.values()}
    named = {plain_key(name): value for name, value in row.items()}
    others = fields_of({name: value for name, value in row.items() if plain_key(name) not in taken})
    fields = {field: value for field, value in others.items() if field not in columns}
    return fields | {field: named[key] for field, column in columns.items() if (key := plain_key(column)) in named}
