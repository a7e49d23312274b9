"""The questions that a first visit offers to click."""

import re
from collections import Counter

from corpus.library import Library

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
        found.update(set(re.findall(r"(?<=[a-z,] )[A-Z][\w’'-]+(?: [A-Z][\w’'-]+)*", insight.text)))
    return tuple(f"What do my insights say about {name}?" for name, _ in found.most_common(count))
