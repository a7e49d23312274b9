"""The library that a run asks: a copy that leaves its original alone, and holds what each question may see."""

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from corpus.errors import LibraryError
from corpus.insight import Insight
from corpus.library import Library, open_library
from eval.questions import Question
from eval.session import arrange, open_session, temporary_library, visible
from rag.config import Config
from rag.datatypes import Answer, Status, Turn
from rag.embed import Embedder
from rag.models import Report, silent
from rag.pipeline import Pipeline
from tests.fakes import HashEmbedder, OpenReader, ScriptedWriter


def question(among: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> Question:
    return Question("q", "direct", "Who counted suitcases?", (), (), "", "", True, "c", among=among, without=without)


def ids(library: Library) -> set[str]:
    return {insight.insight_id for insight in library.insights()}


@pytest.fixture
def scripted_pipeline(monkeypatch: pytest.MonkeyPatch) -> HashEmbedder:
    embedder = HashEmbedder()

    def opened(library: Library, config: Config, report: Report = silent) -> Pipeline:
        pipeline = Pipeline(library, config, embedder, OpenReader(), ScriptedWriter(""), report)
        _ = pipeline.index
        return pipeline

    monkeypatch.setattr("rag.pipeline.open_pipeline", opened)
    return embedder


def test_a_copy_holds_the_same_and_the_original_stays_byte_for_byte(six: Path) -> None:
    before = hashlib.sha256(six.read_bytes()).hexdigest()
    with temporary_library(six) as library:
        assert ids(library) == {"s1", "s2", "s3", "s4", "s5", "s6"}
        assert (library.check(), library.read_only) == ([], False)
        library.remove(["s1", "s2"])
        place = library.path.parent
    assert not place.exists()
    assert hashlib.sha256(six.read_bytes()).hexdigest() == before
    assert [path.name for path in six.parent.iterdir()] == ["six.db"], "no index and no helper file is left beside it"


def test_a_copy_holds_what_sqlite_has_not_yet_written_back(six: Path, six_insights: list[Insight]) -> None:
    with closing(sqlite3.connect(six, isolation_level=None)) as other:
        other.execute("DELETE FROM insights WHERE insight_id = 's1'")
        assert Path(f"{six}-wal").stat().st_size
        with temporary_library(six) as library:
            assert "s1" not in ids(library)


def test_the_vectors_come_along(six: Path, embedder: Embedder, scripted_pipeline: HashEmbedder) -> None:
    from rag.index import open_index

    with open_library(six) as library:
        open_index(library, embedder)
    with temporary_library(six) as library:
        open_session(library, library.insights(), Config(), silent)
    assert scripted_pipeline.encoded == [], "no passage is embedded again"


def test_the_demo_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path))
    with temporary_library("demo") as library:
        assert library.count() > 0
        library.remove([library.insights(limit=1)[0].insight_id])


def test_a_library_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="There is no library"), temporary_library(tmp_path / "no.db"):
        raise AssertionError("it was opened all the same")


def test_what_a_question_may_see(six_insights: list[Insight]) -> None:
    def seen(**scope: tuple[str, ...]) -> list[str]:
        return [insight.insight_id for insight in visible(six_insights, question(**scope))]

    assert seen() == ["s1", "s2", "s3", "s4", "s5", "s6"]
    assert seen(without=("s2", "zz")) == ["s1", "s3", "s4", "s5", "s6"]
    assert seen(among=("s5", "s2", "zz")) == ["s2", "s5"]
    assert seen(among=("s5", "s2"), without=("s2",)) == ["s5"]


def test_the_library_is_arranged_for_each_question(tmp_path: Path, six_insights: list[Insight]) -> None:
    with temporary_library() as library:
        for each in (question(), question(without=("s2",)), question(among=("s1", "s2")), question()):
            arrange(library, six_insights, each)
            assert ids(library) == {insight.insight_id for insight in visible(six_insights, each)}
        assert library.check() == []


def test_a_session_answers_from_what_each_question_may_see(
    six_insights: list[Insight], scripted_pipeline: HashEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_searched(self: Pipeline, text: str, history: Sequence[Turn] = ()) -> Answer:
        return Answer(text, Status.ANSWERED, hits=tuple(self.search(text)))

    monkeypatch.setattr(Pipeline, "ask", only_searched)
    with temporary_library() as library:
        arrange(library, six_insights, question())
        session = open_session(library, six_insights, Config(), silent)
        assert session.models == {"embedder": "hash-embedder-1", "reader": "open-reader", "writer": "scripted-writer"}

        def found(each: Question) -> list[str]:
            session.prepare(each)
            return [hit.insight.insight_id for hit in session.ask(each.text, ()).hits]

        assert (found(question())[0], len(found(question()))) == ("s2", 6)
        assert len(scripted_pipeline.encoded) == 6, "what stays as it was isn't embedded again"
        assert set(found(question(without=("s2",)))) == {"s1", "s3", "s4", "s5", "s6"}
        assert found(question(among=("s4", "s2"))) == ["s2", "s4"]
        assert (found(question())[0], len(found(question()))) == ("s2", 6)
