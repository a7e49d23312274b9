"""The fit of what tells supporters of a claim from those that disagree."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import stances
from eval.stances import KINDS, RIGHT, cases, cut_at, judged
from rag.read import load_reader
from rag.stances import SHARED, load_stances, scorers_of, share
from rag.train.collections import Collection, Question
from tests.fakes import HashEmbedder, OverlapScorer

GOLD = [f"Crew {n} coiled the tarred rope behind shed {n} before the storm." for n in range(6)]


def collection(name: str) -> Collection:
    insights = {f"{name}-{n}": f"{text} Nobody in {name} thanked them." for n, text in enumerate(GOLD)}
    questions = [
        Question(f"Where did crew {n} go?", frozenset({f"{name}-{n}"}), ((text, (f"{name}-{n}",)),))
        for n, text in enumerate(GOLD)
    ]
    false = [(f"{name}-{n}", text.replace("before", "after")) for n, text in enumerate(GOLD)]
    return Collection(name, insights, questions, false)


@pytest.fixture
def collections(monkeypatch: pytest.MonkeyPatch) -> dict[str, Collection]:
    monkeypatch.setattr(stances, "open_embedder", lambda name: HashEmbedder())
    return {name: collection(name) for name in ("harbour", "valley")}


def test_each_claim_meets_its_insight_and_those_that_share_its_words(collections: dict[str, Collection]) -> None:
    found = cases(collections, ["valley"])
    assert {case.fold for case in found} == {"valley"}
    by_kind = {kind: [case for case in found if case.kind == kind] for kind in KINDS}
    assert [len(by_kind[kind]) for kind in ("supports", "disagrees", "added")] == [6, 6, 6]
    assert all(case.claim in case.text for case in by_kind["supports"])
    assert all("after" in case.claim and case.claim not in case.text for case in by_kind["disagrees"])
    assert all(case.claim.endswith(".") and case.claim not in case.text for case in by_kind["added"])
    assert by_kind["other"]
    assert all(share(case.claim, case.text) >= SHARED for case in by_kind["other"])
    assert all(-1.01 <= case.cosine <= 1.01 for case in found)


def test_what_can_be_told_apart_is(collections: dict[str, Collection]) -> None:
    found = cases(collections, ["harbour", "valley"])
    told = {"supports": 2.0, "disagrees": -2.0, "other": 0.0, "added": 0.0}
    features = [{"scorer": told[case.kind], "judge": abs(told[case.kind])} for case in found]
    reader = load_reader(HashEmbedder(), OverlapScorer(), OverlapScorer())
    report, data = judged(found, features, reader)
    figures = data["figures"]
    assert isinstance(figures, dict)
    assert figures["precision_supports"] == figures["precision_disagrees"] == 1.0
    assert figures["supports_told_supports"] == figures["disagrees_told_disagrees"] == 1.0
    assert figures["other_told_disagrees"] == figures["added_told_supports"] == 0.0
    assert "disagrees: right 1.000, found 1.000" in report


def test_what_cannot_be_told_apart_is_not_told(collections: dict[str, Collection]) -> None:
    found = cases(collections, ["harbour", "valley"])
    rng = np.random.default_rng(0)
    features = [{"scorer": float(rng.normal())} for _ in found]
    _, data = judged(found, features, load_reader(HashEmbedder(), OverlapScorer(), OverlapScorer()))
    figures = data["figures"]
    assert isinstance(figures, dict)
    assert figures["disagrees_told_disagrees"] <= 0.5


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0.1, 3)), min_size=1, max_size=60))
def test_above_the_cut_enough_is_right(rows: list[tuple[float, bool, float]]) -> None:
    scores, right, weights = (np.array(column) for column in zip(*rows, strict=True))
    cut = cut_at(scores, right, weights)
    if cut <= 1:
        kept = scores >= cut
        assert (weights * right)[kept].sum() / weights[kept].sum() >= RIGHT - 1e-9


def test_the_command_measures_and_writes_what_is_loaded(
    collections: dict[str, Collection],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reader = load_reader(HashEmbedder(), OverlapScorer(), OverlapScorer())
    monkeypatch.setattr(stances, "FILE", tmp_path / "stances.json")
    monkeypatch.setattr(stances, "load_collections", lambda folders: collections)
    monkeypatch.setattr(stances, "held_out", lambda folder: {"valley", "harbour"})
    monkeypatch.setattr(stances, "load_reader", lambda embedder: reader)
    assert stances.main([]) == 0
    assert not (tmp_path / "stances.json").exists()
    assert stances.main(["--fit"]) == 0
    assert "disagrees: right" in capsys.readouterr().out
    assert load_stances(tmp_path / "stances.json").fitted_to == scorers_of(reader)
