"""How a question is asked for, and whether what came is one: no model, only rules. English only."""

import re
from collections.abc import Iterator

from corpus.insight import one_line
from corpus.passages import sentences
from eval.text import content
from rag.prompt import Message, defused
from rag.words import names, numbers

FEWEST, MOST = 4, 25  # words of a question
ABOUT = 0.5  # of its content words that the insight must hold
COPIED = 0.5  # most of its runs of four words that may stand in the insight
SHORT = 15  # words of a short answer at most

_SYSTEM = "Turn the sentence into a question that it answers. Write only the question."
_EXAMPLES = (  # what a small model needs to see; each asks for something else
    (
        "Designer Petra Vance found that players stay 23% longer when a lost bet is celebrated with lights.",
        "How much longer do players stay when a lost bet is celebrated?",
    ),
    (
        "For the borrowing museum, the insurance is usually the largest cost of an exhibition.",
        "What is usually the largest cost of an exhibition for the borrowing museum?",
    ),
    (
        "Hedgerows return where the subsidy pays by the metre, because farmers then measure what they plant.",
        "Why do hedgerows return where the subsidy pays by the metre?",
    ),
    ("Korin Ade sold 40 looms to a mill in Perth in 1911.", "Who sold 40 looms to a mill in Perth?"),
)
_WHOLE = (
    "Write one short question that the note answers. Ask for one fact of it. Name what it is about, so that the "
    "question can be understood without the note. Write only the question."
)
_LABEL = re.compile(  # "Q1. ", "- ", "Here is a question: "
    r"^\W*(?:question|q)?\s*\d*\s*[:.)\-–—]+\s+"
    r"|^[^?]*:\s*(?=[\"“]?(?:(?:in|at|on|for|by|to|from|of|with) )?(?:what|which|who|whose|when|where|why|how)\b)",
    re.I,
)
_LEANING = re.compile(  # sentences that can't be understood without the one before
    r"(it|its|they|their|them|this|that|these|those|he|she|his|her|such|both|and|but|so|yet|instead|however|the same"
    r"|the (reality|result|reason|former|latter|other|others))\b",
    re.I,
)
_NOTE = re.compile(
    r"\b(the|this|that|your|a|following|above|given) (note|passage|text|insight|paragraph|excerpt|statement|sentence"
    r"|author|article|speaker|question|quote)s?\b|\baccording to (him|her|them|it)\b",
    re.I,
)
_POINTING = frozenset("this these those".split())  # at what isn't there, or at what wasn't said before them:
_STANDING_IN = frozenset("that he she they it his her their its him them".split())
_JUDGING = re.compile(
    r"\b(most|best|worst|main|biggest|greatest|largest|better|interesting|surprising|you|we|i)\b", re.I
)
_NUMBER = re.compile(
    r"[$€£¥]?\d[\d.,:]*(?<![.,:])"
    r"(?:\s?(?:%|per ?cent\b|percentage points?\b|thousand\b|million\b|billion\b|trillion\b))*"
)
_ASKS_A_NUMBER = re.compile(
    r"\b(how (many|much|often|long|far|large|old|fast)|(what|which) (share|percentage|year)|when)\b", re.I
)
_ASKS_A_REASON = re.compile(r"\bwhy\b", re.I)


def prompts(text: str) -> Iterator[tuple[Message, ...]]:
    """What a writer is asked for a question: first about the sentence that tells most, with examples, which a small
    model needs; then about the whole text, which a large one makes more of.

    The text stands in a delimited note and is defused, as in `rag.prompt`.
    """
    shots = [
        message
        for sentence, question in _EXAMPLES
        for message in (Message("user", sentence), Message("assistant", question))
    ]
    yield (Message("system", _SYSTEM), *shots, Message("user", defused(telling(text))))
    yield Message("system", _WHOLE), Message("user", f"<note>\n{defused(text)}\n</note>")


def telling(text: str) -> str:
    """The sentence that a question is best made of: one that stands alone, with numbers or names, and long."""
    cut = [text[start:end] for start, end in sentences(text)]

    def worth(sentence: str) -> tuple[bool, bool, int]:
        return not _LEANING.match(sentence), bool(numbers(sentence) or names(sentence)), len(sentence)

    return max(cut, key=worth, default=text)


def question_in(draft: str) -> str:
    """The first question of what a writer wrote, without what stands around it; "" if there is none."""
    text = one_line(draft.partition("?")[0])
    if "?" not in draft or not text:
        return ""
    start, _ = sentences(f"{text}?")[-1]
    question = _LABEL.sub("", f"{text}?"[start:]).strip(" \"'“”‘*_#>")
    return question[0].upper() + question[1:] if question.strip("?") else ""


def fault_of(question: str, text: str, copying: float = COPIED) -> str:
    """Why a written question won't do for the text, in a few words; "" if the rules find nothing.

    `copying` is the most of it that may be copied.
    """
    words = question.casefold().split()
    if not question.endswith("?"):
        return "it is no question"
    if not FEWEST <= len(words) <= MOST:
        return f"it has {len(words)} words"
    if (match := _NOTE.search(question)) and match[0].casefold() not in text.casefold():
        return f"it is about {match[0].casefold()!r}"
    said = content(question)
    if len(said) < 2:
        return "it asks about nothing"
    if _points_elsewhere(question):
        return "it can't be understood alone"
    if len(said & content(text)) < ABOUT * len(said):
        return "it is about something else"
    if (match := _JUDGING.search(question)) and not re.search(rf"\b{match[0]}\b", text, re.I):
        return f"it asks for a judgement: {match[0].casefold()!r}"
    if extra := numbers(question) - numbers(text):
        return f"{min(extra)} isn't in the insight"
    return "it is copied" if copied(question, text) > copying else ""


def copied(question: str, text: str) -> float:
    """The share of the question's runs of four words that stand in the text, blind to case and punctuation."""
    ours, theirs = (re.findall(r"\w+", each.casefold()) for each in (question, text))
    known = set(zip(*(theirs[n:] for n in range(4)), strict=False))
    runs = list(zip(*(ours[n:] for n in range(4)), strict=False))
    return sum(run in known for run in runs) / len(runs) if runs else 0.0


def short_answer(question: str, quote: str) -> str:
    """The bare answer in the sentences that answer, where a rule can tell it; "" where it can't.

    The only new number, if a number is asked for; what follows "because", if a reason is; else a quote that is short.
    """
    if _ASKS_A_NUMBER.search(question):
        new = {found for found in _NUMBER.findall(quote) if not numbers(found) <= numbers(question)}
        if len(new) == 1:
            return str(new.pop())
    if _ASKS_A_REASON.search(question) and len(parts := re.split(r"\bbecause\b", quote)) == 2:
        quote = re.split(r"[.;]\s", parts[1])[0]
    short = quote.strip().rstrip(".")
    return short if len(short.split()) <= SHORT else ""


def _points_elsewhere(question: str) -> bool:
    """Whether it has a word as "this", or one as "it" before anything that it could stand for."""
    words = re.findall(r"[^\W_]+", question)
    for place, word in enumerate(words):
        if word.casefold() in _POINTING or (word.casefold() in _STANDING_IN and not content(" ".join(words[:place]))):
            return True
    return False
