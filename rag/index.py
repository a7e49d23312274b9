"""The index of a library: a cache of its vectors, brought up to date with what was added and removed since.

    base    of the vectors up to some key, in a file beside the library: missing, stale or damaged, it is made again
    fresh   what was added after it, read from the library and compared one by one
    gone    what was removed since, hidden in the base

So adding a hundred insights to a million reads a hundred vectors, and the file is written anew only once in a while. A
crash can't harm it: the file is replaced whole, and what it lacks is in the library.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from corpus.errors import LibraryError
from corpus.filters import EVERYTHING
from corpus.library import Library
from rag.embed import Embedder, Vectors
from rag.index_file import Base, load, save
from rag.models import Report, silent
from rag.nearest import INDEXES, ExactIndex, Index, Keys, Rows, best_first, kind_for, together
from rag.pgvector import MANY, DatabaseIndex, Searching, embed_by
from rag.workers import Workers, here

BATCH = 128  # passages embedded at a time: a kill loses no more than these
READ = 8_192  # vectors read at a time: 12 MB
FRESH = 1_000  # vectors that may be added or removed before the base is made anew, or of a large one a hundredth ...
GONE = 10  # ... and a tenth


class LibraryIndex:
    """The index of a library at one state; it is never changed, so that who searches needs no lock."""

    def __init__(self, owner: tuple[str, str], base: Base, fresh: ExactIndex, gone: Keys, until: int) -> None:
        self.owner = owner  # the library's id and the embedder's fingerprint
        self.base, self.fresh, self.gone = base, fresh, gone
        self.until = until  # it has every passage up to this key
        self._old = base.index.hiding(gone) if len(gone) else base.index

    @property
    def size(self) -> int:
        """How many vectors can be found."""
        return len(self.base.index.keys) - len(self.gone) + len(self.fresh.keys)

    @property
    def description(self) -> str:
        """See Index."""
        more = f", {len(self.fresh.keys):,} added since" if len(self.fresh.keys) else ""
        less = f", {len(self.gone):,} removed since" if len(self.gone) else ""
        return f"{self.base.index.description}{more}{less}"

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """See Index."""
        keys, scores = self._old.search(vector, k, only)
        if not len(self.fresh.keys):
            return keys, scores
        late = only if only is None else only[only >= self.fresh.keys[0]]
        more, theirs = self.fresh.search(vector, k, late)
        return best_first(np.concatenate([keys, more]), np.concatenate([scores, theirs]), k)

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """See Index."""
        found = self.fresh.reconstruct(keys)
        found |= self._old.reconstruct([key for key in keys if key not in found])
        return {key: found[key] for key in keys if key in found}


def open_index(
    library: Library,
    embedder: Embedder,
    kind: str = "",
    report: Report = silent,
    workers: Workers = here,
    before: Index | None = None,
) -> Index:
    """An index of every passage of the library: embeds what has no vector yet, then brings the saved index up to date.

    The kind is the one that suits the size, unless one is named (a key of INDEXES). `before` is an index that was
    opened earlier: if it is this library's, all that is read is what has changed since. It stays as it is. A library
    that searches itself has its index where it is.
    """
    if isinstance(library, Searching):
        library.embed_with(embed_by(lambda: embedder))
        until = library.last_key()
        after = before.embedded_up_to(library, embedder.fingerprint) if isinstance(before, DatabaseIndex) else 0
        late = together(_embed(library, embedder, report, workers, after), embedder.dimensions)
        if library.passage_count() >= MANY:
            report("Building the index", 0, 0)
        indexed = library.index_vectors(embedder.fingerprint, embedder.dimensions)
        return DatabaseIndex(library, embedder.fingerprint, indexed, ExactIndex(*late), until)
    # Both before embedding: what another process adds meanwhile belongs to a later state than the one we write down.
    revision, until = library.revision(), library.last_key()
    rows = _rows(library, embedder, until)
    known = _known(library, embedder, rows, kind, before)
    unsaved = _embed(library, embedder, report, workers, known.until if known else 0)
    updated = _updated(known, library, rows, until, unsaved) if known else None
    base, gone = None, np.empty(0, np.int64)
    if updated:
        kind = kind or kind_for(updated.size, updated.base.kind)
        if unsaved or not _is_due(updated, kind):
            return updated
        if base := _grown(updated, kind):
            gone = updated.gone
    elif known:  # it had what the library lacks
        unsaved = _embed(library, embedder, report, workers, 0)
    kind = kind or kind_for(rows.size)
    if base is None:
        report("Building the index", 0, 0)
        base = Base(kind, INDEXES[kind].build(rows), until)
    if not unsaved:
        save(base, library, embedder, rows, revision)
    owner = revision.partition("-")[0], embedder.fingerprint
    return LibraryIndex(owner, base, ExactIndex(*_up_to(until, unsaved, rows)), gone, until)


def described(library: Library, embedder: Embedder) -> str:
    """How the saved index searches, and how much of the library came after it; "" if there is none that fits."""
    if isinstance(library, Searching):
        none = ExactIndex(*together([], embedder.dimensions))
        indexed = library.has_vector_index(embedder.fingerprint, embedder.dimensions)
        return DatabaseIndex(library, embedder.fingerprint, indexed, none).description
    until = library.last_key()
    rows = _rows(library, embedder, until)
    known = _known(library, embedder, rows, "", None)
    updated = _updated(known, library, rows, until, []) if known else None
    return updated.description if updated else ""


def embed_missing(
    library: Library, embedder: Embedder, report: Report = silent, workers: Workers = here
) -> tuple[Keys, Vectors]:
    """Give every passage of the library a vector of this embedder; returns all keys, and their vectors in rows.

    Where the library can't be written (a read-only disk, a full one), the new vectors last as long as the process.
    """
    unsaved = _embed(library, embedder, report, workers, 0)
    return together([library.vectors(embedder.fingerprint), *unsaved], embedder.dimensions)


def _embed(
    library: Library, embedder: Embedder, report: Report, workers: Workers, after: int
) -> list[tuple[Keys, Vectors]]:
    """Store what vectors are missing from a key on; those that couldn't be stored are returned."""
    missing = library.missing(embedder.fingerprint, after)
    unsaved: list[tuple[Keys, Vectors]] = []
    parts_of = (missing[start : start + BATCH] for start in range(0, len(missing), BATCH))
    batches = (([key for key, _ in part], [text for _, text in part]) for part in parts_of)
    done = 0
    if missing:
        with contextlib.suppress(LibraryError):
            library.note_model(embedder.fingerprint, embedder.name)
        report("Embedding the insights", done, len(missing))
    for keys, vectors in workers(embedder, batches):
        try:
            library.put_vectors(embedder.fingerprint, keys, vectors)
        except LibraryError:
            unsaved.append((np.asarray(keys, np.int64), vectors))
        done += len(keys)
        report("Embedding the insights", done, len(missing))
    return unsaved


