"""Every measure against values worked out by hand, and against other libraries where they compute it too."""

import json
import math
import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.measures import MEASURES, OLD_NAMES
from eval.report import MEANINGS, markdown, table
from eval.retrieval import NAMES
from eval.rows import Row, ShownClaim
from eval.spans import Span

RESULTS = Path(__file__).parents[1] / "eval" / "results"


def claim(
    text: str = "x",
    *cited: str,
    verbatim: bool = False,
    grounded: bool = True,
    verdict: str = "supported",
    spans: Sequence[Span] = (),
) -> ShownClaim:
    return ShownClaim(text, cited, verdict, 0.9, verbatim, grounded, tuple(spans))


def row(gold: str = "", retrieved: str = "", claims: Sequence[ShownClaim] = (), **fields: Any) -> Row:
    """A row; ids are single letters; without gold it is unanswerable."""
    defaults: dict[str, Any] = {
        "question_id": "q",
        "collection": "c",
        "type": "direct" if gold else "unanswerable",
        "question": "Why?",
        "answerable": bool(gold),
        "gold": tuple(gold),
        "short": "",
        "status": "answered" if claims else "not_in_library",
        "seconds": 1.0,
        "answer": " ".join(c.text for c in claims),
        "cited": tuple(dict.fromkeys(id_ for c in claims for id_ in c.cited)),
        "claims": tuple(claims),
        "retrieved": tuple(retrieved),
    }
    return Row(**(defaults | fields))


def failed(gold: str = "", **fields: Any) -> Row:
    return row(gold, status="error", error="OSError: gone", **fields)


def said(text: str, gold: str = "a", **fields: Any) -> Row:
    return row(gold, claims=[claim(text, "a")], **fields)


def marked(*spans: Span, **fields: Any) -> Row:
    """An answer that cites these characters; the gold ones are 0 to 10 of a."""
    shown = claim("x", *dict.fromkeys(id_ for id_, _, _ in spans), spans=spans)
    return row("a", claims=[shown], gold_spans=(("a", 0, 10),), **fields)


def paraphrase(gold: str, cited: str, **fields: Any) -> Row:
    return row(gold, claims=[claim("x", *cited)] if cited else [], type="paraphrase", **fields)


def spent(prompt: int, completion: int) -> dict[str, Any]:
    return {"tokens": {"prompt": prompt, "completion": completion}}


REFUSED = row("a")
RIGHTLY_REFUSED = row()
ANSWERED_ANYWAY = row("", claims=[claim()])
CITED = row("a", claims=[claim("x", "a")])
REFUSALS = [RIGHTLY_REFUSED, RIGHTLY_REFUSED, ANSWERED_ANYWAY, REFUSED, CITED]
TEN = "abcdefghij"

