"""Deterministic stand-ins for the models, through the same seams as the real ones."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from corpus.errors import ModelError
from corpus.passages import sentences
from rag.datatypes import Citation, Draft, Evidence, Hit
from rag.nearest import Rows
from rag.prompt import Message
from rag.read import Cuts, load_reader
from rag.stop import Stopped, never
from rag.words import content


class HashEmbedder:
    """Bag of words, each word a fixed random direction from its SHA-256: equal words make similar vectors."""

    name = "hash"
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

    def supports(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        return [self._logit(f"{question} {sentence}", text) for text in texts]

    def _logit(self, first: str, second: str) -> float:
        said, held = content(first), set(content(second))
        return 8.0 * sum(word in held for word in said) / (len(said) or 1) - 4.0


class OpenReader:
    """The fitted reader with its cuts wide open: it wasn't fitted to the fakes' cosines and scores."""

    def __init__(self, refuse: float = 0.0) -> None:
        self._reader = load_reader(HashEmbedder(), OverlapScorer(), OverlapScorer())
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

    def tells(self, question: str, sentence: str, item: Evidence) -> bool:
        return True


class WordReader:
    """A passage answers as far as it holds the question's content words; so does each of its sentences."""

    fingerprint = "word-reader"

    def cuts(self, caution: str) -> Cuts:
        return Cuts(refuse=0.3, partly=0.6, relevance=0.9, support=0.5)

    def find(self, question: str, hits: Sequence[Hit]) -> list[Evidence]:
        found = []
        for hit in hits:
            text = hit.passage.text
            start, end = max(sentences(text), key=lambda span: _share(question, text[slice(*span)]))
            citation = Citation(hit.passage.passage_id, hit.passage.start + start, hit.passage.start + end)
            found.append(Evidence(hit, citation, _share(question, text)))
        return sorted(found, key=lambda e: (-e.relevance, e.hit.rank))

    def answerable(self, question: str, evidence: Sequence[Evidence]) -> float:
        return evidence[0].relevance if evidence else 0.0

    def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        return [_share(sentence, text) for text in texts]

    def tells(self, question: str, sentence: str, item: Evidence) -> bool:
        return True


def _share(said: str, text: str) -> float:
    wanted = set(content(said))
    return len(wanted & set(content(text))) / (len(wanted) or 1)


class AskingWriter:
    """Writes the question whose key stands in the last message, at the first or the second time of asking."""

    fingerprint = "asking-writer"

    def __init__(self, questions: Mapping[str, Sequence[str]]) -> None:
        self.questions = questions
        self.asked: list[str] = []

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        said = messages[-1].content
        self.asked.append(said)
        if "broken" in self.questions:
            raise ModelError("The writer doesn't answer.", "Start it.")
        turn = 1 if said.startswith("<note>") else 0
        for key, texts in self.questions.items():
            if key in said and len(texts) > turn:
                yield Draft(texts[turn], self.fingerprint)


def rows_of(keys: np.ndarray, vectors: np.ndarray) -> Rows:
    """Vectors in memory as an index is given them: by key, in batches of seven."""
    order = np.argsort(keys)
    keys, vectors = keys[order], vectors[order]

    def some(wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = np.isin(keys, wanted)
        return keys[there], vectors[there]

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((keys[at : at + 7], vectors[at : at + 7]) for at in range(0, len(keys), 7))

    return Rows(len(keys), vectors.shape[1], batches, some)


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
