"""Draft to claims: every sentence is checked against the evidence before anybody sees it.

Two checks, and a sentence needs both: hard rules, which no model can override, and the reader's probability that the
text supports it. The program decides what is cited; a marker in the draft is taken off. What fails is mended (the
quote takes its place) or dropped, and the trace says why.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpus.passages import sentences
from rag.datatypes import Citation, Claim, Evidence, Verdict
from rag.read import Reader
from rag.words import company, content, names, negations, numbers, stem, words

_MARKER = re.compile(r"\s*[\[(](?:(?:note|source|insight)s?\s*)?\d+(?:\s*,\s*\d+)*[\])]", re.I)
_TALKS_ABOUT_ITSELF = re.compile(
    r"\b(as an ai|language model|according to the (notes?|text|passage|context)|based on the|note \d"
    r"|the (notes?|passages?|text|context|insights?) (says?|states?|mentions?|do|does|is|are|suggests?|provides?)"
    r"|i (cannot|can't|don't|am|would|will))",
    re.I,
)
_OPPOSITES = [
    frozenset(map(stem, pair.split()))
    for pair in (
        "more less|more fewer|most least|most few|higher lower|high low|rise fall|rose fell|risen fallen|rising falling"
        "|increase decrease|gain lose|gained lost|win lose|won lost|before after|above below|up down|first last"
        "|best worst|better worse|faster slower|earlier later|early late|longer shorter|larger smaller|bigger smaller"
        "|cheaper dearer|cheap expensive|always never|open closed|public private|strong weak|easy hard|grow shrink"
        "|success failure|succeeded failed|raise cut|raised cut|buy sell|bought sold|old young|north south|east west"
    ).split("|")
]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A piece of the draft that isn't shown, and why."""

    text: str
    why: str


def split_draft(text: str, finished: bool) -> list[str]:
    """The draft's complete sentences, markers and list signs off. The last counts only if it has ended."""
    found = [text[a:b] for a, b in sentences(text)]
    if found and not (finished and re.search(r"[.!?…][\"'”’)\]]*$", found[-1])):
        found = found[:-1]
    return [sentence for raw in found if (sentence := without_markers(raw))]


def without_markers(sentence: str) -> str:
    """The sentence as prose: no citation markers, emphasis, bullets or labels of a model's own making."""
    sentence = re.sub(r"^\s*(?:[-*•#>]+|\d+[.)]|(?:answer|a):)\s*", "", sentence, flags=re.I)
    sentence = re.sub(r"[*_`#]{1,3}", "", _MARKER.sub("", sentence))
    return " ".join(re.sub(r"</?note[^>]*>", " ", sentence).split())


def check(sentence: str, question: str, evidence: Sequence[Evidence], reader: Reader, cut: float) -> Claim | Dropped:
    """The sentence as a SUPPORTED claim with its citations, or why it isn't one."""
    if _TALKS_ABOUT_ITSELF.search(sentence):
        return Dropped(sentence, "speaks of its sources instead of answering")
    if set(content(sentence)) <= set(content(question)) and not (numbers(sentence) - numbers(question)):
        return Dropped(sentence, "only repeats the question")
    texts = [item.hit.insight.text for item in evidence]
    if (source := next((i for i, text in enumerate(texts) if sentence in text), None)) is not None:
        start = texts[source].index(sentence)
        cited = Citation(evidence[source].citation.passage_id, start, start + len(sentence))
        return Claim(sentence, (cited,), 1.0, Verdict.SUPPORTED)
    supports = reader.support(sentence, texts)
    why = ""
    for support, item in sorted(zip(supports, evidence, strict=True), key=lambda row: -row[0]):
        spans = locate(sentence, item.hit.insight.text)
        text = item.hit.insight.text
        broken = broken_rule(sentence, " ".join(text[a:b] for a, b in spans)) or foreign_word(sentence, text, question)
        if not broken and support >= cut:
            cited_spans = tuple(Citation(item.citation.passage_id, a, b) for a, b in spans)
            return Claim(sentence, cited_spans, support, Verdict.SUPPORTED)
        why = why or broken or f"support {support:.2f} is below {cut:.2f}"
    return Dropped(sentence, why)


def broken_rule(sentence: str, cited: str) -> str:
    """Why the cited characters can't support the sentence, whatever a model thinks; empty if no rule is broken."""
    held = {stem(word) for word in words(cited)}
    if extra := sorted(numbers(sentence) - numbers(cited)):
        return f"the number {extra[0]} isn't in what it would cite"
    if strange := sorted(name for name in names(sentence) if name not in held):
        return f"the name {strange[0]!r} isn't in what it would cite"
    around = company(cited, 4)
    for number, counted in company(sentence, 3).items():
        if counted and around.get(number) and not counted & around[number]:
            return f"the number {number} counts something else in what it would cite"
    if (negations(sentence) > 0) != (negations(cited) > 0):
        return "one of them denies what the other says"
    said = {stem(word) for word in words(sentence)}
    for pair in _OPPOSITES:
        if len(here := pair & said) == 1 and len(there := pair & held) == 1 and here != there:
            return f"it says {next(iter(here))!r} where the insight says {next(iter(there))!r}"
    return ""


def foreign_word(sentence: str, text: str, question: str) -> str:
    """Why the sentence says more than the insight: a content word that stands neither there nor in the question.

    It costs good paraphrases (on InsightQA train six of seven gold sentences have such a word) for the sake of the
    wrong ones (nineteen of twenty have). The quote takes their place; a trained verifier may one day be milder.
    """
    held = {stem(word) for word in words(text)} | set(content(question))
    strange = [word for word in content(sentence) if word not in held]
    return f"{strange[0]!r} stands neither in the insight nor in the question" if strange else ""


def locate(sentence: str, text: str) -> list[tuple[int, int]]:
    """The sentences of the text that the claim draws on: the closest one, then each that adds enough to it."""
    spans = sentences(text)
    wanted = set(content(sentence)) | numbers(sentence)
    holds = [(set(content(text[a:b])) | numbers(text[a:b])) & wanted for a, b in spans]
    chosen: list[int] = []
    while len(chosen) < len(spans):
        covered = set().union(*(holds[i] for i in chosen)) if chosen else set()
        best = max(range(len(spans)), key=lambda i: (len(holds[i] - covered), -i))
        adds = holds[best] - covered
        if chosen and len(adds) < 2 and not adds & (numbers(sentence) | names(sentence)):
            break
        chosen.append(best)
    return [spans[i] for i in sorted(chosen)]


def quoted(item: Evidence) -> list[Claim]:
    """The quote as claims, one a sentence: what stands in an insight is supported by it."""
    at, passage_id = item.citation.start, item.citation.passage_id
    spans = [(at + start, at + end) for start, end in sentences(item.quote)]
    text = item.hit.insight.text
    return [Claim(text[a:b], (Citation(passage_id, a, b),), 1.0, Verdict.SUPPORTED) for a, b in spans]


def complete(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> tuple[Claim, ...]:
    """The claims, and for each piece of evidence that none of them cites, its quote: what was found is never lost."""
    cited = {citation.passage_id for claim in claims for citation in claim.citations}
    left = [item for item in evidence if item.citation.passage_id not in cited]
    return *claims, *(claim for item in left for claim in quoted(item))


def markers(text: str) -> Iterator[str]:
    """The citation markers that a model wrote: a hint at best, taken off and counted."""
    return (match.group().strip() for match in _MARKER.finditer(text))
