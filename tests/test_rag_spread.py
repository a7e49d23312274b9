"""A short list isn't five versions of one thought; without any nothing moves."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from rag.config import Config
from rag.datatypes import Evidence, Hit
from rag.index import open_index
from rag.pipeline import Pipeline
from rag.spread import spread
from rag.write import QuoteWriter
from tests.fakes import HashEmbedder, OpenReader, WordReader

VERSIONS = [
    "Tarred ropes outlast winters in northern harbours.",
    "Tarred ropes outlast winters in most northern harbours.",
    "Tarred ropes outlast all winters in northern harbours.",
]
OTHERS = ["Sailmakers charge extra for ropes.", "Ropes frighten horses near churches."]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "ropes.db", create=True) as library:
        texts = {
            **{f"v{n}": text for n, text in enumerate(VERSIONS)},
            **{f"o{n}": text for n, text in enumerate(OTHERS)},
        }
        library.add(make_insight(text, insight_id=name) for name, text in texts.items())
        yield library


def pipeline(library: Library, reader: WordReader | OpenReader, max_evidence: int = 3) -> Pipeline:
    config = Config(max_evidence=max_evidence)
    return Pipeline(library, config, HashEmbedder(), reader, QuoteWriter("", config))


def ids(hits: list[Hit]) -> list[str]:
    return [hit.insight.insight_id for hit in hits]


def test_a_search_shows_one_version_before_other_thoughts(library: Library) -> None:
    ropes = pipeline(library, OpenReader())
    plain, diverse = ropes.search("tarred ropes winters", 3), ropes.search("tarred ropes winters", 3, diverse=True)
    assert {name[0] for name in ids(plain)} == {"v"}
    assert ids(diverse)[0] == ids(plain)[0]
    assert [name[0] for name in ids(diverse)] == ["v", "o", "o"]
    assert [hit.rank for hit in diverse] == [1, 2, 3]
    assert len(ropes.search("tarred ropes winters", 9, diverse=True)) == 5, "set back, not left out"


def test_what_is_not_alike_keeps_its_order(tmp_path: Path, six_insights: list[Insight]) -> None:
    with open_library(tmp_path / "six.db", create=True) as library:
        library.add(six_insights)
        six = pipeline(library, OpenReader())
        assert ids(six.search("trains", 6, diverse=True)) == ids(six.search("trains", 6))


def test_a_passage_that_is_gone_keeps_its_place(library: Library) -> None:
    hits = pipeline(library, OpenReader()).search("tarred ropes winters", 5)
    index = open_index(library, HashEmbedder())
    library.remove([hits[0].insight.insight_id])
    order = spread(hits, library, index)
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order[0] == 0
    assert spread([], library, index) == []


def test_the_nearest_of_a_refused_question_are_several_thoughts(library: Library) -> None:
    class Refusing(WordReader):
        def answerable(self, question: str, evidence: Sequence[Evidence]) -> float:
            return 0.0

    answer = pipeline(library, Refusing()).ask("Do tarred ropes outlast winters?")
    assert sorted(name[0] for name in ids(list(answer.nearest))) == ["o", "o", "v"]


def test_the_sources_of_an_answer_are_several_thoughts_where_more_fit_than_are_shown(library: Library) -> None:
    class Generous(WordReader):
        def find(self, question: str, hits: Sequence[Hit]) -> list[Evidence]:
            return [Evidence(e.hit, e.citation, 0.95) for e in super().find(question, hits)]

    answer = pipeline(library, Generous(), max_evidence=2).ask("Do tarred ropes outlast winters?")
    assert [e.hit.insight.insight_id[0] for e in answer.evidence] == ["v", "o"]
    every = pipeline(library, Generous(), max_evidence=5).ask("Do tarred ropes outlast winters?")
    assert len(every.evidence) == 5, "nothing is left out where there is room"
