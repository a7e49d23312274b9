"""Every measure: a function from the rows of a run to one number, or None where no row can tell.

Two rules hold for all. A question whose answer failed stays in and scores worst. And a measure's rows are chosen by the
questions, not by what the system did with them, except where its definition says otherwise.

To add one, write a function and give it a name in MEASURES.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from eval.rows import Row
from eval.text import holds

Measure = Callable[[Sequence[Row]], float | None]


def mean(values: Iterable[float]) -> float | None:
    """The mean, or None of nothing."""
    values = list(values)
    return math.fsum(values) / len(values) if values else None


# Retrieval: over answerable questions with gold insights; an insight counts where it is first retrieved; gain 1 or 0.


def recall(k: int) -> Measure:
    """Recall@k: share of a question's gold insights among the first k retrieved; mean over questions."""
    return lambda rows: mean(len(set(row.retrieved[:k]) & set(row.gold)) / len(set(row.gold)) for row in _judged(rows))


def ndcg(k: int) -> Measure:
    """nDCG@k (Järvelin & Kekäläinen 2002): 1 / log2(rank + 1) for each gold insight, over that of a perfect order."""

    def score(row: Row) -> float:
        gold = set(row.gold)
        gain = sum(1 / math.log2(rank + 1) for rank, id_ in enumerate(row.retrieved[:k], 1) if id_ in gold)
        return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(len(gold), k) + 1))

    return lambda rows: mean(map(score, _judged(rows)))


def reciprocal_rank(k: int) -> Measure:
    """RR@k (Voorhees 1999): 1 / rank of the first gold insight, 0 if none is among the first k; mean over questions."""

    def score(row: Row) -> float:
        return next((1 / rank for rank, id_ in enumerate(row.retrieved[:k], 1) if id_ in row.gold), 0.0)

    return lambda rows: mean(map(score, _judged(rows)))


# Citations, after ALCE (Gao et al. 2023), but judged by the gold insights and not by a model.


def citation_precision(rows: Sequence[Row]) -> float | None:
    """Of the citations shown (the insights that each sentence cites), the share that are gold.

    It is the mean over answered questions. One that is unanswerable scores 0, as do one without citations and one that
    failed. If something was answerable and nothing was answered it is 0: who says nothing has no precision.
    """
    if answered := [row for row in rows if not row.refused]:
        return mean(_share(id_ in row.gold for claim in row.claims for id_ in claim.cited) for row in answered)
    return 0.0 if any(row.answerable for row in rows) else None


def citation_recall(rows: Sequence[Row]) -> float | None:
    """Share of a question's gold insights that its answer cites; mean over answerable ones; refused ones score 0."""
    return mean(len(set(row.cited) & set(row.gold)) / len(set(row.gold)) for row in _judged(rows))


# Refusals


def refusal_rate(rows: Sequence[Row]) -> float | None:
    """Share of unanswerable questions that are refused (status not_in_library). High is good."""
    return mean(row.refused for row in rows if not row.answerable)


def false_refusal_rate(rows: Sequence[Row]) -> float | None:
    """Share of answerable questions that are refused, or fail. Low is good."""
    return mean(row.refused or row.failed for row in rows if row.answerable)


# Answers


def short_answer(rows: Sequence[Row]) -> float | None:
    """Share of answerable questions whose answer, its sentences joined, holds the gold short answer: `eval.text.holds`.

    A quote that is shown as a sentence counts like any other. This is a recall: a wrong answer that mentions the words
    passes, and a right one in other words doesn't. Questions without a short answer are left out.
    """
    return mean(holds(row.answer, row.short) for row in rows if row.answerable and row.short)


def unsupported_rate(rows: Sequence[Row]) -> float | None:
    """Share of all sentences shown that fail the independent rule `eval.text.is_grounded`; a failed question is one.

    The rule can't see everything: this is a floor for how much is wrong. Low is good.
    """
    return mean(
        flaw for row in rows for flaw in ([True] if row.failed else [not claim.grounded for claim in row.claims])
    )


def prose_rate(rows: Sequence[Row]) -> float | None:
    """Share of answered questions with a sentence that isn't a copy from what it cites; a failed one has none."""
    return mean(any(not claim.verbatim for claim in row.claims) for row in rows if not row.refused)


# Time


def seconds(percent: int) -> Measure:
    """Seconds a question, by the clock: the smallest time that `percent` of the questions don't exceed (nearest rank).

    A failed question counts as slow as the slowest, so that failing fast gains nothing.
    """

    def score(rows: Sequence[Row]) -> float | None:
        slowest = max((row.seconds for row in rows), default=0.0)
        times = sorted(slowest if row.failed else row.seconds for row in rows)
        return times[math.ceil(percent / 100 * len(times)) - 1] if times else None

    return score


def _judged(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.answerable and row.gold]


def _share(hits: Iterable[bool]) -> float:
    return mean(hits) or 0.0


def answerable_auc(rows: Sequence[Row]) -> float | None:
    """How often an answerable question gets a higher probability than an unanswerable one (area under the ROC curve).

    A failed question counts as judged wrong with certainty; ties count half.
    """
    right = [0.0 if row.failed else row.probability for row in rows if row.answerable]
    wrong = [1.0 if row.failed else row.probability for row in rows if not row.answerable]
    return mean((a > b) + (a == b) / 2 for a in right for b in wrong)


MEASURES: dict[str, Measure] = {
    "recall@1": recall(1),
    "recall@5": recall(5),
    "recall@20": recall(20),
    "ndcg@10": ndcg(10),
    "rr@10": reciprocal_rank(10),
    "citation_precision": citation_precision,
    "citation_recall": citation_recall,
    "refusal_rate": refusal_rate,
    "false_refusal_rate": false_refusal_rate,
    "answerable_auc": answerable_auc,
    "short_answer": short_answer,
    "unsupported_rate": unsupported_rate,
    "prose_rate": prose_rate,
    "seconds_p50": seconds(50),
    "seconds_p95": seconds(95),
}
