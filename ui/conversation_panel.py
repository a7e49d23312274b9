"""The list of conversations on the page: its components, and which of their events calls what.

The browser keeps its secret in a `gr.BrowserState`; its key and its own secret are fixed, because Gradio's random ones
change with each start of the server. Which conversation is open belongs to a tab, so each tab remembers it by itself
(conversations.js) and tells it in the hidden `opened` as the page is loaded.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr

from ui import conversation_desk as conversations
from ui import conversation_view as view
from ui.caller import caller_of
from ui.conversation_desk import MAX_SOUGHT, Visitor
from ui.conversations import Store
from ui.handlers import Switch, Talk, View
from ui.parts import LIGHT, html
from ui.render import STATIC

# The last input of an event is the id of the conversation that this tab has open.
TAB = """(...given) => {
  let opened = '';
  try { opened = sessionStorage.getItem('footnoted-open') || ''; } catch { /* the browser keeps nothing */ }
  return [...given.slice(0, -1), opened];
}"""


@dataclass(frozen=True, slots=True)
class Panel:
    """The components: what the browser keeps, what the tab has open, the list and its search, a file to save."""

    browser: gr.BrowserState
    opened: gr.Textbox
    talks: gr.HTML
    sought: gr.Textbox
    parcel: gr.HTML


def build_panel() -> Panel:
    """The column with the list. Call it where it is to stand."""
    with gr.Column(elem_id="fn-talks", min_width=0):
        html(view.head(), "fn-talks-head")
        sought = gr.Textbox(
            elem_id="fn-talk-search",
            label="Search conversations",
            placeholder="Search conversations",
            max_length=MAX_SOUGHT,
        )
        script = (STATIC / "conversations.js").read_text(encoding="utf-8")
        talks = html("", "fn-talk-list", js_on_load=script)
        html(view.foot(), "fn-talks-foot")
        parcel = html("", "fn-parcels")
    browser = gr.BrowserState("", storage_key="footnoted-browser", secret="footnoted-browser")
    return Panel(browser, gr.Textbox("", visible=False), talks, sought, parcel)


def toggle() -> None:
    """The button that opens and closes the list, and the dialog with the keys. Call it where the button is to stand."""
    html(view.toggle(), "fn-talks-toggle")
    html(view.keys(), "fn-keys")


def editing_note() -> gr.HTML:
    """What says that the last question is being changed. Call it where it is to stand."""
    return html("", "fn-editing")


def visitor_of(browser: object, request: gr.Request) -> Visitor:
    """Who sent an event."""
    return Visitor(browser, caller_of(request).user)


def wire(
    page: gr.Blocks,
    panel: Panel,
    store: Store,
    session: Sequence[gr.State],
    shown: Sequence[Any],
    tabs: gr.Tabs,
    asking: Sequence[Any],
) -> None:
    """Connect the events of the list.

    `session` is the conversation and the switch; `shown` is what shows a conversation: thread, sources, conversation,
    question box, note over the box, list. `asking` are the events that an opened conversation ends.
    """
    talk, switch = session
    box, note = shown[3], shown[4]
    talks: Any = panel.talks
    own = [panel.browser, switch]
    page.load(_arriving(store), [panel.browser, talk, switch, panel.opened], [panel.browser, *shown], js=TAB, **LIGHT)
    talks.open_talk(_opening(store), own, [*shown, tabs], cancels=asking, **LIGHT)
    talks.show_talks(_listing(store), own, talks, **LIGHT)
    talks.rename_talk(_renaming(store), own, talks, **LIGHT)
    talks.delete_talk(_deleting(store), own, shown, **LIGHT)
    talks.restore_talk(_restoring(store), own, shown, **LIGHT)
    talks.save_talk(_saving(store), panel.browser, panel.parcel, **LIGHT)
    talks.save_answer(_saving_answer, talk, panel.parcel, **LIGHT)
    talks.edit_last(_edit, [talk, switch], [box, talk, note], **LIGHT)
    talks.edit_end(_edit_end, talk, [box, talk, note], **LIGHT)
    panel.sought.change(_searching(store), [panel.sought, *own], talks, trigger_mode="always_last", **LIGHT)


def showing(talk: Talk, listing: str, box: Any = "") -> tuple[Any, ...]:
    """Values for all that shows a conversation."""
    seen = View(talk)
    return seen.thread, seen.sources, talk, box, "", listing


def _arriving(store: Store) -> Callable[..., tuple[Any, ...]]:
    def arrive(browser: object, talk: Talk, switch: Switch, opened: object, request: gr.Request) -> tuple[Any, ...]:
        visitor = visitor_of(browser, request)
        secret = conversations.arrive(store, visitor, switch)
        visitor = replace(visitor, secret=secret)
        resumed = conversations.resume(store, visitor, opened, talk, switch)
        listing = conversations.listing(store, visitor, switch)
        if resumed is talk:  # also if a question came first
            return secret or gr.skip(), *[gr.skip()] * 5, listing
        return secret, *showing(resumed, listing, gr.skip())

    return arrive


def _opening(store: Store) -> Callable[..., tuple[Any, ...]]:
    def open_talk(browser: object, switch: Switch, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        visitor = visitor_of(browser, request)
        talk = conversations.turn_to(store, visitor, getattr(event, "id", None), switch)
        listing = conversations.listing(store, visitor, switch)
        if talk is None:  # deleted in another tab
            return *[gr.skip()] * 5, listing, gr.skip()
        return *showing(talk, listing), gr.Tabs(selected="ask")

    return open_talk


def _listing(store: Store) -> Callable[..., str]:
    def show_talks(browser: object, switch: Switch, request: gr.Request) -> str:
        return conversations.listing(store, visitor_of(browser, request), switch)

    return show_talks


def _searching(store: Store) -> Callable[..., str]:
    def search(words: object, browser: object, switch: Switch, request: gr.Request) -> str:
        return conversations.listing(store, visitor_of(browser, request), switch, words)

    return search


def _renaming(store: Store) -> Callable[..., str]:
    def rename(browser: object, switch: Switch, request: gr.Request, event: gr.EventData) -> str:
        visitor = visitor_of(browser, request)
        conversations.rename(store, visitor, getattr(event, "id", None), getattr(event, "title", None))
        return conversations.listing(store, visitor, switch)

    return rename


def _deleting(store: Store) -> Callable[..., tuple[Any, ...]]:
    def delete(browser: object, switch: Switch, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        visitor = visitor_of(browser, request)
        was_open = conversations.delete(store, visitor, getattr(event, "id", None), switch)
        listing = conversations.listing(store, visitor, switch)
        return showing(Talk(), listing) if was_open else (*[gr.skip()] * 5, listing)

    return delete


def _restoring(store: Store) -> Callable[..., tuple[Any, ...]]:
    def restore(browser: object, switch: Switch, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        visitor = visitor_of(browser, request)
        talk = conversations.restore(store, visitor, getattr(event, "id", None), switch)
        listing = conversations.listing(store, visitor, switch)
        return showing(talk, listing) if talk else (*[gr.skip()] * 5, listing)

    return restore


def _saving(store: Store) -> Callable[..., str]:
    def save(browser: object, request: gr.Request, event: gr.EventData) -> str:
        visitor = visitor_of(browser, request)
        return conversations.export(store, visitor, getattr(event, "id", None), getattr(event, "form", None))

    return save


def _saving_answer(talk: Talk, event: gr.EventData) -> str:
    return conversations.export_answer(talk, getattr(event, "turn", None))


def _edit(talk: Talk, switch: Switch) -> tuple[Any, ...]:
    question = conversations.last_question(talk)
    if switch.busy or not question:
        return gr.skip(), gr.skip(), gr.skip()
    return question, replace(talk, editing=True), view.editing()


def _edit_end(talk: Talk) -> tuple[Any, ...]:
    return "", replace(talk, editing=False), ""
