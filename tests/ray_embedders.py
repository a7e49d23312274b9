"""Embedders for the processes of a Ray cluster, which import them from here; each is made by a name."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corpus.errors import ModelError
from tests.fakes import HashEmbedder
from tests.waiting import wait_for


class Watched(HashEmbedder):
    """Notes each batch it begins in a folder. On one node, the victim, it never ends its second batch."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        import ray

        self._begun = Path(folder) / ray.get_runtime_context().get_node_id()
        self._victims = [Path(folder) / line for line in (Path(folder) / "victim").read_text().split()]

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        with self._begun.open("a") as notes:
            notes.write(f"{texts[0]}\n")
        if self._begun in self._victims:
            if len(begun(self._begun)) == 2:
                threading.Event().wait()
        else:  # the others leave the victim time to get there
            wait_for(lambda: all(len(begun(victim)) == 2 for victim in self._victims), 30)
        return super().encode_document(texts)


def begun(notes: Path) -> list[str]:
    """The first text of each batch that was begun on a node."""
    return notes.read_text().splitlines() if notes.exists() else []


class Deadly(HashEmbedder):
    """A text with the word "deadly" kills the process."""

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        if any("deadly" in text for text in texts):
            os._exit(1)
        return super().encode_document(texts)


class Foreign(HashEmbedder):
    """Other weights than the driver's."""

    fingerprint = "foreign-1"


def deadly(name: str) -> Deadly:
    return Deadly()


def foreign(name: str) -> Foreign:
    return Foreign()


def missing(name: str) -> HashEmbedder:
    raise ModelError(f"There is no model {name!r} here.", "Install it.")
