"""Copying a library into one of another kind: from a file to a server and back. `footnoted library migrate` calls it.

Everything goes along but internal numbers: insights in their order with their ids, passages, vectors, edits, links,
where they came from, and the journal, so that the last import can still be undone. A batch of insights is stored whole,
so a copy that was broken off goes on where it was; it is noted in the target which library it is a copy of. Whether all
arrived is told by checksums, which are computed from what either library says.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from corpus.errors import LibraryError, UsageError
from corpus.insight import FIELDS, Insight

BATCH = 500  # insights in one transaction
TABLES = ("insights", "order", "passages", "vectors", "edits", "imports", "journal", "links", "origins", "models")

EMPTY = "Name a target that is empty or isn't there yet."

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """An insight with what hangs on it."""

    number: int  # its place in the order
    insight: Insight
    added_at: str
    passages: tuple[tuple[str, int, int], ...]  # passage_id, start, end
    vectors: tuple[tuple[str, str, bytes], ...]  # passage_id, fingerprint, little-endian float32s
    sketch: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """What isn't told insight by insight."""

    edits: list[Row]  # insight_id, told
    imports: list[Row]  # number, at, origin
    journal: list[Row]  # import, insight_id, was, told, became
    unfinished: list[Row]  # import, key
    links: list[Row]  # insight_id, insight_id of the other
    origins: list[Row]  # insight_id, path
    models: list[Row]  # fingerprint, name


@dataclass(frozen=True, slots=True)
class Note:
    """What a target remembers of a copy."""

    source: str  # the source's revision; "" if the copy turned out to be none
    revision: str  # the target's own, as the copy left it: another one means that it was changed since
    done: bool

    def packed(self) -> str:
        """As text."""
        return json.dumps({"source": self.source, "revision": self.revision, "done": self.done})


class Store(Protocol):
    """A library of one kind, as it is copied."""

    name: str

    def revision(self) -> str:
        """As Library.revision."""

    def count(self) -> int:
        """The number of insights."""

    def records(self, after: int) -> list[Record]:
        """The next BATCH insights after this number, in order."""

    def rest(self) -> Rest:
        """All that isn't told insight by insight."""

    def last_id(self) -> str:
        """The id of the last insight in the order; "" if there is none."""

    def number_of(self, insight_id: str) -> int:
        """The place of an insight in the order; 0 if it isn't there."""

    def note(self) -> Note | None:
        """What is remembered of a copy into this library."""

    def begin(self, source: str) -> None:
        """Empty the library and note that a copy begins."""

    def store(self, records: Sequence[Record]) -> None:
        """Store insights with what hangs on them, in one transaction."""

    def finish(self, rest: Rest, source: str) -> None:
        """Store the rest and note that the copy is complete, in one transaction."""

    def spoil(self) -> None:
        """Note that the copy is none, so that the next one begins anew."""


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows of a kind there are, and their checksum."""

    rows: int
    checksum: str


def transfer(source: Store, target: Store, report: Callable[[int, int], None]) -> dict[str, Sum]:
    """Copy a library into another one, or go on copying; the checksums, which are the same on both sides.

    `report` is told how many insights are there, and of how many. Raises UsageError if the target holds something else,
    LibraryError if the source changes meanwhile or the checksums differ: then the next call begins anew.
    """
    revision, total = source.revision(), source.count()
    if not _is_begun(source, target):
        target.begin(revision)
    last = target.last_id()
    at, done = source.number_of(last) if last else 0, target.count()
    note = target.note()
    if note is None or not note.done:
        report(done, total)
        while records := source.records(at):
            target.store(records)
            at, done = records[-1].number, done + len(records)
            report(done, total)
        target.finish(source.rest(), revision)
    ours, theirs = checksums(source), checksums(target)
    differing = [table for table in TABLES if ours[table] != theirs[table]]
    if differing or source.revision() != revision:
        target.spoil()
        what = f"The copies differ in {', '.join(differing)}." if differing else "It was changed while it was copied."
        raise LibraryError(f"{source.name} wasn't copied whole: {what}", "Copy it again while nobody changes it.")
    return ours


def _is_begun(source: Store, target: Store) -> bool:
    """Whether the target holds this copy, as far as it came."""
    id_of, now = source.revision().partition("-")[0], target.revision()
    if id_of == now.partition("-")[0]:
        raise UsageError(f"{target.name} is the library itself.", "Name another target.")
    note = target.note()
    if note is None:
        if target.count():
            raise UsageError(f"{target.name} holds insights already.", EMPTY)
        return False
    if note.revision != now or (note.source and note.source.partition("-")[0] != id_of):
        raise UsageError(
            f"{target.name} holds another library, or was changed since it was copied.",
            EMPTY,
        )
    return note.source == source.revision()


def checksums(store: Store) -> dict[str, Sum]:
    """The number and the checksum of each kind of row, blind to the order in which they are told."""
    sums = {table: _Summing() for table in TABLES}
    for number, record in enumerate(_every(store)):
        insight = record.insight
        sums["insights"].take([getattr(insight, name) for name in FIELDS] + [record.added_at])
        sums["order"].take([number, insight.insight_id])
        for passage_id, start, end in record.passages:
            sums["passages"].take([passage_id, insight.insight_id, start, end])
        for passage_id, fingerprint, vector in record.vectors:
            sums["vectors"].take([passage_id, fingerprint, hashlib.sha256(vector).hexdigest()])
    rest = store.rest()
    for table in ("edits", "imports", "journal", "links", "origins", "models"):
        for row in getattr(rest, table):
            sums[table].take(row)
    return {table: summing.sum() for table, summing in sums.items()}


def _every(store: Store) -> Iterator[Record]:
    at = 0
    while records := store.records(at):
        yield from records
        at = records[-1].number


class _Summing:
    """SHA-256 over the sorted SHA-256 sums of the rows."""

    def __init__(self) -> None:
        self._digests: list[bytes] = []

    def take(self, row: Iterable[object]) -> None:
        self._digests.append(hashlib.sha256(json.dumps(list(row), ensure_ascii=False).encode()).digest())

    def sum(self) -> Sum:
        return Sum(len(self._digests), hashlib.sha256(b"".join(sorted(self._digests))).hexdigest())
