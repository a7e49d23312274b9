"""Another embedder without a pause: the one before answers until every passage has a vector of the new one.

    serve, with another embedder in the settings ─► answers with the one before ─► switches, between two questions
                                       └─► a thread embeds the second set ─────────────┘

Every batch is stored, so that a kill costs no more than one. What is added meanwhile gets vectors of both: at once of
the embedder that answers, and of the new one in the thread's next round. A change of the library comes first: the
thread embeds few passages at a time, and on Linux only when the processor has nothing else to do.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from corpus.errors import FootnotedError, LibraryError
from corpus.library import Library
from corpus.vectors import VectorSet
from rag.config import Config
from rag.datatypes import Coming
from rag.embed import Embedder, known_as, open_embedder
from rag.models import PACKAGES, TUNED, Report, silent
from rag.pipeline import Pipeline
from rag.stop import Stopped, never

SOON = 256  # passages that are embedded before the first question: some seconds, not worth two models
BATCH = 16  # passages embedded at a time behind the questions: a fraction of a second
LEAVING = 10.0  # seconds that the thread has to end its batch when the program ends

Maker = Callable[[str, Report], Embedder]

log = logging.getLogger(__name__)


def before_changeover(
    library: Library, config: Config, report: Report = silent, make: Maker = open_embedder
) -> Config | None:
    """The settings to answer with until the embedder of `config` has embedded the library.

    None if it has done so already, if there is little to embed, or if no embedder that can still be opened has made
    more: then `open_pipeline` embeds what is missing.
    """
    sets, passages = library.vector_sets(), library.passage_count()
    wanted = known_as(config.embedder)
    there = max((found.count for found in sets if _name(found) == wanted), default=0)
    if passages - there <= SOON:
        return None
    for found in sets:
        name = _name(found)
        if not name or name == wanted or passages - found.count > SOON:
            continue
        with suppress(FootnotedError):  # its weights are gone: then it can't answer
            if make(name, report).fingerprint == found.fingerprint:
                return replace(config, embedder=name)
    return None


def _name(found: VectorSet) -> str:
    """The name of a set's model; of a set from before names were noted, the fingerprint of what ships tells it."""
    shipped = found.fingerprint.partition("@")[0]
    return found.name or (shipped if shipped in (*PACKAGES, *TUNED) else "")


@contextmanager
def changing_over(pipeline: Pipeline, config: Config, make: Maker = open_embedder) -> Iterator[threading.Thread]:
    """While inside, bring a pipeline over to the embedder of `config`, in a thread; leaving stops it where it is."""
    stop = threading.Event()
    pipeline.coming = Coming(config.embedder, 0, pipeline.library.passage_count())
    thread = threading.Thread(
        target=change_over, args=(pipeline, config, stop.is_set, make), name="footnoted-changeover", daemon=True
    )
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(LEAVING)


def change_over(pipeline: Pipeline, config: Config, stopped: Stopped = never, make: Maker = open_embedder) -> bool:
    """Embed the library with the embedder of `config`, then switch to it; whether that was done.

    `pipeline.coming` tells how far it is. A fault, which it tells too, leaves the pipeline as it is; what is embedded
    stays, and the next time goes on from there.
    """
    _step_back()
    try:
        embedder = make(config.embedder, silent)
        while (left := _embed_some(pipeline, config.embedder, embedder, stopped)) > SOON:
            if stopped():
                return False
        if stopped():
            return False
        pipeline.switch(replace(pipeline.config, embedder=config.embedder), embedder)
        log.info("now answering with %s; the last %d passages were embedded at the switch", embedder.fingerprint, left)
        pipeline.coming = None
        return True
    except Exception as error:  # whatever it is, questions are answered as before
        known = isinstance(error, FootnotedError)
        log.warning("the change to %s ended: %s", config.embedder, error, exc_info=not known)
        told = str(error) if known else f"Something went wrong ({type(error).__name__})."
        coming = pipeline.coming or Coming(config.embedder, 0, 0)
        pipeline.coming = replace(coming, problem=told)
        return False


def _embed_some(pipeline: Pipeline, name: str, embedder: Embedder, stopped: Stopped) -> int:
    """Embed what the library lacks now; how many passages lack a vector afterwards; 0 if stopped."""
    library = pipeline.library
    with suppress(LibraryError):
        library.note_model(embedder.fingerprint, embedder.name)
    missing = library.missing(embedder.fingerprint)
    for start in range(0, len(missing), BATCH):
        if stopped() or pipeline.library is not library:  # it has moved to another one, which is next
            break
        part = missing[start : start + BATCH]
        total = library.passage_count()
        pipeline.coming = Coming(name, max(0, total - len(missing) + start), total)
        began = time.monotonic()
        vectors = embedder.encode_document([text for _, text in part])
        library.put_vectors(embedder.fingerprint, [key for key, _ in part], vectors)
        if sys.platform != "linux":  # where a thread can't step back, half of the time is left to others
            time.sleep(min(1.0, time.monotonic() - began))
    return 0 if stopped() else len(pipeline.library.missing(embedder.fingerprint))


def _step_back() -> None:
    """Let all else come first. On Linux a thread has a priority of its own, which those that it starts inherit."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
