"""`footnoted doctor`: what works, what doesn't, and what to do about it. It never stops at the first fault."""

import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.errors import FootnotedError
from corpus.library import open_library
from corpus.places import cache_dir
from rag.config import Config
from rag.embed import open_embedder
from rag.index import open_index
from rag.write import open_writer

PACKAGES = ("torch", "transformers", "sentence-transformers", "faiss-cpu", "gradio")
NEEDED = 600_000_000  # bytes: a converted writer and a library beside it


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    part: str
    ok: bool
    text: str


def examine(library: str | None, config: Config) -> Iterator[Finding]:
    """Look at the installation, the disk, the library and the models, in that order."""
    yield Finding("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]} in {sys.prefix}")
    yield _try("packages", lambda: ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES))
    yield _try("cache", _cache)
    yield _try("library", lambda: _library(library))
    yield _try("embedder", lambda: open_embedder(config.embedder).fingerprint)
    yield _try("index", lambda: _index(library, config))
    yield _try("writer", lambda: open_writer(config).fingerprint)


def _try(part: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(part, True, look())
    except FootnotedError as error:
        return Finding(part, False, str(error))
    except Exception as error:  # a doctor reports what it meets, of whatever kind
        return Finding(part, False, f"{type(error).__name__}: {error}")


def _cache() -> str:
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        free = shutil.disk_usage(folder).free
    if free < NEEDED:
        raise OSError(f"{free // 1_000_000:,} MB free in {folder}: free {NEEDED // 1_000_000:,} MB there")
    return f"{folder}, {free // 1_000_000_000:,} GB free"


def _library(name: str | None) -> str:
    with open_library(name) as library:
        if faults := library.check():
            raise OSError("; ".join(faults))
        writable = not library.read_only and os.access(Path(library.path).parent, os.W_OK)
        return f"{library.name}: {library.count():,} insights, {'writable' if writable else 'read-only'}, healthy"


def _index(name: str | None, config: Config) -> str:
    with open_library(name) as library:
        embedder = open_embedder(config.embedder)
        index = open_index(library, embedder)
        return f"{type(index).__name__} of {library.passage_count():,} passages, made by {embedder.fingerprint}"
