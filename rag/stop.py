"""Giving up in the middle of a model's pass: a whole prompt is one pass, and with a larger model that takes seconds.

`watched` models look, before each of their layers, whether whoever runs them in this thread has been told to stop.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_running = threading.local()


class Interrupted(Exception):
    """A pass was given up between two layers."""


@contextmanager
def until(stopped: Callable[[], bool]) -> Iterator[None]:
    """Within it, in this thread, watched models raise Interrupted once `stopped()` is true."""
    before = getattr(_running, "stopped", None)
    _running.stopped = stopped
    try:
        yield
    finally:
        _running.stopped = before


def watched(model: Any) -> Any:
    """The model, which from now on looks before each layer: each item of each of its lists of modules."""
    lists = [part for part in model.modules() if type(part).__name__ == "ModuleList"]
    for layer in (layer for part in lists for layer in part):
        layer.register_forward_pre_hook(_look)
    return model


def _look(*_: object) -> None:
    stopped = getattr(_running, "stopped", None)
    if stopped is not None and stopped():
        raise Interrupted
