"""Stretches of insights: which characters answer a question, and how well those marked agree with them."""

from collections.abc import Iterable, Mapping

from corpus.passages import sentences
from eval.text import content

Span = tuple[str, int, int]  # an insight's id, and characters start to end of its text


def derive_spans(short: str, gold: Mapping[str, str]) -> tuple[Span, ...]:
    """The sentence of the gold insights (id to text) that answers, where a short answer tells it without doubt.

    It is the only sentence that holds every content word and number of the short answer (`eval.text.content`, so "yes"
    and "no" don't count). There is none, and the question can't tell, if the gold insights are several: each answers a
    part then, and the short answer doesn't say which. Nor if two sentences hold the words, or no sentence does.

    The rule sees words alone: a sentence before it that is needed to understand it isn't part of the span.
    """
    wanted = content(short)
    if len(gold) != 1 or not wanted:
        return ()
    ((id_, text),) = gold.items()
    found = [(id_, start, end) for start, end in sentences(text) if wanted <= content(text[start:end])]
    return tuple(found) if len(found) == 1 else ()


def overlap_f1(marked: Iterable[Span], gold: Iterable[Span]) -> float:
    """F1 of the characters marked against the gold ones, each counted once (as in Da San Martino et al. 2020).

    1 if both are the same, 0 if they share none; what is marked in other insights lowers the precision.
    """
    ours, theirs = _characters(marked), _characters(gold)
    both = len(ours & theirs)
    return 2 * both / (len(ours) + len(theirs)) if both else 0.0


def _characters(spans: Iterable[Span]) -> set[tuple[str, int]]:
    return {(id_, at) for id_, start, end in spans for at in range(start, end)}
