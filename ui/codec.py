"""Exchanges as JSON and back, exactly: an old answer stays readable after the library, or this program, has changed.

The insights are part of what is written, each once. What a newer program wrote in addition is passed over; a field
that an older one didn't know gets its default.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from corpus.insight import Insight
from rag.datatypes import Hit
from ui.render import Exchange


def encode(exchange: Exchange) -> str:
    """The exchange with its whole answer as ASCII JSON."""
    pool: dict[Insight, int] = {}
    data = _plain(exchange, pool)
    insights = [
        {field.name: _plain(getattr(insight, field.name), pool) for field in fields(Insight)} for insight in pool
    ]
    return json.dumps({"exchange": data, "insights": insights}, separators=(",", ":"))


def decode(text: str) -> Exchange:
    """The exchange that `encode` wrote. Raises ValueError if it isn't one that this program understands."""
    try:
        data = json.loads(text)
        pool = [_record(Insight, row, []) for row in data["insights"]]
        exchange = _record(Exchange, data["exchange"], pool)
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no saved exchange: {error}") from error
    if not isinstance(exchange, Exchange):
        raise ValueError("this is no saved exchange")
    return exchange


def _plain(value: Any, pool: dict[Insight, int]) -> Any:
    """What JSON can hold of a value; an insight becomes its place in the pool."""
    match value:
        case Insight():
            return pool.setdefault(value, len(pool))
        case Enum():
            return value.value
        case None | bool() | str():
            return value
        case Integral():  # numpy's numbers are of these kinds, too
            return int(value)
        case Real():
            return float(value)
        case Mapping():
            return {str(key): _plain(item, pool) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item, pool) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            row = {field.name: _plain(getattr(value, field.name), pool) for field in fields(value)}
            if isinstance(value, Hit) and _passage_text(value) == value.passage.text:
                del row["passage"]["text"]  # it stands in the insight already
            return row
        case _:
            raise TypeError(f"{type(value).__name__} can't be saved")


def _passage_text(hit: Hit) -> str:
    return hit.insight.text[hit.passage.start : hit.passage.end]


def _record(kind: Any, row: Any, pool: list[Any]) -> Any:
    """A dataclass from its fields."""
    if kind is Hit and "text" not in row["passage"]:
        passage = row["passage"]
        text = pool[row["insight"]].text[passage["start"] : passage["end"]]
        row = {**row, "passage": {**passage, "text": text}}
    kinds = _kinds(kind)
    return kind(**{name: _value(kinds[name], row[name], pool) for name in kinds if name in row})


@cache
def _kinds(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _value(kind: Any, value: Any, pool: list[Any]) -> Any:
    """A field's value from JSON, by the type that the field is declared with."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and type(None) in inner:
            return None
        (kind,) = (part for part in inner if part is not type(None))
        return _value(kind, value, pool)
    if kind is Insight:
        return pool[value]
    if origin is tuple and inner[-1] is Ellipsis:
        return tuple(_value(inner[0], item, pool) for item in value)
    if origin is tuple:
        return tuple(_value(part, item, pool) for part, item in zip(inner, value, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _value(inner[1], item, pool) for key, item in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value, pool)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(kind, type) or type(value) is not kind:
        raise TypeError(f"{value!r} is not of the kind {kind}")
    return value
