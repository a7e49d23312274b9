"""The index file is a cache: whatever happens to it, searches are right."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from corpus.errors import LibraryError
from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from rag.index import FlatIndex, Index, embed_missing, open_index
from tests.fakes import HashEmbedder


@pytest.fixture
def library(tmp_path: Path, six_insights: list[Insight]) -> Iterator[Library]:
    with open_library(tmp_path / "six.db", create=True) as library:
        library.add(six_insights)
        yield library


def nearest(library: Library, index: Index, text: str) -> str:
    keys, _ = index.search(HashEmbedder().encode_query([text])[0], 1)
    return library.passages([int(keys[0])])[int(keys[0])][1].insight_id


def file_of(library: Library) -> Path:
    return library.path.with_name(library.path.name + ".index")


def test_it_is_saved_beside_the_library_and_loaded_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    open_index(library, HashEmbedder())
    assert file_of(library).is_file()
    monkeypatch.setattr(FlatIndex, "__init__", lambda *_: pytest.fail("it was built again"))
    assert nearest(library, open_index(library, HashEmbedder()), "Ottavia Brandt counted suitcases") == "s2"
    assert sorted(p.name for p in library.path.parent.iterdir() if "index" in p.name) == ["six.db.index"]


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


def empty(data: bytes) -> bytes:
    return b""


def noise(data: bytes) -> bytes:
    return os.urandom(len(data))


def foreign(data: bytes) -> bytes:
    head, _, rest = data.partition(b"\n")
    return json.dumps(json.loads(head) | {"embedder": "another"}).encode() + b"\n" + rest


def older(data: bytes) -> bytes:
    head, _, rest = data.partition(b"\n")
    return json.dumps(json.loads(head) | {"revision": "0-0"}).encode() + b"\n" + rest


@pytest.mark.parametrize("harm", [truncate, flip, empty, noise, foreign, older])
def test_a_damaged_foreign_or_stale_file_is_rebuilt(library: Library, harm: Callable[[bytes], bytes]) -> None:
    open_index(library, HashEmbedder())
    good = file_of(library).read_bytes()
    file_of(library).write_bytes(harm(good))
    assert nearest(library, open_index(library, HashEmbedder()), "Ottavia Brandt counted suitcases") == "s2"
    assert file_of(library).read_bytes() == good


def test_a_missing_file_is_rebuilt(library: Library) -> None:
    open_index(library, HashEmbedder())
    file_of(library).unlink()
    assert nearest(library, open_index(library, HashEmbedder()), "sourdough and mould") == "s4"
    assert file_of(library).is_file()


def test_only_what_is_new_is_embedded(library: Library) -> None:
    embedder = HashEmbedder()
    open_index(library, embedder)
    assert len(embedder.encoded) == 6
    open_index(library, embedder)
    assert len(embedder.encoded) == 6
    library.add([make_insight("Loaves from Harrow Mill lasted eight days.", insight_id="s4")])
    index = open_index(library, embedder)
    assert embedder.encoded[6:] == ["Loaves from Harrow Mill lasted eight days."]
    assert nearest(library, index, "Harrow Mill lasted eight days") == "s4"


def test_vectors_of_two_embedders_never_mix(library: Library) -> None:
    class Other(HashEmbedder):
        fingerprint = "other-1"
        dimensions = 16

    open_index(library, HashEmbedder())
    keys, vectors = embed_missing(library, Other())
    assert vectors.shape == (6, 16)
    assert len(keys) == 6
    assert library.vectors("hash-embedder-1")[1].shape == (6, 64)


def test_a_library_that_cannot_be_written_is_searched_all_the_same(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise LibraryError("The disk is full.", "Free some space.")

    monkeypatch.setattr(Library, "put_vectors", refuse)
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError("full")))
    assert nearest(library, open_index(library, HashEmbedder()), "Ottavia Brandt counted suitcases") == "s2"
    assert not file_of(library).exists()


class Interrupted(HashEmbedder):
    """An embedder during whose work another process adds an insight."""

    def __init__(self, library: Library) -> None:
        super().__init__()
        self._library = library
        self._waiting = True

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        if self._waiting:
            self._waiting = False
            self._library.add([make_insight("Corvo Coffee holds prepaid balances.", insight_id="late")])
        return super().encode_document(texts)


def test_what_is_added_while_embedding_is_not_taken_for_indexed(library: Library) -> None:
    open_index(library, Interrupted(library))
    assert nearest(library, open_index(library, HashEmbedder()), "Corvo Coffee holds prepaid balances") == "late"


def test_an_empty_library_has_an_empty_index(tmp_path: Path) -> None:
    with open_library(tmp_path / "none.db", create=True) as library:
        keys, _ = open_index(library, HashEmbedder()).search(np.ones(64, np.float32), 3)
        assert len(keys) == 0
