"""Follow-ups: which questions lean on the one before, and what is searched then."""

import pytest

from rag.datatypes import Turn
from rag.followup import leans_back, standalone

FIRST = "How many suitcases did Ottavia Brandt count?"


@pytest.mark.parametrize(
    "question",
    [
        "And how many parcels?",
        "But why?",
        "So what did it cost?",
        "Why?",
        "Why not?",
        "Since when?",
        "What about lorries and their drivers on the last mile?",
        "Up from what?",
        "When did she count them?",
        "What makes those ovens lose heat through the door?",
        "Is that the same for freight cars standing idle?",
        "Which of the others keeps a starter at the bakery?",
        "How many?",
        "and then?",
        "… and the second pane?",
    ],
)
def test_a_follow_up_leans_on_the_question_before(question: str) -> None:
    assert leans_back(question)
    assert standalone(question, [Turn(FIRST, "310.")]) == f"{FIRST} {question}"


@pytest.mark.parametrize(
    "question",
    [
        "Why do freight cars stand idle for most of life?",
        "How does acid slow mould in sourdough loaves?",
        "What did Quill Logistics move by night train?",
        "How long do loaves from Harrow Mill last?",
        "Who is Ottavia Brandt?",
        "Since the village starter ended, which bakeries kept sourdough?",
        "Which bakeries kept a starter until 1931?",
    ],
)
def test_a_question_that_stands_alone_is_searched_as_it_is(question: str) -> None:
    assert standalone(question, [Turn(FIRST, "310.")]) == question


@pytest.mark.parametrize("question", ["And how many?", "Why?", "it", ""])
def test_without_an_earlier_question_nothing_is_added(question: str) -> None:
    assert standalone(question, []) == question


def test_a_chain_of_follow_ups_keeps_its_subject() -> None:
    history = [Turn(FIRST, "310."), Turn("And when?", "At night."), Turn("Why then?", "Tourists.")]
    assert standalone("How many of them?", history) == f"{FIRST} And when? Why then? How many of them?"


def test_a_new_subject_ends_the_chain() -> None:
    new = "How does acid slow mould in sourdough loaves?"
    history = [Turn(FIRST, "310."), Turn(new, "By acid.")]
    assert standalone("And in rye?", history) == f"{new} And in rye?"
    assert standalone(FIRST, history) == FIRST


def test_what_was_answered_is_not_searched_for() -> None:
    assert "secret" not in standalone("And when?", [Turn(FIRST, "A secret answer.")])
