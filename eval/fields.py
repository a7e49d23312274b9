"""Values out of parsed JSON: what a form of questions expects, or a ValueError with the reason.

Whoever reads a file adds its name and the place to the reason.
"""

from typing import Any


def items_of(data: object, name: str) -> list[Any]:
    """The list under a name; an empty one if the name or the object is missing."""
    value = data.get(name) if isinstance(data, dict) else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name!r} is not a list")
    return value


def text_of(data: object, name: str) -> str:
    """The text under a name; an empty one if the name is missing. A number will do."""
    if not isinstance(data, dict):
        raise ValueError(f"an object with {name!r} was expected, not {str(data)[:40]!r}")
    return as_text(data.get(name), repr(name))


def needed(data: object, name: str) -> str:
    """The text under a name, without space around it; ValueError if there is none."""
    value = data.get(name) if isinstance(data, dict) else None
    if not (text := as_text(value, repr(name)).strip()):
        raise ValueError(f"{name!r} is missing or empty")
    return text


def texts_of(data: object, name: str) -> list[str]:
    """The list of texts under a name; an empty one if the name is missing."""
    return [as_text(value, f"an item of {name!r}") for value in items_of(data, name)]


def flag_of(data: object, name: str, default: bool) -> bool:
    """True or false under a name; the default if the name is missing. "no" in quotes is neither."""
    value = data.get(name) if isinstance(data, dict) else None
    if value is None:
        return default
    if not isinstance(value, bool) and value not in (0, 1):
        raise ValueError(f"{name!r} is neither true nor false")
    return bool(value)


def as_text(value: object, what: str) -> str:
    """A text or a number as text, fit to be written as UTF-8; nothing is the empty text."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{what} is not text")
    return str(value).encode("utf-8", "replace").decode()
