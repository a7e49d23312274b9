"""The page: Gradio components and which event calls which handler. Only its parts beside it import Gradio too.

Designed around what Gradio 6.31 does:
- `gr.HTML` runs code from data if its template has `{{value}}`: every one here keeps the default template and gets
  HTML that ui/render.py escaped.
- The conversation is a `gr.HTML`, not a `gr.Chatbot`: the chatbot's sanitiser lets working links and overlays
  through, strips `aria-*`, and an input of it lets a client forge what an answer said.
- A private event can still be called by its number: every handler checks what it gets.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: otherwise it looks up two hosts at start

import gradio as gr
from gradio.events import api

from corpus.errors import FootnotedError
from corpus.filters import Filter
from ui import asking_desk, conversation_desk, login, render
from ui.asking_panel import build_bar, offered, wire_asking
from ui.conversation_panel import TAB, build_panel, editing_note, showing, toggle, visitor_of, wire
from ui.conversations import Store
from ui.evaluation_tab import evaluation_tab
from ui.handlers import MAX_QUESTION, Desk, Switch, Talk
from ui.library_desk import LibraryDesk
from ui.library_tab import library_tab

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
LIGHT: dict[str, Any] = {**QUIET, "queue": False}
# Questions wait for the model inside the desk, which says so on the page, so several may be under way.
ASKING: dict[str, Any] = {**QUIET, "concurrency_limit": 64, "concurrency_id": "ask", "trigger_mode": "once"}


def build(
    desk: Desk, examples: Sequence[str] = (), store: Store | None = None, shelf: LibraryDesk | None = None
) -> gr.Blocks:
    """The page over a desk; `examples` are questions that a click asks, `store` keeps conversations.

    `shelf` is the library behind its tab; whoever adds the routes of ui/library_routes.py gives both the same.
    """
    engine, store = desk.engine, store or Store()
    script = (render.STATIC / "panel.js").read_text(encoding="utf-8")

    page: gr.Blocks = gr.Blocks(title="Footnoted", fill_width=True, analytics_enabled=False)
    with page:
        talk, switch = gr.State(Talk()), gr.State(Switch())
        with gr.Row(elem_id="fn-head"):
            toggle()
            head = _html(desk.header(), "fn-brand")
            new = gr.Button("New conversation", elem_id="fn-new", size="sm", min_width=0)
            account = _html("", "fn-account")
        with gr.Tabs(elem_id="fn-tabs") as tabs:
            with gr.Tab("Ask", id="ask", elem_id="fn-ask-tab"), gr.Row(elem_id="fn-desk"):
                panel = build_panel()
                with gr.Column(elem_id="fn-main", min_width=0):
                    with gr.Column(elem_id="fn-scroll"):
                        _html(render.welcome(engine.library.count()), "fn-hello")
                        with gr.Column(elem_id="fn-examples") as first:
                            starters = [gr.Button(text, elem_classes="fn-example") for text in examples]
                        thread = _html(render.thread(()), "fn-thread", js_on_load=script)
                        after = offered()
                    note = editing_note()
                    bar = build_bar(desk)
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
            library_tab(shelf or LibraryDesk(engine), desk, page, tabs, thread, box, head)
            evaluation_tab(desk)

        # Before all other events: a private one whose function has the same name would take the name first.
        api(_asking(desk), api_name="ask", concurrency_limit=64, concurrency_id="ask")
        api(_searching(desk), api_name="search")

        given = [box, talk, switch, bar.filters, panel.browser, panel.opened]
        shown = [thread, sources, talk, box, note, panel.talks]
        asking = [gr.on([box.submit, go.click], _answering(desk, store), given, shown, js=TAB, **ASKING)]
        for starter, text in zip(starters, examples, strict=True):
            asking.append(starter.click(_answering(desk, store, text), given, shown, js=TAB, **ASKING))
        again = _answering(desk, store, again=True)
        asking.append(panel.talks.ask_again(again, given, shown, js=TAB, **ASKING))
        asking.append(bar.shown.ask_this(_answering(desk, store, chosen=True), given, shown, js=TAB, **ASKING))
        wire_asking(page, desk, bar, (talk, switch), thread, after, asking)
        stop.click(_stop, switch, None, **LIGHT)
        new.click(_forgetting(store), [panel.browser, switch], [*shown, tabs], cancels=asking, **LIGHT)
        wire(page, panel, store, (talk, switch), shown, tabs, asking)

        page.load(desk.header, None, head, **LIGHT)
        made_of = engine.library.name  # the examples: once a reader has moved to a library of their own they mislead
        page.load(lambda: gr.Column(visible=engine.library.name == made_of), None, first, **LIGHT)
        page.load(_account, None, account, **LIGHT)
    page.queue(default_concurrency_limit=4, max_size=128, api_open=False)
    return page


def theme() -> gr.themes.Base:
    """System fonts; ui/static/app.css sets the colours."""
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Base(neutral_hue="stone", font=sans, font_mono=["ui-monospace", "monospace"])


def _html(value: str, elem_id: str, js_on_load: str | None = None) -> gr.HTML:
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=js_on_load)


def _answering(
    desk: Desk, store: Store, example: str | None = None, again: bool = False, chosen: bool = False
) -> Callable[..., AsyncIterator[tuple[Any, ...]]]:
    """What answers the question in the box, an example, or (again) the last question anew in its own place.

    `chosen` is one that the page offers, or an earlier one without a part of its filter: the event says which.
    """

    async def answer(
        question: str,
        talk: Talk,
        switch: Switch,
        filters: Filter,
        browser: object,
        opened: object,
        request: gr.Request,
        event: gr.EventData,
    ) -> AsyncIterator[tuple[Any, ...]]:
        visitor = visitor_of(browser, request)
        talk = await asyncio.to_thread(conversation_desk.resume, store, visitor, opened, talk, switch)
        typed = example is None and not again and not chosen
        asked = example or (conversation_desk.last_question(talk) if again else question)
        instead, as_typed = again or (typed and talk.editing), False
        if chosen:
            asked = getattr(event, "question", "")
            if wider := asking_desk.without(talk, getattr(event, "turn", None), getattr(event, "term", None)):
                (asked, filters, instead), as_typed = wider, True
        keep = partial(conversation_desk.keep, store, visitor, switch)
        before: tuple[Any, ...] = (None, None)
        async for view in desk.ask(asked, talk, switch, keep, instead, filters, as_typed):
            now = (view.thread, view.sources)
            changed = [new if new != old else gr.skip() for new, old in zip(now, before, strict=True)]
            before = now
            box = "" if view.taken and typed else gr.skip()
            listing = gr.skip()
            if view.last:
                seen = conversation_desk.late(visitor, switch)
                listing = await asyncio.to_thread(conversation_desk.listing, store, seen, switch)
            yield *changed, view.talk, box, "" if view.taken else gr.skip(), listing

    return answer


def _account(request: gr.Request) -> str:
    return login.account(str(request.headers.get(login.USER_HEADER, "")))


def _stop(switch: Switch) -> None:
    switch.stop = True


def _forgetting(store: Store) -> Callable[..., tuple[Any, ...]]:
    def forget(browser: object, switch: Switch, request: gr.Request) -> tuple[Any, ...]:
        conversation_desk.leave(switch)
        listing = conversation_desk.listing(store, visitor_of(browser, request), switch)
        return *showing(Talk(), listing), gr.Tabs(selected="ask")

    return forget


def _asking(desk: Desk) -> Callable[..., Any]:
    async def ask(
        question: str, history: list[list[str]] | None = None, filters: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask the library: the answer's sentences, each with the insights that support it.

        `history` is earlier [question, answer] pairs that a follow-up question may refer to. `filters` says which
        insights are asked, such as {"authors": ["Ines Okafor"], "tags": ["rail"], "since": "2024", "note": true}.
        """
        try:
            return await desk.record(question, history, filters)
        except FootnotedError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return ask


def _searching(desk: Desk) -> Callable[..., Any]:
    def search(query: str, k: int = 10, filters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The k insights nearest in meaning to the query, best first; `filters` as in ask."""
        try:
            return desk.search(query, k, filters)
        except FootnotedError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return search