GOLDEN: list[tuple[str, list[Row], float | None]] = [
    ("R@1", [row("ab", "axb"), row("a", "xa")], 0.25),  # 1/2, 0
    ("R@5", [row("ab", "axyzb"), row("ab", "axyzwb")], 0.75),  # 1, 1/2
    ("R@5", [row("a", "a"), RIGHTLY_REFUSED], 1.0),  # unanswerable ones have no recall
    ("R@5", [row("a", "a"), row("", "a", answerable=True)], 1.0),  # nor have those without gold
    ("R@5", [row("a", "a"), failed("a")], 0.5),  # failed ones stay in
    ("R@5", [row("a", "a"), row("z", "a")], 0.5),  # gold that isn't in the library was not found
    ("R@5", [RIGHTLY_REFUSED], None),
    ("R@20", [row("AB", string.ascii_lowercase[:19] + "AB")], 0.5),
    ("nDCG@10", [row("ab", "xab")], (0.63093 + 0.5) / (1 + 0.63093)),  # gold at ranks 2 and 3, ideal 1 and 2
    ("nDCG@10", [row("Z", TEN[:9] + "Z"), row("Z", TEN + "Z")], 0.28906 / 2),  # 1/log2(11), 0
    ("nDCG@10", [row("a", "a"), failed("a")], 0.5),
    # grades 1 and 3, the lower one first: (1 + 3 * .63093) / (3 + 1 * .63093)
    ("nDCG@10", [row("ab", "ab", grades=(1, 3))], 2.89279 / 3.63093),
    ("nDCG@10", [row("ab", "ba", grades=(1, 3))], 1.0),
    ("RR@10", [row("ab", "xab"), row("Z", TEN + "Z"), row("a", "a")], 0.5),  # 1/2, 0, 1
    ("RR@10", [row("a", "a"), failed("a")], 0.5),
    ("Success@1", [row("ab", "ax"), row("ab", "xab"), failed("a")], 1 / 3),
    # a, x of the first claim and a of the second: 2 of 3; then 1 of 1
    ("citation_precision", [row("a", claims=[claim("x", "a", "x"), claim("y", "a")]), CITED], 5 / 6),
    ("citation_precision", [CITED, row("", claims=[claim("x", "a")])], 0.5),  # unanswerable
    ("citation_precision", [CITED, row("b"), RIGHTLY_REFUSED], 1.0),  # refused: not in it
    ("citation_precision", [CITED, row("a", claims=[claim("no citation")])], 0.5),
    ("citation_precision", [CITED, failed("b")], 0.5),
    ("citation_precision", [row("a"), RIGHTLY_REFUSED], 0.0),  # says nothing
    ("citation_precision", [RIGHTLY_REFUSED], None),
    ("citation_recall", [row("ab", claims=[claim("x", "a", "x")]), CITED], 0.75),
    ("citation_recall", [CITED, row("a"), failed("a"), RIGHTLY_REFUSED], 1 / 3),
    # precision 1/2 (a of a, x) and recall 1/2 (a of a, b): 1/2; precision 1/3 and recall 1: 1/2; 1 and 1
    ("citation_f1", [row("ab", claims=[claim("x", "a", "x")]), row("a", claims=[claim("x", *"axy")]), CITED], 2 / 3),
    ("citation_f1", [CITED, row("a"), failed("a"), row("a", claims=[claim("x", "b")])], 0.25),
    ("citation_f1", [RIGHTLY_REFUSED, ANSWERED_ANYWAY], None),
    # two of three sentences; then one of one
    ("citation_recall_alce", [row("ab", claims=[claim("x", *"ax"), claim("y", "b"), claim("z", "x")]), CITED], 5 / 6),
    ("citation_recall_alce", [CITED, ANSWERED_ANYWAY, failed("a"), REFUSED], 1 / 3),
    ("citation_recall_alce", [REFUSED], 0.0),  # says nothing
    ("citation_recall_alce", [RIGHTLY_REFUSED], None),
    ("span_f1", [marked(("a", 0, 10))], 1.0),
    ("span_f1", [marked(("a", 5, 15))], 0.5),  # 5 of 10 and 5 of 10
    ("span_f1", [marked(("a", 0, 10), ("b", 0, 20))], 0.5),  # precision 1/3, recall 1
    ("span_f1", [marked(("a", 0, 4), ("a", 2, 5))], 2 / 3),  # 5 characters, each once: precision 1, recall 1/2
    ("span_f1", [marked(("b", 0, 10)), marked(("a", 0, 10))], 0.5),
    ("span_f1", [marked(("a", 0, 10)), row("a", gold_spans=(("a", 0, 10),)), failed("a", gold_spans=(("a", 0, 9),))],
     1 / 3),
    ("span_f1", [marked(("a", 0, 10)), CITED], None),  # an older row, which doesn't say what it marked
    ("span_f1", [marked(("a", 0, 10)), row("", claims=[claim("x", "a", spans=[("a", 0, 1)])])], 1.0),
    ("span_f1", [REFUSED, RIGHTLY_REFUSED], None),  # it isn't known which characters answer
    # two of three refusals are right, two of three unanswerable ones refused
    ("refusal_precision", REFUSALS, 2 / 3),
    ("refusal_precision", [*REFUSALS, failed("a")], 0.5),  # a failure on an answerable one counts as a refusal
    ("refusal_precision", [*REFUSALS, failed()], 2 / 3),  # and on an unanswerable one as none
    ("refusal_precision", [ANSWERED_ANYWAY, CITED], 0.0),
    ("refusal_precision", [CITED, REFUSED], None),
    ("refusal_precision", [RIGHTLY_REFUSED], None),
    ("refusal_recall", [RIGHTLY_REFUSED, ANSWERED_ANYWAY, REFUSED], 0.5),
    ("refusal_recall", [RIGHTLY_REFUSED, failed()], 0.5),  # a failure is not a refusal
    ("refusal_recall", [REFUSED], None),
    ("refusal_f1", [RIGHTLY_REFUSED, RIGHTLY_REFUSED, ANSWERED_ANYWAY, CITED], 0.8),  # precision 1, recall 2/3
    ("refusal_f1", [RIGHTLY_REFUSED, REFUSED, CITED], 2 / 3),  # precision 1/2, recall 1
    ("refusal_f1", [RIGHTLY_REFUSED, failed(), failed("a")], 0.5),  # precision 1/2, recall 1/2
    ("refusal_f1", [ANSWERED_ANYWAY, CITED], 0.0),
    ("refusal_f1", [RIGHTLY_REFUSED], None),
    ("false_refusal_rate", [REFUSED, CITED, RIGHTLY_REFUSED], 0.5),
    ("false_refusal_rate", [failed("a"), CITED], 0.5),
    ("false_refusal_rate", [RIGHTLY_REFUSED], None),
    # of 2 x 2 pairs: .9 > .3, .9 > .5, .5 > .3, .5 = .5
    ("answerable_auc", [row("a", probability=p) for p in (0.9, 0.5)] + [row(probability=p) for p in (0.3, 0.5)], 0.875),
    ("answerable_auc", [row("a", probability=0.9), row("a", probability=0.2), failed()], 0.0),
    ("answerable_auc", [failed("a"), row("a", probability=0.9), row(probability=0.1)], 0.5),
    ("answerable_auc", [row("a", probability=0.9)], None),
    ("answerable_auc", [REFUSED, RIGHTLY_REFUSED], None),  # without probabilities
    ("short_answer", [row("a", claims=[claim("It"), claim("forty")], short="it 40"), row("a", short="x")], 0.5),
    ("short_answer", [said("40%", short="40%"), failed("a", short="x")], 0.5),
    ("short_answer", [said("40%")], None),  # there is no short answer to look for
    ("short_answer", [said("40%", "", short="40%")], None),
    # "it took 9 weeks in all", "9 weeks": precision 2/6, recall 1; then 0
    ("token_f1", [said("It took 9 weeks in all.", short="the 9 weeks"), failed("a", short="x")], 0.25),
    ("token_f1", [said("9 weeks"), said("9", "", short="9")], None),
    # "a b c d" and "b x d": b, d in order; precision 2/4, recall 2/3
    ("rouge_l", [said("A b, c d!", gold_answer="b x d")], 4 / 7),
    ("rouge_l", [said("d b", gold_answer="B d."), failed("a", gold_answer="x")], 0.25),  # one of two in order
    ("rouge_l", [said("x"), said("x", "", gold_answer="x")], None),
    ("unsupported_verifier", [row("a", claims=[claim(), claim(verdict="unchecked")]), CITED, REFUSED], 1 / 3),
    ("unsupported_verifier", [row("", claims=[claim(verdict="unsupported"), claim()]), failed("a")], 2 / 3),
    ("unsupported_verifier", [REFUSED], None),
    ("unsupported_rule", [row("a", claims=[claim(), claim(grounded=False)]), row("", claims=[claim(), claim()])], 0.25),
    ("unsupported_rule", [row("a", claims=[claim()]), failed("a")], 0.5),
    ("unsupported_rule", [REFUSED], None),  # nothing was shown
    ("prose_rate", [row("a", claims=[claim(verbatim=True), claim()]), row("a", claims=[claim(verbatim=True)])], 0.5),
    ("prose_rate", [row("a", claims=[claim()]), failed("a"), REFUSED], 0.5),
    ("prose_rate", [REFUSED], None),
    # {a} and {a, b}: 1/2
    ("paraphrase_consistency", [CITED, paraphrase("a", "ab")], 0.5),
    # one paraphrase with each of two others: {b} and {a}, {b} and {b}
    ("paraphrase_consistency", [CITED, row("a", claims=[claim("x", "b")], type="terse"), paraphrase("a", "b")], 0.5),
    ("paraphrase_consistency", [REFUSED, paraphrase("a", "")], 1.0),
    ("paraphrase_consistency", [REFUSED, paraphrase("a", "", status="error")], 0.0),
    ("paraphrase_consistency", [row("ab", claims=[claim("x", "a")]), paraphrase("ba", "a")], 1.0),
    ("paraphrase_consistency", [CITED, paraphrase("b", "a"), paraphrase("a", "a", collection="d")], None),
    ("paraphrase_consistency", [paraphrase("a", "a"), paraphrase("a", "b")], None),
    ("tokens_prompt", [row("a", **spent(30, 1)), row(**spent(0, 0)), row("a")], 15.0),  # the last is of an older file
    ("tokens_prompt", [row("a", **spent(30, 1)), row(**spent(0, 0)), failed("a")], 20.0),  # as much as the dearest
    ("tokens_prompt", [row("a"), failed("a")], None),
    ("tokens_completion", [row("a", **spent(30, 8)), row("a", **spent(30, 2))], 5.0),
    ("tokens_completion", [row("a", tokens={})], 0.0),
    ("seconds_p50", [row(seconds=s) for s in (3.0, 1.0, 2.0, 4.0)], 2.0),
    ("seconds_p95", [row(seconds=float(s)) for s in range(1, 21)], 19.0),
    ("seconds_p95", [row(seconds=float(s)) for s in range(1, 11)], 10.0),
    ("seconds_p50", [row(seconds=2.0), failed(seconds=0.001)], 2.0),  # failing fast gains nothing
    ("seconds_p50", [row(seconds=2.0), failed(seconds=3.0), failed(seconds=0.001)], 3.0),
    ("seconds_p95", [row(seconds=2.0)], 2.0),
    *((f"seconds_{stage}_p50", [row(stages={stage: s}) for s in (3.0, 1.0, 2.0, 4.0)], 2.0)
      for stage in ("retrieve", "read", "first_quote", "write")),
    *((f"seconds_{stage}_p95", [row(stages={stage: s / 10}) for s in range(1, 101)], 9.5)
      for stage in ("retrieve", "read", "first_quote", "write")),
    ("seconds_write_p50", [row("a", stages={"write": 2.0}), row(stages={"read": 0.1})], 2.0),  # the other didn't write
    ("seconds_write_p50", [row("a", stages={"write": s}) for s in (1.0, 2.0)] + [failed("a")] * 2, 2.0),
    ("seconds_write_p50", [row("a", stages={"read": 2.0}), failed("a", stages={"write": 1.0})], None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "rows", "expected"), GOLDEN, ids=[f"{name}-{n}" for n, (name, *_) in enumerate(GOLDEN)]
)
def test_by_hand(name: str, rows: list[Row], expected: float | None) -> None:
    assert MEASURES[name].score(rows) == (None if expected is None else pytest.approx(expected, abs=1e-5))


