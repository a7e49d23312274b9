"""The questions that a first visit offers to click."""

from collections import Counter
from collections.abc import Iterator, Sequence

from corpus.insight import Insight
from eval.propose import draw
from ui.handlers import Library
from ui.suggest import ABOUT, Check, Made, candidates, names_in, suggestions

DEMO = (
    "Is Chinese AI really open source?",
    "Why is the US restricting GPU sales to China?",
    "How does China make up for its lack of cutting-edge chips?",
    "Which historical trade practice is China's strategy compared with?",
    "How many people work at DeepSeek?",
)
SAMPLE = 400  # insights that they are made of
BY_RULE = 2  # of them at most are made of sentences; the others ask about a name
CHECKED = 5  # questions that are checked: the page waits for them


def examples(library: Library, check: Check = lambda question, insight: True, count: int = 4) -> tuple[str, ...]:
    """Written ones for the shipped insights (the last has no answer there); for others, made of what they say.

    First questions that single sentences answer, then the most frequent names; only those that pass the check.
    """
    if library.name == "demo":
        return DEMO
    insights = draw(library.insights(limit=SAMPLE), seed=0)
    by_rule = [made for made in candidates(insights) if not made[0].startswith(ABOUT)][:BY_RULE]
    return tuple(suggestions((*by_rule, *_about_names(insights)), (), check, count, CHECKED))


def _about_names(insights: Sequence[Insight]) -> Iterator[Made]:
    """A question about each name, the most frequent first, with an insight that holds it."""
    found: Counter[str] = Counter()
    holders: dict[str, Insight] = {}
    for insight in insights:
        for name in dict.fromkeys(names_in(insight.text)):
            found[name] += 1
            holders.setdefault(name, insight)
    return ((f"{ABOUT}{name}?", holders[name]) for name, _ in found.most_common())
