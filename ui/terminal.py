"""Answers and lists on a terminal or in a pipe. In a pipe there are no colours, boxes or cursor movements."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from corpus.insight import Insight
from corpus.items import Problem, source_beside
from rag.datatypes import Answer, Hit, Phase, Status, Step
from rag.models import Report
from ui.record import SURE, filtered, find, marked_text, number, shown, sought

if TYPE_CHECKING:
    from corpus.imports import Report as AddReport
    from corpus.library import Library

PHASES = {
    Phase.SEARCHING: "Searching the insights",
    Phase.READING: "Reading the nearest ones",
    Phase.WRITING: "Wording and checking the answer",
}
PARTLY = "The insights answer this only in part."
MISSING = "Not in your insights."
NEAREST = "The nearest ones:"
WIDEST = 100  # columns: longer lines are hard to read
MOST_PAIRS = 10  # of near-duplicates that are named
CUT = "[…]"  # stands in a source for characters that the answer above has already quoted


class WhereCounted(ProgressColumn):
    """A column that is left out where the end of a task isn't known."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self._column = column

    def render(self, task: Task) -> RenderableType:
        """The column, or nothing."""
        return self._column(task) if task.total else Text()


@contextmanager
def progress() -> Iterator[Report]:
    """A Report that draws on standard error: a bar or spinner on a terminal, one line a task elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        told: set[str] = set()

        def tell(task: str, done: int, total: int) -> None:
            if task not in told and not task.startswith(("Loading", "Checking", "Reading")):
                told.add(task)
                sys.stderr.write(f"{task} …\n")

        yield tell
        return
    counted = map(WhereCounted, (BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn()))
    with Progress(
        SpinnerColumn(), TextColumn("{task.description} …"), *counted, console=console, transient=True
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def draw(task: str, done: int, total: int) -> None:
            if task not in tasks:
                for earlier in tasks.values():
                    bars.update(earlier, visible=False)
                tasks[task] = bars.add_task(task, total=total or None)
            bars.update(tasks[task], completed=done, total=total or None)

        yield draw


def show(steps: Iterator[Step]) -> Answer:
    """Draw the answer as it comes about; returns it finished."""
    console = _console()
    answer: Answer | None = None
    with Live(console=console, auto_refresh=True, transient=True) as live:
        for step in steps:
            answer = step.answer
            waiting = [Spinner("dots", PHASES[step.phase])] if step.phase is not Phase.DONE else []
            live.update(Group(*_parts(answer, step.phase), *waiting))
    assert answer is not None  # a stream has at least its last step
    console.print(Group(*_parts(answer, Phase.DONE)))
    return answer


def plain(answer: Answer) -> str:
    """The answer for a pipe: sentences with markers, then every quote, then which library was asked."""
    numbers = number(answer)
    lines: list[str] = []
    if answer.status is Status.NOT_IN_LIBRARY:
        lines += [f"{MISSING} {_sought(answer)}".rstrip()]
        lines += ["", NEAREST] if answer.nearest else []
        lines += [f"- {_line(hit.insight)}" for hit in answer.nearest]
    else:
        lines += [PARTLY] if answer.status is Status.PARTLY else []
        lines += [" ".join(marked_text(claim, numbers) for claim in shown(answer)), ""]
        for hit, n in _sources(answer):
            spans = _spans(answer, hit.insight.insight_id)
            quotes = " … ".join(hit.insight.text[start:end] for start, end in spans)
            lines.append(f"[{n}] “{quotes}”{_about(hit.insight)}")
    return "\n".join([*lines, "", _asked(answer)]) + "\n"


def show_hits(hits: Sequence[Hit], library: str) -> None:
    """The nearest insights, best first: on a terminal to read, in a pipe one a line: score, id and text, by tabs."""
    if not sys.stdout.isatty():
        for hit in hits:
            sys.stdout.write(f"{hit.score:.2f}\t{hit.insight.insight_id}\t{_line(hit.insight)}\n")
    else:
        console = _console()
        for rank, hit in enumerate(hits, 1):
            about = Text.assemble("\n", (f"{hit.score:.2f}  {hit.insight.insight_id}{_about(hit.insight)}", "dim"))
            console.print(_entries([(f"{rank}.", Text.assemble(hit.insight.text, about))]))
    _tell(f"{len(hits)} nearest in {_named(library)}.")


def show_insights(insights: Sequence[Insight], library: str) -> None:
    """The insights with their ids: on a terminal to read, in a pipe one a line: id and text, by a tab."""
    if not sys.stdout.isatty():
        for insight in insights:
            sys.stdout.write(f"{insight.insight_id}\t{_line(insight)}\n")
    else:
        console = _console()
        for insight in insights:
            console.print(Text.assemble((insight.insight_id, "cyan"), (_about(insight), "dim")))
            console.print(Padding(Text(insight.text), (0, 0, 1, 2)))
    _tell(f"{counted(len(insights))} in {_named(library)}.")


def show_problems(problems: Iterable[Problem]) -> None:
    """Each item that can't be read, with the reason: on standard error."""
    for problem in problems:
        sys.stderr.write(f"unreadable  {problem}\n")
    sys.stderr.flush()


