"""The check that stands between a draft and the reader: what may pass, what must not, and what is cited."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.insight import Insight, Passage, make_insight
from corpus.passages import split_passages
from rag.config import Config
from rag.datatypes import Citation, Claim, Evidence, Hit, Verdict
from rag.embed import open_embedder
from rag.read import Logistic, LogisticReader, Reader, load_reader
from rag.rules import HARD, RULES, broken_rule, doubts, locate
from rag.verify import Dropped, check, complete, completed, markers, quoted, without_markers
from tests.fakes import HashEmbedder, OpenReader, OverlapScorer

LABELS = (
    "Direct trade is a photograph, says exporter Amparo Quines. Of 40 labels that she audited, 11 named the price paid."
)


def evidence(text: str, insight_id: str = "i1") -> Evidence:
    insight: Insight = make_insight(text, insight_id=insight_id)
    passage: Passage = split_passages(insight)[0]
    return Evidence(Hit(passage, insight, 0.9, 1), Citation(passage.passage_id, 0, len(insight.text)), 0.9)


@pytest.fixture
def reader() -> Reader:
    return load_reader(HashEmbedder(), OverlapScorer(), OverlapScorer())


@pytest.fixture(scope="module")
def real_reader() -> Reader:
    return load_reader(open_embedder(Config().embedder))


@pytest.mark.parametrize(
    ("rule", "sentence", "why"),
    [
        ("number", "Of the 40 labels she audited, 12 named the price.", "number 12"),
        ("number", "In 1994 she audited 40 labels.", "number 1994"),
        ("name", "Of the labels that Ines Okafor audited, 11 named the price.", "name 'ines'"),
        ("denial", "Of 40 labels that she audited, 11 did not name the price paid.", "denies"),
        ("repeat", "She audited labels that audited labels.", "'audit' more often"),
        ("absolute", "All labels named the price.", "'all'"),
        ("edit", "She audited trousers.", "'trousers'"),
    ],
)
def test_a_rule_tells_what_is_wrong(rule: str, sentence: str, why: str) -> None:
    assert why in RULES[rule](sentence, LABELS)
    assert broken_rule(sentence, LABELS)
    assert doubts(sentence, LABELS).get(f"doubt_{rule}", 1.0) == 1.0


def test_a_doubt_decides_nothing_alone() -> None:
    cited = "Nobody sleeps on the train: Brandt counted 310 suitcases."
    assert RULES["denial"]("Brandt counted 310 suitcases.", cited)
    assert not broken_rule("Brandt counted 310 suitcases.", cited)
    assert set(doubts("", "")) == {f"doubt_{rule}" for rule in RULES if rule not in HARD}


def test_a_number_must_count_the_same_thing() -> None:
    cited = "The Fenwick borrowed 140 objects and hung them in two rooms."
    assert "counts something else" in broken_rule("The Fenwick borrowed 2 objects.", cited)
    assert not broken_rule("The Fenwick borrowed 140 objects.", cited)
    assert not broken_rule("It hung them in 2 rooms.", cited)


def test_opposites_are_told_apart() -> None:
    assert "rise" in broken_rule("Prices rise in July.", "Prices fall in July.") or "fall" in broken_rule(
        "Prices rise in July.", "Prices fall in July."
    )
    assert not broken_rule("Prices rise in July.", "Prices rise in July and fall in August.")


def test_what_the_insight_says_breaks_no_rule() -> None:
    sentence = "Of 40 labels that she audited, 11 named the price paid."
    assert broken_rule(sentence, LABELS) == ""
    assert not any(doubts(sentence, LABELS).values())


FALSE_PASSES = [  # what stands in the insight, and what a writer makes of it: nearly all of these once passed
    ("Critics wrongly claim that China has won the AI race.", "China has won the AI race."),
    ("It is a myth that Quill Logistics went bankrupt.", "Quill Logistics went bankrupt."),
    ("China makes 40% of the world's steel.", "The US makes 40% of the world's steel."),
    ("China exports far more steel than the US.", "The US exports far more steel than China."),
    ("Quill Logistics acquired Harrow Mill in 2020.", "Harrow Mill acquired Quill Logistics in 2020."),
    ("It moved 3 million parcels by night train.", "It moved 3 parcels by night train."),
    ("The second pane saved 12% of its heat.", "The second pane saved $12 of its heat."),
    ("Nights fell to -5 degrees in Lindow.", "Nights fell to 5 degrees in Lindow."),
    ("The mill closed in the 1960s.", "The mill closed in 1960."),
    ("The rate was .5 percent.", "The rate was 5 percent."),
    ("A second pane may have saved the heat.", "A second pane saved the heat."),
    ("Some bakeries in Lindow saved heat.", "All bakeries in Lindow saved heat."),
    ("A baker in Lindow saved 12%.", "A baker in Lindow illegally saved 12%."),
    ("A nation's advantage explains the US restricting GPU sales.", "The US restricts GPU sales to protect itself."),
]


@pytest.mark.parametrize(("insight", "draft"), FALSE_PASSES, ids=[draft[:30] for _, draft in FALSE_PASSES])
@pytest.mark.slow
def test_what_the_insight_does_not_say_is_stopped(insight: str, draft: str, real_reader: Reader) -> None:
    for caution in ("lenient", "normal", "strict"):
        cut = real_reader.cuts(caution).support
        assert cut >= 0.5  # no caution turns the score off
        outcome = check(draft, "What do the notes say of it?", [evidence(insight)], real_reader, cut)
        assert not isinstance(outcome, Claim), outcome


def test_what_the_insight_says_word_for_word_is_shown(reader: Reader) -> None:
    text = "It is so. Critics wrongly claim that China has won.  It is a myth."
    for sentence in (
        "It is so.",
        "Critics wrongly claim that China has won.",
        "It is so. Critics wrongly claim that China has won.",
    ):
        outcome = check(sentence, "Who won?", [evidence(text)], reader, 1.0)
        assert isinstance(outcome, Claim)
        assert " ".join(text[c.start : c.end] for c in outcome.citations) == sentence


def test_a_later_passage_of_a_long_insight_is_cited_as_that_passage(reader: Reader) -> None:
    insight = make_insight(
        " ".join(f"Mill number {n} of Harrow sold loaves for {n} pence." for n in range(100, 160)), insight_id="L"
    )
    passages = split_passages(insight)
    assert len(passages) > 2
    hits = [Hit(passage, insight, 0.9, rank) for rank, passage in enumerate(passages, 1)]
    found = [Evidence(hit, Citation(hit.passage.passage_id, hit.passage.start, hit.passage.end), 0.9) for hit in hits]
    claim = check("Mill number 158 of Harrow sold loaves for 158 pence.", "Which?", found, reader, 0.5)
    assert isinstance(claim, Claim)
    (cited,) = claim.citations
    assert cited.passage_id == passages[-1].passage_id
    assert insight.text[cited.start : cited.end] == claim.text
    assert [c.text for c in complete([claim], found)].count(claim.text) == 1


@given(
    st.lists(
        st.sampled_from(["It fell.", "It rose [1].", "Is it so? [2]", "Dr. Who left (3).", "He (2015) ran."]),
        min_size=1,
    )
)
def test_how_a_draft_arrives_changes_nothing(pieces: list[str]) -> None:
    text = " ".join(pieces)
    whole = completed(text, 0, finished=True)[0]
    at, grown = 0, []
    for end in range(1, len(text) + 1):
        new, at = completed(text[:end], at, finished=False)
        grown += new
    assert grown + completed(text, at, finished=True)[0] == whole


def test_a_sentence_is_judged_as_the_answer_to_its_question() -> None:
    class Keeper(OverlapScorer):
        def supports(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
            assert (question, sentence) == ("Did prices rise?", "No, they fell.")
            return [float(len(text)) for text in texts]

    weights = {"support": Logistic(-6.0, {"supports": 1.0, "judge": 1.0})}
    reader = LogisticReader(HashEmbedder(), Keeper(), Keeper(), weights, {}, "made up")
    low, even, high = reader.support("Did prices rise?", "No, they fell.", ["a", "abc", "abcde"])
    assert low < even == 0.5 < high


def test_no_probability_overrides_a_hard_rule() -> None:
    class Believer(OpenReader):
        def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
            return [1.0] * len(texts)

    outcome = check("She audited 41 labels of Amparo Quines.", "How many?", [evidence(LABELS)], Believer(), 0.0)
    assert not isinstance(outcome, Claim)


def test_a_faithful_sentence_passes_and_cites_its_characters(reader: Reader) -> None:
    other = evidence("Loaves from Harrow Mill lasted nine days because acid slows mould.", "i2")
    outcome = check(
        "Of the 40 labels that she audited, 11 named the price paid.",
        "How many labels named the price?",
        [other, evidence(LABELS)],
        reader,
        0.5,
    )
    assert isinstance(outcome, Claim)
    assert outcome.verdict is Verdict.SUPPORTED
    (cited,) = outcome.citations
    assert cited.passage_id == "i1#0"
    assert LABELS[cited.start : cited.end] == "Of 40 labels that she audited, 11 named the price paid."


def test_words_of_the_insights_in_another_order_of_things_do_not_pass(reader: Reader) -> None:
    text = "Customers of Corvo lend the chain money. The chain pays them nothing for it."
    assert not isinstance(
        check("Bakers of Corvo train pigeons on roofs.", "Who?", [evidence(text)], reader, 0.5), Claim
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "As an AI language model, I cannot say.",
        "According to the notes, labels name the price.",
        "The notes do not say.",
    ],
)
def test_talk_about_the_sources_is_dropped(sentence: str, reader: Reader) -> None:
    assert not isinstance(check(sentence, "Why?", [evidence(LABELS)], reader, 0.0), Claim)


def test_a_sentence_that_only_repeats_the_question_is_dropped(reader: Reader) -> None:
    outcome = check("The labels name the price.", "Do the labels name the price?", [evidence(LABELS)], reader, 0.0)
    assert not isinstance(outcome, Claim)


@pytest.mark.parametrize(
    ("draft", "finished", "expected"),
    [
        ("It fell. It ro", False, ["It fell."]),
        ("It fell. It rose.", False, ["It fell."]),
        ("It fell. It rose.", True, ["It fell.", "It rose."]),
        ("It fell [1]. It ro", True, ["It fell."]),
        ("- **It** fell [note 2].", True, ["It fell."]),
        ("Answer: It fell (1, 2).", True, ["It fell."]),
        ("It fell. [1]", True, ["It fell."]),
        ("It fell. [1] It rose (2015). [2]", True, ["It fell.", "It rose (2015)."]),
        ("-5 degrees were seen.", True, ["-5 degrees were seen."]),
        ("", True, []),
    ],
)
def test_a_draft_is_split_into_complete_sentences(draft: str, finished: bool, expected: list[str]) -> None:
    assert completed(draft, 0, finished)[0] == expected


def test_markers_are_found_and_taken_off() -> None:
    assert list(markers("It fell [1] and rose [2, 3] in (4).")) == ["[1]", "[2, 3]", "(4)"]
    assert without_markers("It fell [1] and rose [2, 3].") == "It fell and rose."


def test_evidence_that_no_claim_cites_is_quoted() -> None:
    one, two = evidence(LABELS, "i1"), evidence("Loaves lasted nine days.", "i2")
    claims = quoted(one)
    assert " ".join(claim.text for claim in claims) == one.quote
    assert [LABELS[c.start : c.end] for claim in claims for c in claim.citations] == [claim.text for claim in claims]
    assert complete(claims[:1], [one, two]) == (*claims, *quoted(two))  # a part that was worded doesn't hide the rest
    assert complete(claims[1:], [one, two]) == (*claims, *quoted(two))  # in the order of the passage
    assert complete([], []) == ()


@given(st.text(max_size=200))
def test_any_draft_is_split_without_complaint(text: str) -> None:
    for finished in (True, False):
        found, at = completed(text, 0, finished)
        assert 0 <= at <= len(text)
        for sentence in found:
            assert sentence.strip()
            assert not list(markers(sentence))


@given(sentence=st.text(min_size=1, max_size=80), text=st.text(min_size=1, max_size=200).filter(lambda t: t.strip()))
def test_what_is_located_lies_within_the_text(sentence: str, text: str) -> None:
    spans = locate(sentence, text)
    assert all(0 <= a < b <= len(text) for a, b in spans)
    assert spans == sorted(set(spans))


@given(number=st.integers(100, 10**6), other=st.integers(100, 10**6))
def test_a_changed_number_never_passes(number: int, other: int) -> None:
    broken = broken_rule(f"The mill sold {other} loaves.", f"The mill sold {number:,} loaves.")
    assert bool(broken) == (number != other)


def test_an_edit_that_lost_the_answer_is_dropped() -> None:
    class Hearing(OverlapScorer):
        """Hears an answer where a number is."""

        def answers(self, question: str, passages: Sequence[str]) -> list[float]:
            return [4.0 if any(c.isdigit() for c in passage) else -4.0 for passage in passages]

    reader = LogisticReader(HashEmbedder(), Hearing(), Hearing(), {}, {}, "made up")
    heard = evidence(LABELS)
    heard = replace(heard, hit=replace(heard.hit, signals={"judge": 4.0}))
    assert reader.tells("How many?", "Of the 40 labels 11 named the price.", heard)
    assert not reader.tells("How many?", "She audited labels.", heard)
    unheard = replace(heard, hit=replace(heard.hit, signals={"judge": -2.0}))
    assert reader.tells("How many?", "She audited labels.", unheard), "no worse than the passage that it is from"

    class Deaf(OpenReader):
        def tells(self, question: str, sentence: str, item: Evidence) -> bool:
            return False

    outcome = check("11 named the price paid.", "How many?", [heard], Deaf(), 0.0)
    assert outcome == Dropped("11 named the price paid.", "what was asked for isn't in what it says")


def test_the_best_evidence_comes_first_whoever_speaks() -> None:
    best, other = evidence("Wet rope shrinks by a tenth.", "i1"), evidence("Tar keeps ropes dry.", "i2")
    said = check("Tar keeps ropes dry.", "What keeps ropes dry?", [other], OpenReader(), 0.0)
    assert isinstance(said, Claim)
    assert [claim.text for claim in complete([said], [best, other])] == ["Wet rope shrinks by a tenth.", said.text]


def test_a_topic_is_no_talk_about_itself() -> None:
    flood = evidence("China floods the market with language models, and prices fall.")
    outcome = check("China floods the market with language models.", "Who floods?", [flood], OpenReader(), 0.0)
    assert isinstance(outcome, Claim)
    beside = check("As a language model it floods.", "Who floods?", [evidence(LABELS)], OpenReader(), 0.0)
    assert beside == Dropped("As a language model it floods.", "speaks of its sources instead of answering")
