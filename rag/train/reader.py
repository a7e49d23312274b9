"""Fits the reader's logistic weights and its cuts on the collections that the cross-encoder was not trained on.

The figures printed, and the cuts for refusing and for support, come from predictions for collections that a model's fit
has not seen (folds by collection). A little flattery is left: what one model feeds into the next (relevance into
answerable) was fitted on all of them.
"""

import hashlib
import json
import math
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from corpus.insight import make_insight
from corpus.library import open_library
from rag.config import Config
from rag.crossencoder import CrossEncoder
from rag.datatypes import Evidence, Hit
from rag.embed import open_embedder
from rag.index import open_index
from rag.judge import Judge
from rag.read import FEW, Cuts, Features, Logistic, LogisticReader, answerable_features, close_features
from rag.retrieve import retrieve
from rag.rules import broken_rule, located
from rag.train.collections import Collection
from rag.train.loop import Say
from rag.train.memo import Memo, MemoScorer
from rag.train.reliability import calibration_error, curve, diagram
from rag.train.spoil import spoil
from rag.words import content, numbers

FOLDS = 5
FALSE_REFUSALS = {"lenient": 0.02, "normal": 0.03, "strict": 0.1}  # share of the answerable that a caution may refuse
WRONG_SHOWN = {"lenient": 0.04, "normal": 0.02, "strict": 0.01}  # share of subtly wrong sentences that may pass
LEAST_SUPPORT = 0.5  # however few wrong sentences the rules let pass, no caution turns the score off


@dataclass(frozen=True, slots=True)
class Example:
    """A training question with what retrieval found for it."""

    fold: int
    question: str  # stand-alone
    gold: frozenset[str]  # insight ids
    answers: tuple[tuple[str, str], ...]  # gold sentence, insight id
    wrong: str
    hits: tuple[Hit, ...]
    lacks: str = ""  # what was taken away to make it unanswerable: "gold", or the whole "topic"


@dataclass(frozen=True, slots=True)
class Row:
    """Features, label, fold: one example of one logistic model."""

    features: Features
    label: bool
    fold: int


def load_examples(
    collections: Mapping[str, Collection], held: set[str], weights: Path, config: Config
) -> tuple[list[Example], LogisticReader]:
    """The questions of the held-out collections with their hits, the insights of all in one library."""
    embedder = Memo(open_embedder(config.embedder))
    with tempfile.TemporaryDirectory() as name, open_library(Path(name) / "train.db", create=True) as library:
        library.add(
            make_insight(text, insight_id=insight_id)
            for collection in collections.values()
            for insight_id, text in collection.insights.items()
        )
        index = open_index(library, embedder)
        examples = []
        for number, collection in enumerate(c for c in collections.values() if c.name in held):
            for question in collection.questions:
                hits = retrieve(question.text, library, index, embedder, config, 3 * config.candidates)
                answers = tuple((sentence, i) for sentence, cites in question.answers for i in cites)
                for lacks, gone in {"": set[str](), "gold": question.gold, "topic": {*collection.insights}}.items():
                    if lacks and not question.answers:  # one insight taken away as often as others are
                        continue
                    left = [hit for hit in hits if hit.insight.insight_id not in gone][: config.candidates]
                    ranked = tuple(replace(hit, rank=rank) for rank, hit in enumerate(left, 1))
                    told = (frozenset[str](), (), "") if lacks else (question.gold, answers, question.wrong)
                    examples.append(Example(number % FOLDS, question.text, *told, ranked, lacks))
    scorer, judge = MemoScorer(CrossEncoder(weights)), MemoScorer(Judge())
    return examples, LogisticReader(embedder, scorer, judge, {}, {}, "unfitted")


Read = tuple[Example, list[Features], list[list[tuple[int, int]]], list[list[Features]]]


def read_answerable(examples: Sequence[Example], reader: LogisticReader) -> list[Read]:
    """Each answerable question with the features of its passages, and the spans and features of their sentences."""
    return [(example, *reader.features(example.question, example.hits)) for example in examples if example.gold]


def sentence_rows(read: Sequence[Read]) -> list[Row]:
    """Sentences of gold insights; the one that says most of the gold answer is right."""
    rows = []
    for example, _, spans, groups in read:
        for hit, cut, features in zip(example.hits, spans, groups, strict=True):
            told = {w for text, i in example.answers if i == hit.insight.insight_id for w in content(text)}
            told |= {n for text, i in example.answers if i == hit.insight.insight_id for n in numbers(text)}
            if not told or len(cut) < 2:
                continue
            held = [hit.passage.text[a:b] for a, b in cut]
            overlap = [len(told & (set(content(text)) | numbers(text))) for text in held]
            rows += [Row(row, n == max(overlap) > 0, example.fold) for row, n in zip(features, overlap, strict=True)]
    return rows


