"""From records to the page's HTML: pure functions, and templates that escape everything.

Gradio's own sanitiser lets working links, images and overlays through, so no text of a model, a user or an
insight reaches the page except through `templates`. Newlines, backslashes, `${` and backticks stay literal.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from corpus.insight import Insight
from corpus.items import source_beside
from rag.datatypes import Answer, Coming, Hit, Phase, Status, Verdict
from ui.feedback import reasons
from ui.record import (
    NOT_IN_LIBRARY,
    SURE,
    answer_text,
    claim_numbers,
    filter_words,
    find,
    number,
    shown,
    sought,
    split_end,
)
from ui.suggest import about

KEEP = 280  # characters of an insight kept on each side of a marked stretch
PREVIEW = 180
ALSO_READ = 8
ONE_PARAGRAPH = 3  # sentences

PHASES = {
    Phase.SEARCHING: "Searching your insights",
    Phase.READING: "Reading what was found",
    Phase.WRITING: "Writing, and checking each sentence",
}
WAITING = "Waiting for another answer to finish"

_SETS_SIDE_BY_SIDE = re.compile(
    r"\b(differ|differs|differences?|(dis)?agree\w*|diverge\w*|part ways|at odds|contradict\w*|conflict\w*|versus|vs"
    r"|compare\w*|(both|opposing|which) sides?|on the one hand|point the same way|same (view|verdict|problem)"
    r"|(set|weigh) .* (against|beside))\b",
    re.I,
)

STATIC = Path(__file__).parent / "static"


def templates(file: str, **known: object) -> Callable[..., str]:
    """What renders a macro of this file of ui/static by its name, with every value escaped; all may use `known`."""
    environment = Environment(
        loader=FileSystemLoader(STATIC),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(known)
    macros = environment.get_template(file).module

    def render(macro: str, /, *values: object, **named: object) -> str:
        return str(getattr(macros, macro)(*values, **named)).strip()

    return render


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question on the page and how far its answer is."""

    turn: int  # counts from 0 within a conversation; ties chips to their cards
    question: str
    answer: Answer | None = None
    phase: Phase | None = None  # None before the first step
    waiting: bool = False  # another question is being answered
    ahead: int = 0  # how many are answered before this one
    problem: str = ""  # a sentence: what went wrong and what to do
    stopped: bool = False
    related: tuple[tuple[str, tuple[Insight, ...]], ...] = ()  # a cited insight's id, and its neighbours

    @property
    def done(self) -> bool:
        """Whether this is the finished answer."""
        return self.phase is Phase.DONE

    @property
    def busy(self) -> bool:
        """Whether more is to come."""
        return not (self.done or self.problem or self.stopped)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of an insight's text, marked if it supports a sentence."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class Card:
    """An insight in the sources panel."""

    anchor: str
    number: int | None
    insight: Insight
    segments: tuple[Segment, ...]
    related: tuple[Insight, ...] = ()

    @property
    def heading(self) -> str:
        """What the card is called."""
        return heading(self.insight)


@dataclass(frozen=True, slots=True)
class Cards:
    """The sources of one answer: the cited ones, those read but not cited, or the nearest if there's no answer."""

    cited: tuple[Card, ...] = ()
    also_read: tuple[Card, ...] = ()
    nearest: tuple[Card, ...] = ()

    def all(self) -> tuple[Card, ...]:
        """Every card of the answer."""
        return (*self.cited, *self.also_read, *self.nearest)


# --------------------------------------------------------------------------------------------------- conversation


def thread(
    exchanges: Sequence[Exchange], notice: str = "", rated: Mapping[tuple[int, str], str] = MappingProxyType({})
) -> str:
    """The conversation; `notice` says why the last input was not taken, `rated` what was said of a rating.

    An answer was rated if its turn and question are in `rated`.
    """
    bubbles = [_bubble(exchange, rated.get((exchange.turn, exchange.question), "")) for exchange in exchanges]
    return _render("thread", bubbles=bubbles, notice=notice, busy=bool(exchanges) and exchanges[-1].busy)


def bubble(exchange: Exchange) -> str:
    """One question with its answer."""
    return _render("bubble", b=_bubble(exchange))


def sources(exchanges: Sequence[Exchange]) -> str:
    """The sources panel: one section for each answer, all but the last hidden until one of its chips is used."""
    sections = [(exchange, cards(exchange)) for exchange in exchanges]
    shown_ones = [(exchange, group) for exchange, group in sections if group.cited or group.also_read]
    return _render("sources", sections=shown_ones, last=exchanges[-1].turn if exchanges else 0)


