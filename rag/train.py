"""Fits what ships in rag/weights/, from InsightQA collections: `python -m rag.train reader ../shared/insightqa/train`.

The weights are fitted on all the collections given; the figures printed, and the cuts for refusing and for support,
come from predictions for collections that a model's fit has not seen (five folds by collection). A little flattery is
left: what one model feeds into the next (relevance into answerable) was fitted on all of them.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from corpus.insight import make_insight
from corpus.library import open_library
from rag.config import Config
from rag.datatypes import Evidence, Hit, Turn
from rag.embed import Embedder, Vectors, open_embedder
from rag.followup import standalone
from rag.index import open_index
from rag.read import Cuts, Features, Logistic, OverlapReader, answerable_features, support_features
from rag.retrieve import retrieve
from rag.verify import broken_rule, locate
from rag.words import content, numbers

FOLDS = 5
FALSE_REFUSALS = {"lenient": 0.02, "normal": 0.05, "strict": 0.12}  # share of the answerable that a caution may refuse
WRONG_SHOWN = {"lenient": 0.02, "normal": 0.01, "strict": 0.005}  # share of subtly wrong sentences that may pass
LEAST_SUPPORT = 0.5  # however few wrong sentences the rules let pass, no caution turns the score off
WEIGHTS = Path(__file__).parent / "weights" / "reader.json"


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


class Memo:
    """An embedder that encodes no text twice: every fold reads the same sentences again."""

    def __init__(self, embedder: Embedder) -> None:
        self.fingerprint, self.dimensions = embedder.fingerprint, embedder.dimensions
        self._encode = {"query": embedder.encode_query, "document": embedder.encode_document}
        self._known: dict[tuple[str, str], Vectors] = {}

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        return self._remember("query", texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        return self._remember("document", texts)

    def _remember(self, kind: str, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if (kind, text) not in self._known]
        self._known |= zip(((kind, text) for text in new), self._encode[kind](new), strict=True)
        return np.stack([self._known[kind, text] for text in texts])


@dataclass(frozen=True, slots=True)
class Row:
    """Features, label, fold: one example of one logistic model."""

    features: Features
    label: bool
    fold: int


def load_examples(folder: Path, config: Config) -> tuple[list[Example], OverlapReader]:
    """Every question of the folder's collections with its hits, all collections in one library."""
    embedder = Memo(open_embedder(config.embedder))
    collections = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    with tempfile.TemporaryDirectory() as name, open_library(Path(name) / "train.db", create=True) as library:
        library.add(
            make_insight(row["text"], insight_id=row["id"], source=row.get("source", ""))
            for collection in collections
            for row in collection["insights"]
        )
        index = open_index(library, embedder)
        examples = []
        for number, collection in enumerate(collections):
            for row in collection["questions"]:
                history = [Turn(turn["question"], turn["answer"]) for turn in row.get("history", [])]
                question = standalone(row["question"], history)
                answers = tuple((s["text"], i) for s in row["answer"] for i in s["cites"])
                hits = retrieve(question, library, index, embedder, config, 3 * config.candidates)
                gold = frozenset(i for _, i in answers)
                topic = {insight["id"] for insight in collection["insights"]}
                for lacks, gone in {"": set[str](), "gold": gold, "topic": topic}.items():
                    if lacks and not gold:
                        continue
                    left = [hit for hit in hits if hit.insight.insight_id not in gone][: config.candidates]
                    ranked = tuple(replace(hit, rank=rank) for rank, hit in enumerate(left, 1))
                    told = ((), "", frozenset[str]()) if lacks else (answers, row.get("wrong", ""), gold)
                    examples.append(Example(number % FOLDS, question, told[2], told[0], told[1], ranked, lacks))
    return examples, OverlapReader(embedder, {}, {}, "unfitted")


def sentence_rows(examples: Sequence[Example], reader: OverlapReader) -> list[Row]:
    """Sentences of gold insights; the one that says most of the gold answer is right."""
    rows = []
    for example in examples:
        if not example.gold:
            continue
        _, spans, groups = reader.features(example.question, example.hits)
        for hit, cut, features in zip(example.hits, spans, groups, strict=True):
            told = {w for text, i in example.answers if i == hit.insight.insight_id for w in content(text)}
            told |= {n for text, i in example.answers if i == hit.insight.insight_id for n in numbers(text)}
            if not told or len(cut) < 2:
                continue
            held = [hit.passage.text[a:b] for a, b in cut]
            overlap = [len(told & (set(content(text)) | numbers(text))) for text in held]
            rows += [Row(row, n == max(overlap) > 0, example.fold) for row, n in zip(features, overlap, strict=True)]
    return rows


def relevance_rows(examples: Sequence[Example], reader: OverlapReader, sentence: Logistic) -> list[Row]:
    """Every hit of every answerable question; gold ones are right."""
    rows = []
    for example in examples:
        if not example.gold:
            continue
        passages, _, groups = reader.features(example.question, example.hits)
        for hit, features, group in zip(example.hits, passages, groups, strict=True):
            features = features | {"sentence": max(sentence(row) for row in group)}
            rows.append(Row(features, hit.insight.insight_id in example.gold, example.fold))
    return rows


def answerable_rows(examples: Sequence[Example], reader: OverlapReader) -> tuple[list[Row], list[list[Evidence]]]:
    """Every question with its best evidence; right if that evidence is gold."""
    rows, found = [], []
    for example in examples:
        evidence = reader.find(example.question, example.hits)
        found.append(evidence)
        right = any(e.hit.insight.insight_id in example.gold for e in evidence[:2])
        rows.append(Row(answerable_features(example.question, evidence), right, example.fold))
    return rows, found


