"""The library in one SQLite file, with everything searched for in it. What each method does: see corpus/library.py."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.browse import (
    FACETS,
    MAX_QUERY_WORDS,
    MOST_VALUES,
    Facet,
    Selection,
    Statement,
    beginnings,
    counted,
    statement,
)
from corpus.database import Database, explained, read_only_error
from corpus.edit import edited
from corpus.errors import LibraryError, ModelError, UsageError
from corpus.filters import DATED, EVERYTHING, Filter, condition
from corpus.imports import (
    BATCH,
    REMEMBERED,
    Import,
    Outcome,
    Planned,
    Report,
    Stored,
    Undone,
    digest,
    judge,
    packed,
    plan,
    unpacked,
)
from corpus.insight import FIELDS, Insight, Passage, content_id
from corpus.passages import split_passages
from corpus.readers import Problem
from corpus.stopwords import FUNCTION_WORDS

_COLUMNS = ", ".join(f"insights.{name}" for name in FIELDS)
_BARE_COLUMNS = ", ".join(FIELDS)


class SqliteLibrary:
    """Insights on disk. Open it with `open_library`; it may be used from several threads and processes.

    Every method raises LibraryError if the file can't be read or written; what was stored before is then still there.
    """

    def __init__(self, database: Database, name: str, *, fixed: bool = False) -> None:
        self._database = database
        self._fixed = fixed  # the insights can't be changed, though their vectors may be stored
        self.path = database.path
        self.name = name

    @property
    def read_only(self) -> bool:
        """See Library."""
        return self._fixed or self._database.read_only

    def count(self) -> int:
        """See Library."""
        return self._number("SELECT count(*) FROM insights")

    def passage_count(self) -> int:
        """See Library."""
        return self._number("SELECT count(*) FROM passages")

    def revision(self) -> str:
        """See Library."""
        values = dict(self._database.rows("SELECT key, value FROM meta"))
        return f"{values['library_id'][:12]}-{values['revision']}"

    # Insights

    def add(self, items: Iterable[Insight | Problem], origin: str = "") -> Report:
        """See Library."""
        self._check_changeable()
        outcomes: Counter[str] = Counter()
        problems: list[Problem] = []
        seen: set[str] = set()
        number: int | None = None
        stream = iter(items)
        while batch := list(islice(stream, BATCH)):
            with self._database.transaction() as connection:
                here: Counter[str] = Counter()
                for item in batch:
                    if isinstance(item, Problem):
                        problems.append(item)
                        continue
                    planned = _judged(connection, item, repeated=item.insight_id in seen)
                    seen.add(item.insight_id)
                    if planned.outcome in (Outcome.NEW, Outcome.CHANGED):
                        if not (here["new"] or here["changed"]):
                            number = _begin_import(connection, origin, number)
                        _carry_out(connection, planned, number)
                    here[planned.outcome.value] += 1
                if here["new"] or here["changed"]:
                    _raise_revision(connection)
            outcomes += here
        return Report(**outcomes, unreadable=tuple(problems))

    def preview(self, items: Iterable[Insight | Problem]) -> Iterator[Planned]:
        """See Library."""
        return plan(items, self._stored, self._holders)

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
            if last is None:
                raise UsageError("There is no import to undo.", f"Only the last {REMEMBERED} can be undone.")
            if number not in (None, last):
                raise UsageError("This is not the last import any more.", "Look what the last one is, then undo that.")
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
        insight_id = _storable(insight_id)
        with self._database.transaction() as connection:
            stored = _stored(connection, insight_id)
            if stored is None:
                raise UsageError(f"No insight has the id {insight_id}.", "Look it up: footnoted library list")
            after = edited(stored.insight, changes)
            holders = [id_ for id_ in _holders(connection, content_id(after.text)) if id_ != insight_id]
            if holders and after.text != stored.insight.text:
                raise UsageError(f"This text is there already, with the id {holders[0]}.", "Edit that one instead.")
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
            for insight_id in dict.fromkeys(map(_storable, ids)):
                removed += connection.execute("DELETE FROM insights WHERE insight_id = ?", (insight_id,)).rowcount
            if removed:
                _raise_revision(connection)
        return removed

    def get(self, insight_id: str) -> Insight | None:
        """See Library."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM insights WHERE insight_id = ?", (_storable(insight_id),))
        return _insight(rows[0]) if rows else None

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
        return [_insight(row) for row in rows]

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
                insight = _insight(row)
                found[key] = Passage(passage_id, insight.insight_id, insight.text[start:end], start, end), insight
        return {key: found[key] for key in map(int, keys) if key in found}

    def keys_of(self, insight_id: str) -> list[int]:
        """See Library."""
        sql = "SELECT key FROM passages WHERE insight_id = ? ORDER BY start"
        return [key for (key,) in self._database.rows(sql, (_storable(insight_id),))]

    def keys(self, filters: Filter) -> NDArray[np.int64]:
        """See Library."""
        where, values = condition(filters)
        sql = f"SELECT key FROM passages JOIN insights USING (insight_id) WHERE {where} ORDER BY key"
        return np.fromiter((key for (key,) in self._database.rows(sql, values)), np.int64)

    def passing(self, filters: Filter, limit: int = 0) -> tuple[int, list[int]]:
        """See Library."""
        where, values = condition(filters)
        (count,) = self._database.rows(f"SELECT count(*) FROM insights WHERE {where}", values)[0]
        sql = f"""SELECT key FROM passages JOIN insights USING (insight_id)
            WHERE passage_id = insights.insight_id || '#0' AND {where}
            ORDER BY {DATED} DESC, date DESC, number DESC LIMIT ?"""
        return int(count), [key for (key,) in self._database.rows(sql, (*values, limit))] if limit else []

    def values(self, name: str) -> list[str]:
        """See Library."""
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
        words = list(dict.fromkeys(re.findall(r"\w+", query.lower())))[:MAX_QUERY_WORDS]
        words = [word for word in words if word not in FUNCTION_WORDS] or words
        if rarest is not None:
            words = [word for word in words if self._passages_with(word, rarest + 1) <= rarest]
        if not words or k < 1:
            return []
        match = " OR ".join(f'"{word}"' for word in words)  # in quotes nothing is syntax
        where, values = condition(filters)
        sql = _ANY_WORD.format(also=f"JOIN insights USING (insight_id) WHERE {where} AND" if filters else "WHERE")
        return [(key, score) for key, score in self._database.rows(sql, (*values, match, k))]

    def _passages_with(self, word: str, most: int) -> int:
        """How many passages hold the word, counted up to `most`: a common word costs no more than a rare one."""
        sql = "SELECT count(*) FROM (SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? LIMIT ?)"
        return int(self._database.rows(sql, (f'"{word}"', most))[0][0])

    # Vectors

    def missing(self, fingerprint: str) -> list[tuple[int, str]]:
        """See Library."""
        sql = """SELECT key, substr(text, start + 1, "end" - start) FROM passages JOIN insights USING (insight_id)
            WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.key = passages.key AND fingerprint = ?)
            ORDER BY key"""
        return [(key, text) for key, text in self._database.rows(sql, (fingerprint,))]

    def put_vectors(self, fingerprint: str, keys: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """See Library."""
        if vectors.ndim != 2 or len(vectors) != len(keys):
            raise ValueError(f"{len(keys)} keys need as many vectors, not an array of shape {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise ModelError(
                "The embedding model made vectors that aren't numbers.", "Use another model, or full precision."
            )
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

    # The file

    def check(self) -> list[str]:
        """See Library."""
        try:
            faults = [f"The file is damaged: {row[0]}." for row in self._database.rows("PRAGMA quick_check(5)")]
            faults = [] if faults == ["The file is damaged: ok."] else faults
            orphans = self._database.rows("PRAGMA foreign_key_check")
            (unlike,) = self._database.rows(_OUT_OF_STEP)[0]
            extra = self.passage_count() - self._number("SELECT count(*) FROM passages_fts")
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

    def _stored(self, insight_id: str) -> Stored | None:
        if self._database.version < 2:
            found = self.get(insight_id)
            return Stored(found) if found else None
        with explained(self.path):
            return _stored(self._database.connection(), _storable(insight_id))

    def _holders(self, content: str) -> list[str]:
        with explained(self.path):
            return _holders(self._database.connection(), content)

    def _number(self, sql: str) -> int:
        return int(self._database.rows(sql)[0][0])


_LAST_IMPORT = """
    SELECT number, at, origin, count(*) - count(was), count(was) FROM imports JOIN journal ON import = number
    WHERE number = (SELECT max(number) FROM imports) GROUP BY number"""

_ANY_WORD = """
    SELECT passages.key, -bm25(passages_fts) AS score
    FROM passages_fts JOIN passages ON passages.key = passages_fts.rowid {also}
    passages_fts MATCH ? ORDER BY score DESC, passage_id LIMIT ?"""

_OUT_OF_STEP = """
    SELECT count(*) FROM passages JOIN insights USING (insight_id) LEFT JOIN passages_fts ON passages_fts.rowid = key
    WHERE passages_fts.text IS NOT substr(insights.text, start + 1, "end" - start)
    OR passages_fts.about IS NOT insights.about"""


def _judged(connection: Connection, item: Insight, *, repeated: bool) -> Planned:
    """What to do with one item of an import; nothing is written yet."""
    stored = _stored(connection, item.insight_id)
    holders = _holders(connection, content_id(item.text)) if stored is None else []
    return judge(item, stored, holders[0] if holders else None, repeated=repeated)


def _stored(connection: Connection, insight_id: str) -> Stored | None:
    sql = f"SELECT {_COLUMNS}, told FROM insights LEFT JOIN edits USING (insight_id) WHERE insights.insight_id = ?"
    row = connection.execute(sql, (insight_id,)).fetchone()
    return None if row is None else Stored(_insight(row[:-1]), unpacked(row[-1]) if row[-1] else None)


def _holders(connection: Connection, content: str) -> list[str]:
    sql = "SELECT insight_id FROM insights WHERE content_id = ? ORDER BY number"
    return [insight_id for (insight_id,) in connection.execute(sql, (content,))]


def _begin_import(connection: Connection, origin: str, number: int | None) -> int:
    """Note an import in the journal, and forget those that are too old to be undone; its number.

    Another process may have undone an import that has a number already: what comes now is the rest of it.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    row = connection.execute("INSERT OR IGNORE INTO imports VALUES (?, ?, ?)", (number, at, _storable(origin)))
    if number is None:
        number = int(row.lastrowid or 0)
        connection.execute("DELETE FROM imports WHERE number <= ?", (number - REMEMBERED,))
    return number


def _carry_out(connection: Connection, planned: Planned, number: int | None) -> None:
    """Store a new or changed insight, and note in the journal what stood there before."""
    before, after = planned.before, planned.after
    assert after is not None
    connection.execute(
        "INSERT INTO journal VALUES (?, ?, ?, (SELECT told FROM edits WHERE edits.insight_id = ?), ?)",
        (number, after.insight_id, packed(before) if before else None, after.insight_id, digest(after)),
    )
    if before is None:
        connection.execute(
            f"INSERT INTO insights ({_BARE_COLUMNS}, content_id, added_at) VALUES ({_marks(FIELDS)}, ?, ?)",
            (*_row(after), content_id(after.text), datetime.now(UTC).isoformat(timespec="seconds")),
        )
        _store_passages(connection, after)
    else:
        _change(connection, before, after)
        _note_told(connection, after.insight_id, planned.told)


def _take_back(connection: Connection, insight_id: str, was: str | None, told: str | None, became: str) -> str:
    """Undo an import of one insight; what came of it."""
    stored = _stored(connection, insight_id)
    if stored is None:
        return "gone"
    if digest(stored.insight) != became:
        return "kept"
    if was is None:
        connection.execute("DELETE FROM insights WHERE insight_id = ?", (insight_id,))
        return "removed"
    _change(connection, stored.insight, unpacked(was))
    _note_told(connection, insight_id, unpacked(told) if told else None)
    return "restored"


def _change(connection: Connection, old: Insight, new: Insight) -> None:
    """Put one insight in the place of another with the same id; only a new text gets new passages."""
    connection.execute(
        f"UPDATE insights SET ({_BARE_COLUMNS}, content_id) = ({_marks(FIELDS)}, ?) WHERE insight_id = ?",
        (*_row(new), content_id(new.text), new.insight_id),
    )
    if new.text != old.text:
        connection.execute("DELETE FROM passages WHERE insight_id = ?", (new.insight_id,))
        _store_passages(connection, new)


def _note_told(connection: Connection, insight_id: str, told: Insight | None) -> None:
    """Remember what an edited insight's source told; nothing to remember means that it is as told."""
    if told is None:
        connection.execute("DELETE FROM edits WHERE insight_id = ?", (insight_id,))
    else:
        connection.execute("INSERT OR REPLACE INTO edits VALUES (?, ?)", (insight_id, packed(told)))


def _store_passages(connection: Connection, insight: Insight) -> None:
    connection.executemany(
        'INSERT INTO passages (passage_id, insight_id, start, "end") VALUES (?, ?, ?, ?)',
        [(part.passage_id, part.insight_id, part.start, part.end) for part in split_passages(insight)],
    )


def _raise_revision(connection: Connection) -> None:
    connection.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'revision'")


def _row(insight: Insight) -> list[str]:
    values = {name: getattr(insight, name) for name in FIELDS}
    return list((values | {"tags": json.dumps(insight.tags, ensure_ascii=False)}).values())


def _insight(row: Sequence[Any]) -> Insight:
    values = dict(zip(FIELDS, row, strict=True))
    return Insight(**values | {"tags": tuple(json.loads(values["tags"]))})


def _storable(text: str) -> str:
    """The text without lone surrogates, which SQLite can't take; no stored id has any."""
    return text.encode("utf-8", "replace").decode()


def _damaged_vectors(path: Path) -> LibraryError:
    return LibraryError(
        f"{path} holds damaged vectors.",
        "Put back a copy of it, or make a new one: footnoted library add FILE --library NEW.db",
    )


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _chunks(keys: Sequence[int], size: int = 900) -> Iterator[Sequence[int]]:
    """SQLite takes only so many values in a query: 999 in older builds."""
    return (keys[at : at + size] for at in range(0, len(keys), size))
