"""A comparison as text for the terminal (80 columns), as Markdown for the log, and as JSON for programs.

All three are made from the same blocks, in the same order: the runs, the measures, the differences, where answers were
lost, the questions that changed, the checks.
"""

import json
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.checks import Check
from eval.compare import LETTERS, Change, Comparison, Run, changes, consistency, settings_changed
from eval.intervals import CONFIDENCE, FEWER, RESAMPLES, Difference, Estimate, Interval
from eval.measures import MEASURES
from eval.rows import Row
from eval.stages import STAGES, count_stages, moves

WIDTH = 80
_NUMBERS = re.compile(r"[–.]|[<>+-]?\d[\d.,]*%?(?: \[.*\])?|\[.*\]")  # a cell with no words: to the right


@dataclass(frozen=True, slots=True)
class _Block:
    """A heading and what stands under it, in this order."""

    heading: str
    items: Sequence[Sequence[str]] = ()  # each a first line, and lines that belong to it
    table: Sequence[Sequence[str]] = ()  # the first line holds the names of the columns
    said: Sequence[str] = ()


def text(comparison: Comparison, by: str | None = None, most: int = 10, checks: Sequence[Check] = ()) -> str:
    """For the terminal. `by` is a measure whose wins and losses are listed, `most` on each side."""
    return "\n\n".join(map(_as_text, _blocks(comparison, by, most, checks))) + "\n"


def markdown(comparison: Comparison, by: str | None = None, most: int = 10, checks: Sequence[Check] = ()) -> str:
    """For LOG.md: the same."""
    return "\n\n".join(map(_as_markdown, _blocks(comparison, by, most, checks))) + "\n"


