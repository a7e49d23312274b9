"""Folders of questions: what is read, what may be missing, and what a bad file is told."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import UsageError
from corpus.insight import make_insight
from eval.questions import Question, load_folder, merge_insights, sample, unite_twins, with_spans
from rag.datatypes import Turn

RAIL: dict[str, Any] = {
    "collection": "rail",
    "insights": [
        {"id": "r1", "text": "Night trains fill with tourists.", "source": "Tracks", "date": "2024-05-01"},
        {"id": "r2", "text": "Freight cars stand idle."},
    ],
    "questions": [
        {
            "id": "rq1",
            "type": "followup",
            "question": "And freight?",
            "history": [{"question": "Who rides?", "answer": "Tourists."}],
            "answer": [{"text": "It idles.", "cites": ["r2"]}, {"text": "Tourists ride.", "cites": ["r1", "r2"]}],
            "short": "idle",
        },
        {"id": "rq2", "type": "unanswerable", "question": "Who paid?", "answer": [], "missing": "The payer."},
    ],
}


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.json").write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return folder


def test_a_collection_is_read_in_full(tmp_path: Path) -> None:
    (rail,) = load_folder(write(tmp_path, rail=RAIL))
    followup, unanswerable = rail.questions
    assert [insight.insight_id for insight in rail.insights] == ["r1", "r2"]
    assert rail.insights[0].source == "Tracks"
    assert followup.history == (Turn("Who rides?", "Tourists."),)
    assert followup.gold == ("r2", "r1"), "each once, by first mention"
    assert followup.answer == "It idles. Tourists ride."
    assert (followup.short, followup.answerable, followup.collection) == ("idle", True, "rail")
    assert (unanswerable.gold, unanswerable.answerable) == ((), False)


def test_all_but_the_texts_may_be_missing(tmp_path: Path) -> None:
    data = {
        "insights": [{"text": "Acid slows mould."}],
        "questions": [{"question": "Why?"}, {"question": "No?", "answer": []}],
    }
    (bread,) = load_folder(write(tmp_path, bread=data))
    first, second = bread.questions
    assert bread.name == "bread"
    assert len(bread.insights[0].insight_id) == 16, "the hash of the text"
    assert (first.question_id, first.type, first.answerable) == ("bread-q01", "untyped", True)
    assert (second.question_id, second.answerable) == ("bread-q02", False)


def test_unknown_types_and_plain_answers_pass_through(tmp_path: Path) -> None:
    question = {"id": 7, "type": "riddle", "question": "Why?", "answer": "Acid.", "cites": [1], "short": 9}
    (bread,) = load_folder(write(tmp_path, bread={"insights": [{"id": 1, "text": "Acid."}], "questions": [question]}))
    assert (bread.questions[0].question_id, bread.questions[0].type) == ("7", "riddle")
    assert bread.questions[0].gold == ("1",) == (bread.insights[0].insight_id,)
    assert (bread.questions[0].answer, bread.questions[0].short) == ("Acid.", "9")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "can't be used"),
        ("[]", "neither insights nor questions"),
        ({"insights": {}}, "'insights' is not a list"),
        ({"insights": ["x"]}, "insight 1 is not an object"),
        ({"insights": [{"id": "a", "text": " "}]}, "insight 1: This insight has no text"),
        ({"insights": [{"text": ["x"]}]}, "'text' is not text"),
        ({"questions": [{"id": "q"}]}, "question q has no text"),
        (
            {"questions": [{"id": "q", "question": "A?"}, {"id": "q", "question": "B?"}]},
            "two questions have the id 'q'",
        ),
        ({"questions": [{"id": "q", "type": "unanswerable", "question": "A?", "answer": "B."}]}, "but has an answer"),
        ({"questions": [{"question": "A?", "history": ["Before."]}]}, "'question' was expected"),
        ({"questions": [{"question": "A?", "answerable": "no"}]}, "'answerable' is neither true nor false"),
    ],
)
def test_a_bad_file_is_named_with_the_reason(tmp_path: Path, content: object, reason: str) -> None:
    with pytest.raises(UsageError, match=r"bad\.json") as caught:
        load_folder(write(tmp_path, bad=content))
    assert reason in str(caught.value)


def test_gold_may_be_named_without_an_answer(tmp_path: Path) -> None:
    data = {"insights": [{"id": "a", "text": "Acid."}], "questions": [{"question": "Why?", "gold": ["a", "a"]}]}
    (bread,) = load_folder(write(tmp_path, bread=data))
    assert (bread.questions[0].gold, bread.questions[0].answerable) == (("a",), True)


def test_text_that_cannot_be_written_is_mended(tmp_path: Path) -> None:
    (bread,) = load_folder(write(tmp_path, bread='{"questions": [{"question": "Half \\ud83d?"}]}'))
    assert bread.questions[0].text == "Half ??"


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b'{"insights": [{"text": "caf\xe9"}]}')
    with pytest.raises(UsageError, match=r"bad\.json can't be used"):
        load_folder(tmp_path)


def test_splits(tmp_path: Path) -> None:
    write(tmp_path / "dev", rail=RAIL)
    write(tmp_path / "test", bread={"insights": [{"text": "Acid."}]})
    assert [collection.name for collection in load_folder(tmp_path, "test")] == ["bread"]
    with pytest.raises(UsageError, match=r"no split 'train'.* It has dev, test"):
        load_folder(tmp_path, "train")
    with pytest.raises(UsageError, match=r"subfolders dev, test: .*--split dev"):
        load_folder(tmp_path)
    with pytest.raises(UsageError, match="leave --split out"):
        load_folder(tmp_path / "dev", "dev")
    with pytest.raises(UsageError, match="is not a folder"):
        load_folder(tmp_path / "nowhere")


def test_one_id_stands_for_one_insight(tmp_path: Path) -> None:
    again = {"insights": [RAIL["insights"][0]]}
    collections = load_folder(write(tmp_path, a=RAIL, b=again))
    assert len(merge_insights(collections)) == 2, "an identical copy is no fault and no second insight"
    with pytest.raises(UsageError, match="'r1' stands for two insights"):
        load_folder(write(tmp_path, b={"insights": [{"id": "r1", "text": "Something else."}]}))


def test_the_order_of_insights_depends_only_on_their_ids(tmp_path: Path) -> None:
    texts = [{"id": f"i{n:02}", "text": f"Insight {n}."} for n in range(12)]
    forward = load_folder(write(tmp_path / "a", x={"insights": texts}))
    backward = load_folder(write(tmp_path / "b", x={"insights": texts[::-1]}))
    merged = [insight.insight_id for insight in merge_insights(forward)]
    assert merged == [insight.insight_id for insight in merge_insights(backward)]
    assert merged not in (sorted(merged), sorted(merged, reverse=True)), "neighbours in the file are drawn apart"


def test_a_sample_is_spread_over_types_and_collections(tmp_path: Path) -> None:
    types = ["direct"] * 4 + ["terse"] * 2
    for name in "abcd":
        items = [{"id": f"{name}{n}", "type": type_, "question": "?!"} for n, type_ in enumerate(types)]
        write(tmp_path, **{name: {"collection": name, "questions": items}})
    questions = [question for collection in load_folder(tmp_path) for question in collection.questions]
    chosen = sample(questions, 12)
    assert len({question.question_id for question in chosen}) == 12
    assert sum(question.type == "direct" for question in chosen) == 8
    assert {question.collection for question in chosen} == set("abcd")
    assert chosen == sample(questions, 12) == [question for question in questions if question in chosen]
    assert sample(questions, None) == sample(questions, 99) == questions
    assert len(sample(questions, 1)) == 1
    every_sixth = sample(questions, 4)
    assert sorted(question.type for question in every_sixth) == ["direct"] * 3 + ["terse"], "a stride can't miss a type"
    with pytest.raises(UsageError, match="at least 1"):
        sample(questions, 0)


def questions_of(**counts: int) -> list[Question]:
    """That many questions of each type, in turn."""
    made = [(type_, n) for type_, count in counts.items() for n in range(count)]
    made.sort(key=lambda pair: pair[1])
    return [Question(f"{type_}{n}", type_, "Why?", (), (), "", "", True, "c") for type_, n in made]


def test_a_seed_draws_other_questions_in_the_same_shares() -> None:
    questions = questions_of(direct=30, multi=20, terse=10)
    drawn = [sample(questions, 12, seed) for seed in range(200)]
    assert drawn[7] == sample(questions, 12, 7), "the same ones for a seed"
    assert drawn[7] == sample(questions[::-1], 12, 7)[::-1], "whatever the order of the file"
    for chosen in drawn:
        assert len({question.question_id for question in chosen}) == 12
        assert chosen == [question for question in questions if question in chosen], "in their order"
        counts = Counter(question.type for question in chosen)
        assert abs(counts["direct"] - 6) <= 1
        assert abs(counts["multi"] - 4) <= 1
        assert abs(counts["terse"] - 2) <= 1
    often = Counter(question.question_id for chosen in drawn for question in chosen)
    assert len(often) == 60, "each question has its turn"
    assert max(often.values()) < 75, "and none is favoured: 40 of 200 are expected, 75 are six deviations more"


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6), limit=st.integers(1, 60), seed=st.integers(-5, 10**9))
def test_a_draw_has_as_many_as_asked_for(sizes: list[int], limit: int, seed: int) -> None:
    questions = questions_of(**{f"t{n}": size for n, size in enumerate(sizes)})
    chosen = sample(questions, limit, seed)
    assert len({question.question_id for question in chosen}) == len(chosen) == min(limit, len(questions))


def test_a_text_counts_once_whatever_its_id() -> None:
    first, twin = make_insight("Acid slows mould.", insight_id="a"), make_insight("ACID  slows mould.", insight_id="b")
    other = make_insight("Steam makes crust.", insight_id="c")
    asked = Question(
        *("q", "direct", "Why?", (), ("b", "c", "a"), "", "acid", True, "bread"),
        grades=(1, 3, 2),
        spans=(("b", 0, 18),),
        among=("b", "c"),
        without=("b",),
    )
    plain = Question("p", "direct", "How?", (), ("c",), "", "", True, "bread", spans=(("c", 0, 18),))
    insights, (moved, same), went = unite_twins([first, other, twin], [asked, plain])
    assert (insights, went, same) == ([first, other], 1, plain)
    assert (moved.gold, moved.grades) == (("a", "c"), (2, 3)), "the better grade of the two copies"
    assert (moved.among, moved.without, moved.spans) == (("a", "c"), ("a",), ())
    assert unite_twins([first, other], [asked]) == ([first, other], [asked], 0)


def test_spans_are_told_where_they_lack() -> None:
    bread = make_insight("Acid slows mould. Steam makes crust.", insight_id="a")
    told = Question("q", "direct", "Why?", (), ("a",), "", "acid", True, "c")
    given_ = Question("r", "direct", "Why?", (), ("a",), "", "acid", True, "c", spans=(("a", 3, 4),))
    elsewhere = Question("s", "direct", "Why?", (), ("b",), "", "acid", True, "c")
    spans = [question.spans for question in with_spans([told, given_, elsewhere], [bread])]
    assert spans == [(("a", 0, 17),), (("a", 3, 4),), ()]
