"""Nothing is computed twice: the same texts come back with every variant of a question, and with every epoch."""

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from rag.crossencoder import PairScorer
from rag.embed import Embedder, Vectors

Value = TypeVar("Value")


def remember(
    known: MutableMapping[str, Value], texts: Sequence[str], make: Callable[[list[str]], Iterable[Value]]
) -> list[Value]:
    """One value a text; `make` is called for those that aren't known yet."""
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        known.update(zip(new, make(new), strict=True))
    return [known[text] for text in texts]


class Memo:
    """An Embedder that encodes no text twice."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.fingerprint, self.dimensions = embedder.name, embedder.fingerprint, embedder.dimensions
        self._queries: dict[str, Vectors] = {}
        self._documents: dict[str, Vectors] = {}

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        rows = remember(self._queries, texts, self._embedder.encode_query)
        return np.stack(rows)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        rows = remember(self._documents, texts, self._embedder.encode_document)
        return np.stack(rows)


class MemoScorer:
    """A PairScorer that judges no pair twice."""

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer, self.fingerprint = scorer, scorer.fingerprint
        self._answers: dict[str, dict[str, float]] = {}
        self._supports: dict[tuple[str, str], dict[str, float]] = {}

    def answers(self, question: str, passages: Sequence[str]) -> list[float]:
        """See PairScorer."""
        return remember(self._answers.setdefault(question, {}), passages, partial(self._scorer.answers, question))

    def supports(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        """See PairScorer."""
        known = self._supports.setdefault((question, sentence), {})
        return remember(known, texts, partial(self._scorer.supports, question, sentence))
