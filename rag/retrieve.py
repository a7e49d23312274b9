"""A question to hits: dense, lexical, and the fusion of both. RETRIEVERS names the three.

Fusing by rank lets a list that matched only common words outvote the dense one (on InsightQA dev it lowers recall@5
from .95 to .85). So fusion adds to the cosine, and only for rare words: names, mostly. One rare word in common may be
chance; each further one is worth `lexical_weight` cosine. Chosen on InsightQA train: see eval/LOG.md.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from corpus.filters import EVERYTHING, Filter
from corpus.library import Library
from rag.config import Config
from rag.datatypes import Hit
from rag.embed import Embedder, Vectors
from rag.nearest import Index, Keys

DEPTH = 50  # how deep each list goes before they are fused
FURTHER = 4  # times as deep is searched before a filter is asked what it leaves in all


def retrieve(
    query: str,
    library: Library,
    index: Index,
    embedder: Embedder,
    config: Config,
    k: int | None = None,
    filters: Filter = EVERYTHING,
) -> list[Hit]:
    """The best passages for a query, at most k (default: config.candidates), best first, ties by passage_id.

    The filter holds for each search, before its best are chosen: filtering afterwards would lose what lies below them.
    """
    config = replace(config, candidates=k or config.candidates)
    signals = RETRIEVERS[config.retriever](query, library, index, embedder, config, filters)
    # By key: another process may have removed a passage since it was found.
    found = [(signals[key], pair) for key, pair in library.passages(list(signals)).items()]
    best = sorted(found, key=lambda row: (-row[0]["score"], row[1][0].passage_id))[: config.candidates]
    return [
        Hit(passage, insight, signal["score"], rank, {name: v for name, v in signal.items() if name != "score"})
        for rank, (signal, (passage, insight)) in enumerate(best, 1)
    ]


Signals = dict[int, dict[str, float]]  # passage key -> "score", by which it is ranked, and what it is made of


def dense(query: str, library: Library, index: Index, embedder: Embedder, config: Config, filters: Filter) -> Signals:
    """By cosine alone."""
    keys, scores = _nearest(embedder.encode_query([query])[0], max(DEPTH, config.candidates), library, index, filters)
    return {int(key): {"score": float(s), "dense": float(s)} for key, s in zip(keys, scores, strict=True)}


def lexical(query: str, library: Library, index: Index, embedder: Embedder, config: Config, filters: Filter) -> Signals:
    """By BM25 alone (Robertson and Zaragoza 2009, as in SQLite's FTS5); the reader needs the cosine all the same."""
    found = dict(library.lexical(query, max(DEPTH, config.candidates), filters=filters))
    cosines = _cosines(embedder.encode_query([query])[0], index, list(found))
    unit = _rare_word(library)
    return {
        key: {"score": found[key], "dense": cosine, "lexical": found[key] / unit} for key, cosine in cosines.items()
    }


def fused(query: str, library: Library, index: Index, embedder: Embedder, config: Config, filters: Filter) -> Signals:
    """By cosine plus what the rare words in common add to it."""
    vector = embedder.encode_query([query])[0]
    keys, scores = _nearest(vector, max(DEPTH, config.candidates), library, index, filters)
    cosines = {int(key): float(score) for key, score in zip(keys, scores, strict=True)}
    rarest, unit = max(2, library.passage_count() // 1000), _rare_word(library)
    shared = {key: score / unit for key, score in library.lexical(query, DEPTH, rarest, filters)}
    cosines |= _cosines(vector, index, [key for key in shared if key not in cosines])
    return {
        key: {
            "score": cosine + config.lexical_weight * max(0.0, shared.get(key, 0.0) - 1),
            "dense": cosine,
            "lexical": shared.get(key, 0.0),
        }
        for key, cosine in cosines.items()
    }


def _nearest(vector: Vectors, k: int, library: Library, index: Index, filters: Filter) -> tuple[Keys, Vectors]:
    """The k nearest that pass the filter.

    If enough of the nearest pass, those are the nearest that pass. So the keys of a filter that leaves half of a
    million needn't be listed; those of one that leaves few are.
    """
    if not filters:
        return index.search(vector, k)
    keys, scores = index.search(vector, FURTHER * k)
    passing = np.isin(keys, library.keys(filters, keys))
    if np.count_nonzero(passing) < k and len(keys) == FURTHER * k:
        return index.search(vector, k, library.keys(filters))
    return keys[passing][:k], scores[passing][:k]


def _cosines(vector: Vectors, index: Index, keys: list[int]) -> dict[int, float]:
    return {key: float(np.dot(found, vector)) for key, found in index.reconstruct(keys).items()}


def _rare_word(library: Library) -> float:
    """About what BM25 gives a word that a single passage holds: in that unit a sum counts rare words in common."""
    return math.log(1 + library.passage_count())


RETRIEVERS: dict[str, Callable[[str, Library, Index, Embedder, Config, Filter], Signals]] = {
    "dense": dense,
    "lexical": lexical,
    "fused": fused,
}
