"""Waiting for what another thread does: the only place in the tests that looks again and again."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], seconds: float = 20) -> float:
    """How long it took until the condition held; fails after so many seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"this did not come about within {seconds} seconds"
        time.sleep(0.005)
    return time.monotonic() - began
