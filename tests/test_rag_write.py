"""Waiting for a writer elsewhere: its words come as they are, and whoever leaves isn't held up by its silence."""

import threading
import time
from collections.abc import Iterator

import pytest

from rag.stop import awaited


def test_everything_comes_in_its_order() -> None:
    assert list(awaited(lambda left: iter(["a", "b", "c"]), lambda: False)) == ["a", "b", "c"]


def test_a_fault_comes_after_what_came_before_it() -> None:
    def broken(left: threading.Event) -> Iterator[str]:
        yield "a"
        raise ConnectionError("gone")

    items = awaited(broken, lambda: False)
    assert next(items) == "a"
    with pytest.raises(ConnectionError):
        next(items)


def test_a_stop_ends_the_wait_for_a_silent_writer() -> None:
    answer, stop, told = threading.Event(), threading.Event(), threading.Event()

    def silent(left: threading.Event) -> Iterator[str]:
        answer.wait(5)
        if left.is_set():
            told.set()
        yield "too late"

    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert list(awaited(silent, stop.is_set)) == []
    assert time.monotonic() - began < 0.5 + 1  # half a second, and one for a busy machine
    answer.set()
    assert told.wait(5)