def show_report(report: "AddReport", library: "Library", *, problems: bool = True) -> None:
    """What an import did; with `problems` every unreadable item with its reason, too."""
    if problems:
        show_problems(report.unreadable)
    sys.stdout.write(f"{counts(report)}. {library.name} now holds {counted(library.count())}.\n")
    if report.near:
        sys.stdout.write(f"{near_duplicates(report, 'linked')}\n")
    sys.stdout.flush()


def counts(report: "AddReport") -> str:
    """The counts of an import on one line."""
    removed = f", {report.removed} removed" if report.removed else ""
    return (
        f"{report.new} new, {report.changed} changed, {report.unchanged} unchanged, {report.duplicate} duplicate, "
        f"{len(report.unreadable)} unreadable{removed}"
    )


def near_duplicates(report: "AddReport", done: str) -> str:
    """Which of the new and changed insights are nearly there already, the first few by their ids."""
    count = len({one for one, _ in report.near})
    pairs = [f"{one} ~ {other}" for one, other in report.near[:MOST_PAIRS]]
    more = f" and {len(report.near) - MOST_PAIRS:,} more" if len(report.near) > MOST_PAIRS else ""
    return f"{count:,} near-duplicate{'s' * (count != 1)}, {done}: {', '.join(pairs)}{more}."


def counted(insights: int) -> str:
    """So many insights, in words."""
    return f"{insights:,} insight{'s' * (insights != 1)}"


def _parts(answer: Answer, phase: Phase) -> list[RenderableType]:
    done: list[RenderableType] = [Text(_asked(answer), style="dim")] if phase is Phase.DONE else []
    if answer.status is Status.NOT_IN_LIBRARY:
        if phase is not Phase.DONE:
            return []
        nearest = [("•", Text.assemble(hit.insight.text, _lower(hit.insight))) for hit in answer.nearest]
        if nearest:
            done = [Text(NEAREST, style="dim"), _entries(nearest), *done]
        if looked := _sought(answer):
            done = [Text(f"{looked}\n", style="dim"), *done]
        return [Text(MISSING, style="bold yellow"), *done]
    numbers = number(answer)
    parts: list[RenderableType] = [Text(PARTLY, style="yellow")] if answer.status is Status.PARTLY else []
    if claims := shown(answer):
        text = Text(" ".join(marked_text(claim, numbers) for claim in claims))
        text.highlight_regex(r"\[\d+\]", "bold cyan")  # a bracketed number of the claim's own is (n) by now
        parts.append(Padding(text, (0, 0, 1, 0)))
    return [*parts, _entries([(f"[{n}]", _source(answer, hit)) for hit, n in _sources(answer)]), *done]


