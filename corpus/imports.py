"""What an import does with each item, decided before anything is written: the dry run and the import share it.

    item ─► judge ─► Planned: new, changed, unchanged, duplicate, removed or unreadable, and why

What a person edited stays edited: an item changes only those fields that its source tells differently than before.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from corpus.duplicates import Neighbours
from corpus.edit import edited
from corpus.errors import UsageError
from corpus.insight import FIELDS, Insight, content_id
from corpus.items import Item, Problem
from corpus.stored import storable

BATCH = 500  # insights in one transaction: what a kill in the middle of an import can lose
REMEMBERED = 20  # imports that can still be undone, the last one first


class Outcome(StrEnum):
    """What becomes of an item."""

    NEW = "new"
    CHANGED = "changed"  # the same id, but another text or other details
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"  # an id that came before in this import, or a text that is stored under another id
    REMOVED = "removed"  # only if asked for: its file doesn't hold it any more
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Found:
    """An item and where it stands: the absolute path of its file."""

    item: Item
    place: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the items of an import."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    duplicate: int = 0
    unreadable: tuple[Problem, ...] = ()
    removed: int = 0
    near: tuple[tuple[str, str], ...] = ()  # ids of a new or changed insight and of one that it is a near-duplicate of


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
    same_as: str = ""  # the id under which a duplicate's text is there
    near: tuple[str, ...] = ()  # the ids of those that a new text is a near-duplicate of, ascending


@dataclass(frozen=True, slots=True)
class Held:
    """What an import with pruning has found in its files. Without a scope, which is pruned, nothing is noted."""

    scope: tuple[str, ...] = ()  # absolute paths of files and folders
    places: dict[str, set[str]] = field(default_factory=dict)  # id -> the files in which it stands
    unsure: set[str] = field(default_factory=set)  # paths of what couldn't be read in full: nothing there is pruned

    def note(self, insight_id: str, place: str) -> None:
        """An insight was found."""
        if self.scope:
            self.places.setdefault(insight_id, set()).add(place)

    def covers(self, path: str) -> bool:
        """Whether what isn't found in this file any more is to be pruned."""
        return any(is_within(path, one) for one in self.scope) and not any(is_within(path, one) for one in self.unsure)

    def doubt(self, problem: Problem) -> None:
        """Something couldn't be read: it may be what seems to be gone."""
        self.unsure.add(storable(os.path.abspath(problem.path)))


@dataclass(frozen=True, slots=True)
class Import:
    """An import that can be undone."""

    number: int
    at: str  # ISO 8601, UTC
    origin: str  # what was imported, in the words of who did it
    new: int
    changed: int
    removed: int = 0


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
            why = f"Its text is there already, with the id {holder}."
            return Planned(item, Outcome.DUPLICATE, why, same_as=holder)
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
    items: Iterable[Item | Found],
    find: Callable[[str], Stored | None] = lambda insight_id: None,
    holders: Callable[[str], Sequence[str]] = lambda content: (),
    seen: set[str] | None = None,
    *,
    near: Callable[[str], Sequence[str]] = lambda text: (),
    vanished: Callable[[Held], Sequence[Insight]] = lambda held: (),
    prune: Sequence[str] = (),
) -> Iterator[Planned]:
    """What an import would do with each item, in order; nothing is written.

    `find` gives what is stored under an id, `holders` the ids of the insights with a text of this content id. Without
    them it is an import into an empty library. `seen` are the ids that came before in this import; those that come now
    are put into it. `near` gives the ids of a text's near-duplicates, and `vanished` what isn't in the files and
    folders of `prune` any more.
    """
    contents: dict[str, str] = {}  # id -> content id, of what would be stored by then
    first: dict[str, str] = {}  # content id -> the id that would hold it first
    seen = set() if seen is None else seen
    neighbours = Neighbours()
    held = Held(tuple(prune))
    for given in items:
        item, place = placed(given)
        if isinstance(item, Problem):
            held.doubt(item)
            yield judge(item, None, None)
            continue
        content = content_id(item.text)
        holder = next((id_ for id_ in holders(content) if contents.get(id_, content) == content), first.get(content))
        planned = judge(item, find(item.insight_id), holder, repeated=item.insight_id in seen)
        seen.add(item.insight_id)
        if planned.after is not None and planned.outcome in (Outcome.NEW, Outcome.CHANGED):
            contents[item.insight_id] = content_id(planned.after.text)
            first.setdefault(contents[item.insight_id], item.insight_id)
            if is_new_text(planned):
                text, own = planned.after.text, item.insight_id
                there = {other for other in near(text) if other != own and other not in neighbours}
                planned = replace(planned, near=tuple(sorted(there.union(neighbours.near(own, text)))))
                neighbours.put(own, text)
        held.note(planned.same_as or item.insight_id, place)
        yield planned
    for insight in vanished(held) if prune else ():
        yield Planned(insight, Outcome.REMOVED, "Its file doesn't hold it any more.", before=insight)


def reported(planned: Iterable[Planned]) -> Report:
    """The counts of a plan, and its problems."""
    counts: Counter[str] = Counter()
    problems: list[Problem] = []
    near: list[tuple[str, str]] = []
    for one in planned:
        if isinstance(one.item, Problem):
            problems.append(one.item)
        else:
            counts[one.outcome.value] += 1
            near += [(one.item.insight_id, other) for other in one.near]
    return Report(**counts, unreadable=tuple(problems), near=tuple(near))


def placed(given: Item | Found) -> tuple[Item, str]:
    """An item and its place, "" if that isn't a file."""
    return (given.item, given.place) if isinstance(given, Found) else (given, "")


def is_new_text(planned: Planned) -> bool:
    """Whether a text is stored that wasn't."""
    return planned.after is not None and (planned.before is None or planned.before.text != planned.after.text)


def is_within(path: str, other: str) -> bool:
    """Whether a path is another one or lies in that folder."""
    return path == other or path.startswith(other.rstrip(os.sep) + os.sep)


def edit(
    insight_id: str, stored: Stored | None, changes: Mapping[str, object], holders: Callable[[str], Sequence[str]]
) -> tuple[Stored, Insight]:
    """What is stored, and the insight as it is after an edit; nothing is written.

    `holders` gives the ids of the insights with a text of this content id. Raises UsageError as Library.edit does.
    """
    if stored is None:
        raise UsageError(f"No insight has the id {insight_id}.", "Look it up: footnoted library list")
    after = edited(stored.insight, changes)
    others = [holder for holder in holders(content_id(after.text)) if holder != insight_id]
    if others and after.text != stored.insight.text:
        raise UsageError(f"This text is there already, with the id {others[0]}.", "Edit that one instead.")
    return stored, after


def check_undo(last: int | None, number: int | None) -> None:
    """Raise UsageError if there is no last import, or if it isn't the one with this number; None means any."""
    if last is None:
        raise UsageError("There is no import to undo.", f"Only the last {REMEMBERED} can be undone.")
    if number not in (None, last):
        raise UsageError("This is not the last import any more.", "Look what the last one is, then undo that.")


def taken_back(stored: Stored | None, was: str | None, became: str) -> str:
    """What undoing an import does with an insight of it: "removed", "restored", "kept" as it is, or "gone" since.

    `was` is the insight that stood there before, `packed`; `became` the digest of what the import stored.
    """
    if stored is None:
        return "gone"
    if digest(stored.insight) != became:
        return "kept"
    return "removed" if was is None else "restored"


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
