"""The report as HTML: escaping, the numbers behind its charts by hand, what it says, and the command."""

import base64
import hashlib
import json
import math
import re
import time
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval import charts, curves
from eval.compare import RESULTS, Run, load_run
from eval.curves import Bin, Point
from eval.html import CONTENTS, FIRST, page
from eval.html_questions import asked, marked, question_list, ranks
from eval.intervals import Estimate, estimates
from eval.markup import VOID, Html, escaped, join, raw, tag
from eval.measures import MEASURES, answerable_auc
from eval.report import markdown
from eval.rows import Row, ShownClaim
from eval.stages import GOOD, STAGES, count_stages
from eval.summary import grouped, interval_text, lede, notes, number, provenance, told
from ui import cli


def row(count: int = 0, *, answerable: bool = True, **fields: Any) -> Row:
    """The row of question `count`: answered right, or refused if it is unanswerable."""
    claim = ShownClaim("Nine loaves lasted.", ("a",), "supported", 0.9, verbatim=False, grounded=True)
    right = {"status": "answered", "answer": claim.text, "cited": ("a",), "claims": (claim,)}
    defaults: dict[str, Any] = {
        "question_id": f"q{count}",
        "collection": "bread",
        "type": "direct" if answerable else "unanswerable",
        "question": f"How many, {count}?",
        "answerable": answerable,
        "gold": ("a",) if answerable else (),
        "short": "nine" if answerable else "",
        "gold_answer": "It was nine." if answerable else "",
        "seconds": 1.0,
        "stages": {"retrieve": 0.1, "read": 0.2, "write": 0.7, "first_quote": 0.3, "total": 1.0},
        "retrieved": ("b", "a", "c"),
        "probability": 0.9 if answerable else 0.1,
        **(right if answerable else {"status": "not_in_library"}),
    }
    return Row(**(defaults | fields))


REFUSED: dict[str, Any] = {"status": "not_in_library", "answer": "", "cited": (), "claims": ()}
FAILED: dict[str, Any] = {**REFUSED, "status": "error", "error": "OSError: gone", "retrieved": (), "stages": {}}


def one_of_each() -> list[Row]:
    """A question for each of the stages but one, which takes sentences that were dropped."""
    return [
        row(1),
        row(2, retrieved=("b", "c"), **REFUSED),
        row(3, retrieved=tuple("bcdefa"), **REFUSED),
        row(4, **REFUSED),
        row(5, cited=("b",)),
        row(6, answer="Ten loaves."),
        row(7, **FAILED),
        row(8, answerable=False),
        row(9, answerable=False, status="answered", cited=("b",)),
    ]


def probable(answerable: list[float], unanswerable: list[float]) -> list[Row]:
    rows = [row(n, probability=value) for n, value in enumerate(answerable)]
    return rows + [row(n, answerable=False, probability=value) for n, value in enumerate(unanswerable, len(rows))]


class Parsed(HTMLParser):
    """A page as a browser would take it apart: its elements, the text, and what its scripts and styles hold."""

    def __init__(self, code: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.code: dict[str, list[str]] = {"script": [], "style": []}
        self.unclosed: list[str] = []
        self.feed(code)
        self.close()

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"<{name}> has an attribute twice"
        self.elements.append((name, dict(attrs)))
        if name not in VOID:
            self.unclosed.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.unclosed.pop() == name

    def handle_data(self, data: str) -> None:
        within = self.unclosed[-1] if self.unclosed else ""
        if within in self.code:
            self.code[within].append(data)
        else:
            self.text += data

    def shape(self) -> Counter[tuple[str, ...]]:
        """How many elements of each name with which attributes there are."""
        return Counter((name, *sorted(attributes)) for name, attributes in self.elements)


# ------------------------------------------------------------------------------------------------------------- markup


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (tag("p", "a < b & c > d"), "<p>a &lt; b &amp; c &gt; d</p>"),
        (tag("p", tag("b", "x"), " y"), "<p><b>x</b> y</p>"),
        (tag("td", class_="n", data_type='"x"', hidden=True, title=None, open=False), None),
        (tag("rect", x=1.0, y=2.345, width=0.0), '<rect x="1" y="2.35" width="0"></rect>'),
        (tag("meta", name="a"), '<meta name="a">'),
        (join(["<", Html("<br>"), "'\""]), "&lt;<br>&#39;&quot;"),
    ],
)
def test_markup_by_hand(made: Html, code: str | None) -> None:
    assert made.code == (code or '<td class="n" data-type="&quot;x&quot;" hidden></td>')


