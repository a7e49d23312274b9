"""The library tab: its Gradio components and which event calls which handler. See ui/page.py for what is designed
around."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr

from ui.handlers import MAX_QUESTION, Desk
from ui.library_desk import LibraryDesk, Shown, Turned
from ui.map_panel import map_panel
from ui.parts import LIGHT, QUIET, html
from ui.render import STATIC

LASTING: dict[str, Any] = {**QUIET, "concurrency_limit": 4, "concurrency_id": "import", "trigger_mode": "once"}


def library_tab(
    shelf: LibraryDesk, desk: Desk, page: gr.Blocks, tabs: gr.Tabs, thread: gr.HTML, box: gr.Textbox, head: gr.HTML
) -> None:
    """Build the tab inside a page, and wire it.

    `thread` raises the events of ui/static/panel.js, `box` takes a question about an insight, `head` says which library
    is asked.
    """
    script = (STATIC / "library.js").read_text(encoding="utf-8")
    with gr.Tab("Library", id="library", elem_id="fn-library-tab"), gr.Row(elem_id="fn-library"):
        shown = gr.State(Shown())  # inside the tab: between tabs it is counted as one, and the next is shown twice
        with gr.Column(elem_id="fn-list-column", min_width=0):
            query = gr.Textbox(
                elem_id="fn-search",
                label="Search the library",
                placeholder="Words, or what it is about",
                max_length=MAX_QUESTION,
            )
            map_panel(desk)
            listing = html(shelf.listing(), "fn-listing", script)
        with gr.Column(elem_id="fn-insight-column", min_width=0):
            insight = html("", "fn-insight")

    def drawn(turned: Turned, words: str, now: Shown) -> tuple[Any, ...]:
        if not turned.changed:
            return turned.page, gr.skip(), gr.skip()
        return turned.page, shelf.listing(words, now), desk.header()

    def open_insight(event: gr.EventData) -> tuple[Any, ...]:
        found = shelf.insight(_told(event).get("id"))
        return (found, gr.Tabs(selected="library")) if found else (gr.skip(), gr.skip())

    def narrow(words: str, now: Shown, event: gr.EventData) -> tuple[str, Shown]:
        after = shelf.narrow(now, _told(event))
        return shelf.listing(words, after), after

    def open_page(event: gr.EventData) -> str:
        return shelf.open(_told(event))

    def preview(event: gr.EventData) -> str:
        return shelf.preview(_told(event))

    def run_import(words: str, now: Shown, event: gr.EventData) -> Iterator[tuple[Any, ...]]:
        for turned in shelf.run_import(_told(event)):
            yield drawn(turned, words, now)

    def change(words: str, now: Shown, event: gr.EventData) -> tuple[Any, ...]:
        return drawn(shelf.change(_told(event)), words, now)

    def ask_about(event: gr.EventData) -> tuple[Any, ...]:
        question = shelf.question(_told(event).get("id"))
        return (question, gr.Tabs(selected="ask")) if question else (gr.skip(), gr.skip())

    # "change", because pasting raises no "input" in Gradio 6.31
    query.change(shelf.listing, [query, shown], listing, trigger_mode="always_last", **LIGHT)
    thread.open_insight(open_insight, None, [insight, tabs], **LIGHT)
    thread.show_more(narrow, [query, shown], [listing, shown], **LIGHT)
    listing.narrow_library(narrow, [query, shown], [listing, shown], trigger_mode="multiple", **LIGHT)
    listing.open_page(open_page, None, insight, **LIGHT)
    listing.preview_import(preview, None, insight, **LIGHT)
    listing.import_insights(run_import, [query, shown], [insight, listing, head], **LASTING)
    listing.change_library(change, [query, shown], [insight, listing, head], **LIGHT)
    listing.ask_about(ask_about, None, [box, tabs], **LIGHT)
    page.load(shelf.listing, [query, shown], listing, **LIGHT)


def _told(event: gr.EventData) -> Mapping[str, object]:
    """What a browser sent with an event: anything, so it is looked at only as far as it is a mapping."""
    data = event._data
    return data if isinstance(data, dict) else {}
