"""Where passages are embedded: in this process, or in those of a Ray cluster (Moritz et al. 2018).

Workers turn batches of texts into vectors and know no library: whoever handed out the batches stores what comes back.
So a worker that dies costs its batch, which is done again, and nothing can be stored twice or by halves.
"""

import functools
import importlib.util
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import numpy as np

from corpus.errors import FootnotedError, ModelError, UsageError
from rag.embed import Embedder, Vectors, open_embedder

Batch = tuple[list[int], list[str]]  # keys, and as many texts
Done = tuple[list[int], Vectors]  # the keys of a batch, and a row for each
Workers = Callable[[Embedder, Iterable[Batch]], Iterator[Done]]  # every batch once, in any order
Maker = Callable[[str], Embedder]  # by name; a function of a module, which other processes can import

RETRIES = 3  # how often a batch is done again after the death of its worker or machine
AHEAD = 2  # batches under way for each processor: one is being embedded, one is at hand
_SAME = "Install the same Footnoted and the same models on every machine of the cluster."


def here(embedder: Embedder, batches: Iterable[Batch]) -> Iterator[Done]:
    """The Workers that are this process alone."""
    for keys, texts in batches:
        yield keys, embedder.encode_document(texts)


def named_workers(name: str, embedder: str) -> Workers:
    """`ray`: the cluster that RAY_ADDRESS names, or runs on this machine, or else one made of it; `ray://HOST:PORT`.

    `embedder` is the name that `open_embedder` knows it by. Raises UsageError for another name, or without Ray.
    """
    if name != "ray" and not name.startswith("ray://"):
        raise UsageError(f"There are no workers called {name!r}.", "Use --workers ray or --workers ray://HOST:PORT.")
    if importlib.util.find_spec("ray") is None:
        raise UsageError(
            "Embedding on a cluster needs the package ray, which isn't installed.", "Install it: pip install '.[ray]'"
        )
    return on_ray(embedder, address=None if name == "ray" else name)


def on_ray(name: str, address: str | None = None, make: Maker = open_embedder) -> Workers:
    """The Workers that are the processes of a Ray cluster; each loads the embedder of this name once.

    They raise UsageError if the cluster can't be reached, and ModelError if its embedder isn't the one of this process,
    can't be loaded there, or if batches were lost in the end: those are still missing, and the others are done.
    """

    def embed(embedder: Embedder, batches: Iterable[Batch]) -> Iterator[Done]:
        waiting = iter(batches)
        if (first := next(waiting, None)) is None:  # a cluster takes seconds to join
            return
        with _connected(address) as ray:
            # Tasks, not actors: a task is done again elsewhere by itself, and needs no place kept for it.
            task = ray.remote(num_cpus=1, max_retries=RETRIES)(_encode)
            waiting, under_way, lost = chain([first], waiting), dict[Any, list[int]](), 0
            try:
                while True:
                    processors = max(1, int(ray.cluster_resources().get("CPU", 0)))  # machines come and go
                    for keys, texts in islice(waiting, max(0, AHEAD * processors - len(under_way))):
                        under_way[task.remote(make, name, texts)] = keys
                    if not under_way:
                        break
                    ready, _ = ray.wait(list(under_way), timeout=1.0)
                    for one in ready:
                        keys = under_way.pop(one)
                        vectors = _fetched(ray, one, embedder.fingerprint)
                        if vectors is None:
                            lost += len(keys)
                        else:
                            yield keys, vectors
            finally:
                for one in under_way:
                    ray.cancel(one)
        if lost:
            raise ModelError(
                f"{lost:,} passages weren't embedded: the workers that had them died, {RETRIES + 1} times each.",
                "Give the workers more memory, then run the same command again: it embeds what is missing.",
            )

    return embed


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """The module `ray`, connected; a connection that was there before is used and left."""
    where = address or os.environ.get("RAY_ADDRESS") or "on this machine"
    if not _listens(where):  # Ray itself would go on trying for minutes
        raise _unreachable(where, "nothing listens there")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    import ray

    if ray.is_initialized():
        yield ray
        return
    try:
        ray.init(address, log_to_driver=False, configure_logging=False)
    except Exception as error:  # many kinds, by what is wrong where
        raise _unreachable(where, type(error).__name__) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _listens(address: str) -> bool:
    """False if the address has a port at which nothing accepts a connection."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return True
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError):
        return False
    return True


def _unreachable(where: str, why: str) -> UsageError:
    return UsageError(
        f"The Ray cluster {where} can't be reached ({why}).",
        "Start it with `ray start --head`, or leave --workers out to embed in this process.",
    )


def _encode(make: Maker, name: str, texts: list[str]) -> tuple[str, Vectors]:
    """In a worker: the vectors, and the fingerprint of what made them."""
    try:
        embedder = _loaded(make, name)
        return embedder.fingerprint, embedder.encode_document(texts)
    except FootnotedError as error:  # its two parts don't survive the way back
        raise RuntimeError(str(error)) from None


@functools.cache  # for the life of the worker's process, which embeds one batch after the other
def _loaded(make: Maker, name: str) -> Embedder:
    return make(name)


def _fetched(ray: Any, one: Any, fingerprint: str) -> Vectors | None:
    """The vectors of a batch that is done; None if it is lost. Raises ModelError if others would fare no better."""
    try:
        made_by, vectors = ray.get(one)
    except ray.exceptions.RayTaskError as error:  # it raised, and would again
        cause = str(error.cause).splitlines()
        told = cause[0] if cause else type(error.cause).__name__
        raise ModelError(f"The workers can't embed: {told[:200].rstrip('.')}.", _SAME) from error
    except ray.exceptions.RayError:  # its process or its machine died, as often as it was tried
        return None
    if made_by != fingerprint:
        raise ModelError(f"A worker's embedder is {made_by}, not {fingerprint} as here.", _SAME)
    return np.array(vectors)  # a copy: what Ray gives lies in memory that goes with the connection
