"""Which insights pass a filter, read from SQLite's indexes alone: the rows of a million insights take seconds to read.

Each part of a filter gives the numbers of the insights that pass it. Which passages are theirs is told, if they are
many, by two arrays in memory, 16 bytes a passage: a number never comes to mean another insight, nor a key another
passage.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from corpus.database import Database
from corpus.filters import Filter, condition

Numbers = NDArray[np.int64]
SINCE_VERSION = 3  # of the file: an older one, if it can't be written, lacks the indexes
DEARER = 10  # times as dear to look up the passages of one insight than to read whose a passage is, of all of them
KEPT = 8  # filters that are remembered: of a wide one these are megabytes
_LAST = "\U0010ffff"  # sorts after any character


@dataclass(slots=True)
class Known:
    """What is known of a filter at one revision of the library."""

    revision: str
    numbers: Numbers  # of the insights that pass, ascending
    keys: Numbers | None = None  # of their passages, once somebody has asked


class Passing:
    """What passes a filter, for one library file. It may be used from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: OrderedDict[Filter, Known] = OrderedDict()
        self._keys = self._numbers = np.empty(0, np.int64)
        self._revision = ""
        self._looked_up = 0  # insights, one by one

    @property
    def possible(self) -> bool:
        """Whether the file has the indexes."""
        return self._database.version >= SINCE_VERSION

    def count(self, filters: Filter, revision: str) -> int:
        """How many insights pass; `revision` is the library's."""
        with self._lock:
            return len(self._look_up(filters, revision).numbers)

    def keys(self, filters: Filter, revision: str, size: int) -> Numbers:
        """The keys of the passages that pass, ascending; `size` is how many passages there are."""
        with self._lock:
            found = self._look_up(filters, revision)
            if found.keys is None:
                found.keys = self._keys_of(found.numbers, revision, size)
            return found.keys

    def known(self, filters: Filter, revision: str) -> Numbers | None:
        """The keys, if they have been looked up before."""
        found = self._known.get(filters)
        return found.keys if found and found.revision == revision else None

    def _look_up(self, filters: Filter, revision: str) -> Known:
        found = self._known.get(filters)
        if found is None or found.revision != revision:
            found = self._known[filters] = Known(revision, self._passing(filters))
        self._known.move_to_end(filters)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return found

    def _keys_of(self, numbers: Numbers, revision: str, size: int) -> Numbers:
        """One by one, until that has cost as much as the arrays do."""
        self._looked_up += len(numbers)
        if not len(self._keys) and DEARER * self._looked_up < size:
            return self._one_by_one(numbers)
        return self._by_arrays(numbers, revision)

    def _passing(self, filters: Filter) -> Numbers:
        """The numbers of the insights that pass every part of the filter, ascending."""
        sets = [self._read(sql, values) for sql, values in _queries(filters)]
        parts = np.zeros(1 + max((int(numbers.max(initial=0)) for numbers in sets), default=0), np.uint8)
        for numbers in sets:
            parts[np.unique(numbers)] += 1
        return np.flatnonzero(parts == len(sets))

    def _one_by_one(self, numbers: Numbers) -> Numbers:
        found = []
        for at in range(0, len(numbers), 900):
            chunk = numbers[at : at + 900].tolist()
            marks = ", ".join("?" * len(chunk))
            sql = f"SELECT key FROM passages JOIN insights USING (insight_id) WHERE number IN ({marks})"
            found.append(_flat(self._database.rows(sql, chunk)))
        return np.sort(np.concatenate([np.empty(0, np.int64), *found]))

    def _by_arrays(self, numbers: Numbers, revision: str) -> Numbers:
        keys, owners = self._passages(revision)
        passes = np.zeros(1 + int(max(owners.max(initial=0), numbers.max(initial=0))), np.bool_)
        passes[numbers] = True
        return keys[passes[owners]]

    def _passages(self, revision: str) -> tuple[Numbers, Numbers]:
        """The keys of all passages, ascending, and the number of each one's insight."""
        if self._revision != revision:
            with self._database.snapshot() as connection:
                newer = (_NEWER, (int(self._keys[-1]),)) if len(self._keys) else (_ALL, ())
                rows = connection.execute(*newer).fetchall()
                (count,) = connection.execute("SELECT count(*) FROM passages").fetchone()
                there = None
                if count != len(self._keys) + len(rows):  # some are gone
                    there = _flat(connection.execute("SELECT key FROM passages"))
            if there is not None:
                kept = np.isin(self._keys, there)
                self._keys, self._numbers = self._keys[kept], self._numbers[kept]
            new = _flat(rows).reshape(-1, 2)
            new = new[np.argsort(new[:, 0])]
            self._keys = np.concatenate([self._keys, new[:, 0]])
            self._numbers = np.concatenate([self._numbers, new[:, 1]])
            self._revision = revision
        return self._keys, self._numbers

    def _read(self, sql: str, values: list[str]) -> Numbers:
        return _flat(self._database.rows(sql, values))


_NEWER = "SELECT key, number FROM passages JOIN insights USING (insight_id) WHERE key > ?"
# In the order of both indexes, which alone are read.
_ALL = """SELECT key, number FROM insights INDEXED BY sqlite_autoindex_insights_1
    CROSS JOIN passages INDEXED BY passages_by_insight USING (insight_id) WHERE insights.insight_id >= ''"""


def _queries(filters: Filter) -> list[tuple[str, list[str]]]:
    """One for each part of the filter: an index holds all that it asks for."""
    parts = [Filter(authors=filters.authors), Filter(sources=filters.sources), Filter(note=filters.note)]
    made = []
    for where, values in (condition(part) for part in parts if part):
        made.append((f"SELECT number FROM insights WHERE {where}", values))
    if filters.tags:
        marks = ", ".join("?" * len(filters.tags))
        made.append((f"SELECT number FROM tagged WHERE tag IN ({marks})", [*filters.tags]))
    if filters.since or filters.until:
        where, values = condition(Filter(since=filters.since, until=filters.until))
        # A year alone may be meant as any date of it: whole years from the index, and the rest by the condition.
        first, last = filters.since[:4], (filters.until[:4] or _LAST) + _LAST
        made.append(
            (f"SELECT number FROM insights WHERE date BETWEEN ? AND ? AND {where}", [first, last, *values]),
        )
    return made


def _flat(rows: Iterable[tuple[int, ...]]) -> Numbers:
    return np.fromiter(chain.from_iterable(rows), np.int64)