def _rows(library: Library, embedder: Embedder, until: int) -> Rows:
    """The library's vectors up to a key: what is embedded meanwhile after it may have gaps."""
    fingerprint = embedder.fingerprint

    def batches() -> Iterator[tuple[Keys, Vectors]]:
        return _after(library, fingerprint, 0, until)

    return Rows(library.passage_count(), embedder.dimensions, batches, partial(library.vectors_of, fingerprint))


def _after(library: Library, fingerprint: str, key: int, until: int) -> Iterator[tuple[Keys, Vectors]]:
    while key < until:
        keys, vectors = library.vectors_after(fingerprint, key, READ)
        count = int(np.searchsorted(keys, until, "right"))
        if not count:
            return
        yield keys[:count], vectors[:count]
        key = int(keys[count - 1])


def _known(library: Library, embedder: Embedder, rows: Rows, kind: str, before: Index | None) -> LibraryIndex | None:
    """What is there already: the index that was opened before, else the one in the file."""
    owner = library.revision().partition("-")[0], embedder.fingerprint
    known: LibraryIndex | None = None
    if isinstance(before, LibraryIndex) and before.owner == owner:
        known = before
    elif base := load(library, embedder, rows):
        none = ExactIndex(*together([], rows.dimensions))
        known = LibraryIndex(owner, base, none, np.empty(0, np.int64), base.until)
    return known if known and kind in ("", known.base.kind) else None


def _updated(
    known: LibraryIndex, library: Library, rows: Rows, until: int, unsaved: Sequence[tuple[Keys, Vectors]]
) -> LibraryIndex | None:
    """The index with what was added and without what was removed since; None if anything doesn't fit."""
    fingerprint = known.owner[1]
    new = _after(library, fingerprint, known.until, until)
    keys, vectors = _up_to(until, [(known.fresh.keys, known.fresh.vectors), *new, *unsaved], rows)
    gone = known.gone
    if library.passage_count() != len(known.base.index.keys) - len(gone) + len(keys):
        there = library.keys(EVERYTHING)
        there = there[there <= max(until, known.until)]
        gone = np.setdiff1d(known.base.index.keys, there, assume_unique=True)
        kept = np.isin(keys, there)
        keys, vectors = keys[kept], vectors[kept]
        if len(there) != len(known.base.index.keys) - len(gone) + len(keys):
            return None
    return LibraryIndex(known.owner, known.base, ExactIndex(keys, vectors), gone, max(until, known.until))


def _up_to(until: int, parts: Sequence[tuple[Keys, Vectors]], rows: Rows) -> tuple[Keys, Vectors]:
    keys, vectors = together(parts, rows.dimensions)
    return keys[keys <= until], vectors[keys <= until]


def _is_due(known: LibraryIndex, kind: str) -> bool:
    """Whether its base should be made anew."""
    held = len(known.base.index.keys)
    many = len(known.fresh.keys) > max(FRESH, held // 100) or len(known.gone) > _most_gone(known)
    return many or kind != known.base.kind


def _grown(known: LibraryIndex, kind: str) -> Base | None:
    """The base with what was added since; None if it is to be built anew."""
    if kind != known.base.kind or len(known.gone) > _most_gone(known):
        return None
    index = known.base.index.grown(known.fresh.keys, known.fresh.vectors)
    return Base(kind, index, known.until) if index else None


def _most_gone(known: LibraryIndex) -> int:
    return max(FRESH, len(known.base.index.keys) // GONE)
