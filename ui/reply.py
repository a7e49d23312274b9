"""An answer as the plain text that other programs get: sentences with their [n], then the list of sources.

Text that is sent sentence by sentence can't be taken back. What is ready to be sent is therefore in its final order:
a quote that fills a gap between two sentences of one passage would come too late.
"""

from collections.abc import Sequence
from typing import Any

from corpus.insight import Insight
from rag.datatypes import Answer, Claim, Status, Verdict
from rag.verify import complete
from ui.record import NOT_IN_LIBRARY, filtered, find, marked_text, number, record, shown
from ui.render import meta, segments

PARTLY = "The insights answer this only in part."
NEAREST = "The nearest ones:"


def text(answer: Answer) -> str:
    """The whole reply to a finished answer: `ready` sentences in one line, and `closing` after them."""
    return " ".join(marked(answer, ready(answer, finished=True))) + closing(answer)


def ready(answer: Answer, finished: bool) -> tuple[Claim, ...]:
    """The verified sentences between which nothing will be put any more.

    While an answer is on its way, those are the ones from passages that the writer has left behind, with their quotes.
    """
    claims = tuple(claim for claim in shown(answer) if claim.verdict is Verdict.SUPPORTED and claim.citations)
    if finished or not claims:
        return claims
    last = _passage(claims[-1])
    while claims and _passage(claims[-1]) == last:
        claims = claims[:-1]
    left = {_passage(claim) for claim in claims}
    return complete(claims, [item for item in answer.evidence if item.citation.passage_id in left])


def marked(answer: Answer, claims: Sequence[Claim]) -> list[str]:
    """Sentences with their markers, numbered as in the finished answer."""
    numbers = number(answer)
    return [marked_text(claim, numbers) for claim in claims]


def closing(answer: Answer) -> str:
    """What follows the sentences: how far they go and what they rest on, or that there are none."""
    if answer.status is Status.NOT_IN_LIBRARY:
        lines = [f"- {_one_line(hit.insight.text)}{_about(hit.insight)}" for hit in answer.nearest]
        said = " ".join(filter(None, (NOT_IN_LIBRARY, _among(answer), NEAREST if lines else "")))
        return "\n".join([said, "", *lines]) if lines else said
    among = f"\n\n{_among(answer)}" if answer.trace.filters else ""
    partly = f"\n\n{PARTLY}" if answer.status is Status.PARTLY else ""
    lines = [f"[{row['n']}] “{_one_line(' … '.join(row['quotes']))}”{row['about']}" for row in _sources(answer)]
    return partly + among + ("\n\nSources:\n" + "\n".join(lines) if lines else "")


def extension(answer: Answer) -> dict[str, Any]:
    """The answer as data: its status, its sentences with their support, the insights they cite, and the nearest."""
    whole = record(answer)
    citations = [{name: value for name, value in row.items() if name != "about"} for row in _sources(answer)]
    return {
        "status": whole["status"],
        "filters": list(answer.trace.filters),
        "claims": whole["claims"],
        "citations": citations,
        "nearest": whole["nearest"],
    }


def _sources(answer: Answer) -> list[dict[str, Any]]:
    """The cited insights by their numbers, each with the characters that the sentences cite."""
    cited: dict[str, tuple[Insight, list[tuple[int, int]]]] = {}
    for claim in shown(answer):
        for citation in claim.citations:
            if (hit := find(answer, citation.passage_id)) is not None:
                spans = cited.setdefault(hit.insight.insight_id, (hit.insight, []))[1]
                spans.append((citation.start, citation.end))
    rows = []
    for insight_id, n in number(answer).items():
        if insight_id in cited:
            insight, spans = cited[insight_id]
            quotes = [part.text for part in segments(insight.text, spans) if part.marked]
            about = {name: getattr(insight, name) for name in ("title", "author", "source", "url", "date")}
            rows.append({"n": n, "insight_id": insight_id, **about, "quotes": quotes, "about": _about(insight)})
    return rows


def _among(answer: Answer) -> str:
    """Which insights were asked, where not all were: the filter may have been read from the question's own words."""
    if not answer.trace.filters:
        return ""
    said, count = filtered(answer.trace.filters), answer.trace.among
    return f"Asked of {count:,} only: {said}." if count else f"No insight meets the filter: {said}."


def _passage(claim: Claim) -> str:
    return claim.citations[0].passage_id


def _about(insight: Insight) -> str:
    """Who said it and where, behind a dash."""
    parts = [insight.title or insight.source, meta(insight), insight.url]
    known = ", ".join(part.replace(" · ", ", ") for part in parts if part)
    return f" — {_one_line(known)}" if known else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
