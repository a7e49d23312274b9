"""What is kept of an answer."""

from corpus.insight import make_insight
from corpus.passages import split_passages
from eval.questions import Question
from eval.rows import answered_row, failed_row
from rag.datatypes import Answer, Citation, Claim, Hit, Status, Trace, Verdict

INSIGHT = make_insight("Freight cars stand idle. Nine loaves were sold.", insight_id="s6")
HIT = Hit(split_passages(INSIGHT)[0], INSIGHT, 0.9, 1)
QUESTION = Question(
    "q1", "direct", "How idle?", (), ("s6",), "Idle.", "idle", True, "rail", grades=(2,), spans=(("s6", 0, 24),)
)


def test_a_row_keeps_what_was_marked_spent_and_dropped() -> None:
    first, second = Citation("s6#0", 0, 24), Citation("s6#0", 25, 47)
    claims = tuple(Claim("x", cited, 0.8, Verdict.SUPPORTED) for cited in ((first, second, first), ()))
    trace = Trace(tokens={"prompt": 30}, dropped=("Ten. (number)",), answerable=0.7)
    row = answered_row(QUESTION, Answer("?", Status.ANSWERED, claims, hits=(HIT,), trace=trace), 1.0)
    assert row.claims[0].spans == (("s6", 0, 24), ("s6", 25, 47))
    assert row.claims[0].cited == ("s6",)
    assert row.claims[1].spans == ()
    assert row.tokens == {"prompt": 30, "completion": 0}
    assert row.dropped == ("Ten. (number)",)
    assert (row.grades, row.gold_spans) == ((2,), (("s6", 0, 24),))


def test_a_refusal_has_cost_no_tokens_and_a_failure_unknown_ones() -> None:
    refused = answered_row(QUESTION, Answer("?", Status.NOT_IN_LIBRARY), 1.0)
    assert refused.tokens == {"prompt": 0, "completion": 0}
    failed = failed_row(QUESTION, "OSError", 1.0)
    assert failed.tokens is None
    assert (failed.grades, failed.gold_spans) == ((2,), (("s6", 0, 24),))
