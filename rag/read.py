"""The reader decides: which passage answers a question, with which characters, whether that is enough, and whether a
sentence is supported. The writer only words what the reader chose.

A `Reader` is anything with this shape. Ours weighs what a small cross-encoder says of question and passage, of sentence
and passage, with similarity and word overlap; the few passages that come out first are read again by a larger judge.
The logistic weights are fitted on collections that neither was trained on (`python -m rag.train reader`), so that the
probabilities are calibrated.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from corpus.passages import sentences
from rag.crossencoder import CrossEncoder, PairScorer
from rag.datatypes import Citation, Evidence, Hit
from rag.embed import Embedder
from rag.judge import Judge
from rag.models import SHIPPED, Report, silent
from rag.rules import doubts, located
from rag.words import content, names, negations, numbers, stem, words

NEIGHBOUR = 0.3  # of the best sentence's probability: from there on the sentence beside it is quoted too
DEEP = 4  # hits whose sentences are embedded too; the rest are judged by the passage alone
FEW = 4  # passages that the judge reads: some 80 ms each on two cores
LOST = 3.0  # log odds of answering by which a sentence may fall behind the passage that it was made of

Features = dict[str, float]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where a reader's probabilities become decisions; fitted with its weights, one set for each caution."""

    refuse: float  # below: not in the library
    partly: float  # below: answered only in part
    relevance: float  # from here on, a passage beside the best one is evidence too
    support: float  # below: the sentence isn't shown


class Reader(Protocol):
    """Three judgements, each a probability, and where to cut them."""

    @property
    def fingerprint(self) -> str:
        """Identifies the weights behind the judgements."""

    def find(self, question: str, hits: Sequence[Hit]) -> list[Evidence]:
        """One Evidence a hit, most relevant first: the characters that answer, and the probability that they do."""

    def answerable(self, question: str, evidence: Sequence[Evidence]) -> float:
        """The probability that these passages together answer the question."""

    def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        """For each text, the probability that it supports the sentence as an answer to the question."""

    def tells(self, question: str, sentence: str, item: Evidence) -> bool:
        """Does the sentence, alone, still answer what the passage that it was made of answers?"""

    def cuts(self, caution: str) -> Cuts:
        """The cuts for lenient, normal or strict."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """p = 1 / (1 + exp(-(bias + weights · features)))."""

    bias: float
    weights: dict[str, float]

    def __call__(self, features: Features) -> float:
        """The probability; a feature without a weight counts for nothing."""
        return 1 / (1 + math.exp(-self.bias - sum(w * features[name] for name, w in self.weights.items())))


class LogisticReader:
    """The scores of a cross-encoder and a judge, similarity and overlap, weighed by five small logistic models."""

    def __init__(
        self,
        embedder: Embedder,
        scorer: PairScorer,
        judge: PairScorer,
        weights: dict[str, Logistic],
        cuts: dict[str, Cuts],
        fingerprint: str,
    ) -> None:
        self.embedder, self.scorer, self.judge = embedder, scorer, judge
        self._weights, self._cuts = weights, cuts
        self.fingerprint = fingerprint

    def cuts(self, caution: str) -> Cuts:
        """See Reader."""
        return self._cuts[caution]

    def find(self, question: str, hits: Sequence[Hit]) -> list[Evidence]:
        """See Reader."""
        found = self.first(question, hits)
        few = self.read_closely(question, found[:FEW])
        rows = close_features(few)
        close = [replace(e, relevance=self._weights["close"](row)) for e, row in zip(few, rows, strict=True)]
        close.sort(key=lambda e: (-e.relevance, e.hit.rank))
        # What wasn't read closely can't overtake what was.
        return close + [replace(e, relevance=min(e.relevance, close[-1].relevance)) for e in found[FEW:]]

    def first(self, question: str, hits: Sequence[Hit]) -> list[Evidence]:
        """What the cross-encoder makes of all hits, most relevant first."""
        if not hits:
            return []
        found = []
        for hit, features, cut, rows in zip(hits, *self.features(question, hits), strict=True):
            scores = [self._weights["sentence"](row) for row in rows]
            relevance = self._weights["relevance"](features | {"sentence": max(scores)})
            start, end = _quote(hit.passage.text, cut, scores)
            citation = Citation(hit.passage.passage_id, hit.passage.start + start, hit.passage.start + end)
            hit = replace(hit, signals={**hit.signals, "answers": features["answers"]})
            found.append(Evidence(hit, citation, relevance))
        return sorted(found, key=lambda e: (-e.relevance, e.hit.rank))

    def read_closely(self, question: str, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The same, with the judge's score among the signals."""
        scores = self.judge.answers(question, [e.hit.passage.text for e in evidence])
        return [
            replace(e, hit=replace(e.hit, signals={**e.hit.signals, "judge": score}))
            for e, score in zip(evidence, scores, strict=True)
        ]

    def features(
        self, question: str, hits: Sequence[Hit]
    ) -> tuple[list[Features], list[list[tuple[int, int]]], list[list[Features]]]:
        """For each hit: the passage's features, the spans of its sentences, and each sentence's features."""
        vector = self.embedder.encode_query([question])[0]
        passages = passage_features(question, hits)
        answers = self.scorer.answers(question, [hit.passage.text for hit in hits])
        for features, score in zip(passages, answers, strict=True):
            features["answers"] = score
        spans = [sentences(hit.passage.text) for hit in hits]
        texts = [[hit.passage.text[a:b] for a, b in cut] for hit, cut in zip(hits, spans, strict=True)]
        # The sentences of the first few hits are embedded; the others take their passage's cosine.
        first = [text for group in texts[:DEEP] for text in group]
        cosines = iter((self.embedder.encode_document(first) @ vector).tolist())
        rows = []
        for group, features in zip(texts, passages, strict=True):
            rows.append([sentence_features(question, text) for text in group])
            for row in rows[-1]:
                row["cosine"] = next(cosines, features["dense"])
            features["sentence_cosine"] = max(row["cosine"] for row in rows[-1])
        return passages, spans, rows

    def answerable(self, question: str, evidence: Sequence[Evidence]) -> float:
        """See Reader."""
        return self._weights["answerable"](answerable_features(question, evidence)) if evidence else 0.0

    def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        """See Reader."""
        return [self._weights["support"](row) for row in self.support_features(question, sentence, texts)]

    def tells(self, question: str, sentence: str, item: Evidence) -> bool:
        """See Reader."""
        (alone,) = self.judge.answers(question, [sentence])
        return alone >= 0 or alone > item.hit.signals.get("judge", 0.0) - LOST

    def support_features(self, question: str, sentence: str, texts: Sequence[str]) -> list[Features]:
        """For each text: overlap, and what both scorers say."""
        first, second = (scorer.supports(question, sentence, texts) for scorer in (self.scorer, self.judge))
        return [
            support_features(sentence, text) | {"supports": one, "judge": other}
            for text, one, other in zip(texts, first, second, strict=True)
        ]


