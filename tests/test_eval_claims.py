"""Labelled claims: how they are read, what the check makes of them, and figures worked out by hand."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import UsageError
from eval.claim_figures import Judgement, Shares, area, best_cut, draws, figures
from eval.claim_sets import LABELS, Labelled, drawn, load_claims
from eval.claims import judge, measure, text
from rag.models import Report
from rag.read import Reader
from tests.fakes import WordReader
from ui import cli

PREMISE = "Night trains fill with tourists. Ottavia Brandt counted 310 suitcases on one sleeper."
SAID = "Ottavia Brandt counted 310 suitcases on one sleeper."
INVENTED = "Ottavia Brandt counted 999 suitcases on one sleeper."
QUESTION = "Who counted suitcases?"


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def nli(label: object = "supported", **fields: Any) -> dict[str, Any]:
    return {"premise": PREMISE, "hypothesis": SAID, "label": label, **fields}


def claim(said: str = SAID, *premises: str, supported: bool = True, **fields: Any) -> Labelled:
    return Labelled("c", said, premises or (PREMISE,), supported, "supported", **{"question": QUESTION, **fields})


def judgement(supported: bool, support: float, *, passes: bool = True, **fields: Any) -> Judgement:
    label = "yes" if supported else "no"
    return Judgement("c", label, supported, support, passes, support if passes else 0.0, **fields)


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("label", "supported", "called"),
    [
        ("Fully attributable", True, "fully attributable"),
        ("Not fully attributable", False, "not fully attributable"),
        ("Generic", False, "generic"),
        ("partially_supported", False, "partially supported"),
        ("not_supported", False, "not supported"),
        ("entailment", True, "entailment"),
        (True, True, "supported"),
        (False, False, "not supported"),
    ],
)
def test_what_a_label_means(label: object, supported: bool, called: str, tmp_path: Path) -> None:
    found = load_claims(write(tmp_path / "n.jsonl", nli(label)))
    assert (found.name, found.form) == ("n", "nli")
    (only,) = found.claims
    assert (only.supported, only.label, only.claim_id) == (supported, called, "line 1")
    assert (only.text, only.premises, only.question, only.group) == (SAID, (PREMISE,), "", SAID)


def test_a_packed_file_with_ids_and_questions(tmp_path: Path) -> None:
    path = tmp_path / "nli_x_dev.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(nli(id="e7", question=QUESTION)).encode()))
    found = load_claims(path)
    assert found.name == "nli_x_dev"
    assert (found.claims[0].claim_id, found.claims[0].question) == ("e7", QUESTION)


def test_drafts(tmp_path: Path) -> None:
    row = {"question": QUESTION, "insight": PREMISE, "sentence": SAID, "supported": True, "answers": True, "why": ""}
    found = load_claims(write(tmp_path / "d.jsonl", row, {**row, "supported": False}))
    assert found.form == "drafts"
    assert [(c.supported, c.label) for c in found.claims] == [(True, "supported"), (False, "not supported")]
    assert (found.claims[0].text, found.claims[0].premises, found.claims[0].group) == (SAID, (PREMISE,), PREMISE)


def collection(**fields: Any) -> dict[str, Any]:
    return {
        "collection": "rail",
        "insights": [{"id": "a", "text": PREMISE}, {"id": "b", "text": "Freight cars stand idle."}],
        "questions": [
            {
                "id": "q1",
                "question": "And who?",
                "standalone": QUESTION,
                "answer": [{"text": SAID, "cites": ["a"]}, {"text": "Cars stand idle.", "cites": ["b"]}],
                "wrong": INVENTED,
            },
            {"id": "q2", "type": "unanswerable", "question": "How much?", "answer": [], "wrong": "Much."},
            {"question": "Idle?", "answer": "They stand idle.", "cites": ["b"]},
        ],
        "false": [{"insight": "b", "text": "Freight cars never stand idle."}],
        **fields,
    }


def test_a_collection(tmp_path: Path) -> None:
    path = write(tmp_path / "rail.json", collection())
    notes: list[str] = []
    found = load_claims(path, notes.append)
    assert (found.name, found.form, notes) == ("rail", "collections", [])
    assert [(c.claim_id, c.supported, c.label, c.question, len(c.premises), c.group) for c in found.claims] == [
        ("q1 gold 1", True, "gold", QUESTION, 1, "q1"),
        ("q1 gold 2", True, "gold", QUESTION, 1, "q1"),
        ("q1 wrong", False, "wrong", QUESTION, 2, "q1"),
        ("rail-q03 gold 1", True, "gold", "Idle?", 1, "rail-q03"),
        ("rail false 1", False, "false", "", 1, "b"),
    ]
    assert load_claims(tmp_path).claims == found.claims, "a folder with that file alone"


def test_a_file_that_adds_to_another_and_one_whose_insights_are_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "rail.json", collection(questions=[], false=[]))
    more = {"id": "q9", "question": "?", "answer": [{"text": SAID, "cites": ["a"]}]}
    lost = {"id": "q10", "question": "?", "answer": [{"text": SAID, "cites": ["gone"]}]}
    write(tmp_path / "rail-more.json", {"collection": "rail", "questions": [more, lost]})
    notes: list[str] = []
    assert [c.claim_id for c in load_claims(tmp_path, notes.append).claims] == ["q9 gold 1"]
    assert notes == ["claims of insights that aren't there, left out: 1"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (nli("perhaps"), "line 2: the label 'perhaps' isn't one of fully attributable"),
        (nli(0), "line 2: the label '0' isn't one of"),
        (nli(None), "line 2: the label 'None' isn't one of"),
        (nli(hypothesis=" "), "line 2: 'hypothesis' is missing or empty"),
        (nli(premise="…"), "line 2: This insight has no text."),
        (nli(premise=["x"]), "line 2: 'premise' is not text"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(row: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_claims(write(tmp_path / "n.jsonl", nli(), row))
    assert said in str(caught.value)
    assert "n.jsonl" in str(caught.value)


def test_a_draft_without_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 1: 'supported' is neither true nor false"):
        load_claims(write(tmp_path / "d.jsonl", {"insight": PREMISE, "sentence": SAID, "supported": 1}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"question": "Who?"}', "holds no claims: its first object has question."),
        ("[1]", "holds no claims: its first object has nothing."),
        ("", "is empty"),
        (json.dumps({"collection": "x", "insights": [{"id": "a", "text": PREMISE}]}), "holds no claims."),
        (json.dumps({"questions": [{"question": "?", "answer": [{"text": "x", "cites": ["?"]}]}]}), "holds no claims."),
        (json.dumps({"questions": [7]}), "an object with 'id' was expected"),
        (json.dumps({"insights": [{"id": "a"}]}), "'text' is missing or empty"),
    ],
)
def test_a_file_without_claims(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_claims(path)
    assert said in str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \.json files"):
        load_claims(tmp_path)
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        load_claims(tmp_path / "gone.jsonl")


def some(labels: Sequence[str]) -> list[Labelled]:
    return [Labelled(f"{n}", SAID, (PREMISE,), True, label) for n, label in enumerate(labels)]


def test_a_limit_gives_each_label_its_share() -> None:
    claims = some(["a"] * 6 + ["b"] * 3)
    assert [c.label for c in drawn(claims, 3)] == ["a", "a", "b"]
    assert drawn(claims, 3) == drawn(claims, 3)
    assert drawn(claims, 3, 1) == drawn(claims, 3, 1)
    assert len({tuple(c.claim_id for c in drawn(claims, 3, seed)) for seed in range(20)}) > 5
    assert drawn(claims, 9) == drawn(claims, None) == claims
    with pytest.raises(UsageError, match="A limit of 0 leaves no claim"):
        drawn(claims, 0)


@given(
    st.lists(st.sampled_from(sorted(LABELS)), min_size=1, max_size=30), st.integers(1, 40), st.none() | st.integers()
)
def test_a_limit_keeps_order_and_shares(labels: list[str], limit: int, seed: int | None) -> None:
    claims = some(labels)
    chosen = drawn(claims, limit, seed)
    assert len(chosen) == min(limit, len(claims))
    places = [int(c.claim_id) for c in chosen]
    assert places == sorted(set(places))
    for label in labels:
        share = labels.count(label) * len(chosen) / len(labels)
        assert abs(sum(c.label == label for c in chosen) - share) <= 1


# ------------------------------------------------------------------------------------------------------------ judging


def test_what_stands_there_is_supported_and_passes() -> None:
    found = judge(claim(), WordReader())
    assert (found.support, found.passes, found.shown) == (1.0, True, 1.0)


def test_the_rules_are_told_apart_from_the_support() -> None:
    found = judge(claim(INVENTED, supported=False), WordReader())
    assert found.support > 0.5, "most of its words are there"
    assert (found.passes, found.shown) == (False, 0.0)


def test_support_is_what_the_reader_says_even_of_a_copy() -> None:
    class Doubting(WordReader):
        def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
            return [0.25 for _ in texts]

    found = judge(claim(), Doubting())
    assert (found.support, found.shown) == (0.25, 1.0), "what stands there word for word is shown unasked"


def test_the_check_is_asked_once_and_as_for_an_answer() -> None:
    asked: list[tuple[str, str, int]] = []

    class Noting(WordReader):
        def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
            asked.append((question, sentence, len(texts)))
            return super().support(question, sentence, texts)

    judge(claim(f"Yes, {SAID}\n", PREMISE, "Freight cars stand idle."), Noting())
    assert asked == [(QUESTION, SAID, 2)], "without the yes, whose truth no rule can tell"


def test_a_long_premise_is_cut_and_its_best_passage_counts() -> None:
    long = " ".join(["Freight cars stand idle for two thirds of their life, says every ledger."] * 20)
    found = judge(claim(SAID, f"{long} {PREMISE}"), WordReader())
    assert (found.support, found.passes) == (1.0, True)
    assert judge(claim(SAID, long), WordReader()).support == 0.0


# ------------------------------------------------------------------------------------------------------------ figures


FIVE = [  # by hand: see the test
    judgement(True, 0.9),
    judgement(True, 0.6, passes=False),
    judgement(True, 0.4),
    judgement(False, 0.6, passes=False),
    judgement(False, 0.2),
]


def test_figures_by_hand() -> None:
    found = figures(FIVE, 0.5)
    assert (found.claims, found.supported) == (5, 3)
    assert found.auc is not None
    assert found.auc.value == pytest.approx(4.5 / 6), "of six pairs four are in order and one is a tie"
    assert found.balanced is not None
    assert found.balanced.value == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (found.best_cut, found.best_balanced) == (0.4, 0.75), "all of the first kind, half of the other"
    assert astuple(found.rules) == pytest.approx((2 / 3, 0.5))
    assert astuple(found.shown) == pytest.approx((1 / 3, 0.0))
    assert found.check is not None
    assert found.check.value == pytest.approx((1 / 3 + 1) / 2)
    yes, no = found.by_label
    assert (yes.label, yes.supported, yes.claims, no.claims) == ("yes", True, 3, 2)
    assert (yes.support, yes.over, yes.passes, yes.shown) == pytest.approx((1.9 / 3, 2 / 3, 2 / 3, 1 / 3))
    assert (no.support, no.over, no.passes, no.shown) == pytest.approx((0.4, 0.5, 0.5, 0.0))


def test_a_support_at_the_cut_is_enough() -> None:
    found = figures([judgement(True, 0.5), judgement(False, 0.4)], 0.5)
    assert found.shown == Shares(1.0, 0.0)


def test_of_one_kind_little_can_be_told() -> None:
    found = figures([judgement(True, 0.9), judgement(True, 0.1)], 0.5)
    assert (found.auc, found.balanced, found.best_cut, found.best_balanced, found.check) == (None,) * 5
    assert found.rules == Shares(1.0, None)
    assert found.shown == Shares(0.5, None)


def test_claims_told_apart_for_certain_have_no_width() -> None:
    found = figures([judgement(n % 2 == 0, 0.9 if n % 2 == 0 else 0.1) for n in range(20)], 0.5)
    assert found.auc is not None
    assert (found.auc.value, found.auc.interval) == (1.0, (1.0, 1.0))


def test_claims_of_one_group_are_drawn_together() -> None:
    alone = figures(FIVE * 4, 0.5)
    together = figures([judgement(each.supported, each.support, group="one") for each in FIVE * 4], 0.5)
    assert alone.auc is not None
    assert alone.auc.interval is not None
    assert alone.auc.interval[0] < alone.auc.value < alone.auc.interval[1]
    assert together.auc is not None
    assert together.auc.interval == pytest.approx((0.75, 0.75)), "every draw is the same claims"


def test_the_same_claims_have_the_same_interval() -> None:
    assert figures(FIVE * 4, 0.5) == figures(FIVE * 4, 0.5)
    assert figures(FIVE * 4, 0.5).auc != figures(FIVE * 4, 0.5, seed=1).auc


def test_draws_are_of_as_many_groups_as_there_are() -> None:
    weights = np.concatenate(list(draws(["a", "b", "b", "c"], 0)))
    assert weights.shape == (1000, 4)
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


SCORED = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans(), st.integers(0, 3)), min_size=1)


@given(SCORED)
def test_the_area_is_the_share_of_pairs_in_order(rows: list[tuple[float, bool, int]]) -> None:
    scores = np.array([score for score, _, _ in rows])
    truth = np.array([supported for _, supported, _ in rows])
    found = area(scores, truth, np.array([[float(times) for _, _, times in rows]]))[0]
    right = [score for score, supported, times in rows for _ in range(times) if supported]
    wrong = [score for score, supported, times in rows for _ in range(times) if not supported]
    if not right or not wrong:
        assert np.isnan(found)
    else:
        pairs = [(one > other) + (one == other) / 2 for one in right for other in wrong]
        assert found == pytest.approx(sum(pairs) / len(pairs))


@given(SCORED)
def test_no_other_cut_is_better_than_the_best(rows: list[tuple[float, bool, int]]) -> None:
    scores = np.array([score for score, _, _ in rows])
    truth = np.array([supported for _, supported, _ in rows])
    best = best_cut(scores, truth)
    if truth.all() or not truth.any():
        assert best is None
        return
    assert best is not None
    cuts = {cut: ((scores[truth] >= cut).mean() + (scores[~truth] < cut).mean()) / 2 for cut in set(scores.tolist())}
    assert best[1] == pytest.approx(max(cuts.values()))
    assert cuts[best[0]] == pytest.approx(best[1])


# -------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def word_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(report: Report) -> Reader:
        return WordReader()

    monkeypatch.setattr("eval.claims._open", opened)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write(tmp_path / "two.jsonl", nli("supported"), nli("not_supported", hypothesis=INVENTED))


def test_measuring_reports_progress_and_holds_no_text(two: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    def report(what: str, done: int, total: int) -> None:
        seen.append((what, done, total))

    out = tmp_path / "out"
    out.mkdir()
    data = measure([two, two], report=report, json_file=out, opened=lambda report: WordReader())
    assert [step for step in seen if step[2]] == [("checking", n, 4) for n in (1, 2, 3, 4)]
    (file,) = out.iterdir()
    assert "-claims-" in file.name
    written = file.read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(json.dumps(data))
    assert "suitcases" not in written
    assert [(row["supported"], row["passes"], row["group"]) for row in data["sets"][1]["rows"]] == [
        (True, True, 0),
        (False, False, 1),
    ]


def test_the_command(two: Path, tmp_path: Path, word_reader: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", "claims", str(two), "--json", str(tmp_path / "r.json")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "two: 2 claims, 1 supported"
    told = {tuple(line.split()) for line in lines}
    assert ("area", "under", "the", "ROC", "curve", "0.500", "0.500", "to", "0.500") in told, "its words tell nothing"
    assert ("supported", "claims", "that", "pass", "1.000") in told
    assert ("unsupported", "claims", "that", "pass", "0.000") in told
    assert ("not", "supported", "(no)", "1", "1.000", "1.000", "0.000", "0.000") in told
    assert ("supported", "(yes)", "1", "1.000", "1.000", "1.000", "1.000") in told
    assert any(line.startswith("cut 0.500 (normal caution)") for line in lines)
    assert "chosen on these claims: too good" in out
    assert max(map(len, lines)) <= 80
    assert "two: 2 claims" in err
    data = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert data["command"] == "footnoted eval claims two.jsonl", "without the folders of this machine"
    assert data["cut"] == 0.5


def test_a_set_of_one_kind_is_shown_too(tmp_path: Path, word_reader: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", "claims", str(write(tmp_path / "one.jsonl", nli()))]) == 0
    assert ["area", "under", "the", "ROC", "curve", "–"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seed", "1"], "--seed draws the claims of --limit, which is missing. Give --limit N too."),
        (["--limit", "0"], "A limit of 0 leaves no claim."),
        (["gone.jsonl"], "gone.jsonl is neither a file nor a folder."),
        (["--json", "gone/x.json"], "gone is not a folder."),
    ],
)
def test_faults_of_the_command_come_before_any_model(
    more: list[str], said: str, two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opened(report: Report) -> Reader:
        raise AssertionError("no model is needed to tell")

    monkeypatch.setattr("eval.claims._open", opened)
    assert cli.main(["eval", "claims", str(two), *more]) == 2
    assert said in capsys.readouterr().err


def test_the_shipped_drafts_can_be_read() -> None:
    drafts = load_claims(Path(__file__).parents[1] / "eval" / "questions" / "drafts.jsonl")
    assert len(drafts.claims) == 187
    assert 0.5 < sum(c.supported for c in drafts.claims) / 187 < 0.7, "60%, says eval/questions/README.md"


def test_text_needs_nothing_but_the_results(two: Path) -> None:
    data = measure([two], opened=lambda report: WordReader())
    assert text(json.loads(json.dumps(data))) == text(data)
