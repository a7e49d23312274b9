"""Training: what the parts learn from, that nothing held out is among it, and a loop that goes on where it stopped."""

import gzip
import inspect
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models import put_in
from rag.rules import broken_rule, located
from rag.train import __main__ as command
from rag.train import crossencoder, embedder, loop, writer
from rag.train.__main__ import EDITS, FOLDERS
from rag.train.collections import (
    Collection,
    Question,
    claim_pairs,
    held_out,
    insight_pairs,
    load_collections,
    load_edits,
    question_pairs,
)
from rag.train.held import judge_embedder
from rag.train.memo import MemoScorer, remember
from rag.train.pairs import ANSWERS, SUPPORTS, Pair
from rag.train.public import public_pairs, public_questions, public_sheets
from rag.train.reader import recentring, shifted
from rag.train.reliability import calibration_error, curve, diagram
from rag.train.sheets import Branch, Sheet, lesson, sheets
from rag.train.spoil import spoil
from rag.verify import verbatim
from tests.fakes import OverlapScorer, tiny_llama

ROOT = Path(__file__).parent.parent

ROOT = Path(__file__).parent.parent

# ------------------------------------------------------------------------------------------------- spoilt sentences

PIECES = st.sampled_from(
    "0 40 1,000 3.5 2016, Otto Brandt Quill is not no never can't rose fell more some all may days cents , . % No, "
    "Yes, \0 a ² ٣".split(" ")
)
SENTENCES = st.lists(PIECES | st.text(max_size=5), max_size=10).map(" ".join)


@given(sentence=SENTENCES, context=SENTENCES, seed=st.integers(0, 99))
def test_a_spoilt_sentence_is_another_one(sentence: str, context: str, seed: int) -> None:
    spoilt = spoil(sentence, context, random.Random(seed))
    assert spoilt is None or spoilt != sentence
    assert spoilt == spoil(sentence, context, random.Random(seed))


def ways(sentence: str, context: str) -> set[str]:
    """Everything that `spoil` makes of the sentence."""
    drawn = {spoil(sentence, context, random.Random(seed)) for seed in range(400)}
    return {spoilt for spoilt in drawn if spoilt}


