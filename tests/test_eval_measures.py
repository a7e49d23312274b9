"""Every measure against values worked out by hand, and the retrieval measures against ir_measures."""

import random
import string
from collections.abc import Sequence
from typing import Any

import pytest

from eval.measures import MEASURES
from eval.rows import Row, ShownClaim


def claim(text: str = "x", *cited: str, verbatim: bool = False, grounded: bool = True) -> ShownClaim:
    return ShownClaim(text, cited, "supported", 0.9, verbatim, grounded)


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


UNANSWERABLE_REFUSED = row()
CITED = row("a", claims=[claim("x", "a")])

GOLDEN: list[tuple[str, list[Row], float | None]] = [
    ("recall@1", [row("ab", "axb"), row("a", "xa")], 0.25),  # 1/2, 0
    ("recall@5", [row("ab", "axxxb"), row("ab", "axxxxb")], 0.75),  # 1, 1/2
    ("recall@5", [row("a", "a"), UNANSWERABLE_REFUSED], 1.0),  # unanswerable ones have no recall
    ("recall@5", [row("a", "a"), failed("a")], 0.5),  # failed ones stay in
    ("recall@5", [row("a", "a"), row("z", "a")], 0.5),  # gold that isn't in the library was not found
    ("recall@5", [UNANSWERABLE_REFUSED], None),
    ("recall@20", [row("ab", "x" * 19 + "ab")], 0.5),
    ("ndcg@10", [row("ab", "xab")], (0.63093 + 0.5) / (1 + 0.63093)),  # gold at ranks 2 and 3, ideal 1 and 2
    ("ndcg@10", [row("a", "x" * 9 + "a"), row("a", "x" * 10 + "a")], 0.28906 / 2),  # 1/log2(11), 0
    ("ndcg@10", [row("a", "a"), failed("a")], 0.5),
    ("rr@10", [row("ab", "xab"), row("a", "x" * 10 + "a"), row("a", "a")], 0.5),  # 1/2, 0, 1
    ("rr@10", [row("a", "a"), failed("a")], 0.5),
    # a, x of the first claim and a of the second: 2 of 3; then 1 of 1
    ("citation_precision", [row("a", claims=[claim("x", "a", "x"), claim("y", "a")]), CITED], 5 / 6),
    ("citation_precision", [CITED, row("", claims=[claim("x", "a")])], 0.5),  # unanswerable
    ("citation_precision", [CITED, row("b"), UNANSWERABLE_REFUSED], 1.0),  # refused: not in it
    ("citation_precision", [CITED, row("a", claims=[claim("no citation")])], 0.5),
    ("citation_precision", [CITED, failed("b")], 0.5),
    ("citation_precision", [row("a"), UNANSWERABLE_REFUSED], 0.0),  # says nothing
    ("citation_precision", [UNANSWERABLE_REFUSED], None),
    ("citation_recall", [row("ab", claims=[claim("x", "a", "x")]), CITED], 0.75),
    ("citation_recall", [CITED, row("a"), failed("a"), UNANSWERABLE_REFUSED], 1 / 3),
    ("refusal_rate", [UNANSWERABLE_REFUSED, row("", claims=[claim()]), row("a")], 0.5),
    ("refusal_rate", [UNANSWERABLE_REFUSED, failed()], 0.5),  # a failure is not a refusal
    ("refusal_rate", [row("a")], None),
    ("false_refusal_rate", [row("a"), row("a", claims=[claim()]), UNANSWERABLE_REFUSED], 0.5),
    ("false_refusal_rate", [failed("a"), row("a", claims=[claim()])], 0.5),
    ("false_refusal_rate", [UNANSWERABLE_REFUSED], None),
    # of 2 x 2 pairs: .9 > .3, .9 > .5, .5 > .3, .5 = .5
    ("answerable_auc", [row("a", probability=p) for p in (0.9, 0.5)] + [row(probability=p) for p in (0.3, 0.5)], 0.875),
    ("answerable_auc", [row("a", probability=0.9), row("a", probability=0.2), failed()], 0.0),
    ("answerable_auc", [failed("a"), row("a", probability=0.9), row(probability=0.1)], 0.5),
    ("answerable_auc", [row("a", probability=0.9)], None),
    ("short_answer", [row("a", claims=[claim("It"), claim("forty")], short="it 40"), row("a", short="x")], 0.5),
    ("short_answer", [row("a", claims=[claim("40%")], short="40%"), failed("a", short="x")], 0.5),
    ("short_answer", [row("a", claims=[claim("40%")])], None),  # there is no short answer to look for
    ("short_answer", [row("", claims=[claim("40%")], short="40%")], None),
    ("unsupported_rate", [row("a", claims=[claim(), claim(grounded=False)]), row("", claims=[claim(), claim()])], 0.25),
    ("unsupported_rate", [row("a", claims=[claim()]), failed("a")], 0.5),
    ("unsupported_rate", [row("a")], None),  # nothing was shown
    ("prose_rate", [row("a", claims=[claim(verbatim=True), claim()]), row("a", claims=[claim(verbatim=True)])], 0.5),
    ("prose_rate", [row("a", claims=[claim()]), failed("a"), row("a")], 0.5),
    ("prose_rate", [row("a")], None),
    ("seconds_p50", [row(seconds=s) for s in (3.0, 1.0, 2.0, 4.0)], 2.0),
    ("seconds_p95", [row(seconds=float(s)) for s in range(1, 21)], 19.0),
    ("seconds_p95", [row(seconds=float(s)) for s in range(1, 11)], 10.0),
    ("seconds_p50", [row(seconds=2.0), failed(seconds=0.001)], 2.0),  # failing fast gains nothing
    ("seconds_p95", [row(seconds=2.0)], 2.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "rows", "expected"), GOLDEN, ids=[f"{name}-{n}" for n, (name, *_) in enumerate(GOLDEN)]
)
def test_by_hand(name: str, rows: list[Row], expected: float | None) -> None:
    assert MEASURES[name](rows) == (None if expected is None else pytest.approx(expected, abs=1e-5))


