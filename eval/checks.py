"""Whether a run is good enough, for a CI job: floors for single measures, and no worse than another run."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corpus.errors import UsageError
from eval.compare import LETTERS, Comparison, Run
from eval.intervals import Difference, Estimate
from eval.measures import MEASURES, OLD_NAMES

OF_THE_MACHINE = ("seconds", "tokens")  # measures that begin so tell of the machine too


@dataclass(frozen=True, slots=True)
class Check:
    """Whether the run of that letter is good enough by one measure, and why in a sentence."""

    letter: str
    measure: str
    passed: bool
    said: str


def parse_floor(text: str) -> tuple[str, float]:
    """The two parts of MEASURE=VALUE. Raises UsageError for an unknown measure or what is no number."""
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        floor = float(value)
    except ValueError:
        floor = math.nan
    if not math.isfinite(floor):
        raise UsageError(
            f"--fail-under {text} has no value.", "Write it as MEASURE=VALUE, for example citation_precision=0.95."
        )
    return known_measure(name), floor


def known_measure(name: str) -> str:
    """The name, if it is a measure's; an old name becomes the new one. Raises UsageError with those that there are."""
    name = OLD_NAMES.get(name, name)
    if name not in MEASURES:
        raise UsageError(f"There is no measure {name!r}.", f"The measures are: {', '.join(MEASURES)}.")
    return name


def check_floors(runs: Sequence[tuple[str, Run]], floors: Iterable[tuple[str, float]]) -> list[Check]:
    """Whether each run, given with its letter, reaches each floor over all of its questions.

    The value itself is judged, not its interval. For a measure of which low is good the floor is a ceiling. A measure
    without a value fails: what can't be told hasn't been reached.
    """
    return [_against_floor(letter, run, name, floor) for name, floor in floors for letter, run in runs]


def check_no_worse(comparison: Comparison, margin: float, *, strict: bool = False, named: bool = False) -> list[Check]:
    """Whether each run after the first is no worse than the first, by every measure that the first has a value for.

    A run fails by a measure if it is worse by more than the margin, in the measure's unit, and the 95% interval of the
    difference excludes 0; with `strict`, whatever the interval. It also fails where it has no value. Measures of time
    and tokens depend on the machine and are checked only if the measures were `named` one by one.

    Each measure may fail by chance, one in forty times where nothing has changed: name the few that matter.
    """
    first, *others = comparison.estimates
    return [
        _against_first(letter, name, old, other[name], differences[name], margin, strict=strict)
        for letter, other, differences in zip(LETTERS[1:], others, comparison.differences, strict=False)
        for name, old in first.items()
        if old is not None and (named or not name.startswith(OF_THE_MACHINE))
    ]


def _against_floor(letter: str, run: Run, name: str, floor: float) -> Check:
    measure = MEASURES[name]
    value = measure.score(run.rows)
    if value is None:
        return Check(letter, name, False, f"{name} has no value in {letter}: none of its questions can tell.")
    passed = value >= floor if measure.higher else value <= floor
    wanted = f"at {'least' if measure.higher else 'most'} {floor:g}"
    return Check(letter, name, passed, f"{name} is {value:.4f} in {letter}; it must be {wanted}.")


def _against_first(
    letter: str,
    name: str,
    old: Estimate,
    new: Estimate | None,
    found: Difference | None,
    margin: float,
    *,
    strict: bool,
) -> Check:
    if new is None or found is None:
        return Check(letter, name, False, f"{name} is {old.value:.4f} in {LETTERS[0]} and has no value in {letter}.")
    loss = -found.value if found.higher else found.value
    said = f"{name} is {new.value:.4f} in {letter} and {old.value:.4f} in {LETTERS[0]}"
    if loss <= margin + 1e-12:  # a difference of exactly the margin must not fail by how floats add up
        return Check(letter, name, True, f"{said}: not worse by more than {margin:g}.")
    said = f"{said}: worse by {loss:.4f}, more than {margin:g}"
    where = "the interval of the difference can't be told"
    if found.interval is not None:
        low, high = found.interval
        where = f"the 95% interval of the difference is {low:+.4f} to {high:+.4f}"
    passed = not strict and found.clearly != "worse"
    return Check(letter, name, passed, f"{said}; {where}{', which holds 0' if passed and found.interval else ''}.")
