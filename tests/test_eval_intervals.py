"""Percentiles of many draws at once: by hand, against one draw after the other, and against the binomial."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.intervals import FEWER, interval, resample
from eval.measures import MEASURES, Measure, drawn_seconds, seconds
from eval.rows import Row

# All draws of two rows, by how often each is in it.
OF_TWO = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]])


def row(took: float, *, failed: bool = False, **stages: float) -> Row:
    status: Any = "error" if failed else "answered"
    return Row("q", "c", "direct", "Why?", True, ("a",), "", status, took, stages=stages)


def same(found: np.ndarray, wanted: Sequence[float]) -> bool:
    return bool(np.array_equal(found, np.array(wanted), equal_nan=True))


@pytest.mark.parametrize(("percent", "wanted"), [(50, [1, 1, 3]), (51, [1, 3, 3]), (95, [1, 3, 3])])
def test_two_rows_by_hand(percent: int, wanted: list[float]) -> None:
    assert same(drawn_seconds(percent)([row(1.0), row(3.0)], OF_TWO), wanted), "nearest rank: the first of two at 50"
    assert same(drawn_seconds(percent)([row(3.0), row(1.0)], OF_TWO), wanted[::-1])


def test_a_failed_question_takes_the_longest_of_its_draw_by_hand() -> None:
    rows = [row(1.0), row(0.2, failed=True)]
    assert same(drawn_seconds(95)(rows, OF_TWO), [1, 1, 0.2]), "alone it has only its own time"
    assert same(drawn_seconds(95)([row(1.0), row(9.0, failed=True)], OF_TWO), [1, 9, 9])


def test_a_stage_by_hand() -> None:
    rows = [row(1.0, write=0.5), row(7.0)]
    assert same(drawn_seconds(50, "write")(rows, OF_TWO), [0.5, 0.5, math.nan]), "who didn't come to it can't tell"
    failed = [row(1.0, write=0.5), row(7.0, failed=True)]
    assert same(drawn_seconds(95, "write")(failed, OF_TWO), [0.5, 0.5, math.nan]), "its whole time is no stage's"
    assert same(drawn_seconds(50, "read")(rows, OF_TWO), [math.nan] * 3)


def test_every_percentile_is_fast() -> None:
    slow = [name for name, measure in MEASURES.items() if name.startswith("seconds") and measure.drawn is None]
    assert len([name for name in MEASURES if name.startswith("seconds")]) == 10
    assert slow == []


TIMES = st.sampled_from([0.0, 0.1, 0.25, 0.25, 1.0, 2.5, 1e3])
ROWS = st.builds(
    lambda took, failed, stage: row(took, failed=failed, **({} if stage is None else {"write": stage})),
    TIMES,
    st.booleans(),
    st.none() | TIMES,
)


@settings(max_examples=60)
@given(
    rows=st.lists(ROWS, min_size=1, max_size=12),
    percent=st.sampled_from([1, 33, 50, 95, 99, 100]),
    stage=st.sampled_from(["", "write"]),
    seed=st.integers(0, 99),
)
def test_at_once_is_the_same_as_one_after_the_other(rows: list[Row], percent: int, stage: str, seed: int) -> None:
    draws = np.random.default_rng(seed).integers(0, len(rows), size=(40, len(rows)))
    weights = np.array([np.bincount(draw, minlength=len(rows)) for draw in draws], dtype=float)
    score = seconds(percent, stage)
    one_by_one = [score([rows[i] for i in draw]) for draw in draws.tolist()]
    wanted = [math.nan if value is None else value for value in one_by_one]
    assert same(drawn_seconds(percent, stage)(rows, weights), wanted)


def two_ways(rows: Sequence[Row], other: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """p95 of two runs on all draws, at once and one after the other."""
    measure = MEASURES["seconds_p95"]
    drawn = resample([rows, other], {"at once": measure, "by one": replace(measure, drawn=None)}, seed=3)
    return drawn["at once"], drawn["by one"]


def test_the_draws_are_those_of_any_other_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(float(number**2 % 31), failed=number % 7 == 0) for number in range(30)]
    other = [replace(each, seconds=each.seconds / 2 + number % 3) for number, each in enumerate(rows)]
    at_once, by_one = two_ways(rows, other)
    assert at_once.shape == (2, FEWER)
    assert np.array_equal(at_once, by_one)
    monkeypatch.setattr("eval.intervals._HELD", 30 * 64)
    assert np.array_equal(two_ways(rows, other)[0], by_one), "in blocks too"


def quantiles_of_the_median(count: int) -> tuple[int, int]:
    """Which of `count` sorted values the middle 95% of all possible draws' medians begins and ends with, from 1.

    The draw's k-th value is at most the j-th of all if at least k of its places fell on the first j: a binomial.
    """
    k = math.ceil(0.5 * count)

    def at_most(j: int) -> float:
        share = j / count
        return sum(math.comb(count, n) * share**n * (1 - share) ** (count - n) for n in range(k, count + 1))

    low = next(j for j in range(1, count + 1) if at_most(j) >= 0.025)
    return low, next(j for j in range(1, count + 1) if at_most(j) >= 0.975)


def test_the_interval_of_a_median_is_that_of_the_binomial() -> None:
    low, high = quantiles_of_the_median(99)
    assert (low, high) == (40, 60)
    found = interval(MEASURES["seconds_p50"], [row(float(number)) for number in range(1, 100)])
    assert found == pytest.approx((low, high), abs=1.0), "each end is one of 1,000 draws"


def test_it_is_much_faster() -> None:
    rows = [row(float(number % 97), write=0.1 * (number % 13)) for number in range(1_000)]
    measures: dict[str, Measure] = {name: each for name, each in MEASURES.items() if name.startswith("seconds")}

    def took(asked: dict[str, Measure]) -> float:
        start = time.process_time()
        resample([rows], asked)
        return time.process_time() - start

    one_by_one = took({"p50": replace(MEASURES["seconds_p50"], drawn=None)})
    assert took(measures) < 3 * one_by_one, "all ten against one"
