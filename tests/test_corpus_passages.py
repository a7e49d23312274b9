"""Passages: exact spans, nothing lost, nothing twice, and lengths that an embedding model can take."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from corpus.insight import Insight, make_insight
from corpus.passages import MAX_WORDS, MIN_WORDS, sentences, split_passages

TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from(["Yes!", "word ", "U.S. ", "3.5 ", "end. ", "end.", "\n", "“Go,” ", "中文。", "é ", "😀"]),
        max_size=900,
    ).map("".join),
)


def insight_of(text: str) -> Insight:
    return Insight(insight_id="i", text=text)


def test_a_short_insight_is_one_passage() -> None:
    insight = make_insight("One thing. And another.", insight_id="s1")
    (passage,) = split_passages(insight)
    assert (passage.passage_id, passage.start, passage.end) == ("s1#0", 0, len(insight.text))
    assert passage.text == insight.text


def test_up_to_the_limit_there_is_one_passage_and_beyond_it_two_of_like_length() -> None:
    sentence = "Five words make a sentence. "
    assert len(split_passages(make_insight(sentence * 24))) == 1
    parts = split_passages(make_insight(sentence * 26))
    assert [len(part.text.split()) for part in parts] == [65, 65]
    assert [part.passage_id[-2:] for part in parts] == ["#0", "#1"]
    assert all(part.text.endswith("sentence.") for part in parts)


def test_a_short_rest_joins_what_comes_before_it() -> None:
    text = " ".join("word " * (length - 1) + "end." for length in (70, 60, 20, 10))
    assert [len(part.text.split()) for part in split_passages(make_insight(text))] == [70, 90]


def test_a_sentence_without_end_is_cut_between_words() -> None:
    parts = split_passages(make_insight("word " * 300))
    assert [len(part.text.split()) for part in parts] == [100, 100, 100]


def test_unbroken_strings_and_unspaced_scripts_are_cut_too() -> None:
    assert len(split_passages(make_insight("x" * 5000))) == 3
    assert len(split_passages(make_insight("中" * 241))) == 3


def test_sentences_know_abbreviations_numbers_and_quotes() -> None:
    text = 'Yes! The U.S. paid $3.5 million. "Why?" asked Dr. Quill.  Nobody knew.\nA line\n\nAnother'
    assert [text[start:end] for start, end in sentences(text)] == [
        "Yes!",
        "The U.S. paid $3.5 million.",
        '"Why?" asked Dr. Quill.',
        "Nobody knew.",
        "A line",
        "Another",
    ]


def test_no_text_has_no_sentences_and_no_passages() -> None:
    assert sentences(" \n\t ") == []
    assert split_passages(insight_of(" \n ")) == ()


@given(TEXTS)
def test_sentences_are_trimmed_in_order_and_leave_nothing_out(text: str) -> None:
    spans = sentences(text)
    assert all(text[start:end] and text[start:end] == text[start:end].strip() for start, end in spans)
    assert all("\n" not in text[start:end] for start, end in spans)
    check_cover(text, spans)


@given(TEXTS)
def test_passages_have_exact_spans_and_leave_nothing_out(text: str) -> None:
    insight = insight_of(text)
    parts = split_passages(insight)
    assert all(insight.text[part.start : part.end] == part.text for part in parts)
    assert [part.passage_id for part in parts] == [f"i#{n}" for n in range(len(parts))]
    check_cover(text, [(part.start, part.end) for part in parts])


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_passages_of_ordinary_sentences_are_neither_long_nor_tiny(lengths: list[int]) -> None:
    text = " ".join("word " * (length - 1) + "end." for length in lengths)
    sizes = [len(part.text.split()) for part in split_passages(insight_of(text))]
    assert max(sizes) <= MAX_WORDS
    assert len(sizes) == 1 or min(sizes) >= MIN_WORDS or sum(sizes[-2:]) > MAX_WORDS


def check_cover(text: str, spans: list[tuple[int, int]]) -> None:
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    outside = list(text)
    for start, end in spans:
        outside[start:end] = " " * (end - start)
    assert not "".join(outside).strip()