def as_json(comparison: Comparison, by: str | None = None, checks: Sequence[Check] = ()) -> str:
    """For programs: the same, with every digit, all wins and losses, and full answers."""
    first, *others = comparison.runs
    data: dict[str, Any] = {
        "questions": len(first.rows),
        "notes": list(comparison.notes),
        "confidence": CONFIDENCE,
        "seed": comparison.seed,
        "runs": [
            {
                "name": run.name,
                **{name: run.about.get(name) for name in ("command", "date", "commit", "dirty", "library")},
                "measures": {
                    name: each and {**_estimate_json(each), "higher_is_better": comparison.measures[name].higher}
                    for name, each in estimates.items()
                },
                "stages": count_stages(run.rows),
            }
            for run, estimates in zip(comparison.runs, comparison.estimates, strict=True)
        ],
        "differences": [
            {
                "run": run.name,
                "against": first.name,
                "measures": {name: _difference_json(each) for name, each in differences.items()},
                "consistency": consistency(first, run),
                "moves": [{"from": a, "to": b, "questions": n} for (a, b), n in moves(first.rows, run.rows).items()],
                **(_changes_json(first, run, by) if by else {}),
            }
            for run, differences in zip(others, comparison.differences, strict=True)
        ],
        "checks": [
            {"run": comparison.runs[LETTERS.index(check.letter)].name, "measure": check.measure}
            | {"passed": check.passed, "said": check.said}
            for check in checks
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _blocks(comparison: Comparison, by: str | None, most: int, checks: Sequence[Check]) -> list[_Block]:
    first, *others = comparison.runs
    blocks = [_the_runs(comparison), *_the_measures(comparison)]
    for letter, differences in zip(LETTERS[1:], comparison.differences, strict=False):
        blocks.append(_the_differences(letter, differences))
    blocks.append(_the_stages(comparison))
    for letter, run in zip(LETTERS[1:], others, strict=False):
        blocks.append(_the_moves(letter, first, run))
        if by:
            blocks += _the_changes(first, run, letter, by, most)
    return blocks + ([_the_checks(checks)] if checks else [])


def _the_runs(comparison: Comparison) -> _Block:
    first = comparison.runs[0]
    items = []
    for letter, run in zip(LETTERS, comparison.runs, strict=False):
        about = run.about
        insights = (about.get("library") or {}).get("insights", "?")
        state = f"commit {str(about.get('commit') or 'unknown')[:7]}{' with changes' if about.get('dirty') else ''}"
        asked = f"{about.get('questions', len(run.rows))} questions, {insights} insights, {state}"
        lines = [f"{letter}  {run.name}", asked]
        changed = settings_changed(first, run)
        if run is not first:
            same = "with the same settings, weights and code as A"
            lines.append(f"against A: {'; '.join(changed)}" if changed else same)
        items.append(lines)
    return _Block("Runs", items, said=comparison.notes)


def _the_measures(comparison: Comparison) -> list[_Block]:
    """One table as long as the runs fit beside each other, else several."""
    fit = 2
    told = {
        name: measure
        for name, measure in comparison.measures.items()
        if any(column[name] is not None for column in comparison.estimates)
    }
    said = (
        f"In brackets: what the middle {CONFIDENCE:.0%} of {RESAMPLES:,} resamples of the questions give ({FEWER:,}"
        " where a measure isn't a mean over questions). Without width, all resamples agree: with n questions, up"
        " to 3/n of others may still score differently.",
        *_listing("Without a value", comparison.measures.keys() - told.keys(), comparison.measures),
    )
    blocks = []
    for start in range(0, len(comparison.runs), fit):
        letters = LETTERS[start : start + fit][: len(comparison.runs) - start]
        columns = comparison.estimates[start : start + fit]
        table = [("measure", "good", *letters)]
        for name, measure in told.items():
            table.append((name, "high" if measure.higher else "low", *(_shown(column[name]) for column in columns)))
        blocks.append(_Block(f"Measures of {' and '.join(letters)}", table=table, said=() if start else said))
    return blocks


def _the_differences(letter: str, differences: Mapping[str, Difference | None]) -> _Block:
    table = [("measure", f"{letter} - A", "interval", "worse", "better", "clearly")]
    same, untold = [], []
    for name, each in differences.items():
        if each is None:
            untold.append(name)
        elif each.clearly == "same":
            same.append(name)
        else:
            shares = (_share(each.worse), _share(each.better))
            table.append((name, _signed(each.value), _bracket(each.interval, "+.3f"), *shares, each.clearly))
    said = [
        *_listing("The same in every resample", same, same),
        *_listing(f"Without a value in A or {letter}", untold, untold),
    ]
    if len(table) == 1:
        return _Block(f"{letter} against A", said=said)
    said.append(
        f"Worse, better: the share of resamples in which {letter} is, whichever way the measure is good. Clearly: the"
        " interval excludes 0; where nothing stands there, these questions can't tell the two apart."
    )
    if any(name.startswith("seconds") for name, *_ in table):
        said.append("Intervals know of the questions, not of what else the machine did: measure times twice.")
    return _Block(f"{letter} against A", table=table, said=said)


def _listing(what: str, names: Collection[str], order: Iterable[str]) -> list[str]:
    return [f"{what}: {', '.join(name for name in order if name in names)}."] if names else []


def _the_stages(comparison: Comparison) -> _Block:
    counts = [count_stages(run.rows) for run in comparison.runs]
    seen = [stage for stage in STAGES if any(count[stage] for count in counts)]
    letters = LETTERS[: len(comparison.runs)]
    table = [("stage", *letters, "what it means")]
    table += [(stage, *(str(count[stage]) for count in counts), STAGES[stage]) for stage in seen]
    said = ['Told by words: a right answer that lacks the short answer\'s words is "written wrong".']
    return _Block("Where answers were lost, in questions", table=table, said=said * ("written wrong" in seen))


def _the_moves(letter: str, first: Run, run: Run) -> _Block:
    found = moves(first.rows, run.rows)
    seen = [stage for stage in STAGES if any(stage in pair for pair in found)]
    table = [(f"from A to {letter}", *map(str, range(1, len(seen) + 1)))]
    for number, stage in enumerate(seen, 1):
        table.append((f"{number} {stage}", *(str(found.get((stage, other)) or ".") for other in seen)))
    same = sum(count for (a, b), count in found.items() if a == b)
    said = f"Each line is a stage in A, each column one in {letter}. {same} of {len(run.rows)} questions stayed."
    sources = f"Their answers cite the same insights to {consistency(first, run):.3f} (Jaccard; 1: all the same)."
    return _Block(f"From stage to stage, A to {letter}", table=table, said=(said, sources))


def _the_changes(first: Run, run: Run, letter: str, by: str, most: int) -> list[_Block]:
    better, worse, lone = changes(MEASURES[by], first.rows, run.rows)
    same = len(run.rows) - len(better) - len(worse) - lone
    said = [f"{by}: {letter} is better in {len(better)} questions, worse in {len(worse)}, not different in {same}."]
    if lone:
        said.append(f"In {lone} only one of the two has a value.")
    blocks = [_Block(f"Questions that changed, A to {letter}", said=[" ".join(said)])]
    for word, side in (("Better", better), ("Worse", worse)):
        if side:
            more = [f"And {len(side) - most} more: --most {len(side)} shows them."] if len(side) > most else []
            items = [_change_lines(change, letter) for change in side[:most]]
            blocks.append(_Block(f"{word} in {letter} by {by}", items, said=more))
    return blocks


def _change_lines(change: Change, letter: str) -> list[str]:
    row = change.before
    return [
        f"{row.question_id} ({row.type}) {_number(change.old)} -> {_number(change.new)}",
        f"Q: {row.question}",
        f"A: {_answer(change.before)}",
        f"{letter}: {_answer(change.after)}",
    ]


def _answer(row: Row) -> str:
    if row.failed:
        return f"failed: {row.error}"
    return "not in the insights" if row.refused else f"[{', '.join(row.cited)}] {row.answer}"


def _the_checks(checks: Sequence[Check]) -> _Block:
    failed = [check for check in checks if not check.passed]
    said = [f"FAILED: {check.said}" for check in failed]
    return _Block("Checks", said=[*said, f"{len(checks) - len(failed)} of {len(checks)} passed."])


def _as_text(block: _Block) -> str:
    parts = [block.heading, "-" * len(block.heading)]
    if block.items:
        lines = [_fitted(line, 3 * (number > 0)) for item in block.items for number, line in enumerate(item)]
        parts.append("\n".join(lines))
    if block.table:
        parts.append(_aligned(block.table))
    parts += [textwrap.fill(sentence, WIDTH) for sentence in block.said]
    return "\n".join(parts)


def _fitted(line: str, indent: int) -> str:
    """A line of an item: wrapped to two lines, the rest cut."""
    return textwrap.fill(
        line,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 3),
        max_lines=2,
        placeholder=" …",
    )


def _as_markdown(block: _Block) -> str:
    parts = [f"### {block.heading}"]
    if block.items:
        items = (
            "<br>".join(_escaped(textwrap.shorten(line, 240, placeholder=" …")) for line in item)
            for item in block.items
        )
        parts.append("\n".join(f"- {item}" for item in items))
    if block.table:
        head, *body = ([_escaped(cell).replace("|", "\\|") for cell in line] for line in block.table)
        rule = ["---:" if right else "---" for right in _right(block.table)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *body)))
    return "\n\n".join([*parts, *map(_escaped, block.said)])


