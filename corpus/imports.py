"""What an import does with each item, decided before anything is written: the dry run and the import share it.

    item ─► judge ─► Planned: new, changed, unchanged, duplicate or unreadable, and why

What a person edited stays edited: an item changes only those fields that its source tells differently than before.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from corpus.insight import FIELDS, Insight, content_id
from corpus.readers import Item, Problem

BATCH = 500  # insights in one transaction: what a kill in the middle of an import can lose
REMEMBERED = 20  # imports that can still be undone, the last one first


class Outcome(StrEnum):
    """What becomes of an item."""

    NEW = "new"
    CHANGED = "changed"  # the same id, but another text or other details
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"  # an id that came before in this import, or a text that is stored under another id
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the items of an import."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    duplicate: int = 0
    unreadable: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """An insight as the library has it."""

    insight: Insight
    told: Insight | None = None  # as its source told it, if the person has edited it since


@dataclass(frozen=True, slots=True)
class Planned:
    """What an import does, or would do, with one item."""

    item: Item
    outcome: Outcome
    why: str  # a sentence
    before: Insight | None = None  # what is stored under its id
    after: Insight | None = None  # what is stored under its id afterwards
    told: Insight | None = None  # a changed one as its source tells it, if that isn't what will be stored


@dataclass(frozen=True, slots=True)
class Import:
    """An import that can be undone."""

    number: int
    at: str  # ISO 8601, UTC
    origin: str  # what was imported, in the words of who did it
    new: int
    changed: int


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of the insights of an import that was undone."""

    removed: int = 0
    restored: int = 0
    kept: int = 0  # edited or imported again since: they stay as they are


def judge(item: Item, stored: Stored | None, holder: str | None, *, repeated: bool = False) -> Planned:
    """Decide on one item.

    `stored` is what its id stands for; `holder` the id under which its text is stored; `repeated`: its id came before
    in this import.
    """
    if isinstance(item, Problem):
        return Planned(item, Outcome.UNREADABLE, item.reason)
    if repeated:
        return Planned(item, Outcome.DUPLICATE, "Its id came before in this import.")
    if stored is None:
        if holder is not None:
            return Planned(item, Outcome.DUPLICATE, f"Its text is there already, with the id {holder}.")
        return Planned(item, Outcome.NEW, "It isn't in the library yet.", after=item)
    told = _filled(item, stored.told or stored.insight)
    after = _brought_up_to_date(stored, told)
    if after == stored.insight:
        edited = stored.told is not None and stored.told != stored.insight
        why = "You edited it, and its source is as before." if edited else "It is in the library as it is."
        return Planned(item, Outcome.UNCHANGED, why, before=stored.insight, after=after)
    why = f"Another {_listed(differing(stored.insight, after))} than in the library."
    return Planned(item, Outcome.CHANGED, why, before=stored.insight, after=after, told=told if told != after else None)


def plan(
    items: Iterable[Item],
    find: Callable[[str], Stored | None] = lambda insight_id: None,
    holders: Callable[[str], Sequence[str]] = lambda content: (),
) -> Iterator[Planned]:
    """What an import would do with each item, in order; nothing is written.

    `find` gives what is stored under an id, `holders` the ids of the insights with a text of this content id. Without
    them it is an import into an empty library.
    """
    contents: dict[str, str] = {}  # id -> content id, of what would be stored by then
    first: dict[str, str] = {}  # content id -> the id that would hold it first
    seen: set[str] = set()
    for item in items:
        if isinstance(item, Problem):
            yield judge(item, None, None)
            continue
        content = content_id(item.text)
        holder = next((id_ for id_ in holders(content) if contents.get(id_, content) == content), first.get(content))
        planned = judge(item, find(item.insight_id), holder, repeated=item.insight_id in seen)
        seen.add(item.insight_id)
        if planned.after is not None and planned.outcome in (Outcome.NEW, Outcome.CHANGED):
            contents[item.insight_id] = content_id(planned.after.text)
            first.setdefault(contents[item.insight_id], item.insight_id)
        yield planned


def reported(planned: Iterable[Planned]) -> Report:
    """The counts of a plan, and its problems."""
    counts: Counter[str] = Counter()
    problems: list[Problem] = []
    for one in planned:
        if isinstance(one.item, Problem):
            problems.append(one.item)
        else:
            counts[one.outcome.value] += 1
    return Report(**counts, unreadable=tuple(problems))


def differing(one: Insight, other: Insight) -> list[str]:
    """The names of the fields in which two insights differ."""
    return [name for name in FIELDS if getattr(one, name) != getattr(other, name)]


def packed(insight: Insight) -> str:
    """An insight as JSON, for the journal."""
    return json.dumps({name: getattr(insight, name) for name in FIELDS}, ensure_ascii=False)


def unpacked(text: str) -> Insight:
    """What `packed` was given."""
    values = json.loads(text)
    return Insight(**values | {"tags": tuple(values["tags"])})


def digest(insight: Insight) -> str:
    """32 hexadecimal digits that tell whether an insight is exactly as it was."""
    return hashlib.sha256(packed(insight).encode()).hexdigest()[:32]


def _filled(item: Insight, told: Insight) -> Insight:
    """Without a stable id the id says only that the text is the same: a plain copy must not wipe what a richer told."""
    if item.insight_id != content_id(item.text):
        return item
    return replace(item, **{name: getattr(told, name) for name in FIELDS if not getattr(item, name)})


def _brought_up_to_date(stored: Stored, told: Insight) -> Insight:
    """The stored insight with the fields that its source tells differently than before."""
    before = stored.told or stored.insight
    return replace(stored.insight, **{name: getattr(told, name) for name in differing(before, told)})


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