@pytest.mark.parametrize("bad", ["\0", "\x0b", "\x1f", "\x7f", "\ud800", "\uffff"])
def test_what_no_page_may_hold_is_replaced(bad: str) -> None:
    assert escaped(f"a{bad}b") == "a\ufffdb"
    tag("p", bad).code.encode()


@pytest.mark.parametrize("code", ["a</script>b", "a</SCRIPT b", "<!-- x"])
def test_our_own_script_cannot_end_itself(code: str) -> None:
    with pytest.raises(ValueError, match="end its own"):
        raw("script", code)


@given(st.text(), st.text())
def test_text_comes_back_as_text(inside: str, attribute: str) -> None:
    parsed = Parsed(tag("p", inside, title=attribute).code)
    assert parsed.text == as_shown(inside)
    assert parsed.elements == [("p", {"title": as_shown(attribute)})]


def as_shown(text: str) -> str:
    """A text as a page may hold it."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]", "\ufffd", text)


# ------------------------------------------------------------------------------------------------------------- curves

BY_HAND = probable([0.9, 0.6, 0.4], [0.5, 0.1])


def test_the_refusal_curve_by_hand() -> None:
    assert curves.refusal_curve(BY_HAND) == (
        Point(0.1, 0, 0),
        Point(0.4, 0, 0.5),
        Point(0.5, 1 / 3, 0.5),
        Point(0.6, 1 / 3, 1),
        Point(0.9, 2 / 3, 1),
        Point(math.inf, 1, 1),
    )


def test_failed_questions_are_judged_wrong_with_certainty() -> None:
    rows = [row(1, probability=0.9), row(2, **FAILED), row(3, answerable=False, **FAILED)]
    assert curves.refusal_curve(rows) == (Point(0, 0, 0), Point(0.9, 0.5, 0), Point(1, 1, 0), Point(math.inf, 1, 1))


@pytest.mark.parametrize("rows", [[], probable([0.5], []), probable([], [0.5]), probable([0.0], [0.0])])
def test_without_both_kinds_or_probabilities_there_is_no_curve(rows: list[Row]) -> None:
    assert curves.refusal_curve(rows) == ()


SHARES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)


@given(st.lists(SHARES, min_size=1, max_size=9), st.lists(SHARES, min_size=1, max_size=9), st.booleans())
def test_the_area_under_the_curve_is_the_measure(right: list[float], wrong: list[float], failed: bool) -> None:
    rows = probable(right, wrong) + [row(99, **FAILED)] * failed
    curve = curves.refusal_curve(rows)
    area = answerable_auc(rows)
    assert (area is None) == (not curve)
    if area is not None:
        steps = pairwise(curve)
        assert area == pytest.approx(
            sum((b.answerable - a.answerable) * (a.unanswerable + b.unanswerable) / 2 for a, b in steps)
        )
        assert curve == tuple(sorted(curve, key=lambda p: (p.cut, p.answerable, p.unanswerable)))


@pytest.mark.parametrize(("allowed", "cut"), [(0.0, 0.4), (0.3, 0.4), (1 / 3, 0.6), (0.5, 0.6), (1.0, 0.6)])
def test_the_best_cut_within_a_share(allowed: float, cut: float) -> None:
    assert curves.best_within(curves.refusal_curve(BY_HAND), allowed).cut == cut


def test_the_cut_that_a_run_used() -> None:
    low = row(2, probability=0.3, **REFUSED)
    rows = [row(1, probability=0.4), low, row(3, answerable=False, probability=0.2), row(4, **FAILED)]
    assert curves.used_cut(rows) == (0.3, 0.4)
    assert curves.used_cut([*rows, row(5, probability=0.25)]) is None, "one below was answered"
    assert curves.used_cut([low]) is curves.used_cut([row(1)]) is None


def test_bins_by_hand() -> None:
    bins = curves.reliability([(0.85, True), (0.95, True), (0.81, False), (0.02, False)])
    assert [(each.low, each.high, each.count) for each in bins] == [(0.0, 0.1, 1), (0.8, 0.9, 2), (0.9, 1.0, 1)]
    assert bins[1].said == pytest.approx(0.83)
    assert bins[1].happened == 0.5
    assert curves.calibration_error(bins) == pytest.approx((0.02 + 2 * 0.33 + 0.05) / 4)
    assert curves.calibration_error([]) == 0


@pytest.mark.parametrize("tenth", range(11))
def test_a_bin_holds_its_lower_edge(tenth: int) -> None:
    (found,) = curves.reliability([(tenth / 10, True)])
    assert found.low == min(tenth, 9) / 10


@pytest.mark.parametrize(
    ("hits", "count", "interval"),
    [(0, 10, (0.0, 0.2775)), (5, 10, (0.2366, 0.7634)), (10, 10, (0.7225, 1.0)), (1, 1, (0.2065, 1.0))],
)
def test_wilson_intervals(hits: int, count: int, interval: tuple[float, float]) -> None:
    assert curves.wilson(hits, count) == pytest.approx(interval, abs=5e-5)


def test_seconds_in_bins_by_hand() -> None:
    found = curves.log_histogram({"one": [0.1, 0.14, 0.0], "two": [1.0]})
    assert found.edges == pytest.approx([10 ** (n / 6) for n in range(-6, 2)])
    assert found.counts == {"one": (3, 0, 0, 0, 0, 0, 0), "two": (0, 0, 0, 0, 0, 0, 1)}
    assert curves.log_histogram({"none": [], "zero": [0.0]}).edges == ()


@given(st.lists(st.floats(0, 1e6), max_size=20), st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=20))
def test_every_value_is_in_one_bin(one: list[float], two: list[float]) -> None:
    found = curves.log_histogram({"one": one, "two": two})
    assert sum(found.counts["one"]) == len(one)
    assert sum(found.counts["two"]) == len(two)
    assert {len(counts) for counts in found.counts.values()} == {len(found.edges) - 1}


# ------------------------------------------------------------------------------------------------------------- charts


def drawn(chart: Html) -> ElementTree.Element:
    """A chart as XML: every tag is closed, and all that is drawn lies within it."""
    root = ElementTree.fromstring(chart.code)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        for names, most in ((("x", "x1", "x2", "cx"), width), (("y", "y1", "y2", "cy"), height)):
            for name in names:
                assert 0 <= float(element.get(name, 0)) <= most, (element.tag, element.attrib)
    return root


@given(st.floats(0, 1), st.floats(0, 1))
def test_wherever_a_run_stands_it_is_in_the_picture(x: float, y: float) -> None:
    root = drawn(charts.refusals(curves.refusal_curve(BY_HAND), (x, y), ((0.0, x), (y, 1.0)), "a curve"))
    assert root.attrib["aria-label"] == "a curve"
    (here,) = root.iter("circle")
    assert float(here.attrib["cx"]) == pytest.approx(charts.LEFT + x * (charts.RIGHT - charts.LEFT), abs=0.01)
    assert float(here.attrib["cy"]) == pytest.approx(charts.BOTTOM - y * (charts.BOTTOM - charts.TOP), abs=0.01)


def test_a_curve_keeps_only_its_corners() -> None:
    root = drawn(charts.refusals(curves.refusal_curve(BY_HAND), None, (None, None), ""))
    (line,) = root.iter("polyline")
    corners = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    shares = [(x - charts.LEFT) / (charts.RIGHT - charts.LEFT) for x, _ in corners]
    assert shares == pytest.approx([0, 0, 1 / 3, 1 / 3, 1], abs=0.001)


def test_a_dot_has_the_area_of_its_count() -> None:
    bins = [Bin(0, 0.1, 100, 0.05, 0.5, (0.4, 0.6)), Bin(0.9, 1, 25, 0.95, 1.0, (0.9, 1.0))]
    dots = list(drawn(charts.calibration(bins, "said", "happened", "dots")).iter("circle"))
    assert [float(dot.attrib["r"]) for dot in dots] == [10.0, 6.5]
    titles = [dot.findtext("title") for dot in dots]
    assert titles == ["0.0 to 0.1: 100 times, 0.50 happened", "0.9 to 1.0: 25 times, 1.00 happened"]


@given(st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=9))
def test_any_times_can_be_drawn(values: list[float]) -> None:
    found = curves.log_histogram({"one": values})
    marks = [("p50", min(values)), ("p95", max(values))]
    root = drawn(charts.times(found.edges, found.counts["one"], marks, "times"))
    bars = list(root.iter("rect"))
    assert len(bars) == sum(count > 0 for count in found.counts["one"])
    assert max(float(bar.attrib["height"]) for bar in bars) == pytest.approx(50)


@pytest.mark.parametrize(("value", "interval"), [(0.0, (0.0, 0.0)), (1.0, (0.9, 1.0)), (0.5, None), (1.4, (-1.0, 2.0))])
def test_a_whisker_stays_on_its_line(value: float, interval: tuple[float, float] | None) -> None:
    for part in drawn(charts.whisker(value, interval)).iter("rect"):
        assert float(part.attrib["x"]) + float(part.attrib["width"]) <= 101


# ------------------------------------------------------------------------------------------------------------ summary


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("R@5", 0.92083, "0.921"),
        ("R@5", None, "–"),
        ("seconds_p50", 1.0999, "1.10 s"),
        ("seconds_retrieve_p50", 0.0099, "9.9 ms"),
        ("tokens_prompt", 120.04, "120.0"),
    ],
)
def test_numbers_as_they_are_shown(name: str, value: float | None, shown: str) -> None:
    assert number(name, value) == shown


@pytest.mark.parametrize(
    ("name", "interval", "shown"),
    [
        ("R@5", (0.87, 0.964), "0.870 to 0.964"),
        ("R@5", (-0.0, 0.5), "0.000 to 0.500"),
        ("R@5", (0.0, 0.0), "all alike"),
        ("R@5", None, "–"),
        ("seconds_p50", (0.94, 1.24), "0.94 to 1.24 s"),
        ("seconds_p50", (0.05, 1.24), "50.0 ms to 1.24 s"),
    ],
)
def test_intervals_as_they_are_shown(name: str, interval: tuple[float, float] | None, shown: str) -> None:
    assert interval_text(name, interval) == shown


def test_every_measure_is_in_one_group() -> None:
    assert sorted(name for names in grouped().values() for name in names) == sorted(MEASURES)
    assert grouped()["Others"] == []
    assert set(FIRST) <= set(MEASURES)


def test_how_many_questions_tell() -> None:
    rows = [*one_of_each()]
    assert told(MEASURES["false_refusal_rate"], rows) == 7
    assert told(MEASURES["refusal_recall"], rows) == 2
    assert told(MEASURES["answerable_auc"], rows) is None


def test_the_run_in_a_few_sentences() -> None:
    rows = one_of_each()
    assert lede(rows, count_stages(rows)).startswith(
        "1 of 7 answerable questions got an answer that cites all it should and holds the short answer; 1 of 2 "
        "unanswerable questions were rightly refused. Most of the others are lost here: "
    )
    right = lede([row(1)], count_stages([row(1)]))
    assert right == "1 of 1 answerable question got an answer that cites all it should and holds the short answer."


def test_a_run_about_which_nothing_is_known() -> None:
    facts = dict(provenance(Run("r", (row(1),), {"library": None, "machine": 3, "dirty": None})))
    assert facts["Asked"] == "1 question: 1 answerable, 0 not"
    assert facts["Library"] == "unknown insights, fingerprint unknown"
    assert {facts[name] for name in ("Date", "Command", "Commit", "Models", "Machine")} == {"unknown"}
    assert notes(Run("r", (row(1),))) == []


def test_what_a_reader_must_know() -> None:
    run = Run("r", (row(1), row(2, **FAILED)), {"dirty": True, "lacks": ["tokens"]})
    assert [note.split(":")[0] for note in notes(run)] == [
        "The code was not the commit's",
        "1 of 2 questions ended in an error; such score worst in all measures.",
        "The rows are of an older form, without tokens",
    ]


# --------------------------------------------------------------------------------------------------------- questions


def section_of(rows: list[Row], texts: dict[str, str] | None = None) -> str:
    """The text of the list of questions, in one line."""
    return " ".join(Parsed(question_list(asked(rows), texts or {}).code).text.split())


def test_a_question_with_all_that_is_known_of_it() -> None:
    claim = ShownClaim("Nine.", ("a", "b"), "supported", 0.75, verbatim=False, grounded=False, spans=(("a", 0, 4),))
    text = section_of(
        [row(1, claims=(claim,), dropped=("Ten. (another number)",))], {"a": "Nine loaves.", "b": "Bread."}
    )
    for part in (
        "How many, 1? direct",
        "No. 1 · q1 in bread · direct · answered · probability that it is answerable 0.90",
        "1.00 s (retrieve 0.10, read 0.20, write 0.70)",
        "Answer Nine. written · supported, 0.75 · fails the rule · cites a (gold), b",
        "Not shown Ten. (another number)",
        "Gold answer It was nine. Short answer nine",
        "Gold insights a rank 2, cited Nine loaves.",
        "Retrieved 1 b, 2 a (gold), 3 c",
    ):
        assert part.replace(" ", "") in text.replace(" ", ""), part


def test_the_lost_come_first_in_the_order_of_the_flow() -> None:
    parsed = Parsed(question_list(asked(one_of_each()[::-1]), {}).code)
    shown = [attributes["data-stage"] for name, attributes in parsed.elements if name == "details"]
    lost = [stage for stage in STAGES if stage not in GOOD and stage != "dropped by the verifier"]
    assert shown == [*lost, "right", "rightly refused"]


def test_what_was_refused_or_failed_says_so() -> None:
    assert "“Not in your insights.”" in section_of([row(1, answerable=False)])
    failed = section_of([row(1, **FAILED)])
    assert "Error OSError: gone".replace(" ", "") in failed.replace(" ", "")
    assert "None: the question ended in an error." in failed


def test_other_systems_check_nothing_and_no_support_is_claimed() -> None:
    claim = ShownClaim("Nine.", (), "unchecked", 0.0, verbatim=False, grounded=True)
    assert "written · unchecked · passes the rule · cites nothing" in section_of([row(1, claims=(claim,))])


def test_long_lists_are_cut_but_the_rank_of_the_gold_is_said() -> None:
    ids = tuple(f"i{n}" for n in range(1, 31))
    text = section_of([row(1, retrieved=ids, gold=("i25", "i99"), cited=())])
    assert "10 i10, and 20 more" in text
    assert "i25 rank 25, not cited" in text
    assert "i99 not among the 30 retrieved, not cited" in text
    assert ranks(row(1, retrieved=("b", "a", "a"), gold=("a", "z"))) == {"a": 2}


def test_marks_by_hand() -> None:
    assert marked("nine loaves", [(5, 11), (0, 2)]).code == "<mark>ni</mark>ne <mark>loaves</mark>"
    assert marked("nine", [(1, 3), (2, 99), (9, 12)]).code == "n<mark>in</mark><mark>e</mark>"


@given(st.text(), st.lists(st.tuples(st.integers(-3, 30), st.integers(-3, 30))))
def test_marks_lose_no_text(text: str, spans: list[tuple[int, int]]) -> None:
    assert Parsed(marked(text, spans).code).text == as_shown(text)


# --------------------------------------------------------------------------------------------------------------- page

ABOUT: dict[str, Any] = {
    "command": "footnoted eval run bread",
    "date": "2026-11-25T06:51:56+00:00",
    "commit": "5e5f6548987bdb658867608ad67bdaa6d9bb376f",
    "dirty": True,
    "config": {"candidates": 20},
    "config_fingerprint": "6afbafbbb422",
    "library": {"insights": 6, "fingerprint": "57d9deecf204"},
    "models": {"reader": "reader@8bee"},
    "machine": {"cpu": "a chip", "cores": 2, "system": "Linux", "python": "3.11.7"},
}


@pytest.fixture(scope="module")
def run() -> Run:
    return Run("a-run", tuple(one_of_each()), ABOUT)


@pytest.fixture(scope="module")
def whole(run: Run) -> str:
    return page(run, estimates(run.rows, MEASURES))


def test_the_header_says_what_was_run(whole: str) -> None:
    text = Parsed(whole).text
    for part in (
        *("a-run", "9 questions: 7 answerable, 2 not", "6 insights, fingerprint 57d9deecf204", "2026-11-25 06:51 UTC"),
        *("footnoted eval run bread", "5e5f6548987b, with changes", "fingerprint 6afbafbbb422", "candidates 20"),
        *("reader reader@8bee", "a chip, 2 cores, Linux, Python 3.11.7", "The code was not the commit's"),
    ):
        assert part in text, part


def test_the_page_has_one_heading_a_language_and_no_dead_link(whole: str) -> None:
    parsed = Parsed(whole)
    assert not parsed.unclosed
    names = Counter(name for name, _ in parsed.elements)
    assert names["h1"] == names["main"] == names["header"] == names["footer"] == names["nav"] == 1
    assert parsed.elements[0] == ("html", {"lang": "en"})
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(attributes["href"]) for name, attributes in parsed.elements if name == "a"}
    assert links == {f"#{id_}" for id_ in CONTENTS}
    labels = {
        str(attributes["aria-labelledby"]) for _, attributes in parsed.elements if "aria-labelledby" in attributes
    }
    assert {link[1:] for link in links} | labels <= set(ids)


def test_the_page_allows_itself_alone(whole: str) -> None:
    parsed = Parsed(whole)
    (policy,) = (a["content"] for _, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for name, parts in parsed.code.items():
        code = "".join(parts)
        assert code.strip()
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
        assert sum(element == name for element, _ in parsed.elements) == 1
    for name, attributes in parsed.elements:
        assert not {"src", "srcset", "style", "action", "ping"} & attributes.keys()
        assert not [key for key in attributes if key.startswith("on")]
        assert name not in ("link", "img", "iframe", "base", "object")
    assert not re.search(r"https?:|url\(|@import", whole)


def test_without_a_script_all_is_there_and_the_search_box_is_not(whole: str) -> None:
    hidden = [(name, a.get("id")) for name, a in Parsed(whole).elements if "hidden" in a]
    assert hidden == [("form", "filters")]


def test_charts_have_a_name_and_a_table(whole: str) -> None:
    parsed = Parsed(whole)
    pictures = [a for name, a in parsed.elements if name == "svg" and a.get("role") == "img"]
    assert len(pictures) == 1 + 2 + 4
    assert all(a["aria-label"] for a in pictures)
    for title in ("Which cut would refuse how much", "The dots as numbers", "The bars as numbers", "Seconds by stage"):
        assert title in parsed.text


def test_the_figures_that_matter_stand_large_with_their_intervals() -> None:
    run = Run("r", (row(1), row(2), row(3, **REFUSED)))
    found: dict[str, Estimate | None] = {
        "citation_recall": Estimate(2 / 3, (0.3333, 1.0)),
        "unsupported_rule": Estimate(0.0, (0.0, 0.0)),
    }
    text = Parsed(page(run, found)).text
    assert "0.667 of the insights that answer are cited" in text
    assert "0.333 to 1.000; high is good" in text
    assert "alike in all 2; up to 100.0% of others may differ; low is good" in text
    assert "– of unanswerable questions are refused" in text
    assert "Without a value, since these rows can't tell: R@1, " in text


def test_the_same_run_gives_the_same_page(run: Run, whole: str) -> None:
    assert page(run, estimates(run.rows, MEASURES)) == whole


def test_a_run_of_one_kind_has_no_trade_off() -> None:
    only = Run("r", (row(1), row(2)))
    assert "It takes answerable and unanswerable questions" in page(only, estimates(only.rows, MEASURES))
    bare = Run("r", (row(1, probability=0.0, claims=()), row(2, answerable=False, probability=0.0)))
    text = Parsed(page(bare, estimates(bare.rows, MEASURES))).text
    for part in ("The rows hold no probability", "No sentence in the writer's own words was both checked and shown."):
        assert part in text


def test_a_run_in_which_all_failed() -> None:
    lost = Run("r", (row(1, **FAILED), row(2, answerable=False, **FAILED)))
    text = Parsed(page(lost, estimates(lost.rows, MEASURES))).text
    assert "No question has come to an end." in text


OLDER = ("grades", "gold_spans", "tokens", "dropped", "probability", "gold_answer", "stages")


def test_an_older_file_is_reported_all_the_same(tmp_path: Path) -> None:
    rows = [{name: value for name, value in each.to_json().items() if name not in OLDER} for each in one_of_each()]
    for each in rows:
        for claim in each["claims"]:
            del claim["spans"]
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"rows": rows}), encoding="utf-8")
    old = load_run(file)
    text = Parsed(page(old, estimates(old.rows, MEASURES))).text
    assert "The rows are of an older form, without dropped, gold_answer, gold_spans, grades, probability" in text
    assert "Which sentences the verifier dropped isn't known of this run" in text
    assert "How many, 9?" in text


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json"))[:2], ids=lambda file: file.stem)
def test_the_runs_that_we_quote_can_be_reported(file: Path) -> None:
    run = load_run(file)
    parsed = Parsed(page(run, {}))
    assert sum(name == "details" and "data-stage" in a for name, a in parsed.elements) == len(run.rows)


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'> <!-- ]]> &amp; {{x}}"
TEXTS = ("question", "answer", "short", "gold_answer", "error", "type", "collection", "question_id")


def filled(text: str) -> tuple[Run, list[str], dict[str, str]]:
    """A run with a text wherever there can be one, all of them, and the texts of its insights."""
    texts: dict[str, Any] = {name: f"X{text}{number}" for number, name in enumerate(TEXTS)}
    claim = ShownClaim(f"X{text}claim", (f"X{text}a", f"X{text}b"), f"X{text}v", 0.5, verbatim=False, grounded=False)
    one = row(
        1,
        **texts,
        claims=(claim,),
        dropped=(f"X{text}dropped",),
        gold=(f"X{text}a",),
        cited=(f"X{text}a", f"X{text}b"),
        retrieved=(f"X{text}b", f"X{text}a"),
        stages={f"X{text}stage": 0.5},
    )
    about: dict[str, Any] = {name: f"X{text}{name}" for name in ("command", "date", "commit", "config_fingerprint")}
    about |= {"config": {f"X{text}key": f"X{text}value"}, "machine": {"cpu": f"X{text}cpu"}, "lacks": [f"X{text}lacks"]}
    insights = {f"X{text}a": f"X{text}gold text", f"X{text}b": f"X{text}other text"}
    shown = [*texts.values(), claim.text, claim.verdict, *claim.cited, *one.dropped, *one.stages, *insights.values()]
    shown.remove(texts["answer"])  # its claims stand in its place
    shown += [about["command"], about["date"], f"X{text}key", f"X{text}value", f"X{text}cpu", f"X{text}lacks"]
    return Run(f"X{text}name", (one, row(2, answerable=False)), about), shown, insights


PLAIN = filled("plain")
SHAPE = Parsed(page(PLAIN[0], {}, PLAIN[2])).shape()


@settings(max_examples=60)
@given(st.text() | st.sampled_from([HOSTILE, "</style>", "\r\n", "<", "&lt;", "\u202e", "<!--", "\0"]))
def test_whatever_text_comes_in_the_page_keeps_its_shape(text: str) -> None:
    run, shown, insights = filled(text)
    parsed = Parsed(page(run, {}, insights))
    assert parsed.shape() == SHAPE
    for each in shown:
        assert as_shown(each) in parsed.text, each
    options = {str(a.get("value")) for name, a in parsed.elements if name == "option"}
    types = {str(a["data-type"]) for _, a in parsed.elements if "data-type" in a}
    assert types == {as_shown(each.type) for each in run.rows}
    assert types <= options


def test_a_thousand_questions_are_a_small_file_soon_made() -> None:
    ids = tuple(f"some-collection-{n:02}" for n in range(50))
    kinds = [replace(each, question=f"{each.question} {'word ' * 15}", retrieved=ids) for each in one_of_each()]
    rows = tuple(replace(kinds[n % len(kinds)], question_id=f"q{n}") for n in range(1000))
    start = time.process_time()
    code = page(Run("r", rows), {})
    assert len(code.encode()) < 3_000_000
    assert time.process_time() - start < 6, "it takes one second on an idle machine"


# ------------------------------------------------------------------------------------------------ Markdown, the command


def test_markdown_has_intervals_and_stages() -> None:
    rows = [row(1), row(2)]
    results = {"questions": 2, "rows": [], "by_type": {}, "measures": {}}
    said = markdown(results, {"R@5": Estimate(0.5, (0.25, 0.75)), "span_f1": None}, count_stages(rows))
    lines = said.splitlines()
    assert "| `R@5` | 0.500 | 0.250 to 0.750 | gold insights among the first 5 |" in lines
    assert "| right | cites gold, holds the short answer | 2 |" in lines
    assert "span_f1" not in said
    assert "2 questions to ? insights on a day unknown" in said


@pytest.fixture
def saved(run: Run, tmp_path: Path) -> Path:
    file = tmp_path / "saved.json"
    rows = [each.to_json() for each in run.rows]
    file.write_text(json.dumps({**ABOUT, "rows": rows}), encoding="utf-8")
    return file


def test_the_command_writes_one_file(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    assert cli.main(["eval", "report", str(saved)]) == 0
    assert re.fullmatch(r"saved\.html: 9 questions, \d+ kB\. Open it in a browser\.\n", capsys.readouterr().out)
    (made,) = out.iterdir()
    assert made.read_text(encoding="utf-8").startswith("<!doctype html>\n<html lang=")
    assert cli.main(["eval", "report", str(saved), "--out", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").read_bytes() == made.read_bytes()


def test_the_summary_as_markdown(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", "report", str(saved), "--markdown"]) == 0
    said = capsys.readouterr().out
    assert "| `citation_recall` |" in said
    assert "| unanswerable | 2 |" in said
    assert "Failed: 1 of 9. q7: OSError: gone" in said
    assert cli.main(["eval", "report", str(saved), "--markdown", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "saved.md").read_text(encoding="utf-8") == said


def test_the_texts_of_insights_come_from_the_questions(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bread"
    folder.mkdir()
    insights = [{"id": "a", "text": "Nine loaves lasted a week."}, {"id": "c", "text": "Never cited."}]
    (folder / "bread.json").write_text(json.dumps({"insights": insights, "questions": []}), encoding="utf-8")
    out = tmp_path / "r.html"
    assert cli.main(["eval", "report", str(saved), "--out", str(out), "--insights", str(folder)]) == 0
    text = Parsed(out.read_text(encoding="utf-8")).text
    assert "Nine loaves lasted a week." in text
    assert "Never cited." not in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "{run}"], "is the name of results, which a report isn't. Give --out another path."),
        (["--out", "{folder}/other.json"], "is the name of results"),
        (["--out", "{folder}/none/r.html"], "is not a folder. Make it first, or give --out another path."),
        (["--seed", "-1"], "A seed of -1 can't be used."),
    ],
)
def test_what_cannot_be_written_is_said(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    before = saved.read_bytes()
    options = [option.format(run=saved, folder=tmp_path) for option in options]
    assert cli.main(["eval", "report", str(saved), *options]) == 2
    assert said in capsys.readouterr().err
    assert saved.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["saved.json"]
