"""The map of the library as inline SVG: pure functions from places to HTML, through a template that escapes everything.

    Map ─► the area shown ─► points, or hexagons where they are too many ─► SVG, and the regions as a list

The drawing is one widget to a keyboard and a screen reader (a listbox, whose options are the points), so that ten
thousand points are one stop of the Tab key. What is close to read is drawn by ui/static/map.js: names, what is lit.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from corpus.insight import Insight
from rag.map import Map, Point, Region
from ui.render import preview, templates

WIDE, HIGH = 1000, 760  # the drawing's own units; it is scaled to the screen's width
MARGIN = 40
DRAWN = 900  # points drawn one by one; of more in an area, hexagons are drawn
ACROSS = 30  # hexagons beside each other
SPOT = 300  # points shown around a hexagon that is opened
NAME = 70  # characters
TONES = 6  # colours that regions take turns in
SMALL, LARGE = 34.0, 19.0  # height of a label in units: on a phone, on a desktop
LIT = {SMALL: 34.0, LARGE: 21.0}  # radius of a lit source with a little room, by the size of the labels: see map.css
MARK = {SMALL: 14.0, LARGE: 8.0}  # and of any other point
FEW = 150  # points up to which labels avoid all of them
_WIDTH = 0.68  # of a letter, in heights
_LINE = 1.35  # height of a label with the room around it, in heights

_render = templates("map.html")


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the map, in its own coordinates from 0 to 1; `region` is the number of the region that it shows."""

    x: float = 0.0
    y: float = 0.0
    width: float = 1.0
    height: float = 1.0
    region: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of the map."""
        return self.width >= 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What can be chosen: a point that opens its insight, or a hexagon that is opened itself."""

    number: int
    x: float  # in units of the drawing
    y: float
    name: str
    insight_id: str = ""
    spot: str = ""  # the place of a hexagon on the map: "0.412,0.077"
    shade: int = 0  # 1 to 5: how many there are


@dataclass(frozen=True, slots=True)
class Group:
    """The marks of one region."""

    name: str
    tone: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """A region's name at its place: the middle of the text, in units of the drawing."""

    text: str
    x: float
    y: float
    size: float

    @property
    def box(self) -> "Box":
        """Left, top, right, bottom of the room that it takes."""
        half = len(self.text) * self.size * _WIDTH / 2
        return self.x - half, self.y - self.size * _LINE / 2, self.x + half, self.y + self.size * _LINE / 2


Box = tuple[float, float, float, float]  # left, top, right, bottom


def name_of(insight: Insight) -> str:
    """What a point is called: the insight's title, else its first words."""
    return preview(insight.title or insight.text, NAME)


def region_name(region: Region, count: int = 3) -> str:
    """A region by its words."""
    return " · ".join(word[:24] for word in region.words[:count]) or "without words"


def region_area(found: Map, number: int) -> Area:
    """The part of the map that holds a region, but for the few of its points that lie far out."""
    return _around([p for p in found.points if p.region == number], region=number)


def spot_area(found: Map, x: float, y: float) -> Area:
    """The part of the map around a place, so large that it holds some hundred points."""
    near = sorted(found.points, key=lambda p: (p.x - x) ** 2 + (p.y - y) ** 2)[:SPOT]
    return _around(near, trimmed=0.0)


def draw(found: Map, names: Mapping[str, str], area: Area | None = None, lit: Collection[str] = ()) -> str:
    """The map as HTML. `names` are by insight; those with an id in `lit` are always drawn as points of their own."""
    area = area or Area()
    inside = [p for p in found.points if _holds(area, p)]
    crowded = len(inside) > DRAWN
    points = [p for p in inside if p.insight_id in lit] if crowded else inside
    groups = _groups(found, area, points, names, inside if crowded else ())
    here = Counter(p.region for p in inside)
    shown = {number: count for number, count in here.items() if count >= (1 if area.whole else 3)}
    regions = [
        {"number": n, "name": region_name(r), "count": r.count, "tone": n % TONES, "here": n == area.region}
        for n, r in enumerate(found.regions)
    ]
    drawn = {
        "total": len(found.points),
        "inside": len(inside),
        "crowded": crowded,
        "many": len(points) > 250,
        "whole": area.whole,
        "title": region_name(found.regions[area.region]) if area.region is not None else "",
        "groups": groups,
        "labels": [
            (kind, place_labels(found, area, shown, size, words, [p for p in inside if p.insight_id in lit], points))
            for kind, size, words in (("large", LARGE, 3), ("small", SMALL, 2))
        ],
        "regions": regions,
        "hexagon": _hexagon(),
        "wide": WIDE,
        "high": HIGH,
    }
    return _render("map", drawn)


