"""An answer as plain data: display numbers, the text with its markers, and one JSON-ready dictionary.

The terminal, the page and the API all take their numbers from here, so that [1] is the same insight everywhere.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from corpus.insight import Insight
from rag.datatypes import Answer, Citation, Claim, Hit, Status, Sure, Trace, Verdict
from rag.words import is_function, words

NOT_IN_LIBRARY = "Not in your insights."
# In words and not per cent: a calibrated probability looks surer than the thing that it stands for.
SURE: Mapping[str, str] = {
    Sure.STRONG: "Strong evidence",
    Sure.PARTIAL: "Some evidence",
    Sure.WEAK: "Weak evidence",
}
SOUGHT = 12  # words of a question that are named when nothing answers it
_SAYS_NOTHING = frozenset("insight insights say says tell about anything something".split())
_END = re.compile(r"[.!?…。！？]+[\"'”’»)\]]*$")
_LITERAL_MARKER = re.compile(r"\[(\d+)\]")


def record(answer: Answer) -> dict[str, Any]:
    """The whole answer as JSON-serialisable data; every marker in "answer" has a citation with its number."""
    numbers = number(answer)
    claims = shown(answer)
    return {
        "question": answer.question,
        "status": answer.status.value,
        "answer": answer_text(answer),
        "claims": [
            {
                "text": claim.text,
                "verdict": claim.verdict.value,
                "support": _plain(claim.support),
                "citations": [row for citation in claim.citations for row in _citation(answer, citation, numbers)],
            }
            for claim in claims
        ],
        "nearest": [
            {"insight_id": hit.insight.insight_id, "text": hit.insight.text, "score": _plain(hit.score)}
            for hit in answer.nearest
        ],
        "trace": {field.name: _plain(getattr(answer.trace, field.name)) for field in fields(Trace)},
    }


def insight_record(insight: Insight) -> dict[str, Any]:
    """An insight with all its fields."""
    return {field.name: getattr(insight, field.name) for field in fields(Insight)}


def hit_record(hit: Hit) -> dict[str, Any]:
    """A found insight as JSON-serialisable data."""
    insight = hit.insight
    return {
        "insight_id": insight.insight_id,
        "text": insight.text,
        "score": _plain(hit.score),
        "title": insight.title,
        "author": insight.author,
        "source": insight.source,
        "url": insight.url,
        "date": insight.date,
        "tags": list(insight.tags),
    }


def sought(answer: Answer) -> list[str]:
    """The words that the answer was looked for with: those of the question that carry what it is about, each once."""
    said = words(answer.trace.standalone or answer.question)
    plain = {word.casefold(): word for word in said if not is_function(word) and word.casefold() not in _SAYS_NOTHING}
    return list(plain.values())[:SOUGHT]


def filter_words(term: str) -> str:
    """A term of a filter as it is shown: "author=Ines Okafor" is "author Ines Okafor"."""
    return "with a note of yours" if term == "note=yes" else term.replace("=", " ", 1)


def filtered(terms: Sequence[str]) -> str:
    """A whole filter as it is shown: "author Ines Okafor, since 2024"; empty without one."""
    return ", ".join(map(filter_words, terms))


def number(answer: Answer) -> dict[str, int]:
    """Insight id to display number, by first mention in the claims; before any claim, in the order of the evidence."""
    claims = shown(answer)
    citations: Iterable[Citation] = (
        (citation for claim in claims for citation in claim.citations)
        if claims
        else (evidence.citation for evidence in answer.evidence)
    )
    known = (cited.insight.insight_id for c in citations if (cited := find(answer, c.passage_id)) is not None)
    return {insight_id: n for n, insight_id in enumerate(dict.fromkeys(known), 1)}


def answer_text(answer: Answer) -> str:
    """The sentences with their markers, or the sentence that says that the library doesn't hold the answer."""
    if answer.status is Status.NOT_IN_LIBRARY:
        return NOT_IN_LIBRARY
    numbers = number(answer)
    return " ".join(marked_text(claim, numbers) for claim in shown(answer))


def marked_text(claim: Claim, numbers: Mapping[str, int]) -> str:
    """The sentence with its markers before the final punctuation: "It is steel dumping [1]."

    A bracketed number that was in the sentence itself becomes (1): it would pass for a marker.
    """
    body, end = split_end(_LITERAL_MARKER.sub(r"(\1)", claim.text))
    markers = "".join(f"[{n}]" for n in claim_numbers(claim, numbers))
    return f"{body} {markers}{end}" if markers else body + end


def claim_numbers(claim: Claim, numbers: Mapping[str, int]) -> list[int]:
    """The display numbers that a sentence cites, each once, in the order in which it cites them."""
    ids = dict.fromkeys(insight_of(citation.passage_id) for citation in claim.citations)
    return [numbers[insight_id] for insight_id in ids if insight_id in numbers]


def split_end(text: str) -> tuple[str, str]:
    """A sentence and its final punctuation, with any closing quotes or brackets."""
    text = text.rstrip()
    found = _END.search(text)
    return (text[: found.start()], found.group()) if found and found.start() else (text, "")


def shown(answer: Answer) -> tuple[Claim, ...]:
    """The claims that a reader may see: a sentence found unsupported is never one of them."""
    return tuple(claim for claim in answer.claims if claim.verdict is not Verdict.UNSUPPORTED)


def insight_of(passage_id: str) -> str:
    """The insight that a passage belongs to: passage ids are "<insight_id>#<n>"."""
    return passage_id.rpartition("#")[0]


def find(answer: Answer, passage_id: str) -> Hit | None:
    """The hit that a citation points to, also while an answer is on its way and only its evidence is known."""
    candidates = (*answer.hits, *(evidence.hit for evidence in answer.evidence))
    return next((hit for hit in candidates if hit.passage.passage_id == passage_id), None)


def _citation(answer: Answer, citation: Citation, numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    hit = find(answer, citation.passage_id)
    if hit is None:
        return []
    return [
        {
            "n": numbers[hit.insight.insight_id],
            "insight_id": hit.insight.insight_id,
            "passage_id": citation.passage_id,
            "start": citation.start,
            "end": citation.end,
            "quote": hit.insight.text[citation.start : citation.end],
        }
    ]


def _plain(value: object) -> object:
    """Mappings, tuples and numbers as JSON knows them; floats have 4 digits, and one that isn't finite is null."""
    match value:
        case float():
            return round(float(value), 4) if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value
