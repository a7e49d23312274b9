"""The library: the insights on disk with their passages, vectors and lexical index. Nothing else writes them.

with open_library("mine.db", create=True) as library:
    report = library.add(read_paths([Path("highlights.csv")]))

`Library` is what a library can do; corpus/sqlite.py does it in a file, corpus/postgres.py on a server.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from corpus.browse import Facet, Selection
from corpus.database import VERSION, Database, explained
from corpus.errors import LibraryError, UsageError
from corpus.filters import EVERYTHING, Filter
from corpus.formats.text import read_text
from corpus.imports import Found, Import, Planned, Report, Undone
from corpus.insight import Insight, Passage
from corpus.items import Item
from corpus.places import cache_dir, data_dir
from corpus.postgres_address import is_address
from corpus.sqlite import SqliteLibrary
from corpus.vectors import VectorSet

SHIPPED = Path(__file__).with_name("insights")


@runtime_checkable
class Library(Protocol):
    """Insights in a file or on a server. Open it with `open_library`; several threads and processes may use it.

    Every method raises LibraryError if the insights can't be read or written; what was stored before is then still
    there.
    """

    @property
    def name(self) -> str:
        """What a person calls it, fit to be shown."""

    @property
    def path(self) -> Path:
        """Its file: what is derived from it is kept beside."""

    @property
    def read_only(self) -> bool:
        """Whether `add`, `edit`, `remove` and `undo_import` are refused."""

    def count(self) -> int:
        """The number of insights."""

    def passage_count(self) -> int:
        """The number of passages."""

    def last_key(self) -> int:
        """The highest key of a passage; 0 without any. A passage that is added later has a higher one."""

    def revision(self) -> str:
        """A key for caches: another one for each library and after each change of its insights."""

    def add(
        self, items: Iterable[Item | Found], origin: str = "", *, resume: str = "", prune: Sequence[str] = ()
    ) -> Report:
        """Store insights; those with a known id are brought up to date. Problems are handed on in the report.

        Each BATCH of items is stored whole or not at all. Only new and changed texts lose or lack their vectors. What
        the person edited stays, unless the source now tells that field differently. An insight without a stable id
        keeps details (title, author, …) that the newer copy of the same text lacks. The import can be undone as long as
        it is among the last REMEMBERED; `origin` says then what it was.

        An import that was cut off goes on, as one import, when the next one has the same key `resume`. Each text is
        compared with those that are there, and linked to its near-duplicates. `prune` names files and folders by their
        absolute paths: what was found in them before and isn't any more is removed, if it was found nowhere else,
        wasn't edited, and if its file could be read.
        """

    def preview(self, items: Iterable[Item | Found], prune: Sequence[str] = ()) -> Iterator[Planned]:
        """What `add` would do with each item, in order. Nothing is written, so this works on any library."""

    def linked(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """For each of these ids that has near-duplicates: their ids, in the order they were added."""

    def last_import(self) -> Import | None:
        """The import that `undo_import` would undo."""

    def undo_import(self, number: int | None = None) -> Undone:
        """Take the last import back: what it added goes, what it changed is as before.

        What was edited or imported again since stays as it is. With `number` the last import must be that one. Raises
        UsageError if it isn't, or if there is none.
        """

    def edit(self, insight_id: str, changes: Mapping[str, object]) -> Insight:
        """Change fields of one insight, whose id stays; a new text gets new passages. Returns it as it is then.

        A later import of the same source leaves the edit alone. Raises UsageError if there is no such insight or field,
        if a value can't be, or if the text is stored under another id.
        """

    def remove(self, ids: Iterable[str]) -> int:
        """Remove insights with their passages, vectors and index entries; how many were there."""

    def get(self, insight_id: str) -> Insight | None:
        """The insight with this id."""

    def told(self, insight_id: str) -> Insight | None:
        """An edited insight as its source told it; None if nobody has edited it, or if it isn't there."""

    def insights(self, query: str = "", offset: int = 0, limit: int | None = None) -> list[Insight]:
        """Insights in the order they were added, or those that hold words beginning like the query's, best first.

        Where no words begin so, those that hold the query's words as any part of their text, in order of addition.
        """

    def browse(self, selection: Selection, offset: int = 0, limit: int | None = None) -> list[Insight]:
        """The selected insights in their order; the query is understood as in `insights`."""

    def facets(self, selection: Selection) -> tuple[int, list[Facet]]:
        """How many insights are selected, and the values of each facet among them."""

    def passages(self, keys: Sequence[int]) -> dict[int, tuple[Passage, Insight]]:
        """The passages with these keys and their insights, in the order asked; a key that is gone is left out."""

    def keys_of(self, insight_id: str) -> list[int]:
        """The keys of an insight's passages, in the order of its text."""

    def keys(self, filters: Filter, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """The keys, ascending, of the passages whose insights pass the filter: int64[n]; with `among` of these."""

    def passing(self, filters: Filter, limit: int = 0) -> tuple[int, list[int]]:
        """How many insights pass the filter, and the first passage's key of the newest, at most `limit`.

        Those whose date is unknown or begins with no year come last, and of equals the one that was added later first.
        """

    def values(self, name: str) -> list[str]:
        """The library's authors, sources or tags ("author", "source", "tag"), the most frequent first; its "year"s, the
        latest first.
        """

    def lexical(
        self, query: str, k: int, rarest: int | None = None, filters: Filter = EVERYTHING
    ) -> list[tuple[int, float]]:
        """The keys of the k best passages that hold any word of the query, with their BM25; higher is better.

        Function words count only where there are no others. With `rarest`, a word counts only if at most so many
        passages hold it. Only insights that pass the filter are looked at; how rare a word is, the whole library
        tells. Ties are in order of passage_id.
        """

    def missing(self, fingerprint: str, after: int = 0) -> list[tuple[int, str]]:
        """(key, text) of each passage without a vector of the model with this fingerprint, by key, from `after` on."""

    def put_vectors(self, fingerprint: str, keys: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Store one vector a key: float32[n, d]. A passage that was removed meanwhile is passed over.

        Raises ValueError if there isn't one vector for each key, and ModelError if a number isn't finite.
        """

    def vectors(self, fingerprint: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The keys int64[n], ascending, and their vectors float32[n, d]; d is 0 if there are none."""

    def vectors_after(self, fingerprint: str, key: int, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The same for the first of the keys after this one, at most `limit`: so that all needn't be in memory."""

    def vectors_of(self, fingerprint: str, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The same for those of these keys that have a vector."""

    def vector_sets(self) -> list[VectorSet]:
        """The models whose vectors are here, the one with the most first."""

    def note_model(self, fingerprint: str, name: str) -> None:
        """Remember the name that opens the model with this fingerprint again; not where nothing can be written."""

    def check(self) -> list[str]:
        """What is wrong with it, a sentence each; nothing if it is healthy."""

    def close(self) -> None:
        """Close it in all threads. May be called twice."""

    def __enter__(self) -> "Library": ...

    def __exit__(self, *_: object) -> None: ...


def open_library(name: str | Path | None = None, *, create: bool = False) -> Library:
    """Open a library: "demo" for the shipped insights, a file, a folder with a library.db in it, or postgresql://…

    Without a name: what FOOTNOTED_LIBRARY names, else the person's own library if there is one, else "demo"; with
    `create` the person's own is made. Raises LibraryError if the file is missing (without `create`), is no library of
    ours, was made by a newer program, or is damaged.
    """
    if (address := library_address(name)) is not None:
        return _open_server(address, create=create)
    path = library_path(name, create=create)
    return _open_demo() if path is None else SqliteLibrary(Database(path, create=create), str(path))


def library_path(name: str | Path | None = None, *, create: bool = False) -> Path | None:
    """The file that `open_library` would open, which may not be there.

    None means the shipped insights, or a library on a server.
    """
    if library_address(name) is not None:
        return None
    name = name or os.environ.get("FOOTNOTED_LIBRARY", "").strip() or None
    if name is None:
        own = own_library()
        name = own if create or own.exists() else "demo"
    if name == "demo":
        return None
    path = Path(name).expanduser()
    with explained(path):
        if path.is_dir() or str(name).endswith(("/", os.sep)):
            path /= "library.db"
    return path


def library_address(name: str | Path | None = None) -> str | None:
    """The address of the server that `open_library` would open, None if it would open a file or the shipped insights.

    It may hold a password: it isn't to be shown.
    """
    name = name or os.environ.get("FOOTNOTED_LIBRARY", "").strip() or None
    return str(name) if is_address(name) else None


def own_library() -> Path:
    """Where the person's own library is, or will be."""
    return data_dir() / "library.db"


def _open_server(address: str, *, create: bool) -> Library:
    try:
        from corpus.postgres import open_postgres
    except ImportError:
        raise UsageError(
            "A library on a server needs the package psycopg, which isn't installed.",
            "Install it: pip install '.[postgres]'",
        ) from None
    return open_postgres(address, create=create)


def _open_demo() -> Library:
    """The shipped insights, from a library in the cache that is built when they are first used or have changed."""
    files = sorted(SHIPPED.glob("*.txt"))
    state = hashlib.sha256(f"{VERSION}".encode())
    for file in files:
        state.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    path = cache_dir() / f"demo-{state.hexdigest()[:12]}.db"
    try:
        return SqliteLibrary(Database(path), "demo", fixed=True)
    except LibraryError:  # not there yet, or damaged: it is a cache, make it again
        _build_demo(path, files)
    return SqliteLibrary(Database(path), "demo", fixed=True)


def _build_demo(path: Path, files: Sequence[Path]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One process builds, the others wait: a file must not be replaced while another has it open.
        with FileLock(path.with_suffix(".lock")):
            with suppress(LibraryError):
                return Database(path).close()  # another process was faster
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                new = Path(folder, "new.db")
                with closing(SqliteLibrary(Database(new, create=True), "new")) as library:
                    library.add(item for file in files for item in read_text(file))
                for old in (f"{path}-wal", f"{path}-shm"):
                    Path(old).unlink(missing_ok=True)
                os.replace(new, path)
    except OSError as error:
        raise LibraryError(
            f"The library that ships with Footnoted can't be unpacked into {path.parent}: {error.strerror or error}.",
            "Set FOOTNOTED_CACHE to a folder that you may write to.",
        ) from error
