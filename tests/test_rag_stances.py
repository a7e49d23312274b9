"""For or against a claim: what the models say, what no model may say, and what is quoted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.insight import Insight, Passage, make_insight
from corpus.library import open_library
from rag.config import Config
from rag.datatypes import Hit
from rag.pipeline import Pipeline
from rag.read import Logistic, LogisticReader, load_reader
from rag.stances import Stance, Stances, Stand, load_stances, may_disagree, scorers_of, share, stance_features, stand
from rag.write import QuoteWriter
from tests.fakes import HashEmbedder, OpenReader, OverlapScorer

ROPE = "Rope shrinks when it is wet. Ida Quill measured 7% at Port Harrow. Nobody asked why."


class Judge(OverlapScorer):
    """Supports what holds none of the words that it is told to doubt."""

    def __init__(self, doubted: str = "grows") -> None:
        self.doubted = doubted
        self.read: list[str] = []

    def supports(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        self.read += texts
        return [-5.0 if self.doubted in sentence else 5.0] * len(texts)


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
def reader(judge: Judge) -> LogisticReader:
    return load_reader(HashEmbedder(), OverlapScorer(), judge)


@pytest.fixture
def stances(reader: LogisticReader) -> Stances:
    """Models that go by the judge alone."""
    return Stances(Logistic(0.0, {"judge": 1.0}), Logistic(0.0, {"judge": -1.0}), 0.9, 0.9, scorers_of(reader))


def hit_of(text: str, start: int = 0) -> Hit:
    insight = Insight(insight_id="i", text="x" * start + text)
    return Hit(Passage("i#0", "i", text, start, start + len(text)), insight, 0.5, 1, {"dense": 0.5})


def one(claim: str, text: str, reader: LogisticReader, stances: Stances, start: int = 0) -> Stand:
    (found,) = stand(claim, [hit_of(text, start)], reader, stances)
    return found


def test_what_supports_and_what_disagrees_are_told_with_their_quotes(reader: LogisticReader, stances: Stances) -> None:
    supports = one("Wet rope shrinks.", ROPE, reader, stances, start=3)
    assert (supports.stance, supports.quotes) == (Stance.SUPPORTS, ["Rope shrinks when it is wet."])
    assert supports.citations[0].start == 3
    assert supports.probability > 0.99
    disagrees = one("Rope grows when it is wet.", ROPE, reader, stances)
    assert (disagrees.stance, disagrees.quotes) == (Stance.DISAGREES, ["Rope shrinks when it is wet."])


def test_what_shares_too_few_words_is_silent_and_no_model_reads_it(
    reader: LogisticReader, stances: Stances, judge: Judge
) -> None:
    found = one("Bread rises in a warm kitchen.", ROPE, reader, stances)
    assert (found.stance, found.citations, found.probability) == (Stance.SILENT, (), 0.0)
    assert judge.read == []


def test_what_stands_there_verbatim_is_supported_whatever_the_models_say(
    reader: LogisticReader, stances: Stances, judge: Judge
) -> None:
    judge.doubted = "measured"
    assert one("Ida Quill measured 7% at Port Harrow.", ROPE, reader, stances).stance is Stance.SUPPORTS
    assert judge.read == []


@pytest.mark.parametrize("claim", ["Ida Quill measured 9% at Port Harrow.", "Otto Quill measured 7% at Port Harrow."])
def test_another_number_or_name_is_never_supported(claim: str, reader: LogisticReader, stances: Stances) -> None:
    assert one(claim, ROPE, reader, stances).stance is Stance.UNCLEAR


@pytest.mark.parametrize(
    "claim",
    [
        "Wet grows.",  # says too little
        "Ada Brand says that rope grows when it is wet.",  # of whom the insight doesn't speak
    ],
)
def test_what_cannot_be_disagreed_with(claim: str, reader: LogisticReader, stances: Stances) -> None:
    assert one(claim, ROPE, reader, stances).stance is Stance.UNCLEAR


def test_between_the_cuts_it_is_unclear(reader: LogisticReader, stances: Stances) -> None:
    unsure = replace(stances, supports=Logistic(0.0, {}), disagrees=Logistic(0.0, {}))
    found = one("Wet rope shrinks.", ROPE, reader, unsure)
    assert (found.stance, found.probability) == (Stance.UNCLEAR, 0.0)
    assert found.quotes == ["Rope shrinks when it is wet."]


def test_models_that_it_was_not_fitted_to_are_not_trusted(
    reader: LogisticReader, stances: Stances, judge: Judge
) -> None:
    others = replace(stances, fitted_to=("another", "judge"))
    assert one("Rope grows when it is wet.", ROPE, reader, others).stance is Stance.UNCLEAR
    assert stand("Rope grows when it is wet.", [hit_of(ROPE)], OpenReader(), stances)[0].stance is Stance.UNCLEAR
    assert judge.read == []


def test_the_models_that_ship_take_the_features_that_there_are(reader: LogisticReader) -> None:
    shipped = load_stances()
    features = stance_features("Wet rope shrinks.", ROPE, 0.5, reader)
    assert shipped.supports.weights.keys() == shipped.disagrees.weights.keys() == features.keys()
    assert 0 <= shipped.supports(features) <= 1
    assert 0.5 < shipped.least_support < 1
    assert 0.5 < shipped.least_disagreement < 1
    assert len(shipped.fitted_to) == len(scorers_of(reader))


@given(claim=st.text(max_size=60), text=st.text(min_size=1, max_size=120).filter(str.strip))
def test_whatever_is_claimed_the_quotes_are_in_the_insight(claim: str, text: str) -> None:
    reader = load_reader(HashEmbedder(), OverlapScorer(), Judge())
    stances = Stances(Logistic(0.0, {"judge": 1.0}), Logistic(0.0, {"judge": -1.0}), 0.9, 0.9, scorers_of(reader))
    found = one(claim, text, reader, stances)
    assert 0.0 <= share(claim, text) <= 1.0
    assert (found.stance is Stance.SILENT) == (found.citations == ())
    assert all(quote and quote in text for quote in found.quotes)
    assert not (found.stance is Stance.DISAGREES and not may_disagree(claim, text))


def test_a_library_is_asked_by_the_pipeline(tmp_path: Path, judge: Judge, reader: LogisticReader) -> None:
    with open_library(tmp_path / "l.db", create=True) as library:
        library.add(
            [make_insight(ROPE, insight_id="rope"), make_insight("Ovens lose heat at night.", insight_id="oven")]
        )
        pipeline = Pipeline(library, Config(), HashEmbedder(), reader, QuoteWriter("", Config()))
        found = pipeline.check_claim("Ida Quill measured 7% at Port Harrow.")
        assert [(each.hit.insight.insight_id, each.stance) for each in found] == [
            ("rope", Stance.SUPPORTS),
            ("oven", Stance.SILENT),
        ]
        assert len(pipeline.check_claim("Rope shrinks.", k=1)) == 1