def cards(exchange: Exchange) -> Cards:
    """The cards that the chips of an exchange point to."""
    answer, turn = exchange.answer, exchange.turn
    if answer is None or not (answer.evidence or exchange.done):
        return Cards()
    if answer.status is Status.NOT_IN_LIBRARY and exchange.done:
        nearest = _unique(answer.nearest)
        return Cards(nearest=tuple(_card(f"fn-card-{turn}-n{i}", None, h.insight) for i, h in enumerate(nearest, 1)))
    numbers = _numbers(exchange, answer)
    spans = _spans(answer, exchange.busy)
    found = _unique([*(evidence.hit for evidence in answer.evidence), *answer.hits])
    by_id = {hit.insight.insight_id: hit.insight for hit in found}
    near = dict(exchange.related)
    cited = tuple(
        _card(f"fn-card-{turn}-{n}", n, by_id[id_], spans.get(id_, ()), near.get(id_, ())) for id_, n in numbers.items()
    )
    rest = [insight for id_, insight in by_id.items() if id_ not in numbers][:ALSO_READ]
    also_read = tuple(_card(f"fn-card-{turn}-r{i}", None, insight) for i, insight in enumerate(rest, 1))
    return Cards(cited=cited, also_read=also_read)


def _bubble(exchange: Exchange, rated: str = "") -> dict[str, Any]:
    answer = exchange.answer or Answer(exchange.question, Status.ANSWERED)
    numbers = _numbers(exchange, answer)
    group = cards(exchange)
    headings = {card.number: card.heading for card in group.cited}

    def chips(ns: Sequence[int]) -> list[dict[str, Any]]:
        return [{"n": n, "anchor": f"fn-card-{exchange.turn}-{n}", "heading": headings[n]} for n in ns if n in headings]

    sentences = []
    for claim in shown(answer):
        body, end = split_end(claim.text)
        marks = chips(claim_numbers(claim, numbers))
        sentences.append({"body": body, "end": end, "chips": marks, "unchecked": claim.verdict is Verdict.UNCHECKED})
    used = number(answer) if sentences else {}
    listed = bool(exchange.done and sentences and answer.trace.filters) and not answer.trace.sure
    unworded = [e for e in answer.evidence if e.hit.insight.insight_id not in used] if exchange.busy or not used else []
    return {
        "turn": exchange.turn,
        "question": exchange.question,
        "busy": exchange.busy,
        "phase": _waiting(exchange.ahead) if exchange.waiting else PHASES.get(exchange.phase or Phase.SEARCHING, ""),
        "problem": exchange.problem,
        "stopped": exchange.stopped,
        "searched_as": answer.trace.standalone if answer.trace.standalone != exchange.question and not listed else "",
        "listed": len(group.cited) if listed else 0,
        "partly": answer.status is Status.PARTLY and bool(sentences),
        "none": answer.status is Status.NOT_IN_LIBRARY and exchange.done,
        "paragraphs": _paragraphs(sentences),
        "sides": _sides(answer, sentences, group) if exchange.done else [],
        "quotes": [
            {
                "text": e.quote,
                "chips": chips([numbers[e.hit.insight.insight_id]]),
                "heading": heading(e.hit.insight),
                "named": named(e.hit.insight),
            }
            for e in unworded
        ],
        "nearest": group.nearest,
        "sought": sought(answer),
        "filters": answer.trace.filters,
        "among": answer.trace.among,
        "sure": SURE.get(answer.trace.sure, "") if exchange.done and sentences else "",
        "level": answer.trace.sure,
        "rated": rated,
        "reasons": reasons(answer) if exchange.done and exchange.answer else {},
        "fault": answer.trace.fault,
        "footer": _footer(answer, group) if exchange.done and sentences else "",
        "copy": copy_text(answer) if exchange.done and sentences else "",
    }


def _waiting(ahead: int) -> str:
    return WAITING if ahead < 2 else f"Waiting: {ahead} questions are answered before this one"


def _sides(answer: Answer, sentences: Sequence[dict[str, Any]], group: Cards) -> list[dict[str, Any]]:
    """For a question that sets sources side by side: who says what. Nothing if they can't be told apart by name.

    Whether they contradict each other isn't judged. A rule for that (the same words, and one of them denied or turned
    into its opposite) found none of the 44 pairs of InsightQA train and dev that disagree, or mostly others.
    """
    if not _SETS_SIDE_BY_SIDE.search(answer.question):
        return []
    names = {card.number: card.insight.author or card.insight.source for card in group.cited}
    told: dict[str, list[dict[str, Any]]] = {}
    for sentence in sentences:
        name = names.get(sentence["chips"][0]["n"], "") if len(sentence["chips"]) == 1 else ""
        told.setdefault(name, []).append(sentence)
    return [] if "" in told or len(told) < 2 else [{"name": name, "said": said} for name, said in told.items()]


