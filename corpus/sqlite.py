"""The library in one SQLite file, with everything searched for in it. What each method does: see corpus/library.py."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from corpus.browse import (
    FACETS,
    MOST_VALUES,
    Facet,
    Selection,
    Statement,
    beginnings,
    counted,
    statement,
)
from corpus.database import INDEXED, INDEXED_ABOUT, INDEXED_TEXT, Database, explained, read_only_error
from corpus.errors import LibraryError
from corpus.filters import DATED, EVERYTHING, Filter, condition
from corpus.imports import (
    BATCH,
    REMEMBERED,
    Found,
    Held,
    Import,
    Outcome,
    Planned,
    Report,
    Stored,
    Undone,
    check_undo,
    digest,
    edit,
    judge,
    packed,
    placed,
    plan,
    taken_back,
    unpacked,
)
from corpus.insight import FIELDS, Insight, Passage, content_id
from corpus.items import Item, Problem
from corpus.passages import split_passages
from corpus.passing import Passing
from corpus.sqlite_links import enter, leave, linked, near_stored
from corpus.sqlite_origins import Places, begun, cut_off, ended, forget, vanished
from corpus.stored import asked_words, check_vectors, insight_of, row_of, storable
from corpus.vectors import VectorSet

_COLUMNS = ", ".join(f"insights.{name}" for name in FIELDS)
_BARE_COLUMNS = ", ".join(FIELDS)
FURTHER = 8  # times as many passages are looked at as are wanted, before a filter is asked what it leaves in all
Known = TypeVar("Known")
LINKED = 4  # the first version with links and origins: an older file that can't be written has none
GONE = ""  # stands in the journal for the digest of an insight that pruning removed
MODEL = "model "  # what the keys begin with, in meta, under which the names of models stand


class SqliteLibrary:
    """Insights on disk. Open it with `open_library`; it may be used from several threads and processes.

    Every method raises LibraryError if the file can't be read or written; what was stored before is then still there.
    """

    def __init__(self, database: Database, name: str, *, fixed: bool = False) -> None:
        self._database = database
        self._fixed = fixed  # the insights can't be changed, though their vectors may be stored
        self.path = database.path
        self.name = name
        self._passing = Passing(database)
        self._known: dict[str, tuple[str, Any]] = {}  # what was asked -> the revision it was true at, and what it was

    @property
    def read_only(self) -> bool:
        """See Library."""
        return self._fixed or self._database.read_only

    def count(self) -> int:
        """See Library."""
        return self._once("insights", lambda: self._number("SELECT count(*) FROM insights"))

    def passage_count(self) -> int:
        """See Library."""
        return self._once("passages", lambda: self._number("SELECT count(*) FROM passages"))

    def last_key(self) -> int:
        """See Library."""
        return self._number("SELECT coalesce(max(key), 0) FROM passages")

    def revision(self) -> str:
        """See Library."""
        values = dict(self._database.rows("SELECT key, value FROM meta"))
        return f"{values['library_id'][:12]}-{values['revision']}"

    def _once(self, name: str, look: Callable[[], Known]) -> Known:
        """What doesn't change while the revision doesn't: to count a million insights takes longer than a search."""
        revision = self.revision()  # before looking: what another process adds meanwhile is looked for again
        known = self._known.get(name)
        if known is None or known[0] != revision:
            known = self._known[name] = revision, look()
        found: Known = known[1]
        return found

    # Insights

    def add(
        self, items: Iterable[Item | Found], origin: str = "", *, resume: str = "", prune: Sequence[str] = ()
    ) -> Report:
        """See Library."""
        self._check_changeable()
        outcomes: Counter[str] = Counter()
        problems: list[Problem] = []
        near: list[tuple[str, str]] = []
        held = Held(tuple(map(storable, prune)))
        seen: set[str] = set()
        number: int | None = None
        stream = iter(items)
        while batch := list(islice(stream, BATCH)):
            with self._database.transaction() as connection:
                here: Counter[str] = Counter()
                places = Places(connection)
                for given in batch:
                    item, place = placed(given)
                    if isinstance(item, Problem):
                        problems.append(item)
                        held.doubt(item)
                        continue
                    planned = _judged(connection, item, repeated=item.insight_id in seen)
                    seen.add(item.insight_id)
                    if planned.outcome in (Outcome.NEW, Outcome.CHANGED):
                        if not (here["new"] or here["changed"]):
                            number = _begin_import(connection, origin, number, resume)
                        near += [(item.insight_id, other) for other in sorted(_carry_out(connection, planned, number))]
                    here[planned.outcome.value] += 1
                    place = storable(place)
                    places.note(planned.same_as or item.insight_id, place)
                    held.note(planned.same_as or item.insight_id, place)
                if here["new"] or here["changed"]:
                    _raise_revision(connection)
            outcomes += here
        if prune:
            outcomes["removed"] += self._prune(held, origin, number, resume)
        if resume and self._database.rows("SELECT 1 FROM unfinished WHERE key = ?", (storable(resume),)):
            with self._database.transaction() as connection:
                ended(connection, storable(resume))
        return Report(**outcomes, unreadable=tuple(problems), near=tuple(near))

    def _prune(self, held: Held, origin: str, number: int | None, resume: str) -> int:
        """Remove what isn't in its file any more, in one go."""
        with self._database.transaction() as connection:
            gone, ids = vanished(connection, held)
            forget(connection, gone)
            if ids:
                number = _begin_import(connection, origin, number, resume)
                for insight_id in ids:
                    _remove(connection, insight_id, number)
                _raise_revision(connection)
        return len(ids)

    def preview(self, items: Iterable[Item | Found], prune: Sequence[str] = ()) -> Iterator[Planned]:
        """See Library."""
        if self._database.version < LINKED:
            return plan(items, self._stored, self._holders, prune=prune)
        scope = tuple(map(storable, prune))
        return plan(items, self._stored, self._holders, near=self._near, vanished=self._vanished, prune=scope)

    def linked(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """See Library."""
        found: dict[str, tuple[str, ...]] = {}
        if self._database.version >= LINKED:
            with explained(self.path):
                for chunk in _chunks(list(map(storable, ids))):
                    for one, other in linked(self._database.connection(), chunk):
                        found[one] = (*found.get(one, ()), other)
        return found

    def last_import(self) -> Import | None:
        """See Library."""
        if self._database.version < 2:
            return None
        rows = self._database.rows(_LAST_IMPORT)
        return Import(*rows[0]) if rows else None

    def undo_import(self, number: int | None = None) -> Undone:
        """See Library."""
        self._check_changeable()
        outcomes: Counter[str] = Counter()
        with self._database.transaction() as connection:
            last = connection.execute("SELECT max(number) FROM imports").fetchone()[0]
            check_undo(last, number)
            sql = "SELECT insight_id, was, told, became FROM journal WHERE import = ?"
            for insight_id, was, told, became in connection.execute(sql, (last,)).fetchall():
                outcomes[_take_back(connection, insight_id, was, told, became)] += 1
            connection.execute("DELETE FROM imports WHERE number = ?", (last,))
            if outcomes["removed"] or outcomes["restored"]:
                _raise_revision(connection)
        return Undone(outcomes["removed"], outcomes["restored"], outcomes["kept"])

    def edit(self, insight_id: str, changes: Mapping[str, object]) -> Insight:
        """See Library."""
        self._check_changeable()
        insight_id = storable(insight_id)
        with self._database.transaction() as connection:
            stored, after = edit(insight_id, _stored(connection, insight_id), changes, partial(_holders, connection))
            if after != stored.insight:
                _change(connection, stored.insight, after)
                _note_told(connection, insight_id, stored.told or stored.insight)
                _raise_revision(connection)
        return after

    def remove(self, ids: Iterable[str]) -> int:
        """See Library."""
        self._check_changeable()
        removed = 0
        with self._database.transaction() as connection:
            for insight_id in dict.fromkeys(map(storable, ids)):
                removed += connection.execute("DELETE FROM insights WHERE insight_id = ?", (insight_id,)).rowcount
            if removed:
                _raise_revision(connection)
        return removed

    def get(self, insight_id: str) -> Insight | None:
        """See Library."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM insights WHERE insight_id = ?", (storable(insight_id),))
        return insight_of(rows[0]) if rows else None

    def insights(self, query: str = "", offset: int = 0, limit: int | None = None) -> list[Insight]:
        """See Library."""
        return self.browse(Selection(query), offset, limit)

    def browse(self, selection: Selection, offset: int = 0, limit: int | None = None) -> list[Insight]:
        """See Library."""
        chosen = self._statement(selection)
        page = (-1 if limit is None else max(limit, 0), max(offset, 0))
        rows = self._database.rows(
            f"{chosen.prefix} SELECT {_COLUMNS} FROM {chosen.tables} WHERE {chosen.condition} "
            f"ORDER BY {chosen.order} LIMIT ? OFFSET ?",
            (*chosen.values, *page),
        )
        return [insight_of(row) for row in rows]

    def facets(self, selection: Selection) -> tuple[int, list[Facet]]:
        """See Library."""
        chosen = self._statement(selection)
        sql = f"{chosen.prefix} SELECT count(*) FROM {chosen.tables} WHERE {chosen.condition}"
        count = int(self._database.rows(sql, chosen.values)[0][0])
        facets = []
        for name in FACETS:
            values = [(str(value), int(n)) for value, n in self._database.rows(counted(name, chosen), chosen.values)]
            facets.append(Facet(name, tuple(values[:MOST_VALUES]), len(values) > MOST_VALUES))
        return count, facets

    def _statement(self, selection: Selection) -> Statement:
        match = beginnings(selection.query)
        sql = "SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? LIMIT 1"
        return statement(selection, by_words=bool(match and self._database.rows(sql, (match,))))

    # Passages

    def passages(self, keys: Sequence[int]) -> dict[int, tuple[Passage, Insight]]:
        """See Library."""
        found: dict[int, tuple[Passage, Insight]] = {}
        for chunk in _chunks([int(key) for key in keys]):
            rows = self._database.rows(
                f'SELECT passages.key, passage_id, start, "end", {_COLUMNS} '
                f"FROM passages JOIN insights USING (insight_id) WHERE passages.key IN ({_marks(chunk)})",
                chunk,
            )
            for key, passage_id, start, end, *row in rows:
                insight = insight_of(row)
                found[key] = Passage(passage_id, insight.insight_id, insight.text[start:end], start, end), insight
        return {key: found[key] for key in map(int, keys) if key in found}

    def keys_of(self, insight_id: str) -> list[int]:
        """See Library."""
        sql = "SELECT key FROM passages WHERE insight_id = ? ORDER BY start"
        return [key for (key,) in self._database.rows(sql, (storable(insight_id),))]

    def keys(self, filters: Filter, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """See Library."""
        if among is not None:
            return self._keys_among(filters, among)
        if filters and self._passing.possible:
            return self._passing.keys(filters, self.revision(), self.passage_count())
        where, values = condition(filters)
        joined = "JOIN insights USING (insight_id)" if filters else ""
        sql = f"SELECT key FROM passages {joined} WHERE {where} ORDER BY key"
        return np.fromiter((key for (key,) in self._database.rows(sql, values)), np.int64)

    def _keys_among(self, filters: Filter, among: NDArray[np.int64]) -> NDArray[np.int64]:
        if (known := self._passing.known(filters, self.revision())) is not None:
            among = np.unique(among)
            places = np.searchsorted(known, among)
            there = places < len(known)
            there[there] = known[places[there]] == among[there]
            return among[there]
        where, values = condition(filters)
        found: list[int] = []
        for chunk in _chunks(among.tolist(), 900 - len(values)):
            passes = f"key IN ({_marks(chunk)}) AND {where}"
            sql = f"SELECT key FROM passages JOIN insights USING (insight_id) WHERE {passes}"
            found += [key for (key,) in self._database.rows(sql, (*chunk, *values))]
        return np.array(sorted(found), np.int64)

    def passing(self, filters: Filter, limit: int = 0) -> tuple[int, list[int]]:
        """See Library."""
        where, values = condition(filters)
        if not filters:
            count = self.count()
        elif self._passing.possible:
            count = self._passing.count(filters, self.revision())
        else:
            count = self._number(f"SELECT count(*) FROM insights WHERE {where}", values)
        sql = f"""SELECT key FROM passages JOIN insights USING (insight_id)
            WHERE passage_id = insights.insight_id || '#0' AND {where}
            ORDER BY {DATED} DESC, date DESC, number DESC LIMIT ?"""
        return count, [key for (key,) in self._database.rows(sql, (*values, limit))] if limit else []

    def values(self, name: str) -> list[str]:
        """See Library."""
        return list(self._once(f"values of {name}", lambda: self._values(name)))

    def _values(self, name: str) -> list[str]:
        given = "(SELECT tag AS value FROM tagged) AS given"
        if not self._passing.possible:
            given = "insights, json_each(insights.tags) AS given"
        sql = {
            "author": "SELECT author FROM insights WHERE author <> '' GROUP BY 1 ORDER BY count(*) DESC, 1",
            "source": "SELECT source FROM insights WHERE source <> '' GROUP BY 1 ORDER BY count(*) DESC, 1",
            "tag": f"SELECT given.value FROM {given} GROUP BY 1 ORDER BY count(*) DESC, 1",
            "year": f"SELECT DISTINCT substr(date, 1, 4) FROM insights WHERE {DATED} ORDER BY 1 DESC",
        }[name]
        return [str(value) for (value,) in self._database.rows(sql)]

    def lexical(
        self, query: str, k: int, rarest: int | None = None, filters: Filter = EVERYTHING
    ) -> list[tuple[int, float]]:
        """See Library."""
        words = asked_words(query)
        if rarest is not None:
            words = [word for word in words if self._passages_with(word, rarest + 1) <= rarest]
        if not words or k < 1:
            return []
        match = " OR ".join(f'"{word}"' for word in words)  # in quotes nothing is syntax
        if not filters:
            return self._database.rows(_BEST, (match, k - 1, k))
        # Most filters are wide: looking which of the best pass is less work than looking at all that hold a word.
        best = self._database.rows(_BEST, (match, FURTHER * k - 1, FURTHER * k))
        passing = set(self.keys(filters, np.array([key for key, _ in best], np.int64)).tolist())
        if len(passing) >= k or len(best) < FURTHER * k:
            return [(key, score) for key, score in best if key in passing][:k]
        where, values = condition(filters)
        return self._database.rows(_BEST_PASSING.format(where=where), (match, *values, k))

    def _passages_with(self, word: str, most: int) -> int:
        """How many passages hold the word, counted up to `most`: a common word costs no more than a rare one."""
        sql = "SELECT count(*) FROM (SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? LIMIT ?)"
        return int(self._database.rows(sql, (f'"{word}"', most))[0][0])

    # Vectors

    def missing(self, fingerprint: str, after: int = 0) -> list[tuple[int, str]]:
        """See Library."""
        sql = """SELECT key, substr(text, start + 1, "end" - start) FROM passages JOIN insights USING (insight_id)
            WHERE key > ? AND NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.key = passages.key AND fingerprint = ?)
            ORDER BY key"""
        return [(key, text) for key, text in self._database.rows(sql, (after, fingerprint))]

    def put_vectors(self, fingerprint: str, keys: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """See Library."""
        check_vectors(keys, vectors)
        # Not VALUES: another process may have removed the passage while its vector was being computed.
        sql = "INSERT OR REPLACE INTO vectors SELECT key, ?, ? FROM passages WHERE key = ?"
        with self._database.transaction() as connection:
            connection.executemany(
                sql,
                (
                    (fingerprint, vector.astype("<f4").tobytes(), int(key))
                    for key, vector in zip(keys, vectors, strict=True)
                ),
            )

    def vectors(self, fingerprint: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See Library."""
        with self._database.snapshot() as connection:
            count, bytes_each, most = connection.execute(
                "SELECT count(*), min(length(vector)), max(length(vector)) FROM vectors WHERE fingerprint = ?",
                (fingerprint,),
            ).fetchone()
            if bytes_each != most or (bytes_each or 0) % 4:
                raise _damaged_vectors(self.path)
            keys = np.empty(count, np.int64)
            vectors = np.empty((count, (bytes_each or 0) // 4), np.float32)
            rows = connection.execute(
                "SELECT key, vector FROM vectors WHERE fingerprint = ? ORDER BY key", (fingerprint,)
            )
            for at, (key, vector) in enumerate(rows):  # filled in place: a million vectors are 1.5 GB, once is enough
                keys[at] = key
                vectors[at] = np.frombuffer(vector, "<f4")
        return keys, vectors

    def vectors_after(self, fingerprint: str, key: int, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See Library."""
        sql = "SELECT key, vector FROM vectors WHERE key > ? AND fingerprint = ? ORDER BY key LIMIT ?"
        return self._arrays(self._database.rows(sql, (key, fingerprint, limit)))

    def vectors_of(self, fingerprint: str, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See Library."""
        rows: list[tuple[int, bytes]] = []
        for chunk in _chunks(np.unique(keys).tolist()):
            sql = f"SELECT key, vector FROM vectors WHERE key IN ({_marks(chunk)}) AND fingerprint = ?"
            rows += self._database.rows(sql, (*chunk, fingerprint))
        return self._arrays(sorted(rows))

    def _arrays(self, rows: Sequence[tuple[int, bytes]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        lengths = {len(vector) for _, vector in rows} or {0}
        if len(lengths) > 1 or any(length % 4 for length in lengths):
            raise _damaged_vectors(self.path)
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f4").reshape(len(rows), max(lengths) // 4)
        return np.array([key for key, _ in rows], np.int64), vectors.astype(np.float32, copy=False)

    def vector_sets(self) -> list[VectorSet]:
        """See Library."""
        with self._database.snapshot() as connection:
            # Counted in the index of the primary key: a million vectors themselves would be 1.5 GB to read.
            rows = connection.execute(
                "SELECT fingerprint, count(*), min(key) FROM vectors GROUP BY 1 ORDER BY 2 DESC, 1"
            ).fetchall()
            names = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            size = "SELECT length(vector) FROM vectors WHERE key = ? AND fingerprint = ?"
            sizes = [connection.execute(size, (key, fingerprint)).fetchone()[0] for fingerprint, _, key in rows]
        return [
            VectorSet(fingerprint, names.get(MODEL + fingerprint, ""), count, count * size)
            for (fingerprint, count, _), size in zip(rows, sizes, strict=True)
        ]

    def note_model(self, fingerprint: str, name: str) -> None:
        """See Library."""
        known = self._database.rows("SELECT value FROM meta WHERE key = ?", (MODEL + fingerprint,))
        if known != [(name,)] and not self._database.read_only:
            with self._database.transaction() as connection:
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (MODEL + fingerprint, name))

    # The file

    def check(self) -> list[str]:
        """See Library."""
        try:
            faults = [f"The file is damaged: {row[0]}." for row in self._database.rows("PRAGMA quick_check(5)")]
            faults = [] if faults == ["The file is damaged: ok."] else faults
            orphans = self._database.rows("PRAGMA foreign_key_check")
            unlike = self._number(_OUT_OF_STEP) if self._database.version >= INDEXED else 0
            passages, words = "SELECT count(*) FROM passages", "SELECT count(*) FROM passages_fts"
            extra = self._number(passages) - self._number(words)
            bare = self._number(
                "SELECT count(*) FROM insights WHERE insight_id NOT IN (SELECT insight_id FROM passages)"
            )
        except LibraryError as error:
            return [str(error)]
        if orphans:
            faults.append(f"{len(orphans)} rows belong to insights or passages that are gone.")
        if unlike or extra:
            faults.append("The lexical index is not in step with the passages.")
        if bare:
            faults.append(f"{bare} insights have no passages.")
        return faults

    def close(self) -> None:
        """See Library."""
        self._database.close()

    def __enter__(self) -> "SqliteLibrary":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_changeable(self) -> None:
        if self._fixed:
            raise LibraryError(
                f'The library "{self.name}" ships with Footnoted and can\'t be changed.',
                "Make one of your own: footnoted library add FILE --library NEW.db",
            )
        if self._database.read_only:
            raise read_only_error(self.path)

    def told(self, insight_id: str) -> Insight | None:
        """See Library."""
        stored = self._stored(insight_id)
        return stored.told if stored else None

    def _stored(self, insight_id: str) -> Stored | None:
        if self._database.version < 2:
            found = self.get(insight_id)
            return Stored(found) if found else None
        with explained(self.path):
            return _stored(self._database.connection(), storable(insight_id))

    def _holders(self, content: str) -> list[str]:
        with explained(self.path):
            return _holders(self._database.connection(), content)

    def _near(self, text: str) -> list[str]:
        with explained(self.path):
            return near_stored(self._database.connection(), text)

    def _vanished(self, held: Held) -> list[Insight]:
        with self._database.snapshot() as connection:
            _, ids = vanished(connection, held)
            return [stored.insight for stored in (_stored(connection, insight_id) for insight_id in ids) if stored]

    def _number(self, sql: str, values: Sequence[Any] = ()) -> int:
        return int(self._database.rows(sql, values)[0][0])


_LAST_IMPORT = """
    SELECT number, at, origin, sum(was IS NULL), sum(was IS NOT NULL AND became <> ''), sum(became = '')
    FROM imports JOIN journal ON import = number
    WHERE number = (SELECT max(number) FROM imports) GROUP BY number"""

_FOUND = """
    WITH found AS MATERIALIZED (SELECT rowid AS key, -bm25(passages_fts) AS score FROM passages_fts
    WHERE passages_fts MATCH ?)"""

# Only the best and their equals are looked up by name, not all that hold a word.
_BEST = f"""{_FOUND}
    SELECT key, score FROM found JOIN passages USING (key)
    WHERE score >= coalesce((SELECT score FROM found ORDER BY score DESC LIMIT 1 OFFSET ?), -1e9)
    ORDER BY score DESC, passage_id LIMIT ?"""

_BEST_PASSING = f"""{_FOUND}
    SELECT key, score FROM found JOIN passages USING (key) JOIN insights USING (insight_id) WHERE {{where}}
    ORDER BY score DESC, passage_id LIMIT ?"""

_OUT_OF_STEP = f"""
    SELECT count(*) FROM passages JOIN insights USING (insight_id) LEFT JOIN passages_fts ON passages_fts.rowid = key
    WHERE passages_fts.text IS NOT {INDEXED_TEXT} OR passages_fts.about IS NOT {INDEXED_ABOUT}"""


# Of an insight that an import touches twice, because it went on or because its source is read by two at once, the first
# `was` counts; and if a person has edited it in between, the edit is what was last known, so that undoing keeps it.
_TO_JOURNAL = """
    INSERT INTO journal VALUES (?, ?, ?, (SELECT told FROM edits WHERE edits.insight_id = ?), ?)
    ON CONFLICT DO UPDATE SET became = excluded.became WHERE became = ?"""


def _judged(connection: Connection, item: Insight, *, repeated: bool) -> Planned:
    """What to do with one item of an import; nothing is written yet."""
    stored = _stored(connection, item.insight_id)
    holders = _holders(connection, content_id(item.text)) if stored is None else []
    return judge(item, stored, holders[0] if holders else None, repeated=repeated)


def _stored(connection: Connection, insight_id: str) -> Stored | None:
    sql = f"SELECT {_COLUMNS}, told FROM insights LEFT JOIN edits USING (insight_id) WHERE insights.insight_id = ?"
    row = connection.execute(sql, (insight_id,)).fetchone()
    return None if row is None else Stored(insight_of(row[:-1]), unpacked(row[-1]) if row[-1] else None)


def _holders(connection: Connection, content: str) -> list[str]:
    sql = "SELECT insight_id FROM insights WHERE content_id = ? ORDER BY number"
    return [insight_id for (insight_id,) in connection.execute(sql, (content,))]


def _begin_import(connection: Connection, origin: str, number: int | None, resume: str) -> int:
    """Note an import in the journal, and forget those that are too old to be undone; its number.

    Another process may have undone an import that has a number already: what comes now is the rest of it. One that was
    cut off, and to which `resume` is the key, goes on under its number, so that undoing it takes all of it back.
    """
    if number is None and resume:
        number = cut_off(connection, storable(resume))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    row = connection.execute("INSERT OR IGNORE INTO imports VALUES (?, ?, ?)", (number, at, storable(origin)))
    if number is None:
        number = int(row.lastrowid or 0)
        connection.execute("DELETE FROM imports WHERE number <= ?", (number - REMEMBERED,))
    if resume:
        begun(connection, number, storable(resume))
    return number


def _carry_out(connection: Connection, planned: Planned, number: int | None) -> list[str]:
    """Store a new or changed insight, and note in the journal what stood there before; the ids that it is linked to."""
    before, after = planned.before, planned.after
    assert after is not None
    connection.execute(
        _TO_JOURNAL,
        (
            *(number, after.insight_id, packed(before) if before else None, after.insight_id, digest(after)),
            digest(before) if before else "",
        ),
    )
    if before is None:
        _store(connection, after)
        _store_passages(connection, after)
    else:
        _note_told(connection, after.insight_id, planned.told)
        return _change(connection, before, after)
    return enter(connection, after.insight_id, after.text)


def _remove(connection: Connection, insight_id: str, number: int) -> None:
    """Remove an insight, and note in the journal what it was."""
    stored = _stored(connection, insight_id)
    assert stored is not None
    was = packed(stored.insight)
    connection.execute(_TO_JOURNAL, (number, insight_id, was, insight_id, GONE, digest(stored.insight)))
    connection.execute("DELETE FROM insights WHERE insight_id = ?", (insight_id,))


def _take_back(connection: Connection, insight_id: str, was: str | None, told: str | None, became: str) -> str:
    """Undo an import of one insight; what came of it."""
    stored = _stored(connection, insight_id)
    outcome = taken_back(stored, was, became)
    if outcome == "removed":
        connection.execute("DELETE FROM insights WHERE insight_id = ?", (insight_id,))
    elif outcome == "gone" and became == GONE and was:
        return _bring_back(connection, unpacked(was))
    elif outcome == "restored" and stored and was:
        _change(connection, stored.insight, unpacked(was))
        _note_told(connection, insight_id, unpacked(told) if told else None)
    return outcome


def _bring_back(connection: Connection, insight: Insight) -> str:
    """Store an insight that was removed, unless its text has come back under another id."""
    if _holders(connection, content_id(insight.text)):
        return "kept"
    _store(connection, insight)
    _store_passages(connection, insight)
    enter(connection, insight.insight_id, insight.text)
    return "restored"


def _change(connection: Connection, old: Insight, new: Insight) -> list[str]:
    """Put one insight in the place of another with the same id; only a new text gets new passages and links.

    The ids that it is linked to for its new text.
    """
    connection.execute(
        f"UPDATE insights SET ({_BARE_COLUMNS}, content_id) = ({_marks(FIELDS)}, ?) WHERE insight_id = ?",
        (*row_of(new), content_id(new.text), new.insight_id),
    )
    if new.text == old.text:
        return []
    connection.execute("DELETE FROM passages WHERE insight_id = ?", (new.insight_id,))
    _store_passages(connection, new)
    leave(connection, new.insight_id)
    return enter(connection, new.insight_id, new.text)


def _note_told(connection: Connection, insight_id: str, told: Insight | None) -> None:
    """Remember what an edited insight's source told; nothing to remember means that it is as told."""
    if told is None:
        connection.execute("DELETE FROM edits WHERE insight_id = ?", (insight_id,))
    else:
        connection.execute("INSERT OR REPLACE INTO edits VALUES (?, ?)", (insight_id, packed(told)))


def _store(connection: Connection, insight: Insight) -> None:
    connection.execute(
        f"INSERT INTO insights ({_BARE_COLUMNS}, content_id, added_at) VALUES ({_marks(FIELDS)}, ?, ?)",
        (*row_of(insight), content_id(insight.text), datetime.now(UTC).isoformat(timespec="seconds")),
    )


def _store_passages(connection: Connection, insight: Insight) -> None:
    connection.executemany(
        'INSERT INTO passages (passage_id, insight_id, start, "end") VALUES (?, ?, ?, ?)',
        [(part.passage_id, part.insight_id, part.start, part.end) for part in split_passages(insight)],
    )


def _raise_revision(connection: Connection) -> None:
    connection.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'revision'")


def _damaged_vectors(path: Path) -> LibraryError:
    return LibraryError(
        f"{path} holds damaged vectors.",
        "Put back a copy of it, or make a new one: footnoted library add FILE --library NEW.db",
    )


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _chunks(keys: Sequence[Known], size: int = 900) -> Iterator[Sequence[Known]]:
    """SQLite takes only so many values in a query: 999 in older builds."""
    return (keys[at : at + size] for at in range(0, len(keys), size))
