"""The questions that a first visit offers to click."""

import re
from collections import Counter
from collections.abc import Iterator

from corpus.library import FUNCTION_WORDS, Library

DEMO = (
    "Which historical trade practice is China's strategy compared with?",
    "Why is the US restricting GPU sales to China?",
    "Is Chinese AI really open source?",
    "How does China make up for its lack of cutting-edge chips?",
    "How many people work at DeepSeek?",
)
SAMPLE = 400  # insights looked at for the names they share


def examples(library: Library, count: int = 5) -> tuple[str, ...]:
    """Written ones for the shipped insights (the last has no answer there); for others, their most frequent names."""
    if library.name == "demo":
        return DEMO
    found: Counter[str] = Counter()
    for insight in library.insights(limit=SAMPLE):
        found.update(set(_names(insight.text)))
    return tuple(f"What do my insights say about {name}?" for name, _ in found.most_common(count))


def _names(text: str) -> Iterator[str]:
    """Runs of capitalised words. At the start of a sentence one such word alone may be any word."""
    for match in re.finditer(r"[A-Z][\w’'-]+(?: [A-Z][\w’'-]+)*", text):
        words = match.group().split()
        opens = not re.search(r"[a-z,] $", text[: match.start()])
        if words[0].lower() in FUNCTION_WORDS:  # "In China" opens a sentence, and China is a name all the same
            words, opens = words[1:], False
        if words and not (opens and len(words) == 1):
            yield " ".join(words)