def _entries(rows: Iterable[tuple[str, Text]]) -> RenderableType:
    """A list with its numbers in a column of their own, and an empty line below each entry."""
    table = Table.grid(padding=(0, 1))
    table.add_column(style="bold cyan", no_wrap=True, justify="right")
    table.add_column()
    for sign, text in rows:
        table.add_row(Text(sign), text)
        table.add_row()
    return table


def _sources(answer: Answer) -> list[tuple[Hit, int]]:
    """The cited insights with their display numbers, in that order."""
    hits = {hit.insight.insight_id: hit for hit in (*answer.hits, *(item.hit for item in answer.evidence))}
    return [(hits[insight_id], n) for insight_id, n in number(answer).items()]


def _source(answer: Answer, hit: Hit) -> Text:
    """The insight, dim, with the supporting characters bright; what stands verbatim in the answer isn't repeated."""
    insight = hit.insight
    text = Text(insight.text, style="dim")
    for start, end in _spans(answer, insight.insight_id):
        text.stylize("not dim bold", start, end)
    pieces, last = [], 0
    for start, end in _joined(_spans(answer, insight.insight_id, verbatim=True), insight.text):
        pieces += [text[last:start], Text(CUT, style="cyan")]
        last = end
    rest = Text().join([*pieces, text[last:]])
    if rest.plain.strip() == CUT:
        rest = Text("quoted in full above", style="dim italic")
    return Text.assemble(rest, _lower(insight))


def _spans(answer: Answer, insight_id: str, *, verbatim: bool = False) -> list[tuple[int, int]]:
    """The cited characters of an insight in order; with `verbatim` only of claims that are these very characters."""
    found: set[tuple[int, int]] = set()
    cited = [(claim.text, citation) for claim in shown(answer) for citation in claim.citations]
    if not shown(answer) and not verbatim:
        cited = [("", item.citation) for item in answer.evidence]
    for said, citation in cited:
        hit = find(answer, citation.passage_id)
        if hit is None or hit.insight.insight_id != insight_id:
            continue
        if not verbatim or hit.insight.text[citation.start : citation.end] == said:
            found.add((citation.start, citation.end))
    return sorted(found)


def _joined(spans: Iterable[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    """Spans in order, those that overlap or have only spaces between them made one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _console() -> Console:
    console = Console(highlight=False)
    console.width = min(console.width, WIDEST)
    return console


def _tell(text: str) -> None:
    """A remark on a list: below it on a terminal; in a pipe on standard error, so that every line is an entry."""
    sys.stdout.flush()
    (sys.stdout if sys.stdout.isatty() else sys.stderr).write(f"{text}\n")


def _line(insight: Insight) -> str:
    return " ".join(insight.text.split()) + _about(insight)


def _lower(insight: Insight) -> Text:
    """Where an insight is from, on a line below it."""
    about = _about(insight).removeprefix(" ")
    return Text(f"\n{about}" if about else "", style="dim italic")


def _about(insight: Insight) -> str:
    known = [part for part in (insight.author, insight.title, source_beside(insight), insight.date) if part]
    return f" — {', '.join(known)}" if known else ""


def _named(library: str) -> str:
    return "demo, the insights that ship with Footnoted" if library == "demo" else library


def _sought(answer: Answer) -> str:
    """What was looked for in vain, in words."""
    if answer.trace.filters and not answer.trace.among:
        return f"No insight meets the filter: {filtered(answer.trace.filters)}."
    return f"Looked for: {', '.join(words)}." if (words := sought(answer)) else ""


def _asked(answer: Answer) -> str:
    """How sure the answer is, of which insights it was asked, and how long it took."""
    trace = answer.trace
    parts = [SURE[trace.sure]] if trace.sure in SURE else []
    among = f", {counted(trace.among)} ({filtered(trace.filters)})" if trace.filters else ""
    return " · ".join([*parts, f"Asked: {_named(trace.library)}{among}", f"{trace.seconds.get('total', 0.0):.1f} s"])
