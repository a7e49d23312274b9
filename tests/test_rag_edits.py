"""Short edits of an insight: what may be left out or put in without making the sentence say something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.passages import sentences
from rag.edits import unsafe_edit, without_yes_or_no

LAMPS = "In Emberfall, the studio Third Lantern let people buy hints with lamp oil; 58% drifted onto a harder path."
CHEST = "A chest with a 5% chance felt unfair after eleven openings, while a bar that filled each time held players."
SMELTERS = (
    "In Fenmark County a new campus waits seven years, so developers now buy smelters purely for their contracts."
)
FLOAT = "The station drowned because a float switch, last inspected six years earlier, had rusted shut."
TUTORIALS = "Level designer Noor Vestergaard puts a copy of each enemy behind glass before the real fight."

HARMLESS = [
    (SMELTERS, "Developers buy smelters purely for their contracts.", "a clause, without a modifier"),
    (FLOAT, "The station drowned because a float switch had rusted shut.", "an insertion is left out whole"),
    (FLOAT, "A float switch, last inspected six years earlier, had rusted shut.", "what follows because"),
    (TUTORIALS, "Vestergaard puts a copy of each enemy behind glass before the real fight.", "the surname alone"),
    (
        FLOAT.replace("The station", "Its old pump"),
        "It drowned because a float switch, last inspected six years earlier, had rusted shut.",
        "a pronoun for the subject",
    ),
    ("The rate fell 4%, adding to the bill.", "The rate fell 4%.", "what follows is a consequence"),
    (LAMPS, "The studio Third Lantern let people buy hints with lamp oil.", "one of two statements"),
    ("Prices there fell, Kestrel finds.", "Prices fell.", "a harmless word"),
]
UNSAFE = [
    (CHEST, "A chest filled each time held players.", "leaves out 'with a 5"),
    (TUTORIALS, "She puts a copy of each enemy behind glass before the real fight.", "puts in 'She'"),
    (SMELTERS, "Fenmark County waits seven years.", "begins in the middle"),
    (SMELTERS, "Developers buy smelters, so they wait for contracts.", "puts in"),
    (FLOAT, "The station drowned because a float switch.", "breaks off after 'switch'"),
    ("A switch, which was old, had rusted.", "A switch.", "breaks off after 'switch'"),
    (FLOAT, "A float switch had rusted.", "breaks off after 'rusted'"),
    ("If halls paused, the grid could host more.", "The grid could host more.", "leaves out 'If'"),
    ("Critics wrongly claim that China has won.", "China has won.", "leaves out 'wrongly'"),
    ("A rate may rise in May.", "A rate rise in May.", "leaves out 'may'"),
    ("In Sarrano, 68% of the deaths followed hot nights.", "The deaths followed hot nights.", "begins in the middle"),
    ("Four flats in five run units overnight.", "Four flats run units overnight.", "leaves out 'in five'"),
    ("Loaves keep.", "Trains run.", "isn't made from"),
    ("Loaves keep.", "…", "nothing to compare"),
]


@pytest.mark.parametrize(("source", "sentence", "what"), HARMLESS)
def test_a_harmless_edit_may_pass(source: str, sentence: str, what: str) -> None:
    assert unsafe_edit(sentence, source) == "", what


@pytest.mark.parametrize(("source", "sentence", "why"), UNSAFE)
def test_an_edit_that_changes_what_is_said_may_not(source: str, sentence: str, why: str) -> None:
    told = unsafe_edit(sentence, source)
    assert told
    assert why in told


@pytest.mark.parametrize("source", [LAMPS, CHEST, SMELTERS, FLOAT, TUTORIALS])
def test_what_is_whole_is_harmless(source: str) -> None:
    assert unsafe_edit(source, source) == ""
    assert all(unsafe_edit(source[a:b], source) == "" for a, b in sentences(source))


@given(st.text(max_size=80), st.text(max_size=120))
def test_any_two_texts_are_compared(sentence: str, source: str) -> None:
    assert isinstance(unsafe_edit(sentence, source), str)


@given(st.lists(st.sampled_from("the mill sold forty loaves in May and bread rose".split()), min_size=1, max_size=8))
def test_a_word_from_elsewhere_is_never_harmless(said: list[str]) -> None:
    assert unsafe_edit(" ".join([*said, "trousers"]), "The mill sold forty loaves in May and bread rose.")


@pytest.mark.parametrize(
    ("sentence", "bare"),
    [
        ("Yes, prices rose.", "Prices rose."),
        ("No: they fell.", "They fell."),
        ("No baker slept.", "No baker slept."),
        ("No-one slept.", "No-one slept."),
        ("Nobody slept.", "Nobody slept."),
        ("Yes", "Yes"),
    ],
)
def test_yes_and_no_are_taken_off(sentence: str, bare: str) -> None:
    assert without_yes_or_no(sentence) == bare
