"""The evaluation tab's HTML: pure functions over runs, through a template that escapes everything.

What a report draws (eval/charts.py, eval/html_curves.py, eval/html_questions.py) is drawn by the same code here; that
code escapes on its own, so its markup stands in the template as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval import charts, html_curves
from eval.compare import Change, Comparison, Run, changes, consistency, settings_changed
from eval.html import FIRST
from eval.html_questions import STATUSES, Asked, asked, question_list
from eval.intervals import Difference, Estimate
from eval.markup import Html
from eval.measures import MEASURES
from eval.rows import Row
from eval.stages import GOOD, STAGES, count_stages, moves
from eval.summary import counted, good_side, interval_text, lede, notes, number, provenance
from ui.evaluation_runs import COMPARED, FIGURES, Listed
from ui.evaluation_worker import MOST, USUAL, Progress, QuestionSet
from ui.render import preview, templates

ROWS = 40  # questions shown at a time
MOST_ROWS = 2_000
SAID = 120  # characters of a setting that differs
BY = "citation_recall"  # by which two runs are compared question by question, at first
LISTABLE = tuple(name for name in COMPARED if MEASURES[name].each is not None)

_render = templates("evaluation.html")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which questions of a run are shown; what is empty lets all pass."""

    find: str = ""  # characters of the question, case aside
    stage: str = ""  # a key of STAGES, or "lost": all but those where nothing was lost
    kind: str = ""  # type of question
    status: str = ""

    def passes(self, each: Asked) -> bool:
        """Whether a question is shown."""
        row = each.row
        lost = each.stage not in GOOD if self.stage == "lost" else self.stage in ("", each.stage)
        return (
            lost
            and self.kind in ("", row.type)
            and self.status in ("", row.status)
            and self.find.casefold() in f"{row.question} {row.question_id} {row.answer}".casefold()
        )


def start_panel(sets: Sequence[QuestionSet], progress: Progress, notice: str = "", why_not: str = "") -> str:
    """The part that starts a run, and shows how far one is; `notice` says why none was started.

    `why_not` says why none can be, by whoever looks.
    """
    left = progress.left
    return _render(
        "start",
        sets=sets,
        p=progress,
        left="" if left is None else _duration(left),
        notice=notice,
        why_not=why_not,
        most=MOST,
        usual=USUAL,
        share=100 * progress.done / progress.total if progress.total else 0,
    )


def runs_list(listed: Sequence[Listed], folder: str, chosen: str = "") -> str:
    """All runs with their main figures; `folder` is the name of the folder that holds them."""
    return _render("runs", runs=[(each, _figures(each)) for each in listed], folder=folder, chosen=chosen)


def run_page(run: Run, found: Mapping[str, Estimate | None], others: Sequence[str]) -> str:
    """A run: its main figures, where answers were lost, its charts, and the filters of its questions.

    `found` are the measures of `ui.evaluation_runs.OF_A_RUN`; `others` are runs to compare it with.
    """
    questions = asked(run.rows)
    counts = count_stages(run.rows)
    most = max(counts.values())
    stages = [
        (stage, counts[stage], STAGES[stage], _markup(charts.bar(counts[stage] / most, _kind(stage))), stage in GOOD)
        for stage in STAGES
        if counts[stage]
    ]
    return _render(
        "run",
        run=run,
        lede=lede(run.rows, counts),
        notes=notes(run),
        facts=[(name, said) for name, said in provenance(run) if name != "Run"],
        cards=[_card(name, found.get(name), words) for name, words in FIRST.items()],
        stages=stages,
        charts=[
            _markup(html_curves.refusals("Refusals", run.rows, found)),
            _markup(html_curves.believed("Can the probabilities be believed?", run.rows)),
            _markup(html_curves.took("Seconds", run.rows)),
        ],
        others=others,
        stages_here=[stage for stage in STAGES if counts[stage]],
        kinds=list(dict.fromkeys(each.row.type for each in questions)),
        statuses=[(name, said) for name, said in STATUSES.items() if any(row.status == name for row in run.rows)],
    )


def rows_part(run: Run, chosen: Filter, texts: Mapping[str, str], limit: int = ROWS) -> str:
    """The questions of a run that pass the filter, those that were lost first. `texts` are of insights, by id."""
    found = shown_rows(run, chosen)
    return _render(
        "rows",
        said=f"{len(found):,} of {counted(len(run.rows), 'question')}",
        questions=_markup(question_list(found[:limit], texts)),
        more=limit + ROWS if len(found) > limit else 0,
    )


def shown_rows(run: Run, chosen: Filter) -> list[Asked]:
    """The questions that pass, in the order in which they are shown: by the stage that lost them."""
    order = sorted(STAGES, key=lambda stage: stage in GOOD)
    return sorted(filter(chosen.passes, asked(run.rows)), key=lambda each: order.index(each.stage))


