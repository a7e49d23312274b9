"""The map on the page: what is drawn, what a browser may ask for, and the map as a person uses it."""

import random
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.errors import LibraryError
from corpus.insight import Insight, make_insight
from rag.map import Map, Point, Region
from tests.conftest import HOSTILE, SCREENS, ScriptedEngine
from tests.test_ui_browser import Inspect, ask, focused, inspect, is_phone
from ui import map_view
from ui.map_desk import MapDesk
from ui.map_view import Area, draw, place_labels, region_area, spot_area

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["inspect"]  # the fixture of the page's own browser tests


def scattered(count: int, regions: int = 5) -> Map:
    """Points by chance, and regions that are stripes."""
    draw_ = random.Random(1)
    points = []
    for n in range(count):
        x = draw_.random()
        points.append(Point(f"i{n}", round(x, 4), round(draw_.random(), 4), min(int(x * regions), regions - 1)))
    counts = [sum(p.region == n for p in points) for n in range(regions)]
    named = [Region((f"word{n}", "other"), counts[n], (n + 0.5) / regions, 0.5) for n in range(regions)]
    return Map("r", tuple(points), tuple(named))


def test_every_insight_is_an_option_with_its_name() -> None:
    found = scattered(40)
    html = draw(found, {p.insight_id: f"Name of {p.insight_id}" for p in found.points})
    assert html.count('role="option"') == 40
    assert len(set(re.findall(r'id="(fn-at-\d+)"', html))) == 40
    for point in found.points:
        assert f'data-i="{point.insight_id}" aria-label="Name of {point.insight_id}"' in html
    assert html.count("tabindex") == 1, "one stop of the Tab key"
    assert "40 insights" in html


def test_ten_thousand_are_hexagons_that_lose_nobody() -> None:
    found = scattered(10_000, regions=18)
    html = draw(found, {p.insight_id: f"The name of insight {p.insight_id}, which is long" for p in found.points})
    assert len(html.encode()) < 300_000
    assert html.count("<path") < 1_100
    assert "<circle" not in html
    counts = [int(n.replace(",", "")) for n in re.findall(r'aria-label="([\d,]+) insights?, such as', html)]
    assert sum(counts) == 10_000


def test_a_source_never_vanishes_in_a_crowd() -> None:
    found = scattered(2_000)
    assert 'data-i="i77"' in draw(found, {}, lit={"i77"})
    assert 'data-i="i77"' not in draw(found, {})


def test_a_part_of_the_map_shows_its_points() -> None:
    found = scattered(3_000)
    spot = spot_area(found, 0.3, 0.6)
    inside = [p for p in found.points if abs(p.x - 0.3) < 0.02 and abs(p.y - 0.6) < 0.02]
    html = draw(found, {}, spot)
    assert inside
    assert all(f'data-i="{p.insight_id}"' in html for p in inside)
    assert "Whole map" in html
    region = region_area(found, 2)
    assert region.region == 2
    assert region.x <= 0.42 <= 0.58 <= region.x + region.width


@given(st.integers(0, 300), st.floats(0, 1), st.floats(0, 1))
def test_a_part_lies_within_the_map(count: int, x: float, y: float) -> None:
    found = scattered(count)
    for area in (spot_area(found, x, y), region_area(found, 0)):
        assert 0 <= area.x <= area.x + area.width <= 1.0001
        assert 0 <= area.y <= area.y + area.height <= 1.0001
        assert area.width > 0


