"""Nearest vectors. The index is a cache of the library's vectors: rebuilt whenever missing, stale or damaged.

An `Index` is anything with this shape. INDEXES names ours; a contract test compares every one with the exact one.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from corpus.errors import LibraryError
from corpus.library import Library
from rag.embed import Embedder, Vectors
from rag.models import Report, silent

Keys = NDArray[np.int64]
BATCH = 128  # passages embedded at a time: a kill loses no more than these


class Index(Protocol):
    """Vectors by key. Scores are cosines (the vectors have unit length): higher is nearer."""

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """Keys and scores of the k nearest (fewer if there are fewer), best first; ties by key. `vector`: (d,).

        With `only`, among these keys; one that the index doesn't have is passed over.
        """

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """The vector of each of these keys; one that the index doesn't have (yet, or any more) is left out."""

    def dump(self) -> bytes:
        """The index as bytes, for its class's loader."""


class ExactIndex:
    """A matrix product in numpy: the oracle for the others."""

    def __init__(self, keys: Keys, vectors: Vectors) -> None:
        self._keys, self._vectors = keys, vectors
        self._rows = {int(key): row for row, key in enumerate(keys)}

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """See Index."""
        keys, scores = self._keys, self._vectors @ vector
        if only is not None:
            kept = np.isin(keys, only)
            keys, scores = keys[kept], scores[kept]
        return _best_first(keys, scores, k)

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """See Index."""
        return {key: self._vectors[self._rows[key]] for key in keys if key in self._rows}

    def dump(self) -> bytes:
        """See Index."""
        return self._keys.tobytes() + self._vectors.tobytes()

    @classmethod
    def load(cls, data: bytes, size: int) -> "ExactIndex":
        """From `dump`ed bytes of `size` vectors."""
        keys = np.frombuffer(data[: 8 * size], np.int64)
        return cls(keys, np.frombuffer(data[8 * size :], np.float32).reshape(size, -1))


class FlatIndex:
    """FAISS's exhaustive search (Douze et al. 2024): exact, and fast to about 100 thousand passages."""

    def __init__(self, keys: Keys, vectors: Vectors) -> None:
        import faiss

        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
        self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(keys, np.int64))

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """See Index."""
        k = min(k, self._index.ntotal if only is None else len(only))
        if k < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        scores, keys = self._index.search(vector[None], k, params=_selecting(only))
        there = keys[0] >= 0  # FAISS fills up with -1 where there are fewer
        return _best_first(keys[0][there], scores[0][there], k)

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """See Index."""
        found: dict[int, Vectors] = {}
        for key in keys:
            with contextlib.suppress(RuntimeError):  # FAISS's way of saying that it has no such key
                found[key] = self._index.reconstruct(int(key))
        return found

    def dump(self) -> bytes:
        """See Index."""
        import faiss

        return bytes(faiss.serialize_index(self._index).tobytes())

    @classmethod
    def load(cls, data: bytes, size: int) -> "FlatIndex":
        """From `dump`ed bytes of `size` vectors. Raises RuntimeError if FAISS can't read them."""
        import faiss

        index = cls.__new__(cls)
        index._index = faiss.deserialize_index(np.frombuffer(data, np.uint8))
        if index._index.ntotal != size:
            raise RuntimeError("another number of vectors")
        return index


def _selecting(only: Keys | None) -> Any:
    """How FAISS is told to search these keys alone: before the k best are chosen, so that none is lost."""
    if only is None:
        return None
    import faiss

    parameters: Any = faiss.SearchParameters  # whose stubs know no `sel`
    return parameters(sel=faiss.IDSelectorBatch(np.ascontiguousarray(only, np.int64)))


INDEXES: dict[str, type[ExactIndex] | type[FlatIndex]] = {"exact": ExactIndex, "flat": FlatIndex}


def open_index(library: Library, embedder: Embedder, kind: str = "flat", report: Report = silent) -> Index:
    """An index of every passage of the library: embeds what has no vector yet, then loads the saved index or builds it.

    The file beside the library is used only if its manifest names this library at this state, this embedder and this
    kind, and if its bytes have the hash they were written with.
    """
    # Before embedding: what another process adds meanwhile belongs to a later state than the one we write down.
    revision = library.revision()
    keys, vectors = embed_missing(library, embedder, report)
    manifest: dict[str, str | int] = {
        "kind": kind,
        "embedder": embedder.fingerprint,
        "revision": revision,
        "size": len(keys),
    }
    file = library.path.with_name(library.path.name + ".index")
    if (saved := _load(file, manifest)) is not None:
        return saved
    index = INDEXES[kind](keys, vectors)
    _save(file, index, manifest)
    return index


def embed_missing(library: Library, embedder: Embedder, report: Report = silent) -> tuple[Keys, Vectors]:
    """Give every passage of the library a vector of this embedder; returns all keys, and their vectors in rows.

    Where the library can't be written (a read-only disk, a full one), the new vectors last as long as the process.
    """
    missing = library.missing(embedder.fingerprint)
    unsaved: list[tuple[Keys, Vectors]] = []
    for start in range(0, len(missing), BATCH):
        report("Embedding the insights", start, len(missing))
        keys = [key for key, _ in missing[start : start + BATCH]]
        vectors = embedder.encode_document([text for _, text in missing[start : start + BATCH]])
        try:
            library.put_vectors(embedder.fingerprint, keys, vectors)
        except LibraryError:
            unsaved.append((np.asarray(keys, np.int64), vectors))
    if missing:
        report("Embedding the insights", len(missing), len(missing))
    parts = [library.vectors(embedder.fingerprint), *unsaved]
    return (
        np.concatenate([keys for keys, _ in parts]),
        np.concatenate([vectors.reshape(-1, embedder.dimensions) for _, vectors in parts]),
    )


def _best_first(keys: Keys, scores: Vectors, k: int) -> tuple[Keys, Vectors]:
    # Rounded: equal vectors may get scores that differ in the last bit, by where they stand in the matrix.
    order = np.lexsort((keys, -np.round(scores, 6)))[:k]
    return keys[order].astype(np.int64), scores[order].astype(np.float32)


def _load(file: Path, manifest: dict[str, str | int]) -> Index | None:
    """The saved index, or None whenever anything about it isn't as it should be: it can always be rebuilt."""
    try:
        head, _, data = file.read_bytes().partition(b"\n")
        saved = json.loads(head)
        if any(saved[name] != value for name, value in manifest.items()):
            return None
        if saved["sha256"] != hashlib.sha256(data).hexdigest():
            return None
        return INDEXES[saved["kind"]].load(data, saved["size"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None


def _save(file: Path, index: Index, manifest: dict[str, str | int]) -> None:
    """Written beside and renamed, manifest and bytes in one file, so that a crash leaves the old one or the new one."""
    data = index.dump()
    head = json.dumps(manifest | {"sha256": hashlib.sha256(data).hexdigest()}).encode()
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(head + b"\n" + data)
        os.replace(beside, file)
    except OSError:  # a read-only folder or a full disk: the index in memory serves as well
        with contextlib.suppress(OSError):
            beside.unlink()
