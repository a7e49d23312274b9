"""The sections of a report that are drawn: refusals, reliability, seconds. Beside each picture are its numbers."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from eval import charts
from eval.curves import (
    Bin,
    Point,
    best_within,
    calibration_error,
    log_histogram,
    refusal_curve,
    reliability,
    used_cut,
)
from eval.html_parts import behind, capital, line, section, table
from eval.intervals import Estimate, Interval
from eval.markup import Html, tag
from eval.measures import seconds
from eval.rows import Row
from eval.summary import counted

FEW = 30  # events below which nothing is said about probabilities
ALLOWED = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # shares of answerable questions refused, in the table of cuts
_SINCE_START = ("total", "first_quote")  # "stages" that hold the time since the question was asked
_BIN_COLUMNS = (("probability", "words"), "count", "said", "happened", "95% interval")


def refusals(title: str, rows: Sequence[Row], found: Mapping[str, Estimate | None]) -> Html:
    """What other cuts on the reader's probability would refuse."""
    curve, area = refusal_curve(rows), found.get("answerable_auc")
    if not curve or area is None:
        both = len({row.answerable for row in rows}) == 2
        said = "The rows hold no probability" if both else "It takes answerable and unanswerable questions"
        return section("refusals", title, tag("p", f"{said}: there is no trade-off to show.", class_="soft"))
    false, right = found.get("false_refusal_rate"), found.get("refusal_recall")
    here = (false.value, right.value) if false and right else None
    sure = (false.interval if false else None, right.interval if right else None)
    auc = f"{area.value:.2f}{_bracket(area.interval)}"
    stands = ""
    if here:
        stands = f"This run refuses {_percent(here[1])} of the unanswerable, {_percent(here[0])} of the answerable ones"
    lines = [
        "Before anything is written, the reader gives a probability that the library answers the question. What is"
        " below a cut is refused. A higher cut refuses more unanswerable questions, and more answerable ones too.",
        f"The area under the curve is {auc}: that often an answerable question gets a higher probability than an"
        " unanswerable one. By chance it would be 0.50.",
    ]
    if here:
        lines.append(f"{stands}: the dot. The lines through it are the 95% intervals.")
    if cut := used_cut(rows):
        lines.append(f"Its cut lies between {cut[0]:.3f} and {cut[1]:.3f}.")
    alternative = f"Trade-off curve of refusals. Area under the curve {auc}. {stands}"
    return section(
        "refusals",
        title,
        tag(
            "div",
            charts.refusals(curve, here, sure, alternative.strip()),
            tag("div", *(tag("p", each) for each in lines)),
            class_="beside",
        ),
        behind("Which cut would refuse how much", _cuts(curve)),
    )


def _cuts(curve: Sequence[Point]) -> Html:
    points = {allowed: best_within(curve, allowed) for allowed in ALLOWED}
    lines = [
        line(
            f"at most {_percent(allowed)}",
            "none" if point.cut <= curve[0].cut else f"{min(point.cut, 1.0):.3f}",
            f"{point.answerable:.1%}",
            f"{point.unanswerable:.1%}",
        )
        for allowed, point in points.items()
    ]
    columns = (("answerable refused", "words"), "best cut", "refuses of the answerable", "of the unanswerable")
    return table("The best cut for each share of answerable questions refused", columns, [tag("tbody", *lines)])


def believed(title: str, rows: Sequence[Row]) -> Html:
    """Whether what is said to be likely is: of the reader, and of the verifier as far as it can be told."""
    answerable = [(row.probability, row.answerable) for row in rows if not row.failed]
    if not any(row.probability for row in rows):
        answerable = []
    # Where nothing was checked, as by other systems, the support says nothing; and a quote supports itself.
    supported = [
        (claim.support, claim.grounded)
        for row in rows
        for claim in row.claims
        if not claim.verbatim and claim.verdict != "unchecked"
    ]
    share = sum(happened for _, happened in answerable) / (len(answerable) or 1)
    return section(
        "believed",
        title,
        tag(
            "p",
            "Of all that is said to be 80% likely, eight in ten should come true: then the dots lie on the dashed line."
            " A dot is a tenth of the scale; its area shows how many fell there, its line is the 95% interval.",
        ),
        tag(
            "div",
            _panel(
                "The library answers the question",
                answerable,
                ("said to be answerable", "are answerable"),
                "By the reader, against the truth, a question each."
                f" Here {_percent(share)} are answerable; among people's own questions it may be another share.",
                "The rows hold no probability.",
            ),
            _panel(
                "The sentence is supported",
                supported,
                ("said to be supported", "pass the plain rule"),
                "By the verifier, of sentences in the writer's own words that were shown. The truth isn't known: they"
                " are held against a plain rule of names, numbers and words that shares nothing with the verifier.",
                "No sentence in the writer's own words was both checked and shown.",
            ),
            class_="pair",
        ),
    )


