"""The evaluation tab: one function builds it and wires its events. What they do stands in ui/evaluation_desk.py."""

import os
from collections.abc import AsyncIterator
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr

from ui.caller import caller_of
from ui.evaluation_desk import EvaluationDesk
from ui.handlers import Desk
from ui.parts import LIGHT, QUIET, html
from ui.render import STATIC

# Whoever has the tab open watches the run, which may take minutes; a browser that leaves ends its watch, not the run.
_WATCHING: dict[str, Any] = {**QUIET, "concurrency_limit": 16, "concurrency_id": "evaluation"}
_ROWS = ("name", "find", "stage", "kind", "status", "first", "second", "by", "limit")


def evaluation_tab(desk: Desk) -> None:
    """Builds the tab. Call it inside the page's Tabs."""
    own = EvaluationDesk(desk)
    script = (STATIC / "evaluation.js").read_text(encoding="utf-8")
    with gr.Tab("Evaluation", id="evaluation", elem_id="fn-evaluation-tab"), gr.Row(elem_id="fn-evaluation"):
        with gr.Column(elem_id="fn-eval-list", min_width=0):
            start = html("", "fn-eval-start")
            runs = html("", "fn-eval-runs")
        with gr.Column(elem_id="fn-eval-column", min_width=0):
            shown = html("", "fn-eval-shown")
            rows = html("", "fn-eval-rows", script)  # the last one: when it has loaded, all have
    page = [shown, rows]

    def enter_tab(request: gr.Request) -> tuple[str, str]:
        evaluation = _for(own, request)
        return evaluation.listing(), evaluation.nothing()

    async def watch_run(request: gr.Request, notice: str = "") -> AsyncIterator[tuple[Any, ...]]:
        async for panel, listing in _for(own, request).watch(notice):
            yield panel, gr.skip() if listing is None else listing

    async def start_run(request: gr.Request, event: gr.EventData) -> AsyncIterator[tuple[Any, ...]]:
        notice = _for(own, request).start(_told(event, "questions"), _told(event, "limit"))
        async for update in watch_run(request, notice):
            yield update

    def stop_run(request: gr.Request) -> None:
        _for(own, request).stop()

    def open_run(request: gr.Request, event: gr.EventData) -> tuple[str, str]:
        return _for(own, request).show(_told(event, "name"))

    def compare_runs(request: gr.Request, event: gr.EventData) -> tuple[str, str]:
        return _for(own, request).compare(_told(event, "first"), _told(event, "second"))

    def show_rows(request: gr.Request, event: gr.EventData) -> str:
        return _for(own, request).rows({name: _told(event, name) for name in _ROWS})

    rows.enter_tab(enter_tab, None, [runs, shown], **LIGHT)
    rows.watch_run(watch_run, None, [start, runs], **_WATCHING)
    rows.start_run(start_run, None, [start, runs], **_WATCHING)
    rows.stop_run(stop_run, None, None, **LIGHT)
    rows.open_run(open_run, None, page, **LIGHT)
    rows.compare_runs(compare_runs, None, page, **LIGHT)
    rows.show_rows(show_rows, None, rows, **LIGHT)


def _for(own: EvaluationDesk, request: gr.Request) -> EvaluationDesk:
    """The desk for whoever asks."""
    caller = caller_of(request)
    return own if caller.alone else own.public(starts=caller.known)


def _told(event: gr.EventData, name: str) -> object:
    return getattr(event, name, None)
