"""How sure a measure is: bootstrap intervals over questions, paired between runs (Efron & Tibshirani 1993).

The questions are drawn anew with replacement, as many as there are, RESAMPLES times, and the measure is taken of each
draw; the middle 95% of what comes out is the interval. Two runs get the same draws: how hard the questions are then
falls out of their difference, which is known far better than either value (Koehn 2004). The draws come from a seed, so
the same files give the same intervals.

An interval says what other questions of the same kind might have given. It says nothing about questions of another
kind, and when all questions score alike it has no width: with n of them, up to 3/n of others may still score
differently (the rule of three, Hanley & Lippman-Hand 1983).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.measures import Measure
from eval.rows import Row

RESAMPLES = 10_000
FEWER = 1_000  # for measures that aren't a mean over questions: for most each draw is a pass over the rows in Python
CONFIDENCE = 0.95
_HELD = 4_000_000  # drawn questions held in memory at a time
_DIGITS = 12  # beyond this a difference is the order of an addition, not a difference

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure of one run, and the interval around it; None where no draw could tell."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What a run has more than another by one measure, and in which share of the draws it is worse and better."""

    value: float
    interval: Interval | None
    worse: float
    better: float
    higher: bool  # high values of the measure are good

    @property
    def clearly(self) -> str:
        """better or worse if the interval excludes 0, same if it is nothing but 0, else empty: it can't be told."""
        if self.interval is None:
            return ""
        low, high = self.interval
        if low <= 0 <= high:
            return "same" if low == high else ""
        return "better" if (low > 0) == self.higher else "worse"


def interval(measure: Measure, rows: Sequence[Row], seed: int = 0) -> Interval | None:
    """The 95% interval of one measure over these rows, or None where it can't be told.

    For several measures of the same rows `estimates` is faster.
    """
    return _middle(resample([rows], {"": measure}, seed)[""][0])


def estimates(rows: Sequence[Row], measures: Mapping[str, Measure], seed: int = 0) -> dict[str, Estimate | None]:
    """Each measure with its interval; None for a measure about which no row can tell."""
    drawn = resample([rows], measures, seed)
    return {name: estimate(measure.score(rows), drawn[name][0]) for name, measure in measures.items()}


def estimate(value: float | None, drawn: np.ndarray) -> Estimate | None:
    """A value with the interval of its draws."""
    return None if value is None else Estimate(value, _middle(drawn))


def difference(first: float | None, other: float | None, drawn: np.ndarray, higher: bool) -> Difference | None:
    """Other minus first, with the same of every draw. None if one of them has no value."""
    if first is None or other is None:
        return None
    drawn = np.round(drawn, _DIGITS)
    drawn = drawn[~np.isnan(drawn)]
    below, above = (float(np.mean(side)) if drawn.size else 0.0 for side in (drawn < 0, drawn > 0))
    worse, better = (below, above) if higher else (above, below)
    return Difference(other - first, _middle(drawn), worse, better, higher)


def resample(runs: Sequence[Sequence[Row]], measures: Mapping[str, Measure], seed: int = 0) -> dict[str, np.ndarray]:
    """Each measure of each run on each draw: an array (runs, draws), NaN where a draw holds no row that can tell.

    The n-th row of every run must be of the same question. A measure that is the mean of its values a question gets
    RESAMPLES draws, any other FEWER, the same first ones.
    """
    if not runs or not runs[0]:
        return {name: np.full((len(runs), 1), np.nan) for name in measures}
    values = {name: _values(measure, runs) for name, measure in measures.items()}
    means = {name: found for name, found in values.items() if found is not None}
    drawn = _drawn_means(np.stack(list(means.values())), seed) if means else np.empty((0, 0, 0))
    others = {name: measure for name, measure in measures.items() if name not in means}
    found = dict(zip(means, drawn, strict=True)) | dict(
        zip(others, _drawn_scores(list(others.values()), runs, seed), strict=True)
    )
    return {name: found[name] for name in measures}


def _values(measure: Measure, runs: Sequence[Sequence[Row]]) -> np.ndarray | None:
    """(runs, questions): the measure's values, NaN where there is none; None if its score isn't their mean."""
    if measure.each is None:
        return None
    values = np.array([[_as_float(measure.each(row)) for row in rows] for rows in runs])
    for found, rows in zip(values, runs, strict=True):
        told = found[~np.isnan(found)]
        mean = float(told.mean()) if told.size else math.nan
        score = _as_float(measure.score(rows))
        if math.isnan(mean) != math.isnan(score) or abs(mean - score) > 1e-9:
            return None
    return values


def _drawn_means(values: np.ndarray, seed: int) -> np.ndarray:
    """The means on every draw: (measures, runs, questions) to (measures, runs, draws)."""
    measures, runs, questions = values.shape
    told = ~np.isnan(values)
    columns = np.concatenate([np.where(told, values, 0.0), told]).reshape(-1, questions).T
    drawn = np.concatenate([_weights(draws, questions) @ columns for draws in _draws(questions, seed)])
    sums, counts = np.split(drawn.T, 2)
    means: np.ndarray = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return means.reshape(measures, runs, -1)


def _drawn_scores(measures: Sequence[Measure], runs: Sequence[Sequence[Row]], seed: int) -> np.ndarray:
    """The scores on the first draws: (measures, runs, draws)."""
    scores = np.empty((len(measures), len(runs), FEWER))
    if not measures:
        return scores
    one_by_one = [at for at, measure in enumerate(measures) if measure.drawn is None]
    start = 0
    for draws in _draws(len(runs[0]), seed, FEWER):
        block = slice(start, start + len(draws))
        start = block.stop
        weights = _weights(draws, len(runs[0]))
        for run, rows in enumerate(runs):
            for at, measure in enumerate(measures):
                if measure.drawn is not None:
                    scores[at, run, block] = measure.drawn(rows, weights)
            if one_by_one:
                for number, draw in enumerate(draws.tolist(), block.start):
                    drawn = [rows[i] for i in draw]
                    scores[one_by_one, run, number] = [_as_float(measures[at].score(drawn)) for at in one_by_one]
    return scores


def _draws(questions: int, seed: int, count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """`count` draws of as many questions as there are, by number, in blocks (draws, questions).

    Of one seed fewer draws are the first of more.
    """
    random = np.random.default_rng(seed)
    step = max(1, _HELD // questions)
    for start in range(0, count, step):
        yield random.integers(0, questions, size=(min(step, count - start), questions))


def _weights(draws: np.ndarray, questions: int) -> np.ndarray:
    """How often each question is in each draw: a mean over a draw is then a product of matrices."""
    cells = draws + questions * np.arange(len(draws))[:, None]
    return np.bincount(cells.ravel(), minlength=draws.size).reshape(draws.shape).astype(np.float64)


def _middle(drawn: np.ndarray) -> Interval | None:
    """The smallest and largest value once 2.5% are cut off at either end; draws that can't tell are left out."""
    told = np.sort(drawn[~np.isnan(drawn)])
    if not told.size:
        return None
    cut = int(told.size * (1 - CONFIDENCE) / 2)
    return round(float(told[cut]), _DIGITS), round(float(told[-1 - cut]), _DIGITS)


def _as_float(value: float | None) -> float:
    return math.nan if value is None else float(value)