def _panel(title: str, events: Sequence[tuple[float, bool]], axes: tuple[str, str], said: str, nothing: str) -> Html:
    if not events:
        return tag("div", tag("h3", title), tag("p", nothing, class_="soft"))
    bins = reliability(events)
    gap = f"On average {calibration_error(bins):.2f} apart." if len(events) >= FEW else "Too few to tell."
    alternative = f"What was said against what happened, {len(events)} times. {gap}"
    numbers = table(f"{title}: said and happened", _BIN_COLUMNS, [tag("tbody", *map(_bin, bins))])
    return tag(
        "div",
        tag("h3", title),
        charts.calibration(bins, *axes, alternative),
        tag("p", tag("strong", f"{counted(len(events), 'case')}. {gap}"), f" {said}", class_="soft"),
        behind("The dots as numbers", numbers),
    )


def _bin(each: Bin) -> Html:
    low, high = each.interval
    sure = f"{low:.2f} to {high:.2f}"
    return line(f"{each.low:.1f} to {each.high:.1f}", str(each.count), f"{each.said:.2f}", f"{each.happened:.2f}", sure)


def took(title: str, rows: Sequence[Row]) -> Html:
    """How long each stage took, one histogram under the other."""
    done = [row for row in rows if not row.failed]
    names = list(dict.fromkeys(name for row in done for name in row.stages if name not in _SINCE_START))
    groups = {name: [row.stages[name] for row in done if name in row.stages] for name in names}
    groups["whole answer"] = [row.seconds for row in done]
    histogram = log_histogram(groups)
    if not histogram.edges:
        return section("seconds", title, tag("p", "No question has come to an end.", class_="soft"))
    panels = []
    for name, values in groups.items():
        marks = _marks(rows, name if name in names else "")
        said = f"{name}, {counted(len(values), 'question')}: p50 {marks[0][1]:.2f} s, p95 {marks[1][1]:.2f} s."
        chart = charts.times(histogram.edges, histogram.counts[name], marks, said)
        panels.append(tag("div", tag("h3", capital(name)), chart))
    said = (
        "How many questions took how long: a bar is as high as they are many, and to the right each power of ten is as"
        " wide as the one before. Half take no longer than p50, 95% no longer than p95."
    )
    if len(done) < len(rows):
        said += f" {counted(len(rows) - len(done), 'failed question')} aren't drawn; p50 and p95 count such as slowest."
    firsts = [row.stages["first_quote"] for row in done if "first_quote" in row.stages]
    lines = [_times(rows, name, name if name in names else "", values) for name, values in groups.items()]
    lines += [_times(rows, "until the first quote", "first_quote", firsts)] if firsts else []
    columns = (("seconds", "words"), "questions", "p50", "p95", "mean", "longest")
    return section(
        "seconds",
        title,
        tag("p", said),
        tag("div", *panels, class_="panels"),
        table("Seconds by stage", columns, [tag("tbody", *lines)]),
        behind("The bars as numbers", _bars(histogram.edges, histogram.counts)),
    )


def _marks(rows: Sequence[Row], stage: str) -> list[tuple[str, float]]:
    """p50 and p95 as the measures have them; the stage "" is the whole answer."""
    return [(f"p{percent}", seconds(percent, stage)(rows) or 0.0) for percent in (50, 95)]


def _times(rows: Sequence[Row], name: str, stage: str, values: Sequence[float]) -> Html:
    marks = [value for _, value in _marks(rows, stage)]
    figures = (*marks, math.fsum(values) / len(values), max(values))
    return line(name, str(len(values)), *(f"{figure:.3f}" for figure in figures))


def _bars(edges: Sequence[float], counts: Mapping[str, Sequence[int]]) -> Html:
    lines = [
        line(f"{low:.3g} to {high:.3g}", *(str(found[place] or "–") for found in counts.values()))
        for place, (low, high) in enumerate(pairwise(edges))
    ]
    return table("Questions by seconds", (("seconds", "words"), *counts), [tag("tbody", *lines)])


def _bracket(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})"


def _percent(share: float) -> str:
    return f"{share:.0%}"
