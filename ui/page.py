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

from corpus.filters import Filter
from ui import asking_desk, conversation_desk, login, render
from ui.asking_panel import build_bar, offered, wire_asking
from ui.caller import caller_of
from ui.conversation_panel import TAB, build_panel, editing_note, showing, toggle, visitor_of, wire
from ui.conversations import Store
from ui.endpoints import add_endpoints
from ui.evaluation_tab import evaluation_tab
from ui.handlers import MAX_QUESTION, Desk, Switch, Talk
from ui.library_desk import LibraryDesk
from ui.library_tab import library_tab
from ui.parts import LIGHT, QUIET, html
from ui.starters import Starters

STARTING: dict[str, Any] = {**QUIET, "concurrency_limit": 16, "concurrency_id": "starters"}
# Questions wait for the model inside the desk, which says so on the page, so several may be under way.
SHARED: dict[str, Any] = {"concurrency_limit": 64, "concurrency_id": "ask"}
ASKING: dict[str, Any] = {**QUIET, **SHARED, "trigger_mode": "once"}

LOOK = 5.0  # seconds between two looks at how far another embedder is


def build(
    desk: Desk, examples: Sequence[str] = (), store: Store | None = None, shelf: LibraryDesk | None = None
) -> gr.Blocks:
    """The page over a desk; `examples` are questions that a click asks, `store` keeps conversations.

    `shelf` is the library behind its tab; whoever adds the routes of ui/library_routes.py gives both the same.
    """
    engine, store, starters = desk.engine, store or Store(), Starters(desk, examples)
    script = (render.STATIC / "panel.js").read_text(encoding="utf-8")

    page: gr.Blocks = gr.Blocks(title="Footnoted", fill_width=True, analytics_enabled=False)
    with page:
        talk, switch = gr.State(Talk()), gr.State(Switch())
        with gr.Row(elem_id="fn-head"):
            toggle()
            head = html(desk.header(), "fn-brand")
            new = gr.Button("New conversation", elem_id="fn-new", size="sm", min_width=0)
            account = html("", "fn-account")
        with gr.Tabs(elem_id="fn-tabs") as tabs:
            with gr.Tab("Ask", id="ask", elem_id="fn-ask-tab"), gr.Row(elem_id="fn-desk"):
                panel = build_panel()
                with gr.Column(elem_id="fn-main", min_width=0):
                    with gr.Column(elem_id="fn-scroll"):
                        hello = html(render.welcome(engine.library.count()), "fn-hello")
                        first = html(starters.html(), "fn-examples")
                        thread = html(render.thread(()), "fn-thread", js_on_load=script)
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
                    sources = html(render.sources(()), "fn-sources")
            library_tab(shelf or LibraryDesk(engine), desk, page, tabs, thread, box, head)
            evaluation_tab(desk)

        add_endpoints(desk, SHARED)

        given = [box, talk, switch, bar.filters, panel.browser, panel.opened]
        shown = [thread, sources, talk, box, note, panel.talks]
        asking = [gr.on([box.submit, go.click], _answering(desk, store), given, shown, js=TAB, **ASKING)]
        again = _answering(desk, store, again=True)
        asking.append(panel.talks.ask_again(again, given, shown, js=TAB, **ASKING))
        asking.append(bar.shown.ask_this(_answering(desk, store, chosen=True), given, shown, js=TAB, **ASKING))
        wire_asking(page, desk, bar, (talk, switch), thread, after, asking)
        stop.click(_stop, switch, None, **LIGHT)
        new.click(_forgetting(store), [panel.browser, switch], [*shown, tabs], cancels=asking, **LIGHT)
        wire(page, panel, store, (talk, switch), shown, tabs, asking)

        page.load(desk.header, None, head, **LIGHT)
        if desk.coming:  # else no page asks for anything by itself
            clock = gr.Timer(LOOK)
            clock.tick(_watching(desk), None, [head, clock], **LIGHT)
        page.load(_hello(desk), None, hello, **LIGHT)
        # It tells of another library, once a reader has moved to one of their own.
        gr.on([page.load, head.change], _starting(starters), None, first, **STARTING)
        page.load(_account, None, account, **LIGHT)
    page.queue(default_concurrency_limit=4, max_size=128, api_open=False)
    return page


def theme() -> gr.themes.Base:
    """System fonts; ui/static/app.css sets the colours."""
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Base(neutral_hue="stone", font=sans, font_mono=["ui-monospace", "monospace"])


def _watching(desk: Desk) -> Callable[[], tuple[Any, ...]]:
    """The head with how far another embedder is; once it is there, or isn't coming any more, for the last time."""

    def watch() -> tuple[Any, ...]:
        coming = desk.coming
        return desk.header(), gr.skip() if coming and not coming.problem else gr.Timer(active=False)

    return watch


def _answering(
    desk: Desk, store: Store, again: bool = False, chosen: bool = False
) -> Callable[..., AsyncIterator[tuple[Any, ...]]]:
    """What answers the question in the box, or (again) the last question anew in its own place.

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
        typed = not again and not chosen
        asked = conversation_desk.last_question(talk) if again else question
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


def _starting(starters: Starters) -> Callable[[], AsyncIterator[str]]:
    async def start() -> AsyncIterator[str]:
        async for found in starters.shown():
            yield found

    return start


def _account(request: gr.Request) -> str:
    return login.account(caller_of(request).user)


def _hello(desk: Desk) -> Callable[[gr.Request], str]:
    def hello(request: gr.Request) -> str:
        return render.welcome(desk.engine.library.count(), visitor=not caller_of(request).known)

    return hello


def _stop(switch: Switch) -> None:
    switch.stop = True


def _forgetting(store: Store) -> Callable[..., tuple[Any, ...]]:
    def forget(browser: object, switch: Switch, request: gr.Request) -> tuple[Any, ...]:
        conversation_desk.leave(switch)
        listing = conversation_desk.listing(store, visitor_of(browser, request), switch)
        return *showing(Talk(), listing), gr.Tabs(selected="ask")

    return forget
