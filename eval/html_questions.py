"""The list of all questions in a report: what was asked, shown, cited and found, and the stage that lost it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from eval.html_parts import capital, sign
from eval.markup import Html, join, tag
from eval.rows import Row, ShownClaim
from eval.spans import Span
from eval.stages import GOOD, STAGES, stage_lost

LISTED = 10  # of what was retrieved; where the gold is, is said of any rank
STATUSES = {"answered": "answered", "partly": "answered in part", "not_in_library": "refused", "error": "failed"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A row with its number in the run, from 1, and the stage that it ended in."""

    number: int
    row: Row
    stage: str


def asked(rows: Iterable[Row]) -> list[Asked]:
    """All rows, in the order of the run."""
    return [Asked(number, row, stage_lost(row)) for number, row in enumerate(rows, 1)]


def question_list(questions: Sequence[Asked], texts: Mapping[str, str]) -> Html:
    """The questions under the stages that they were lost at, in the order of the flow; those that went well come last.

    `texts` are of insights, by id, as many as are known: what was cited and what is gold is shown with its text.
    """
    order = sorted(STAGES, key=lambda stage: stage in GOOD)
    groups = {stage: [each for each in questions if each.stage == stage] for stage in order}
    return join(_group(stage, group, texts) for stage, group in groups.items() if group)


def filters(questions: Sequence[Asked]) -> Html:
    """The search box and the filters. They are hidden until the script that makes them work shows them."""
    types = list(dict.fromkeys(each.row.type for each in questions))
    stages = [stage for stage in STAGES if any(each.stage == stage for each in questions)]
    statuses = [status for status in STATUSES if any(each.row.status == status for each in questions)]
    where = [("lost", "lost at any"), *((stage, stage) for stage in stages)]
    return tag(
        "form",
        tag("label", "Search ", tag("input", type="search", id="find", autocomplete="off"), class_="wide"),
        _select("stage", "Stage", where),
        _select("type", "Type", [(name, name) for name in types]),
        _select("status", "Status", [(status, STATUSES[status]) for status in statuses]),
        tag("button", "Open all shown", type="button", id="open"),
        tag("p", tag("output", id="shown")),
        id="filters",
        role="search",
        aria_label="Questions",
        hidden=True,
    )


def ranks(row: Row) -> dict[str, int]:
    """At which rank, from 1, each gold insight was retrieved; those that weren't are missing."""
    places = {id_: rank for rank, id_ in reversed(list(enumerate(row.retrieved, 1)))}
    return {id_: places[id_] for id_ in row.gold if id_ in places}


def marked(text: str, spans: Iterable[tuple[int, int]]) -> Html:
    """A text with these stretches of characters marked; stretches may overlap or reach beyond its ends."""
    parts: list[Html | str] = []
    at = 0
    for start, end in sorted(spans):
        start, end = max(at, start), min(len(text), end)
        if start < end:
            parts += [text[at:start], tag("mark", text[start:end])]
            at = end
    return join([*parts, text[at:]])


def _select(name: str, label: str, options: Iterable[tuple[str, str]]) -> Html:
    choices = [tag("option", "all", value=""), *(tag("option", text, value=value) for value, text in options)]
    return tag("label", f"{label} ", tag("select", *choices, name=name))


def _group(stage: str, group: Sequence[Asked], texts: Mapping[str, str]) -> Html:
    count = tag("span", f"{len(group)}", class_="count")
    return tag(
        "section",
        tag("h3", sign(stage), capital(stage), " ", count),
        tag("p", capital(STAGES[stage]), ".", class_="soft"),
        *(_question(each, texts) for each in group),
        class_="group",
    )