def _paragraphs(sentences: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """A few sentences stay together; a longer answer gets a paragraph for each run of sentences from one source."""
    if len(sentences) <= ONE_PARAGRAPH:
        return [list(sentences)] if sentences else []
    return [list(run) for _, run in groupby(sentences, key=lambda s: [chip["n"] for chip in s["chips"]])]


def _numbers(exchange: Exchange, answer: Answer) -> dict[str, int]:
    """The display numbers; while sentences are still to come, the quotes that none cites yet are counted on."""
    numbers = number(answer)
    if exchange.busy:
        for evidence in answer.evidence:
            numbers.setdefault(evidence.hit.insight.insight_id, len(numbers) + 1)
    return numbers


def copy_text(answer: Answer) -> str:
    """The answer for the clipboard: its text and the numbered insights under it."""
    lines = [answer_text(answer), ""]
    by_id = {hit.insight.insight_id: hit.insight for hit in _unique([*(e.hit for e in answer.evidence), *answer.hits])}
    for insight_id, n in number(answer).items():
        insight = by_id[insight_id]
        about = " · ".join(part for part in (insight.title or insight.source, meta(insight), insight.url) if part)
        quotes = " … ".join(insight.text[a:b] for a, b in _merge(_spans(answer).get(insight_id, ()), len(insight.text)))
        lines.append(f"[{n}] {about + ': ' if about else ''}“{quotes}”")
    return "\n".join(lines).strip()


def _footer(answer: Answer, group: Cards) -> str:
    count = len(group.cited)
    total = answer.trace.seconds.get("total")
    return f"{count} {'source' if count == 1 else 'sources'}" + (f" · {total:.1f} s" if total else "")


def _spans(answer: Answer, busy: bool = False) -> dict[str, list[tuple[int, int]]]:
    """For each insight the characters that support something: what the claims cite, and until all stand the quotes."""
    citations = [citation for claim in shown(answer) for citation in claim.citations]
    if busy or not citations:
        citations += [evidence.citation for evidence in answer.evidence]
    spans: dict[str, list[tuple[int, int]]] = {}
    for citation in citations:
        if hit := find(answer, citation.passage_id):
            spans.setdefault(hit.insight.insight_id, []).append((citation.start, citation.end))
    return spans


def _unique(hits: Sequence[Hit]) -> list[Hit]:
    """The first hit of each insight: a card stands for an insight, not for a passage."""
    return list({hit.insight.insight_id: hit for hit in reversed(hits)}.values())[::-1]


# ----------------------------------------------------------------------------------------------------------- marks


def segments(text: str, spans: Sequence[tuple[int, int]]) -> tuple[Segment, ...]:
    """The text cut at the edges of the spans; put together again it is the text."""
    parts, at = [], 0
    for start, end in _merge(spans, len(text)):
        parts += [Segment(text[at:start], False), Segment(text[start:end], True)]
        at = end
    return tuple(part for part in (*parts, Segment(text[at:], False)) if part.text)


def _merge(spans: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted((max(0, start), min(length, end)) for start, end in spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _shorten(parts: Sequence[Segment]) -> tuple[Segment, ...]:
    """Leave out the middle of long unmarked stretches, so that a card shows its mark and what stands around it."""
    short = []
    for i, part in enumerate(parts):
        first, last = i == 0, i == len(parts) - 1
        if part.marked or len(part.text) <= 3 * KEEP:
            short.append(part)
            continue
        head = "" if first and not last else part.text[: KEEP * (3 if first else 1)].rsplit(None, 1)[0]
        tail = "" if last else part.text[-KEEP:].split(None, 1)[-1]
        short.append(Segment(f"{head} … {tail}".strip() + ("" if last or not part.text[-1:].isspace() else " "), False))
    return tuple(short)


def _card(
    anchor: str,
    n: int | None,
    insight: Insight,
    spans: Sequence[tuple[int, int]] = (),
    related: tuple[Insight, ...] = (),
) -> Card:
    return Card(anchor, n, insight, _shorten(segments(insight.text, spans)), related)


# --------------------------------------------------------------------------------------------------------- library


def header(library: str, count: int, coming: Coming | None = None) -> str:
    """Which library is asked and how many insights it has; how far another embedder is, if one is on its way."""
    model = re.split(r"[/\\]", coming.name.rstrip("/\\"))[-1] if coming else ""  # of a folder only its own name
    return _render("header", library=library, count=count, coming=coming, model=model)


def welcome(count: int, visitor: bool = False) -> str:
    """What stands in an empty conversation. From a `visitor` no ratings are kept: app.css then shows none."""
    return _render("welcome", count=count, visitor=visitor)


def heading(insight: Insight) -> str:
    """What an insight is called: its title, else its source, else its first words."""
    return insight.title or insight.source or preview(insight.text, 60)


def named(insight: Insight) -> bool:
    """Whether an insight has a heading of its own, not just its first words."""
    return bool(insight.title or insight.source)


def meta(insight: Insight) -> str:
    """Who said it, where and when, as far as that is known and the heading doesn't say it."""
    source = source_beside(insight) if insight.title else ""
    return " · ".join(part for part in (insight.author, source, insight.date) if part)


def preview(text: str, limit: int = PREVIEW) -> str:
    """The beginning of a text on one line."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " …"


def web_address(url: str) -> str:
    """The address if it is an ordinary web page, else nothing: `javascript:` is an address too."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


_render = templates(
    "templates.html",
    heading=heading,
    named=named,
    meta=meta,
    preview=preview,
    web_address=web_address,
    not_in_library=NOT_IN_LIBRARY,
    ask_about=about,
    filter_words=filter_words,
)
