"""Percentiles by nearest rank, of one list and of many draws at once.

A draw is told by how often each row is in it. Once the rows are in order of their times, the running sum of that says
how many of the drawn times are at most so long: the percentile is the first time at which it reaches the rank.
"""

import math
from collections.abc import Sequence

import numpy as np


def rank(percent: int, count: int) -> int:
    """The place, from 1, of the percentile in `count` sorted values: that of the smallest one that `percent` of them
    don't exceed."""
    return math.ceil(percent / 100 * count)


def drawn_percentile(
    percent: int,
    times: Sequence[float | None],
    failed: Sequence[bool],
    least: Sequence[float | None],
    weights: np.ndarray,
) -> np.ndarray:
    """The percentile of each draw: (draws, rows) to (draws,), NaN where a draw has nothing to tell.

    `times` are None for rows without one. Each failed row counts as the longest time of its draw, or the longest of the
    `least` that its draw's failed rows took, if that is more; it counts for nothing where the draw has neither.
    """
    known = np.array([math.nan if time is None else time for time in times], dtype=float)
    floors = np.array([-math.inf if time is None else time for time in least], dtype=float)
    order = np.argsort(known, kind="stable")[: int(np.count_nonzero(~np.isnan(known)))]
    ordered = np.append(known[order], math.nan)  # what lies past the end is told by nobody
    reached = np.cumsum(weights[:, order], axis=1)
    count = reached[:, -1] if order.size else np.zeros(len(weights))
    failures = weights[:, np.array(failed, dtype=bool)].sum(axis=1)

    def at(place: np.ndarray) -> np.ndarray:
        found: np.ndarray = ordered[(reached < place[:, None]).sum(axis=1)]
        return found

    floor = np.where(weights > 0, floors, -math.inf).max(axis=1)
    longest = np.fmax(np.where(count > 0, at(count), -math.inf), floor)
    total = count + np.where(np.isfinite(longest), failures, 0.0)
    place = np.ceil(percent / 100 * total)
    found: np.ndarray = np.where(place <= count, at(place), longest)
    return np.where(total > 0, found, math.nan)
