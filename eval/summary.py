"""What a run says, in words and figures: shared by its report as HTML and as Markdown.

Files of older runs lack some of what is asked for here; then the words say less, and nothing fails.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from eval.compare import Run
from eval.intervals import Interval
from eval.measures import MEASURES, Measure
from eval.retrieval import NAMES
from eval.rows import Row
from eval.stages import GOOD

# Where a measure is shown, by how its name begins; what fits nowhere is shown under the last.
_BEGIN = {
    "Retrieval": NAMES,
    "Citations": ("citation", "span"),
    "Refusals": ("refusal", "false_refusal", "answerable"),
    "Support": ("unsupported",),
    "Wording": ("short", "token_f1", "rouge", "prose", "paraphrase"),
    "Costs": ("tokens_", "seconds"),
    "Others": ("",),
}


def grouped() -> dict[str, list[str]]:
    """All measures, each in one group."""
    groups: dict[str, list[str]] = {group: [] for group in _BEGIN}
    for name in MEASURES:
        groups[next(group for group, begin in _BEGIN.items() if name.startswith(begin))].append(name)
    return groups


def number(name: str, value: float | None) -> str:
    """A measure's value with as many digits as say something, and its unit if it has one."""
    if value is None:
        return "–"
    if name.startswith("seconds"):
        return f"{value:.2f} s" if value >= 0.0995 else f"{value * 1000:.1f} ms"
    return f"{value:.1f}" if name.startswith("tokens") else f"{value:.3f}"


def interval_text(name: str, interval: Interval | None) -> str:
    """From where to where; "all alike" if all resamples gave the same value."""
    if interval is None:
        return "–"
    low, high = (number(name, end + 0.0) for end in interval)
    unit = high.partition(" ")[2]
    return "all alike" if interval[0] == interval[1] else f"{low.removesuffix(f' {unit}')} to {high}"


def told(measure: Measure, rows: Sequence[Row]) -> int | None:
    """Of how many questions a measure tells; None for one that only says something of all of them together."""
    return None if measure.each is None else sum(measure.each(row) is not None for row in rows)


def good_side(measure: Measure) -> str:
    """Which values are good: high or low."""
    return "high" if measure.higher else "low"


def counted(count: int, what: str) -> str:
    """1 question, 2 questions."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def lede(rows: Sequence[Row], counts: Mapping[str, int]) -> str:
    """The run in two or three sentences; `counts` are those of `eval.stages.count_stages`."""
    answerable = sum(row.answerable for row in rows)
    parts = []
    if answerable:
        right = f"{counts['right']} of {counted(answerable, 'answerable question')}"
        parts.append(f"{right} got an answer that cites all it should and holds the short answer")
    if answerable < len(rows):
        refused = counts["rightly refused"]
        parts.append(f"{refused} of {counted(len(rows) - answerable, 'unanswerable question')} were rightly refused")
    said = f"{'; '.join(parts)}." if parts else "No question was asked."
    lost = sorted(((count, stage) for stage, count in counts.items() if count and stage not in GOOD), reverse=True)
    if lost:
        said += f" Most of the others are lost here: {', '.join(f'{stage} ({count})' for count, stage in lost[:3])}."
    return said


def notes(run: Run) -> list[str]:
    """What whoever reads the figures must know."""
    said = []
    if run.about.get("dirty"):
        said.append("The code was not the commit's: from the commit alone these figures can't be had again.")
    if failed := sum(row.failed for row in run.rows):
        said.append(
            f"{failed} of {counted(len(run.rows), 'question')} ended in an error; such score worst in all measures."
        )
    if lacks := run.about.get("lacks"):
        said.append(f"The rows are of an older form, without {', '.join(lacks)}: what rests on that can't be told.")
    return said


def provenance(run: Run) -> list[tuple[str, str]]:
    """How the run came about: names and texts, in the order in which a reader wants them."""
    answerable = sum(row.answerable for row in run.rows)
    library, machine = _mapping(run, "library"), _mapping(run, "machine")
    insights = f"{library.get('insights', 'unknown')} insights, fingerprint {library.get('fingerprint', 'unknown')}"
    commit = str(run.about.get("commit") or "unknown")
    cores = f"{machine['cores']} cores" if "cores" in machine else ""
    python = f"Python {machine['python']}" if "python" in machine else ""
    about = [str(part) for part in (machine.get("cpu"), cores, machine.get("system"), python) if part]
    return [
        ("Run", run.name),
        ("Asked", f"{counted(len(run.rows), 'question')}: {answerable} answerable, {len(run.rows) - answerable} not"),
        ("Library", insights),
        ("Date", _date(str(run.about.get("date") or "unknown"))),
        ("Command", str(run.about.get("command") or "unknown")),
        ("Commit", commit[:12] + (", with changes" if run.about.get("dirty") else "")),
        ("Settings", f"fingerprint {run.about.get('config_fingerprint') or 'unknown'}"),
        ("Models", ", ".join(f"{part} {name}" for part, name in _mapping(run, "models").items()) or "unknown"),
        ("Machine", ", ".join(about) or "unknown"),
    ]


def settings(run: Run) -> str:
    """All settings of the run, or nothing if the file doesn't hold them."""
    return ", ".join(f"{name} {value}" for name, value in _mapping(run, "config").items())


def _mapping(run: Run, name: str) -> Mapping[str, Any]:
    value = run.about.get(name)
    return value if isinstance(value, Mapping) else {}


def _date(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M %Z}".strip()
    except ValueError:
        return text
