"""How well a claim's supporters are told from those that disagree, and the fit of what tells them.

    python -m eval.stances            measure, on the collections of InsightQA train that no training sees
    python -m eval.stances --fit      and write rag/weights/stances.json: after every training of the reader or writer

A gold sentence is a claim that its insight supports, a false restatement one that it disagrees with. Of the insights
near to either, and of gold sentences with something added, nothing can be said. Both kinds of claims weigh alike.
What is measured is the fit with its cuts; that the product also keeps silent where an insight shares too few words with
the claim, and takes a sentence of the insight itself for supported, isn't in the figures.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.config import Config
from rag.embed import open_embedder
from rag.read import Features, LogisticReader, load_reader
from rag.stances import FILE, SHARED, may_disagree, may_support, scorers_of, share, stance_features
from rag.train.collections import Collection, held_out, load_collections

QUESTIONS = Path(__file__).parent / "questions"
PER_COLLECTION = 16  # gold sentences
NEAR = 6  # insights that are looked at for each claim
RIGHT = 0.9  # share of what is told that must be right
LEAST = 0.5  # of a cut
FEWEST = 10  # that must be told before it counts how many are right
KINDS = ("supports", "disagrees", "other", "added")
ADDED = (
    ", according to a survey of 400 managers| in 2019|, mostly in Spain|, which surprised the board|, even after the "
    "merger| for the third year in a row|, at a cost of $2 million|, as the regulator confirmed|, especially among "
    "newcomers| within six weeks|, though few noticed| in small towns"
).split("|")


@dataclass(frozen=True, slots=True)
class Case:
    """A claim and an insight, which of KINDS it is, and the collection, by which the fit is crossed."""

    claim: str
    text: str
    kind: str
    fold: str
    cosine: float


def cases(collections: Mapping[str, Collection], held: Sequence[str], seed: int = 5) -> list[Case]:
    """All claims of the held-out collections, each against its own insight and the near ones that share its words."""
    rng = random.Random(seed)
    insights = {i: text for collection in collections.values() for i, text in collection.insights.items()}
    said: list[tuple[str, str, str, str]] = []  # claim, insight id, kind, collection
    for name in held:
        collection = collections[name]
        said += [(text, i, "disagrees", name) for i, text in collection.false]
        gold = [(text, cites[0]) for q in collection.questions for text, cites in q.answers if len(cites) == 1]
        gold = list(dict.fromkeys(gold))
        rng.shuffle(gold)
        said += [(text, i, "supports", name) for text, i in gold[:PER_COLLECTION]]
        for n, (text, i) in enumerate(gold[:PER_COLLECTION]):
            other = next((t for t, j in gold[n + 1 :] if j != i), "")
            more = f", and {other[:1].lower()}{other[1:]}" if n % 2 and other else f"{rng.choice(ADDED)}."
            said.append((text.rstrip(".") + more, i, "added", name))
    embedder = open_embedder(Config().embedder)
    ids = list(insights)
    cosines = embedder.encode_query([claim for claim, *_ in said]) @ embedder.encode_document(list(insights.values())).T
    found = []
    for (claim, own, kind, name), row in zip(said, cosines, strict=True):
        near = {ids[n]: float(row[n]) for n in np.argsort(-row)[:NEAR]}
        found.append(Case(claim, insights[own], kind, name, float(row[ids.index(own)])))
        others = ((i, cosine) for i, cosine in near.items() if i != own and share(claim, insights[i]) >= SHARED)
        found += [Case(claim, insights[i], "other", name, cosine) for i, cosine in others]
    return found


def crossed(
    rows: NDArray[np.float64], right: NDArray[np.bool_], weights: NDArray[np.float64], folds: Sequence[str]
) -> NDArray[np.float64]:
    """Each row's probability from a fit on the other folds, shape (rows,)."""
    found = np.zeros(len(rows))
    for fold in set(folds):
        there = np.array([each == fold for each in folds])
        bias, by = fitted(rows[~there], right[~there], weights[~there])
        found[there] = 1 / (1 + np.exp(-(bias + rows[there] @ by)))
    return found


