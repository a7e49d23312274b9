"""What is slow to make is made ahead, in a thread, while a person is busy with what there is."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
DEPTH = 4


@contextmanager
def ahead(make: Callable[[Callable[[], bool]], Iterator[T]], waiting: Callable[[], None]) -> Iterator[Iterator[T]]:
    """The items that `make` makes, in order, up to DEPTH of them before they are asked for.

    `make` is given a function that says whether it should stop: at the end of the block it is told to, and waited for.
    `waiting` is called when the next item isn't ready. What `make` raises is raised where its item would have come.
    """
    stop = threading.Event()
    items = make(stop.is_set)
    with ThreadPoolExecutor(1) as thread:
        futures: deque[Future[T | None]] = deque(thread.submit(next, items, None) for _ in range(DEPTH))

        def ready() -> Iterator[T]:
            while True:
                future = futures.popleft()
                if not future.done():
                    waiting()
                item = future.result()
                if item is None:
                    return
                futures.append(thread.submit(next, items, None))
                yield item

        try:
            yield ready()
        finally:
            stop.set()
            for future in futures:
                future.cancel()
