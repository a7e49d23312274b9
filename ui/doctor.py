"""`footnoted doctor`: what works, what doesn't, and what to do about it. It never stops at the first fault."""

import contextlib
import importlib.metadata
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from corpus.errors import FootnotedError, LibraryError, UsageError
from corpus.places import cache_dir
from rag.config import Config
from rag.crossencoder import CrossEncoder
from rag.embed import Embedder, open_embedder
from rag.endpoint import EndpointWriter
from rag.judge import Judge
from rag.read import fitted_to
from rag.write import open_writer
from ui.conversations import default_path, look_at
from ui.findings import Finding
from ui.library_health import MB, ROOM, look_at_library, look_at_vectors, mine_alone
from ui.users import read_users

PACKAGES = ("torch", "transformers", "sentence-transformers", "faiss-cpu", "gradio")
CONVERTED = 300 * MB  # the default writer once it is converted


def examine(library: str | None, config: Config, *, fix: bool = False, auth: Path | None = None) -> Iterator[Finding]:
    """Look at the installation, the disk, the library, the models and the page's files, in that order.

    With `fix` what can be mended is mended. `auth` is the file of users that the page is served with.
    """
    yield Finding("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]} in {sys.prefix}")
    yield _try("packages", _packages)
    yield _try("cache", _cache)
    yield from _each("library", lambda: look_at_library(library, fix=fix))
    embedders: list[Embedder] = []
    yield _try("embedder", lambda: _embedder(config, embedders))
    yield _try("reader", lambda: f"{CrossEncoder().fingerprint}, {Judge().fingerprint}")
    for embedder in embedders:
        yield from _each("index", partial(look_at_vectors, library, embedder, fix=fix))
    yield _try("writer", lambda: _writer(config))
    yield from _each("conversations", lambda: _conversations(fix=fix))
    if auth is not None:
        yield from _each("users", lambda: _users(auth, fix=fix))


def _try(part: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(part, True, look())
    except FootnotedError as error:
        return Finding(part, False, str(error))
    except Exception as error:  # a doctor reports what it meets, of whatever kind
        return Finding(part, False, f"{type(error).__name__}: {error}")


def _each(part: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """All findings of one part; a fault in the middle of them is the last one."""
    findings = look()
    while True:
        try:
            yield next(findings)
        except StopIteration:
            return
        except FootnotedError as error:
            yield Finding(part, False, str(error))
            return
        except Exception as error:
            yield Finding(part, False, f"{type(error).__name__}: {error}")
            return


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


def _embedder(config: Config, opened: list[Embedder]) -> str:
    opened.append(open_embedder(config.embedder))
    fingerprint = opened[0].fingerprint
    if fingerprint == fitted_to():
        return fingerprint
    return f"{fingerprint}; the reader was fitted to another, so how sure an answer is says less (docs/languages.md)"


def _conversations(*, fix: bool) -> Iterator[Finding]:
    path = default_path()
    if not path.exists():
        yield Finding("conversations", True, f"none are kept yet in {path}")
        return
    yield Finding("conversations", True, f"{path}, {look_at(path):,} kept")
    yield from mine_alone("conversations", path, fix=fix)


def _users(path: Path, *, fix: bool) -> Iterator[Finding]:
    with contextlib.suppress(OSError):  # a file that is missing is told below
        for finding in mine_alone("users", path, fix=fix):
            yield finding
            if not finding.ok:
                return
    count = len(read_users(path))
    yield Finding("users", True, f"{path}, {count:,} {'person' if count == 1 else 'people'}")


def _writer(config: Config) -> str:
    writer = open_writer(config)
    if not isinstance(writer, EndpointWriter):
        return writer.fingerprint
    # A word is asked for, since a list of models would tell neither that the key is right nor that the model loads.
    return f"{writer.fingerprint}, which answered within {writer.try_once():.1f} s"