def test_every_measure_has_a_value_worked_out_by_hand() -> None:
    assert MEASURES.keys() == {name for name, *_ in GOLDEN}


@pytest.mark.parametrize("name", MEASURES)
def test_of_no_rows_nothing_can_be_told(name: str) -> None:
    assert MEASURES[name]([]) is None


LOW_IS_GOOD = {"false_refusal_rate", "unsupported_rate", "seconds_p50", "seconds_p95"}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("gold", ["a", ""])
def test_a_failure_never_makes_a_measure_better(name: str, gold: str) -> None:
    """Each of two rows, replaced by a failure of the same question that took no time."""
    good = row("a", "a", [claim("forty", "a")], short="40", seconds=2.0)
    other = row(gold, "a", [claim("forty", "a")] if gold else [], short="40" if gold else "", seconds=1.0)
    before = MEASURES[name]([good, other])
    after = MEASURES[name]([good, failed(gold, short=other.short, seconds=0.0)])
    assert before is not None or after is not None or name in ("refusal_rate", "answerable_auc")
    if before is not None:
        assert after is not None
        assert after >= before if name in LOW_IS_GOOD else after <= before


def test_retrieval_agrees_with_ir_measures() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    draw = random.Random(7)
    rows = []
    for n in range(40):
        gold = draw.sample(string.ascii_lowercase, draw.randint(1, 12))
        retrieved = draw.sample(string.ascii_lowercase, draw.randint(0, 25))
        rows.append(row("".join(gold), "".join(retrieved), question_id=f"q{n}"))
    qrels = [ir_measures.Qrel(r.question_id, id_, 1) for r in rows for id_ in r.gold]
    run = [
        ir_measures.ScoredDoc(r.question_id, id_, -float(rank)) for r in rows for rank, id_ in enumerate(r.retrieved)
    ]
    theirs = {"recall@1": "R@1", "recall@5": "R@5", "recall@20": "R@20", "ndcg@10": "nDCG@10", "rr@10": "RR@10"}
    measures = {name: ir_measures.parse_measure(spelling) for name, spelling in theirs.items()}
    expected = ir_measures.calc_aggregate(list(measures.values()), qrels, run)
    for name, measure in measures.items():
        assert MEASURES[name](rows) == pytest.approx(expected[measure]), name
