"""The page: Gradio components and which event calls which handler. Nothing else of Footnoted imports Gradio.

Designed around what Gradio 6.31 does:
- `gr.HTML` runs code from data if its template has `{{value}}`: every one here keeps the default template and gets
  HTML that ui/render.py escaped.
- The conversation is a `gr.HTML`, not a `gr.Chatbot`: the chatbot's sanitiser lets working links and overlays
  through, strips `aria-*`, and an input of it lets a client forge what an answer said.
- A private event can still be called by its number: every handler checks what it gets.
"""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: otherwise it looks up two hosts at start

import gradio as gr
from gradio.events import api

from corpus.errors import FootnotedError
from ui import render
from ui.handlers import MAX_QUESTION, Desk, Engine, Switch, Talk, View

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
LIGHT: dict[str, Any] = {**QUIET, "queue": False}
# Questions wait for the model inside the desk, which says so on the page, so several may be under way.
ASKING: dict[str, Any] = {**QUIET, "concurrency_limit": 8, "concurrency_id": "ask", "trigger_mode": "once"}


def build(engine: Engine, examples: Sequence[str] = ()) -> gr.Blocks:
    """The page over an engine; `examples` are questions that a click asks."""
    desk = Desk(engine)
    script = (render.STATIC / "panel.js").read_text(encoding="utf-8")

    page: gr.Blocks = gr.Blocks(title="Footnoted", fill_width=True, analytics_enabled=False)
    with page:
        talk, switch = gr.State(Talk()), gr.State(Switch())
        with gr.Row(elem_id="fn-head"):
            head = _html(desk.header(), "fn-brand")
            new = gr.Button("New conversation", elem_id="fn-new", size="sm", min_width=0)
        with gr.Tabs(elem_id="fn-tabs") as tabs:
            with gr.Tab("Ask", id="ask", elem_id="fn-ask-tab"), gr.Row(elem_id="fn-desk"):
                with gr.Column(elem_id="fn-main", min_width=0):
                    with gr.Column(elem_id="fn-scroll"):
                        _html(render.welcome(engine.library.count()), "fn-hello")
                        with gr.Column(elem_id="fn-examples"):
                            starters = [gr.Button(text, elem_classes="fn-example") for text in examples]
                        thread = _html(render.thread(()), "fn-thread", js_on_load=script)
                    with gr.Row(elem_id="fn-composer"):
                        box = gr.Textbox(
                            elem_id="fn-question",
                            label="Your question",
                            show_label=False,
                            container=False,
                            placeholder="Ask your insights",
                            lines=1,
                            max_lines=6,
                            max_length=MAX_QUESTION,
                            autofocus=True,
                        )
                        go = gr.Button("Ask", elem_id="fn-go", variant="primary", min_width=0)
                        stop = gr.Button("Stop", elem_id="fn-stop", min_width=0)
                with gr.Column(elem_id="fn-side", min_width=0):
                    sources = _html(render.sources(()), "fn-sources")
            with gr.Tab("Library", id="library", elem_id="fn-library-tab"), gr.Row(elem_id="fn-library"):
                with gr.Column(elem_id="fn-list-column", min_width=0):
                    query = gr.Textbox(
                        elem_id="fn-search",
                        label="Search the library",
                        placeholder="Words, or what it is about",
                        max_length=MAX_QUESTION,
                    )
                    listing = _html(desk.listing(), "fn-listing")
                with gr.Column(elem_id="fn-insight-column", min_width=0):
                    insight = _html("", "fn-insight")

        shown = [thread, sources, talk, box]
        asking = [gr.on([box.submit, go.click], _answering(desk), [box, talk, switch], shown, **ASKING)]
        for starter, text in zip(starters, examples, strict=True):
            asking.append(starter.click(_answering(desk, text), [box, talk, switch], shown, **ASKING))
        stop.click(_stop, switch, None, **LIGHT)
        new.click(_forget, switch, [*shown, tabs], cancels=asking, **LIGHT)

        # "change", because pasting raises no "input" in Gradio 6.31
        query.change(desk.listing, query, listing, trigger_mode="always_last", **LIGHT)
        thread.open_insight(_opening(desk), None, [insight, tabs], **LIGHT)
        thread.show_more(_more(desk), query, listing, **LIGHT)
        page.load(lambda: (desk.header(), desk.listing()), None, [head, listing], **LIGHT)

        api(_asking(desk), api_name="ask", concurrency_limit=8, concurrency_id="ask")
        api(_searching(desk), api_name="search")
    page.queue(default_concurrency_limit=4, max_size=32, api_open=False)
    return page


def theme() -> gr.themes.Base:
    """System fonts; ui/static/app.css sets the colours."""
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Base(neutral_hue="stone", font=sans, font_mono=["ui-monospace", "monospace"])


def _html(value: str, elem_id: str, js_on_load: str | None = None) -> gr.HTML:
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=js_on_load)


def _answering(desk: Desk, example: str | None = None) -> Callable[..., AsyncIterator[tuple[Any, ...]]]:
    async def answer(question: str, talk: Talk, switch: Switch) -> AsyncIterator[tuple[Any, ...]]:
        before: tuple[Any, ...] = (None, None)
        async for view in desk.ask(question if example is None else example, talk, switch):
            now = (view.thread, view.sources)
            changed = [new if new != old else gr.skip() for new, old in zip(now, before, strict=True)]
            before = now
            yield *changed, view.talk, "" if view.taken and example is None else gr.skip()

    return answer


def _stop(switch: Switch) -> None:
    switch.stop = True


def _forget(switch: Switch) -> tuple[Any, ...]:
    switch.forget()
    view = View(Talk())
    return view.thread, view.sources, view.talk, "", gr.Tabs(selected="ask")


def _opening(desk: Desk) -> Callable[[gr.EventData], tuple[Any, ...]]:
    def open_insight(event: gr.EventData) -> tuple[Any, ...]:
        found = desk.insight(getattr(event, "id", None))
        return (found, gr.Tabs(selected="library")) if found else (gr.skip(), gr.skip())

    return open_insight


def _more(desk: Desk) -> Callable[[str, gr.EventData], str]:
    def show_more(query: str, event: gr.EventData) -> str:
        return desk.listing(query, getattr(event, "limit", None))

    return show_more


def _asking(desk: Desk) -> Callable[..., Any]:
    async def ask(question: str, history: list[list[str]] | None = None) -> dict[str, Any]:
        """Ask the library: the answer's sentences, each with the insights that support it.

        `history` is earlier [question, answer] pairs that a follow-up question may refer to.
        """
        try:
            return await desk.record(question, history)
        except FootnotedError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return ask


def _searching(desk: Desk) -> Callable[..., Any]:
    def search(query: str, k: int = 10) -> list[dict[str, Any]]:
        """The k insights nearest in meaning to the query, best first."""
        try:
            return desk.search(query, k)
        except FootnotedError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return search
