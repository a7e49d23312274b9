"""Questions made of sentences by rule: they read as a person would put them, and no rule makes one of what it can't."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.insight import make_insight
from ui.question_rules import about_people, person, thesis
from ui.suggest import questions_of


@pytest.mark.parametrize(
    ("sentence", "asked"),
    [
        ("Refund speed beats refund generosity.", "Does refund speed beat refund generosity?"),
        ("Sponge cities are undone by brooms.", "Are sponge cities undone by brooms?"),
        ("Experiments reward timidity.", "Do experiments reward timidity?"),
        ("Households respond to neighbours, not to prices.", "Do households respond to neighbours?"),
        ("A loan request is a negotiation about risk, not a plea.", "Is a loan request a negotiation about risk?"),
        ("The trench lost its water.", "Did the trench lose its water?"),
        ("China's approach will decide the value of films.", "Will China's approach decide the value of films?"),
        ("Lifting makes older runners younger.", "Does lifting make older runners younger?"),
        ("Quick approval should follow reversibility.", "Should quick approval follow reversibility?"),
    ],
)
def test_a_thesis_becomes_the_question_whether_it_is_so(sentence: str, asked: str) -> None:
    assert thesis(sentence, f"{sentence} Nothing else is said of it.") == asked


@pytest.mark.parametrize(
    "sentence",
    [
        "It is a moat.",
        "Bramble is a moat.",  # a name or a thing: the text doesn't tell
        "A moat is what keeps rivals out.",
        "The trick is to hide the threshold.",
        "The trench is not deep at all.",
        "Storms are rare, and walls are dear.",
        "An emerging threat is China itself.",
        "Nothing grows a show like lending it out.",
        "Dates on a roadmap train people to lie.",
        "A moat is water.",
        "A “moat” is a trench of water.",
        "A moat is a trench of water; it keeps rivals out.",
        "Is a moat a trench of water?",
        "",
    ],
)
def test_other_sentences_give_none(sentence: str) -> None:
    assert thesis(sentence, sentence) == ""


def test_a_name_stays_a_name_and_a_word_becomes_small_where_the_text_tells() -> None:
    sentence = "Bramble is a moat for its owner."
    assert thesis(sentence, f"{sentence} Whoever owns Bramble knows.") == "Is Bramble a moat for its owner?"
    assert thesis(sentence, f"{sentence} Any bramble will do.") == "Is bramble a moat for its owner?"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Director Paul Renwick argues that visits fall.", ["What does Paul Renwick argue?"]),
        ("Estimates became better, says CPO Lena Adebayo.", ["What does Lena Adebayo say?"]),
        ("Producer Malik Thorsen worked out what filming adds.", ["What did Malik Thorsen find out?"]),
        ("At the Greyback Half, 14 runners finished early.", ["What happened at the Greyback Half?"]),
        ("In Estrada Alta, seven people shared one tap.", ["What happened in Estrada Alta?"]),
        ("In Estrada Alta, people share one tap.", []),
        ("In London, seven people shared one tap.", []),
        ("Bramble says so, and the author argues nothing.", []),
    ],
)
def test_people_and_places_are_asked_about(text: str, asked: list[str]) -> None:
    assert list(about_people(text)) == asked


def test_a_role_is_no_part_of_a_name() -> None:
    assert person("Producer Malik Thorsen") == "Malik Thorsen"
    assert person("Port Callan") == "Port Callan"
    assert person("Coach") == "Coach"


def test_the_best_questions_come_first_and_dry_ones_not_at_all() -> None:
    text = 'A nation\'s advantage is its "intelligent capital stock": its power. Analyst Ines Okafor warns of it.'
    asked = questions_of(make_insight(text))
    assert asked[0] == "What does Ines Okafor warn?"
    assert not any(question.startswith("What is") for question in asked)
    assert len(asked) <= 3


@given(st.text("Aab s.,’'“”is?", max_size=60) | st.text(max_size=40))
def test_whatever_the_sentence_what_comes_is_one_question_or_none(sentence: str) -> None:
    asked = thesis(sentence, sentence)
    assert asked == "" or re.fullmatch(r"[A-Z][^?]*\?", asked)
    for question in about_people(sentence):
        assert question.endswith("?")
