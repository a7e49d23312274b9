"""Retrieval measures of a question, as ir_measures computes them: the field's names, definitions and programs."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import repeat

from eval.rows import Row

NAMES = ("R@1", "R@5", "R@20", "nDCG@10", "RR@10", "Success@1")  # as ir_measures parses and prints them


def retrieval(row: Row) -> Mapping[str, float] | None:
    """Every measure of NAMES for one question; None if it is unanswerable or has no gold insights.

    An insight counts where it is first retrieved. Its gain is its grade, 1 where the questions have no grades.
    """
    if not row.answerable or not row.gold:
        return None
    return _computed(row.retrieved, row.gold, row.grades)


@lru_cache(maxsize=50_000)  # every measure, group and comparison asks for the same rows again
def _computed(retrieved: tuple[str, ...], gold: tuple[str, ...], grades: tuple[int, ...]) -> Mapping[str, float]:
    import ir_measures  # here, so that whoever computes no measure doesn't wait for it

    relevance = dict(zip(gold, grades or repeat(1), strict=False))
    scores = {id_: -float(rank) for rank, id_ in enumerate(dict.fromkeys(retrieved))}
    run = {"q": scores} if scores else {}
    found = ir_measures.iter_calc(list(map(ir_measures.parse_measure, NAMES)), {"q": relevance}, run)
    return {str(metric.measure): float(metric.value) for metric in found}
