"""What a check of sentences is worth, from its judgements of labelled claims: arithmetic alone, no models.

Two things decide whether a sentence is shown, and they are told apart here: the support (a probability, of which the
area under the ROC curve is taken, and the balanced accuracy at the cut that ships) and the hard rules (of how many they
let pass: whatever makes the check drop a sentence without asking a model). Balanced accuracy is the mean of two shares,
the supported claims let through and the others held back: how many there are of each doesn't matter.

Intervals: 95%, by a bootstrap over groups of claims. Those of one question rise and fall together: drawn one by one
they would make the interval too narrow.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.intervals import FEWER, Estimate, estimate

Weights = NDArray[np.float64]  # (draws, claims): how often each claim is in each draw
Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]
_HELD = 2_000_000  # weights held in memory at a time


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the check made of one claim."""

    claim_id: str
    label: str
    supported: bool  # in truth
    support: float  # the reader's probability, of the best passage, whatever the rules say
    passes: bool  # some passage breaks no hard rule
    shown: float  # the highest support among the passages that the rules let pass; 0 if there is none
    group: str = ""


@dataclass(frozen=True, slots=True)
class Shares:
    """A share of the supported claims and one of the others; None of none."""

    supported: float | None
    unsupported: float | None


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """The claims of one label."""

    label: str
    supported: bool
    claims: int
    support: float  # the mean
    over: float  # share with enough support
    passes: float  # share that the rules let pass
    shown: float  # share that would be shown


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything told of one set of claims. What needs claims of both kinds is None without."""

    claims: int
    supported: int
    auc: Estimate | None  # of the support
    balanced: Estimate | None  # balanced accuracy of the support at the cut that ships
    best_cut: float | None  # chosen on these very claims
    best_balanced: float | None  # and so too good: how much a better cut could bring at most
    rules: Shares  # that the hard rules let pass
    shown: Shares  # that both let pass: what a person would see
    check: Estimate | None  # balanced accuracy of both together
    by_label: tuple[LabelFigures, ...]


def figures(judged: Sequence[Judgement], cut: float, seed: int = 0) -> Figures:
    """All figures; a support of at least `cut` is enough."""
    support = np.array([each.support for each in judged], np.float64)
    truth = np.array([each.supported for each in judged], np.bool_)
    passes = np.array([each.passes for each in judged], np.bool_)
    shown = np.array([each.passes and each.shown >= cut for each in judged], np.bool_)
    best = best_cut(support, truth)

    def estimated(score: Callable[[Weights], Scores]) -> Estimate | None:
        value = float(score(np.ones((1, len(judged))))[0])
        if np.isnan(value):
            return None
        groups = [each.group or f"{place}" for place, each in enumerate(judged)]
        return estimate(value, np.concatenate([score(weights) for weights in draws(groups, seed)]))

    return Figures(
        claims=len(judged),
        supported=int(truth.sum()),
        auc=estimated(lambda weights: area(support, truth, weights)),
        balanced=estimated(lambda weights: balanced(support >= cut, truth, weights)),
        best_cut=best[0] if best else None,
        best_balanced=best[1] if best else None,
        rules=_shares(passes, truth),
        shown=_shares(shown, truth),
        check=estimated(lambda weights: balanced(shown, truth, weights)),
        by_label=tuple(_by_label(judged, cut)),
    )


def area(scores: Scores, truth: Flags, weights: Weights) -> Scores:
    """Of each draw, how often a supported claim scores above an unsupported one, ties counting half: (draws,).

    NaN for a draw that holds only one kind.
    """
    order = np.argsort(scores, kind="stable")
    starts = _starts(scores[order])
    right = np.add.reduceat(weights[:, order] * truth[order], starts, axis=1)  # (draws, distinct scores)
    wrong = np.add.reduceat(weights[:, order] * ~truth[order], starts, axis=1)
    below = np.cumsum(wrong, axis=1) - wrong
    return _divided((right * (below + wrong / 2)).sum(axis=1), right.sum(axis=1) * wrong.sum(axis=1))


def balanced(said: Flags, truth: Flags, weights: Weights) -> Scores:
    """Of each draw, the mean of the share of supported claims that are said to be, and of the others that aren't:
    (draws,). NaN for a draw that holds only one kind.
    """
    right = _divided((weights * (said & truth)).sum(axis=1), (weights * truth).sum(axis=1))
    wrong = _divided((weights * (~said & ~truth)).sum(axis=1), (weights * ~truth).sum(axis=1))
    return (right + wrong) / 2


def best_cut(scores: Scores, truth: Flags) -> tuple[float, float] | None:
    """The score from which on claims are best called supported, and the balanced accuracy of that; of several the
    highest. None if there is only one kind of claim."""
    if truth.all() or not truth.any():
        return None
    order = np.argsort(-scores, kind="stable")
    starts = _starts(scores[order])
    right = np.cumsum(np.add.reduceat(truth[order].astype(np.float64), starts)) / truth.sum()
    wrong = np.cumsum(np.add.reduceat((~truth[order]).astype(np.float64), starts)) / (~truth).sum()
    accuracy = (right + 1 - wrong) / 2
    place = int(np.argmax(accuracy))
    return float(scores[order][starts[place]]), float(accuracy[place])


def draws(groups: Sequence[str], seed: int) -> Iterator[Weights]:
    """FEWER draws of as many groups as there are, in blocks of weights; a group's claims come together."""
    _, member = np.unique(np.array(groups), return_inverse=True)
    count = int(member.max()) + 1
    random = np.random.default_rng(seed)
    step = max(1, _HELD // len(groups))
    for start in range(0, FEWER, step):
        drawn = random.integers(0, count, size=(min(step, FEWER - start), count))
        cells = drawn + count * np.arange(len(drawn))[:, None]
        often = np.bincount(cells.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
        yield often[:, member]


def _starts(ordered: Scores) -> NDArray[np.intp]:
    """Where each run of equal scores begins."""
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _divided(above: Scores, below: Scores) -> Scores:
    quotient: Scores = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    return quotient


def _shares(said: Flags, truth: Flags) -> Shares:
    return Shares(
        float(said[truth].mean()) if truth.any() else None, float(said[~truth].mean()) if not truth.all() else None
    )


def _by_label(judged: Sequence[Judgement], cut: float) -> Iterator[LabelFigures]:
    for label in dict.fromkeys(each.label for each in judged):
        group = [each for each in judged if each.label == label]

        def share(holds: Callable[[Judgement], bool], group: Sequence[Judgement] = group) -> float:
            return sum(map(holds, group)) / len(group)

        yield LabelFigures(
            label=label,
            supported=group[0].supported,
            claims=len(group),
            support=sum(each.support for each in group) / len(group),
            over=share(lambda each: each.support >= cut),
            passes=share(lambda each: each.passes),
            shown=share(lambda each: each.passes and each.shown >= cut),
        )
