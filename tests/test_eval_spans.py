"""Which characters answer a question, and how far those that were marked agree."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.questions import load_folder
from eval.spans import Span, derive_spans, overlap_f1

TEXT = "Nine loaves were baked at Harrow. The oven, lit at 4, cooled. Eleven loaves were sold."
FIRST, SECOND, THIRD = ("a", 0, 33), ("a", 34, 61), ("a", 62, 86)


@pytest.mark.parametrize(
    ("short", "expected"),
    [
        ("nine loaves", (FIRST,)),
        ("yes, at Harrow", (FIRST,)),  # "yes" and "at" don't count
        ("the ovens cooled", (SECOND,)),  # blind to endings
        ("11", (THIRD,)),
        ("loaves", ()),  # two sentences hold it
        ("nine loaves were sold", ()),  # no sentence holds all of it
        ("lorries", ()),
        ("no", ()),
        ("", ()),
    ],
)
def test_the_sentence_that_answers(short: str, expected: tuple[Span, ...]) -> None:
    assert derive_spans(short, {"a": TEXT}) == expected
    for id_, start, end in expected:
        assert (id_, TEXT[start:end].strip()) == ("a", TEXT[start:end])


def test_two_gold_insights_and_none_leave_it_open() -> None:
    assert derive_spans("nine loaves", {"a": TEXT, "b": "Lorries."}) == ()
    assert derive_spans("nine loaves", {}) == ()


@given(st.text(), st.text())
def test_a_span_is_within_its_text(short: str, text: str) -> None:
    for id_, start, end in derive_spans(short, {"a": text}):
        assert id_ == "a"
        assert 0 <= start < end <= len(text)


SPANS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(0, 20)).map(
        lambda s: (s[0], min(s[1:]), max(s[1:]))
    ),
    max_size=4,
)


@given(SPANS, SPANS)
def test_overlap_is_counted_character_by_character(marked: list[Span], gold: list[Span]) -> None:
    def covers(spans: list[Span], id_: str, at: int) -> bool:
        return any(each == id_ and start <= at < end for each, start, end in spans)

    cells = [(covers(marked, id_, at), covers(gold, id_, at)) for id_ in "ab" for at in range(20)]
    both = cells.count((True, True))
    ours, theirs = sum(a for a, _ in cells), sum(b for _, b in cells)
    expected = 2 * (both / ours) * (both / theirs) / (both / ours + both / theirs) if both else 0.0
    assert overlap_f1(marked, gold) == pytest.approx(expected)


def test_questions_know_the_characters_that_answer_them(tmp_path: Path) -> None:
    def asked(number: int, short: str, *cites: str) -> dict[str, object]:
        return {"id": f"q{number}", "question": "?", "short": short, "answer": [{"text": "x", "cites": cites}]}

    data = {
        "insights": [{"id": "a", "text": TEXT}, {"id": "b", "text": "Lorries."}],
        "questions": [
            asked(1, "nine loaves", "a"),
            asked(2, "loaves", "a"),
            asked(3, "nine loaves", "a", "b"),
            asked(4, "nine loaves", "a", "elsewhere"),
            {"id": "q5", "question": "?", "answer": []},
        ],
    }
    (tmp_path / "rail.json").write_text(json.dumps(data), encoding="utf-8")
    (collection,) = load_folder(tmp_path)
    assert [question.spans for question in collection.questions] == [(FIRST,), (), (), (), ()]
