"""The page's parts around an answer: the bar of filters, what is offered next, and which of their events calls what."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr

from corpus.filters import EVERYTHING, Filter
from ui import asking_desk as asking
from ui import feedback, offers
from ui.caller import caller_of
from ui.handlers import Desk, Switch, Talk, View
from ui.parts import LIGHT, QUIET, html
from ui.render import STATIC

OFFERING: dict[str, Any] = {**QUIET, "concurrency_limit": 8, "concurrency_id": "offers"}


@dataclass(frozen=True, slots=True)
class Bar:
    """The filter of a session, and the component that shows it and sends the events of this module."""

    filters: gr.State
    shown: gr.HTML


def offered() -> gr.HTML:
    """What is offered under the last answer. Call it where it is to stand."""
    return html("", "fn-after")


def build_bar(desk: Desk) -> Bar:
    """The filter over the question box. Call it where it is to stand."""
    script = (STATIC / "asking.js").read_text(encoding="utf-8")
    filters = gr.State(EVERYTHING)
    return Bar(filters, html(asking.bar(desk.engine.library, EVERYTHING), "fn-filter-bar", script))


def wire_asking(
    page: gr.Blocks,
    desk: Desk,
    bar: Bar,
    session: Sequence[gr.State],
    thread: gr.HTML,
    after: gr.HTML,
    asked: Sequence[Any],
) -> None:
    """Connect the events. `session` is the conversation and the switch, `asked` are the events that answer."""
    shown: Any = bar.shown
    shown.narrow(_narrowing(desk), bar.filters, [bar.shown, bar.filters], **LIGHT)
    shown.rate(_rating, [*session], thread, **LIGHT)
    page.load(lambda filters: asking.bar(desk.engine.library, filters), bar.filters, bar.shown, **LIGHT)
    for event in asked:
        event.then(_offering(desk), [*session, bar.filters], after, **OFFERING)


def _narrowing(desk: Desk) -> Callable[..., tuple[str, Filter]]:
    def narrow(filters: Filter, event: gr.EventData) -> tuple[str, Filter]:
        library = desk.engine.library
        filters = asking.narrowed(library, filters, getattr(event, "term", None), getattr(event, "on", None))
        return asking.bar(library, filters), filters

    return narrow


def _rating(talk: Talk, switch: Switch, request: gr.Request, event: gr.EventData) -> Any:
    turn, reason, test = (getattr(event, name, None) for name in ("turn", "reason", "test"))
    keep = feedback.keep if caller_of(request).known else asking.unkept
    new = asking.rate(talk, switch, turn, reason, test, keep)
    # While an answer is on its way, its own next view shows the rating: this one would take the newest words back.
    return View(talk, rated=switch.rated).thread if new and not switch.busy else gr.skip()


def _offering(desk: Desk) -> Callable[..., AsyncIterator[str]]:
    async def offer(talk: Talk, switch: Switch, filters: Filter) -> AsyncIterator[str]:
        async for found in offers.offers(desk, talk, switch, filters):
            yield found

    return offer