def relevance_rows(read: Sequence[Read], sentence: Logistic) -> list[Row]:
    """Every hit of every answerable question; gold ones are right."""
    return [
        Row(
            features | {"sentence": max(sentence(row) for row in group)},
            hit.insight.insight_id in example.gold,
            example.fold,
        )
        for example, passages, _, groups in read
        for hit, features, group in zip(example.hits, passages, groups, strict=True)
    ]


def close_rows(examples: Sequence[Example], reader: LogisticReader) -> list[Row]:
    """The few passages of each answerable question that the judge reads; gold ones are right."""
    rows = []
    for example in (example for example in examples if example.gold):
        few = reader.read_closely(example.question, reader.first(example.question, example.hits)[:FEW])
        rows += [
            Row(features, e.hit.insight.insight_id in example.gold, example.fold)
            for e, features in zip(few, close_features(few), strict=True)
        ]
    return rows


def answerable_rows(examples: Sequence[Example], reader: LogisticReader) -> tuple[list[Row], list[list[Evidence]]]:
    """Every question with its best evidence; right if that evidence is gold."""
    rows, found = [], []
    for example in examples:
        evidence = reader.find(example.question, example.hits)
        found.append(evidence)
        right = any(e.hit.insight.insight_id in example.gold for e in evidence[:2])
        rows.append(Row(answerable_features(example.question, evidence), right, example.fold))
    return rows, found


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence against a text: its row, whether it is wrong in a subtle way, and whether no hard rule stops it."""

    row: Row
    subtle: bool
    passes: bool


def support_rows(examples: Sequence[Example], reader: LogisticReader) -> list[Said]:
    """Gold sentences against their insight, `wrong` and spoilt ones against the same, gold ones against another."""
    rng = random.Random(0)
    said = []
    for example in examples:
        texts = {hit.insight.insight_id: hit.insight.text for hit in example.hits}
        others = [text for i, text in texts.items() if i not in example.gold][:1]
        right = [(sentence, texts[i]) for sentence, i in example.answers if i in texts]
        spoilt = [(spoil(sentence, text, rng), text) for sentence, text in right]
        cases = [(sentence, text, True, False) for sentence, text in right]
        cases += [(sentence, text, False, True) for sentence, text in spoilt if sentence]
        if example.wrong:
            cases += [(example.wrong, texts[i], False, True) for i in sorted(example.gold & texts.keys())]
        cases += [(sentence, text, False, False) for sentence, _ in example.answers[:1] for text in others]
        for sentence, text, label, subtle in cases:
            (features,) = reader.support_features(example.question, sentence, [text])
            passes = not broken_rule(sentence, located(sentence, text))
            said.append(Said(Row(features, label, example.fold), subtle, passes))
    return said


def fit(rows: Sequence[Row]) -> Logistic:
    """Logistic regression on standardised features, written back in the features' own units."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    names = sorted(rows[0].features)
    x = np.array([[row.features[name] for name in names] for row in rows])
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=1.0, max_iter=1000).fit(scaler.transform(x), [row.label for row in rows])
    scale = np.where(scaler.scale_ == 0, 1, scaler.scale_)
    weights = model.coef_[0] / scale
    bias = float(model.intercept_[0] - np.dot(weights, scaler.mean_))
    return Logistic(round(bias, 4), {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)})


def out_of_fold(rows: Sequence[Row]) -> list[float]:
    """Each row's probability from a fit on the other folds."""
    models = {fold: fit([row for row in rows if row.fold != fold]) for fold in {row.fold for row in rows}}
    return [models[row.fold](row.features) for row in rows]


def shifted(probability: float, by: float) -> float:
    """The probability whose log odds are higher by so much."""
    kept = min(max(probability, 1e-9), 1 - 1e-9)
    return 1 / (1 + (1 - kept) / kept * math.exp(-by))


