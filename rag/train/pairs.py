"""What the cross-encoder learns from: two texts, which head judges them, and the right judgement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ANSWERS, SUPPORTS = 0, 1


@dataclass(frozen=True, slots=True)
class Pair:
    """A question or a sentence, a passage, and whether the passage answers or supports it."""

    head: int
    first: str
    second: str
    label: float


Score = Callable[[Sequence[Pair]], list[float]]  # a logit for each pair