def test_every_measure_has_a_value_worked_out_by_hand() -> None:
    assert MEASURES.keys() == {name for name, *_ in GOLDEN}


@pytest.mark.parametrize("name", MEASURES)
def test_of_no_rows_nothing_can_be_told(name: str) -> None:
    assert MEASURES[name].score([]) is None


AS_A_WHOLE = {"refusal_precision", "refusal_f1", "answerable_auc", "paraphrase_consistency"}


def test_which_measures_tell_of_a_single_question() -> None:
    whole = {name for name, measure in MEASURES.items() if measure.each is None}
    assert {name for name in whole if not name.startswith("seconds")} == AS_A_WHOLE
    assert {name for name in MEASURES if name.startswith("seconds")} <= whole


LOW_IS_GOOD = {"false_refusal_rate", "unsupported_verifier", "unsupported_rule", "tokens_prompt", "tokens_completion"}


def test_which_side_is_good() -> None:
    low = {name for name, measure in MEASURES.items() if not measure.higher}
    assert {name for name in low if not name.startswith("seconds")} == LOW_IS_GOOD
    assert {name for name in MEASURES if name.startswith("seconds")} <= low


# One question of each kind, and what single questions score where that isn't the share of something.
EACH: list[tuple[str, Row, float | None]] = [
    ("R@5", row("ab", "ax"), 0.5),
    ("R@5", RIGHTLY_REFUSED, None),
    ("citation_precision", REFUSED, None),
    ("citation_precision", failed("a"), 0.0),
    ("citation_recall", REFUSED, 0.0),
    ("citation_f1", ANSWERED_ANYWAY, None),
    ("citation_recall_alce", row("a", claims=[claim("x", "a"), claim("y", "b")]), 0.5),
    ("span_f1", CITED, None),
    ("span_f1", row("a", claims=[claim("x", "a")], gold_spans=(("a", 0, 10),)), None),
    ("refusal_recall", REFUSED, None),
    ("false_refusal_rate", failed("a"), 1.0),
    ("unsupported_rule", row("a", claims=[claim(), claim(grounded=False)]), 0.5),
    ("unsupported_rule", REFUSED, None),
    ("unsupported_rule", failed("a"), 1.0),
    ("unsupported_verifier", row("a", claims=[claim(verdict="unchecked")]), 1.0),
    ("prose_rate", REFUSED, None),
    ("tokens_prompt", failed("a"), None),
    ("tokens_prompt", row("a"), None),
    ("tokens_prompt", row("a", **spent(7, 3)), 7.0),
]


