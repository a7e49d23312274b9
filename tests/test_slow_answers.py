"""The real models, from their packages, on the insights that ship: what a new user meets first."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from corpus.library import Library, open_library
from rag.config import Config
from rag.datatypes import Status, Verdict
from rag.models import PACKAGES, find_weights
from rag.pipeline import Pipeline, open_pipeline
from rag.write import open_writer
from ui.examples import DEMO

pytestmark = pytest.mark.slow

STEEL = DEMO[3]  # "Which historical trade practice …?"


@pytest.fixture(scope="module")
def demo() -> Iterator[Library]:
    with open_library("demo") as library:
        yield library


@pytest.fixture(scope="module")
def asked(demo: Library) -> Pipeline:
    return open_pipeline(demo, Config())


def test_the_question_on_steel_is_answered_from_the_right_insight(asked: Pipeline) -> None:
    answer = asked.ask(STEEL)
    assert answer.status in (Status.ANSWERED, Status.PARTLY)
    assert "dumping of steel" in " ".join(claim.text for claim in answer.claims)
    first = answer.claims[0].citations[0]
    assert "dumping of steel" in answer.hit(first.passage_id).insight.text


@pytest.mark.parametrize("question", DEMO[:-1])
def test_every_example_is_answered_and_every_sentence_footnoted(asked: Pipeline, question: str) -> None:
    answer = asked.ask(question)
    assert answer.status is not Status.NOT_IN_LIBRARY
    assert answer.claims
    for claim in answer.claims:
        assert claim.verdict is Verdict.SUPPORTED
        assert claim.citations


@pytest.mark.parametrize(
    "question", [DEMO[-1], "Who won the 2022 World Cup?", "What is the boiling point of tungsten?"]
)
def test_what_the_insights_do_not_hold_is_refused(asked: Pipeline, question: str) -> None:
    answer = asked.ask(question)
    assert answer.status is Status.NOT_IN_LIBRARY
    assert answer.claims == ()
    assert len(answer.nearest) == 3


def test_the_same_question_gets_the_same_answer(asked: Pipeline) -> None:
    first, second = asked.ask(DEMO[1]), asked.ask(DEMO[1])
    assert first.claims == second.claims
    assert replace(first.trace, seconds={}) == replace(second.trace, seconds={})


def test_an_endpoint_gets_the_same_checks(
    demo: Library, asked: Pipeline, transformers_serve: Callable[[], str]
) -> None:
    writer = open_writer(Config(writer=f"openai:{transformers_serve()}"))
    answer = replace(asked, writer=writer).ask(STEEL)
    assert answer.trace.tokens["completion"] > 0
    assert all(claim.verdict is Verdict.SUPPORTED and claim.citations for claim in answer.claims)
    assert answer.trace.models["writer"].startswith("openai:")


def test_the_packaged_models_are_the_pinned_ones_and_load_without_conversion_the_second_time() -> None:
    for name, package in PACKAGES.items():
        weights = find_weights(name)
        assert weights.fingerprint == f"{name}@{package.sha256[:12]}"
        assert any(path.suffix == ".safetensors" for path in weights.folder.iterdir())
    reports: list[str] = []
    find_weights("SmolLM2-135M-Instruct", lambda task, done, total: reports.append(task))
    assert not any(task.startswith("Converting") for task in reports)
