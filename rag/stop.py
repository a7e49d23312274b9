"""Giving up in the middle of a model's pass: a whole prompt is one pass, and with a larger model that takes seconds.

`watched` models look, before each of their layers, whether whoever runs them in this thread has been told to stop.
`awaited` is for what can't look: a server's silence.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

Stopped = Callable[[], bool]
_running = threading.local()


def never() -> bool:
    """The Stopped that lets everything finish."""
    return False


class Interrupted(Exception):
    """A pass was given up between two layers."""


@contextmanager
def until(stopped: Stopped) -> Iterator[None]:
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


def awaited(
    make: Callable[[threading.Event], Iterable[str]], stopped: Stopped, seconds: float = math.inf
) -> Iterator[str]:
    """The items that `make` gives, which a thread of its own waits for: ends soon after `stopped()`, come what may.

    `make` is given what is set once nobody wants more. What it raises is raised here, and TimeoutError after so many
    seconds.
    """
    deadline = time.monotonic() + seconds
    arrived: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    left = threading.Event()

    def work() -> None:
        try:
            for item in make(left):
                arrived.put(item)
            arrived.put(None)
        except BaseException as error:
            arrived.put(error)

    threading.Thread(target=work, name="footnoted-writer", daemon=True).start()
    try:
        while not stopped():
            try:
                item = arrived.get(timeout=min(0.1, max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"not done within {seconds:g} seconds") from None
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()
