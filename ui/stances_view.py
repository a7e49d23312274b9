"""Where insights stand on a claim, as plain data and as lines of text. See rag/stances.py."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag.stances import Stance, Stand
from ui.record import hit_record

_SAYS: Mapping[Stance, str] = {
    Stance.SUPPORTS: "supports it",
    Stance.DISAGREES: "disagrees",
    Stance.UNCLEAR: "is near it; whether for or against can't be told",
}
_IN_A_WORD: Mapping[Stance, str] = {
    Stance.SUPPORTS: "for it",
    Stance.DISAGREES: "against it",
    Stance.UNCLEAR: "unclear",
    Stance.SILENT: "silent",
}
NOTHING = "None of your insights speaks of it."


def stand_record(stand: Stand) -> dict[str, Any]:
    """An insight's stance as JSON-serialisable data: the insight, and the quotes with their characters."""
    quotes = [
        {"passage_id": citation.passage_id, "start": citation.start, "end": citation.end, "quote": quote}
        for citation, quote in zip(stand.citations, stand.quotes, strict=True)
    ]
    return {
        "stance": stand.stance.value,
        "probability": round(stand.probability, 4),
        "quotes": quotes,
        "insight": hit_record(stand.hit),
    }


def summary(records: Sequence[Mapping[str, Any]]) -> str:
    """How many of the nearest insights are for the claim, and how many against it."""
    counts = {stance: sum(row["stance"] == stance for row in records) for stance in Stance}
    if counts[Stance.SILENT] == len(records):
        return NOTHING
    told = ", ".join(f"{counts[stance]} {_IN_A_WORD[stance]}" for stance in Stance if counts[stance])
    return f"Of the {len(records)} nearest insights: {told}."


def lines(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line for each insight that speaks of the claim, supporters first, then those that disagree."""
    for stance, says in _SAYS.items():
        for row in records:
            if row["stance"] == stance:
                yield f"{_who(row['insight'])} {says}: “{_quoted(row)}”"


def _quoted(row: Mapping[str, Any]) -> str:
    return " … ".join(" ".join(quote["quote"].split()) for quote in row["quotes"])


def _who(insight: Mapping[str, Any]) -> str:
    return str(insight["author"] or insight["source"] or insight["title"] or insight["insight_id"])
