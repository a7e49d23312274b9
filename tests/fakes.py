"""Deterministic stand-ins for the models, through the same seams as the real ones."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rag.datatypes import Draft, Evidence, Hit
from rag.prompt import Message
from rag.read import Cuts, load_reader
from rag.words import content
from rag.write import Stopped, never


class HashEmbedder:
    """Bag of words, each word a fixed random direction from its SHA-256: equal words make similar vectors."""

    fingerprint = "hash-embedder-1"
    dimensions = 64

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode(texts)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded += texts
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._vector(text) for text in texts]) if texts else np.empty((0, 64), np.float32)

    def _vector(self, text: str) -> np.ndarray:
        total = np.full(self.dimensions, 1e-6)
        for word in re.findall(r"\w+", text.casefold()):
            seed = int.from_bytes(hashlib.sha256(word[:6].encode()).digest()[:8])
            total += np.random.default_rng(seed).standard_normal(self.dimensions) * len(word)
        return np.asarray(total / np.linalg.norm(total), np.float32)


class ScriptedWriter:
    """Writes the given text, a word a draft, and keeps what it was asked."""

    fingerprint = "scripted-writer"

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[Sequence[Message]] = []

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        self.asked.append(messages)
        pieces = self.text.split(" ")
        for count in range(1, len(pieces) + 1):
            if stopped():
                return
            yield Draft(" ".join(pieces[:count]), self.fingerprint, 10, count)


class OverlapScorer:
    """Judges by the share of the first text's words that the second holds."""

    fingerprint = "overlap-scorer"

    def answers(self, question: str, passages: Sequence[str]) -> list[float]:
        return [self._logit(question, passage) for passage in passages]

    def supports(self, sentence: str, texts: Sequence[str]) -> list[float]:
        return [self._logit(sentence, text) for text in texts]

    def _logit(self, first: str, second: str) -> float:
        said, held = content(first), set(content(second))
        return 8.0 * sum(word in held for word in said) / (len(said) or 1) - 4.0


class OpenReader:
    """The fitted reader with its cuts wide open: it wasn't fitted to the fakes' cosines and scores."""

    def __init__(self, refuse: float = 0.0) -> None:
        self._reader = load_reader(HashEmbedder(), OverlapScorer())
        self.fingerprint = "open-reader"
        self._refuse = refuse

    def cuts(self, caution: str) -> Cuts:
        return Cuts(refuse=self._refuse, partly=0.0, relevance=0.99, support=0.2)

    def find(self, question: str, hits: Sequence[Hit]) -> list[Evidence]:
        return self._reader.find(question, hits)

    def answerable(self, question: str, evidence: Sequence[Evidence]) -> float:
        return self._reader.answerable(question, evidence)

    def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        return self._reader.support(question, sentence, texts)


def tiny_llama(layers: int) -> Any:
    """A chat model's layers in the smallest size that runs, with the same random weights each time."""
    import torch
    import transformers

    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=32,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=16,
        )
    ).eval()
