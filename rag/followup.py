"""A follow-up made stand-alone from the conversation, by rule: the same input always gives the same question."""

import re
from collections.abc import Sequence

from rag.datatypes import Turn
from rag.words import content, names

_OPENS = re.compile(
    r"\W*(and|but|so(?!-)|then|also|or|what about|how about|what if|why not|how so|up from|since (when|then))\b", re.I
)
_POINTS_BACK = re.compile(
    r"\b(it|its|they|them|their|theirs|he|she|him|his|hers?|these|those|the (former|latter|others?)|instead)\b"
    r"|\b(this|that|there|here|such|same|one|ones|else)\W*$"  # at the end they point, inside they join
    r"|\b(is|are|was|were|do|does|did|has|have) (this|that|such|one)\b|\b(such|the same) \w+\W*$",
    re.I,
)

_DEFINES = re.compile(r"\W*(what|who) (is|are|was|were) (?!it\b|they\b|that\b|this\b)", re.I)


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question, with the previous one before it if it leans on that: "How big is Lindow? And its bakery?".

    It leans on it if it opens like a continuation, points back with a pronoun, or is too short to stand alone. The
    previous question is itself made stand-alone first, so a chain of follow-ups keeps its subject.
    """
    if not history or not leans_back(question):
        return question
    return f"{standalone(history[-1].question, history[:-1])} {question}"


def leans_back(question: str) -> bool:
    """Does this question need an earlier one to be understood?"""
    if _OPENS.match(question):
        return True
    called = names(question)
    short = len(content(question)) <= 2 and not _DEFINES.match(question)
    return not called and (short or bool(_POINTS_BACK.search(question)))
