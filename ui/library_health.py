"""What the doctor sees in a library, and mends with --fix: its file, vectors, index, and what lies around it.

Nothing here deletes an insight. Without --fix nothing is written.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from corpus.copies import free_name
from corpus.database import Database
from corpus.errors import FootnotedError, LibraryError
from corpus.library import Library, library_path, open_library
from corpus.places import cache_dir
from corpus.salvage import is_damage, salvage
from corpus.sqlite import SqliteLibrary
from corpus.upkeep import damage, drop_vectors, faults, give_back, mend, spare_bytes
from corpus.vectors import VectorSet
from rag.changeover import SOON
from rag.embed import Embedder
from rag.index import described, embed_missing, open_index
from rag.index_file import index_state
from rag.pgvector import Searching
from ui import terminal
from ui.findings import Finding, found

MB = 1_000_000
ROOM = 50 * MB  # a library of some thousand insights with its index
SPARE = 1 * MB  # of free pages, from which on giving them back is worth the work
OLD = 3600.0  # seconds after which a temporary file is nobody's any more


def look_at_library(name: str | None, *, fix: bool = False) -> Iterator[Finding]:
    """The file itself, the room on its disk, and what was left beside it."""
    try:
        library = open_library(name)
    except LibraryError as error:
        path = library_path(name) if is_damage(error) else None
        yield _damaged(path, error.problem, fix=fix) if path else Finding("library", False, str(error))
        return
    with library:
        if not isinstance(library, SqliteLibrary):
            yield from _elsewhere(library)
            return
        with closing(Database(library.path)) as database:
            if said := damage(database):
                yield _damaged(library.path, said, fix=fix)
            else:
                yield from _rows(library, database, fix=fix)
        yield _room(library.path)
        yield from _leftovers(library.path, fix=fix)


@runtime_checkable
class Served(Protocol):
    """A library that is kept by a database server."""

    def about_server(self) -> list[str]:
        """The server in words: its version, and how far each replica is behind."""


def _elsewhere(library: Library) -> Iterator[Finding]:
    """A library that isn't a file of ours: its tables, and the servers that keep it."""
    yield _summary(library)
    for fault in library.check():
        yield Finding("library", False, fault)
    if isinstance(library, Served):
        told = library.about_server()
        yield Finding("server", not any("doesn't answer" in one for one in told), "; ".join(told))


def _summary(library: Library) -> Finding:
    count = library.count()
    text = f"{library.name}, {count:,} insight{'s' * (count != 1)}, {'read-only' if library.read_only else 'writable'}"
    return Finding("library", True, text)


def _rows(library: Library, database: Database, *, fix: bool) -> Iterator[Finding]:
    wrong = faults(database)
    mended = fix and bool(wrong) and not database.read_only
    if mended:
        mend(database, wrong)
    for fault in wrong:
        yield found("library", fault.text, fault.remedy, mended=mended)
    if mended or not wrong:
        yield _summary(library)


def _damaged(path: Path, said: str, *, fix: bool) -> Finding:
    if not fix:
        target = free_name(path, "recovered")
        return found("library", said, f"what can be read is saved in {target}, and this file stays as it is")
    try:
        saved = salvage(path)
    except LibraryError as error:
        return Finding("library", False, f"{said} {error}")
    of = f" of {saved.known:,}" if saved.known is not None else ""
    text = f"{said} {saved.insights:,}{of} insights were saved in {saved.path}; the damaged file is as it was."
    return Finding("library", False, f"{text} Look at them with --library {saved.path}, then put it in its place.")