def opener() -> str:
    """The button that opens the map."""
    return _render("opener")


def waiting() -> str:
    """What stands there until the map has been drawn."""
    return _render("waiting")


def problem(said: str) -> str:
    """A sentence in the place of a map."""
    return _render("problem", said)


def place_labels(
    found: Map,
    area: Area,
    counts: Mapping[int, int],
    size: float,
    words: int = 3,
    lit: Sequence[Point] = (),
    points: Sequence[Point] = (),
) -> tuple[Label, ...]:
    """A label for each region in the area, near its middle; one that finds no room is left out. None overlaps another.

    `counts` are the points of each region in the area: the largest choose first. No label covers one of `lit`, the
    sources of an answer; of `points`, if they are few, as few as may be.
    """
    kept = [_around_mark(_unit(area, p.x, p.y), LIT[size]) for p in lit]
    others = [_around_mark(_unit(area, p.x, p.y), MARK[size]) for p in points] if len(points) <= FEW else []
    placed: list[Box] = []
    labels: list[Label] = []
    for number in sorted(counts, key=lambda n: (-counts[n], n)):
        best: tuple[int, int] | None = None
        chosen: Label | None = None
        for place, label in enumerate(_candidates(found.regions[number], area, size, words)):
            if any(_overlap(label.box, box) for box in (*kept, *placed)):
                continue
            # Each word that is left out counts as one point that is covered.
            cost = sum(_overlap(label.box, box) for box in others) + words - label.text.count(" · ")
            if best is None or (cost, place) < best:
                best, chosen = (cost, place), label
        if chosen:
            placed.append(chosen.box)
            labels.append(chosen)
    return tuple(labels)


def _candidates(region: Region, area: Area, size: float, words: int) -> Iterator[Label]:
    """The places of a region's label, nearest first: with all its words, then with fewer."""
    x, y = _unit(area, region.x, region.y)
    for count in range(words, 0, -1):
        text = region_name(region, count)
        aside = len(text) * size * _WIDTH / 4
        for lines in (0, -1, 1, -2, 2, -3, 3):
            for steps in (0, -1, 1):
                label = _inside(Label(text, x + steps * aside, y + lines * size * _LINE, size))
                if label:
                    yield label


# --------------------------------------------------------------------------------------------------------- geometry


def _around(points: Sequence[Point], region: int | None = None, trimmed: float = 0.03) -> Area:
    """The area that holds these points, of the drawing's own shape."""
    if not points:
        return Area()
    xs, ys = sorted(p.x for p in points), sorted(p.y for p in points)
    cut = int(len(points) * trimmed)
    left, right, top, bottom = xs[cut], xs[-1 - cut], ys[cut], ys[-1 - cut]
    size = min(1.0, max(right - left, bottom - top, 0.04) * 1.08)  # both axes are scaled alike
    x = min(max((left + right - size) / 2, 0.0), 1.0 - size)
    y = min(max((top + bottom - size) / 2, 0.0), 1.0 - size)
    return Area(x, y, size, size, region)


def _holds(area: Area, point: Point) -> bool:
    return area.x <= point.x <= area.x + area.width and area.y <= point.y <= area.y + area.height


def _unit(area: Area, x: float, y: float) -> tuple[float, float]:
    """A place on the map in units of the drawing."""
    return (
        MARGIN + (x - area.x) / area.width * (WIDE - 2 * MARGIN),
        MARGIN + (y - area.y) / area.height * (HIGH - 2 * MARGIN),
    )


