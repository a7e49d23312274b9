"""Many insights may say the same in other words; a short list shouldn't be five versions of one thought.

Marginal relevance (Carbonell and Goldstein 1998) takes similarity to what is chosen off the score of every insight. On
InsightQA train that costs recall long before it parts versions of one thought, because what answers a question together
is a little alike too. So only what is very much alike is set back, behind the rest; nothing else moves (eval/LOG.md).
"""

from collections.abc import Sequence

import numpy as np

from corpus.library import Library
from rag.datatypes import Hit
from rag.embed import Vectors
from rag.nearest import Index

ALIKE = 0.6  # cosine from which on two passages count as versions of one thought
DEEPER = 4  # times as many insights are looked at as are wanted


def spread(hits: Sequence[Hit], library: Library, index: Index) -> list[int]:
    """The places of all hits in a new order: those that are much like one before them come behind the others.

    Under an embedder to which everything is alike they stay in their order.
    """
    known = _vectors(hits, library, index)
    ahead: list[int] = []
    behind: list[int] = []
    chosen: list[Vectors] = []
    for place, hit in enumerate(hits):
        vector = known.get(hit.passage.passage_id)
        if vector is not None and chosen and float(np.max(np.stack(chosen) @ vector)) >= ALIKE:
            behind.append(place)
            continue
        ahead.append(place)
        if vector is not None:
            chosen.append(vector)
    return [*ahead, *behind]


def _vectors(hits: Sequence[Hit], library: Library, index: Index) -> dict[str, Vectors]:
    """By passage id the vectors of those that the index still holds."""
    insights = dict.fromkeys(hit.insight.insight_id for hit in hits)
    vectors = index.reconstruct([key for insight_id in insights for key in library.keys_of(insight_id)])
    return {passage.passage_id: vectors[key] for key, (passage, _) in library.passages(list(vectors)).items()}
