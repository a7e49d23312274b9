"""The index file is a cache: whatever happens to it, searches are right."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from corpus.errors import LibraryError
from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from rag.index import LibraryIndex, described, embed_missing, open_index
from rag.index_file import index_state
from rag.nearest import ExactIndex, FlatIndex, Index
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
    monkeypatch.setattr(FlatIndex, "build", lambda *_: pytest.fail("it was built again"))
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


def signed(data: bytes, **changes: object) -> bytes:
    """The file with another manifest, and the hash of what it holds then."""
    head, _, rest = data[:-32].partition(b"\n")
    changed = json.dumps(json.loads(head) | changes).encode() + b"\n" + rest
    return changed + hashlib.sha256(changed).digest()


def of_another_embedder(data: bytes) -> bytes:
    return signed(data, embedder="another")


def of_another_library(data: bytes) -> bytes:
    return signed(data, library="0123456789ab")


def of_a_later_state(data: bytes) -> bytes:
    return signed(data, revision=99)


def of_another_kind(data: bytes) -> bytes:
    return signed(data, kind="hnsw")


def of_no_manifest(data: bytes) -> bytes:
    rest = b"[]\n" + data[:-32].partition(b"\n")[2]
    return rest + hashlib.sha256(rest).digest()


HARMS = [truncate, flip, empty, noise, of_another_embedder, of_another_library, of_a_later_state, of_another_kind]


@pytest.mark.parametrize("harm", [*HARMS, of_no_manifest])
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

    monkeypatch.setattr(type(library), "put_vectors", refuse)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
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


# ------------------------------------------------------------------------------------------------ kept up to date


def crates(start: int, end: int) -> list[Insight]:
    return [make_insight(f"Crate {n} held {n * n} ropes.", insight_id=f"c{n}") for n in range(start, end)]


def check_against_a_new_one(library: Library, index: Index) -> None:
    """It finds what an index finds that is built of the library as it is, at the same scores."""
    keys, vectors = embed_missing(library, HashEmbedder())
    exact = ExactIndex(keys, vectors)
    for text in ("Crate 7 held ropes", "sourdough", "Ottavia Brandt"):
        query = HashEmbedder().encode_query([text])[0]
        for only in (None, keys[::2]):
            found, scores = index.search(query, 5, only)
            expected, theirs = exact.search(query, 5, only)
            assert found.tolist() == expected.tolist()
            np.testing.assert_allclose(scores, theirs, atol=1e-5)
    rebuilt = index.reconstruct(list(range(1, 99)))
    assert sorted(rebuilt) == keys.tolist()
    np.testing.assert_allclose(np.stack([rebuilt[int(key)] for key in keys]), vectors, atol=1e-6)


@pytest.mark.parametrize("kind", ["flat", "coded"])
@pytest.mark.parametrize("reopened", [False, True])
def test_what_is_added_and_removed_is_all_that_is_read(
    library: Library, kind: str, reopened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add(crates(0, 20))
    index = open_index(library, HashEmbedder(), kind)
    written = file_of(library).read_bytes()
    monkeypatch.setattr("rag.nearest.FlatIndex.build", lambda *_: pytest.fail("it was built again"))
    monkeypatch.setattr("rag.nearest.CodedIndex.build", lambda *_: pytest.fail("it was built again"))
    embedder = HashEmbedder()
    for change in (
        lambda: library.add(crates(20, 30)),
        lambda: library.remove(["c3", "s4"]),
        lambda: library.add([make_insight("Crate 5 held no ropes at all.", insight_id="c5")]),
        lambda: library.remove(["c29", "c28"]),
        lambda: library.add(crates(40, 41)),
        lambda: library.edit("c7", {"author": "Nobody"}),
    ):
        earlier = index
        change()
        index = open_index(library, embedder, kind, before=None if reopened else earlier)
        check_against_a_new_one(library, index)
        assert earlier is not index
    assert len(embedder.encoded) == 12
    assert file_of(library).read_bytes() == written
    assert index_state(library, embedder) == "current"
    assert "10 added since, 3 removed since" in described(library, embedder)


def test_an_index_that_answers_is_left_as_it_is(library: Library) -> None:
    before = open_index(library, HashEmbedder())
    query = HashEmbedder().encode_query(["Crate 7 held ropes"])[0]
    found = before.search(query, 20)[0].tolist()
    library.add(crates(0, 9))
    open_index(library, HashEmbedder(), before=before)
    assert before.search(query, 20)[0].tolist() == found


@pytest.mark.parametrize("kind", ["flat", "coded"])
def test_the_file_is_written_anew_when_much_has_changed(
    library: Library, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.index.FRESH", 4)
    library.add(crates(0, 20))
    before = open_index(library, HashEmbedder(), kind)
    written = file_of(library).read_bytes()
    library.add(crates(20, 24))
    index = open_index(library, HashEmbedder(), kind, before=before)
    assert file_of(library).read_bytes() == written
    library.add(crates(24, 25))
    index = open_index(library, HashEmbedder(), kind, before=index)
    assert file_of(library).read_bytes() != written
    assert "since" not in described(library, HashEmbedder())
    check_against_a_new_one(library, index)
    library.remove([f"c{n}" for n in range(6)])
    index = open_index(library, HashEmbedder(), kind, before=index)
    check_against_a_new_one(library, index)
    assert "since" not in index.description


def test_the_kind_follows_the_size(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.nearest.FLAT_UP_TO", 10)
    index = open_index(library, HashEmbedder())
    assert index.description.startswith("exact")
    library.add(crates(0, 5))
    index = open_index(library, HashEmbedder(), before=index)
    assert index.description.startswith("approximate")
    check_against_a_new_one(library, index)
    library.remove(["s1", "s2", "s3", "s4", "s5"])
    assert open_index(library, HashEmbedder()).description.startswith("approximate")
    library.remove(["s6"])
    assert open_index(library, HashEmbedder(), before=index).description.startswith("exact")


def test_keys_that_came_to_mean_others_are_noticed(library: Library, tmp_path: Path) -> None:
    """A copy is put back, and other insights are added: the same keys, a later state, and a file that knows neither."""
    open_index(library, HashEmbedder())
    library.close()
    copied = library.path.read_bytes()
    with open_library(library.path) as later:
        later.add(crates(0, 3))
        open_index(later, HashEmbedder(), "exact")
    library.path.write_bytes(copied)
    for beside in library.path.parent.glob("six.db-*"):
        beside.unlink()
    with open_library(library.path) as again:
        for n in range(5):
            again.add(crates(100 + n, 101 + n))
        check_against_a_new_one(again, open_index(again, HashEmbedder(), "exact"))


def test_vectors_that_were_lost_are_made_again(library: Library) -> None:
    """The file says that all have a vector; where one is gone all the same, the library is right."""
    index = open_index(library, HashEmbedder(), "coded")
    assert isinstance(index, LibraryIndex)
    with closing(sqlite3.connect(library.path)) as connection:
        connection.execute("DELETE FROM vectors WHERE key IN (2, 6)")
        connection.commit()
    library.add(crates(0, 1))
    open_index(library, HashEmbedder(), "flat")
    assert library.missing("hash-embedder-1") == []


def test_an_index_for_a_read_only_library_has_what_could_not_be_stored(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise LibraryError("The disk is full.", "Free some space.")

    index = open_index(library, HashEmbedder())
    library.add(crates(0, 3))
    monkeypatch.setattr(type(library), "put_vectors", refuse)
    index = open_index(library, HashEmbedder(), before=index)
    assert nearest(library, index, "Crate 2 held 4 ropes") == "c2"
    library.add(crates(3, 5))
    index = open_index(library, HashEmbedder(), before=index)
    assert {nearest(library, index, f"Crate {n} held {n * n} ropes") for n in range(5)} == {f"c{n}" for n in range(5)}
