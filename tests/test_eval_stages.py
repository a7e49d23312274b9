"""Each stage by hand, and that every question ends in exactly one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.rows import Row
from eval.stages import GOOD, HIGH, STAGES, count_stages, moves, stage_lost


def row(gold: str = "", retrieved: str = "", cited: str = "", **fields: Any) -> Row:
    """A row; ids are single letters; without gold it is unanswerable; what cites nothing is refused."""
    defaults: dict[str, Any] = {
        "question_id": "q",
        "collection": "c",
        "type": "direct",
        "question": "Why?",
        "answerable": bool(gold),
        "gold": tuple(gold),
        "short": "nine loaves",
        "status": "answered" if cited else "not_in_library",
        "seconds": 1.0,
        "answer": "Nine loaves lasted." if cited else "",
        "cited": tuple(cited),
        "retrieved": tuple(retrieved),
    }
    return Row(**(defaults | fields))


BY_HAND = [
    (row("a", "xa", "a"), "right"),
    (row("ab", "axb", "ba"), "right"),
    (row("a", "xyzuva", "a"), "right"),  # what is cited wasn't lost, wherever it was ranked
    (row("a", "a", "a", short=""), "right"),  # the wording can't be judged
    (row("a", "a", "a", status="partly"), "right"),
    (row("a", "xyz"), "not retrieved"),  # refused for that: retrieval lost it first
    (row("a", "xyz", "x"), "not retrieved"),
    (row("ab", "a", "a"), "not retrieved"),  # the other gold insight
    (row("a", "xyzuva", "x"), "ranked low"),  # sixth
    (row("a", "xyzuva"), "ranked low"),
    (row("ab", "axyzuvb", "a"), "ranked low"),
    (row("a", "xyzua"), "refused"),  # fifth
    (row("a", "xyzua", "x"), "not cited"),
    (row("ab", "ab", "a"), "not cited"),
    (row("a", "a", status="answered", answer="Nine loaves."), "not cited"),
    (row("a", "a", "a", answer="Ten loaves lasted."), "written wrong"),
    (row("a", "a", status="error", error="OSError: gone"), "failed"),
    (row(status="error", error="OSError: gone"), "failed"),
    (row(answerable=True), "refused"),  # no gold to retrieve or cite
    (row(answerable=True, status="answered", answer="Nine loaves."), "right"),
    (row("", "xyz"), "rightly refused"),
    (row("", "xyz", "x"), "answered anyway"),
    (row("", "xyz", "x", status="partly"), "answered anyway"),
]


@pytest.mark.parametrize(("asked", "stage"), BY_HAND)
def test_by_hand(asked: Row, stage: str) -> None:
    assert stage_lost(asked) == stage


def test_every_stage_but_the_verifier_is_among_them() -> None:
    assert {stage for _, stage in BY_HAND} == set(STAGES) - {"dropped by the verifier"}
    assert set(STAGES) > GOOD


@pytest.mark.parametrize(
    ("dropped", "stage"),
    [
        ((), "written wrong"),
        (("Nine loaves lasted. (not supported)",), "dropped by the verifier"),
        (("Nine lasted. (a number that isn't there)", "Loaves too. (not supported)"), "dropped by the verifier"),
        (("Ten loaves lasted. (it says nine)",), "written wrong"),  # the reason isn't part of the sentence
        (("[9]",), "written wrong"),
    ],
)
def test_what_was_written_but_not_shown(dropped: tuple[str, ...], stage: str) -> None:
    assert stage_lost(row("a", "a", "a", answer="Some lasted.", dropped=dropped)) == stage


IDS = st.lists(st.sampled_from("abcdefgh"), max_size=8, unique=True).map("".join)
ROWS = st.builds(
    row,
    IDS,
    IDS,
    IDS,
    answerable=st.booleans(),
    status=st.sampled_from(["answered", "partly", "not_in_library", "error"]),
    answer=st.sampled_from(["", "Nine loaves.", "Ten."]),
    short=st.sampled_from(["", "nine"]),
)


@given(st.lists(ROWS))
def test_every_question_ends_in_exactly_one_stage(rows: list[Row]) -> None:
    counts = count_stages(rows)
    assert list(counts) == list(STAGES)
    assert sum(counts.values()) == len(rows)


@given(ROWS)
def test_what_is_right_shows_the_gold(asked: Row) -> None:
    stage = stage_lost(asked)
    if stage == "right":
        assert set(asked.gold) <= set(asked.cited)
        assert not asked.refused
    if stage == "not cited":
        assert set(asked.gold) - set(asked.cited) <= set(asked.retrieved[:HIGH])


def test_moves_pair_the_questions() -> None:
    before = [row("a", "a", "a"), row("a", "a"), row("a", "a"), row()]
    after = [row("a", "a", "a"), row("a", "a", "a"), row("a", "x"), row("", "x", "x")]
    assert moves(before, after) == {
        ("right", "right"): 1,
        ("refused", "right"): 1,
        ("refused", "not retrieved"): 1,
        ("rightly refused", "answered anyway"): 1,
    }
    with pytest.raises(ValueError, match="shorter"):
        moves(before, after[:3])
