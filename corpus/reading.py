"""The insights of many files, read by several processes at once and handed on in the order of the files.

One process alone reads few small files: to start others takes longer than that.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import parent_process
from pathlib import Path

from corpus.imports import Found
from corpus.insight import Insight
from corpus.items import Item, Problem
from corpus.readers import Source

MANY = 64  # files that are worth other processes
LARGE = 8_000_000  # bytes that are, in at least two files
MOST_PROCESSES = 8  # each takes about 40 MB
TOGETHER = 16  # files that a process reads at a time
AHEAD = 3  # such bundles for each process: one is read, one is at hand, one waits to be stored

Columns = Mapping[str, str]
Told = Callable[[Source, int], None]


def read_sources(
    sources: Sequence[Source | Problem], columns: Columns, told: Told, processes: int | None = None
) -> Generator[Found, None, None]:
    """Every item of the sources in order, each with its place. `told` hears of each file, with its insights.

    `processes` is chosen by the files if it isn't given. The result doesn't depend on it.
    """
    count = processes if processes is not None else wanted(sources)
    for source, items in _together(sources, columns, count) if count > 1 else _alone(sources, columns):
        place = os.path.abspath(source.path)
        insights = 0
        for item in items:
            insights += isinstance(item, Insight)
            yield Found(item, place)
        if isinstance(source, Source):
            told(source, insights)


def wanted(sources: Sequence[Source | Problem]) -> int:
    """How many processes are worth having for these files."""
    files = [source.path for source in sources if isinstance(source, Source)]
    if len(files) < MANY and (len(files) < 2 or sum(map(size_of, files)) < LARGE):
        return 1
    able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(able, MOST_PROCESSES, len(files))


def size_of(path: Path) -> int:
    """A file's size in bytes, 0 if it can't be told."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0


Read = tuple[Source | Problem, Iterator[Item] | list[Item]]


def _alone(sources: Sequence[Source | Problem], columns: Columns) -> Iterator[Read]:
    return ((source, iter([source]) if isinstance(source, Problem) else source.items(columns)) for source in sources)


def _together(sources: Sequence[Source | Problem], columns: Columns, processes: int) -> Iterator[Read]:
    bundles = [sources[at : at + TOGETHER] for at in range(0, len(sources), TOGETHER)]
    # Started anew, not forked: the progress on a terminal is drawn by a thread, which a fork would lose with its locks.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)
    waiting: deque[tuple[Sequence[Source | Problem], Future[list[list[Item]]] | None]] = deque()
    broken = False
    try:
        coming = iter(bundles)
        while True:
            while len(waiting) < AHEAD * processes and (bundle := next(coming, None)) is not None:
                try:
                    waiting.append((bundle, None if broken else pool.submit(_read_bundle, bundle, columns)))
                except BrokenProcessPool:
                    broken = True
                    waiting.append((bundle, None))
            if not waiting:
                return
            bundle, future = waiting.popleft()
            try:
                found = None if future is None else future.result()
            except BrokenProcessPool:  # a process was ended from outside, for want of memory perhaps
                broken, found = True, None
            yield from zip(bundle, found, strict=True) if found is not None else _alone(bundle, columns)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """In a process that reads: Ctrl-C is for the one that stores, and when that is gone this one has nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read_bundle(bundle: Sequence[Source | Problem], columns: Columns) -> list[list[Item]]:
    return [list(items) for _, items in _alone(bundle, columns)]
