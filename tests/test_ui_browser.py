"""The page as a person uses it, in a real browser: on a desktop in light and on a phone in dark."""

import json
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
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}"
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


@DESKTOP
def test_a_chip_under_the_pointer_or_the_focus_shows_its_quote(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "What moves on night trains?")
    quote = "Ottavia Brandt counted 310 suitcases on one sleeper."
    chip, tip = tab.locator(".fn-chip").nth(1), tab.locator("#fn-tip")
    assert not tip.is_visible()
    chip.hover()
    assert tip.inner_text() == quote
    inspect(tab, "2-quote")
    tab.mouse.move(5, 5)
    assert not tip.is_visible()
    tab.focus(BOX)
    tab.keyboard.press("/")  # so that the page knows of a keyboard
    chip.focus()
    assert tip.inner_text() == quote
    tab.keyboard.press("Escape")
    assert not tip.is_visible()
    focused(tab, ".fn-chip[href='#fn-card-0-2']")


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
    assert tab.locator(".fn-chip").count() == 0
    assert tab.locator(".fn-sought span").all_inner_texts() == ["boiling", "point", "tungsten"]
    assert not tab.locator("#fn-side").is_visible()
    tab.wait_for_selector(".fn-offer")
    inspect(tab, "8-not-there")
    tab.locator(".fn-near >> nth=1 >> summary").focus()
    tab.keyboard.press("Enter")
    assert "Quill Logistics moved" in tab.inner_text("#fn-card-0-n2 .fn-text")
    inspect(tab, "8-not-there-open")
    tab.click("#fn-card-0-n2 >> text=Ask about this")
    focused(tab, BOX)
    assert tab.input_value(BOX) == "Does rail freight lose to lorries on the last mile?"
    tab.fill(BOX, "")
    offer = tab.inner_text(".fn-offer >> nth=0")
    tab.click(".fn-offer >> nth=0")
    tab.wait_for_selector(".fn-turn:nth-child(2) .fn-foot")
    assert tab.inner_text(".fn-turn:nth-child(2) .fn-question") == offer


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


# ---------------------------------------------------------------------------------------------------- conversations

TITLE = ".fn-talk-name"
FIND = "#fn-talk-search :is(textarea, input)"


def open_list(page: "Page") -> None:
    page.click("#fn-talks-button")
    focused(page, FIND)


def titles(page: "Page", *expected: str) -> None:
    page.wait_for_function(
        "([css, texts]) => [...document.querySelectorAll(css)].map(e => e.textContent).join() === texts.join()",
        arg=[TITLE, list(expected)],
    )


def test_conversations_are_listed_opened_renamed_found_and_deleted(tab: "Page", inspect: Inspect) -> None:
    assert tab.evaluate("document.querySelector('#fn-talks').inert")
    ask(tab, "What moves on night trains?")
    tab.click("#fn-new")
    tab.wait_for_selector(".fn-turn", state="detached")
    ask(tab, "Who counted suitcases?")
    open_list(tab)
    titles(tab, "Who counted suitcases?", "What moves on night trains?")
    tab.wait_for_selector("[aria-current] >> text=/^Who counted/")
    assert tab.get_attribute("#fn-talks-button", "aria-expanded") == "true"
    inspect(tab, "e-conversations")

    tab.click(".fn-talk >> nth=1 >> summary")
    inspect(tab, "f-conversation-more")
    tab.click(".fn-talk >> nth=1 >> [data-act=rename]")
    tab.keyboard.type("Trains & <b>parcels</b>")  # it was selected
    tab.keyboard.press("Enter")
    titles(tab, "Who counted suitcases?", "Trains & <b>parcels</b>")

    tab.fill(FIND, "parcels lorries")
    titles(tab, "Who counted suitcases?", "Trains & <b>parcels</b>")  # the answer of both
    tab.fill(FIND, "PARCELS tungsten")
    titles(tab)
    tab.fill(FIND, "")
    titles(tab, "Who counted suitcases?", "Trains & <b>parcels</b>")

    tab.click(f"{TITLE} >> text=parcels")
    tab.wait_for_selector(".fn-question >> text=What moves on night trains?")
    focused(tab, "#fn-scroll")
    if is_phone(tab):
        tab.wait_for_selector("#fn-talks", state="hidden")
        open_list(tab)
    tab.wait_for_selector("[aria-current] >> text=/^Trains/")
    tab.click(".fn-talk >> nth=0 >> summary")
    tab.click(".fn-talk >> nth=0 >> [data-act=delete]")
    focused(tab, "[data-act='delete-yes']")
    inspect(tab, "g-conversation-delete")
    tab.keyboard.press("Enter")
    titles(tab, "Trains & <b>parcels</b>")
    focused(tab, "[data-restore]")
    inspect(tab, "g-conversation-deleted")
    tab.keyboard.press("Enter")
    titles(tab, "Who counted suitcases?", "Trains & <b>parcels</b>")
    focused(tab, ".fn-talk-title")
    tab.keyboard.press("Escape")
    focused(tab, "#fn-talks-button")
    assert tab.evaluate("document.querySelector('#fn-talks').inert")
    assert not tab.evaluate("document.querySelector('#fn-main').inert")
    ask(tab, "And what tomorrow?")


