"""A run as one HTML file that explains itself: it works from a disk, asks nothing of the network and needs no script.

    Run ─► estimates ─► page: summary, by type, stages, refusals, probabilities, seconds, every question

The page's own policy forbids whatever isn't in it: it allows one style sheet and one script, by their hashes. The
script only hides questions; without it the page says all it has to say.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval import charts, html_curves
from eval.compare import Run
from eval.html_parts import behind, cell, code, line, section, sign, table
from eval.html_questions import Asked, asked, filters, question_list
from eval.intervals import Estimate, estimates
from eval.markup import Html, join, raw, tag
from eval.measures import MEASURES
from eval.rows import Row
from eval.stages import GOOD, STAGES, count_stages
from eval.summary import counted, good_side, grouped, interval_text, lede, notes, number, provenance, settings, told

Found = Mapping[str, Estimate | None]

CONTENTS = {
    "summary": "Summary",
    "types": "By type of question",
    "stages": "Where answers are lost",
    "refusals": "Refusals",
    "believed": "Can the probabilities be believed?",
    "seconds": "Seconds",
    "questions": "Every question",
}
# The measures that matter most, in plain words.
FIRST = {
    "citation_precision": "of the citations shown are right",
    "citation_recall": "of the insights that answer are cited",
    "refusal_recall": "of unanswerable questions are refused",
    "false_refusal_rate": "of answerable questions are refused",
    "unsupported_rule": "of the sentences shown fail a plain check",
    "seconds_p50": "or less, for half of the questions",
}
BY_TYPE = {
    "R@5": "R@5",
    "citation_precision": "citation precision",
    "citation_recall": "citation recall",
    "refused": "refused",
    "short_answer": "short answer",
    "seconds_p50": "seconds, p50",
}


def page(run: Run, found: Found, texts: Mapping[str, str] | None = None) -> str:
    """The whole file. `found` are the measures of the run with their intervals (`eval.intervals.estimates`).

    `texts` are those of insights, by id, as many as are known: rows hold only ids. The same run gives the same page.
    """
    questions = asked(run.rows)
    no_drafts = "dropped" in (run.about.get("lacks") or ())
    body = tag(
        "body",
        tag("a", "Skip to the summary", href="#summary", class_="skip"),
        _header(run),
        tag(
            "main",
            _summary(run.rows, found),
            _types(questions),
            _stages(questions, no_drafts),
            html_curves.refusals(CONTENTS["refusals"], run.rows, found),
            html_curves.believed(CONTENTS["believed"], run.rows),
            html_curves.took(CONTENTS["seconds"], run.rows),
            _questions(questions, texts or {}),
        ),
        tag("footer", tag("p", "Made by ", tag("code", "footnoted eval report"), ". No model judged anything here.")),
        raw("script", _code("html.js")),
    )
    title = f"{counted(len(run.rows), 'question')}, {run.name} – Footnoted evaluation"
    return f"<!doctype html>\n{tag('html', _head(title), body, lang='en').code}\n"


def _head(title: str) -> Html:
    style = _code("html.css")
    allowed = f"style-src {_hash(style)}; script-src {_hash(_code('html.js'))}"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content=f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'",
        ),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        raw("style", style),
    )


def _code(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def _header(run: Run) -> Html:
    facts = [part for name, said in provenance(run) for part in (tag("dt", name), tag("dd", said, dir="auto"))]
    links = [tag("li", tag("a", name, href=f"#{id_}")) for id_, name in CONTENTS.items()]
    return tag(
        "header",
        tag("p", "Footnoted evaluation", class_="kicker"),
        tag("h1", f"How good the answers are to {counted(len(run.rows), 'question')}"),
        tag("p", lede(run.rows, count_stages(run.rows)), class_="lede"),
        *(tag("p", note, class_="note") for note in notes(run)),
        tag("dl", *facts, class_="provenance"),
        behind("All settings", tag("p", said)) if (said := settings(run)) else "",
        tag("nav", tag("ul", *links), aria_label="Contents"),
    )


def _summary(rows: Sequence[Row], found: Found) -> Html:
    return section(
        "summary",
        CONTENTS["summary"],
        tag("div", *(_card(name, found.get(name), words, rows) for name, words in FIRST.items()), class_="cards"),
        tag(
            "p",
            "The ranges say how far a figure hangs on which questions were asked: 95% intervals, by a bootstrap over"
            " the questions. Where all of n questions score alike, up to 3/n of others may not.",
            class_="soft",
        ),
        _measures(rows, found),
    )


def _card(name: str, each: Estimate | None, words: str, rows: Sequence[Row]) -> Html:
    parts = [
        tag("p", tag("strong", number(name, None if each is None else each.value)), f" {words}", class_="figure"),
        tag("p", tag("code", name), class_="soft"),
    ]
    if each is None:
        return tag("div", *parts, tag("p", "These rows can't tell.", class_="soft"), class_="card")
    measure = MEASURES[name]
    sure = interval_text(name, each.interval)
    if each.interval is not None and each.interval[0] == each.interval[1]:
        count = told(measure, rows) or len(rows)
        sure = f"alike in all {count}; up to {min(1.0, 3 / count):.1%} of others may differ"
    bar = "" if name.startswith("seconds") else charts.whisker(each.value, each.interval)
    return tag("div", *parts, bar, tag("p", f"{sure}; {good_side(measure)} is good", class_="soft"), class_="card")


def _measures(rows: Sequence[Row], found: Found) -> Html:
    columns = (("measure", "words"), "value, 95% interval", ("from 0 to 1", "wide"), "questions", ("good", "words"))
    bodies = []
    for group, names in grouped().items():
        lines = [_measure(name, each, rows) for name in names if (each := found.get(name)) is not None]
        head = tag("tr", tag("th", group, colspan=len(columns), scope="rowgroup"))
        bodies += [tag("tbody", head, *lines)] if lines else []
    untold = [name for names in grouped().values() for name in names if found.get(name) is None]
    said = f"Without a value, since these rows can't tell: {', '.join(untold)}."
    return join(
        [table("All measures", columns, bodies), tag("p", said, class_="soft") if untold else ""],
    )


def _measure(name: str, each: Estimate, rows: Sequence[Row]) -> Html:
    measure = MEASURES[name]
    count = told(measure, rows)
    share = not name.startswith(("seconds", "tokens"))
    return tag(
        "tr",
        tag("th", code(name), " ", tag("span", measure.meaning, class_="meaning"), scope="row", class_="named"),
        _ranged(name, each, "n one-line"),
        tag("td", charts.whisker(each.value, each.interval) if share else "", class_="wide"),
        cell("all" if count is None else str(count)),
        tag("td", good_side(measure)),
    )


def _types(questions: Sequence[Asked]) -> Html:
    groups: dict[str, list[Asked]] = {}
    for each in questions:
        groups.setdefault(each.row.type, []).append(each)
    lines = [_type(name, group) for name, group in groups.items()]
    columns: list[str | tuple[str, str]] = [("type", "words"), "questions", "right", *BY_TYPE.values()]
    said = (
        "Right: all gold insights are cited and the short answer is held; or it is unanswerable and was refused."
        " Refused is bad of answerable questions and good of unanswerable ones. Below each figure is its 95% interval."
    )
    return section(
        "types",
        CONTENTS["types"],
        table("Measures by type of question", columns, [tag("tbody", *lines)]),
        tag("p", said, class_="soft"),
    )


def _type(name: str, group: Sequence[Asked]) -> Html:
    rows = [each.row for each in group]
    refused = "false_refusal_rate" if any(row.answerable for row in rows) else "refusal_recall"
    names = [refused if column == "refused" else column for column in BY_TYPE]
    found = estimates(rows, {each: MEASURES[each] for each in names})
    right = sum(each.stage in GOOD for each in group)
    return tag(
        "tr",
        tag("th", name, scope="row", dir="auto"),
        cell(str(len(rows))),
        cell(str(right)),
        *(_ranged(each, found[each], "n") for each in names),
    )


def _ranged(name: str, each: Estimate | None, kind: str) -> Html:
    if each is None:
        return cell("–")
    return tag("td", number(name, each.value), " ", tag("small", interval_text(name, each.interval)), class_=kind)


def _stages(questions: Sequence[Asked], no_drafts: bool) -> Html:
    counts = count_stages(each.row for each in questions)
    seen = [stage for stage in STAGES if counts[stage]]
    most = max(counts.values())
    lines = [
        tag(
            "tr",
            tag("th", sign(stage), stage, scope="row"),
            cell(str(counts[stage])),
            cell(f"{counts[stage] / len(questions):.0%}"),
            tag("td", charts.bar(counts[stage] / most, "good" if stage in GOOD else "lost"), class_="wide"),
            tag("td", STAGES[stage], class_="meaning"),
        )
        for stage in seen
    ]
    said = [
        "Each question ends in one stage: the first of the flow that lost one of its gold insights, or its short"
        " answer; in those with a ✓ nothing was lost."
    ]
    if counts["written wrong"]:
        said.append(
            "“Written wrong” is told by words: a right answer without those of the short answer counts as wrong."
        )
    if no_drafts:
        said.append("Which sentences the verifier dropped isn't known of this run, so none is counted there.")
    columns = (("stage", "words"), "questions", "share", ("", "wide"), ("what it means", "words"))
    return section(
        "stages",
        CONTENTS["stages"],
        table("Questions by the stage that they ended in", columns, [tag("tbody", *lines)]),
        tag("p", " ".join(said), class_="soft"),
        behind("The same by type of question", _stages_by_type(questions, seen)),
    )


def _stages_by_type(questions: Sequence[Asked], seen: Sequence[str]) -> Html:
    lines = []
    for name in dict.fromkeys(each.row.type for each in questions):
        counts = count_stages(each.row for each in questions if each.row.type == name)
        lines.append(line(name, *(str(counts[stage] or "–") for stage in seen), free=True))
    return table("Stages by type of question", (("type", "words"), *seen), [tag("tbody", *lines)])


def _questions(questions: Sequence[Asked], texts: Mapping[str, str]) -> Html:
    said = (
        "Those that were lost come first, in the order of the flow. Opened, each shows its answer and what that cites,"
        " the gold answer, and where the gold insights were found."
    )
    return section(
        "questions",
        CONTENTS["questions"],
        tag("p", said),
        filters(questions),
        question_list(questions, texts),
    )
