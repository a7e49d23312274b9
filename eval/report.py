"""Results as text: a summary of the measures, and one line for each type of question."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# What each measure is called in a report; a measure without an entry here is shown under its own name.
MEANINGS = {
    "recall@1": "gold insights retrieved first",
    "recall@5": "gold insights among the first 5",
    "recall@20": "gold insights among the first 20",
    "ndcg@10": "order of the first 10, discounted",
    "rr@10": "1 / rank of the first gold insight",
    "citation_precision": "citations shown that are gold",
    "citation_recall": "gold insights cited",
    "refusal_rate": "unanswerable questions refused",
    "false_refusal_rate": "answerable questions refused (low is good)",
    "answerable_auc": "answerable told from unanswerable (area under the ROC curve)",
    "short_answer": "answers that hold the short answer",
    "unsupported_rate": "sentences that fail an independent check (low is good)",
    "prose_rate": "answers that are not only quotes",
    "seconds_p50": "seconds a question: half take no longer",
    "seconds_p95": "seconds a question: 95% take no longer",
}
_COLUMNS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "type": lambda row: row["type"],
    "questions": lambda row: row["questions"],
    "recall@5": lambda row: row["recall@5"],
    "cite prec": lambda row: row["citation_precision"],
    "cite rec": lambda row: row["citation_recall"],
    # Of unanswerable questions a high share is good, of all others a low one.
    "refused": lambda row: row["refusal_rate"] if row["false_refusal_rate"] is None else row["false_refusal_rate"],
    "short": lambda row: row["short_answer"],
    "prose": lambda row: row["prose_rate"],
}


def table(results: Mapping[str, Any]) -> str:
    """For the terminal: aligned, at most 80 columns wide as long as the types' names are short."""
    measures = [(name, _number(value), MEANINGS.get(name, "")) for name, value in results["measures"].items()]
    return (
        "\n\n".join((_provenance(results), _aligned(measures), _aligned(_by_type(results)))) + _failures(results) + "\n"
    )


def markdown(results: Mapping[str, Any]) -> str:
    """For LOG.md and README.md."""
    measures = [("measure", "value", "what it is")]
    measures += [(f"`{name}`", _number(value), MEANINGS.get(name, "")) for name, value in results["measures"].items()]
    return "\n\n".join((_provenance(results), _piped(measures), _piped(_by_type(results)))) + _failures(results) + "\n"


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
    commit = (results["commit"][:12] or "unknown") + (" with changes" if results["dirty"] else "")
    machine = results["machine"]
    return (
        f"{results['questions']} questions to {results['library']['insights']} insights on {results['date'][:10]}\n"
        f"commit {commit}, settings {results['config_fingerprint']}; {machine['cores']} cores, {machine['cpu']}"
    )


def _by_type(results: Mapping[str, Any]) -> list[Sequence[str]]:
    groups = [{"type": name, **group} for name, group in results["by_type"].items()]
    return [tuple(_COLUMNS), *(tuple(_number(column(group)) for column in _COLUMNS.values()) for group in groups)]


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
