"""The page as a person uses it, in a real browser: on a desktop in light and on a phone in dark."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.conftest import Served

pytestmark = pytest.mark.slow

SHOTS = Path(__file__).parent / "shots"
BOX = "#fn-question textarea"
SEARCH = "#fn-search textarea"
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}"
DESKTOP = pytest.mark.parametrize("tab", ["desktop-light"], indirect=True)
Inspect = Callable[["Page", str], None]


@pytest.fixture
def inspect(request: pytest.FixtureRequest) -> Inspect:
    """A state of the page must be accessible and fit the screen; with FOOTNOTED_SHOTS it is kept as a picture."""
    import axe_playwright_python

    axe = next(Path(str(axe_playwright_python.__file__)).parent.glob("axe.min.js")).read_text(encoding="utf-8")

    def check(page: "Page", state: str) -> None:
        page.evaluate(
            "Promise.all(document.getAnimations().map(a => a.effect.getTiming().iterations === Infinity || a.finished))"
        )
        if os.environ.get("FOOTNOTED_SHOTS"):
            SHOTS.mkdir(exist_ok=True)
            kind = request.node.callspec.id
            page.screenshot(path=SHOTS / f"{kind}-{state}.png")
        page.evaluate(axe)
        found = page.evaluate(f"axe.run(document, {RULES})")["violations"]
        assert not found, [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"]) for v in found]
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"

    return check


def ask(page: "Page", question: str, until: str = ".fn-foot") -> None:
    """Ask, and wait until the new answer has come so far."""
    turns = page.locator(".fn-turn").count()
    page.fill(BOX, question)
    page.press(BOX, "Enter")
    page.wait_for_selector(f".fn-turn:nth-child({turns + 1}) {until}")


def is_phone(page: "Page") -> bool:
    return page.viewport_size is not None and page.viewport_size["width"] < 500


def focused(page: "Page", selector: str) -> None:
    page.wait_for_function("selector => document.activeElement.matches(selector)", arg=selector)


def test_the_first_sight(tab: "Page", inspect: Inspect) -> None:
    assert tab.inner_text("h1") == "Footnoted"
    assert "52 insights in Trains & <b>bread</b>" in tab.inner_text("#fn-head")
    below = "document.querySelector('[role=tab]').getBoundingClientRect().top"
    assert tab.evaluate(f"document.querySelector('.fn-brand p').getBoundingClientRect().bottom <= {below}")
    assert tab.locator(".fn-example").count() == 2
    assert not tab.locator("#fn-side").is_visible()
    inspect(tab, "1-welcome")


def test_ask_open_a_source_and_come_back(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "What moves on night trains?")
    assert tab.input_value(BOX) == ""
    assert not tab.locator(".fn-example").first.is_visible()
    inspect(tab, "2-answer")
    chip = tab.locator(".fn-chip").nth(1)
    assert chip.get_attribute("aria-label") == "Source 2: Tracks"
    for key in ("Enter", " "):
        chip.focus()
        tab.keyboard.press(key)
        focused(tab, "#fn-card-0-2.fn-lit")
        assert tab.locator("#fn-card-0-2").is_visible()
        assert tab.locator("#fn-card-0-2 mark").inner_text() == "Ottavia Brandt counted 310 suitcases on one sleeper."
        if key == "Enter":
            inspect(tab, "3-source")
        tab.keyboard.press("Escape")
        focused(tab, ".fn-chip[href='#fn-card-0-2']")
    tab.wait_for_selector("#fn-side", state="hidden" if is_phone(tab) else "visible")
    assert tab.evaluate("location.hash") == ""


def test_every_chip_opens_its_own_card(tab: "Page") -> None:
    ask(tab, "What moves on night trains?")
    ask(tab, "And what tomorrow?")
    chips = tab.locator(".fn-chip")
    assert chips.count() == 8
    for n in range(chips.count()):
        chip = chips.nth(n)
        target = str(chip.get_attribute("href"))
        chip.click()
        focused(tab, f"{target}.fn-lit")
        assert tab.locator(f"{target} .fn-number").inner_text() == chip.inner_text()
        tab.keyboard.press("Escape")
        focused(tab, f".fn-chip[href='{target}']")


@DESKTOP
def test_hovering_a_chip_lights_its_card(tab: "Page") -> None:
    ask(tab, "What moves on night trains?")
    tab.hover(".fn-chip >> nth=1")
    tab.wait_for_selector("#fn-card-0-2.fn-lit")


def test_the_close_button_brings_back_too(tab: "Page") -> None:
    ask(tab, "What moves on night trains?")
    tab.click(".fn-show")
    focused(tab, "#fn-card-0-1")
    tab.click(".fn-close" if is_phone(tab) else "#fn-card-0-1 .fn-back")
    focused(tab, ".fn-show")


def test_an_answer_in_part_says_so(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "What will move tomorrow?")
    assert tab.inner_text(".fn-partly") == "The insights answer this only in part."
    inspect(tab, "4-partly")


def test_quotes_stand_before_the_prose_and_stop_keeps_what_is_there(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "Say it slowly", until=".fn-unchecked")
    assert tab.locator(".fn-quote").count() == 1
    assert tab.inner_text(".fn-flag") == "not checked"
    assert not tab.locator("#fn-go").is_visible()
    inspect(tab, "5-writing")
    tab.click("#fn-stop")
    tab.wait_for_selector(".fn-stopped")
    assert "Parcels do" in tab.inner_text(".fn-prose")
    assert tab.locator("#fn-go").is_visible()
    ask(tab, "What moves on night trains?")
    inspect(tab, "6-stopped")


def test_a_question_held_in_reading_shows_its_quotes(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "hold", until=".fn-quote")
    assert tab.locator(".fn-quote").count() == 2
    assert "Reading" in tab.inner_text(".fn-phase")
    assert tab.locator("#fn-voice").text_content() == "Reading what was found…"
    inspect(tab, "7-quotes")
    tab.click("#fn-stop")
    tab.wait_for_selector(".fn-stopped")


@DESKTOP
def test_examples_ask(tab: "Page") -> None:
    tab.click(".fn-example >> nth=1")
    tab.wait_for_selector(".fn-foot")
    assert tab.inner_text(".fn-question") == "Who counted suitcases?"


def test_what_is_not_there_is_said_plainly_with_the_nearest(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "What is the boiling point of tungsten?", until=".fn-none")
    assert tab.inner_text(".fn-none-title") == "Not in your insights."
    assert "What is the boiling point of tungsten?" in tab.inner_text(".fn-none")
    assert tab.locator(".fn-chip").count() == 0
    inspect(tab, "8-not-there")
    tab.click(".fn-near >> nth=1")
    focused(tab, "#fn-card-0-n2.fn-lit")
    tab.keyboard.press("Escape")
    focused(tab, ".fn-near[href='#fn-card-0-n2']")


def test_faults_are_sentences(tab: "Page", inspect: Inspect) -> None:
    tab.press(BOX, "Enter")
    tab.wait_for_selector(".fn-problem")
    assert tab.inner_text(".fn-problem") == "There is no question yet. Type one and press Enter."
    ask(tab, "broken", until=".fn-problem")
    assert tab.inner_text(".fn-problem") == "The writer doesn't answer. Start it, then ask again."
    inspect(tab, "9-problem")
    ask(tab, "What moves on night trains?")


def test_a_new_conversation_starts_empty(tab: "Page") -> None:
    ask(tab, "What moves on night trains?")
    tab.click("#fn-new")
    tab.wait_for_selector(".fn-turn", state="detached")
    assert tab.locator(".fn-example").first.is_visible()
    assert not tab.locator("#fn-side").is_visible()


@DESKTOP
def test_a_new_conversation_ends_an_answer_on_its_way(tab: "Page") -> None:
    ask(tab, "hold", until=".fn-quote")
    tab.click("#fn-new")
    tab.wait_for_function("!document.querySelector('.fn-turn')")
    ask(tab, "What moves on night trains?")
    assert tab.locator(".fn-turn").count() == 1


@DESKTOP
def test_slash_goes_to_the_question(tab: "Page") -> None:
    ask(tab, "What moves on night trains?")
    tab.locator(".fn-chip").first.focus()
    tab.keyboard.press("/")
    focused(tab, BOX)
    assert tab.input_value(BOX) == ""


@DESKTOP
def test_the_answer_is_announced_once_it_stands(tab: "Page") -> None:
    ask(tab, "What moves on night trains?")
    tab.wait_for_function("document.querySelector('#fn-voice').textContent.startsWith('Answer: Parcels do')")


def test_library_search_insight_related(tab: "Page", inspect: Inspect) -> None:
    tab.get_by_role("tab", name="Library").click()
    tab.wait_for_selector("#fn-listing .fn-row")
    assert tab.inner_text(".fn-count") == "40 of 52 shown"
    inspect(tab, "a-library")
    tab.locator(SEARCH).press_sequentially("ovens")
    tab.wait_for_selector(".fn-group >> text=Near in meaning")
    tab.fill(SEARCH, "")
    tab.wait_for_selector(".fn-count >> text=40 of 52")
    tab.fill(SEARCH, "ovens")  # pasted, not typed
    tab.wait_for_selector(".fn-count >> text=for “ovens”")
    inspect(tab, "b-search")
    tab.click("#fn-listing .fn-row >> nth=0")
    tab.wait_for_selector("#fn-insight .fn-text >> text=Ovens lose a third")
    focused(tab, "#fn-insight h2")
    inspect(tab, "c-insight")
    tab.click(".fn-related .fn-row >> nth=0")
    tab.wait_for_selector("#fn-insight .fn-text >> text=Rail freight loses")
    assert tab.locator(".fn-related .fn-row").count() == 2
    if is_phone(tab):
        tab.click(".fn-to-list")
        focused(tab, ".fn-row[data-insight='s3']")


@DESKTOP
def test_the_library_shows_more(tab: "Page") -> None:
    tab.get_by_role("tab", name="Library").click()
    tab.click(".fn-more")
    tab.wait_for_selector(".fn-count >> text=52 insights")
    assert tab.locator("#fn-listing .fn-row").count() == 52


def test_from_a_source_to_its_page_in_the_library(tab: "Page") -> None:
    ask(tab, "What moves on night trains?")
    tab.click(".fn-chip >> nth=0")
    tab.click("#fn-card-0-1 >> text=Open in the library")
    tab.wait_for_selector("#fn-insight .fn-text >> text=Rail freight loses")
    tab.get_by_role("tab", name="Ask").click()
    tab.fill(BOX, "the conversation can be used again")


def test_hostile_text_stays_text(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "hostile <img src=x onerror=window.pwned=9> ${window.pwned=9}")
    shown = tab.locator("#fn-thread").inner_text() + str(tab.locator("#fn-sources").text_content())
    for part in ("<script>window.pwned=2</script>", "`${window.pwned=4}`", "C:\\temp\\new", "{{value}}"):
        assert part in shown
    inspect(tab, "d-hostile")
    tab.click(".fn-chip >> nth=0")
    focused(tab, ".fn-card.fn-lit")
    tab.click(".fn-card.fn-lit >> text=Open in the library")
    tab.wait_for_selector("#fn-insight .fn-note")
    assert tab.evaluate("window.pwned") is None
    inside = "#fn-thread, #fn-sources, #fn-insight, #fn-listing"
    foreign = f":is({inside}) :is(img, script, svg, style, iframe, form, video)"
    assert tab.locator(foreign).count() == 0


@DESKTOP
def test_two_readers_do_not_see_each_other(tab: "Page", site: str) -> None:
    ask(tab, "What moves on night trains?")
    other = tab.context.new_page()
    other.goto(site)
    other.wait_for_selector(".fn-example")
    assert other.locator(".fn-turn").count() == 0


@DESKTOP
def test_leaving_frees_the_model(tab: "Page", serve_page: "Served") -> None:
    ask(tab, "hold", until=".fn-quote")
    assert serve_page.engine.running == 1
    other = tab.context.new_page()
    other.goto(tab.url)
    other.wait_for_selector(".fn-example")
    tab.close()
    ask(other, "What moves on night trains?")  # it would wait for the model as long as the other one holds it
    assert re.search(r"2 sources", other.inner_text(".fn-foot"))
