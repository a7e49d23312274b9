"""Words, copies, short answers and the rule for support."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.text import common_subsequence, content, holds, is_grounded, is_verbatim, rouge_l, stem, token_f1, words

SOURCE = (
    "Rail freight loses to lorries on the last mile. Quill Logistics moved 40% of its 1,200 parcels by night train."
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Baker's  “oven”, a LOT!", ["baker", "oven", "lot"]),
        ("1,200 of 1.5 and 1,20", ["1200", "of", "1.5", "and", "1", "20"]),
        ("forty per cent, 40 percent, 40-percent, 40 %", ["40%"] * 4),
        ("Seven one-offs in the 1930s", ["7", "one", "offs", "in", "1930", "s"]),
        ("don’t / don't", ["don't", "don't"]),
        ("", []),
        ("…!?", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text())
def test_words_of_words_are_the_same(text: str) -> None:
    assert words(" ".join(words(text))) == words(text)


@given(
    st.lists(st.from_regex(r"[A-Za-z]{1,8}|[0-9]{1,4}%?", fullmatch=True)), st.sampled_from([" ", ", ", " – ", "; "])
)
def test_words_are_blind_to_case_and_punctuation(parts: list[str], between: str) -> None:
    assert words(between.join(parts).upper()) == words("  ".join(parts).lower())


@given(st.text(), st.text(), st.text())
def test_a_text_holds_every_part_of_itself_that_has_words(before: str, short: str, after: str) -> None:
    assert holds(f"{before} . {short} . {after}", short) == bool(words(short))


@pytest.mark.parametrize(
    ("text", "short", "expected"),
    [
        ("It moved forty per cent of them.", "40%", True),
        ("It rose by 150 to 1.5 in 2015.", "15", False),
        ("The pavements clogged, since no vacuum sweeping was paid.", "clogged; no vacuum sweeping", True),
        ("It clogged.", "clogged; no vacuum sweeping", False),
        ("The Baker did.", "a baker", True),
        ("Anything.", "", False),
        ("Anything.", "the", False),
        ("", "40%", False),
    ],
)
def test_holds(text: str, short: str, expected: bool) -> None:
    assert holds(text, short) is expected


@pytest.mark.parametrize(
    ("text", "short", "expected"),
    [
        ("Nine loaves.", "nine loaves", 1.0),
        ("The nine loaves", "a nine an loaves", 1.0),  # articles don't count
        ("nine", "nine nine", 2 / 3),  # precision 1, recall 1/2: a word counts as often as both have it
        ("nine nine", "nine nine four", 4 / 5),
        ("U.S. trade-off", "us tradeoff", 1.0),  # punctuation goes, and leaves no space
        ("40%", "40", 1.0),
        ("seven", "7", 0.0),  # unlike in `holds`
        ("nine", "", 0.0),
        ("", "nine", 0.0),
        ("the", "the", 0.0),  # nothing is left of either
    ],
)
def test_token_f1(text: str, short: str, expected: float) -> None:
    assert token_f1(text, short) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        # the example of Lin 2004: "police … the gunman", then "the gunman"
        ("police kill the gunman", "police killed the gunman", 3 / 4),
        ("the gunman kill police", "police killed the gunman", 2 / 4),
        ("Police, kill!", "police_kill", 1.0),
        ("Straße", "STRASSE", 1.0),
        ("a b c", "", 0.0),
        ("", "a", 0.0),
        ("a", "b", 0.0),
        ("x a y b z", "a b", 4 / 7),  # precision 2/5, recall 1
    ],
)
def test_rouge_l(text: str, gold: str, expected: float) -> None:
    assert rouge_l(text, gold) == pytest.approx(expected)


WORDS = st.lists(st.sampled_from("abcd"), max_size=12)


@given(WORDS, WORDS)
def test_the_common_subsequence_is_that_of_the_table(first: list[str], second: list[str]) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    assert common_subsequence(first, second) == table[-1][-1]


def test_a_common_subsequence_longer_than_a_machine_word() -> None:
    many = [str(number) for number in range(500)]
    assert common_subsequence(many, many[1::2]) == 250


@given(st.text(), st.text())
def test_overlaps_are_even_handed(one: str, other: str) -> None:
    for overlap in (token_f1, rouge_l):
        assert overlap(one, other) == overlap(other, one)
        assert 0 <= overlap(one, other) <= 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No, half are among the most profitable", {"half", "profitabl"}),
        ("yes, from 11% to 26 per cent", {"11", "26"}),
        ("vague size guides", {"vagu", "siz", "guid"}),
        ("Yes.", set()),
        ("", set()),
    ],
)
def test_content(text: str, expected: set[str]) -> None:
    assert content(text) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Rail freight loses to lorries on the last mile.", True),
        ("“rail freight  loses to\nlorries”", True),
        ("Quill Logistics moved 40% of its 1,200 parcels", True),
        ("Quill Logistics moved 40", False),  # the per cent sign is cut off
        ("of its 1", False),  # a number is cut
        ("200 parcels by night train", False),
        ("ail freight loses", False),  # a word is cut
        ("Rail freight loses to trucks.", False),
        ("…", False),
        ("", False),
    ],
)
def test_is_verbatim(sentence: str, expected: bool) -> None:
    assert is_verbatim(sentence, SOURCE) is expected


@given(st.data())
def test_every_stretch_of_whole_words_is_verbatim(data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.from_regex(r"[a-zé]{1,6}", fullmatch=True), min_size=1, max_size=12))
    start = data.draw(st.integers(0, len(parts) - 1))
    end = data.draw(st.integers(start + 1, len(parts)))
    assert is_verbatim(" ".join(parts[start:end]).upper(), " ".join(parts))


@pytest.mark.parametrize(
    ("sentence", "expected", "why"),
    [
        ("Rail freight loses to lorries on the last mile.", True, "verbatim"),
        ("Quill Logistics moved 40 per cent of its parcels on night trains.", True, "all found"),
        ("Two fifths went by train: Quill Logistics moved 40% at night.", False, "the number 2 is not there"),
        ("Quill Logistics moved 45% of its parcels by night train.", False, "swapped number"),
        ("At night the Harrow Logistics train moved 40% of parcels.", False, "swapped name"),
        ("IBM moved parcels by night train.", False, "two capitals are a name even at the start"),
        ("Lorries lose to rail freight on the last mile.", True, "the rule can't see a reversed relation"),
        ("Freight loses because customers wanted their own gardens.", False, "2 of 6 content words"),
        ("Freight loses its mile, customers say.", False, "3 of 5 content words"),
        ("Yes.", False, "nothing that could be found"),
        ("", False, "nothing at all"),
        ("1,200.", True, "a number can be found"),
    ],
)
def test_is_grounded(sentence: str, expected: bool, why: str) -> None:
    assert is_grounded(sentence, [SOURCE]) is expected, why


def test_two_thirds_are_enough_and_less_is_not() -> None:
    assert is_grounded("freight lorries gardens", ["Freight and lorries."])
    assert not is_grounded("freight lorries gardens flowers", ["Freight and lorries."])


def test_sources_are_taken_together_but_nothing_comes_from_nowhere() -> None:
    sentence = "Harrow Mill baked nine loaves and Quill moved parcels."
    assert is_grounded(sentence, ["Quill moved parcels.", "Loaves that Harrow Mill baked: nine."])
    assert not is_grounded(sentence, ["Quill moved parcels."])
    assert not is_grounded(sentence, [])


@given(st.from_regex(r"[a-z]{1,12}", fullmatch=True))
def test_a_stem_is_a_beginning_of_its_word(word: str) -> None:
    assert word.startswith(stem(word))
    assert len(stem(word)) >= min(3, len(word))


@pytest.mark.parametrize(
    ("one", "other"), [("planning", "plan"), ("policies", "policy"), ("moved", "moves"), ("losses", "loss")]
)
def test_forms_of_a_word_meet(one: str, other: str) -> None:
    assert stem(one) == stem(other)
