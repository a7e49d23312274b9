"""Answers and lists on a terminal or in a pipe. In a pipe there are no colours, boxes or cursor movements."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.spinner import Spinner
from rich.text import Text

from corpus.insight import Insight
from rag.datatypes import Answer, Hit, Phase, Status, Step
from rag.models import Report
from ui.record import marked_text, number

if TYPE_CHECKING:
    from corpus.library import Library
    from corpus.library import Report as AddReport

PHASES = {
    Phase.SEARCHING: "Searching the insights",
    Phase.READING: "Reading the nearest ones",
    Phase.WRITING: "Wording and checking the answer",
}
PARTLY = "The insights answer this only in part."
MISSING = "Not in your insights."


@contextmanager
def progress() -> Iterator[Report]:
    """A Report that draws on standard error: a bar or spinner on a terminal, one line a task elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        told: set[str] = set()

        def tell(task: str, done: int, total: int) -> None:
            if task not in told and not task.startswith(("Loading", "Checking")):
                told.add(task)
                sys.stderr.write(f"{task} …\n")

        yield tell
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
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
    console = Console(highlight=False)
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
    """The answer for a pipe: sentences with markers, then the quotes, then which library was asked."""
    numbers = number(answer)
    lines: list[str] = []
    if answer.status is Status.NOT_IN_LIBRARY:
        lines += [f"{MISSING} The nearest ones:", ""]
        lines += [f"- {hit.insight.text}{_about(hit.insight)}" for hit in answer.nearest]
    else:
        lines += [PARTLY] if answer.status is Status.PARTLY else []
        lines += [" ".join(marked_text(claim, numbers) for claim in answer.claims), ""]
        for insight_id, n in numbers.items():
            hit = next(hit for hit in answer.hits if hit.insight.insight_id == insight_id)
            quotes = " … ".join(_quotes(answer, insight_id))
            lines.append(f"[{n}] “{quotes}”{_about(hit.insight)}")
    return "\n".join([*lines, "", _asked(answer)]) + "\n"


def show_hits(hits: Sequence[Hit], library: str) -> None:
    """The nearest insights with their scores."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for hit in hits:
        console.print(Text.assemble((f"{hit.rank}. ", "bold cyan"), hit.insight.text, (_about(hit.insight), "dim")))
        console.print(Text(f"   {hit.score:.2f}  {hit.insight.insight_id}", style="dim"))
    console.print(Text(f"{len(hits)} nearest in {library}.", style="dim"))


def show_insights(insights: Sequence[Insight], library: str) -> None:
    """The insights with their ids."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for insight in insights:
        console.print(Text.assemble((insight.insight_id, "cyan"), "  ", insight.text, (_about(insight), "dim")))
    console.print(Text(f"{len(insights)} insight{'s' * (len(insights) != 1)} in {library}.", style="dim"))


def show_report(report: "AddReport", library: "Library") -> None:
    """What an import did, every unreadable item with its reason."""
    for problem in report.unreadable:
        where = f"{problem.path}:{problem.line}" if problem.line else str(problem.path)
        sys.stdout.write(f"unreadable  {where}: {problem.reason}\n")
    counts = (
        f"{report.new} new, {report.changed} changed, {report.unchanged} unchanged, {report.duplicate} duplicate, "
        f"{len(report.unreadable)} unreadable"
    )
    sys.stdout.write(f"{counts}. {library.name} now holds {library.count()} insights.\n")
    sys.stdout.flush()


def _parts(answer: Answer, phase: Phase) -> list[RenderableType]:
    numbers = number(answer)
    parts: list[RenderableType] = []
    if answer.status is Status.NOT_IN_LIBRARY:
        if phase is Phase.DONE:
            parts.append(Text(MISSING, style="bold yellow"))
            parts.append(Text("The nearest ones:", style="dim"))
            parts += [
                Padding(Text.assemble(h.insight.text, (_about(h.insight), "dim")), (0, 0, 1, 2)) for h in answer.nearest
            ]
            parts.append(Text(_asked(answer), style="dim"))
        return parts
    if answer.status is Status.PARTLY:
        parts.append(Text(PARTLY, style="yellow"))
    if answer.claims:
        parts.append(Padding(Text(" ".join(marked_text(claim, numbers) for claim in answer.claims)), (0, 0, 1, 0)))
    for insight_id, n in numbers.items():
        hit = next(hit for hit in answer.hits if hit.insight.insight_id == insight_id)
        quote = _highlighted(answer, hit)
        parts.append(
            Padding(Text.assemble((f"[{n}] ", "bold cyan"), quote, (_about(hit.insight), "dim")), (0, 0, 1, 2))
        )
    if phase is Phase.DONE:
        parts.append(Text(_asked(answer), style="dim"))
    return parts


def _highlighted(answer: Answer, hit: Hit) -> Text:
    """The insight, dim, with the supporting characters bright."""
    text = Text(hit.insight.text, style="dim")
    for start, end in _spans(answer, hit.insight.insight_id):
        text.stylize("not dim bold", start, end)
    return text


def _spans(answer: Answer, insight_id: str) -> list[tuple[int, int]]:
    cited = [citation for claim in answer.claims for citation in claim.citations]
    cited = cited or [item.citation for item in answer.evidence]
    found = {(c.start, c.end) for c in cited if answer.hit(c.passage_id).insight.insight_id == insight_id}
    return sorted(found)


def _quotes(answer: Answer, insight_id: str) -> list[str]:
    text = next(hit.insight.text for hit in answer.hits if hit.insight.insight_id == insight_id)
    return [text[start:end] for start, end in _spans(answer, insight_id)]


def _about(insight: Insight) -> str:
    known = [part for part in (insight.author, insight.title, insight.source, insight.date) if part]
    return f" — {', '.join(known)}" if known else ""


def _asked(answer: Answer) -> str:
    seconds = answer.trace.seconds.get("total", 0.0)
    return f"Asked: {answer.trace.library} · {seconds:.1f} s"
