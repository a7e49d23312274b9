"""The kinds of index: which vectors are nearest to one. INDEXES names them, `kind_for` says which a library gets.

An `Index` is anything with this shape; a contract test compares every kind with the exact one. A kind is made of
`Rows`, is never changed once it is made, and can be written to a file and read again.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.embed import Vectors

Keys = NDArray[np.int64]
Some = Callable[[Keys], tuple[Keys, Vectors]]  # the vectors of these keys, by key; one that isn't there is left out
FLAT_UP_TO = 100_000  # vectors that are all compared with a question: 150 MB of them, in about 10 ms
FURTHER = 50  # candidates beyond those wanted that are scored exactly: an 8-bit score is off by a thousandth or so
DEEP = 1_000  # vectors that one bit a number lets through
SAMPLE = 16_384  # vectors that codes are made from
CODES = 16  # of 4 bits: at least so many vectors are needed to make them


class Index(Protocol):
    """Vectors by key. Scores are cosines (the vectors have unit length): higher is nearer."""

    @property
    def description(self) -> str:
        """How it searches, for `footnoted doctor`."""

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """Keys and scores of the k nearest (fewer if there are fewer), best first; ties by key. `vector`: (d,).

        With `only`, among these keys; one that the index doesn't have is passed over.
        """

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """The vector of each of these keys; one that the index doesn't have (yet, or any more) is left out."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The vectors that an index is made of, float32 of unit length, where they are kept."""

    size: int  # about
    dimensions: int
    batches: Callable[[], Iterator[tuple[Keys, Vectors]]]  # all of them, by key: a million are too many at once
    some: Some


class Kind(Index, Protocol):
    """An index that can be kept in a file."""

    @property
    def keys(self) -> Keys:
        """Its keys, ascending, hidden ones too."""

    @classmethod
    def build(cls, rows: Rows) -> "Kind":
        """The index of these rows."""

    @classmethod
    def read(cls, file: BinaryIO, rows: Rows) -> "Kind":
        """What `write` has written, of the same rows. Raises ValueError or RuntimeError if it can't be read."""

    def write(self, write: Callable[[bytes], object]) -> None:
        """Hand the index on in pieces."""

    def hiding(self, gone: Keys) -> "Kind":
        """The same index, in which these keys aren't found. It shares the vectors with this one."""

    def grown(self, keys: Keys, vectors: Vectors) -> "Kind | None":
        """A copy with these vectors more, in which none are hidden; None if it had better be built anew."""


class ExactIndex:
    """A matrix product in numpy: the oracle for the others, and the index of what came lately."""

    description = "exact (a matrix product)"

    def __init__(self, keys: Keys, vectors: Vectors) -> None:
        order = np.argsort(keys)
        self.keys, self.vectors = keys[order], vectors[order]
        self._rows = {int(key): row for row, key in enumerate(self.keys)}

    @classmethod
    def build(cls, rows: Rows) -> "ExactIndex":
        """See Kind."""
        return cls(*together(list(rows.batches()), rows.dimensions))

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """See Index."""
        keys, scores = self.keys, self.vectors @ vector
        if only is not None:
            kept = np.isin(keys, only)
            keys, scores = keys[kept], scores[kept]
        return best_first(keys, scores, k)

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """See Index."""
        return {key: self.vectors[self._rows[key]] for key in keys if key in self._rows}

    def write(self, write: Callable[[bytes], object]) -> None:
        """See Kind."""
        write(len(self.keys).to_bytes(8, "little"))
        write(self.keys.tobytes())
        write(self.vectors.tobytes())

    @classmethod
    def read(cls, file: BinaryIO, rows: Rows) -> "ExactIndex":
        """See Kind."""
        size = int.from_bytes(file.read(8), "little")
        keys = np.frombuffer(file.read(8 * size), np.int64)
        vectors = np.frombuffer(file.read(4 * size * rows.dimensions), np.float32)
        return cls(keys, vectors.reshape(size, rows.dimensions))

    def hiding(self, gone: Keys) -> "ExactIndex":
        """See Kind."""
        left = ~np.isin(self.keys, gone)
        return ExactIndex(self.keys[left], self.vectors[left])

    def grown(self, keys: Keys, vectors: Vectors) -> "ExactIndex":
        """See Kind."""
        return ExactIndex(np.concatenate([self.keys, keys]), np.concatenate([self.vectors, vectors]))


