"""What the page's tabs and panels share: how a component of ours is made, and how its events behave. See ui/page.py."""

import os
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
LIGHT: dict[str, Any] = {**QUIET, "queue": False}  # done at once: it waits for nobody


def html(value: str, elem_id: str, js_on_load: str | None = None) -> gr.HTML:
    """Our own HTML under the default template: one with `{{value}}` would run code from data."""
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, js_on_load=js_on_load)
