"""Shared by all tests: six insights, deterministic fakes for the models, and no network."""

import hashlib
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from corpus.insight import Insight, make_insight

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection off this machine fails the test: Footnoted needs no network."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in ("FOOTNOTED_LIBRARY", "FOOTNOTED_WRITER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def six_insights() -> list[Insight]:
    """Two topics, one number each, two names: enough to tell right from wrong."""
    rows = [
        ("s1", "Rail freight loses to lorries on the last mile. Quill Logistics moved 40% of its parcels by night train.", "Tracks"),
        ("s2", "Night trains fill with tourists, not commuters. Ottavia Brandt counted 310 suitcases on one sleeper.", "Tracks"),
        ("s3", "Ovens lose a third of their heat through the door. A baker in Lindow saved 12% by adding a second pane.", "Crumb"),
        ("s4", "Sourdough keeps longer because acid slows mould. Loaves from Harrow Mill lasted nine days.", "Crumb"),
        ("s5", "Cheap yeast ended the village starter. By 1931 only four of sixty bakeries kept their own.", "Crumb"),
        ("s6", "Freight cars stand idle for two thirds of their life, which makes scheduling worth more than speed.", "Tracks"),
    ]  # fmt: skip
    return [make_insight(text, insight_id=id_, source=source, date="2024-05-01") for id_, text, source in rows]


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
        return (total / np.linalg.norm(total)).astype(np.float32)


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()
