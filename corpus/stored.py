"""What every kind of library decides alike: which words of a query count, which texts and vectors can be stored."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.browse import MAX_QUERY_WORDS
from corpus.errors import ModelError
from corpus.insight import FIELDS, Insight
from corpus.stopwords import FUNCTION_WORDS
from corpus.unspaced import words_of


def asked_words(query: str) -> list[str]:
    """The words of a query that a lexical search looks for, each once: function words only if there are no others.

    Of a script without spaces a word is two characters with a space between: they must stand side by side.
    """
    words = list(dict.fromkeys(words_of(query.lower())))[:MAX_QUERY_WORDS]
    return [word for word in words if word not in FUNCTION_WORDS] or words


def storable(text: str) -> str:
    """The text without lone surrogates, which no database can take; no stored id has any."""
    return text.encode("utf-8", "replace").decode()


def check_vectors(keys: Sequence[int], vectors: NDArray[np.float32]) -> None:
    """Raise ValueError if there isn't one vector for each key, and ModelError if a number isn't finite."""
    if vectors.ndim != 2 or len(vectors) != len(keys):
        raise ValueError(f"{len(keys)} keys need as many vectors, not an array of shape {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise ModelError(
            "The embedding model made vectors that aren't numbers.", "Use another model, or full precision."
        )


def row_of(insight: Insight) -> list[str]:
    """An insight's FIELDS as SQLite stores them: texts, the tags as JSON."""
    values = {name: getattr(insight, name) for name in FIELDS}
    return list((values | {"tags": json.dumps(insight.tags, ensure_ascii=False)}).values())


def insight_of(row: Sequence[Any]) -> Insight:
    """What `row_of` made a row of."""
    values = dict(zip(FIELDS, row, strict=True))
    return Insight(**values | {"tags": tuple(json.loads(values["tags"]))})