KINDS = {
    "number": (
        "It sold 40 loaves.",
        "It sold 40 loaves and 7 pies.",
        [f"It sold {number} loaves." for number in (7, 80, 41, 400, 20, 60, 44, 39)],
    ),
    "name": ("They say Brandt counted them.", "They say Brandt met Otto Quill.", ["They say Otto Quill counted them."]),
    "exchange": ("They say Brandt beat Quill.", "", ["They say Quill beat Brandt."]),
    "denial": ("The oven is hot.", "", ["The oven is not hot."]),
    "denied before": ("It did not rise.", "", ["It did rise."]),
    "opposite": ("Prices rose there.", "", ["Prices fell there."]),
    "the other way": ("Prices fell there.", "", ["Prices rose there."]),
    "scope": ("It pleased some bakers.", "", ["It pleased all bakers."]),
    "unit": (
        "It lasted seven days.",
        "",
        [f"It lasted seven {unit}." for unit in "seconds minutes hours weeks months years".split()],
    ),
    "nothing to spoil": ("Bread is.", "Otto Quill sold 7 pies.", []),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_mistake(kind: str) -> None:
    sentence, context, expected = KINDS[kind]
    assert ways(sentence, context) == set(expected)


def test_numbers_change_places() -> None:
    assert "It sold 7 loaves and 40 pies." in ways("It sold 40 loaves and 7 pies.", "")


def test_a_number_keeps_the_comma_behind_it() -> None:
    spoilt = ways("It cost £340 in 2016.", "It cost £340 in 2016, and 350 a year later.")
    assert "It cost £350 in 2016." in spoilt
    assert not [sentence for sentence in spoilt if "," in sentence], "the year of the context is the same year"
    assert all("," in sentence for sentence in ways("In 2016, it fell.", "In 2016, it fell."))


def test_a_short_denial_is_taken_off_whole() -> None:
    assert ways("It can't rise.", "") == {"It can rise."}
    assert ways("It doesn't rise.", "") == {"It does rise."}


# ------------------------------------------------------------------------------------------------------ collections

NAMES = "ale bread cider dough egg flour grain honey icing jam kefir".split()


def insight(name: str, number: int) -> str:
    return f"Every {name} baker keeps rule {'abc'[number]} of {name}."


def question_row(name: str, number: int, **more: Any) -> dict[str, Any]:
    row = {
        "type": "direct",
        "question": f"Which {'abc'[number]} do {name} bakers keep?",
        "answer": [{"text": f"They keep {'abc'[number]} of {name}.", "cites": [f"{name}-{number}"]}],
        "wrong": f"They break {'abc'[number]} of {name}.",
    }
    return {key: value for key, value in (row | more).items() if value is not None}


def write_collection(folder: Path, file: str, **data: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{file}.json").write_text(json.dumps(data), encoding="utf-8")


def write_whole(folder: Path, name: str) -> None:
    rows = [{"id": f"{name}-{n}", "text": insight(name, n)} for n in range(3)]
    questions = [question_row(name, n) for n in range(3)]
    write_collection(folder, name, collection=name, insights=rows, questions=questions)


def write_additions(folder: Path, name: str) -> None:
    """Questions and false restatements for a collection of another folder."""
    write_collection(
        folder,
        f"{name}-more",
        collection=name,
        questions=[
            question_row(name, 0, question="And it?", standalone=f"What of {name}?", answer=None, gold=[f"{name}-1"]),
            question_row(name, 1, question=f"Who sells {name}?", answer=None, wrong=None, near=f"{name}-2"),
        ],
        false=[{"insight": f"{name}-0", "text": f"No {name} baker keeps a rule."}],
    )


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Eleven collections; the second folder adds to three of them, one of those held out, and has one of its own."""
    own, added = tmp_path / "own", tmp_path / "added"
    for name in NAMES:
        write_whole(own, name)
    for name in ("ale", "egg", "kefir"):
        write_additions(added, name)
    write_whole(added, "lemon")
    write_collection(added, "unknown", collection="unknown", questions=[question_row("unknown", 0)])
    return [own, added]


def test_additions_join_their_collection(folders: list[Path]) -> None:
    collections = load_collections(folders)
    assert list(collections) == [*NAMES, "lemon"], "questions without insights are left out"
    egg = collections["egg"]
    assert list(egg.insights) == ["egg-0", "egg-1", "egg-2"]
    assert egg.false == [("egg-0", "No egg baker keeps a rule.")]
    first, _, _, added, unanswered = egg.questions
    answers = (("They keep a of egg.", ("egg-0",)),)
    assert first == Question(
        "Which a do egg bakers keep?", frozenset({"egg-0"}), answers, "They break a of egg.", kind="direct"
    )
    assert (added.text, added.gold, added.answers) == ("What of egg?", frozenset({"egg-1"}), ())
    assert (unanswered.text, unanswered.gold, unanswered.near) == ("Who sells egg?", frozenset(), "egg-2")
    assert not collections["bread"].false


def test_every_fifth_collection_is_held_out(folders: list[Path]) -> None:
    assert held_out(folders[0]) == {"egg", "jam"}


INSIGHTS = {f"i{n}": f"Rule {n} of the mill is here." for n in range(9)}
NEIGHBOURS = list(INSIGHTS)


@given(seed=st.integers(0, 99))
def test_a_question_is_paired_with_its_answers_and_with_near_misses(seed: int) -> None:
    question = Question("Which?", frozenset({"i1", "i5"}))
    pairs = question_pairs(question, INSIGHTS, NEIGHBOURS, random.Random(seed))
    assert {(pair.head, pair.first) for pair in pairs} == {(ANSWERS, "Which?")}
    assert [pair.second for pair in pairs if pair.label] == [INSIGHTS["i1"], INSIGHTS["i5"]]
    wrong = [pair.second for pair in pairs if not pair.label]
    assert 2 <= len(set(wrong)) == len(wrong)
    assert not {INSIGHTS["i1"], INSIGHTS["i5"]} & set(wrong)
    assert wrong[0] in {INSIGHTS[i] for i in ("i0", "i2", "i3", "i4")}, "one of the nearest"


@given(near=st.sampled_from(["i7", ""]), seed=st.integers(0, 99))
def test_a_question_without_an_answer_has_only_near_misses(near: str, seed: int) -> None:
    pairs = question_pairs(Question("Which?", frozenset(), near=near), INSIGHTS, NEIGHBOURS, random.Random(seed))
    assert {(pair.head, pair.first, pair.label) for pair in pairs} == {(ANSWERS, "Which?", 0.0)}
    texts = [pair.second for pair in pairs]
    assert 2 <= len(set(texts)) == len(texts)
    nearest = [INSIGHTS[i] for i in ("i0", "i1", "i2", "i3")]
    assert set(texts) <= {INSIGHTS[near], *nearest} if near else texts == nearest[: len(texts)]
    assert not near or texts[0] == INSIGHTS[near]


@given(seed=st.integers(0, 99))
def test_a_claim_is_right_only_with_the_insights_that_it_cites(seed: int) -> None:
    answers = (("Rule 1 is hot.", ("i1",)), ("Both rose.", ("i1", "i5")))
    question = Question("Which?", frozenset({"i1", "i5"}), answers, wrong="No rule.")
    pairs = claim_pairs(question, INSIGHTS, NEIGHBOURS, random.Random(seed))
    texts = {sentence: " ".join(INSIGHTS[i] for i in cites) for sentence, cites in answers}
    assert {pair.head for pair in pairs} == {SUPPORTS}
    said = {pair: pair.first.removeprefix("Which? ") for pair in pairs}
    assert [(said[pair], pair.second) for pair in pairs if pair.label] == list(texts.items())
    for pair in pairs:
        assert pair.label == float(texts.get(said[pair]) == pair.second)
        assert pair.second in {*texts.values(), *(INSIGHTS[i] for i in ("i0", "i2"))}
    assert [pair.second for pair in pairs if said[pair] == "No rule."] == [texts["Both rose."]]


def test_a_claim_stands_alone_one_time_in_four() -> None:
    question = Question("Which?", frozenset({"i1"}), (("Rule.", ("i1",)),))
    pairs = [pair for seed in range(400) for pair in claim_pairs(question, INSIGHTS, NEIGHBOURS, random.Random(seed))]
    assert {pair.first for pair in pairs} == {"Rule.", "Which? Rule."}
    assert 0.2 < sum(pair.first == "Rule." for pair in pairs) / len(pairs) < 0.3


@given(seed=st.integers(0, 99))
def test_an_insight_supports_its_own_sentences_and_not_what_is_made_of_them(seed: int) -> None:
    text = "In the end the oven is hot. Short one. By then the price of bread rose there."
    pairs = insight_pairs(text, ["No oven is hot."], random.Random(seed))
    assert all(pair.second == text and pair.head == SUPPORTS for pair in pairs)
    right = {pair.first for pair in pairs if pair.label}
    assert right == {"In the end the oven is hot.", "By then the price of bread rose there."}
    wrong = [pair.first for pair in pairs if not pair.label]
    assert wrong[0] == "No oven is hot."
    assert not right & set(wrong)


class Learners:
    """Takes the place of the trainers and keeps what each was given."""

    def __init__(self) -> None:
        self.seen: list[Collection] = []
        self.pairs: list[Pair] = []
        self.sheets: list[Sheet] = []
        self.read: set[str] = set()

    def embedder(self, collections: list[Collection], *rest: object) -> None:
        self.seen = collections

    def crossencoder(self, public: list[Pair], passes: list[list[Pair]], *rest: object) -> None:
        self.pairs = [pair for pairs in passes for pair in pairs]

    def writer(self, sheets: list[Sheet], *rest: object) -> None:
        self.sheets = sheets

    def reader(self, collections: dict[str, Collection], *rest: object) -> None:
        self.read = {*collections}


@pytest.fixture
def learners(monkeypatch: pytest.MonkeyPatch, folders: list[Path], tmp_path: Path) -> Learners:
    learners = Learners()
    for part in ("embedder", "crossencoder", "writer", "reader"):
        monkeypatch.setattr(f"rag.train.{part}.train", getattr(learners, part))
    for name in ("public_pairs", "public_questions", "public_sheets"):
        monkeypatch.setattr(command, name, lambda *arguments: [])
    monkeypatch.setattr(command, "judge_learner", lambda sheets: str)

    def nearest(collections: dict[str, Collection]) -> dict[str, list[str]]:
        ids = [i for collection in collections.values() for i in collection.insights]
        return {question.text: ids for collection in collections.values() for question in collection.questions}

    monkeypatch.setattr(command, "nearest", nearest)
    for part in ("embedder", "reader", "writer"):
        assert command.main([part, *map(str, folders), "--out", str(tmp_path / "out")]) == 0
    return learners


def test_no_part_learns_from_a_held_out_collection(learners: Learners, folders: list[Path]) -> None:
    trained = {*NAMES, "lemon"} - {"egg", "jam"}
    assert {collection.name for collection in learners.seen} == trained
    read = " ".join(map(str, learners.sheets))
    assert {name for name in [*NAMES, "lemon"] if name in read} == trained
    assert {name for name in trained if any(name in pair.first for pair in learners.pairs)} == trained
    read = " ".join(pair.first + pair.second for pair in learners.pairs)
    assert {name for name in [*NAMES, "lemon"] if name in read} == trained
    assert learners.read == {*NAMES}, "the held-out ones and what surrounds them, of the first folder alone"


def test_the_reader_alone_can_be_calibrated(learners: Learners, folders: list[Path]) -> None:
    learners.pairs, learners.read = [], set()
    command.main(["reader", *map(str, folders), "--calibrate-only"])
    assert (learners.pairs, learners.read) == ([], {*NAMES})


def test_what_cannot_be_trained_on_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, few = tmp_path / "empty", tmp_path / "few"
    for folder in (empty, few):
        folder.mkdir()
    (few / "one.json").write_text(json.dumps({"collection": "one", "insights": [], "questions": []}))
    assert command.main(["writer", str(empty)]) == 2
    assert "holds no collections" in capsys.readouterr().err
    assert command.main(["reader", str(few), "--calibrate-only"]) == 2
    assert "too few collections" in capsys.readouterr().err


def test_the_embedder_can_be_judged_without_added_paraphrases() -> None:
    asked = [Question("Is oven hot?", frozenset({"i0"}), (("It is.", ("i0",)),), kind="direct")]
    judge = judge_embedder({"oven": Collection("oven", INSIGHTS, asked)}, {"oven"})
    places = {text: n for n, text in enumerate(INSIGHTS.values())}
    told = judge(lambda texts: np.stack([np.eye(9)[places.get(text, 0)] for text in texts]))
    assert told == "recall@1/5/20 of InsightQA's own 1.000/1.000/1.000"


# ------------------------------------------------------------------------------------------------------ public sets


def write_rows(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(f"{json.dumps(row)}\n" for row in rows)


def public_row(question: str, texts: Sequence[str], gold: Sequence[int], answerable: bool = True) -> dict[str, Any]:
    passages = [{"id": f"p{n}", "title": "T", "text": text} for n, text in enumerate(texts)]
    return {"question": question, "passages": passages, "gold": [f"p{n}" for n in gold], "answerable": answerable}


@pytest.fixture
def public(tmp_path: Path) -> Path:
    write_rows(
        tmp_path,
        "qa_squad2_train",
        public_row("Is it hot?", ["In this odd bakery the oven is hot."], [0]),
        public_row("Who made it?", ["In this odd bakery the oven is hot."], [], answerable=False),
    )
    write_rows(
        tmp_path,
        "qa_qedmix_train",
        public_row("Did it rise?", ["Too short.", "All over the town prices rose by noon."], [1]),
        public_row("Did it melt?", ["Nobody knows."], [], answerable=False),
    )
    write_rows(
        tmp_path,
        "qa_squad2x5_train",
        public_row("Where?", ["Here.", "There.", "Nowhere."], [1]),
        public_row("When?", ["Never."], [], answerable=False),
        public_row("Why?", ["Because."], [0]),
    )
    labels = ["Fully attributable", "Not fully attributable", "Generic"]
    write_rows(
        tmp_path, "nli_begin_train", *({"premise": "P", "hypothesis": label, "label": label} for label in labels)
    )
    labels = ["supported", "not_supported"]
    write_rows(
        tmp_path, "nli_expertqa_train", *({"premise": "P", "hypothesis": label, "label": label} for label in labels)
    )
    return tmp_path


def test_public_pairs_have_the_labels_of_their_sets(public: Path) -> None:
    rows = public_pairs(public, random.Random(0))
    hot, rose = "In this odd bakery the oven is hot.", "All over the town prices rose by noon."
    assert rows[:10] == [
        Pair(ANSWERS, "Is it hot?", hot, 1.0),
        Pair(ANSWERS, "Who made it?", hot, 0.0),
        Pair(ANSWERS, "Did it rise?", rose, 1.0),
        Pair(ANSWERS, "Did it rise?", "Too short.", 0.0),
        Pair(ANSWERS, "Did it melt?", "Nobody knows.", 0.0),
        Pair(SUPPORTS, "Fully attributable", "P", 1.0),
        Pair(SUPPORTS, "Not fully attributable", "P", 0.0),
        Pair(SUPPORTS, "Generic", "P", 0.0),
        Pair(SUPPORTS, "supported", "P", 1.0),
        Pair(SUPPORTS, "not_supported", "P", 0.0),
    ]


def test_public_passages_support_their_sentences_and_not_spoilt_ones(public: Path) -> None:
    made = [pair for seed in range(20) for pair in public_pairs(public, random.Random(seed))[10:]]
    hot, rose = "In this odd bakery the oven is hot.", "All over the town prices rose by noon."
    assert set(made) == {
        Pair(SUPPORTS, hot, hot, 1.0),
        Pair(SUPPORTS, "In this odd bakery the oven is not hot.", hot, 0.0),
        Pair(SUPPORTS, rose, rose, 1.0),
        Pair(SUPPORTS, "All over the town prices fell by noon.", rose, 0.0),
        Pair(SUPPORTS, "All under the town prices rose by noon.", rose, 0.0),
    }
    assert sum(pair.label for pair in made) == len(made) / 2, "as many true ones as spoilt ones"


def test_public_questions_have_a_right_passage_and_a_near_one(public: Path) -> None:
    assert public_questions(public) == [
        ("Did it rise?", "All over the town prices rose by noon.", ("Too short.",)),
        ("Where?", "There.", ("Here.",)),
        ("Why?", "Because.", ()),
    ]


# ---------------------------------------------------------------------------------------------------------- batches


def test_every_pair_is_in_one_batch() -> None:
    pairs = [Pair(ANSWERS, "?" * (n * 7 % 90), f"{n}", 0.0) for n in range(32 * crossencoder.BATCH + 70)]
    batches = loop.batched(pairs, crossencoder.length, crossencoder.BATCH, random.Random(0))
    assert sorted(len(batch) for batch in batches) == [6, *[crossencoder.BATCH] * 34]
    assert sorted((pair for batch in batches for pair in batch), key=lambda pair: int(pair.second)) == pairs
    assert batches == loop.batched(pairs, crossencoder.length, crossencoder.BATCH, random.Random(0))
    assert batches != loop.batched(pairs, crossencoder.length, crossencoder.BATCH, random.Random(1))


def test_the_pairs_of_a_batch_are_about_equally_long() -> None:
    pairs = [Pair(ANSWERS, "?" * (n * 7 % 90), "", 0.0) for n in range(20 * crossencoder.BATCH)]
    lengths = sorted(
        [len(pair.first) for pair in batch]
        for batch in loop.batched(pairs, crossencoder.length, crossencoder.BATCH, random.Random(0))
    )
    assert [length for batch in lengths for length in batch] == sorted(len(pair.first) for pair in pairs)


def test_a_batch_of_the_embedder_is_a_few_whole_collections(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder, "GROUP", 4)
    collections = list(load_collections(folders).values())
    insights = {i: text for collection in collections for i, text in collection.insights.items()}
    batches = embedder.collection_batches(collections, random.Random(0))
    assert [len(batch.passages) for batch in batches] == [3 * 4] * 3
    assert sorted(text for batch in batches for text in batch.passages) == sorted(insights.values())
    found = {
        question: {batch.passages[n] for n in places}
        for batch in batches
        for question, places in zip(batch.questions, batch.right, strict=True)
    }
    asked = [question for collection in collections for question in collection.questions if question.gold]
    assert found == {question.text: {insights[i] for i in question.gold} for question in asked}


def test_a_public_batch_holds_each_passage_once() -> None:
    rows = [(f"Question {n}?", f"Right {n // 2}.", (f"Right {n // 2 + 1}.",)[: n % 5]) for n in range(60)]
    batch = embedder.public_batch(rows, random.Random(0))
    assert len(set(batch.questions)) == len(batch.questions) == embedder.PUBLIC
    assert len(set(batch.passages)) == len(batch.passages)
    right = {question: passage for question, passage, _ in rows}
    for question, places in zip(batch.questions, batch.right, strict=True):
        assert [batch.passages[n] for n in places] == [right[question]]


# --------------------------------------------------------------------------------------------------------- the loop

STEPS = 60


class Line:
    """A straight line to learn, by a linear layer behind one that stays as it is."""

    def __init__(self, seed: int = 0) -> None:
        import torch

        torch.manual_seed(7)
        self.batches = [torch.randn(16, 3) for _ in range(STEPS)]
        frozen = torch.nn.Linear(3, 3)
        frozen.requires_grad_(False)
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(frozen, torch.nn.Linear(3, 1))
        self.steps = 0
        self.losses: list[float] = []
        self.killed_after = STEPS
        self.said: list[str] = []

    def loss_of(self, batch: Any) -> Any:
        if self.steps == self.killed_after:
            raise KeyboardInterrupt
        self.steps += 1
        loss = ((self.model(batch)[:, 0] - batch.sum(1)) ** 2).mean()
        self.losses.append(loss.item())
        return loss

    def run(self, part: Path, held: int = STEPS // 2) -> None:
        judge = "as good as it gets".upper
        loop.run(self.batches, self.loss_of, {"": self.model}, 0.3, part, self.said.append, judge, 25, 5, held)

    def weights(self) -> dict[str, list[float]]:
        return {name: tensor.flatten().tolist() for name, tensor in self.model.state_dict().items()}


def test_the_loop_learns(tmp_path: Path) -> None:
    line = Line()
    before = line.weights()
    line.run(tmp_path / "line.part")
    assert line.steps == STEPS
    assert sum(line.losses[-5:]) < sum(line.losses[:5]) / 20
    after = line.weights()
    assert {name for name in before if before[name] != after[name]} == {"1.weight", "1.bias"}
    assert [said for said in line.said if "AS GOOD" in said] == [
        f"step {step}/60: AS GOOD AS IT GETS" for step in (25, 50, 60)
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("killed_after", [3, 10, 27, 59])
def test_a_killed_run_goes_on_at_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    monkeypatch.setattr(loop, "SAVED_EVERY", 10)
    whole, killed = Line(), Line()
    whole.run(tmp_path / "whole.part")
    killed.killed_after = killed_after
    with pytest.raises(KeyboardInterrupt):
        killed.run(tmp_path / "line.part")
    checkpoint = killed_after // 10 * 10
    assert (tmp_path / "line.part").exists() == bool(checkpoint)
    resumed = Line(seed=1 if checkpoint else 0)  # the checkpoint brings the weights
    resumed.run(tmp_path / "line.part")
    assert resumed.steps == STEPS - checkpoint
    assert resumed.losses == whole.losses[checkpoint:]
    assert resumed.weights() == whole.weights()
    assert not list(tmp_path.iterdir())


def test_the_rate_warms_up_holds_and_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    rates: list[float] = []

    adamw = torch.optim.AdamW

    def watched(*arguments: Any, **options: Any) -> Any:
        optimizer = adamw(*arguments, **options)
        optimizer.register_step_pre_hook(lambda stepping, *rest: rates.append(stepping.param_groups[0]["lr"]))
        return optimizer

    monkeypatch.setattr(torch.optim, "AdamW", watched)
    Line().run(tmp_path / "line.part", held=30)
    assert rates[:6] == pytest.approx([0.06, 0.12, 0.18, 0.24, 0.3, 0.3])
    assert set(rates[5:31]) == {0.3}
    assert rates[30:] == pytest.approx([0.3 * (1 - n / 30) for n in range(30)])


def test_the_crossencoder_keeps_its_rate_until_the_public_pairs_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    given: list[inspect.BoundArguments] = []
    monkeypatch.setattr(crossencoder, "load_base", lambda: (None, torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)))
    monkeypatch.setattr(crossencoder, "save", lambda modules, out: None)
    monkeypatch.setattr(crossencoder, "run", lambda *a, **k: given.append(inspect.signature(loop.run).bind(*a, **k)))
    public, own = (
        [Pair(ANSWERS, "?", f"{name} {n}", 0.0) for n in range(size)] for name, size in [("p", 70), ("o", 40)]
    )
    crossencoder.train(public, [own], tmp_path / "out", lambda score: "", print)
    (bound,) = given
    bound.apply_defaults()
    batches = bound.arguments["batches"]
    assert [{pair.second[0] for pair in batch} for batch in batches] == [{"p"}] * 3 + [{"o"}] * 2
    assert (bound.arguments["held"], bound.arguments["warm_up"]) == (3, 100)


def test_a_folder_for_the_checkpoint_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SAVED_EVERY", 10)
    line = Line()
    line.run(tmp_path / "new" / "line.part")
    assert line.steps == STEPS


def test_what_was_trained_is_saved_and_can_be_put_in(tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    one, other, heads = Line(), Line(seed=1), torch.nn.Linear(3, 2)
    file = tmp_path / "new" / "line.safetensors"
    loop.save({"model": one.model, "heads": heads}, file)
    tensors = safetensors.torch.load_file(file)
    assert sorted(tensors) == ["heads.bias", "heads.weight", "model.1.bias", "model.1.weight"]
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    put_in({"model": other.model}, file)
    assert other.weights() == one.weights() | {
        name: one.model.state_dict()[name].bfloat16().flatten().tolist() for name in ("1.weight", "1.bias")
    }
    loop.save({"": heads}, file)
    assert sorted(safetensors.torch.load_file(file)) == ["bias", "weight"]


@pytest.mark.parametrize(("name", "said"), [("heads", "it holds nothing"), ("", r"model\.1\.bias")])
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, name: str, said: str) -> None:
    loop.save({"model": Line().model}, tmp_path / "line.safetensors")
    with pytest.raises(ValueError, match=said):
        put_in({name: Line().model}, tmp_path / "line.safetensors")


# ------------------------------------------------------------------------------------------------------- the writer


ONE = Collection(
    "mill",
    {f"i{n}": f"Rule {n} of the mill is hot." for n in range(4)},
    [
        Question(
            "Which?",
            frozenset({"i1", "i2"}),
            (("Rule 1 is hot.", ("i1",)), ("Both are.", ("i1", "i2")), ("So is rule 2.", ("i2",))),
            wrong="No rule is hot.",
        ),
        Question("Who?", frozenset(), near="i3"),
        Question("What else?", frozenset({"i1"})),
    ],
    false=[("i1", "Rule 1 is cold.")],
)


@given(seed=st.integers(0, 99))
def test_a_sheet_tells_what_its_insight_answers_and_supports(seed: int) -> None:
    near = {question.text: ["i0", "i1", "i2", "i3"] for question in ONE.questions}
    made = {sheet.text: sheet.branches for sheet in sheets({"mill": ONE}, near, random.Random(seed))}
    asked = {branch.question: branch for branch in made[ONE.insights["i1"]]}
    assert asked["Which?"].answered
    assert asked["Which?"].supported == asked["Which?"].told == ("Rule 1 is hot.",)
    assert "No rule is hot." in asked["Which?"].unsupported
    spoilt = "Rule 1 is not hot.", "Rule 2 is hot.", "Rule 10 is hot.", "Rule 0 is hot.", "Rule 99 is hot."
    known = {"No rule is hot.", "Both are.", "So is rule 2.", "Rule 1 is cold.", *spoilt}
    assert all(said in known for branch in asked.values() for said in branch.unsupported)
    assert "Rule 1 is cold." in [said for branch in asked.values() for said in branch.unsupported]
    assert asked["What else?"] in (
        Branch("What else?", True),
        Branch("What else?", True, (), ("Rule 1 is cold.",)),
    ), "an added paraphrase: answered, without a sentence to write"
    (unanswered,) = (b for b in made[ONE.insights["i3"]] if b.question == "Who?")
    assert unanswered == Branch("Who?", False)
    for insight_id, text in ONE.insights.items():
        for branch in made.get(text, ()):
            gold = {q.text for q in ONE.questions if insight_id in q.gold}
            assert branch.answered == (branch.question in gold)


def test_with_edits_only_what_is_one_is_to_be_written() -> None:
    near = {question.text: ["i0", "i1", "i2", "i3"] for question in ONE.questions}

    def which(edits: dict[tuple[str, str], str]) -> Branch:
        made = {sheet.text: sheet.branches for sheet in sheets({"mill": ONE}, near, random.Random(0), edits)}
        return next(branch for branch in made[ONE.insights["i1"]] if branch.question == "Which?")

    edited = which({("Which?", "i1"): "It is hot.", ("Which?", "i2"): "Another."})
    assert edited.told == ("It is hot.",)
    assert edited.supported == ("Rule 1 is hot.", "It is hot.")
    assert which({}).told == (), "the gold sentence is no edit"
    assert which({}).supported == ("Rule 1 is hot.",)


def test_the_edits_that_ship_are_edits_of_what_may_be_trained_on() -> None:
    collections = load_collections([ROOT / folder for folder in FOLDERS])
    held = held_out(ROOT / FOLDERS[0])
    insights = {i: text for name, c in collections.items() if name not in held for i, text in c.insights.items()}
    edits = load_edits(ROOT / EDITS)
    assert len(edits) > 1500
    for (question, insight_id), edit in edits.items():
        text = insights[insight_id]
        assert not broken_rule(edit, located(edit, text)), question
        assert not verbatim(edit, text), question


def test_a_lesson_labels_the_last_tokens_and_tells_what_to_write() -> None:
    tokens_of = {"yes": [20, 21, 9], "no": [30, 9], "odd": [40, 9]}
    branches = [Branch("one", True, ("yes",), ("no",), ("yes",)), Branch("two", False, (), ("odd",))]
    made = lesson([[1, 2, 3, 10], [1, 2, 4, 10]], branches, tokens_of)
    tokens = made.tree.tokens
    assert [(tokens[place], label) for place, label in made.answers] == [(10, 1.0), (10, 0.0)]
    assert [(tokens[place - 1], tokens[place], label) for place, label in made.supports] == [
        (21, 9, 1.0),
        (30, 9, 0.0),
        (40, 9, 0.0),
    ]
    assert [(tokens[place], token) for place, token in made.told] == [(10, 20), (20, 21), (21, 9)]
    assert made.told[0][0] == made.answers[0][0], "the first word is written after the prompt"


def test_squad_makes_sheets_of_its_passages(tmp_path: Path) -> None:
    rows = [
        {"question": f"Q{n}?", "passages": [{"text": f"Text {n % 2}."}], "answerable": n < 2, "gold": []}
        for n in range(3)
    ]
    with gzip.open(tmp_path / "qa_squad2_train.jsonl.gz", "wt") as stream:
        stream.writelines(f"{json.dumps(row)}\n" for row in rows)
    assert public_sheets(tmp_path) == [
        Sheet("Text 0.", (Branch("Q0?", True), Branch("Q2?", False))),
        Sheet("Text 1.", (Branch("Q1?", True),)),
    ]


def test_only_the_upper_layers_of_the_writer_learn() -> None:
    import torch

    model, original = tiny_llama(writer.FIRST_LAYER + 2), tiny_llama(writer.FIRST_LAYER + 2)
    writer.adapt(model)
    deltas = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    layers = [f"model.layers.{n}." for n in (writer.FIRST_LAYER, writer.FIRST_LAYER + 1)]
    linear = [name for name, module in original.named_modules() if isinstance(module, torch.nn.Linear)]
    adapted = [name for name in linear if name.startswith(tuple(layers))]
    assert len(adapted) == 2 * 7
    assert set(deltas) == {f"{name}.{side}" for name in adapted for side in "AB"}
    ids = torch.arange(10)[None]
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, original(ids).logits)
    model(ids).logits.sum().backward()
    assert all(delta.grad is not None for delta in deltas.values())


# ----------------------------------------------------------------------------------------------------------- memory


def test_what_is_known_is_not_made_again() -> None:
    asked: list[list[str]] = []

    def double(texts: list[str]) -> list[str]:
        asked.append(texts)
        return [text * 2 for text in texts]

    known: dict[str, str] = {}
    assert remember(known, ["a", "b", "a"], double) == ["aa", "bb", "aa"]
    assert remember(known, ["b", "c"], double) == ["bb", "cc"]
    assert remember(known, ["c"], double) == ["cc"]
    assert asked == [["a", "b"], ["c"]]


def test_a_scorer_with_a_memory_judges_alike_and_keeps_questions_and_sentences_apart() -> None:
    class Counting(OverlapScorer):
        judged = 0

        def answers(self, question: str, passages: Sequence[str]) -> list[float]:
            self.judged += len(passages)
            return super().answers(question, passages)

        def supports(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
            self.judged += len(texts)
            return [-score for score in super().supports(question, sentence, texts)]

    counting = Counting()
    scorer = MemoScorer(counting)
    texts = ["Loaves keep.", "Trains run."]
    for _ in range(2):
        assert scorer.answers("Do loaves keep?", texts) == [4.0, -4.0]
        assert scorer.supports("", "Do loaves keep?", texts) == [-4.0, 4.0]
        assert scorer.supports("Do trains run?", "Do loaves keep?", texts) == [-0.0, -0.0]
        assert scorer.answers("Do trains run?", texts) == [-4.0, 4.0]
    assert counting.judged == 8


# ------------------------------------------------------------------------------------------------------- reliability


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_the_curve_counts_every_case_once(cases: list[tuple[float, bool]]) -> None:
    points = curve([p for p, _ in cases], [right for _, right in cases])
    assert sum(count for *_, count in points) == len(cases)
    assert sum(count * true for _, true, count in points) == pytest.approx(sum(right for _, right in cases))
    assert [told for told, *_ in points] == sorted(told for told, *_ in points)
    assert 0 <= calibration_error(points) <= 1


def test_honest_probabilities_have_no_error_and_boasts_have_theirs() -> None:
    honest = curve([0.25] * 4 + [0.75] * 4, [True, False, False, False, True, True, True, False])
    assert calibration_error(honest) == 0
    assert calibration_error(curve([0.9, 0.9], [True, False])) == pytest.approx(0.4)


def test_the_diagram_shows_each_curve() -> None:
    svg = diagram({"support": [(0.1, 0.0, 3), (0.9, 1.0, 12)], "answerable": [(0.5, 0.5, 4)]})
    root = ElementTree.fromstring(svg)
    circles = root.findall(".//{*}circle")
    assert len(circles) == 3
    low, high, middle = [(float(c.get("cx", "")), float(c.get("cy", "")), float(c.get("r", ""))) for c in circles]
    assert low[0] < high[0] < middle[0]
    assert low[1] > middle[1] > high[1]
    assert low[2] < high[2]
    assert "support: error 0.100, 15 cases" in svg


# ------------------------------------------------------------------------------------------------------- recentring


def test_log_odds_are_shifted() -> None:
    assert shifted(0.5, math.log(3)) == pytest.approx(0.75)
    assert shifted(0.75, -math.log(3)) == pytest.approx(0.5)
    assert 0 < shifted(0.0, 1.0) < shifted(1.0, -1.0) < 1


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=2, max_size=30))
def test_recentred_probabilities_have_the_mean_that_came_true(cases: list[tuple[float, bool]]) -> None:
    probabilities, right = [p for p, _ in cases], [true for _, true in cases]
    if all(right) or not any(right):
        return  # no finite shift says so
    shift = recentring(probabilities, right)
    assert sum(shifted(p, shift) for p in probabilities) == pytest.approx(sum(right), abs=1e-3)
