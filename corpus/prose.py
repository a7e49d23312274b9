"""Running text: what a paragraph, a heading and a sentence's end are, in plain text and in Markdown alike."""

import re
from collections.abc import Iterable, Iterator, Sequence

from corpus.plaintext import holds_broken_bytes

BULLET = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(?=\S)")


def paragraphs(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, from 1; its lines) of each stretch without an empty line."""
    paragraph: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield number - len(paragraph), paragraph
            paragraph = []


def unwrapped(lines: Iterable[str], *, hard_breaks: bool = False) -> str:
    """Join the lines of a paragraph that an editor wrapped; list items and table rows keep their own lines.

    With `hard_breaks` a line that ends in two spaces or a backslash keeps its line break, as in Markdown.
    """
    text = ""
    for line in lines:
        own_line = BULLET.match(line) or line.lstrip().startswith("|") or text.endswith("\n")
        text = f"{text.rstrip()}\n{line.strip()}" if text and own_line else f"{text} {line.strip()}"
        if hard_breaks and line.endswith(("  ", "\\")):
            text = text.removesuffix("\\").rstrip() + "\n"
    return text.strip()


def is_heading(line: str) -> bool:
    """A line that stands alone, has at most 8 words and 80 characters, and doesn't end like a sentence."""
    if holds_broken_bytes(line):  # the rest of a damaged insight: that must be told
        return False
    return len(line.split()) <= 8 and len(line.strip()) <= 80 and not ends_like_a_sentence(line)


def ends_like_a_sentence(line: str) -> bool:
    """Whether the line ends with a full stop or its like, perhaps inside quotation marks or brackets."""
    return bool(re.search(r"[.!?…。！？][\s\"'”’»)\]*_]*$", line))
