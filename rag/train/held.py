"""Figures on the way: what a part is worth on the collections that no training sees."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rag.chat import HEADS
from rag.prompt import build_prompt
from rag.train.collections import Collection, claim_pairs
from rag.train.pairs import ANSWERS, SUPPORTS, Pair, Score
from rag.train.sheets import Sheet
from rag.train.writer import Learner

Encode = Callable[[Sequence[str]], Any]


def judge_embedder(collections: Mapping[str, Collection], held: set[str]) -> Callable[[Encode], str]:
    """Recall at 1, 5 and 20 of the held-out questions among all insights."""
    insights = {i: text for collection in collections.values() for i, text in collection.insights.items()}
    ids = list(insights)
    questions = [q for name in sorted(held) for q in collections[name].questions if q.gold]
    kinds = {
        "InsightQA's own": [q for q in questions if q.answers],
        "its paraphrases": [q for q in questions if q.answers and q.kind == "paraphrase"],
        "its multi": [q for q in questions if q.kind == "multi"],
        "added paraphrases": [q for q in questions if not q.answers],
    }

    def judge(encode: Encode) -> str:
        texts = list(insights.values())
        library = np.concatenate([encode(texts[n : n + 256]) for n in range(0, len(texts), 256)])
        told = []
        for kind, asked in ((kind, asked) for kind, asked in kinds.items() if asked):
            order = np.argsort(-encode([q.text for q in asked]) @ library.T, axis=1)[:, :20].tolist()
            found = [[ids[n] for n in row] for row in order]
            recalls = [
                np.mean([len(q.gold.intersection(row[:k])) / len(q.gold) for q, row in zip(asked, found, strict=True)])
                for k in (1, 5, 20)
            ]
            told.append(f"{kind} " + "/".join(f"{recall:.3f}" for recall in recalls))
        return "recall@1/5/20 of " + "; ".join(told)

    return judge


def judge_scorer(
    held: Sequence[Collection], library: Mapping[str, Collection], neighbours: Mapping[str, Sequence[str]]
) -> Callable[[Score], str]:
    """How well the scores tell apart what the reader must tell apart."""
    insights = {i: text for collection in library.values() for i, text in collection.insights.items()}
    questions = [q for collection in held for q in collection.questions]
    rng = random.Random(0)
    claims = [pair for q in questions for pair in claim_pairs(q, insights, neighbours[q.text], rng)]
    gold_or_wrong = [
        Pair(SUPPORTS, f"{q.text} {text}", " ".join(insights[i] for i in cites), label)
        for q in questions
        for text, cites, label in [(t, c, 1.0) for t, c in q.answers]
        + ([(q.wrong, sorted(q.gold), 0.0)] if q.wrong and len(q.gold) == 1 else [])
    ]
    false = [Pair(SUPPORTS, text, collection.insights[i], 0.0) for collection in held for i, text in collection.false]

    def judge(score: Score) -> str:
        from sklearn.metrics import roc_auc_score

        def auc(pairs: Sequence[Pair]) -> float:
            return float(roc_auc_score([pair.label for pair in pairs], score(pairs)))

        near = [
            Pair(ANSWERS, q.text, insights[i], float(i in q.gold)) for q in questions for i in neighbours[q.text][:5]
        ]
        scores = np.array(score(near)).reshape(len(questions), 5)
        gold = np.array([pair.label for pair in near]).reshape(len(questions), 5)
        asked = np.array([bool(q.gold) for q in questions])
        own = np.array([bool(q.answers) or (q.near == "" and not q.gold) for q in questions])
        found = gold.max(1) > 0
        first = float(np.mean(gold[np.arange(len(questions)), scores.argmax(1)][found]))
        told = {
            "answers": float(roc_auc_score(gold.ravel(), scores.ravel())),
            "first of five right": first,
            "answerable": float(roc_auc_score(asked, scores.max(1))),
            "InsightQA's own": float(roc_auc_score(asked[own], scores.max(1)[own])),
            "claims": auc(claims),
            "gold or wrong": auc(gold_or_wrong),
            "gold or false": auc([pair for pair in gold_or_wrong if pair.label] + false) if false else float("nan"),
        }
        return ", ".join(f"{name} {value:.3f}" for name, value in told.items())

    return judge


def judge_learner(sheets: Sequence[Sheet], shown: int = 8) -> Callable[[Learner], str]:
    """The two judgements' AUC on held-out sheets, and a few answers to read."""
    written = [(sheet.text, branch) for sheet in sheets for branch in sheet.branches if branch.told]
    chosen = random.Random(0).sample(written, shown)

    def judge(learner: Learner) -> str:
        import torch
        from sklearn.metrics import roc_auc_score

        lessons = [learner.lesson(sheet) for sheet in sheets]
        scores: list[list[float]] = [[], []]
        labels: list[list[float]] = [[], []]
        with torch.inference_mode():
            for n in range(0, len(lessons), 2):
                vectors = learner.hidden(lessons[n : n + 2])
                for head, (logits, truth) in enumerate(learner.judged(lessons[n : n + 2], vectors)):
                    scores[head] += logits.tolist()
                    labels[head] += truth.tolist()
        told = [
            f"{name} {roc_auc_score(truth, score):.3f} of {len(truth)}"
            for name, truth, score in zip(HEADS, labels, scores, strict=True)
        ]
        for text, branch in chosen:
            drafts = list(learner.writer.write(build_prompt(branch.question, text, 400)))
            wrote = drafts[-1].text if drafts else ""
            told.append(f"\n  asked: {branch.question}\n  gold:  {branch.told[0]}\n  wrote: {wrote}")
        return ", ".join(told)

    return judge
