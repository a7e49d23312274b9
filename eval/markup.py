"""HTML and SVG out of Python values: whatever isn't `Html` is text, and text is escaped."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

VOID = frozenset({"br", "input", "meta", "wbr"})  # elements without a content; of those that we write
# What no page may hold: controls, halves of characters, and the two that aren't characters.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# A browser reads a carriage return as the end of a line, unless it is escaped.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": "&#13;"})


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that stands in a page as it is. Only this module makes it out of text."""

    code: str


Child = Html | str
Attribute = str | int | float | bool | None


def escaped(text: str) -> str:
    """Text as it stands in HTML, between tags and in attributes; what no page may hold becomes U+FFFD."""
    return _NOT_TEXT.sub("\ufffd", text).translate(_ESCAPES)


def join(children: Iterable[Child]) -> Html:
    """One after the other, with nothing between them."""
    return Html("".join(child.code if isinstance(child, Html) else escaped(child) for child in children))


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. `class_` is written class, `data_type` data-type; None and False leave an attribute out."""
    opened = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{opened}>")
    return Html(f"<{name}{opened}>{join(children).code}</{name}>")


def raw(name: str, code: str, /, **attributes: Attribute) -> Html:
    """A `style` or `script` element of our own; its code isn't escaped. Raises ValueError if it would end itself."""
    if re.search(rf"</{name}|<!--", code, re.IGNORECASE):
        raise ValueError(f"this code would end its own {name} element")
    opened = "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{name}{opened}>{code}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name}="{escaped(text)}"'