@given(st.lists(st.tuples(st.text("abcdefgh", min_size=1, max_size=30), st.floats(0, 1), st.floats(0, 1)), max_size=18))
@example([("a" * 21, 0.0, 0.0)])  # two such words are wider than a phone's drawing
def test_labels_do_not_overlap_and_stay_inside(regions: list[tuple[str, float, float]]) -> None:
    found = Map("r", (), tuple(Region((word, word[::-1]), 9, x, y) for word, x, y in regions))
    for size in (map_view.SMALL, map_view.LARGE):
        labels = place_labels(found, Area(), dict.fromkeys(range(len(regions)), 9), size)
        boxes = [label.box for label in labels]
        assert bool(labels) == bool(regions)
        for left, top, right, bottom in boxes:
            assert left >= -0.1
            assert right <= map_view.WIDE + 0.1
            assert top >= -0.1
            assert bottom <= map_view.HIGH + 0.1
        for i, one in enumerate(boxes):
            for other in boxes[i + 1 :]:
                apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
                assert apart, (one, other)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=12),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6),
)
def test_no_label_covers_a_source_of_the_answer(
    regions: list[tuple[float, float]], sources: list[tuple[float, float]]
) -> None:
    lit = [Point(f"i{n}", x, y, 0) for n, (x, y) in enumerate(sources)]
    found = Map("r", tuple(lit), tuple(Region(("one", "other", "third"), 9, x, y) for x, y in [*regions, (0.5, 0.5)]))
    for size, radius in ((map_view.SMALL, 31.5), (map_view.LARGE, 18.5)):  # as map.css draws them
        for label in place_labels(found, Area(), dict.fromkeys(range(len(found.regions)), 9), size, 3, lit):
            left, top, right, bottom = label.box
            for point in lit:
                x, y = map_view._unit(Area(), point.x, point.y)
                away = max(left - x, x - right, top - y, y - bottom)
                assert away >= radius, (label, point)


def test_where_points_are_few_a_label_stands_beside_them() -> None:
    points = tuple(Point(f"i{n}", 0.4 + 0.05 * n, 0.5, 0) for n in range(5))
    found = Map("r", points, (Region(("bread", "ovens"), 5, 0.5, 0.5),))
    (beside,) = place_labels(found, Area(), {0: 5}, map_view.LARGE, 3, (), points)
    (upon,) = place_labels(found, Area(), {0: 5}, map_view.LARGE)
    assert upon.y == map_view._unit(Area(), 0.5, 0.5)[1]
    assert beside.text == upon.text == "bread · ovens"
    assert abs(beside.y - upon.y) > map_view.LARGE


def test_hostile_text_stays_text() -> None:
    found = Map("r", (Point("x\"'><1", 0.5, 0.5, 0),), (Region((HOSTILE,), 1, 0.5, 0.5),))
    html = draw(found, {"x\"'><1": map_view.name_of(make_insight(HOSTILE, title=HOSTILE))})
    tags = set(re.findall(r"</?([a-z0-9]+)", html))
    assert tags <= {"section", "div", "p", "button", "svg", "g", "circle", "text", "ul", "li", "i", "span"}
    assert "<img" not in html
    assert "x&#34;&#39;&gt;&lt;1" in html


# --------------------------------------------------------------------------------------------------------- the desk


class Placing(ScriptedEngine):
    """Counts how often its map is made, and can fail."""

    def __init__(self, insights: list[Insight]) -> None:
        super().__init__(insights)
        self.made = 0
        self.fault: Exception | None = None

    def library_map(self, known: Map | None = None) -> Map:
        if self.fault:
            raise self.fault
        if known is None:
            self.made += 1
        return super().library_map(known)


@pytest.fixture
def placing(six_insights: list[Insight]) -> Placing:
    return Placing(six_insights)


def test_the_desk_makes_a_map_once(placing: Placing) -> None:
    desk = MapDesk(placing)
    assert desk.draw().count('role="option"') == 52
    assert "Whole map" in desk.draw("r0")
    assert placing.made == 1


@pytest.mark.parametrize(
    "area", [None, 7, "r99", "r-1", "r٣", "s2.0,0.5", "s0.5", "s0.5,nan", "../x", ["r0"], "r" + "9" * 500, {"x": 1}]
)
def test_whatever_else_a_browser_asks_for_is_the_whole_map(placing: Placing, area: object) -> None:
    desk = MapDesk(placing)
    assert desk.draw(area) == desk.draw()


