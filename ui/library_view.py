"""The library tab as HTML: pure functions over templates that escape everything.

The list on the left is one piece, the page on the right another: an insight, a form, a preview or what came of it. A
page is told by its data-id: an insight's id, or a name that begins with a space, which no id does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corpus.browse import EVERYTHING, Facet, Selection
from corpus.edit import EDITABLE
from corpus.export import EXPORTS
from corpus.imports import Import, Outcome, Planned, Report, Undone, differing
from corpus.insight import Insight
from corpus.items import Problem
from corpus.readers import FORMATS, READABLE
from corpus.rows import tags_as_text
from rag.datatypes import Hit
from ui.inbox import MAX_FILE, MAX_FILES, MAX_PASTE
from ui.removals import KEPT
from ui.render import heading, meta, named, preview, templates, web_address

LISTED = 40  # items of each kind that a preview or a result names
FIRST_VALUES = 8  # of a facet; the others are folded
SORTS = {
    "imported": "As imported",
    "latest": "Last added first",
    "newest": "Newest first",
    "title": "By title",
    "author": "By author",
}
FACETS = {"author": "Author", "source": "Source", "tag": "Tag", "year": "Year"}
READ_AS = {"": "Find out by itself"} | {name: form.title for name, form in FORMATS.items() if form.is_text}
LABELS = {
    "text": "Text",
    "title": "Title",
    "author": "Author",
    "source": "Source",
    "url": "Address",
    "date": "Date",
    "tags": "Tags",
    "note": "Your note",
}
HINTS = {
    "date": "2024, 2024-05 or 2024-05-11",
    "tags": "With commas between them",
    "source": "The show, book, talk or report",
}
OUTCOMES = {
    Outcome.NEW: "New",
    Outcome.CHANGED: "Changed",
    Outcome.UNREADABLE: "Can’t be read",
    Outcome.DUPLICATE: "Duplicates, left out",
    Outcome.REMOVED: "Removed",
    Outcome.UNCHANGED: "There already",
}
NEAR = "Nearly the same is there already: the two will be linked."
TALLY = {Outcome.UNCHANGED: "there already"}


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be done with the library that is asked."""

    change: bool  # edit, delete, undo
    add: bool  # into it, or into a library of one's own that is made then
    own: str = ""  # where that one will be, or is, if it isn't the one that is asked
    why_not: str = ""  # a sentence, if it can't be changed


@dataclass(frozen=True, slots=True)
class Group:
    """A part of the list: its title (may be empty) and its insights."""

    title: str
    insights: tuple[Insight, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that the list shows."""

    groups: tuple[Group, ...] = ()
    matched: int = 0  # insights that the selection holds, shown or not
    total: int = 0  # insights in the library
    selection: Selection = EVERYTHING
    facets: tuple[Facet, ...] = ()
    more: int = 0  # how many to show next; 0: all are shown
    last: Import | None = None
    rights: Rights = Rights(change=False, add=False)
    problem: str = ""


# ------------------------------------------------------------------------------------------------------------- list


def shelf(shown: Shelf) -> str:
    """The list with what narrows and sorts it."""
    count = sum(len(group.insights) for group in shown.groups)
    return _render("shelf", s=shown, count=count, chips=_chips(shown.selection), facets=_facets(shown))


def _chips(selection: Selection) -> list[tuple[str, str]]:
    single = [(name, getattr(selection, name)) for name in ("author", "source", "year")]
    return [(name, value) for name, value in (*single, *(("tag", tag) for tag in selection.tags)) if value]


def _facets(shown: Shelf) -> list[Facet]:
    """The facets in which something is left to choose."""
    chosen = set(_chips(shown.selection))
    left = [
        Facet(f.name, tuple(pair for pair in f.values if (f.name, pair[0]) not in chosen), f.more) for f in shown.facets
    ]
    return [facet for facet in left if facet.values]


# ------------------------------------------------------------------------------------------------------------ pages


def insight_page(insight: Insight, related: Sequence[Hit], rights: Rights, again: Sequence[Insight] = ()) -> str:
    """An insight in full with its near-duplicates (`again`), its nearest neighbours and what can be done with it."""
    neighbours = list({hit.insight.insight_id: hit.insight for hit in related}.values())
    return _render("insight", i=insight, related=neighbours, rights=rights, again=again)


def add_form(rights: Rights, text: str = "", format_name: str = "", problem: str = "") -> str:
    """Where insights are pasted or files chosen."""
    return _render("add", rights=rights, text=text, chosen=format_name, problem=problem)


def preview_page(planned: Sequence[Planned], tokens: Sequence[str], read_as: Sequence[str], rights: Rights) -> str:
    """What an import would do, before it does it. `read_as` says of each file how it was read."""
    groups = []
    for outcome, label in OUTCOMES.items():
        rows = [_row(one) for one in planned if one.outcome is outcome]
        if rows:
            tally = TALLY.get(outcome, outcome.value)
            row: dict[str, object] = {"name": outcome.value, "label": label, "tally": tally}
            groups.append(row | {"count": len(rows), "rows": rows[:LISTED]})
    coming = sum(one.outcome in (Outcome.NEW, Outcome.CHANGED) for one in planned)
    return _render("planned", groups=groups, coming=coming, tokens=",".join(tokens), read_as=read_as, rights=rights)


def progress_page(task: str, done: int, total: int) -> str:
    """How far an import is; `total` 0 if that can't be said."""
    return _render("progress", task=task, done=done, total=total)


def done_page(report: Report, planned: Sequence[Planned], rights: Rights, moved: str = "") -> str:
    """What an import did. `moved` names the library that is asked from now on, if it is another one."""
    changes = [one.after for one in planned if one.outcome in (Outcome.NEW, Outcome.CHANGED)]
    problems = [_problem(problem) for problem in report.unreadable]
    told = _done_text(report)
    return _render("done", told=told, r=report, changes=changes[:LISTED], problems=problems, rights=rights, moved=moved)


def _done_text(report: Report) -> str:
    counts = [
        (report.new, "new"),
        (report.changed, "changed"),
        (report.unchanged, "there already"),
        (report.duplicate, "left out as duplicate" if report.duplicate == 1 else "left out as duplicates"),
        (len(report.unreadable), "unreadable"),
    ]
    near = len({one for one, _ in report.near})
    linked = f" {near:,} near-duplicate{'s' * (near != 1)}, linked to what is there already." if near else ""
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) + "." + linked