def passage_features(question: str, hits: Sequence[Hit]) -> list[Features]:
    """What the passages have of the question's words, and how each stands among the others."""
    asked, called = Counter(content(question)), names(question) | numbers(question)
    held = [set(content(hit.passage.text)) | numbers(hit.passage.text) for hit in hits]
    rarity = {w: math.log(1 + len(hits) / (1 + sum(w in h for h in held))) for w in asked}
    total = sum(rarity.values()) or 1.0
    cosines = [hit.signals.get("dense", hit.score) for hit in hits]
    top = max(cosines)
    return [
        {
            "dense": cosine,
            "lexical": min(3.0, hit.signals.get("lexical", 0.0)),
            "behind": cosine - top,
            "above_mean": cosine - float(np.mean(cosines[:5])),
            "coverage": sum(r for w, r in rarity.items() if w in words_) / total,
            "names": sum(n in words_ for n in called) / len(called) if called else 0.5,
        }
        for hit, cosine, words_ in zip(hits, cosines, held, strict=True)
    ]


def sentence_features(question: str, sentence: str) -> Features:
    """Does this sentence speak of what is asked, and hold the kind of thing that is asked for?"""
    asked, held = set(content(question)), set(content(sentence))
    return {
        "coverage": len(asked & held) / len(asked) if asked else 0.0,
        "new": min(1.0, len(held - asked) / 10),
        "kind": asks_for(question, sentence),
        "names": float(bool(names(question) & held)),
    }


_ASKS_A_NUMBER = re.compile(
    r"\b(how (many|much|often|long|far|big|large|old|fast|high|deep|hot)|when|(what|which) (year|share|proportion"
    r"|percent\w*|number|fraction|price|rate|age|amount))\b",
    re.I,
)
_ASKS_A_NAME = re.compile(r"\b(who|whose|whom|which|where|what)\b", re.I)
_ASKS_A_REASON = re.compile(r"\b(why|how come|what makes|what explains|reason)\b", re.I)
_A_FRACTION = re.compile(r"\b(half|thirds?|quarters?|twice|double|triple)\b", re.I)
_A_REASON = re.compile(r"\b(because|since|so|for|as|thanks to|due|therefore|which|means)\b|:", re.I)
_KINDS: list[tuple[re.Pattern[str], Callable[[str, str], bool]]] = [
    (_ASKS_A_NUMBER, lambda asked, told: bool(numbers(told) - numbers(asked) or _A_FRACTION.search(told))),
    (_ASKS_A_NAME, lambda asked, told: bool(names(told) - {stem(word) for word in words(asked)})),
    (_ASKS_A_REASON, lambda asked, told: bool(_A_REASON.search(told))),
]


def asks_for(question: str, sentence: str) -> float:
    """1 if the sentence holds the kind of thing asked for (a number, a name, a reason), 0 if not, 0.5 if untold."""
    for asks, holds in _KINDS:
        if asks.search(question):
            return float(holds(question, sentence))
    return 0.5


def close_features(evidence: Sequence[Evidence]) -> list[Features]:
    """What the judge thinks of each passage, alone and beside the best, and what was thought of it before."""
    best = max((e.hit.signals["judge"] for e in evidence), default=0.0)
    return [
        {
            "judge": e.hit.signals["judge"],
            "behind": e.hit.signals["judge"] - best,
            "relevance": _logit(e.relevance),
        }
        for e in evidence
    ]