def support_rows(examples: Sequence[Example], reader: OverlapReader) -> list[tuple[Row, bool]]:
    """Gold sentences against their insight, `wrong` ones against the same, gold ones against another; and whether the
    hard rules let it pass.
    """
    rows: list[tuple[Row, bool]] = []
    for example in examples:
        texts = {hit.insight.insight_id: hit.insight.text for hit in example.hits}
        others = [text for i, text in texts.items() if i not in example.gold][:1]
        pairs = [(text, texts[i], True) for text, i in example.answers if i in texts]
        if example.wrong:
            pairs += [(example.wrong, texts[i], False) for i in sorted(example.gold & texts.keys())]
        pairs += [(text, other, False) for text, _ in example.answers[:1] for other in others]
        for sentence, text, label in pairs:
            cosine = float(np.dot(*reader._embedder.encode_document([sentence, text])))
            features = support_features(sentence, text) | {"cosine": cosine}
            cited = " ".join(text[a:b] for a, b in locate(sentence, text))
            rows.append((Row(features, label, example.fold), not broken_rule(sentence, cited)))
    return rows


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
    models = {fold: fit([row for row in rows if row.fold != fold]) for fold in range(FOLDS)}
    return [models[row.fold](row.features) for row in rows]


def auc(rows: Sequence[Row], scores: Sequence[float]) -> float:
    """The probability that a right example scores above a wrong one."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score([row.label for row in rows], scores))


def train_reader(folder: Path, out: Path, say: Callable[[str], object]) -> None:
    """Fit the four logistic models and the cuts, print what they are worth, and write them to `out`."""
    config = Config()
    examples, blank = load_examples(folder, config)
    embedder = blank._embedder
    say(f"{len(examples)} questions")
    models: dict[str, Logistic] = {}
    figures: dict[str, float] = {}

    def judge(name: str, rows: Sequence[Row]) -> list[float]:
        scores = out_of_fold(rows)
        models[name] = fit(rows)
        figures[f"auc_{name}"] = round(auc(rows, scores), 4)
        say(f"{name}: {len(rows)} rows, AUC {figures[f'auc_{name}']:.3f}  {models[name]}")
        return scores

    judge("sentence", sentence_rows(examples, blank))
    relevance = relevance_rows(examples, blank, models["sentence"])
    judge("relevance", relevance)
    reader = OverlapReader(embedder, models, {}, "fitting")
    rows, found = answerable_rows(examples, reader)
    answerable = judge("answerable", rows)
    for lacks in ("", "gold", "topic"):
        kept = [n for n, e in enumerate(examples) if e.gold or e.lacks == lacks]
        told = [Row({}, bool(examples[n].gold), 0) for n in kept]
        figures[f"auc_answerable_without_{lacks or 'attribute'}"] = round(auc(told, [answerable[n] for n in kept]), 4)
    supported = support_rows(examples, blank)
    support = judge("support", [row for row, _ in supported])

    best = max(np.arange(0.05, 0.95, 0.01), key=lambda cut: _citation_f1(examples, found, float(cut)))
    say(f"relevance cut {best:.2f}: citation F1 {_citation_f1(examples, found, float(best)):.3f}")
    asked = [p for p, example in zip(answerable, examples, strict=True) if example.gold]
    unasked = {
        lacks or "attribute": [p for p, e in zip(answerable, examples, strict=True) if not e.gold and e.lacks == lacks]
        for lacks in ("", "gold", "topic")
    }
    wrong = [p for p, (row, passes) in zip(support, supported, strict=True) if not row.label and passes]
    right = [p for p, (row, passes) in zip(support, supported, strict=True) if row.label and passes]
    all_wrong = sum(not row.label for row, _ in supported)
    all_right = sum(row.label for row, _ in supported)
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
    for name, figure in figures.items():
        say(f"{name:40} {figure:.3f}")
    data = {
        "command": f"python -m rag.train reader {folder.parent.name}/{folder.name}",
        "embedder": embedder.fingerprint,
        "figures": figures,
        "cuts": cuts,
        "models": {name: {"bias": m.bias, "weights": m.weights} for name, m in models.items()},
    }
    digest = hashlib.sha256(json.dumps([data["models"], data["cuts"]], sort_keys=True).encode()).hexdigest()
    data["fingerprint"] = f"overlap@{digest[:12]}"
    out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    Cuts(**cuts["normal"])  # the file must load


def _citation_f1(examples: Sequence[Example], found: Sequence[Sequence[Evidence]], cut: float) -> float:
    """Mean F1 of the insights chosen as evidence against the gold ones, over the answerable questions."""
    scores = []
    for example, evidence in zip(examples, found, strict=True):
        if example.gold:
            shown = [e for n, e in enumerate(evidence[: Config().max_evidence]) if not n or e.relevance >= cut]
            chosen = {e.hit.insight.insight_id for e in shown}
            scores.append(2 * len(chosen & example.gold) / (len(chosen) + len(example.gold)))
    return float(np.mean(scores))


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m rag.train reader FOLDER [--out FILE]`."""
    parser = argparse.ArgumentParser(prog="python -m rag.train", description=__doc__)
    parser.add_argument("part", choices=["reader"])
    parser.add_argument("folder", type=Path, help="InsightQA collections to fit on")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the weights go")
    options: Any = parser.parse_args(arguments)
    train_reader(options.folder, options.out, lambda text: sys.stderr.write(f"{text}\n"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