@pytest.mark.parametrize(("name", "one", "expected"), EACH, ids=[f"{name}-{n}" for n, (name, *_) in enumerate(EACH)])
def test_a_single_question_by_hand(name: str, one: Row, expected: float | None) -> None:
    each = MEASURES[name].each
    assert each is not None
    assert each(one) == expected


# Open-ended rows: whatever a system does.

IDS = st.text("abcdef", max_size=5).map(lambda text: "".join(dict.fromkeys(text)))
SPANS = st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 9)).map(lambda s: (s[0], s[1], s[1] + s[2]))
CLAIMS = st.builds(
    lambda text, cited, verbatim, grounded, verdict, spans: claim(
        text, *cited, verbatim=verbatim, grounded=grounded, verdict=verdict, spans=spans
    ),
    st.sampled_from(["Nine loaves.", "It took 40% of them", "No."]), IDS, st.booleans(), st.booleans(),
    st.sampled_from(["supported", "unsupported", "unchecked"]), st.lists(SPANS, min_size=1, max_size=3),
)  # fmt: skip


@st.composite
def rows_of_any_kind(draw: st.DrawFn) -> Row:
    gold = draw(IDS)
    fields: dict[str, Any] = {
        "type": draw(st.sampled_from(["direct", "paraphrase", "terse"])) if gold else "unanswerable",
        "short": draw(st.sampled_from(["", "nine", "40%"])) if gold else "",
        "gold_answer": draw(st.sampled_from(["", "They baked nine loaves."])) if gold else "",
        "gold_spans": tuple(draw(st.lists(SPANS, max_size=2))) if gold else (),
        "seconds": draw(st.floats(0, 100)),
        "probability": draw(st.sampled_from([0.0, 0.2, 0.5, 1.0])),
        "grades": draw(st.sampled_from([(), (2,) * len(gold)])),
    }
    if draw(st.integers(0, 4)) == 0:
        return failed(gold, **fields)
    shown = draw(st.lists(CLAIMS, max_size=3))
    stages = draw(st.dictionaries(st.sampled_from(["retrieve", "read", "first_quote", "write"]), st.floats(0, 9)))
    return row(gold, draw(IDS), shown, stages=stages, **spent(draw(st.integers(0, 99)), 5), **fields)


