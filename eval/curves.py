"""The numbers behind the charts of a report: what cuts would refuse, whether probabilities are right, the seconds.

No drawing here: `eval.charts` draws them, and the tables beside the charts hold the same numbers.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.rows import Row

BINS = 10  # of probabilities
PER_DECADE = 6  # bins of seconds between 1 and 10
_Z = 1.959963984540054  # the normal distribution holds 95% within this many standard deviations


@dataclass(frozen=True, slots=True)
class Point:
    """What is refused if every question with a probability below `cut` is: shares from 0 to 1."""

    cut: float
    answerable: float
    unanswerable: float


@dataclass(frozen=True, slots=True)
class Bin:
    """The events with a probability from `low` to `high`: how likely they were said to be, and how many happened."""

    low: float
    high: float
    count: int
    said: float  # mean probability
    happened: float  # share
    interval: tuple[float, float]  # of the share, 95%


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in each bin, for several groups with the same bins."""

    edges: tuple[float, ...]  # one more than bins; a bin holds its lower edge
    counts: Mapping[str, tuple[int, ...]]


def refusal_curve(rows: Sequence[Row]) -> tuple[Point, ...]:
    """What each cut on `Row.probability` would refuse, from nothing to everything; a step for each value that occurs.

    As in `eval.measures.answerable_auc`, which is the area under this curve, a failed question counts as judged wrong
    with certainty. Empty where that measure has no value.
    """
    if not any(row.probability for row in rows):
        return ()
    answerable = sorted(0.0 if row.failed else row.probability for row in rows if row.answerable)
    unanswerable = sorted(1.0 if row.failed else row.probability for row in rows if not row.answerable)
    if not answerable or not unanswerable:
        return ()
    cuts = [*sorted({*answerable, *unanswerable}), math.inf]
    return tuple(Point(cut, _below(cut, answerable), _below(cut, unanswerable)) for cut in cuts)


def best_within(curve: Sequence[Point], answerable: float) -> Point:
    """The point that refuses most unanswerable questions, and at most this share of the answerable ones.

    Of equals it is the one that refuses fewest. The curve must begin where nothing is refused.
    """
    within = [point for point in curve if point.answerable <= answerable + 1e-9]
    return max(within, key=lambda point: (point.unanswerable, -point.answerable))


def used_cut(rows: Sequence[Row]) -> tuple[float, float] | None:
    """Between which probabilities the cut of a run lies: the highest that was refused, the lowest that wasn't.

    None if no single cut explains what was refused, or if nothing was, or all.
    """
    asked = [row for row in rows if not row.failed]
    refused = [row.probability for row in asked if row.refused]
    kept = [row.probability for row in asked if not row.refused]
    if not refused or not kept or max(refused) >= min(kept):
        return None
    return max(refused), min(kept)


def reliability(events: Sequence[tuple[float, bool]]) -> tuple[Bin, ...]:
    """Events, each a probability and whether it happened, in BINS bins of equal width; empty bins are left out."""
    groups: dict[int, list[tuple[float, bool]]] = {}
    for probability, happened in events:
        place = min(BINS - 1, max(0, math.floor(probability * BINS + 1e-9)))
        groups.setdefault(place, []).append((probability, happened))
    return tuple(_bin(place, groups[place]) for place in sorted(groups))


def calibration_error(bins: Sequence[Bin]) -> float:
    """How far what was said is from what happened, on average over events (ECE, Naeini et al. 2015); 0 of nothing."""
    count = sum(each.count for each in bins)
    return math.fsum(each.count * abs(each.said - each.happened) for each in bins) / count if count else 0.0


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927), of at least one event. It has a width even at 0 and at 1."""
    share, square = hits / count, _Z * _Z / count
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / count / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def log_histogram(groups: Mapping[str, Sequence[float]]) -> Histogram:
    """Seconds in bins of equal width on a logarithmic scale, PER_DECADE to each power of ten, the same for all groups.

    The bins reach from the smallest to the largest value; what isn't above 0 counts into the first one.
    """
    known = [value for values in groups.values() for value in values if value > 0]
    if not known:
        return Histogram((), {name: () for name in groups})
    first, last = _place(min(known)), _place(max(known))
    counts = {}
    for name, values in groups.items():
        found = [0] * (last - first + 1)
        for value in values:
            found[_place(value) - first if value > 0 else 0] += 1
        counts[name] = tuple(found)
    return Histogram(tuple(10 ** (place / PER_DECADE) for place in range(first, last + 2)), counts)


def _below(cut: float, values: Sequence[float]) -> float:
    return bisect_left(values, cut) / len(values)


def _bin(place: int, events: Sequence[tuple[float, bool]]) -> Bin:
    hits = sum(happened for _, happened in events)
    said = math.fsum(probability for probability, _ in events) / len(events)
    share = hits / len(events)
    return Bin(place / BINS, (place + 1) / BINS, len(events), said, share, wilson(hits, len(events)))


def _place(value: float) -> int:
    return math.floor(math.log10(value) * PER_DECADE + 1e-9)
