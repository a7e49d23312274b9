"""Another embedder is one option away: any folder with a sentence-transformers model, and what then changes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from corpus.insight import make_insight
from corpus.library import Library, open_library
from rag.config import Config
from rag.datatypes import Status
from rag.embed import Embedder, open_embedder
from rag.pipeline import Pipeline
from rag.read import fitted_to, load_reader
from rag.write import QuoteWriter
from tests.fakes import OverlapScorer
from ui.doctor import examine

INSIGHTS = {
    "zh": "绳子湿了会收缩。每个水手都知道这一点。",
    "de": "Ein nasses Seil wird kürzer. Das weiß jeder Matrose.",
    "en": "Rope shrinks when it is wet. Every sailor knows that.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights in 16 dimensions that reads single characters; its mean is taken."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    made = tmp_path_factory.mktemp("models")
    characters = sorted(set("".join(INSIGHTS.values()).lower()) | set("abcdefghijklmnopqrstuvwxyz:?"))
    pieces = [form for c in characters if c.strip() for form in (c, f"##{c}")]
    (made / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]), encoding="utf-8"
    )
    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=len(pieces) + 5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(settings).save_pretrained(made / "tiny-multilingual")
    BertTokenizerFast(str(made / "vocab.txt")).save_pretrained(made / "tiny-multilingual")
    return made / "tiny-multilingual"


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Embedder:
    return open_embedder(str(folder))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "three.db", create=True) as library:
        library.add(make_insight(text, insight_id=name) for name, text in INSIGHTS.items())
        yield library


def test_any_folder_makes_unit_vectors(embedder: Embedder) -> None:
    vectors = embedder.encode_document(list(INSIGHTS.values()))
    assert vectors.shape == (3, embedder.dimensions) == (3, 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors, embedder.encode_query(list(INSIGHTS.values())), atol=1e-5), "it has no prompts"


def test_e5_gets_the_prompts_that_its_files_lack(folder: Path, embedder: Embedder) -> None:
    named = shutil.copytree(folder, folder.parent / "multilingual-e5-tiny")
    e5 = open_embedder(str(named))
    assert np.allclose(e5.encode_query(["rope"]), embedder.encode_query(["query: rope"]), atol=1e-5)
    assert np.allclose(e5.encode_document(["rope"]), embedder.encode_query(["passage: rope"]), atol=1e-5)
    assert e5.fingerprint.endswith("+prompts"), "vectors without them are never compared with these"
    assert not embedder.fingerprint.endswith("+prompts")


def test_under_an_embedder_that_the_reader_does_not_know_only_quotes_are_shown(
    embedder: Embedder, library: Library
) -> None:
    config = Config(caution="lenient")
    reader = load_reader(embedder, OverlapScorer(), OverlapScorer())
    pipeline = Pipeline(library, config, embedder, reader, QuoteWriter("", config))
    for question in (
        "Does rope shrink when it is wet?",
        "绳子湿了会怎样？",
        "Was weiß jeder Matrose?",
        "什么？",
        "?एक",
    ):
        answer = pipeline.ask(question)
        assert answer.status in Status
        for claim in answer.claims:
            (cited,) = claim.citations
            assert answer.hit(cited.passage_id).insight.text[cited.start : cited.end] == claim.text


def test_the_doctor_says_that_the_reader_knows_another(folder: Path, tmp_path: Path, library: Library) -> None:
    found = examine(str(tmp_path / "three.db"), Config(embedder=str(folder), writer="quote"))
    told = next(finding for finding in found if finding.part == "embedder")
    assert told.ok
    assert "the reader was fitted to another" in told.text
    assert fitted_to().startswith("footnoted-embedder@")