POOLED = {"unsupported_verifier", "unsupported_rule"}  # over sentences, not over questions


@given(st.lists(rows_of_any_kind(), max_size=6))
def test_a_score_is_the_mean_over_the_questions_that_can_tell(rows: list[Row]) -> None:
    for name, measure in MEASURES.items():
        dearest = name.startswith("tokens") and any(r.failed for r in rows)
        if measure.each is None or name in POOLED or dearest:
            continue
        values = [float(value) for r in rows if (value := measure.each(r)) is not None]
        if values:
            assert measure.score(rows) == pytest.approx(sum(values) / len(values)), name
        else:
            assert not measure.score(rows), name


@given(st.lists(rows_of_any_kind(), max_size=6), st.randoms(use_true_random=False))
def test_scores_are_in_their_range_whatever_the_order_of_questions(rows: list[Row], draw: random.Random) -> None:
    shuffled = draw.sample(rows, len(rows))
    for name, measure in MEASURES.items():
        value = measure.score(rows)
        assert value == pytest.approx(measure.score(shuffled)), name
        if value is not None:
            assert 0 <= value <= (1 + 1e-9 if not name.startswith(("seconds", "tokens")) else math.inf), name


@given(st.lists(rows_of_any_kind(), max_size=4))
def test_rows_survive_a_result_file(rows: list[Row]) -> None:
    assert [Row.from_json(json.loads(json.dumps(r.to_json()))) for r in rows] == rows


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("gold", ["a", ""])
def test_a_failure_never_makes_a_measure_better(name: str, gold: str) -> None:
    """The second of two rows, replaced by a failure of the same question that took no time."""
    stages = dict.fromkeys(("retrieve", "read", "first_quote", "write"), 2.0)
    shown = [claim("forty", "a", spans=[("a", 0, 10)])]
    asked = {"short": "40", "gold_answer": "Forty.", "gold_spans": (("a", 0, 10),)}
    good = row("a", "a", shown, seconds=2.0, stages=stages, probability=0.9, **asked, **spent(9, 9))
    kind = {"type": "paraphrase", **asked} if gold else {}
    other = row(gold, "a", shown if gold else [], seconds=1.0, stages=stages, probability=0.1, **kind, **spent(9, 9))
    before = MEASURES[name].score([good, other])
    after = MEASURES[name].score([good, failed(gold, **kind, seconds=0.0)])
    assert before is not None or after is None or name == "refusal_recall"
    if before is not None:
        assert after is not None
        assert after <= before if MEASURES[name].higher else after >= before


