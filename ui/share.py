"""Answers and conversations as files to take along: Markdown with footnotes, and JSON.

Texts of people, insights and models are escaped, so that Markdown shows them letter by letter.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from corpus.insight import Insight
from corpus.items import source_beside
from rag.datatypes import Answer, Status, Verdict
from ui.conversations import Conversation
from ui.record import (
    NOT_IN_LIBRARY,
    claim_numbers,
    find,
    insight_record,
    number,
    record,
    shown,
    split_end,
)
from ui.render import Exchange, preview, segments, web_address

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~]|&(?=#?\w+;)")
_AT_START = re.compile(r"^([#+=-]+|\d+(?=[.)]))")


def markdown_text(text: str) -> str:
    """A text on one line such that Markdown shows each of its characters as it is."""
    text = _SPECIAL.sub(lambda found: "\\" + found.group(), " ".join(text.split()))
    start = _AT_START.match(text)
    if start is None:
        return text
    head, rest = start.group(), text[start.end() :]
    return f"{head}\\{rest}" if head.isdigit() else f"\\{head}{rest}"


def answer_markdown(exchange: Exchange, label: str = "", level: int = 1) -> str:
    """The question as a heading, the sentences with their footnotes, and each footnote's insight under them.

    `label` goes before each number, so that the footnotes of several answers can stand in one file.
    """
    parts = [f"{'#' * level} {markdown_text(exchange.question)}"]
    answer = exchange.answer
    if answer is not None and exchange.done and answer.status is Status.NOT_IN_LIBRARY:
        parts.append(NOT_IN_LIBRARY)
        if answer.nearest:
            near = dict.fromkeys(hit.insight for hit in answer.nearest)
            parts.append("The nearest:\n\n" + "\n".join(f"- {_reference(insight, ())}" for insight in near))
    elif answer is not None:
        parts += _footnoted(answer, label)
    if exchange.stopped:
        parts.append("Stopped before the answer was finished.")
    if exchange.problem:
        parts.append(markdown_text(exchange.problem))
    return "\n\n".join(parts) + "\n"


def conversation_markdown(conversation: Conversation) -> str:
    """The whole conversation: a heading for each question, footnotes numbered through each answer."""
    head = f"# {markdown_text(conversation.title)}\n\nAsked with Footnoted, {conversation.created:%Y-%m-%d}.\n"
    answers = [
        answer_markdown(saved.exchange, f"{place}-", level=2) for place, saved in enumerate(conversation.exchanges, 1)
    ]
    return "\n".join([head, *answers])


def conversation_json(conversation: Conversation) -> str:
    """The whole conversation: for each exchange the record that `ask --json` prints, and the insights it shows."""
    data = {
        "title": conversation.title,
        "created": conversation.created.isoformat(),
        "updated": conversation.updated.isoformat(),
        "exchanges": [
            {"asked": saved.asked.isoformat(), **_exchange_record(saved.exchange)} for saved in conversation.exchanges
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def file_name(title: str, suffix: str) -> str:
    """A name for a file that every system takes: the title's own letters without accents, or `footnoted`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return f"{'-'.join(words)[:60].strip('-') or 'footnoted'}.{suffix}"


def _exchange_record(exchange: Exchange) -> dict[str, Any]:
    state = {"stopped": exchange.stopped, "problem": exchange.problem}
    answer = exchange.answer
    if answer is None:
        return {"question": exchange.question, **state}
    cited = number(answer)
    hits = [*(evidence.hit for evidence in answer.evidence), *answer.hits, *answer.nearest]
    used = {hit.insight.insight_id for hit in answer.nearest} | cited.keys()
    by_id = {hit.insight.insight_id: hit.insight for hit in hits if hit.insight.insight_id in used}
    return {**record(answer), **state, "insights": [insight_record(insight) for insight in by_id.values()]}


def _footnoted(answer: Answer, label: str) -> list[str]:
    """The supported sentences as one paragraph, then a footnote for each insight that they cite."""
    claims = tuple(claim for claim in shown(answer) if claim.verdict is Verdict.SUPPORTED)
    if not claims:
        return []
    numbers = number(replace(answer, claims=claims))
    sentences = []
    cited: dict[str, Insight] = {}
    spans: dict[str, list[tuple[int, int]]] = {}
    for claim in claims:
        body, end = split_end(claim.text)
        marks = "".join(f"[^{label}{n}]" for n in claim_numbers(claim, numbers))
        sentences.append(f"{markdown_text(body)}{markdown_text(end)}{marks}")
        for citation in claim.citations:
            if hit := find(answer, citation.passage_id):
                cited[hit.insight.insight_id] = hit.insight
                spans.setdefault(hit.insight.insight_id, []).append((citation.start, citation.end))
    notes = [f"[^{label}{n}]: {_reference(cited[id_], spans[id_])}" for id_, n in numbers.items()]
    return [" ".join(sentences), *notes]


def _reference(insight: Insight, spans: Sequence[tuple[int, int]]) -> str:
    """What an insight says at these characters (its beginning, if there are none), and where it is from."""
    marked = [segment.text for segment in segments(insight.text, spans) if segment.marked]
    parts = [f"“{markdown_text(' … '.join(marked) or preview(insight.text))}”"]
    about = " · ".join(part for part in (insight.title, insight.author, source_beside(insight), insight.date) if part)
    if about:
        parts.append(markdown_text(about))
    if insight.url:
        address = web_address(insight.url)
        parts.append(f"<{address}>" if address and not re.search(r"[\s<>\\]", address) else markdown_text(insight.url))
    return " ".join(parts)
