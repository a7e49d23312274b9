"""What the tuned SmolLM2 learns from: an insight with all that is asked and said of it, read in one go.

A sheet becomes a tree (rag/tree.py): the prompt up to the question is its root, each question a branch, and each
sentence written in answer a branch of that. So the insight is read once instead of once for each question, and every
path from the root is exactly what the model will be given later.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag.rules import broken_rule, located
from rag.train.collections import Collection, Question
from rag.train.spoil import spoil
from rag.tree import Tree, plant


@dataclass(frozen=True, slots=True)
class Branch:
    """A question, whether the insight answers it, and sentences with whether the insight supports them."""

    question: str
    answered: bool
    supported: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    told: tuple[str, ...] = ()  # of the supported ones those to write


@dataclass(frozen=True, slots=True)
class Sheet:
    """An insight and its branches."""

    text: str
    branches: tuple[Branch, ...]


@dataclass(slots=True)
class Lesson:
    """The sheet as tokens, and what the model should make of them; the places are indexes into the tree's tokens."""

    tree: Tree = field(default_factory=Tree)
    answers: list[tuple[int, float]] = field(default_factory=list)  # place of a question's last token, label
    supports: list[tuple[int, float]] = field(default_factory=list)  # place of a sentence's last token, label
    told: list[tuple[int, int]] = field(default_factory=list)  # place, and the token that should be written after it


def lesson(prompts: Sequence[Sequence[int]], branches: Sequence[Branch], tokens_of: Mapping[str, list[int]]) -> Lesson:
    """Of one insight's prompts, one a branch; `tokens_of` a sentence end with the end of the turn."""
    tree, questions = plant(prompts)
    made = Lesson(tree)
    for question, branch in zip(questions, branches, strict=True):
        last = tree.last(question)
        made.answers.append((last, float(branch.answered)))
        for sentence in (*branch.supported, *branch.unsupported):
            start, end, _ = tree.spans[tree.grow(tokens_of[sentence], question)]
            made.supports.append((end - 1, float(sentence in branch.supported)))
            if sentence in branch.told:
                made.told.extend(zip([last, *range(start, end - 1)], tree.tokens[start:end], strict=True))
    return made


Edits = Mapping[tuple[str, str], str]  # (question, insight id) -> a harmless edit of the insight that answers


def sheets(
    collections: Mapping[str, Collection],
    neighbours: Mapping[str, Sequence[str]],
    rng: random.Random,
    edits: Edits | None = None,
) -> list[Sheet]:
    """One sheet for each insight. `neighbours`: for each question insight ids, nearest first.

    Without `edits` every gold sentence is to be written, with them only what is an edit.
    """
    asked: dict[str, list[Question]] = defaultdict(list)  # by gold insight
    missed: dict[str, list[Question]] = defaultdict(list)  # by an insight that seems to answer, and doesn't
    false: dict[str, list[str]] = defaultdict(list)
    for collection in collections.values():
        for insight_id, text in collection.false:
            false[insight_id].append(text)
        for question in collection.questions:
            for insight_id in sorted(question.gold):
                asked[insight_id].append(question)
            others = [i for i in neighbours[question.text] if i not in question.gold and i != question.near]
            near = [question.near] if question.near else others[:2] if not question.gold else []
            if question.gold and rng.random() < 0.4:
                near = rng.sample(others[:4], 1)
            for insight_id in near:
                missed[insight_id].append(question)
    found = []
    for collection in collections.values():
        for insight_id, text in collection.insights.items():
            branches = [_answered(q, insight_id, text, rng, edits) for q in asked[insight_id] if q.answers]
            bare = [Branch(q.text, True) for q in asked[insight_id] if not q.answers]
            branches += rng.sample(bare, (len(bare) + 1) // 2)
            branches += [_missed(q, rng) for q in missed[insight_id]]
            for sentence in false[insight_id] if branches else []:
                n = rng.randrange(len(branches))
                was = branches[n]
                branches[n] = replace(was, unsupported=(*was.unsupported, sentence))
            if branches:
                found.append(Sheet(text, tuple(rng.sample(branches, len(branches)))))
    return found


def _answered(question: Question, insight_id: str, text: str, rng: random.Random, edits: Edits | None) -> Branch:
    """With its gold sentences from this insight; `wrong`, spoilt ones and those that need another insight are wrong."""
    gold = tuple(dict.fromkeys(s for s, cites in question.answers if cites == (insight_id,)))
    elsewhere = [s for s, cites in question.answers if cites != (insight_id,) and rng.random() < 0.5]
    spoilt = [s for s in (spoil(sentence, text, rng) for sentence in gold if rng.random() < 0.6) if s]
    wrong = [question.wrong] if question.wrong else []
    told = gold
    if edits is not None:
        edited = edits.get((question.text, insight_id))
        told = (edited,) if edited else tuple(s for s in gold if not broken_rule(s, located(s, text)))
    supported = tuple(dict.fromkeys((*gold, *told)))
    wrong = [s for s in (*wrong, *spoilt, *elsewhere) if s not in supported]
    return Branch(question.text, True, supported, tuple(wrong), told)


def _missed(question: Question, rng: random.Random) -> Branch:
    """A question that the insight doesn't answer, sometimes with the answer that another one gives."""
    foreign = [sentence for sentence, _ in question.answers[:1] if rng.random() < 0.5]
    return Branch(question.text, False, (), tuple(foreign))