def _logit(probability: float) -> float:
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))


def answerable_features(question: str, evidence: Sequence[Evidence]) -> Features:
    """What is left of the question once the evidence is read: words, names and the kind of thing it asks for."""
    first = evidence[0]
    text = " ".join(e.hit.passage.text for e in evidence[:2])
    asked, called = set(content(question)), names(question) | numbers(question)
    held = set(content(text)) | numbers(text)
    return {
        "answers": max(e.hit.signals["answers"] for e in evidence),
        "judge": max(e.hit.signals["judge"] for e in evidence if "judge" in e.hit.signals),
        "relevance": _logit(first.relevance),
        "second": evidence[1].relevance if len(evidence) > 1 else 0.0,
        "dense": first.hit.signals.get("dense", first.hit.score),
        "uncovered": len(asked - held) / len(asked) if asked else 0.0,
        "quote_coverage": len(asked & set(content(first.quote))) / len(asked) if asked else 0.0,
        "missing_names": float(len(called - held)),
        "kind": asks_for(question, first.quote),
        "long": min(1.0, len(words(question)) / 20),
    }


def support_features(sentence: str, text: str) -> Features:
    """How much of the sentence stands in the text, how far its order and polarity agree, and which rules doubt it."""
    said, held = content(sentence), content(text)
    pairs, known = set(pairwise(said)), set(pairwise(held))
    counted = numbers(sentence)
    called = names(sentence)
    return {
        "coverage": sum(w in held for w in said) / len(said) if said else 0.0,
        "unknown": min(1.0, sum(w not in held for w in said) / 8),
        "pairs": len(pairs & known) / len(pairs) if pairs else 0.0,
        "numbers": len(counted - numbers(text)) / len(counted) if counted else 0.0,
        "names": len(called - set(held)) / len(called) if called else 0.0,
        "negation": float((negations(sentence) > 0) != (negations(text) > 0)),
        "order": _in_order(said, held),
        **doubts(sentence, located(sentence, text)),
    }


def _in_order(said: Sequence[str], held: Sequence[str]) -> float:
    """The share of the sentence's known words that come in the text's order (longest common subsequence)."""
    known = [w for w in said if w in held]
    if not known:
        return 0.0
    row = [0] * (len(held) + 1)
    for a in known:
        diagonal = 0
        for j, b in enumerate(held, 1):
            diagonal, row[j] = row[j], diagonal + 1 if a == b else max(row[j], row[j - 1])
    return row[-1] / len(known)


_LEANS_BACK = re.compile(
    r"(and|but|yet|so|then|it|its|they|their|them|this|that|these|those|he|she|his|her|such|however|instead|also|there"
    r"|both|each|neither|only then|the same|for example|in contrast|by contrast|as a result)\b",
    re.I,
)


def _quote(text: str, spans: Sequence[tuple[int, int]], scores: Sequence[float]) -> tuple[int, int]:
    """The best sentence, its neighbours that say something too, and the ones before that it leans on ("They …").

    A quote must stand alone, and hold the whole answer: on InsightQA train this rule keeps .94 of the gold answer's
    content in .77 of the insight's length; the best sentence with what it leans on kept .84 in .65.
    """
    first = last = max(range(len(spans)), key=lambda i: (scores[i], -i))
    enough = NEIGHBOUR * scores[first]
    while last + 1 < len(spans) and scores[last + 1] >= enough:
        last += 1
    while first > 0 and (scores[first - 1] >= enough or _LEANS_BACK.match(text[spans[first][0] :].lstrip("\"'“‘("))):
        first -= 1
    return spans[first][0], spans[last][1]


def with_embedder(reader: Reader, embedder: Embedder) -> Reader:
    """The same reader, its scorers and all, over another embedder; one that uses none stays as it is."""
    return load_reader(embedder, reader.scorer, reader.judge) if isinstance(reader, LogisticReader) else reader


def fitted_to() -> str:
    """The fingerprint of the embedder to whose cosines the reader that ships was fitted."""
    return str(json.loads((SHIPPED / "reader.json").read_text(encoding="utf-8"))["embedder"])


def load_reader(
    embedder: Embedder, scorer: PairScorer | None = None, judge: PairScorer | None = None, report: Report = silent
) -> LogisticReader:
    """The reader that ships; `scorer` and `judge` take the places of its cross-encoder and its judge."""
    data = json.loads((SHIPPED / "reader.json").read_text(encoding="utf-8"))
    weights = {name: Logistic(row["bias"], row["weights"]) for name, row in data["models"].items()}
    cuts = {caution: Cuts(**row) for caution, row in data["cuts"].items()}
    scorer, judge = scorer or CrossEncoder(report=report), judge or Judge(report)
    fingerprint = f"{data['fingerprint']}+{scorer.fingerprint}+{judge.fingerprint}"
    return LogisticReader(embedder, scorer, judge, weights, cuts, fingerprint)