def undo_page(last: Import) -> str:
    """What undoing the last import would do."""
    return _render("undo", last=last)


def edit_form(insight_id: str, values: Mapping[str, str], problem: str = "") -> str:
    """An insight's fields, to change them."""
    return _render("edit", insight_id=insight_id, values=values, problem=problem)


def values_of(insight: Insight) -> dict[str, str]:
    """An insight's fields as a form shows them."""
    return {name: getattr(insight, name) for name in EDITABLE} | {"tags": tags_as_text(insight.tags)}


def message(name: str, title: str, text: str, problem: bool = False) -> str:
    """A page with one thing to say; `name` tells it from others."""
    return _render("message", name=name, title=title, text=text, problem=problem)


def deleted_page(token: str) -> str:
    """What stands in the place of a deleted insight; under the token it can be brought back, if it was there."""
    return _render("deleted", token=token, minutes=round(KEPT / 60))


def undone_text(undone: Undone) -> str:
    """What became of the insights of an import that was undone."""
    parts = [f"{undone.removed} removed", f"{undone.restored} as they were before"]
    kept = f" {undone.kept} changed since and stayed as they are." if undone.kept else ""
    return f"{', '.join(parts)}.{kept}"


def _row(one: Planned) -> dict[str, object]:
    if isinstance(one.item, Problem):
        return _problem(one.item)
    changes = []
    if one.outcome is Outcome.CHANGED and one.before and one.after:
        before, after = values_of(one.before), values_of(one.after)
        changes = [(LABELS[name], before[name], after[name]) for name in differing(one.before, one.after)]
    why = one.why if one.outcome is Outcome.DUPLICATE else NEAR if one.near else ""
    return {"insight": one.item, "why": why, "changes": changes}


def _problem(problem: Problem) -> dict[str, object]:
    where = f"{problem.path.name}, line {problem.line}" if problem.line else problem.path.name
    return {"where": where, "why": problem.reason}


_render = templates(
    "library.html",
    heading=heading,
    named=named,
    meta=meta,
    preview=preview,
    web_address=web_address,
    sorts=SORTS,
    facet_names=FACETS,
    formats=READ_AS,
    labels=LABELS,
    hints=HINTS,
    first_values=FIRST_VALUES,
    suffixes=",".join(READABLE),
    exports=EXPORTS,
    max_paste=MAX_PASTE,
    max_file=MAX_FILE,
    max_files=MAX_FILES,
)