# Other ways to the same number.


def test_the_names_of_retrieval_are_those_of_ir_measures() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    assert [str(ir_measures.parse_measure(name)) for name in NAMES] == list(NAMES) == list(MEASURES)[: len(NAMES)]


def drawn_rankings(seed: int) -> list[Row]:
    draw = random.Random(seed)
    rows = []
    for n in range(40):
        gold = draw.sample(string.ascii_lowercase, draw.randint(1, 12))
        found = draw.sample(string.ascii_lowercase, draw.randint(0, 25))
        grades = tuple(draw.randint(1, 3) for _ in gold) if n % 2 else ()
        rows.append(row("".join(gold), "".join(found), question_id=f"q{n}", grades=grades))
    return rows


def test_retrieval_agrees_with_ir_measures_asked_for_all_questions_at_once() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    rows = drawn_rankings(7)
    qrels = [
        ir_measures.Qrel(r.question_id, id_, grade)
        for r in rows
        for id_, grade in zip(r.gold, r.grades or [1] * len(r.gold), strict=True)
    ]
    run = [
        ir_measures.ScoredDoc(r.question_id, id_, -float(rank)) for r in rows for rank, id_ in enumerate(r.retrieved)
    ]
    expected = ir_measures.calc_aggregate([ir_measures.parse_measure(name) for name in NAMES], qrels, run)
    for measure, value in expected.items():
        assert MEASURES[str(measure)].score(rows) == pytest.approx(value), measure


def test_retrieval_agrees_with_the_definitions_written_out() -> None:
    def dcg(grades: Sequence[int]) -> float:
        return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades[:10], 1))

    for r in drawn_rankings(8):
        grade = dict(zip(r.gold, r.grades or [1] * len(r.gold), strict=True))
        found = [grade.get(id_, 0) for id_ in r.retrieved]
        ranks = [rank for rank, each in enumerate(found[:10], 1) if each]
        expected = {
            **{f"R@{k}": sum(map(bool, found[:k])) / len(grade) for k in (1, 5, 20)},
            "nDCG@10": dcg(found) / dcg(sorted(grade.values(), reverse=True)),
            "RR@10": 1 / ranks[0] if ranks else 0.0,
            "Success@1": float(ranks[:1] == [1]),
        }
        assert {name: MEASURES[name].score([r]) for name in NAMES} == pytest.approx(expected)


