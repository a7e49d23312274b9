"""The page without a mouse, with less motion, in the colours of the system, and at twice the size. In Chromium."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.test_ui_browser import BOX, ask, focused

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


def tab_to(page: "Page", selector: str, most: int = 40) -> None:
    """Press Tab until one of these has the focus, which must then be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("css => document.activeElement?.matches(css)", selector):
            break
    else:
        pytest.fail(f"the Tab key didn't come to {selector}")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", f"the focus on {selector} can't be seen"


@contextmanager
def with_settings(
    chromium: "Browser", site: str, width: int = 1440, height: int = 900, **settings: Any
) -> "Iterator[Page]":
    context = chromium.new_context(viewport={"width": width, "height": height}, **settings)
    page = context.new_page()
    page.set_default_timeout(8000)
    page.goto(site)
    page.wait_for_selector("#fn-voice", state="attached")
    yield page
    context.close()


@pytest.mark.parametrize("tab", ["desktop-light"], indirect=True)
def test_from_the_first_visit_to_an_opened_source_without_a_mouse(tab: "Page") -> None:
    tab.evaluate("document.activeElement.blur()")
    tab_to(tab, ".fn-example")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".fn-foot")
    focused(tab, "#fn-scroll")  # what had the focus is gone: it stays in the conversation
    tab_to(tab, ".fn-chip")
    number = tab.inner_text(":focus")
    tab.keyboard.press("Enter")
    focused(tab, f"#fn-card-0-{number}")
    assert tab.locator(f"#fn-card-0-{number} mark").count()
    tab_to(tab, ".fn-card [data-insight]")
    tab.keyboard.press("Escape")
    focused(tab, ".fn-chip")
    assert tab.inner_text(":focus") == number
    tab.keyboard.press("/")
    focused(tab, BOX)
    tab.keyboard.type("Who counted suitcases?")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".fn-turn:nth-child(2) .fn-foot")


def test_with_less_motion_nothing_moves(chromium: "Browser", site: str) -> None:
    with with_settings(chromium, site, 390, 844, reduced_motion="reduce") as page:
        ask(page, "hold", until=".fn-quote")
        assert page.locator(".fn-dots").is_visible()
        assert page.evaluate("document.getAnimations().length") == 0
        assert page.evaluate("getComputedStyle(document.querySelector('#fn-side')).transitionDuration") in (
            "0s",
            "0.00001s",
        )
        page.click("#fn-stop")
        page.wait_for_selector(".fn-stopped")
        page.click(".fn-chip >> nth=0")
        page.wait_for_selector("#fn-side.fn-open .fn-card")
        assert page.evaluate("document.getAnimations().length") == 0


def test_in_the_colours_of_the_system_what_counts_is_still_seen(chromium: "Browser", site: str) -> None:
    with with_settings(chromium, site, forced_colors="active") as page:
        ask(page, "What moves on night trains?")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for css, what in (
            (".fn-thumb", "backgroundColor"),  # a drawing cut out of its ground
            (".fn-funnel", "backgroundColor"),
        ):
            pseudo = "::before" if css == ".fn-thumb" else None
            seen = "([css, what, pseudo]) => getComputedStyle(document.querySelector(css), pseudo)[what]"
            assert page.evaluate(seen, [css, what, pseudo]) != ground, css
        assert page.evaluate("getComputedStyle(document.querySelector('mark')).backgroundColor") != ground
        for css in (".fn-chip", "#fn-go", ".fn-card", "#fn-composer"):
            side = "borderTopStyle" if css != ".fn-chip" else "textDecorationLine"
            assert (
                page.evaluate("([css, what]) => getComputedStyle(document.querySelector(css))[what]", [css, side])
                != "none"
            )
        page.locator(".fn-chip").first.focus()
        page.keyboard.press("Enter")
        focused(page, ".fn-card")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        page.get_by_role("tab", name="Library").click()
        page.click(".fn-map-opener")
        page.wait_for_selector("circle.fn-lit")
        shown = page.evaluate("getComputedStyle(document.querySelector('circle:not(.fn-lit)')).fill")
        assert shown not in ("none", ground)


def test_at_twice_the_size_nothing_is_cut_off(chromium: "Browser", site: str) -> None:
    with with_settings(chromium, site, 720, 450, device_scale_factor=2) as page:
        fits = "document.documentElement.scrollWidth <= window.innerWidth"
        assert page.evaluate(fits)
        ask(page, "What moves on night trains?")
        assert page.evaluate(fits)
        box = page.locator(BOX).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 450  # it can be typed in without scrolling
        assert page.evaluate("document.querySelector('#fn-scroll').clientHeight") > 100  # and the answer be read
        page.click(".fn-chip >> nth=0")
        page.wait_for_selector("#fn-side.fn-open .fn-card")
        page.keyboard.press("Escape")
        for name in ("Library", "Evaluation"):
            page.get_by_role("tab", name=name).click()
            page.wait_for_selector(f"#fn-{name.lower()}")
            assert page.evaluate(fits), name


def test_who_only_comes_by_sees_nothing_that_they_may_not_do(
    chromium: "Browser", site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.caller.is_loopback", lambda address: False)
    with with_settings(chromium, site) as page:
        page.wait_for_selector(".fn-visitor")
        ask(page, "What moves on night trains?")
        assert page.locator(".fn-rating").count() == 1
        assert not page.locator(".fn-rating").is_visible()
        page.get_by_role("tab", name="Evaluation").click()
        page.wait_for_selector("#fn-eval-start >> text=Only who sits at this machine starts runs here")
        assert page.locator("#fn-eval-start form").count() == 0
