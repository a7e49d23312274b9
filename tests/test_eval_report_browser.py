"""The report in a real browser, from disk: on a desktop and a phone, in light and in dark, with and without script."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eval.compare import Run
from eval.html import page
from eval.intervals import estimates
from eval.measures import MEASURES
from eval.rows import Row, ShownClaim
from tests.browsing import Screen, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

SHOTS = Path(__file__).parent / "shots"
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
SCREENS: dict[str, Screen] = {
    "desktop-light": (1280, 900, "light"),
    "desktop-dark": (1280, 900, "dark"),
    "phone-light": (390, 844, "light"),
    "phone-dark": (390, 844, "dark"),
}
DESKTOP = pytest.mark.parametrize("report", ["desktop-light"], indirect=True)
HOSTILE = (
    "</script></style><script>window.pwned=1</script><img src=x onerror=window.pwned=2> "
    "<svg onload=window.pwned=3> https://elsewhere.example/p.png \u202eright to left "
) + "verylong" * 30
QUESTIONS = "#questions details:not([hidden])"


def rows() -> tuple[Row, ...]:
    """Thirty questions of three kinds: right, lost and hostile, and unanswerable."""
    made: list[Row] = []
    for n in range(30):
        claim = ShownClaim(
            f"Loaf {n} lasted.", (f"a-{n}",), "supported", 0.5 + n / 60, verbatim=n % 4 == 0, grounded=n % 5 > 0
        )
        answered: dict[str, Any] = {
            "status": "answered",
            "answer": claim.text,
            "claims": (claim,),
            "cited": (f"a-{n}",),
        }
        refused: dict[str, Any] = {"status": "not_in_library"}
        kind = n % 3
        made.append(
            Row(
                question_id=f"q{n}",
                collection="bread",
                type=("direct", "hard", "unanswerable")[kind],
                question=HOSTILE if n == 1 else f"How long did loaf {n} last?",
                answerable=kind < 2,
                gold=(f"a-{n}",) if kind == 0 else (f"z-{n}",) if kind == 1 else (),
                short=f"loaf {n}" if kind == 0 else "",
                gold_answer="It did last." if kind < 2 else "",
                seconds=0.2 + n / 10,
                stages={"retrieve": 0.01, "read": 0.1 + n / 300, "write": 0.1 + n / 12},
                retrieved=tuple(f"a-{n + k}" for k in range(12)),
                probability=(0.9, 0.6, 0.3)[kind] + n / 400,
                tokens={"prompt": 90, "completion": 20},
                **(refused if n % 6 == 5 else answered),
            )
        )
    return tuple(made)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    about: dict[str, Any] = {"command": f"footnoted eval run {HOSTILE}", "config": {"caution": "normal"}, "dirty": True}
    run = Run("bread", rows(), about)
    texts = {f"a-{n}": f"Insight {n}. {HOSTILE}" for n in range(40)}
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(page(run, estimates(run.rows, MEASURES), texts).encode())
    return path


@pytest.fixture(params=list(SCREENS))
def report(chromium: "Browser", request: pytest.FixtureRequest, file: Path) -> Iterator["Page"]:
    """The report, opened from disk. Afterwards: nothing else was asked for, and the console holds no error."""
    with watched(chromium, SCREENS[request.param], lambda url: url.split("#")[0] == file.as_uri()) as tab:
        tab.goto(file.as_uri())
        yield tab


def check(tab: "Page", name: str) -> None:
    """What is seen is accessible and fits the screen; with FOOTNOTED_SHOTS it is kept as a picture."""
    import axe_playwright_python

    if os.environ.get("FOOTNOTED_SHOTS"):
        SHOTS.mkdir(exist_ok=True)
        tab.screenshot(path=SHOTS / f"report-{name}.png", full_page=True)
    axe = next(Path(str(axe_playwright_python.__file__)).parent.glob("axe.min.js")).read_text(encoding="utf-8")
    tab.evaluate(axe)
    found = tab.evaluate(f"axe.run(document, {RULES})")["violations"]
    assert not found, [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"]) for v in found]
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"


def shown(tab: "Page") -> int:
    return tab.locator(QUESTIONS).count()


def test_closed_and_open_it_is_accessible_and_fits(report: "Page", request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.id
    assert report.inner_text("h1") == "How good the answers are to 30 questions"
    check(report, f"{kind}-closed")
    report.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    check(report, f"{kind}-open")


def test_hostile_text_stays_text(report: "Page") -> None:
    report.click("#open")
    assert HOSTILE.strip()[:90] in report.inner_text("#questions")
    assert report.evaluate("window.pwned") is None
    assert report.locator("script").count() == 1
    assert report.locator("img").count() == 0


@DESKTOP
def test_search_and_filters(report: "Page") -> None:
    assert shown(report) == 30
    assert report.inner_text("#shown") == "30 of 30 questions shown"
    report.fill("#find", 'bread "LOAF 7 lasted"')
    assert report.inner_text("#shown") == "1 of 30 questions shown"
    assert report.locator(QUESTIONS).get_attribute("id") == "q8"
    report.fill("#find", "")
    report.select_option("select[name=type]", "unanswerable")
    report.select_option("select[name=status]", "not_in_library")
    assert shown(report) == 5
    assert report.locator(".group:not([hidden])").count() == 1
    report.select_option("select[name=stage]", "lost")
    assert report.inner_text("#shown") == "No question fits."
    report.select_option("select[name=type]", "")
    report.select_option("select[name=status]", "")
    assert shown(report) == 10 + 5, "the hard ones, and what was answered anyway"
    report.fill("#find", '"loaf 1')
    headings = report.locator(".group:not([hidden]) h3")
    assert [text.split("\n")[0] for text in headings.all_inner_texts()] == [
        "✗Not retrieved 5 of 10",
        "✗Answered anyway 1 of 5",
    ]


@DESKTOP
def test_all_that_are_shown_can_be_opened_at_once(report: "Page") -> None:
    report.select_option("select[name=type]", "hard")
    report.click("#open")
    assert report.locator("#questions details[open]").count() == 10
    assert report.inner_text("#open") == "Close all shown"
    report.click("#open")
    assert report.locator("#questions details[open]").count() == 0


@DESKTOP
def test_a_link_to_a_question_opens_it(report: "Page") -> None:
    report.evaluate("location.hash = '#q12'")
    report.wait_for_selector("#q12[open]")
    assert report.locator("#q12 dl").is_visible()


@DESKTOP
def test_by_keyboard_the_focus_is_seen(report: "Page") -> None:
    report.keyboard.press("Tab")
    assert report.evaluate("document.activeElement.className") == "skip"
    assert report.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    for _ in range(3):
        report.keyboard.press("Tab")
        assert report.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    report.focus("#q1 > summary")
    report.keyboard.press("Enter")
    assert report.locator("#q1 dl").is_visible()


@DESKTOP
def test_on_paper_there_is_no_search_box(report: "Page") -> None:
    report.emulate_media(media="print")
    assert not report.locator("#filters").is_visible()
    assert not report.locator("nav").is_visible()
    assert report.locator("#summary").is_visible()
    assert report.locator("#q1 > summary").is_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_without_script_everything_can_be_read(chromium: "Browser", file: Path, width: int) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": width, "height": 900})
    tab = context.new_page()
    tab.goto(file.as_uri())
    assert not tab.locator("#filters").is_visible()
    assert shown(tab) == 30
    tab.click("#q4 > summary")
    assert "Loaf 3 lasted." in tab.inner_text("#q4")
    tab.click("text=Which cut would refuse how much")
    assert tab.locator("text=at most 10%").is_visible()
    context.close()
