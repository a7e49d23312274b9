"""Plain text: paragraphs with an empty line between them."""

from collections.abc import Iterator
from pathlib import Path

from corpus.items import Item, Problem, made, of_text
from corpus.prose import ends_like_a_sentence, is_heading, paragraphs, unwrapped


@of_text
def read_text(path: Path, text: str) -> Iterator[Item]:
    """Each paragraph is an insight. Headings, short lines that don't end like a sentence, are left out.

    If no empty line stands between them and every line ends like a sentence, each line is an insight.
    """
    lines = text.split("\n")
    blocks = list(paragraphs(lines))
    if len(blocks) == 1 and all(map(ends_like_a_sentence, blocks[0][1])):
        blocks = [(number, [line]) for number, line in enumerate(blocks[0][1], blocks[0][0])]
    kept = [(number, block) for number, block in blocks if len(block) > 1 or not is_heading(block[0])]
    for number, block in kept:
        yield made(path, number, {"text": unwrapped(block)})
    if not kept:
        yield only_headings(path)


def only_headings(path: Path) -> Problem:
    """Why running text gives no insights."""
    return Problem(
        path,
        0,
        "There are no insights in it, only headings: short lines that don't end like a sentence. "
        "End each insight with a full stop and put an empty line between two.",
    )
