"""The page's two endpoints for the Gradio client, `/ask` and `/search`; docs/api.md describes them.

Gradio notes that a caller has left, but lets the function run on: it only closes generators, whose every value would
reach the caller. So a question here looks by itself, four times a second, whether anybody still waits for it.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr
from gradio.context import LocalContext
from gradio.events import api

from corpus.errors import FootnotedError
from ui.handlers import Desk

LOOK = 0.25  # seconds between two looks whether the caller has left
UNREAD = 10.0  # seconds after which who hasn't begun to read what they asked for has left, too


def add_endpoints(desk: Desk, asking: dict[str, Any]) -> None:
    """Add them to the page. Call it before its events: a private one of the same name would take the name first.

    `asking` are the limits that questions share with those on the page.
    """
    api(_asking(desk), api_name="ask", **asking)
    api(_searching(desk), api_name="search")


def _asking(desk: Desk) -> Callable[..., Any]:
    async def ask(
        question: str, history: list[list[str]] | None = None, filters: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask the library: the answer's sentences, each with the insights that support it.

        `history` is earlier [question, answer] pairs that a follow-up question may refer to. `filters` says which
        insights are asked, such as {"authors": ["Ines Okafor"], "tags": ["rail"], "since": "2024", "note": true}.
        """
        answer = asyncio.ensure_future(desk.record(question, history, filters))
        left = _leaving()
        try:
            while not (await asyncio.wait((answer,), timeout=LOOK))[0]:
                if left():
                    return {}  # to nobody
            return answer.result()
        except FootnotedError as error:
            raise gr.Error(str(error), print_exception=False) from error
        finally:
            answer.cancel()  # which frees the model, if it isn't done
            await asyncio.gather(answer, return_exceptions=True)

    return ask


def _leaving() -> Callable[[], bool]:
    """What tells whether the caller of the function that runs now has left, or has never come for the answer."""
    blocks, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    if blocks is None or event_id is None:  # it wasn't called through the queue
        return lambda: False
    queue, began = blocks._queue, time.monotonic()

    def left() -> bool:
        event = queue.event_ids_to_events.get(event_id)
        if event is None or not event.alive:
            return True
        unread = queue.pending_messages_per_session.get(event.session_hash)
        return time.monotonic() - began > UNREAD and unread is not None and not unread.empty()

    return left


def _searching(desk: Desk) -> Callable[..., Any]:
    def search(query: str, k: int = 10, filters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The k insights nearest in meaning to the query, best first; `filters` as in ask."""
        try:
            return desk.search(query, k, filters)
        except FootnotedError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return search
