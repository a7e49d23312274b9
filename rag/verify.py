"""Draft to claims: every sentence is checked against the evidence before anybody sees it.

Two checks, and a sentence needs both: hard rules, which no model can override (above all: it must be a harmless edit of
what the insight says), and the reader's probability that the text supports it. The program decides what is cited; a
marker in the draft is taken off. What fails is mended (the quote takes its place) or dropped, and the trace says why.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from corpus.passages import sentences
from rag.datatypes import Citation, Claim, Evidence, Verdict
from rag.edits import without_yes_or_no
from rag.read import Reader, asks_for
from rag.rules import broken_rule, locate, located
from rag.words import content, numbers

_MARKER = re.compile(
    r"\s*(?:\[(?:(?:note|source|insight)s?\s*)?\d+(?:\s*,\s*\d+)*\]"
    r"|\((?:(?:note|source|insight)s?\s*)?\d{1,2}(?:\s*,\s*\d{1,2})*\))",  # (2015) is a year
    re.I,
)
_TALKS_ABOUT_ITSELF = re.compile(
    r"\b(as an ai|language model|according to the (notes?|text|passage|context)|based on the|note \d"
    r"|the (notes?|passages?|text|context|insights?) (says?|states?|mentions?|do|does|is|are|suggests?|provides?)"
    r"|i (cannot|can't|don't|am|would|will))",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A piece of the draft that isn't shown, and why."""

    text: str
    why: str


Check = Callable[[str, str, Sequence[Evidence], Reader, float], Claim | Dropped]  # the shape of `check`


def completed(text: str, start: int, finished: bool) -> tuple[list[str], int]:
    """The sentences that the draft has completed from character `start` on, as prose, and where the next one begins.

    The last one counts only once the draft is finished, and only if it has ended like a sentence.
    """
    spans = [(start + a, start + b) for a, b in sentences(text[start:])]
    while spans and not without_markers(text[slice(*spans[-1])]):  # a marker behind the full stop
        spans.pop()
    if spans and not (finished and re.search(r"[.!?…][\"'”’)\]]*$", _MARKER.sub("", text[slice(*spans[-1])]))):
        spans.pop()
    found = [without_markers(text[a:b]) for a, b in spans]
    return [sentence for sentence in found if sentence], spans[-1][1] if spans else start


def without_markers(sentence: str) -> str:
    """The sentence as prose: no citation markers, emphasis, bullets or labels of a model's own making."""
    sentence = re.sub(r"^\s*(?:[-*•#>]+\s+|\d+[.)]\s+|(?:answer|a):\s*)", "", sentence, flags=re.I)
    sentence = re.sub(r"[*_`#]{1,3}", "", _MARKER.sub("", sentence))
    return " ".join(re.sub(r"</?note[^>]*>", " ", sentence).split())


def check(sentence: str, question: str, evidence: Sequence[Evidence], reader: Reader, cut: float) -> Claim | Dropped:
    """The sentence as a SUPPORTED claim with its citations, or why it isn't one. Each passage is looked at alone."""
    bare = without_yes_or_no(sentence)
    for item in evidence:
        for said in (sentence, bare):
            if spans := verbatim(said, item.hit.passage.text):
                return _supported(said, item, spans, 1.0)
    sentence = bare
    meta = _TALKS_ABOUT_ITSELF.search(sentence)
    if meta and not any(meta.group().casefold() in item.hit.passage.text.casefold() for item in evidence):
        return Dropped(sentence, "speaks of its sources instead of answering")
    if set(content(sentence)) <= set(content(question)) and not (numbers(sentence) - numbers(question)):
        return Dropped(sentence, "only repeats the question")
    faults = [_fault(sentence, question, item.hit.passage.text) for item in evidence]
    left = [item for item, fault in zip(evidence, faults, strict=True) if not fault]
    if not left:  # the models are asked only about what the rules let pass: most drafts fail here
        return Dropped(sentence, next(iter(faults), "there is no evidence"))
    left = [item for item in left if reader.tells(question, sentence, item)]
    if not left:
        return Dropped(sentence, "what was asked for isn't in what it says")
    supports = reader.support(question, sentence, [item.hit.passage.text for item in left])
    support, item = max(zip(supports, left, strict=True), key=lambda row: row[0])
    if support < cut:
        return Dropped(sentence, f"support {support:.2f} is below {cut:.2f}")
    return _supported(sentence, item, locate(sentence, item.hit.passage.text), support)


def _fault(sentence: str, question: str, text: str) -> str:
    """What the program itself has against the sentence as an answer from this text; empty if nothing."""
    cited = located(sentence, text)
    if broken := broken_rule(sentence, cited):
        return broken
    return "it leaves out what was asked for" if asks_for(question, sentence) < asks_for(question, cited) else ""


def _supported(sentence: str, item: Evidence, spans: Sequence[tuple[int, int]], support: float) -> Claim:
    at, passage_id = item.hit.passage.start, item.hit.passage.passage_id
    return Claim(sentence, tuple(Citation(passage_id, at + a, at + b) for a, b in spans), support, Verdict.SUPPORTED)


def verbatim(sentence: str, text: str) -> list[tuple[int, int]]:
    """The sentences of the text that this one is, word for word; part of one may say the opposite ("a myth that …")."""
    spans = sentences(text)
    for first in range(len(spans)):
        for last in range(first, len(spans)):
            if " ".join(text[spans[first][0] : spans[last][1]].split()) == sentence:
                return spans[first : last + 1]
    return []


def quoted(item: Evidence) -> list[Claim]:
    """The quote as claims, one a sentence: what stands in an insight is supported by it."""
    at, passage_id = item.citation.start, item.citation.passage_id
    spans = [(at + start, at + end) for start, end in sentences(item.quote)]
    text = item.hit.insight.text
    return [Claim(text[a:b], (Citation(passage_id, a, b),), 1.0, Verdict.SUPPORTED) for a, b in spans]


def complete(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> tuple[Claim, ...]:
    """The claims, and each sentence of a quote that none of them cites, best evidence first: nothing found is lost.

    Beside claims from the same passage it takes its place in that passage's order: "It …" follows what it means.
    """
    shown = [*claims]
    for claim in (claim for item in evidence for claim in quoted(item)):
        (quote,) = claim.citations
        cited = (citation for earlier in shown for citation in earlier.citations)
        if not any(_overlap(quote, citation) for citation in cited):
            same = [n for n, earlier in enumerate(shown) if earlier.citations[0].passage_id == quote.passage_id]
            after = (n for n in same if shown[n].citations[0].start > quote.start)
            shown.insert(next(after, same[-1] + 1 if same else len(shown)), claim)
    places = {item.hit.passage.passage_id: place for place, item in enumerate(evidence)}
    return tuple(sorted(shown, key=lambda claim: places.get(claim.citations[0].passage_id, len(places))))


def _overlap(one: Citation, other: Citation) -> bool:
    """Do they share characters? Passages of one insight don't overlap, so only the same passage can."""
    return one.passage_id == other.passage_id and one.start < other.end and other.start < one.end


def markers(text: str) -> Iterator[str]:
    """The citation markers that a model wrote: a hint at best, taken off and counted."""
    return (match.group().strip() for match in _MARKER.finditer(text))
