"""At which stage of the flow a question was lost: exactly one stage a question, told from what its row keeps.

    retrieve ─► rank ─► is it enough? ─► choose the evidence ─► write ─► verify ─► right

A question needs all of its gold insights. A gold insight that the answer cites was not lost on the way, wherever it was
ranked; for those that it doesn't cite, the earliest stage that lost one of them is the question's.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from eval.rows import Row
from eval.text import holds

HIGH = 5  # gold insights ranked below this are ranked low: no answer cites more than a few

# In the order of the flow: the first one that holds is the question's. The last two are for unanswerable questions.
STAGES = {
    "failed": "ended in an error",
    "not retrieved": "a gold insight isn't among the hits",
    "ranked low": f"a gold insight isn't among the first {HIGH}",
    "refused": "gold is among the first, yet refused",
    "not cited": "a gold insight is among the first, not cited",
    "written wrong": "cites gold, but lacks the short answer",
    "dropped by the verifier": "the short answer was written, not shown",
    "right": "cites gold, holds the short answer",
    "answered anyway": "unanswerable, yet answered",
    "rightly refused": "unanswerable, and refused",
}
GOOD = frozenset({"right", "rightly refused"})


def stage_lost(row: Row) -> str:
    """The stage of STAGES that a question ended in. Those in GOOD lost nothing.

    "written wrong" is judged by words (`eval.text.holds`): a right answer in other words counts as wrong. Without a
    short answer the wording can't be judged, and without gold insights neither can what was retrieved and cited: such
    a question passes these stages.

    "dropped by the verifier" needs the sentences that weren't shown: the short answer must be held once they are
    added to the answer. A row that doesn't keep them says "written wrong" instead.
    """
    if row.failed:
        return "failed"
    if not row.answerable:
        return "rightly refused" if row.refused else "answered anyway"
    lost = set(row.gold) - set(row.cited)
    if not lost <= set(row.retrieved):
        return "not retrieved"
    if not lost <= set(row.retrieved[:HIGH]):
        return "ranked low"
    if row.refused:
        return "refused"
    if lost:
        return "not cited"
    if not row.short or holds(row.answer, row.short):
        return "right"
    return "dropped by the verifier" if _was_written(row) else "written wrong"


def count_stages(rows: Iterable[Row]) -> dict[str, int]:
    """How many questions ended in each stage of STAGES, in their order; stages without a question are there with 0."""
    counts = Counter(map(stage_lost, rows))
    return {stage: counts[stage] for stage in STAGES}


def moves(before: Sequence[Row], after: Sequence[Row]) -> dict[tuple[str, str], int]:
    """How many questions went from one stage to another between two runs; the n-th rows are of the same question."""
    return dict(Counter((stage_lost(a), stage_lost(b)) for a, b in zip(before, after, strict=True)))


def _was_written(row: Row) -> bool:
    # Each is the writer's sentence with the reason in brackets.
    sentences = [text.rpartition(" (")[0] or text for text in row.dropped]
    return bool(sentences) and holds(" ".join([row.answer, *sentences]), row.short)