@DESKTOP
def test_a_reload_shows_the_conversation_again_with_working_chips(tab: "Page", site: str) -> None:
    page = tab.context.new_page()  # unwatched: as a page is left, Gradio stumbles over its own connection
    page.goto(site)
    ask(page, "What moves on night trains?")
    page.wait_for_function("sessionStorage.getItem('footnoted-open')")
    page.reload()
    page.wait_for_selector(".fn-foot")
    assert page.locator(".fn-turn").count() == 1
    page.click(".fn-chip >> nth=1")
    focused(page, "#fn-card-0-2.fn-lit")
    page.keyboard.press("Escape")
    ask(page, "And what tomorrow?")
    page.click("#fn-new")
    page.wait_for_selector(".fn-turn", state="detached")
    page.wait_for_function("!sessionStorage.getItem('footnoted-open')")


@DESKTOP
def test_two_tabs_of_one_browser_keep_their_own_conversations(tab: "Page", site: str) -> None:
    ask(tab, "What moves on night trains?")
    other = tab.context.new_page()
    other.goto(site)
    other.wait_for_selector("#fn-voice", state="attached")
    open_list(other)
    titles(other, "What moves on night trains?")
    ask(other, "Who counted suitcases?")
    ask(tab, "And what tomorrow?")
    open_list(tab)
    titles(tab, "What moves on night trains?", "Who counted suitcases?")
    assert tab.locator(".fn-turn").count() == 2
    assert other.locator(".fn-turn").count() == 1


def test_the_last_question_is_asked_again_and_changed(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "What moves on night trains?")
    ask(tab, "Say it slowly", until=".fn-unchecked")
    tab.click("#fn-stop")
    tab.click(".fn-turn:nth-child(2) .fn-edit")
    focused(tab, BOX)
    assert tab.input_value(BOX) == "Say it slowly"
    inspect(tab, "h-editing")
    tab.click(".fn-edit-end")
    tab.wait_for_selector(".fn-edit-note", state="detached")
    assert tab.input_value(BOX) == ""
    tab.click(".fn-turn:nth-child(2) .fn-edit")
    focused(tab, BOX)
    tab.fill(BOX, "And what tomorrow?")
    tab.press(BOX, "Enter")
    tab.wait_for_selector(".fn-turn:nth-child(2) .fn-partly")
    assert not tab.locator(".fn-edit-note").is_visible()
    tab.click(".fn-turn:nth-child(2) .fn-again")
    tab.wait_for_selector(".fn-turn:nth-child(2) .fn-phase")
    tab.wait_for_selector(".fn-turn:nth-child(2) .fn-partly")
    assert tab.locator(".fn-question").all_inner_texts() == ["What moves on night trains?", "And what tomorrow?"]
    assert not tab.locator(".fn-again >> nth=0").is_visible()


@DESKTOP
def test_answers_and_conversations_are_taken_along(tab: "Page") -> None:
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(tab, "What moves on night trains?")
    tab.click(".fn-copy")
    tab.wait_for_selector(".fn-copy >> text=Copied")
    assert "[1] Tracks · 2024-05-01: “" in tab.evaluate("navigator.clipboard.readText()")
    with tab.expect_download() as answer:
        tab.click(".fn-share")
    assert answer.value.suggested_filename == "what-moves-on-night-trains.md"
    text = answer.value.path().read_text(encoding="utf-8")
    assert text.startswith(
        "# What moves on night trains?\n\nParcels do: Quill Logistics moved 40% of its own that way.[^1]"
    )
    open_list(tab)
    tab.click(".fn-talk summary")
    with tab.expect_download() as conversation:
        tab.click("[data-act=json]")
    assert json.loads(conversation.value.path().read_text(encoding="utf-8"))["exchanges"][0]["status"] == "answered"


