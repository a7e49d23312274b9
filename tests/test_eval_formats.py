"""Every form of questions: told by what is there, the same in the end, and a sentence for each fault."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from corpus.errors import UsageError
from corpus.insight import MAX_CHARACTERS
from eval.formats import FORMS, detect, load_questions
from eval.questions import Collection, Question

NORMANS = "The Normans came from Norway. Rollo led them."
BREAD = "Acid slows mould. Loaves lasted nine days."


def lines(*items: object) -> str:
    return "".join(json.dumps(item) + "\n" for item in items)


def put(path: Path, text: str, *, packed: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if packed:
        path = path.with_name(f"{path.name}.gz")
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


# One sample a form: two insights (those of plain lie in a library), a question that "normans" answers with "Rollo", and
# an unanswerable one where the form can say so.

COLLECTION = {
    "collection": "sample",
    "insights": [{"id": "normans", "text": NORMANS}, {"id": "bread", "text": BREAD}],
    "questions": [
        {"id": "q1", "question": "Who led?", "answer": [{"text": "Rollo.", "cites": ["normans"]}], "short": "Rollo"},
        {"id": "q2", "type": "unanswerable", "question": "Who paid?"},
    ],
}
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Normans",
            "paragraphs": [
                {
                    "context": NORMANS,
                    "qas": [
                        {
                            "id": "q1",
                            "question": "Who led?",
                            "is_impossible": False,
                            "answers": [{"text": "Rollo", "answer_start": 30}, {"text": "Rollo", "answer_start": 30}],
                        },
                        {
                            "id": "q2",
                            "question": "Who paid?",
                            "is_impossible": True,
                            "answers": [],
                            "plausible_answers": [{"text": "Norway", "answer_start": 22}],
                        },
                    ],
                },
                {"context": BREAD, "qas": []},
            ],
        }
    ],
}
PASSAGES = [{"id": "normans", "title": "Normans", "text": NORMANS}, {"id": "bread", "text": BREAD}]
ROWS = [
    {
        "id": "q1",
        "question": "Who led?",
        "passages": PASSAGES,
        "gold": ["normans"],
        "answers": ["Rollo", "Count Rollo", "Rollo"],
        "answerable": True,
        "long_answer": "Rollo led the Normans.",
    },
    {"id": "q2", "question": "Who paid?", "passages": PASSAGES[1:], "gold": [], "answers": [], "answerable": False},
]
PLAIN = [
    {"id": "q1", "question": "Who led?", "insight_ids": ["normans"], "short": "Rollo", "answerable": True},
    {"id": "q2", "question": "Who paid?", "answerable": False, "without": ["bread"]},
]


def beir(
    folder: Path,
    *,
    packed: bool = False,
    corpus: Sequence[object] = (
        {"_id": "normans", "title": "Normans", "text": NORMANS, "metadata": {}},
        {"_id": "bread", "title": "", "text": BREAD},
    ),
    queries: Sequence[object] = ({"_id": "q1", "text": "Who led?"}, {"_id": "q0", "text": "Not in the qrels?"}),
    qrels: str = "query-id\tcorpus-id\tscore\nq1\tnormans\t1\nq1\tbread\t0\n",
    qrels_name: str = "qrels/test.tsv",
) -> Path:
    put(folder / "corpus.jsonl", lines(*corpus), packed=packed)
    put(folder / "queries.jsonl", lines(*queries), packed=packed)
    put(folder / qrels_name, qrels, packed=packed)
    return folder


Maker = Callable[[Path, bool], Path]
SAMPLES: dict[str, Maker] = {
    "collections": lambda folder, packed: put(folder / "sample" / "sample.json", json.dumps(COLLECTION)).parent,
    "collection": lambda folder, packed: put(folder / "sample.json", json.dumps(COLLECTION, indent=1), packed=packed),
    "beir": lambda folder, packed: beir(folder / "sample", packed=packed),
    "squad": lambda folder, packed: put(folder / "sample.json", json.dumps(SQUAD), packed=packed),
    "passages": lambda folder, packed: put(folder / "sample.jsonl", lines(*ROWS), packed=packed),
    "plain": lambda folder, packed: put(folder / "sample.jsonl", lines(*PLAIN), packed=packed),
}


def load(path: Path, split: str | None = None) -> tuple[list[Question], list[str]]:
    """All questions, and the texts of all insights."""
    collections = load_questions(path, split)[1]
    return _questions(collections), [insight.text for each in collections for insight in each.insights]


def _questions(collections: Sequence[Collection]) -> list[Question]:
    return [question for collection in collections for question in collection.questions]


def test_each_form_has_a_sample() -> None:
    assert SAMPLES.keys() == FORMS.keys(), "give the new form a sample, and it is tested with the others"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_told_and_read(name: str, packed: bool, tmp_path: Path) -> None:
    path = SAMPLES[name](tmp_path, packed)
    assert detect(path) == name
    form, collections = load_questions(path)
    first, *others = _questions(collections)
    insights = {insight.insight_id: insight.text for each in collections for insight in each.insights}
    assert form == name
    assert (first.question_id, first.text, first.answerable) == ("q1", "Who led?", True)
    assert list(insights.values()) == ([] if name == "plain" else [NORMANS, BREAD])
    assert [insights.get(id_, NORMANS) for id_ in first.gold] == [NORMANS]
    if name == "beir":  # it knows neither answers nor unanswerable questions
        assert (first.short, first.type, others) == ("", "query", [])
        return
    assert first.short == "Rollo"
    assert [(each.question_id, each.answerable, each.type, each.gold) for each in others] == [
        ("q2", False, "unanswerable", ())
    ]
    if name != "plain":  # whose insights aren't known yet
        (span,) = first.spans
        assert insights[span[0]][span[1] : span[2]].strip() == "Rollo led them."


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if not form.folder])
def test_a_file_has_no_splits(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no split 'dev'.*Leave --split out"):
        load_questions(SAMPLES[name](tmp_path, False), "dev")


def test_collections_have_splits(tmp_path: Path) -> None:
    put(tmp_path / "dev" / "a.json", json.dumps(COLLECTION))
    assert [question.question_id for question in load(tmp_path, "dev")[0]] == ["q1", "q2"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("[1, 2]", "its first object has nothing"),
        ('{"text": "An insight.", "author": "A"}\n', "its first object has author, text"),
        ('{"question": "Who?"\n', "line 1: this is not valid JSON (Expecting ',' delimiter at character 20)"),
        ("who paid?\n", "line 1: this is not valid JSON"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_what_has_no_form_is_told(content: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"bad\.jsonl") as caught:
        load_questions(put(tmp_path / "bad.jsonl", content))
    assert reason in str(caught.value)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        detect(tmp_path / "nowhere")


# BEIR


def test_beir_grades_are_kept_best_first(tmp_path: Path) -> None:
    qrels = "q1\tbread\t1\nq1\tgone\t1.0\nq1\tnormans\t3\nq1\tbread\t0\nq0\tbread\t0\n\n"
    notes: list[str] = []
    (collection,) = load_questions(beir(tmp_path / "sample", qrels=qrels), note=notes.append)[1]
    (question,) = collection.questions
    assert (question.gold, question.grades) == (("normans", "bread", "gone"), (3, 1, 1))
    assert (question.collection, question.answer, question.spans) == ("sample", "", ())
    assert [insight.title for insight in collection.insights] == ["Normans", ""]
    assert notes == ["queries without a relevant document, left out: 1"]


def test_beir_documents_without_text_and_long_ones(tmp_path: Path) -> None:
    corpus = [
        {"_id": "a", "title": "Only a title", "text": ""},
        {"_id": "b", "title": "", "text": " - "},
        {"_id": "c", "text": "long " * MAX_CHARACTERS},
        {"_id": "d  e", "text": "An id with spaces."},
    ]
    notes: list[str] = []
    folder = beir(tmp_path / "sample", corpus=corpus, qrels="q1\td  e\t1\n")
    (collection,) = load_questions(folder, note=notes.append)[1]
    assert [insight.insight_id for insight in collection.insights] == ["a", "c", "d e"]
    assert collection.insights[0].text == "Only a title"
    assert collection.questions[0].gold == ("d e",), "gold has the id that the insight has"
    assert notes == ["documents without any text, left out: 1", "documents cut to 100,000 characters: 1"]


def test_beir_splits_are_qrels(tmp_path: Path) -> None:
    alone = beir(tmp_path / "alone", qrels_name="qrels.tsv")
    assert len(load(alone)[0]) == 1
    with pytest.raises(UsageError, match="leave --split out"):
        load(alone, "dev")
    several = beir(tmp_path / "several", qrels_name="qrels/dev.tsv", qrels="q1\tbread\t1\n")
    assert load(several)[0][0].gold == ("bread",), "the only one"
    put(several / "qrels" / "train.tsv", "q0\tbread\t1\n")
    put(several / "qrels" / "notes.tsv.txt", "")
    with pytest.raises(UsageError, match=r"several qrels: dev, train\. Choose one with --split"):
        load(several)
    beir(several)
    assert load(several)[0][0].gold == ("normans",), "test, if it is there"
    assert load(several, "train")[0][0].question_id == "q0"
    with pytest.raises(UsageError, match=r"no split 'x'\. It has dev, test, train"):
        load(several, "x")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"qrels": "q1\tnormans\t1\nq1 bread 1\n"}, "test.tsv, line 2: it has 1 columns"),
        ({"qrels": "q1\tnormans\t1\nq1\tbread\thigh\n"}, "test.tsv, line 2: the grade 'high' is no number"),
        ({"qrels": "q1\tnormans\t0.5\n"}, "test.tsv, line 1: the grade '0.5' is no whole number"),
        ({"qrels": "q1\tnormans\tnan\n"}, "test.tsv, line 1: the grade 'nan' is no whole number"),
        ({"qrels": "q9\tnormans\t1\n"}, "test.tsv, line 1: there is no query 'q9'"),
        ({"corpus": [{"_id": "a", "text": "A."}, {"text": "B."}]}, "corpus.jsonl, line 2: '_id' is missing or empty"),
        ({"corpus": [{"_id": "a", "text": "A."}] * 2}, "corpus.jsonl, line 2: the id 'a' was there before"),
        ({"corpus": [{"_id": "a", "text": ["A."]}]}, "corpus.jsonl, line 1: 'text' is not text"),
        ({"corpus": [3]}, "corpus.jsonl, line 1: this is not an object"),
        ({"corpus": []}, "corpus.jsonl is empty"),
        ({"queries": [{"_id": "q1", "text": " "}]}, "queries.jsonl, line 1: 'text' is missing or empty"),
        ({"queries": [{"_id": "q1", "text": "A?"}] * 2}, "queries.jsonl, line 2: the id 'q1' was there before"),
        ({"qrels_name": "qrels/test.txt"}, "has no qrels.tsv"),
    ],
)
def test_faults_of_a_beir_folder_are_named(change: dict[str, Any], place: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(beir(tmp_path / "sample", **change))
    assert place in str(caught.value)


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl"])
def test_parts_of_a_beir_folder_that_lack_are_named(missing: str, tmp_path: Path) -> None:
    folder = beir(tmp_path / "sample")
    (folder / missing).unlink()
    with pytest.raises(UsageError, match=rf"has no {missing}"):
        load(folder)


# SQuAD


def squad(*qas: object, context: object = NORMANS, title: object = "Normans") -> dict[str, Any]:
    return {"data": [{"title": title, "paragraphs": [{"context": context, "qas": list(qas)}]}]}


def test_squad_articles_are_collections_and_paragraphs_insights(tmp_path: Path) -> None:
    again = {"title": "Normans", "paragraphs": [{"context": "Others.", "qas": [{"id": "x", "question": "Which?"}]}]}
    path = put(tmp_path / "s.json", json.dumps({"data": [*SQUAD["data"], again]}, indent=2))
    first, second = load_questions(path)[1]
    assert [insight.insight_id for insight in (*first.insights, *second.insights)] == [
        "Normans 1",
        "Normans 2",
        "Normans 3",
    ]
    assert {insight.title for insight in first.insights} == {"Normans"} == {first.name}
    assert [question.type for question in first.questions] == ["answerable", "unanswerable"]
    assert second.questions[0].gold == ("Normans 3",), "as in SQuAD 1.1, which lacks is_impossible"


def test_the_short_answer_is_the_one_that_most_people_gave(tmp_path: Path) -> None:
    def short(*answers: str) -> tuple[str, str]:
        question = {"id": "q", "question": "Who?", "answers": [{"text": text} for text in answers]}
        (asked,), _ = load(put(tmp_path / "s.json", json.dumps(squad(question))))
        return asked.short, asked.answer

    assert short("in the 10th and 11th centuries", "10th and 11th centuries") == ("10th and 11th centuries", "")
    assert short("Count Rollo", "Rollo", "Count Rollo ") == ("Count Rollo", "")
    assert short(" ") == ("", "")
    assert short("word " * 16) == ("", ("word " * 16).strip()), "a long one is an answer, but not a short one"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"data": 3}, "bad.json: 'data' is not a list"),
        ({"data": [3]}, "bad.json: article 1: an object with 'title' was expected"),
        ({"data": [{"title": "A", "paragraphs": 3}]}, "article 1: 'paragraphs' is not a list"),
        (squad(context=" "), "article 1: paragraph 1: This insight has no text"),
        (squad(context=None), "article 1: paragraph 1: This insight has no text"),
        (squad({"id": "a", "question": " "}), "paragraph 1: question 1: question a has no text"),
        (squad({"question": "A?"}, 3), "paragraph 1: question 2: an object with 'id' was expected"),
        (squad({"question": "A?", "is_impossible": "no"}), "question 1: 'is_impossible' is neither true nor false"),
        (
            squad({"id": "a", "question": "A?", "is_impossible": True, "answers": [{"text": "B"}]}),
            "question a is unanswerable but has an answer",
        ),
        (squad({"id": "a", "question": "A?"}, {"id": "a", "question": "B?"}), "two questions have the id 'a'"),
    ],
)
def test_faults_of_a_squad_file_are_named(data: object, place: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"bad\.json") as caught:
        load(put(tmp_path / "bad.json", json.dumps(data)))
    assert place in str(caught.value)


def test_broken_json_over_lines_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"bad\.json: line 3: this is not valid JSON \(.* at character 1\)"):
        load(put(tmp_path / "bad.json", '{\n "data": [\n}\n'))


# Lines


def test_passages_are_asked_alone(tmp_path: Path) -> None:
    (first, second), texts = load(SAMPLES["passages"](tmp_path, False))
    assert (first.among, second.among) == (("normans", "bread"), ("bread",))
    assert texts == [NORMANS, BREAD], "each passage once"
    assert first.answer == "Rollo led the Normans."


def test_passages_without_words_are_left_out(tmp_path: Path) -> None:
    row = {"question": "Who?", "passages": [{"id": "a", "text": " ."}, {"id": "b", "text": "Rollo."}], "gold": ["a"]}
    notes: list[str] = []
    (collection,) = load_questions(put(tmp_path / "a.jsonl", lines(row)), note=notes.append)[1]
    assert (collection.questions[0].among, collection.questions[0].gold) == (("b",), ("a",))
    assert notes == ["passages without any text, left out: 1"]


def test_plain_lines(tmp_path: Path) -> None:
    items = [
        {"question": "Who led?"},
        {"question": "And then?", "history": [{"question": "Who led?", "answer": "Rollo."}], "type": "followup"},
        {"question": "Who paid?", "answerable": False, "insight_ids": ["a"], "without": ["a", " b  c", "a"]},
        {"question": "Who else?", "answer": []},
        {"question": "Who?", "answer": "Rollo led.", "cites": ["a"]},
    ]
    questions, _ = load(put(tmp_path / "mine.jsonl", "\ufeff" + lines(*items)))
    assert [question.question_id for question in questions] == [f"mine-q0{n}" for n in range(1, 6)]
    assert [question.type for question in questions] == [
        *("answerable", "followup", "unanswerable", "unanswerable", "answerable"),
    ]
    assert questions[1].history[0].answer == "Rollo."
    assert questions[2].without == ("a", "b c")
    assert (questions[4].gold, questions[4].answer) == (("a",), "Rollo led.")


OWN = {"id": "p", "text": "A passage."}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"question": ""}', "question bad-q02 has no text"),
        ('{"question": "A?", "answerable": "yes"}', "'answerable' is neither true nor false"),
        ('{"question": "A?", "insight_ids": "a"}', "'insight_ids' is not a list"),
        ('{"question": "A?", "insight_ids": [["a"]]}', "an item of 'insight_ids' is not text"),
        ('{"question": "A?", "insight_ids": ["a"], "without": ["a"]}', "'a' answers the question and is hidden"),
        ('{"question": "A?", "answerable": false, "answer": "B."}', "is unanswerable but has an answer"),
        ('{"question": "A?", "id": "first"}', "the id 'first' was there before"),
        ('{"question": "A?"', "this is not valid JSON (Expecting ',' delimiter at character 18)"),
        ("[1]", "this is not an object"),
    ],
)
def test_faults_of_a_plain_line_are_named(bad: str, reason: str, tmp_path: Path) -> None:
    content = lines({"id": "first", "question": "Who?"}) + bad + "\n"
    with pytest.raises(UsageError, match=r"bad\.jsonl, line 2: ") as caught:
        load(put(tmp_path / "bad.jsonl", content))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"question": "A?"}, "the question has no passages with words"),
        ({"question": "A?", "passages": [{"id": "b", "text": "–"}]}, "the question has no passages with words"),
        ({"question": "A?", "passages": [OWN, 3]}, "an object with 'text' was expected, not '3'"),
        ({"question": "A?", "passages": [OWN, {"id": {}, "text": "B."}]}, "passage 2: 'id' is not text"),
        (
            {"question": "A?", "passages": [{"text": "word " * 30_000}]},
            "passage 1: This insight has 149,999 characters",
        ),
        ({"question": "A?", "passages": [{**OWN, "text": "Another."}]}, "the id 'p' stands for another passage before"),
        ({"question": "A?", "passages": [OWN], "answerable": False, "answers": ["B"]}, "but has an answer"),
        ({"question": "A?", "passages": [OWN], "answers": "B"}, "'answers' is not a list"),
    ],
)
def test_faults_of_a_line_with_passages_are_named(bad: dict[str, Any], reason: str, tmp_path: Path) -> None:
    content = lines({"question": "Who?", "passages": [OWN]}, bad)
    with pytest.raises(UsageError, match=r"bad\.jsonl, line 2: ") as caught:
        load(put(tmp_path / "bad.jsonl", content))
    assert reason in str(caught.value)


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(lines({"question": "A?"}).encode() + b'{"question": "caf\xe9?"}\n')
    with pytest.raises(UsageError, match=r"bad\.jsonl, line 2: this is not UTF-8 text \(byte 18\)"):
        load(path)


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    path = SAMPLES["passages"](tmp_path, True)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"sample\.jsonl\.gz can't be unpacked after line 0"):
        load(path)


KEYS = "question questions passages data title paragraphs qas context answers text id gold insights _id".split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


def fault(path: Path) -> str:
    """What is said of it; nothing if it can be read. Any other exception than a UsageError is the test's failure."""
    try:
        load(path)
    except UsageError as error:
        return str(error)
    return ""


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content=b"\x1f\x8b")
@example(content=b'{"question": "A?"}\n\x00')
@example(content=b'{"question": ' + b"9" * 5000 + b"}")
@given(
    content=st.binary(max_size=60)
    | st.lists(JSON, max_size=4).map(lambda items: lines(*items).encode("utf-8", "surrogatepass"))
    | JSON.map(lambda item: json.dumps(item, indent=1).encode())
)
def test_whatever_a_file_holds_it_is_read_or_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(content)
    said = fault(path)
    assert "any.json" in said or all(question.text.strip() for question in load(path)[0])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.tuples(*(st.binary(max_size=40) | JSON.map(lambda item: json.dumps(item).encode()) for _ in range(3))),
    which=st.integers(0, 2),
)
def test_whatever_a_beir_folder_holds_it_is_read_or_named(
    parts: tuple[bytes, bytes, bytes], which: int, tmp_path: Path
) -> None:
    folder = beir(tmp_path / "sample")
    name = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")[which]
    (folder / name).write_bytes(parts[which])
    said = fault(folder)
    assert not said or "sample" in said
