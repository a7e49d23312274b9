"""Parts taken out of the pipeline: the rest stays, and a run says what was missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.library import Library, open_library
from eval.ablations import ABLATIONS, ablated
from eval.cli import add_arguments
from eval.cli import main as run_command
from rag.config import Config
from rag.datatypes import Verdict
from rag.pipeline import Pipeline
from tests.fakes import HashEmbedder, OpenReader, ScriptedWriter

INVENTED = "The 2022 World Cup was won by China."


@pytest.fixture
def pipeline(six: Path) -> Iterator[Pipeline]:
    with open_library(six) as library:
        yield Pipeline(library, Config(), HashEmbedder(), OpenReader(), ScriptedWriter(INVENTED))


def test_without_the_verifier_what_the_writer_invents_is_shown(pipeline: Pipeline) -> None:
    question = "Who counted suitcases?"
    assert INVENTED not in [claim.text for claim in pipeline.ask(question).claims]
    answer = ablated(pipeline, ["verifier"]).ask(question)
    (claim,) = [claim for claim in answer.claims if claim.text == INVENTED]
    assert claim.verdict is Verdict.UNCHECKED
    assert claim.citations == (answer.evidence[0].citation,)


def test_without_reranking_the_passages_stay_as_retrieval_found_them(pipeline: Pipeline) -> None:
    questions = [f"What is said of {word}?" for word in "suitcases bread rivers trains glaciers sleep markets".split()]
    plain = [[hit.rank for hit in pipeline.ask(question).hits] for question in questions]
    left = [[hit.rank for hit in ablated(pipeline, ["rerank"]).ask(question).hits] for question in questions]
    assert all(ranks == sorted(ranks) for ranks in left)
    assert any(ranks != sorted(ranks) for ranks in plain), "or the test shows nothing"


def test_every_ablation_shows_in_a_fingerprint_or_the_verdicts(pipeline: Pipeline) -> None:
    for name in ABLATIONS:
        other = ablated(pipeline, [name])
        assert (other.reader.fingerprint, other.check) != (pipeline.reader.fingerprint, pipeline.check)


def test_the_command_names_what_it_did_without(
    six: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import argparse
    import json

    def opened(library: Library, config: Config, report: object = None) -> Pipeline:
        return Pipeline(library, config, HashEmbedder(), OpenReader(), ScriptedWriter(INVENTED))

    monkeypatch.setattr("rag.pipeline.open_pipeline", opened)
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"question": "Who counted suitcases?", "insight_ids": ["s1"]}\n', encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = [str(questions), "--library", str(six), "--without", "verifier", "--json", str(tmp_path)]
    assert run_command(parser.parse_args(words)) == 0
    (file,) = tmp_path.glob("*without-verifier.json")
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["config"]["without"] == "verifier"
    assert written["command"].endswith("--without verifier")
    assert INVENTED in [claim["text"] for claim in written["rows"][0]["claims"]]