def test_an_insight_counts_where_it_is_first_retrieved() -> None:
    assert MEASURES["RR@10"].score([row("a", "xaxya")]) == 0.5
    assert MEASURES["R@5"].score([row("ab", "xxxxxab")]) == 1.0


def test_refusals_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = random.Random(3)
    for _ in range(20):
        rows = [
            row("a" if draw.random() < 0.6 else "", claims=[claim()] * (draw.random() < 0.5), probability=draw.random())
            for _ in range(30)
        ]
        truth, refused = [not r.answerable for r in rows], [r.refused for r in rows]
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            truth, refused, average="binary", zero_division=0
        )
        assert MEASURES["refusal_precision"].score(rows) == pytest.approx(precision)
        assert MEASURES["refusal_recall"].score(rows) == pytest.approx(recall)
        assert MEASURES["refusal_f1"].score(rows) == pytest.approx(f1)
        area = metrics.roc_auc_score([r.answerable for r in rows], [r.probability for r in rows])
        assert MEASURES["answerable_auc"].score(rows) == pytest.approx(area)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=30))
def test_percentiles_agree_with_numpy(times: list[float]) -> None:
    rows = [row(seconds=time) for time in times]
    for percent in (50, 95):
        expected = np.percentile(times, percent, method="inverted_cdf")
        assert MEASURES[f"seconds_p{percent}"].score(rows) == expected


# Old files, and how measures are shown.


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_a_results_file_gives_its_measures_again(file: Path) -> None:
    data = json.loads(file.read_text(encoding="utf-8"))
    rows = [Row.from_json(each) for each in data["rows"]]
    assert rows
    for name, value in data["measures"].items():
        assert MEASURES[OLD_NAMES.get(name, name)].score(rows) == pytest.approx(value), name


def test_an_old_row_tells_nothing_of_what_it_lacks() -> None:
    new = ("grades", "gold_spans", "tokens", "dropped", "gold_answer", "probability")
    data = {name: value for name, value in marked(("a", 0, 10), seconds=2.0).to_json().items() if name not in new}
    data["claims"] = [{name: value for name, value in each.items() if name != "spans"} for each in data["claims"]]
    old = Row.from_json(data)
    assert (old.seconds, old.cited, old.tokens) == (2.0, ("a",), None)
    lost = ("span_f1", "tokens_prompt", "tokens_completion", "rouge_l", "answerable_auc")
    assert {MEASURES[name].score([old, RIGHTLY_REFUSED]) for name in lost} == {None}


def test_an_old_results_file_is_shown_by_the_new_names() -> None:
    values = {"recall@5": 0.25, "refusal_rate": 0.5, "false_refusal_rate": None, "unsupported_rate": 0.125}
    values |= {"citation_precision": 1.0, "citation_recall": 1.0, "short_answer": 1.0, "prose_rate": 0.0}
    data = {
        "questions": 1, "commit": "", "dirty": True, "library": {"insights": 2}, "config_fingerprint": "f00",
        "date": "2026-01-02T03:04", "machine": {"cores": 2, "cpu": "?"}, "rows": [{"error": ""}],
        "measures": values, "by_type": {"direct": {"questions": 1, **values}},
    }  # fmt: skip
    lines = table(data).splitlines()
    assert ["R@5", "0.250", *MEANINGS["R@5"].split()] in [line.split() for line in lines]
    assert ["direct", "1", "0.250", "1.000", "1.000", "0.500", "1.000", "0.000"] in [line.split() for line in lines]
    assert "| `unsupported_rule` | 0.125 |" in markdown(data)
    assert "recall@5" not in table(data) + markdown(data)


def test_old_names_lead_to_measures() -> None:
    assert set(OLD_NAMES.values()) <= MEASURES.keys()
    assert not OLD_NAMES.keys() & MEASURES.keys()


def test_every_measure_fits_a_line_of_a_terminal() -> None:
    widest = max(map(len, MEASURES))
    assert all(measure.meaning for measure in MEASURES.values())
    assert all(widest + len("  0.000  ") + len(MEANINGS[name]) <= 80 for name in MEASURES)
    assert all(("low is good" in MEANINGS[name]) == (name in LOW_IS_GOOD - {"tokens_prompt", "tokens_completion"})
               for name in MEASURES)  # fmt: skip