def _groups(
    found: Map, area: Area, points: Sequence[Point], names: Mapping[str, str], crowd: Sequence[Point]
) -> tuple[Group, ...]:
    """The marks by region, numbered from 0 in the order in which they are drawn."""
    marks: dict[int, list[Mark]] = {n: [] for n in range(len(found.regions))}
    for region, mark in _hexagons(area, crowd, names):
        marks[region].append(mark)
    for point in points:
        x, y = _unit(area, point.x, point.y)
        name = names.get(point.insight_id, "An insight")
        marks[point.region].append(Mark(0, round(x, 1), round(y, 1), name, point.insight_id))
    numbered, groups = 0, []
    for region, found_here in marks.items():
        if found_here:
            own = tuple(
                Mark(number, m.x, m.y, m.name, m.insight_id, m.spot, m.shade)
                for number, m in enumerate(found_here, numbered)
            )
            groups.append(Group(region_name(found.regions[region]), region % TONES, own))
            numbered += len(own)
    return tuple(groups)


_SIDE = (WIDE - 2 * MARGIN) / ACROSS / math.sqrt(3)  # of a hexagon that stands on its tip


def _hexagons(area: Area, crowd: Sequence[Point], names: Mapping[str, str]) -> list[tuple[int, Mark]]:
    """The hexagons that hold points, with the region of most of them; each is named after its most central point."""
    cells: dict[tuple[int, int], list[tuple[float, Point]]] = {}
    for point in crowd:
        x, y = _unit(area, point.x, point.y)
        cell = _cell(x, y)
        middle = _middle(cell)
        cells.setdefault(cell, []).append(((x - middle[0]) ** 2 + (y - middle[1]) ** 2, point))
    most = max((len(held) for held in cells.values()), default=1)
    found = []
    for cell in sorted(cells, key=lambda c: (c[1], c[0])):
        held = cells[cell]
        x, y = _middle(cell)
        region = Counter(p.region for _, p in held).most_common(1)[0][0]
        central = min(held, key=lambda each: (each[0], each[1].insight_id))[1]
        count = f"{len(held):,} insight{'' if len(held) == 1 else 's'}, such as "
        name = count + preview(names.get(central.insight_id, "one without a name"), 40)
        spot = f"{central.x:.4f},{central.y:.4f}"
        shade = min(5, 1 + int(4 * math.sqrt(len(held) / most)))
        found.append((region, Mark(0, round(x, 1), round(y, 1), name, spot=spot, shade=shade)))
    return found


def _cell(x: float, y: float) -> tuple[int, int]:
    """The hexagon that a place lies in: of the two rows around it the one with the nearer middle."""
    row = math.floor(y / (1.5 * _SIDE))
    near = [(_column(x, r), r) for r in (row, row + 1)]
    return min(near, key=lambda cell: ((_middle(cell)[0] - x) ** 2 + (_middle(cell)[1] - y) ** 2, cell))


def _column(x: float, row: int) -> int:
    return round(x / (math.sqrt(3) * _SIDE) - row % 2 / 2)


def _middle(cell: tuple[int, int]) -> tuple[float, float]:
    column, row = cell
    return (column + row % 2 / 2) * math.sqrt(3) * _SIDE, row * 1.5 * _SIDE


def _hexagon() -> str:
    """The path of a hexagon from its middle."""
    across, up = _SIDE * math.sqrt(3) / 2 * 0.96, _SIDE * 0.96
    return (
        f"m0-{up:.1f}l{across:.1f},{up / 2:.1f}v{up:.1f}l-{across:.1f},{up / 2:.1f}"
        f"l-{across:.1f}-{up / 2:.1f}v-{up:.1f}z"
    )


def _inside(label: Label) -> Label | None:
    """The label moved so far that the drawing holds it; None if it is too long."""
    left, top, right, bottom = label.box
    if right - left > WIDE or top < 0 or bottom > HIGH:
        return None
    x = label.x + max(0.0, -left) - max(0.0, right - WIDE)
    return Label(label.text, round(x, 1), round(label.y, 1), label.size)


def _around_mark(middle: tuple[float, float], radius: float) -> Box:
    return middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