def _room(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    if free < ROOM:
        text = f"Only {free // MB:,} MB are free in {path.parent}. Free {ROOM // MB} MB there."
        return Finding("disk", False, text)
    return Finding("disk", True, f"{free // MB:,} MB free in {path.parent}")


def _leftovers(path: Path, *, fix: bool) -> Iterator[Finding]:
    """Temporary files of programs that were ended before they could remove them."""
    name = path.name
    beside = (f".{name}.index.*", f".{name}.map.*", ".*.copy.*", ".restoring-*", ".recovering-*")
    places = [*((path.parent, pattern) for pattern in beside), (cache_dir() / "models", ".converting-*")]
    old = []
    for folder, pattern in places:
        for each in folder.glob(pattern):
            with suppress(OSError):  # gone meanwhile
                if time.time() - each.stat().st_mtime > OLD:
                    old.append(each)
    if not old:
        return
    size = sum(map(_size, old))
    for each in old if fix else ():
        with suppress(OSError):
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink()
    names = ", ".join(each.name for each in old[:3]) + (", …" if len(old) > 3 else "")
    text = f"{_counted(len(old), 'leftover')} of programs that were cut off, {_megabytes(size)}: {names}."
    left = any(each.exists() for each in old)
    yield found("leftovers", text, "they are removed", fault=False, mended=fix and not left)


def _size(path: Path) -> int:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(each.lstat().st_size for each in files)


def look_at_vectors(name: str | None, embedder: Embedder, *, fix: bool = False) -> Iterator[Finding]:
    """Whether each passage has a vector, the index file, and what only takes room."""
    with open_library(name) as library:
        yield from _missing(library, embedder, fix=fix)
        yield from _index(library, embedder, fix=fix)
        if isinstance(library, SqliteLibrary):
            with closing(Database(library.path)) as database:
                yield from _others(library, database, embedder, fix=fix)
                yield from _spare(library.path, database, fix=fix)


def _missing(library: Library, embedder: Embedder, *, fix: bool) -> Iterator[Finding]:
    passages = library.passage_count()
    missing = passages - _there(library, embedder)
    if not missing:
        yield Finding("vectors", True, f"{passages:,} of {embedder.fingerprint}")
        return
    if fix:
        with terminal.progress() as report:
            embed_missing(library, embedder, report)
    done = fix and _there(library, embedder) >= passages
    text = f"{missing:,} of {passages:,} passages have no vector of {embedder.fingerprint} yet."
    if missing > SOON and any(passages - other.count <= SOON for other in library.vector_sets()):
        text += " A page that is served answers with the embedder before, and makes them meanwhile."
    yield found("vectors", text, "they are embedded now, not at the next question", fault=False, mended=done)


def _there(library: Library, embedder: Embedder) -> int:
    return sum(each.count for each in library.vector_sets() if each.fingerprint == embedder.fingerprint)


def _index(library: Library, embedder: Embedder, *, fix: bool) -> Iterator[Finding]:
    if isinstance(library, Searching):  # it has no file
        made = f"{described(library, embedder)}; passages: {library.passage_count():,}, made by {embedder.fingerprint}"
        yield Finding("index", True, made)
        return
    state = index_state(library, embedder)
    if state == "current":
        kind = described(library, embedder) or "to be brought up to date at the next question"
        made = f"{kind}; passages: {library.passage_count():,}, made by {embedder.fingerprint}"
        yield Finding("index", True, made)
        return
    told = {
        "missing": "There is no index file.",
        "stale": "The index file is of another state of the library or of another embedder.",
        "damaged": "The index file is damaged.",
        "foreign": "The index file was made from another library.",
    }[state]
    if fix:
        open_index(library, embedder)
    mended = fix and index_state(library, embedder) == "current"
    yield found(
        "index",
        told,
        "it is made now, not at the next question",
        fault=state in ("damaged", "foreign"),
        mended=mended,
    )


def _others(library: Library, database: Database, embedder: Embedder, *, fix: bool) -> Iterator[Finding]:
    others: list[VectorSet] = [each for each in library.vector_sets() if each.fingerprint != embedder.fingerprint]
    if not others:
        return
    complete = _there(library, embedder) >= library.passage_count()  # else those are what a page answers with
    mended = fix and complete and not database.read_only
    if mended:
        drop_vectors(database, [each.fingerprint for each in others])
    names = ", ".join(each.name or each.fingerprint for each in others)
    size = _megabytes(sum(each.bytes for each in others))
    text = f"The vectors of {names} take {size} and aren't used with these settings."
    yield found("vectors", text, f"they are removed, which frees {size}", fault=False, mended=mended)


def _spare(path: Path, database: Database, *, fix: bool) -> Iterator[Finding]:
    spare, size = spare_bytes(database), path.stat().st_size
    if spare < max(SPARE, size // 10):
        return
    mended = False
    if fix and not database.read_only:
        with suppress(FootnotedError):  # others write all the time: it can wait
            give_back(database)
            mended = True
    text = f"{_megabytes(spare)} of {_megabytes(size)} in the file are empty."
    yield found("room", text, "they are given back to the disk", fault=False, mended=mended)


def mine_alone(part: str, path: Path, *, fix: bool) -> Iterator[Finding]:
    """A finding if others on this machine may read a file that is nobody's business but its owner's."""
    if os.name != "posix" or not path.stat().st_mode & 0o077:
        return
    if fix:
        for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            with suppress(OSError):
                each.chmod(0o600)
    mended = fix and not path.stat().st_mode & 0o077
    yield found(part, f"Other people on this machine can get at {path}.", "only you may read it", mended=mended)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _megabytes(size: int) -> str:
    return f"{size / MB:,.1f} MB"
