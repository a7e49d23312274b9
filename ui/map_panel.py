"""The map's part of the page: one function that builds it and wires its one event."""

import os
from collections.abc import Callable
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr

from ui import map_view
from ui.handlers import Desk
from ui.map_desk import MapDesk
from ui.parts import LIGHT, html
from ui.render import STATIC


def map_panel(desk: Desk) -> None:
    """A button and the map that it opens. Call it where the part is to stand, inside the page's Blocks."""
    script = (STATIC / "map.js").read_text(encoding="utf-8")
    with gr.Column(elem_id="fn-map", min_width=0):
        html(map_view.opener(), "fn-map-toggle")
        shown: Any = html(map_view.waiting(), "fn-map-view", script)
    drawing = _drawing(MapDesk(desk.engine))
    shown.draw_map(drawing, None, shown, **LIGHT)


def _drawing(desk: MapDesk) -> Callable[[gr.EventData], str]:
    def draw_map(event: gr.EventData) -> str:
        return desk.draw(getattr(event, "area", ""), getattr(event, "lit", ()))

    return draw_map