class FlatIndex:
    """FAISS's exhaustive search (Douze et al. 2024): exact, and fast up to FLAT_UP_TO vectors."""

    def __init__(self, index: Any) -> None:
        import faiss

        self._index = index
        self.keys: Keys = np.sort(faiss.vector_to_array(index.id_map))
        self._gone = np.empty(0, np.int64)

    @property
    def description(self) -> str:
        """See Index."""
        return f"exact (every one of {self._index.ntotal:,} vectors is compared)"

    @classmethod
    def build(cls, rows: Rows) -> "FlatIndex":
        """See Kind."""
        import faiss

        flat = faiss.IndexFlatIP(rows.dimensions)
        _make_room(flat, 4 * rows.size * rows.dimensions)
        index = faiss.IndexIDMap2(flat)
        for keys, vectors in rows.batches():
            index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(keys, np.int64))
        return cls(index)

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """See Index."""
        import faiss

        mask = _allowed(only, self._gone, _last(self.keys))
        k = min(k, self._index.ntotal if mask is None else int(np.count_nonzero(mask)))
        if k < 1:
            return _nothing()
        parameters: Any = faiss.SearchParameters  # whose stubs know no `sel`
        given = None if mask is None else parameters(sel=_selector(mask))
        scores, keys = self._index.search(vector[None], k, params=given)
        there = keys[0] >= 0  # FAISS fills up with -1 where there are fewer
        return best_first(keys[0][there], scores[0][there], k)

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """See Index."""
        found: dict[int, Vectors] = {}
        hidden = set(self._gone.tolist())
        for key in keys:
            if key not in hidden:
                try:
                    found[key] = self._index.reconstruct(int(key))
                except RuntimeError:  # FAISS's way of saying that it has no such key
                    continue
        return found

    def write(self, write: Callable[[bytes], object]) -> None:
        """See Kind."""
        _write_faiss(self._index, write)

    @classmethod
    def read(cls, file: BinaryIO, rows: Rows) -> "FlatIndex":
        """See Kind."""
        return cls(_read_faiss(file, rows))

    def hiding(self, gone: Keys) -> "FlatIndex":
        """See Kind."""
        hiding = copy.copy(self)
        hiding._gone = gone
        return hiding

    def grown(self, keys: Keys, vectors: Vectors) -> None:
        """See Kind: building it anew takes no longer."""
        return None


