"""Embedding elsewhere: whatever becomes of the workers, every passage gets its vector once, and the right one."""

import secrets
import signal
import sys
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpus.errors import ModelError, UsageError
from corpus.insight import make_insight
from corpus.library import Library, open_library
from rag.index import embed_missing
from rag.workers import here, named_workers, on_ray
from tests.fakes import HashEmbedder
from tests.ray_embedders import Watched, begun, deadly, foreign, missing
from tests.scripted_server import nothing_listens
from tests.waiting import wait_for

TEXTS = [f"Shed {n} in Port {n % 7} held {n * 3} crates of rope." for n in range(40)]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setattr("rag.index.BATCH", 4)
    with open_library(tmp_path / "sheds.db", create=True) as library:
        library.add([make_insight(text) for text in TEXTS])
        yield library


# -------------------------------------------------------------------------------------------------- in this process


def test_progress_is_told_from_nothing_to_all(library: Library) -> None:
    told: list[tuple[int, int]] = []
    embed_missing(library, HashEmbedder(), lambda task, done, total: told.append((done, total)))
    assert told == [(done, 40) for done in range(0, 41, 4)]
    told.clear()
    embed_missing(library, HashEmbedder(), lambda task, done, total: told.append((done, total)))
    assert told == []


def test_batches_may_come_back_in_any_order(library: Library) -> None:
    def backwards(embedder: Any, batches: Any) -> Any:
        return reversed(list(here(embedder, batches)))

    keys, vectors = embed_missing(library, HashEmbedder(), workers=backwards)
    assert_right(library, keys, vectors)


@pytest.mark.parametrize("name", ["", "2", "rays", "http://host:10001"])
def test_workers_that_are_none_are_told(name: str) -> None:
    with pytest.raises(UsageError, match="There are no workers called"):
        named_workers(name, "m")


def test_a_missing_package_is_told_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install '\.\[ray\]'"):
        named_workers("ray", "m")


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_is_not_there_is_told_at_once(
    library: Library, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nothing_listens() as url:
        address = scheme + url.removeprefix("http://").removesuffix("/v1")
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(UsageError) as raised:
            embed_missing(library, HashEmbedder(), workers=on_ray("m", address if scheme else None))
    assert f"The Ray cluster {address} can't be reached (nothing listens there). Start it" in str(raised.value)
    assert len(library.missing("hash-embedder-1")) == len(TEXTS)


def test_no_cluster_is_joined_when_nothing_is_missing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    embed_missing(library, HashEmbedder())
    with nothing_listens() as url:
        keys, vectors = embed_missing(
            library, HashEmbedder(), workers=on_ray("m", url.replace("http", "ray").removesuffix("/v1"))
        )
    assert_right(library, keys, vectors)


def assert_right(library: Library, keys: np.ndarray, vectors: np.ndarray) -> None:
    """Every passage has the vector that it gets without workers, once."""
    passages = library.passages(keys.tolist())
    assert len(passages) == len(keys) == library.passage_count() == len(TEXTS)
    assert np.array_equal(vectors, HashEmbedder().encode_document([passages[key][0].text for key in keys.tolist()]))


# --------------------------------------------------------------------------------------------------- on two machines


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each, on this machine; the second one is there to be killed."""
    terminated = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as environment:
        # Ray listens on all of this machine's addresses: a token of our own, or it would make one in the home folder.
        environment.setenv("RAY_AUTH_MODE", "token")
        environment.setenv("RAY_AUTH_TOKEN", secrets.token_hex())
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        pytest.importorskip("ray")
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        cluster.add_node(**node)
        yield cluster
        cluster.shutdown()
    signal.signal(signal.SIGTERM, terminated)  # or it would be Ray's for the rest of the tests


@pytest.fixture
def on_cluster(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{cluster.address.rpartition(':')[2]}")


def slow(test: Any) -> Any:
    """The marks of a test on the cluster. Ray's own warnings aren't ours to mend."""
    for mark in (pytest.mark.slow, pytest.mark.usefixtures("on_cluster"), pytest.mark.filterwarnings("ignore")):
        test = mark(test)
    return test


def nowhere_else() -> Any:
    """A maker of embedders from a module that no other process has."""
    module = types.ModuleType("only_here")
    exec("def make(name):\n    pass", module.__dict__)
    sys.modules["only_here"] = module
    return module.__dict__["make"]


@slow
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (foreign, "A worker's embedder is foreign-1, not hash-embedder-1 as here. Install the same Footnoted"),
        (missing, "The workers can't embed: There is no model 'm' here. Install it. Install the same Footnoted"),
        (nowhere_else(), "The workers can't embed: System error: No module named 'only_here'. Install the same"),
    ],
)
def test_workers_that_cannot_do_it_are_told(library: Library, make: Any, sentence: str) -> None:
    with pytest.raises(ModelError) as raised:
        embed_missing(library, HashEmbedder(), workers=on_ray("m", make=make))
    assert str(raised.value).startswith(sentence)
    assert len(library.missing("hash-embedder-1")) == len(TEXTS)


@slow
def test_a_batch_that_kills_its_workers_costs_no_other(library: Library) -> None:
    library.add([make_insight("A deadly text.", insight_id="deadly")])
    with pytest.raises(ModelError, match=r"^1 passages weren't embedded.*run the same command again"):
        embed_missing(library, HashEmbedder(), workers=on_ray("m", make=deadly))
    assert [text for _, text in library.missing("hash-embedder-1")] == ["A deadly text."]


@slow
def test_a_machine_that_dies_half_way_loses_nothing_and_does_nothing_twice(
    library: Library, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node,) = cluster.worker_nodes
    folder = tmp_path / "begun"
    folder.mkdir()
    (folder / "victim").write_text(node.node_id)
    stored: Counter[int] = Counter()
    put = library.put_vectors

    def counted(fingerprint: str, keys: Sequence[int], vectors: np.ndarray) -> None:
        stored.update(keys)
        put(fingerprint, keys, vectors)

    monkeypatch.setattr(library, "put_vectors", counted)

    def kill(task: str, done: int, total: int) -> None:
        if done >= total // 2 and cluster.worker_nodes:
            wait_for(lambda: len(begun(folder / node.node_id)) == 2)
            cluster.remove_node(node, allow_graceful=False)

    keys, vectors = embed_missing(library, HashEmbedder(), kill, on_ray(str(folder), make=Watched))
    assert_right(library, keys, vectors)
    assert set(stored) == set(keys.tolist())
    assert set(stored.values()) == {1}
    first, cut_off = begun(folder / node.node_id)
    starts = Counter(text for notes in folder.iterdir() if notes.name != "victim" for text in begun(notes))
    assert starts[first] == 1  # what was done before the machine died isn't done again
    assert starts[cut_off] == 2
    assert len(starts) == len(TEXTS) / 4