def fitted(
    rows: NDArray[np.float64], right: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Bias and weights of a logistic regression, in the features' own units."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(rows)
    model = LogisticRegression(C=0.5, max_iter=3000).fit(scaler.transform(rows), right, weights)
    by = model.coef_[0] / scaler.scale_
    return float(model.intercept_[0] - by @ scaler.mean_), by


def cut_at(scores: NDArray[np.float64], right: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """The lowest cut, from LEAST up, above which at least RIGHT of what is told is right; above 1 if there is none."""
    order = np.argsort(-scores)
    share_right = np.cumsum((weights * right)[order]) / np.cumsum(weights[order])
    falls = np.append(np.diff(scores[order]) < 0, True)  # equal scores are told together, or not at all
    good = np.flatnonzero((share_right >= RIGHT) & falls & (scores[order] >= LEAST))
    good = good[good >= FEWEST]
    return float(scores[order][good[-1]]) if len(good) else 1.01


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and with --fit write the models."""
    parser = argparse.ArgumentParser(prog="python -m eval.stances", description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help=f"write {FILE.name}")
    options = parser.parse_args(arguments)
    train = QUESTIONS / "insightqa" / "train"
    found = cases(load_collections([train, QUESTIONS / "additions"]), sorted(held_out(train)))
    reader = load_reader(open_embedder(Config().embedder))
    features = [stance_features(case.claim, case.text, case.cosine, reader) for case in found]
    report, data = judged(found, features, reader)
    sys.stdout.write(report)
    if options.fit:
        FILE.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


def judged(
    found: Sequence[Case], features: Sequence[Features], reader: LogisticReader
) -> tuple[str, dict[str, object]]:
    """The table of what is told of each kind, out of fold; and the file's content."""
    names = sorted(features[0])
    rows = np.array([[row[name] for name in names] for row in features])
    kinds, folds = np.array([case.kind for case in found]), [case.fold for case in found]
    counts = {kind: int((kinds == kind).sum()) for kind in KINDS}
    weights = np.where(kinds == "disagrees", counts["supports"] / max(1, counts["disagrees"]), 1.0)
    allowed = {
        "supports": np.array([may_support(case.claim, case.text) for case in found]),
        "disagrees": np.array([may_disagree(case.claim, case.text) for case in found]),
    }
    models, cuts, scores = {}, {}, {}
    for kind in ("supports", "disagrees"):
        right = kinds == kind
        scores[kind] = crossed(rows, right, weights, folds) * allowed[kind]
        cuts[kind] = cut_at(scores[kind], right, weights)
        bias, by = fitted(rows, right, weights)
        models[kind] = {
            "bias": round(bias, 4),
            "weights": {name: round(float(w), 4) for name, w in zip(names, by, strict=True)},
        }
    supports = (scores["supports"] >= cuts["supports"]) & (scores["supports"] > scores["disagrees"])
    disagrees = (scores["disagrees"] >= cuts["disagrees"]) & ~supports
    lines = [f"{'':10} {'claims':>7} {'supports':>9} {'disagrees':>10} {'unclear':>8}"]
    figures: dict[str, float] = {}
    for kind in KINDS:
        of = kinds == kind
        told = [float(mask[of].mean()) if of.any() else 0.0 for mask in (supports, disagrees, ~supports & ~disagrees)]
        lines.append(f"{kind:10} {counts[kind]:7} {told[0]:9.3f} {told[1]:10.3f} {told[2]:8.3f}")
        figures |= {
            f"{kind}_told_{name}": round(share_, 4)
            for name, share_ in zip(("supports", "disagrees"), told, strict=False)
        }
    for kind, mask in (("supports", supports), ("disagrees", disagrees)):
        precision = float((weights * (kinds == kind))[mask].sum() / max(weights[mask].sum(), 1e-9))
        figures[f"precision_{kind}"] = round(precision, 4)
        lines.append(f"{kind}: right {precision:.3f}, found {figures[f'{kind}_told_{kind}']:.3f}, cut {cuts[kind]:.3f}")
    data: dict[str, object] = {
        "command": "python -m eval.stances --fit",
        "fitted_to": list(scorers_of(reader)),
        "figures": figures,
        "cuts": {kind: round(cut, 4) for kind, cut in cuts.items()},
        "models": models,
    }
    return "\n".join(lines) + "\n", data


if __name__ == "__main__":
    sys.exit(main())
