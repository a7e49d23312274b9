"""Texts to vectors. An `Embedder` is anything with this shape; EMBEDDERS names the ones that come with Footnoted."""

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.models import PACKAGES, TUNED, Report, best_device, best_dtype, find_weights, put_in, silent, unloadable

Vectors = NDArray[np.float32]

# E5 was trained with these before each text (Wang et al. 2022), and its files don't say so, as those of others do.
E5_PROMPTS = {"query": "query: ", "document": "passage: "}
_E5 = re.compile(r"(?:^|[-_/])e5[-_](?!.*instruct)", re.I)


class Embedder(Protocol):
    """Makes unit vectors: float32, one row a text, so that a dot product is a cosine."""

    @property
    def name(self) -> str:
        """The name by which `open_embedder` opens it again, from whatever folder."""

    @property
    def fingerprint(self) -> str:
        """Identifies the weights; vectors of different fingerprints are never compared."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimensions)."""

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, shape (len(texts), dimensions)."""


class SentenceTransformerEmbedder:
    """Any sentence-transformers model; the default is all-MiniLM-L6-v2 (Reimers and Gurevych 2019), tuned."""

    def __init__(self, name: str, report: Report = silent) -> None:
        weights = find_weights(name, report)
        report(f"Loading {name}", 0, 0)
        from sentence_transformers import SentenceTransformer

        try:
            self._model = SentenceTransformer(
                str(weights.folder), device=best_device(), model_kwargs={"dtype": best_dtype()}, local_files_only=True
            )
            if weights.tuned:
                put_in({"": self._model[0].auto_model}, weights.tuned)
        except Exception as error:
            raise unloadable(name, "an embedder", error) from error
        # A tokenizer can't be used by two threads at once: a question may come while an import is embedded.
        self._turn = threading.Lock()
        self.name = known_as(name)
        self.fingerprint = weights.fingerprint
        if _E5.search(name) and not any(self._model.prompts.values()):
            self._model.prompts.update(E5_PROMPTS)
            self.fingerprint += "+prompts"
        self.dimensions = int(self._model.get_embedding_dimension())

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, shape (len(texts), dimensions)."""
        return self._unit(self._model.encode_query, texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, shape (len(texts), dimensions)."""
        return self._unit(self._model.encode_document, texts)

    def _unit(self, encode: Callable[..., Any], texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        # Through a tensor, since numpy has no bfloat16; normalised here, in float32, where it is exact.
        with self._turn:
            rows = encode(list(texts), convert_to_tensor=True, show_progress_bar=False)
        vectors: Vectors = np.asarray(rows.float().cpu().numpy(), np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def known_as(name: str) -> str:
    """The name of a model from whatever folder: a path is made absolute."""
    name = name.removeprefix("local:")
    folder = Path(name).expanduser()
    return str(folder.resolve()) if name not in (*PACKAGES, *TUNED) and folder.is_dir() else name


EMBEDDERS: dict[str, Callable[[str, Report], Embedder]] = {"local": SentenceTransformerEmbedder}


def open_embedder(name: str, report: Report = silent) -> Embedder:
    """The embedder called `KIND:NAME`; without a kind it is a local model: a bare name, a folder or a hub id."""
    kind, _, rest = name.partition(":")
    return EMBEDDERS[kind](rest, report) if kind in EMBEDDERS else EMBEDDERS["local"](name, report)
