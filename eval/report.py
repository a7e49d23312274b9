"""Results as text: a summary of the measures, and one line for each type of question."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eval.measures import MEASURES, OLD_NAMES
from eval.stages import STAGES
from eval.summary import interval_text
from eval.summary import number as with_unit

if TYPE_CHECKING:
    from eval.intervals import Estimate

# What each measure says, and where it isn't plain which side is good, that too.
MEANINGS = {
    name: measure.meaning + ("" if measure.higher or name.startswith(("seconds", "tokens")) else " (low is good)")
    for name, measure in MEASURES.items()
}
_COLUMNS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "type": lambda row: row["type"],
    "questions": lambda row: row["questions"],
    "R@5": lambda row: row["R@5"],
    "cite prec": lambda row: row["citation_precision"],
    "cite rec": lambda row: row["citation_recall"],
    # Of unanswerable questions a high share is good, of all others a low one.
    "refused": lambda row: row["refusal_recall"] if row["false_refusal_rate"] is None else row["false_refusal_rate"],
    "short": lambda row: row["short_answer"],
    "prose": lambda row: row["prose_rate"],
}


def table(results: Mapping[str, Any]) -> str:
    """For the terminal: aligned, at most 80 columns wide as long as the types' names are short."""
    measures = [(name, _number(value), MEANINGS.get(name, "")) for name, value in _named(results["measures"]).items()]
    return (
        "\n\n".join((_provenance(results), _aligned(measures), _aligned(_by_type(results)))) + _failures(results) + "\n"
    )


def markdown(
    results: Mapping[str, Any],
    found: "Mapping[str, Estimate | None] | None" = None,
    stages: Mapping[str, int] | None = None,
) -> str:
    """For LOG.md and README.md.

    `found` are the measures with their intervals (`eval.intervals.estimates`), which then stand in the place of the
    file's own values; `stages` how many questions ended in which (`eval.stages.count_stages`).
    """
    measures = [("measure", "value", "what it is")]
    measures += [
        (f"`{name}`", _number(value), MEANINGS.get(name, "")) for name, value in _named(results["measures"]).items()
    ]
    parts = [_provenance(results), _piped(measures if found is None else _with_intervals(found))]
    if found is not None:
        parts.append("Intervals: 95%, by a bootstrap over the questions; “all alike” where all of them score the same.")
    parts.append(_piped(_by_type(results)))
    parts += [_piped(_by_stage(stages))] if stages else []
    return "\n\n".join(parts) + _failures(results) + "\n"


def drawn(results: Mapping[str, Any], count: int, seed: int) -> str:
    """That many rows, drawn at random, as Markdown to read: question, gold answer, what was shown, what it cites."""
    rows = random.Random(seed).sample(results["rows"], min(count, len(results["rows"])))
    parts = [f"# {len(rows)} of {results['questions']} answers, drawn with seed {seed}", _provenance(results)]
    for number, row in enumerate(rows, 1):
        gold = row.get("gold_answer") or row["short"] or "not in the insights"
        parts.append(f"## {number}. {row['question']}\n\n{row['id']}, {row['type']}. Gold: {gold} {_ids(row['gold'])}")
        if row["status"] == "not_in_library":
            parts.append("*Not in your insights.*")
        parts += ["\n".join(map(_bullet, row["claims"]))] if row["claims"] else []
        parts += [f"Failed: {row['error']}"] if row["error"] else []
    return "\n\n".join(parts) + "\n"


def _bullet(claim: Mapping[str, Any]) -> str:
    kind = "quoted" if claim["verbatim"] else f"written, support {claim['support']:.2f}"
    return f"- {claim['text']} {_ids(claim['cited'])} ({kind})"


def _ids(ids: Sequence[str]) -> str:
    return f"[{', '.join(ids)}]" if ids else ""


def _provenance(results: Mapping[str, Any]) -> str:
    commit = str(results.get("commit") or "unknown")[:12] + (" with changes" if results.get("dirty") else "")
    machine, library = (results.get(name) or {} for name in ("machine", "library"))
    date = str(results.get("date") or "")[:10] or "a day unknown"
    settings = results.get("config_fingerprint") or "unknown"
    return (
        f"{results['questions']} questions to {library.get('insights', '?')} insights on {date}\n"
        f"commit {commit}, settings {settings}; {machine.get('cores', '?')} cores, {machine.get('cpu', 'unknown')}"
    )


def _with_intervals(found: "Mapping[str, Estimate | None]") -> list[Sequence[str]]:
    lines = [
        (f"`{name}`", with_unit(name, each.value), interval_text(name, each.interval), MEANINGS.get(name, ""))
        for name, each in found.items()
        if each is not None
    ]
    return [("measure", "value", "95% interval", "what it is"), *lines]


def _by_stage(stages: Mapping[str, int]) -> list[Sequence[str]]:
    counted = [(stage, STAGES[stage], str(count)) for stage, count in stages.items() if count]
    return [("stage", "what it means", "questions"), *counted]


def _by_type(results: Mapping[str, Any]) -> list[Sequence[str]]:
    groups = [{"type": name, **_named(group)} for name, group in results["by_type"].items()]
    return [tuple(_COLUMNS), *(tuple(_number(column(group)) for column in _COLUMNS.values()) for group in groups)]


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names that measures have now, also those of an older file."""
    return {OLD_NAMES.get(name, name): value for name, value in values.items()}


def _failures(results: Mapping[str, Any]) -> str:
    failed = [row for row in results["rows"] if row["error"]]
    if not failed:
        return ""
    return f"\n\nFailed: {len(failed)} of {results['questions']}. {failed[0]['id']}: {failed[0]['error']}"


def _number(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell: numbers to the right, words to the left."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    right = [_is_number(cell) for cell in lines[-1]]
    padded = (
        [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ]
        for line in lines
    )
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _piped(lines: Sequence[Sequence[str]]) -> str:
    rule = ["---:" if _is_number(cell) else "---" for cell in lines[-1]]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (lines[0], rule, *lines[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _is_number(cell: str) -> bool:
    return cell == "–" or cell[:1].isdigit()