class CodedIndex:
    """Three looks at the same vectors, each closer than the last and at fewer of them.

    All are compared by codes of one bit a number (product quantization as André et al. 2015 scan it), the best of these
    by codes of 8 bits a number, and the best of these exactly, by the vectors where they are kept. Under a filter the
    first look is left out, and only what passes is compared.
    """

    def __init__(self, keys: Keys, short: Any, long: Any, some: Some, made_for: int) -> None:
        import faiss

        self.keys = keys
        self._short, self._long, self._some = short, long, some
        self._made_for = made_for  # vectors there were when the codes were made
        self._both = faiss.IndexRefine(short, long)
        self._gone = np.zeros(len(keys), np.bool_)

    @property
    def description(self) -> str:
        """See Index."""
        size = f"{len(self.keys):,}"
        return f"approximate (all of {size} vectors are compared by one bit a number, the best by 8 bits, then exactly)"

    @classmethod
    def build(cls, rows: Rows) -> "CodedIndex":
        """See Kind."""
        import faiss

        dimensions = rows.dimensions
        parts = next(dimensions // size for size in (4, 2, 1) if dimensions % size == 0)
        short = faiss.IndexPQFastScan(dimensions, parts, 4, faiss.METRIC_INNER_PRODUCT)
        long = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        keys = [np.empty(0, np.int64)]
        if len(sample := _sample(rows, SAMPLE)):
            short.pq.cp.min_points_per_centroid = 1  # it would warn of few
            short.train(np.resize(sample, (max(len(sample), CODES), dimensions)))
            long.train(sample)
            _make_room(long, dimensions * rows.size)
            for these, vectors in rows.batches():
                keys.append(these)
                _append(short, long, vectors)
        return cls(np.concatenate(keys), short, long, rows.some, rows.size)

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """See Index."""
        wanted = min(k + FURTHER, len(self.keys))
        if k < 1 or wanted < 1:
            return _nothing()
        # FAISS's scan of short codes loses the very last, so it is asked only for a part.
        much = len(self.keys) > 2 * max(DEEP, wanted)
        found = self._among_all(vector, wanted) if much and only is None else None
        if found is None or len(found) < min(k, len(self.keys) - int(np.count_nonzero(self._gone))):
            found = self._among(vector, wanted, only)
        keys, vectors = self._some(self.keys[found])
        return best_first(keys, vectors @ vector, k)

    def _among_all(self, vector: Vectors, wanted: int) -> NDArray[np.int64]:
        """The rows that look best. Those that are gone take up places, so there may be fewer."""
        import faiss

        parameters: Any = faiss.IndexRefineSearchParameters
        given = parameters(k_factor=max(1.0, min(len(self.keys), DEEP) / wanted))
        _, rows = self._both.search(vector[None], wanted, params=given)  # rows of `keys`
        found: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return found[~self._gone[found]]

    def _among(self, vector: Vectors, wanted: int, only: Keys | None) -> NDArray[np.int64]:
        """The rows that look best of those that aren't gone and whose keys are among these."""
        import faiss

        mask = ~self._gone
        if only is not None:
            places = np.searchsorted(self.keys, only)
            places = np.minimum(places, len(self.keys) - 1)
            asked = np.zeros(len(self.keys), np.bool_)
            asked[places[self.keys[places] == only]] = True
            mask &= asked
        if np.count_nonzero(mask) <= wanted:
            return np.flatnonzero(mask)
        parameters: Any = faiss.SearchParameters  # whose stubs know no `sel`
        _, rows = self._long.search(vector[None], wanted, params=parameters(sel=_selector(mask)))
        found: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return found

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """See Index."""
        wanted = np.asarray(keys, np.int64)
        found, vectors = self._some(wanted[~np.isin(wanted, self.keys[self._gone])])
        of = dict(zip(found.tolist(), vectors, strict=True))
        return {key: of[key] for key in keys if key in of}

    def write(self, write: Callable[[bytes], object]) -> None:
        """See Kind."""
        write(np.array([self._made_for, len(self.keys), *self.keys], np.int64).tobytes())
        _write_faiss(self._short, write)
        _write_faiss(self._long, write)

    @classmethod
    def read(cls, file: BinaryIO, rows: Rows) -> "CodedIndex":
        """See Kind."""
        made_for, size = np.frombuffer(file.read(16), np.int64).tolist()
        keys = np.frombuffer(file.read(8 * size), np.int64)
        short, long = _read_faiss(file, rows), _read_faiss(file, rows)
        if not short.ntotal == long.ntotal == size:
            raise RuntimeError("other numbers of vectors")
        return cls(keys, short, long, rows.some, made_for)

    def hiding(self, gone: Keys) -> "CodedIndex":
        """See Kind."""
        hiding = copy.copy(self)
        hiding._gone = np.isin(self.keys, gone)
        return hiding

    def grown(self, keys: Keys, vectors: Vectors) -> "CodedIndex | None":
        """See Kind: the codes stay what they are, until there are twice as many vectors as they were made for."""
        import faiss

        many = len(self.keys) + len(keys) > 2 * self._made_for
        if many or not len(keys) or keys[0] < _last(self.keys):
            return None
        short, long = faiss.clone_index(self._short), faiss.clone_index(self._long)
        _append(short, long, vectors)
        return CodedIndex(np.concatenate([self.keys, keys]), short, long, self._some, self._made_for)


INDEXES: dict[str, type[ExactIndex] | type[FlatIndex] | type[CodedIndex]] = {
    "exact": ExactIndex,
    "flat": FlatIndex,
    "coded": CodedIndex,
}


def kind_for(size: int, now: str = "") -> str:
    """The kind of index for so many vectors; one that is `coded` already stays it until there are half as many."""
    return "coded" if size > (FLAT_UP_TO // 2 if now == "coded" else FLAT_UP_TO) else "flat"


def best_first(keys: Keys, scores: Vectors, k: int) -> tuple[Keys, Vectors]:
    """The k best, ties by key."""
    # Rounded: equal vectors may get scores that differ in the last bit, by where they stand in the matrix.
    order = np.lexsort((keys, -np.round(scores, 6)))[:k]
    return keys[order].astype(np.int64), scores[order].astype(np.float32)


def together(parts: Sequence[tuple[Keys, Vectors]], dimensions: int) -> tuple[Keys, Vectors]:
    """Several batches as one."""
    return (
        np.concatenate([np.empty(0, np.int64), *(keys for keys, _ in parts)]),
        np.concatenate([np.empty((0, dimensions), np.float32), *(v.reshape(-1, dimensions) for _, v in parts)]),
    )


def _nothing() -> tuple[Keys, Vectors]:
    return np.empty(0, np.int64), np.empty(0, np.float32)


def _make_room(index: Any, size: int) -> None:
    """For all codes at once: growing would need the room twice."""
    index.codes.resize(size)
    index.codes.resize(0)


def _append(short: Any, long: Any, vectors: Vectors) -> None:
    rows = np.ascontiguousarray(vectors, np.float32)
    short.add(rows)
    long.add(rows)


def _sample(rows: Rows, wanted: int) -> Vectors:
    """About so many vectors, evenly spread."""
    step = max(1, rows.size // wanted)
    parts, at = [np.empty((0, rows.dimensions), np.float32)], 0
    for _, vectors in rows.batches():
        parts.append(vectors[-at % step :: step].copy())
        at += len(vectors)
    return np.ascontiguousarray(np.concatenate(parts), np.float32)


# FAISS is told which keys count before the best are chosen, so that none is lost: by one bit for each possible key.


def _allowed(only: Keys | None, gone: Keys, most: int) -> NDArray[np.bool_] | None:
    """Whether each key from 0 to `most` is to be found; None: all are."""
    if only is None and not len(gone):
        return None
    mask = np.full(most + 1, only is None)
    if only is not None:
        mask[only[(only >= 0) & (only <= most)]] = True
    mask[gone[gone <= most]] = False
    return mask


def _selector(mask: NDArray[np.bool_]) -> Any:
    import faiss

    bitmap: Any = faiss.IDSelectorBitmap
    return bitmap(np.packbits(mask, bitorder="little"))


def _last(keys: Keys) -> int:
    return int(keys[-1]) if len(keys) else 0


def _write_faiss(index: Any, write: Callable[[bytes], object]) -> None:
    import faiss

    untyped: Any = faiss
    faiss.write_index(index, untyped.PyCallbackIOWriter(write))


def _read_faiss(file: BinaryIO, rows: Rows) -> Any:
    import faiss

    untyped: Any = faiss
    index = faiss.read_index(untyped.PyCallbackIOReader(file.read))
    if index.d != rows.dimensions:
        raise RuntimeError("vectors of another length")
    return index
