"""The index of a library that searches itself: nothing is loaded, a search is a query to its database.

corpus/postgres.py is such a library. What couldn't be stored there, because nothing can be written just now, is
searched in memory as long as the process lasts.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np

from rag.embed import Embedder, Vectors, open_embedder
from rag.nearest import ExactIndex, Keys, best_first

MANY = 10_000  # passages from which on making the index in the database takes time, if it isn't there yet

Embed = Callable[[Sequence[str]], tuple[str, Vectors]]


@runtime_checkable
class Searching(Protocol):
    """A library that finds the nearest of its vectors by itself."""

    def embed_with(self, embed: Embed) -> None:
        """From now on give what is added its vectors in the transaction that stores it."""

    def index_vectors(self, fingerprint: str, dimensions: int) -> bool:
        """Make the index of a model's vectors if there are enough to need one; whether it is there then."""

    def has_vector_index(self, fingerprint: str, dimensions: int) -> bool:
        """Whether that index is there."""

    def nearest(
        self, fingerprint: str, vector: Vectors, k: int, only: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """The keys of the k passages nearest to a vector, and their cosines; with `only`, among these keys."""

    def vectors_of(self, fingerprint: str, keys: Keys) -> tuple[Keys, Vectors]:
        """The keys that have a vector, of these, and their vectors."""


class DatabaseIndex:
    """Vectors of one model in a library that searches itself, and the few that aren't stored there."""

    def __init__(
        self, library: Searching, fingerprint: str, indexed: bool, unsaved: ExactIndex, until: int = 0
    ) -> None:
        self._library, self._fingerprint, self._unsaved, self._until = library, fingerprint, unsaved, until
        self._indexed = indexed

    def embedded_up_to(self, library: object, fingerprint: str) -> int:
        """The key up to which each passage of this library has a vector of this model, as far as this index knows."""
        same = self._library is library and self._fingerprint == fingerprint
        return self._until if same and not len(self._unsaved.keys) else 0

    @property
    def description(self) -> str:
        """See Index."""
        how = "approximate (HNSW of 16-bit vectors; the best are scored again exactly)" if self._indexed else "exact"
        more = f", {len(self._unsaved.keys):,} that couldn't be stored are in memory" if len(self._unsaved.keys) else ""
        return f"{how}, in the database{more}"

    def search(self, vector: Vectors, k: int, only: Keys | None = None) -> tuple[Keys, Vectors]:
        """See Index."""
        if k < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        found = self._library.nearest(self._fingerprint, vector, k, only if only is None else only.tolist())
        keys, scores = self._unsaved.search(vector, k, only)
        return best_first(
            np.concatenate([np.array([key for key, _ in found], np.int64), keys]),
            np.concatenate([np.array([score for _, score in found], np.float32), scores]),
            k,
        )

    def reconstruct(self, keys: Sequence[int]) -> dict[int, Vectors]:
        """See Index."""
        there, vectors = self._library.vectors_of(self._fingerprint, np.asarray(keys, np.int64))
        found = dict(zip(there.tolist(), vectors, strict=True)) | self._unsaved.reconstruct(keys)
        return {key: found[key] for key in keys if key in found}


def embed_by(embedder: Callable[[], Embedder]) -> Embed:
    """Embeds texts with an embedder, which is opened when there is something to embed; gives its fingerprint too."""
    opened = cache(embedder)
    return lambda texts: (opened().fingerprint, opened().encode_document(texts))


def embed_as_stored(library: object, embedder: str) -> None:
    """Have a library that searches itself store texts together with their vectors; any other library is left alone."""
    if isinstance(library, Searching):
        library.embed_with(embed_by(lambda: open_embedder(embedder)))
