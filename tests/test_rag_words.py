"""What the rules see in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.words import content, names, negations, numbers, stem, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It cost 3,200 dollars.", {"3200"}),
        ("It cost 3200 dollars in 1994.", {"3200", "1994"}),
        ("A 4.20-euro coffee", {"4.2"}),
        ("41% of users, or 41 percent", {"41"}),
        ("eleven of Forty towns", {"11", "40"}),
        ("twenty-two members", {"22"}),
        ("Only one of them", set()),
        ("1,5 litres at 7:30", {"1.5", "7:30"}),
        ("A 007 and a 0", {"7", "0"}),
        ("12,000,000 rows", {"12000000"}),
        ("nothing here", set()),
    ],
)
def test_numbers(text: str, found: set[str]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Growers capture pennies.", set()),
        ("The farmer in Huehuetenango saw it.", {"Huehuetenango"}),
        ("Ines Okafor doubts it.", {"Ines", "Okafor"}),
        ("It ended. Growers left for Peru.", {"Peru"}),
        ("NATO met.", {"NATO"}),
        ("OpenAI's plan", {"OpenAI"}),
        ("It was what I said.", set()),
        ("He asked: “Why Lima?”", {"Lima"}),
    ],
)
def test_names(text: str, found: set[str]) -> None:
    assert names(text) == {stem(name) for name in found}


@pytest.mark.parametrize(
    ("a", "b"), [("captured", "captures"), ("Lindow’s", "Lindow"), ("Café", "cafe"), ("loaves", "loaves")]
)
def test_equal_stems(a: str, b: str) -> None:
    assert stem(a) == stem(b)


@pytest.mark.parametrize(
    ("text", "count"), [("It isn't so.", 1), ("No, never.", 2), ("It is so.", 0), ("They can’t.", 1)]
)
def test_negations(text: str, count: int) -> None:
    assert negations(text) == count


def test_content_leaves_out_grammar_and_numbers() -> None:
    assert content("How many of the 40 labels could name a price?") == [stem("labels"), stem("name"), stem("price")]


@given(st.text())
def test_any_text_is_read_without_complaint(text: str) -> None:
    assert all(word in text for word in words(text))
    assert names(text) <= {stem(word) for word in words(text)}
    numbers(text), negations(text), content(text)
    assert numbers(text) == numbers(text + " ")


@given(st.integers(0, 10**9))
def test_a_number_is_the_same_with_and_without_commas(value: int) -> None:
    assert numbers(f"{value:,} grams") == numbers(f"{value} grams") == {str(value)}