def comparison_page(comparison: Comparison) -> str:
    """Two runs: each measure with the difference, where answers were lost, and the filter of what changed."""
    first, other = comparison.runs
    counts = [count_stages(run.rows) for run in comparison.runs]
    stayed = sum(count for (a, b), count in moves(first.rows, other.rows).items() if a == b)
    differences = comparison.differences[0]
    told = {name: each for name, each in differences.items() if each is not None}
    shares = [each for name, each in told.items() if _is_share(name)]
    reach = max((abs(end) for each in shares for end in each.interval or ()), default=0.0) or 1.0
    return _render(
        "comparison",
        first=first,
        other=other,
        questions=counted(len(first.rows), "question"),
        notes=comparison.notes,
        changed=[preview(said, SAID).replace(" -> ", " → ") for said in settings_changed(first, other)],
        lines=[_line(name, each, comparison, reach) for name, each in told.items()],
        untold=[name for name in differences if name not in told],
        stages=[
            (stage, counts[0][stage], counts[1][stage], STAGES[stage], stage in GOOD)
            for stage in STAGES
            if counts[0][stage] or counts[1][stage]
        ],
        stayed=stayed,
        agree=f"{consistency(first, other):.0%}",
        measures=[(name, MEASURES[name].meaning) for name in LISTABLE],
        by=BY,
    )


def changes_part(comparison: Comparison, by: str, limit: int = ROWS) -> str:
    """The questions that the second run answers better or worse by a measure of LISTABLE, the largest change first."""
    first, other = comparison.runs
    better, worse, lone = changes(MEASURES[by], first.rows, other.rows)
    same = len(first.rows) - len(better) - len(worse) - lone
    sides = [
        (word, len(side), [_change(each, by) for each in side[:limit]])
        for word, side in (("Better", better), ("Worse", worse))
    ]
    return _render(
        "changes",
        sides=sides,
        same=same,
        lone=lone,
        more=limit + ROWS if max(len(better), len(worse)) > limit else 0,
    )


def nothing_chosen(empty: bool) -> str:
    """What stands where a run will be shown."""
    return _render("nothing", empty=empty)


def problem(said: str) -> str:
    """A sentence that says what went wrong and what to do."""
    return _render("problem", said=said)


# ------------------------------------------------------------------------------------------------------------ parts


def _figures(each: Listed) -> list[tuple[str, str, str, Markup]]:
    """Heading, value, interval, and a line that shows both."""
    found = []
    for name, heading in FIGURES.items():
        figure = (each.figures or {}).get(name)
        if figure is not None:
            line = _markup(charts.whisker(figure.value, figure.interval))
            found.append((heading, number(name, figure.value), interval_text(name, figure.interval), line))
    if each.median is not None:
        found.append(("half take at most", number("seconds_p50", each.median), "", Markup("")))
    return found


def _card(name: str, each: Estimate | None, words: str) -> tuple[str, str, str, str, Markup]:
    """Value, words, interval, which values are good, and the line."""
    if each is None:
        return "–", words, "these rows can't tell", good_side(MEASURES[name]), Markup("")
    line = charts.whisker(each.value, each.interval) if _is_share(name) else Html("")
    said = interval_text(name, each.interval)
    return number(name, each.value), words, said, good_side(MEASURES[name]), _markup(line)


def _line(name: str, each: Difference, comparison: Comparison, reach: float) -> dict[str, object]:
    low, high = each.interval or (each.value, each.value)
    drawn = _is_share(name)
    ends = [50 + 48 * max(-1.0, min(1.0, value / reach)) for value in (low, high, each.value)]
    return {
        "name": name,
        "meaning": MEASURES[name].meaning,
        "good": good_side(MEASURES[name]),
        "values": [_value(name, found[name]) for found in comparison.estimates],
        "value": _signed(name, each.value),
        "interval": f"{_signed(name, low)} to {_signed(name, high)}" if each.interval else "–",
        "clearly": {"better": "better", "worse": "worse", "same": "the same"}.get(each.clearly, "can’t be told"),
        "kind": each.clearly if each.clearly in ("better", "worse") else "even",
        "low": round(ends[0], 2) if drawn else None,
        "width": round(max(1.0, ends[1] - ends[0]), 2),
        "at": round(ends[2] - 0.8, 2),
    }


def _value(name: str, each: Estimate | None) -> str:
    return number(name, None if each is None else each.value)


def _change(each: Change, by: str) -> dict[str, str]:
    row = each.before
    return {
        "question": row.question,
        "type": row.type,
        "old": number(by, each.old),
        "new": number(by, each.new),
        "before": _answer(each.before),
        "after": _answer(each.after),
        "gold": row.gold_answer or row.short,
    }


def _answer(row: Row) -> str:
    if row.failed:
        return f"Failed: {row.error}"
    return "Not in your insights." if row.refused else row.answer or "Empty."


def _is_share(name: str) -> bool:
    return not name.startswith(("seconds", "tokens"))


def _kind(stage: str) -> str:
    return "good" if stage in GOOD else "lost"


def _signed(name: str, value: float) -> str:
    said = number(name, abs(value))
    return said if said == number(name, 0.0) else f"{'+' if value > 0 else '−'}{said}"


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _markup(html: Html) -> Markup:
    return Markup(html.code)
