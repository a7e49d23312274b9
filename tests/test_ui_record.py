"""The record of an answer: one numbering for the page, the terminal and the API."""

import json
import re
import string
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.insight import Insight, Passage
from rag.datatypes import Answer, Citation, Claim, Evidence, Hit, Status, Trace, Verdict
from ui.record import NOT_IN_LIBRARY, answer_text, hit_record, marked_text, number, record, split_end

TEXT = st.text(min_size=1, max_size=60)


def hit(insight_id: str, text: str, rank: int = 1) -> Hit:
    insight = Insight(insight_id, text)
    return Hit(Passage(f"{insight_id}#0", insight_id, text, 0, len(text)), insight, 0.123456, rank)


def claim(text: str, *citations: Citation, verdict: Verdict = Verdict.SUPPORTED) -> Claim:
    return Claim(text, citations, 0.987654, verdict)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Any answer whose citations point into its hits."""
    ids = draw(
        st.lists(
            st.text(string.ascii_letters + "#[]1\"'<", min_size=1, max_size=5), min_size=1, max_size=4, unique=True
        )
    )
    hits = tuple(hit(id_, draw(TEXT), rank) for rank, id_ in enumerate(ids, 1))

    def citation() -> Citation:
        chosen = draw(st.sampled_from(hits))
        start = draw(st.integers(0, len(chosen.insight.text) - 1))
        return Citation(chosen.passage.passage_id, start, draw(st.integers(start + 1, len(chosen.insight.text))))

    claims = tuple(
        claim(draw(TEXT), *(citation() for _ in range(draw(st.integers(0, 3)))), verdict=draw(st.sampled_from(Verdict)))
        for _ in range(draw(st.integers(0, 3)))
    )
    by_id = {hit.passage.passage_id: hit for hit in hits}
    cited = [citation() for _ in range(draw(st.integers(0, 3)))]
    evidence = tuple(Evidence(by_id[c.passage_id], c, 0.5) for c in cited)
    return Answer("why?", draw(st.sampled_from(Status)), claims, evidence, hits, hits[:2])


@given(answers())
def test_every_marker_has_its_citation(answer: Answer) -> None:
    data = record(answer)
    texts = {h.insight.insight_id: h.insight.text for h in answer.hits}
    citations = [citation for row in data["claims"] for citation in row["citations"]]
    assert all(c["quote"] == texts[c["insight_id"]][c["start"] : c["end"]] for c in citations)
    assert {int(n) for n in re.findall(r"\[(\d+)\]", data["answer"])} <= {c["n"] for c in citations}
    json.dumps(data, allow_nan=False)


@given(answers())
def test_numbers_count_from_one_without_gaps(answer: Answer) -> None:
    numbers = number(answer)
    assert list(numbers.values()) == list(range(1, len(numbers) + 1))
    assert "unsupported" not in {row["verdict"] for row in record(answer)["claims"]}


def test_numbers_follow_the_first_mention_in_the_claims_then_the_evidence() -> None:
    a, b = hit("a", "steel"), hit("b", "tin")
    evidence = (Evidence(a, Citation("a#0", 0, 5), 0.9), Evidence(b, Citation("b#0", 0, 3), 0.8))
    draft = Answer("why?", Status.ANSWERED, (), evidence, (a, b))
    assert number(draft) == {"a": 1, "b": 2}
    worded = Answer("why?", Status.ANSWERED, (claim("Tin.", Citation("b#0", 0, 3)),), evidence, (a, b))
    assert number(worded) == {"b": 1}


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("It is steel dumping.", "It is steel dumping [1]."),
        ("Is it?!", "Is it [1]?!"),
        ("He said “no.”", "He said “no [1].”"),
        ("no punctuation", "no punctuation [1]"),
        ("Smith [3] says so.", "Smith (3) says so [1]."),
        ("...", "... [1]"),
    ],
)
def test_markers_stand_before_the_final_punctuation(text: str, marked: str) -> None:
    assert marked_text(claim(text, Citation("a#0", 0, 1), Citation("a#0", 2, 3)), {"a": 1}) == marked


@given(st.text())
def test_splitting_a_sentence_loses_nothing(text: str) -> None:
    assert "".join(split_end(text)) == text.rstrip()


def test_several_sources_have_their_markers_side_by_side() -> None:
    assert marked_text(claim("So.", Citation("b#0", 0, 1), Citation("a#0", 0, 1)), {"a": 2, "b": 1}) == "So [1][2]."


def test_an_answer_that_is_not_there_says_so_and_lists_the_nearest() -> None:
    data = record(Answer("why?", Status.NOT_IN_LIBRARY, nearest=(hit("a", "steel"),)))
    assert (data["status"], data["answer"], data["claims"]) == ("not_in_library", NOT_IN_LIBRARY, [])
    assert data["nearest"] == [{"insight_id": "a", "text": "steel", "score": 0.1235}]
    assert answer_text(Answer("why?", Status.ANSWERED)) == ""


def test_the_record_has_exactly_its_fields_and_four_digits() -> None:
    trace = Trace(seconds={"total": 1.23456}, answerable=float("nan"), dropped=("x",), models={"reader": "r"})
    data = record(Answer("why?", Status.PARTLY, (claim("So."),), trace=trace))
    assert list(data) == ["question", "status", "answer", "claims", "nearest", "trace"]
    assert list(data["claims"][0]) == ["text", "verdict", "support", "citations"]
    assert set(data["trace"]) == {field.name for field in fields(Trace)}
    assert data["claims"][0]["support"] == 0.9877
    assert data["trace"]["seconds"] == {"total": 1.2346}
    assert data["trace"]["answerable"] is None
    assert data["trace"]["dropped"] == ["x"]


def test_a_hit_as_data() -> None:
    assert hit_record(hit("a", "steel"))["score"] == 0.1235
