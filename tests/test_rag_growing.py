"""A sentence that grows as a harmless edit: each beginning of one is allowed, and nothing else."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.edits import HARMLESS, unsafe_edit, words_of
from rag.growing import Growing
from rag.train.__main__ import EDITS, FOLDERS
from rag.train.collections import load_collections

ROOT = Path(__file__).parent.parent
PUMP = (
    "Plans die of neglect. The pump of Bexhollow drowned in its first big storm because a $400 float switch, last "
    "inspected six years earlier, had rusted shut. St. Ives saw costs fall by 4.5%; if nobody looks, they rise to "
    '31,000. "Look twice," says Mara Quill.'
)


def grows(sentence: str, source: str = PUMP) -> bool:
    guide = Growing(source)
    return all(guide.allows(sentence[:n], sentence[n]) for n in range(len(sentence))) and guide.ends(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Plans die of neglect.",
        "A $400 float switch had rusted shut.",
        "The pump of Bexhollow drowned in its first storm because a $400 float switch had rusted shut.",
        "It drowned in its first big storm.",
        "St. Ives saw costs fall by 4.5%.",
        "St. Ives saw the costs fall by 4.5%.",
    ],
)
def test_an_edit_may_grow(sentence: str) -> None:
    assert grows(sentence)
    assert not unsafe_edit(sentence, PUMP)


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("A $500 float switch had rusted shut.", "another number"),
        ("A $400 float switch was broken.", "a word that isn't there"),
        ("Switch had rusted shut.", "begins in the middle"),
        ("A $400 float switch had rusted.", "breaks off"),
        ("They rise to 31,000.", "leaves out its condition"),
        (
            "Plans die of neglect, the pump of Bexhollow drowned in its first big storm.",
            "joins two sentences",
        ),
        ('"Look twice, says Mara Quill.', "a quotation mark left open"),
        ("Plans die of neglect. Plans die of neglect.", "a second sentence"),
        ("Plans die", "unfinished"),
        ("", "nothing"),
    ],
)
def test_what_is_no_edit_may_not(sentence: str, fault: str) -> None:
    assert not grows(sentence), fault


def test_a_token_is_judged_by_what_it_makes_of_the_word() -> None:
    guide = Growing(PUMP)
    assert guide.allows("It drow", "ned in")
    assert not guide.allows("It drow", "sed")
    assert guide.allows("St. Ives saw costs fall by 4", ".")
    assert guide.allows("St. Ives saw costs fall by 4.", "5%.")
    assert not guide.allows("St. Ives saw costs fall by 4.", " 5")
    assert not guide.allows("Plans die of neglect.", " Plans")


@given(st.data())
def test_whatever_grew_to_an_end_says_nothing_new_and_keeps_its_conditions(data: st.DataObject) -> None:
    """Words of the source and others, one after the other, as far as the guide allows."""
    guide, text = Growing(PUMP), ""
    pieces = [*PUMP.split(), "It", "the", "never", "was"]
    for _ in range(data.draw(st.integers(1, 25))):
        fitting = [piece for piece in pieces if guide.allows(text, f" {piece}" if text else piece.capitalize())]
        if not fitting:
            break
        piece = data.draw(st.sampled_from(fitting))
        text += f" {piece}" if text else piece.capitalize()
    if guide.ends(text):
        said = {word.text.casefold() for word in words_of(text)}
        assert said <= {word.text.casefold() for word in words_of(PUMP)} | HARMLESS
        assert "if" in said or not {"rise", "31,000", "looks"} & said


@given(source=st.text(max_size=80), text=st.text(max_size=30), piece=st.text(max_size=5))
def test_any_text_is_judged(source: str, text: str, piece: str) -> None:
    guide = Growing(source)
    assert guide.allows(text, piece) in (True, False)
    assert guide.ends(text) in (True, False)


def test_the_writer_can_write_what_it_is_taught() -> None:
    collections = load_collections([ROOT / folder for folder in FOLDERS])
    insights = {i: text for collection in collections.values() for i, text in collection.insights.items()}
    rows = [json.loads(line) for line in (ROOT / EDITS).read_text(encoding="utf-8").splitlines()][::8]
    refused = [row["edit"] for row in rows if not grows(row["edit"], insights[row["insight"]])]
    assert len(refused) <= 0.02 * len(rows), refused