def test_the_keys_are_listed_and_can_be_turned_off(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "What moves on night trains?")
    chip = tab.locator(".fn-chip").first
    chip.focus()
    tab.keyboard.press("?")
    focused(tab, "#fn-keys-dialog :is(button, input), #fn-keys-dialog")
    inspect(tab, "i-keys")
    for _ in range(4):
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    tab.uncheck("#fn-keys-single")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#fn-keys-dialog", state="hidden")
    focused(tab, ".fn-chip")
    tab.keyboard.press("?")
    tab.keyboard.press("/")
    focused(tab, ".fn-chip")
    assert not tab.locator("#fn-keys-dialog").is_visible()


# ------------------------------------------------------------------------------------------------ around an answer


def test_the_filter_is_chosen_shown_and_taken_off(tab: "Page", inspect: Inspect, serve_page: "Served") -> None:
    tab.click("#fn-filter-menu > summary")
    tab.select_option("[data-narrow=source]", "Tracks")
    tab.wait_for_selector(".fn-filter-chip >> text=source Tracks")
    assert tab.locator("#fn-filter-menu").get_attribute("open") is not None  # it stays for a second choice
    tab.select_option("[data-narrow=since]", "2024")
    tab.wait_for_selector(".fn-filter-chip >> text=since 2024")
    inspect(tab, "p-filter-menu")
    tab.keyboard.press("Escape")
    focused(tab, "#fn-filter-menu > summary")
    ask(tab, "What moves on night trains?")
    assert list(serve_page.engine.filters.terms) == ["source=Tracks", "since=2024"]
    assert "Among 3 insights" in tab.inner_text(".fn-among")
    inspect(tab, "q-filtered")
    tab.click("#fn-filter-bar [data-drop='source=Tracks']")
    tab.wait_for_selector("#fn-filter-bar .fn-filter-chip >> nth=1", state="detached")
    focused(tab, "[data-drop='since=2024']")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#fn-filter-bar .fn-filter-chip", state="detached")
    focused(tab, "#fn-filter-menu > summary")
    tab.click(".fn-among [data-without='since=2024']")  # asks the last question again, in its place
    tab.wait_for_selector(".fn-among [data-without='since=2024']", state="detached")
    tab.wait_for_selector(".fn-foot")
    assert tab.locator(".fn-turn").count() == 1
    assert list(serve_page.engine.filters.terms) == ["source=Tracks"]


def test_an_answer_is_rated_and_goes_on(
    tab: "Page", inspect: Inspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path))
    ask(tab, "What moves on night trains?")
    assert tab.inner_text(".fn-evidence") == "Strong evidence"
    tab.wait_for_selector(".fn-offer >> nth=0")
    tab.click(".fn-down > summary")
    inspect(tab, "r-rating")
    tab.check(".fn-keep")
    tab.click("[data-reason=missing]")
    tab.wait_for_selector(".fn-rated >> text=It is one of your test questions now.")
    focused(tab, ".fn-rated")
    assert json.loads((tmp_path / "feedback.jsonl").read_text())["reason"] == "missing"
    offer = tab.inner_text(".fn-offer >> nth=0")
    tab.click(".fn-offer >> nth=0")
    tab.wait_for_selector(".fn-turn:nth-child(2) .fn-foot")
    assert tab.inner_text(".fn-turn:nth-child(2) .fn-question") == offer
    tab.click(".fn-turn:nth-child(2) .fn-up")
    tab.wait_for_selector(".fn-turn:nth-child(2) .fn-rated >> text=Noted, thank you.")


def test_a_source_has_its_neighbours_and_can_be_asked_about(tab: "Page", inspect: Inspect) -> None:
    ask(tab, "What moves on night trains?")
    tab.click(".fn-chip >> nth=0")
    focused(tab, "#fn-card-0-1")
    tab.click("#fn-card-0-1 .fn-near-by > summary")
    inspect(tab, "s-neighbours")
    assert tab.locator("#fn-card-0-1 .fn-near-by .fn-row").count() == 2
    tab.click("#fn-card-0-1 >> text=Ask about this")
    focused(tab, BOX)
    assert tab.input_value(BOX) == "Does rail freight lose to lorries on the last mile?"
    tab.press(BOX, "Enter")
    tab.wait_for_selector(".fn-turn:nth-child(2) .fn-foot")