def recentring(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    """By how much to shift log odds, so that the mean probability is the share that is right (King & Zeng 2001)."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        said = sum(shifted(p, middle) for p in probabilities)
        low, high = (middle, high) if said < sum(right) else (low, middle)
    return (low + high) / 2


def auc(rows: Sequence[Row], scores: Sequence[float]) -> float:
    """The probability that a right example scores above a wrong one."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score([row.label for row in rows], scores))


def train(collections: Mapping[str, Collection], held: set[str], out: Path, say: Say) -> None:
    """Fit the five logistic models and the cuts, print what they are worth, and write reader.json and
    reliability.svg into `out`."""
    config = Config()
    examples, blank = load_examples(collections, held, out / "crossencoder.safetensors", config)
    embedder = blank.embedder
    say(f"{len(examples)} questions")
    models: dict[str, Logistic] = {}
    figures: dict[str, float] = {}

    def judge(name: str, rows: Sequence[Row]) -> list[float]:
        scores = out_of_fold(rows)
        models[name] = fit(rows)
        figures[f"auc_{name}"] = round(auc(rows, scores), 4)
        say(f"{name}: {len(rows)} rows, AUC {figures[f'auc_{name}']:.3f}  {models[name]}")
        return scores

    read = read_answerable(examples, blank)
    judge("sentence", sentence_rows(read))
    judge("relevance", relevance_rows(read, models["sentence"]))
    reader = LogisticReader(embedder, blank.scorer, blank.judge, models, {}, "fitting")
    judge("close", close_rows(examples, reader))
    rows, found = answerable_rows(examples, reader)
    answerable = judge("answerable", rows)
    # Far more is taken away here than people ask in vain: the probabilities are to hold for InsightQA's own mix, of
    # five questions that are answered to one that isn't. No order changes, so no decision does.
    own = [n for n, example in enumerate(examples) if example.answers or not (example.gold or example.lacks)]
    shift = recentring([answerable[n] for n in own], [rows[n].label for n in own])
    fitted = models["answerable"]
    models["answerable"] = Logistic(round(fitted.bias + shift, 4), fitted.weights)
    answerable = [shifted(p, shift) for p in answerable]
    for lacks in ("", "gold", "topic"):
        kept = [n for n, e in enumerate(examples) if e.gold or e.lacks == lacks]
        told = [Row({}, bool(examples[n].gold), 0) for n in kept]
        figures[f"auc_answerable_without_{lacks or 'attribute'}"] = round(auc(told, [answerable[n] for n in kept]), 4)
    supported = support_rows(examples, blank)
    support = judge("support", [said.row for said in supported])

    best = max(np.arange(0.05, 0.95, 0.01), key=lambda cut: _citation_f1(examples, found, float(cut)))
    say(f"relevance cut {best:.2f}: citation F1 {_citation_f1(examples, found, float(best)):.3f}")
    # The added paraphrases are harder than what people ask: a cut that lets those pass would refuse nothing.
    asked = [p for p, example in zip(answerable, examples, strict=True) if example.answers]
    unasked = {
        lacks or "attribute": [p for p, e in zip(answerable, examples, strict=True) if not e.gold and e.lacks == lacks]
        for lacks in ("", "gold", "topic")
    }
    right = [p for p, said in zip(support, supported, strict=True) if said.row.label and said.passes]
    wrong = [p for p, said in zip(support, supported, strict=True) if said.subtle and said.passes]
    all_right, all_wrong = sum(said.row.label for said in supported), sum(said.subtle for said in supported)
    cuts = {}
    for caution, share in FALSE_REFUSALS.items():
        refuse = float(np.quantile(asked, share))
        keep = int(WRONG_SHOWN[caution] * all_wrong)  # how many wrong ones may pass rules and cut together
        cut = max(sorted(wrong, reverse=True)[keep] + 1e-4 if keep < len(wrong) else 0.0, LEAST_SUPPORT)
        cuts[caution] = {
            "refuse": round(refuse, 4),
            "partly": round(float(np.quantile(asked, min(0.5, 2 * share + 0.06))), 4),
            "relevance": round(float(best), 2),
            "support": round(cut, 4),
        }
        for lacks, scores in unasked.items():
            figures[f"refused_without_{lacks}_{caution}"] = round(float(np.mean([p < refuse for p in scores])), 4)
        figures[f"gold_kept_{caution}"] = round(sum(p >= cut for p in right) / all_right, 4)
        figures[f"wrong_shown_{caution}"] = round(sum(p >= cut for p in wrong) / all_wrong, 4)
    curves = {
        "support": curve(support, [said.row.label for said in supported]),
        "answerable": curve([answerable[n] for n in own], [rows[n].label for n in own]),
    }
    (out / "reliability.svg").write_text(diagram(curves), encoding="utf-8")
    figures |= {f"calibration_error_{name}": round(calibration_error(points), 4) for name, points in curves.items()}
    for name, figure in figures.items():
        say(f"{name:40} {figure:.3f}")
    data = {
        "command": "python -m rag.train reader",
        "embedder": embedder.fingerprint,
        "figures": figures,
        "cuts": cuts,
        "models": {name: {"bias": m.bias, "weights": m.weights} for name, m in models.items()},
    }
    digest = hashlib.sha256(json.dumps([data["models"], data["cuts"]], sort_keys=True).encode()).hexdigest()
    data["fingerprint"] = f"logistic@{digest[:12]}"
    (out / "reader.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    Cuts(**cuts["normal"])  # the file must load


def _citation_f1(examples: Sequence[Example], found: Sequence[Sequence[Evidence]], cut: float) -> float:
    """Mean F1 of the insights chosen as evidence against the gold ones, over InsightQA's own answerable questions.

    The added paraphrases are left out: for half of them nothing right is found, and then a low cut costs nothing.
    """
    scores = []
    for example, evidence in zip(examples, found, strict=True):
        if example.answers:
            shown = [e for n, e in enumerate(evidence[: Config().max_evidence]) if not n or e.relevance >= cut]
            chosen = {e.hit.insight.insight_id for e in shown}
            scores.append(2 * len(chosen & example.gold) / (len(chosen) + len(example.gold)))
    return float(np.mean(scores))