def _escaped(line: str) -> str:
    """Text that stays as it is in Markdown; an underscore within a word, as in a measure's name, does so anyway."""
    line = line.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\*`]|(?<!\w)_|_(?!\w)", r"\\\g<0>", line)


def _aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell: numbers to the right, words to the left."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    right = _right(table)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if numbers else cell.ljust(width)
            for cell, width, numbers in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in table
    )


def _right(table: Sequence[Sequence[str]]) -> list[bool]:
    """For each column whether it holds nothing but numbers below its name."""
    return [all(map(_NUMBERS.fullmatch, column[1:])) for column in zip(*table, strict=True)]


def _shown(each: Estimate | None) -> str:
    return "–" if each is None else f"{_number(each.value)} {_bracket(each.interval, '.3f')}"


def _bracket(interval: Interval | None, form: str) -> str:
    return "–" if interval is None else f"[{interval[0] + 0.0:{form}}, {interval[1] + 0.0:{form}}]"


def _number(value: float) -> str:
    return f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value + 0.0:+.3f}"


def _share(share: float) -> str:
    """In per cent, never rounded to a certainty that isn't one."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _estimate_json(each: Estimate) -> dict[str, Any]:
    return {"value": each.value, "interval": each.interval and list(each.interval)}


def _difference_json(each: Difference | None) -> dict[str, Any] | None:
    if each is None:
        return None
    interval = each.interval and list(each.interval)
    shares = {"worse": each.worse, "better": each.better, "clearly": each.clearly}
    return {"value": each.value, "interval": interval, **shares}


def _changes_json(first: Run, run: Run, by: str) -> dict[str, Any]:
    better, worse, lone = changes(MEASURES[by], first.rows, run.rows)
    return {"by": by, "better": _listed(better), "worse": _listed(worse), "only_one_has_a_value": lone}


def _listed(found: Iterable[Change]) -> list[dict[str, Any]]:
    return [
        {
            "id": each.before.question_id,
            "collection": each.before.collection,
            "type": each.before.type,
            "question": each.before.question,
            "old": each.old,
            "new": each.new,
            "answers": [_answer(each.before), _answer(each.after)],
        }
        for each in found
    ]
