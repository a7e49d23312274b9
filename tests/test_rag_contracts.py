"""What every entry of a registry must do. A new embedder, index, retriever or writer is tested here by being listed."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from itertools import chain, islice, pairwise, repeat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ModelError
from corpus.insight import Insight
from corpus.library import Library, open_library
from rag.config import CHOICES, Config
from rag.crossencoder import CrossEncoder, PairScorer
from rag.embed import EMBEDDERS, Embedder, open_embedder
from rag.index import open_index
from rag.judge import Judge
from rag.models import silent
from rag.nearest import INDEXES, ExactIndex, kind_for
from rag.prompt import Message
from rag.retrieve import RETRIEVERS, retrieve
from rag.write import WRITERS, Writer, open_writer
from tests.fakes import HashEmbedder, OverlapScorer, rows_of


def unit_rows(count: int, dimensions: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("kind", INDEXES)
@given(count=st.integers(1, 60), k=st.integers(0, 80), seed=st.integers(0, 999))
def test_every_index_agrees_with_the_exact_one(kind: str, count: int, k: int, seed: int) -> None:
    rows = unit_rows(count, 8, seed)
    rows[count // 2] = rows[0]  # a tie
    other = unit_rows(count, 8, seed + 2)
    keys = np.random.default_rng(seed).permutation(10 * count)[:count].astype(np.int64)
    query = unit_rows(1, 8, seed + 1)[0]
    expected_keys, expected_scores = ExactIndex(keys, rows).search(query, k)
    by_hand = sorted(zip((-(rows @ query)).tolist(), keys.tolist(), strict=True))[:k]
    np.testing.assert_allclose(expected_scores, [-score for score, _ in by_hand], atol=1e-6)

    index = INDEXES[kind].build(rows_of(keys, rows))
    file = BytesIO()
    index.write(file.write)
    file.seek(0)
    # All three have the same vectors: as built, as read from a file, and with others that are hidden again.
    more = INDEXES[kind].build(rows_of(np.append(keys, keys + 10**6), np.append(rows, other, axis=0)))
    for candidate in (index, INDEXES[kind].read(file, rows_of(keys, rows)), more.hiding(keys + 10**6)):
        found, scores = candidate.search(query, k)
        np.testing.assert_allclose(scores, expected_scores, atol=1e-6)
        assert set(found.tolist()) == set(expected_keys.tolist()) or k < count  # a tie may fall on either side of k
        assert found.dtype == np.int64
        rebuilt = candidate.reconstruct([*keys.tolist(), 10**9])  # the last one it doesn't have
        assert list(rebuilt) == keys.tolist()
        np.testing.assert_array_equal(np.stack(list(rebuilt.values())), rows)


@pytest.mark.parametrize("kind", INDEXES)
def test_ties_are_broken_by_key(kind: str) -> None:
    rows = np.repeat(unit_rows(1, 8, 0), 5, axis=0)
    found, _ = INDEXES[kind].build(rows_of(np.array([50, 10, 40, 20, 30], np.int64), rows)).search(rows[0], 5)
    assert found.tolist() == [10, 20, 30, 40, 50]


@pytest.mark.parametrize("kind", INDEXES)
def test_an_empty_index_finds_nothing(kind: str) -> None:
    index = INDEXES[kind].build(rows_of(np.empty(0, np.int64), np.empty((0, 8), np.float32)))
    found, scores = index.search(unit_rows(1, 8, 0)[0], 3)
    assert len(found) == len(scores) == 0
    assert index.reconstruct([1]) == {}


@pytest.mark.parametrize("kind", INDEXES)
@given(count=st.integers(3, 60), k=st.integers(1, 80), seed=st.integers(0, 999))
def test_an_index_that_grew_is_like_one_that_was_built_of_all(kind: str, count: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    keys, rows = np.sort(random.permutation(10 * count)[:count]), unit_rows(count, 8, seed)
    first = count - count // 3
    gone = random.choice(keys, count // 3, replace=False)
    left = ~np.isin(keys, gone)
    of_all = rows_of(keys, rows)
    index = INDEXES[kind].build(replace(rows_of(keys[:first], rows[:first]), some=of_all.some))
    grown = index.grown(keys[first:], rows[first:])
    if kind == "flat":
        assert grown is None  # it is built anew
        return
    assert grown is not None
    assert grown.keys.tolist() == keys.tolist()
    assert index.keys.tolist() == keys[:first].tolist()  # it is as it was
    query = unit_rows(1, 8, seed + 1)[0]
    expected, scores = ExactIndex(keys[left], rows[left]).search(query, k)
    found, theirs = grown.hiding(gone).search(query, k)
    assert found.tolist() == expected.tolist()
    np.testing.assert_allclose(theirs, scores, atol=1e-6)


def test_thousands_of_clustered_vectors_are_found_as_the_exact_index_finds_them() -> None:
    """More than the shortest codes let through. How it is in a million, `footnoted bench library` measures."""
    random = np.random.default_rng(0)
    rows = unit_rows(40, 32, 1)[random.integers(0, 40, 4000)] + 0.1 * random.standard_normal((4000, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    keys = np.arange(1, 4001)
    exact, index = ExactIndex(keys, rows), INDEXES["coded"].build(rows_of(keys, rows))
    shared = [
        len(set(exact.search(query, 10)[0].tolist()) & set(index.search(query, 10)[0].tolist())) for query in rows[:50]
    ]
    assert sum(shared) >= 0.98 * 500
    hidden = exact.search(rows[0], 1500)[0]  # all that the short codes let through is gone: the rest is looked at then
    found = index.hiding(hidden).search(rows[0], 10)[0]
    assert found.tolist() == exact.hiding(hidden).search(rows[0], 10)[0].tolist()
    narrow = keys[::97]
    for query in rows[:20]:  # few pass: none of them is lost
        np.testing.assert_array_equal(index.search(query, 10, narrow)[0], exact.search(query, 10, narrow)[0])


def test_the_size_chooses_the_kind_and_a_little_less_does_not_change_it() -> None:
    assert kind_for(0) == kind_for(100_000) == "flat"
    assert kind_for(100_001) == kind_for(100_001, "flat") == kind_for(60_000, "coded") == "coded"
    assert kind_for(50_000, "coded") == "flat"


def check_embedder(embedder: Embedder) -> None:
    texts = [
        "Ovens lose heat through the door.",
        "Night trains carry tourists.",
        "Ovens lose heat through the door.",
        "é",
    ]
    for encode in (embedder.encode_query, embedder.encode_document):
        rows = encode(texts)
        assert rows.shape == (4, embedder.dimensions)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(rows[0], rows[2], atol=1e-2)  # the same text beside others in a batch
        assert encode([]).shape == (0, embedder.dimensions)
    near, far = embedder.encode_document(["Heat leaves an oven at its door.", "Commuters avoid sleepers."]) @ rows[0]
    assert near > far
    assert embedder.fingerprint


def test_the_fake_embedder_keeps_the_contract(embedder: HashEmbedder) -> None:
    check_embedder(embedder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", EMBEDDERS)
def test_every_embedder_keeps_the_contract(kind: str) -> None:
    check_embedder(open_embedder(f"{kind}:{Config().embedder}"))


def check_scorer(scorer: PairScorer) -> None:
    oven = "Ovens lose heat through the door. Harrow Mill measured 40 degrees in a minute."
    train = "Night trains carry tourists, not commuters."
    right, wrong = scorer.answers("How fast do ovens at Harrow Mill lose heat?", [oven, train])
    assert right > wrong
    right, wrong = scorer.supports("Who rides at night?", "Night trains carry tourists, not commuters.", [train, oven])
    assert right > wrong
    assert scorer.answers("Why?", []) == scorer.supports("Why?", "So.", []) == []
    texts = [train, f"{oven} " * 60, "", "é", oven]
    assert len(scorer.answers("Why? " * 300, texts)) == len(texts)
    together = scorer.answers("Who rides at night?", [oven, train])
    alone = [scorer.answers("Who rides at night?", [text])[0] for text in (oven, train)]
    np.testing.assert_allclose(together, alone, atol=0.3)  # bfloat16, and other texts beside it
    together = scorer.supports("Who rides at night?", "Tourists do.", [oven, train])
    alone = [scorer.supports("Who rides at night?", "Tourists do.", [text])[0] for text in (oven, train)]
    np.testing.assert_allclose(together, alone, atol=0.3)
    assert scorer.fingerprint


def test_the_fake_scorer_keeps_the_contract() -> None:
    check_scorer(OverlapScorer())


@pytest.mark.slow
@pytest.mark.parametrize("scorer", [CrossEncoder, Judge])
def test_every_scorer_keeps_the_contract(scorer: Callable[[], PairScorer]) -> None:
    check_scorer(scorer())


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"", b"not a tensor in sight"])
def test_a_crossencoder_without_its_weights_is_a_sentence(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "c.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"Put back the c\.safetensors"):
        CrossEncoder(tmp_path / "c.safetensors")


@pytest.mark.parametrize("kind", RETRIEVERS)
def test_every_retriever_ranks_and_explains(kind: str, embedder: HashEmbedder, library: Library) -> None:
    index = open_index(library, embedder)
    hits = retrieve(
        "Who counted suitcases on a sleeper?", library, index, embedder, Config(retriever=kind, candidates=4)
    )
    assert hits[0].insight.insight_id == "s2"
    assert len(hits) <= 4
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(hit.signals for hit in hits)
    assert all(hit.insight.text[hit.passage.start : hit.passage.end] == hit.passage.text for hit in hits)


def test_every_retriever_can_be_chosen() -> None:
    assert set(CHOICES["retriever"]) == set(RETRIEVERS)


ASK = (Message("system", "Answer in one sentence."), Message("user", "What colour is the sky?"))


def check_writer(writer: Writer) -> None:
    drafts = list(writer.write(ASK))
    assert writer.fingerprint
    for earlier, later in pairwise(drafts):
        assert later.completion_tokens > earlier.completion_tokens
        assert len(later.text) >= len(earlier.text) - 1  # a half character may resolve into a shorter one
    stops = chain([False, False], repeat(True))
    assert len(list(islice(writer.write(ASK, lambda: next(stops)), 9))) <= 2
    assert [draft.text for draft in writer.write(ASK)] == [draft.text for draft in drafts]


def test_the_quote_writer_writes_nothing() -> None:
    writer = open_writer(Config(writer="quote"))
    check_writer(writer)
    assert list(writer.write(ASK)) == []


def writer_spec(kind: str, serve: Callable[[], str]) -> str:
    return {"local": Config().writer, "quote": "quote"}.get(kind) or f"openai:{serve()}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITERS)
def test_every_writer_keeps_the_contract(kind: str, transformers_serve: Callable[[], str]) -> None:
    writer = open_writer(Config(writer=writer_spec(kind, transformers_serve), max_new_tokens=12), silent)
    check_writer(writer)
    if kind != "quote":
        assert list(writer.write(ASK))[-1].text.strip()


@pytest.fixture
def library(tmp_path: Path, six_insights: list[Insight]) -> Library:
    library = open_library(tmp_path / "six.db", create=True)
    library.add(six_insights)
    return library
