"""`footnoted doctor`: what works, what doesn't, and what to do about it. It never stops at the first fault."""

import contextlib
import importlib.metadata
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from corpus.errors import FootnotedError, LibraryError, UsageError
from corpus.library import open_library
from corpus.places import cache_dir
from rag.config import Config
from rag.crossencoder import CrossEncoder
from rag.embed import open_embedder
from rag.index import open_index
from rag.judge import Judge
from rag.write import open_writer

PACKAGES = ("torch", "transformers", "sentence-transformers", "faiss-cpu", "gradio")
MB = 1_000_000
CONVERTED, ROOM = 300 * MB, 50 * MB  # the default writer once it is converted; a library with its index


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    part: str
    ok: bool
    text: str


def examine(library: str | None, config: Config) -> Iterator[Finding]:
    """Look at the installation, the disk, the library and the models, in that order."""
    yield Finding("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]} in {sys.prefix}")
    yield _try("packages", _packages)
    yield _try("cache", _cache)
    yield _try("library", lambda: _library(library))
    yield _try("embedder", lambda: open_embedder(config.embedder).fingerprint)
    yield _try("reader", lambda: f"{CrossEncoder().fingerprint}, {Judge().fingerprint}")
    yield _try("index", lambda: _index(library, config))
    yield _try("writer", lambda: open_writer(config).fingerprint)


def _try(part: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(part, True, look())
    except FootnotedError as error:
        return Finding(part, False, str(error))
    except Exception as error:  # a doctor reports what it meets, of whatever kind
        return Finding(part, False, f"{type(error).__name__}: {error}")


def _packages() -> str:
    found: dict[str, str] = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    if missing := [name for name in PACKAGES if name not in found]:
        raise UsageError(f"{' and '.join(missing)} can't be found.", "Install Footnoted anew: pip install -e .")
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _cache() -> str:
    folder = cache_dir()
    elsewhere = "name another folder in FOOTNOTED_CACHE."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = error.strerror or error
        raise LibraryError(f"{folder} can't be written: {reason}.", f"Make it writable, or {elsewhere}") from error
    converted = any(folder.glob("models/*/complete.json"))
    needed = ROOM if converted else ROOM + CONVERTED
    if free < needed:
        raise LibraryError(
            f"Only {free // MB:,} MB are free in {folder}.", f"Free {needed // MB:,} MB there, or {elsewhere}"
        )
    return f"{folder}, {free // MB:,} MB free"


def _library(name: str | None) -> str:
    with open_library(name) as library:
        if faults := library.check():
            raise LibraryError(
                f"{library.name}: {' '.join(faults)}",
                "Put back a copy of it, or make a new one: footnoted library add FILE --library NEW.db",
            )
        count = library.count()
        return (
            f"{library.name}, {count:,} insight{'s' * (count != 1)}, {'read-only' if library.read_only else 'writable'}"
        )


def _index(name: str | None, config: Config) -> str:
    with open_library(name) as library:
        embedder = open_embedder(config.embedder)
        index = open_index(library, embedder)
        return f"{type(index).__name__}, passages: {library.passage_count():,}, made by {embedder.fingerprint}"
