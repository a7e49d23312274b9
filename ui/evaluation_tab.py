"""The evaluation tab: one function builds it and wires its events. What they do stands in ui/evaluation_desk.py."""

import os
from collections.abc import AsyncIterator
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr

from ui.evaluation_desk import EvaluationDesk, is_alone
from ui.handlers import Desk
from ui.login import USER_HEADER
from ui.render import STATIC

_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_LIGHT: dict[str, Any] = {**_QUIET, "queue": False}
# Whoever has the tab open watches the run, which may take minutes; a browser that leaves ends its watch, not the run.
_WATCHING: dict[str, Any] = {**_QUIET, "concurrency_limit": 16, "concurrency_id": "evaluation"}
_ROWS = ("name", "find", "stage", "kind", "status", "first", "second", "by", "limit")


def evaluation_tab(desk: Desk) -> None:
    """Builds the tab. Call it inside the page's Tabs."""
    own = EvaluationDesk(desk)
    script = (STATIC / "evaluation.js").read_text(encoding="utf-8")
    with gr.Tab("Evaluation", id="evaluation", elem_id="fn-evaluation-tab"), gr.Row(elem_id="fn-evaluation"):
        with gr.Column(elem_id="fn-eval-list", min_width=0):
            start = _html("", "fn-eval-start")
            runs = _html("", "fn-eval-runs")
        with gr.Column(elem_id="fn-eval-column", min_width=0):
            shown = _html("", "fn-eval-shown")
            rows = _html("", "fn-eval-rows", script)  # the last one: when it has loaded, all have
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

    def open_run(request: gr.Request, event: gr.EventData) -> tuple[str, str]:
        return _for(own, request).show(_told(event, "name"))

    def compare_runs(request: gr.Request, event: gr.EventData) -> tuple[str, str]:
        return _for(own, request).compare(_told(event, "first"), _told(event, "second"))

    def show_rows(request: gr.Request, event: gr.EventData) -> str:
        return _for(own, request).rows({name: _told(event, name) for name in _ROWS})

    rows.enter_tab(enter_tab, None, [runs, shown], **_LIGHT)
    rows.watch_run(watch_run, None, [start, runs], **_WATCHING)
    rows.start_run(start_run, None, [start, runs], **_WATCHING)
    rows.stop_run(own.worker.stop, None, None, **_LIGHT)
    rows.open_run(open_run, None, page, **_LIGHT)
    rows.compare_runs(compare_runs, None, page, **_LIGHT)
    rows.show_rows(show_rows, None, rows, **_LIGHT)


def _html(value: str, elem_id: str, js_on_load: str | None = None) -> gr.HTML:
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=js_on_load)


def _for(own: EvaluationDesk, request: gr.Request) -> EvaluationDesk:
    """The desk for whoever asks."""
    client = request.client
    return own if is_alone(client.host if client else None, request.headers.get(USER_HEADER)) else own.public()


def _told(event: gr.EventData, name: str) -> object:
    return getattr(event, name, None)