def _question(each: Asked, texts: Mapping[str, str]) -> Html:
    row = each.row
    summary = tag(
        "summary",
        sign(each.stage),
        tag("span", row.question, class_="q", dir="auto"),
        " ",
        tag("span", row.type, class_="type"),
    )
    facts = [
        f"No. {each.number}",
        f"{row.question_id} in {row.collection}",
        row.type,
        STATUSES.get(row.status, row.status),
    ]
    facts += [f"probability that it is answerable {row.probability:.2f}"] if row.probability else []
    facts.append(_took(row))
    entries = [
        *([("Error", [tag("p", row.error, dir="auto")])] if row.error else []),
        ("Answer", _answer(row)),
        *([("Not shown", [tag("p", text, dir="auto") for text in row.dropped])] if row.dropped else []),
        ("Gold answer", _gold_answer(row)),
        *([("Short answer", [tag("p", row.short, dir="auto")])] if row.short else []),
        *([("Gold insights", _gold(row, texts))] if row.gold else []),
        *_cited(row, texts),
        *([("Retrieved", [_retrieved(row)])] if row.retrieved else []),
    ]
    body = [part for name, parts in entries for part in (tag("dt", name), tag("dd", *parts))]
    return tag(
        "details",
        summary,
        tag("p", " · ".join(facts), class_="facts"),
        tag("dl", *body),
        id=f"q{each.number}",
        data_stage=each.stage,
        data_type=row.type,
        data_status=row.status,
    )


def _answer(row: Row) -> list[Html]:
    if row.failed:
        return [tag("p", "None: the question ended in an error.", class_="soft")]
    if row.refused and not row.claims:
        return [tag("p", "“Not in your insights.”", class_="soft")]
    if not row.claims:
        return [tag("p", row.answer or "Empty.", dir="auto")]
    return [part for claim in row.claims for part in (tag("p", claim.text, dir="auto"), _judged(claim, row))]


def _judged(claim: ShownClaim, row: Row) -> Html:
    """How a sentence came about, what the system and the independent rule found, and what it cites."""
    said = ["quoted" if claim.verbatim else "written"]
    said.append("unchecked" if claim.verdict == "unchecked" else f"{claim.verdict}, {claim.support:.2f}")
    parts: list[Html | str] = [" · ".join(said), " · "]
    parts.append("passes the rule" if claim.grounded else tag("strong", "fails the rule"))
    parts.append(" · cites " if claim.cited else " · cites nothing")
    for number, id_ in enumerate(claim.cited):
        parts += [", " if number else "", _name(id_, row)]
    return tag("p", *parts, class_="judged")


def _gold_answer(row: Row) -> list[Html]:
    if not row.answerable:
        return [tag("p", "None: the insights don't hold it.", class_="soft")]
    return [tag("p", row.gold_answer, dir="auto") if row.gold_answer else tag("p", "Not given.", class_="soft")]


def _gold(row: Row, texts: Mapping[str, str]) -> list[Html]:
    found = ranks(row)
    parts = []
    for id_ in row.gold:
        where = f"rank {found[id_]}" if id_ in found else f"not among the {len(row.retrieved)} retrieved"
        cited = "cited" if id_ in row.cited else "not cited"
        parts.append(tag("p", tag("b", id_, class_="id"), f" {where}, {cited}"))
        parts += _text(id_, row, texts)
    return parts


def _cited(row: Row, texts: Mapping[str, str]) -> list[tuple[str, list[Html]]]:
    """The texts of what is cited and isn't gold, if they are known: the ids stand with the sentences already."""
    others = [id_ for id_ in row.cited if id_ not in row.gold and id_ in texts]
    parts = [part for id_ in others for part in (tag("p", tag("b", id_, class_="id")), *_text(id_, row, texts))]
    return [("Also cited", parts)] if parts else []


def _text(id_: str, row: Row, texts: Mapping[str, str]) -> list[Html]:
    if id_ not in texts:
        return []
    spans: list[Span] = [span for claim in row.claims for span in claim.spans if span[0] == id_]
    return [tag("blockquote", marked(texts[id_], [(start, end) for _, start, end in spans]), dir="auto")]


def _retrieved(row: Row) -> Html:
    parts: list[Html | str] = []
    for rank, id_ in enumerate(row.retrieved[:LISTED], 1):
        parts += [", " if rank > 1 else "", tag("i", f"{rank}"), " ", _name(id_, row)]
    more = len(row.retrieved) - LISTED
    return tag("p", *parts, f", and {more} more" if more > 0 else "")


def _name(id_: str, row: Row) -> Html | str:
    return tag("b", id_, " (gold)", class_="id") if id_ in row.gold else id_


def _took(row: Row) -> str:
    stages = ", ".join(f"{name} {row.stages[name]:.2f}" for name in row.stages if name not in ("total", "first_quote"))
    return f"{row.seconds:.2f} s" + (f" ({stages})" if stages else "")
