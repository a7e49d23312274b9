"""Does an insight support a claim, disagree with it, or say nothing on it? Each with the sentences that speak of it.

What disagrees is told by what the claim shares with the insight: its words, and still not what both scorers would call
supported. So it is found where the claim is worded much like the insight; of views that differ in other words nothing
is seen, and the claim's contrary, made by rule, tells no more (eval/LOG.md). Two small logistic models, fitted by
`python -m eval.stances --fit`, and rules that neither overrides. English only.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rag.datatypes import Citation, Hit
from rag.models import SHIPPED
from rag.read import Features, Logistic, LogisticReader, Reader, support_features
from rag.rules import RULES, locate, located
from rag.verify import verbatim
from rag.words import content, names, stem, words

FILE = SHIPPED / "stances.json"
QUESTION = "Is that so?"  # the judge always reads a sentence as an answer
SHARED = 0.35  # of the claim's content words: an insight that holds fewer says nothing on it
FEWEST = 3  # content words of a claim that can be disagreed with
NOT_SUPPORTED = ("number", "amount", "name", "opposite")  # rules: what breaks one isn't what the insight says
_OF_THE_TEXTS = ("coverage", "unknown", "pairs", "order", "numbers", "negation")


class Stance(StrEnum):
    """Where an insight stands on a claim."""

    SUPPORTS = "supports"
    DISAGREES = "disagrees"
    UNCLEAR = "unclear"  # it shares much with it, and which of the two can't be told
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Stand:
    """An insight's stance on a claim, the characters that it rests on, and how likely it is."""

    hit: Hit
    stance: Stance
    citations: tuple[Citation, ...] = ()  # none if it is silent
    probability: float = 0.0  # of its supporting, or of its disagreeing; 0 for the other two

    @property
    def quotes(self) -> list[str]:
        """The cited characters."""
        return [self.hit.insight.text[citation.start : citation.end] for citation in self.citations]


@dataclass(frozen=True, slots=True)
class Stances:
    """The fitted models with their cuts, and the scorers whose numbers they were fitted to."""

    supports: Logistic
    disagrees: Logistic
    least_support: float
    least_disagreement: float
    fitted_to: tuple[str, ...]


def load_stances(file: Path = FILE) -> Stances:
    """Those that ship."""
    data = json.loads(file.read_text(encoding="utf-8"))
    models = {name: Logistic(row["bias"], row["weights"]) for name, row in data["models"].items()}
    cuts = data["cuts"]
    return Stances(
        models["supports"], models["disagrees"], cuts["supports"], cuts["disagrees"], tuple(data["fitted_to"])
    )


def scorers_of(reader: LogisticReader) -> tuple[str, ...]:
    """What the models' numbers depend on."""
    return reader.scorer.fingerprint, reader.judge.fingerprint


def stand(claim: str, hits: Sequence[Hit], reader: Reader, stances: Stances) -> list[Stand]:
    """One Stand a hit, in their order. With scorers other than the fitted ones only the verbatim is told."""
    return [_stand(claim, hit, reader, stances) for hit in hits]


def _stand(claim: str, hit: Hit, reader: Reader, stances: Stances) -> Stand:
    text = hit.passage.text
    if said := verbatim(claim, text):
        return Stand(hit, Stance.SUPPORTS, _cited(hit, said), 1.0)
    if share(claim, text) < SHARED:
        return Stand(hit, Stance.SILENT)
    cited = _cited(hit, locate(claim, text))
    unclear = Stand(hit, Stance.UNCLEAR, cited)
    if not isinstance(reader, LogisticReader) or scorers_of(reader) != stances.fitted_to:
        return unclear
    features = stance_features(claim, text, hit.signals.get("dense", hit.score), reader)
    supports, disagrees = stances.supports(features), stances.disagrees(features)
    if supports >= stances.least_support and supports > disagrees and may_support(claim, text):
        return Stand(hit, Stance.SUPPORTS, cited, supports)
    if disagrees >= stances.least_disagreement and may_disagree(claim, text):
        return Stand(hit, Stance.DISAGREES, cited, disagrees)
    return unclear


def share(claim: str, text: str) -> float:
    """The share of the claim's content words that the text holds, 0 to 1."""
    said, held = content(claim), set(content(text))
    return sum(word in held for word in said) / len(said) if said else 0.0


def may_support(claim: str, text: str) -> bool:
    """Whether no rule speaks against it."""
    cited = located(claim, text)
    return not any(RULES[name](claim, cited) for name in NOT_SUPPORTED)


def may_disagree(claim: str, text: str) -> bool:
    """Whether the claim says enough, and names nobody of whom the insight doesn't speak."""
    return len(content(claim)) >= FEWEST and names(claim) <= {stem(word) for word in words(text)}


def stance_features(claim: str, text: str, cosine: float, reader: LogisticReader) -> Features:
    """What the models are given: what both scorers say, how near the texts are, how many words they share."""
    (scored,), (judged,) = reader.scorer.supports("", claim, [text]), reader.judge.supports(QUESTION, claim, [text])
    known = support_features(claim, text)
    return {name: known[name] for name in _OF_THE_TEXTS} | {"cosine": cosine, "scorer": scored, "judge": judged}


def _cited(hit: Hit, spans: Sequence[tuple[int, int]]) -> tuple[Citation, ...]:
    at = hit.passage.start
    return tuple(Citation(hit.passage.passage_id, at + start, at + end) for start, end in spans)