@pytest.mark.parametrize("lit", [None, "s1", 5, [None, 7, "", "x" * 500, ["s1"]], {"s1": 1}, ["nowhere"] * 999])
def test_odd_sources_light_nothing(placing: Placing, lit: object) -> None:
    desk = MapDesk(placing)
    assert desk.draw("", lit) == desk.draw()


def test_faults_are_sentences(placing: Placing) -> None:
    placing.fault = LibraryError("The library is damaged.", "Restore it.")
    assert "The library is damaged. Restore it." in MapDesk(placing).draw()
    placing.fault = ValueError("secret internals")
    said = MapDesk(placing).draw()
    assert "secret" not in said
    assert "was logged" in said


def test_an_empty_library_says_what_to_do(placing: Placing) -> None:
    placing.library.all = []
    assert "Add insights" in MapDesk(placing).draw()


# ------------------------------------------------------------------------------------------------------ the browser


@pytest.fixture
def library_tab(tab: "Page") -> "Page":
    tab.get_by_role("tab", name="Library").click()
    tab.wait_for_selector(".fn-map-opener")
    return tab


@pytest.mark.slow
def test_open_the_map_and_walk_to_an_insight(library_tab: "Page", inspect: Inspect) -> None:
    page = library_tab
    assert not page.locator("#fn-map-view").is_visible()
    page.click(".fn-map-opener")
    page.wait_for_selector(".fn-map-svg")
    assert page.get_attribute(".fn-map-opener", "aria-expanded") == "true"
    assert page.locator("[role=option]").count() == 52
    inspect(page, "m-map")
    page.locator(".fn-map-list").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    chosen = page.locator(f"#{page.get_attribute('.fn-map-list', 'aria-activedescendant')}")
    name = str(chosen.get_attribute("aria-label"))
    assert page.inner_text(".fn-map-tip") == name
    inspect(page, "n-map-chosen")
    insight_id = chosen.get_attribute("data-i")
    page.keyboard.press("Enter")
    page.wait_for_function("id => document.querySelector('#fn-insight .fn-insight')?.dataset.id === id", arg=insight_id)
    focused(page, "#fn-insight h2")


@pytest.mark.slow
def test_a_group_is_opened_and_the_sources_are_lit(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "What moves on night trains?")
    tab.get_by_role("tab", name="Library").click()
    tab.click(".fn-map-opener")
    tab.wait_for_selector("circle.fn-lit >> nth=1")
    assert tab.locator("circle.fn-lit").count() == 2
    assert sorted(tab.locator(".fn-map-number").all_text_contents()) == ["1", "2"]
    covered = """() => {
        const boxes = (css) => [...document.querySelectorAll(css)].map((node) => node.getBoundingClientRect());
        const names = boxes('.fn-labels text').filter((box) => box.width);
        const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
        const under = [...boxes('circle.fn-lit'), ...names];
        return [names.length, names.some((a) => under.some((b) => a !== b && !apart(a, b)))];
    }"""
    count, is_covered = tab.evaluate(covered)
    assert count > 1
    assert not is_covered
    inspect(tab, "o-map-lit")
    tab.click(".fn-map-region >> nth=0")
    tab.wait_for_selector(".fn-map-whole")
    focused(tab, ".fn-map-list")
    inspect(tab, "p-map-group")
    tab.keyboard.press("Escape")
    tab.wait_for_selector(".fn-map-whole", state="detached")


@pytest.mark.slow
@pytest.mark.parametrize("tab", list(SCREENS), indirect=True)
def test_the_pointer_names_and_opens(library_tab: "Page") -> None:
    page = library_tab
    page.click(".fn-map-opener")
    page.wait_for_selector(".fn-map-svg")
    mark = page.locator("[data-i=s3]")
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if is_phone(page):
        page.touchscreen.tap(x, y)
        page.wait_for_selector(".fn-map-tip:not([hidden])")
        page.touchscreen.tap(x, y)
    else:
        page.mouse.move(x, y)
        assert page.inner_text(".fn-map-tip").startswith("Ovens lose a third")
        page.mouse.click(x, y)
    page.wait_for_selector("#fn-insight .fn-text >> text=Ovens lose a third")
