"""Charts as inline SVG: numbers in, a picture out. Each has its text alternative beside it, in a table of the page.

They are drawn about as wide as a phone's screen, so that they are never shrunk and their text stays readable. Colours
come from the style sheet; what differs in colour differs in shape or is named too.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from eval.curves import Bin, Point
from eval.intervals import Interval
from eval.markup import Html, join, tag

WIDTH = 340
LEFT, RIGHT, TOP, BOTTOM = 40, 318, 26, 258  # the plot within a square chart
_HEIGHT = 310
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_STRIP = 104  # height of one histogram
_LABEL = 76  # room for the name of a line
_FLOOR, _CEILING = 82, 32  # its bars stand on the one and reach up to the other


def refusals(
    curve: Sequence[Point], here: tuple[float, float] | None, sure: tuple[Interval | None, Interval | None], said: str
) -> Html:
    """The trade-off curve; `here` is where the run stands (answerable, unanswerable), `sure` the intervals of both."""
    corners = [f"{_x(each.answerable):.1f},{_y(each.unanswerable):.1f}" for each in _corners(curve)]
    parts = [
        _grid("answerable questions refused", "unanswerable questions refused"),
        _line(_x(0), _y(0), _x(1), _y(1), "chance"),
        tag("text", "by chance", x=_x(0.6), y=_y(0.5), class_="soft"),
        tag("polyline", points=" ".join(corners), class_="curve"),
    ]
    if here is not None:
        x, y = _x(here[0]), _y(here[1])
        across, up = sure
        parts += [_line(_x(across[0]), y, _x(across[1]), y, "sure")] if across else []
        parts += [_line(x, _y(up[0]), x, _y(up[1]), "sure")] if up else []
        right = here[0] < 0.6
        at = {"x": x + 9 if right else x - 9, "y": y + 16 if here[1] > 0.1 else y - 8}
        parts.append(tag("circle", cx=x, cy=y, r=5, class_="here"))
        parts.append(tag("text", "this run", class_="strong" if right else "strong end", **at))
    return _svg(_HEIGHT, said, *parts)


def calibration(bins: Sequence[Bin], across: str, up: str, said: str) -> Html:
    """What was said against what happened: a dot a bin, its area grows with the count, its line is the interval."""
    most = max((each.count for each in bins), default=1)
    parts = [_grid(across, up), _line(_x(0), _y(0), _x(1), _y(1), "chance")]
    for each in bins:
        x = _x(each.said)
        parts.append(_line(x, _y(each.interval[0]), x, _y(each.interval[1]), "sure"))
        title = tag("title", f"{each.low:.1f} to {each.high:.1f}: {each.count} times, {each.happened:.2f} happened")
        radius = 3 + 7 * math.sqrt(each.count / most)
        parts.append(tag("circle", title, cx=x, cy=_y(each.happened), r=radius, class_="dot"))
    parts.append(tag("text", "as said", x=_x(0.6), y=_y(0.5), class_="soft"))
    return _svg(_HEIGHT, said, *parts)


def times(edges: Sequence[float], counts: Sequence[int], marks: Sequence[tuple[str, float]], said: str) -> Html:
    """A histogram of seconds on a logarithmic axis. `marks` are at most two values with their names."""
    low, high = math.log10(edges[0]), math.log10(edges[-1])

    def place(seconds: float) -> float:
        share = (math.log10(max(seconds, edges[0])) - low) / (high - low)
        return 8 + min(1.0, share) * (WIDTH - 8 - _LABEL)

    most = max(counts, default=0) or 1
    parts = [_line(8, _FLOOR, WIDTH - _LABEL, _FLOOR, "axis")]
    for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1):
        x = place(10.0**power)
        parts.append(_line(x, _FLOOR, x, _FLOOR + 4, "axis"))
        parts.append(tag("text", _power(power), x=x, y=_FLOOR + 17, class_="soft middle" if x > 16 else "soft"))
    for (left, right), count in zip(pairwise(edges), counts, strict=True):
        height = count / most * (_FLOOR - _CEILING)
        if count:
            title = tag("title", f"{_duration(left)} to {_duration(right)}: {count}")
            width = max(1.0, place(right) - place(left) - 1)
            bar = tag("rect", title, x=place(left), y=_FLOOR - height, width=width, height=height, class_="bar")
            parts.append(bar)
    labels = []
    for (name, value), top, before in zip(marks, (11, 24), (True, False), strict=False):
        x = place(value)
        end = before and x > _LABEL  # there is always room behind a line
        parts.append(_line(x, top - 8, x, _FLOOR, name))
        label = f"{name} {_duration(value)}"
        labels.append(tag("text", label, x=x - 4 if end else x + 4, y=top, class_="strong end" if end else "strong"))
    return _svg(_STRIP, said, *parts, *labels)


def whisker(value: float, interval: Interval | None) -> Html:
    """A value from 0 to 1 and its interval on a line as long as that; the numbers stand beside it as text."""
    parts = [tag("rect", x=0, y=5, width=100, height=1, class_="axis")]
    if interval is not None:
        low, high = (100 * min(1.0, max(0.0, end)) for end in interval)
        parts.append(tag("rect", x=low, y=4, width=max(0.8, high - low), height=3, class_="span"))
    at = 98 * min(1.0, max(0.0, value))
    parts.append(tag("rect", x=at, y=0, width=2, height=11, class_="value"))
    return _stretched(11, *parts)


def bar(share: float, kind: str) -> Html:
    """A bar for a share from 0 to 1; the number stands beside it as text."""
    return _stretched(10, tag("rect", x=0, y=0, width=100 * share, height=10, class_=kind))


def _svg(height: int, said: str, *parts: Html) -> Html:
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=said, class_="chart")


def _stretched(height: int, *parts: Html) -> Html:
    box = f"0 0 100 {height}"
    return tag("svg", *parts, viewBox=box, preserveAspectRatio="none", aria_hidden="true", class_="strip")


def _grid(across: str, up: str) -> Html:
    parts = [tag("text", f"↑ {up}", x=8, y=14, class_="soft")]
    parts.append(tag("text", f"{across} →", x=RIGHT, y=BOTTOM + 38, class_="soft end"))
    for tick in _TICKS:
        parts.append(_line(LEFT, _y(tick), RIGHT, _y(tick), "grid"))
        parts.append(_line(_x(tick), TOP, _x(tick), BOTTOM, "grid"))
        parts.append(tag("text", f"{tick:.0%}", x=LEFT - 6, y=_y(tick) + 4, class_="soft end"))
        parts.append(tag("text", f"{tick:.0%}", x=_x(tick), y=BOTTOM + 17, class_="soft middle"))
    return join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def _x(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)


def _y(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def _corners(curve: Sequence[Point]) -> list[Point]:
    """The points without those in the middle of a level or an upright stretch: thousands of questions have few."""
    kept = list(curve[:2])
    for point in curve[2:]:
        before, last = kept[-2], kept[-1]
        level = before.unanswerable == last.unanswerable == point.unanswerable
        upright = before.answerable == last.answerable == point.answerable
        if level or upright:
            kept[-1] = point
        else:
            kept.append(point)
    return kept


def _duration(seconds: float) -> str:
    """Two digits or three, in the unit that fits."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.00995 else f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.0f} s"


def _power(power: int) -> str:
    return f"{10.0**power:g} s" if power >= 0 else f"{10.0 ** (power + 3):g} ms"
