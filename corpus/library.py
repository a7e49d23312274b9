"""The library: the insights on disk with their passages, vectors and lexical index. The only code that writes it.

with open_library("mine.db", create=True) as library:
    report = library.add(read_paths([Path("highlights.csv")]))
"""

import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from corpus.database import VERSION, Database, explained, read_only_error
from corpus.errors import LibraryError, ModelError
from corpus.insight import Insight, Passage, clean, content_id
from corpus.passages import split_passages
from corpus.places import cache_dir, data_dir
from corpus.readers import Problem, read_text

BATCH = 500  # insights in one transaction: what a kill in the middle of an import can lose
MAX_QUERY_WORDS = 100
SHIPPED = Path(__file__).with_name("insights")

FIELDS = tuple(field.name for field in fields(Insight))
_COLUMNS = ", ".join(FIELDS)

# Words that say nothing of what a question is about. Without them a question with one rare word finds that word.
_FUNCTION_WORDS = """
    a about an and any are as at be been but by can could did do does for from had has have he her his how i if in into
    is it its me my no not of on or our she should so some than that the their them then there these they this those to
    was we were what when where which who whom whose why will with would you your"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())  # without "us", which may be the country


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the items of an import."""

    new: int = 0
    changed: int = 0  # the same id, but another text or other details
    unchanged: int = 0
    duplicate: int = 0  # an id that came before in this import, or a text that is stored under another id
    unreadable: tuple[Problem, ...] = ()


class Library:
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
        """Whether `add` and `remove` are refused."""
        return self._fixed or self._database.read_only

    def count(self) -> int:
        """The number of insights."""
        return self._number("SELECT count(*) FROM insights")

    def passage_count(self) -> int:
        """The number of passages."""
        return self._number("SELECT count(*) FROM passages")

    def revision(self) -> str:
        """A key for caches: another one for each library and after each change of its insights."""
        values = dict(self._database.rows("SELECT key, value FROM meta"))
        return f"{values['library_id'][:12]}-{values['revision']}"

    # Insights

    def add(self, items: Iterable[Insight | Problem]) -> Report:
        """Store insights; those with a known id are brought up to date. Problems are handed on in the report.

        Each BATCH of items is stored whole or not at all. Only new and changed texts lose or lack their vectors. An
        insight without a stable id keeps details (title, author, …) that the newer copy of the same text lacks.
        """
        self._check_changeable()
        outcomes: Counter[str] = Counter()
        problems: list[Problem] = []
        seen: set[str] = set()
        stream = iter(items)
        while batch := list(islice(stream, BATCH)):
            with self._database.transaction() as connection:
                here: Counter[str] = Counter()
                for item in batch:
                    if isinstance(item, Problem):
                        problems.append(item)
                    elif item.insight_id in seen:
                        here["duplicate"] += 1
                    else:
                        seen.add(item.insight_id)
                        here[_store(connection, item)] += 1
                if here["new"] or here["changed"]:
                    _raise_revision(connection)
            outcomes += here
        return Report(**outcomes, unreadable=tuple(problems))

    def remove(self, ids: Iterable[str]) -> int:
        """Remove insights with their passages, vectors and index entries; how many were there."""
        self._check_changeable()
        removed = 0
        with self._database.transaction() as connection:
            for insight_id in dict.fromkeys(map(_storable, ids)):
                removed += connection.execute("DELETE FROM insights WHERE insight_id = ?", (insight_id,)).rowcount
            if removed:
                _raise_revision(connection)
        return removed

    def get(self, insight_id: str) -> Insight | None:
        """The insight with this id."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM insights WHERE insight_id = ?", (_storable(insight_id),))
        return _insight(rows[0]) if rows else None

    def insights(self, query: str = "", offset: int = 0, limit: int | None = None) -> list[Insight]:
        """Insights in the order they were added, or those that hold words beginning like the query's, best first.

        Where no words begin so, those that hold the query's words as any part of their text, in order of addition.
        """
        page = (-1 if limit is None else max(limit, 0), max(offset, 0))
        query = clean(query)
        if not query:
            rows = self._database.rows(f"SELECT {_COLUMNS} FROM insights ORDER BY number LIMIT ? OFFSET ?", page)
            return [_insight(row) for row in rows]
        found: tuple[str, tuple[str, ...]] | None = None
        if words := re.findall(r"\w+", query)[:MAX_QUERY_WORDS]:
            match = " AND ".join(f'"{word}" *' for word in words)
            if self._database.rows("SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? LIMIT 1", (match,)):
                found = _BEGINNINGS, (match,)
        if found is None:
            parts = [re.sub(r"([\\%_])", r"\\\1", part) for part in query.split()[:MAX_QUERY_WORDS]]
            condition = " AND ".join(["text || ' ' || about LIKE ? ESCAPE '\\'"] * len(parts))
            found = f"SELECT {_COLUMNS} FROM insights WHERE {condition} ORDER BY number", tuple(f"%{p}%" for p in parts)
        sql, values = found
        return [_insight(row) for row in self._database.rows(f"{sql} LIMIT ? OFFSET ?", (*values, *page))]

    # Passages

    def passages(self, keys: Sequence[int]) -> dict[int, tuple[Passage, Insight]]:
        """The passages with these keys and their insights, in the order asked; a key that is gone is left out."""
        found: dict[int, tuple[Passage, Insight]] = {}
        columns = ", ".join(f"insights.{name}" for name in FIELDS)
        for chunk in _chunks([int(key) for key in keys]):
            rows = self._database.rows(
                f'SELECT passages.key, passage_id, start, "end", {columns} '
                f"FROM passages JOIN insights USING (insight_id) WHERE passages.key IN ({_marks(chunk)})",
                chunk,
            )
            for key, passage_id, start, end, *row in rows:
                insight = _insight(row)
                found[key] = Passage(passage_id, insight.insight_id, insight.text[start:end], start, end), insight
        return {key: found[key] for key in map(int, keys) if key in found}

    def keys_of(self, insight_id: str) -> list[int]:
        """The keys of an insight's passages, in the order of its text."""
        sql = "SELECT key FROM passages WHERE insight_id = ? ORDER BY start"
        return [key for (key,) in self._database.rows(sql, (_storable(insight_id),))]

    def lexical(self, query: str, k: int, rarest: int | None = None) -> list[tuple[int, float]]:
        """The keys of the k best passages that hold any word of the query, with their BM25; higher is better.

        Function words count only where there are no others. With `rarest`, a word counts only if at most so many
        passages hold it. Ties are in order of passage_id.
        """
        words = list(dict.fromkeys(re.findall(r"\w+", query.lower())))[:MAX_QUERY_WORDS]
        words = [word for word in words if word not in FUNCTION_WORDS] or words
        if rarest is not None:
            words = [word for word in words if self._holders(word, rarest + 1) <= rarest]
        if not words or k < 1:
            return []
        match = " OR ".join(f'"{word}"' for word in words)  # in quotes nothing is syntax
        return [(key, score) for key, score in self._database.rows(_ANY_WORD, (match, k))]

    def _holders(self, word: str, most: int) -> int:
        """How many passages hold the word, counted up to `most`: a common word costs no more than a rare one."""
        sql = "SELECT count(*) FROM (SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? LIMIT ?)"
        return int(self._database.rows(sql, (f'"{word}"', most))[0][0])

    # Vectors

    def missing(self, fingerprint: str) -> list[tuple[int, str]]:
        """(key, text) of each passage without a vector of the model with this fingerprint, by key."""
        sql = """SELECT key, substr(text, start + 1, "end" - start) FROM passages JOIN insights USING (insight_id)
            WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.key = passages.key AND fingerprint = ?)
            ORDER BY key"""
        return [(key, text) for key, text in self._database.rows(sql, (fingerprint,))]

    def put_vectors(self, fingerprint: str, keys: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Store one vector a key: float32[n, d]. A passage that was removed meanwhile is passed over.

        Raises ValueError if there isn't one vector for each key, and ModelError if a number isn't finite.
        """
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
        """The keys int64[n], ascending, and their vectors float32[n, d]; d is 0 if there are none."""
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
        """What is wrong with the file, a sentence each; nothing if it is healthy."""
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
        """Close the file in all threads. May be called twice."""
        self._database.close()

    def __enter__(self) -> "Library":
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

    def _number(self, sql: str) -> int:
        return int(self._database.rows(sql)[0][0])


def open_library(name: str | Path | None = None, *, create: bool = False) -> Library:
    """Open a library: "demo" for the shipped insights, else a file or a folder with a library.db in it.

    Without a name: what FOOTNOTED_LIBRARY names, else the person's own library if there is one, else "demo"; with
    `create` the person's own is made. Raises LibraryError if the file is missing (without `create`), is no library of
    ours, was made by a newer program, or is damaged.
    """
    name = name or os.environ.get("FOOTNOTED_LIBRARY", "").strip() or None
    if name is None:
        own = data_dir() / "library.db"
        name = own if create or own.exists() else "demo"
    if name == "demo":
        return _open_demo()
    path = Path(name).expanduser()
    with explained(path):
        if path.is_dir() or str(name).endswith(("/", os.sep)):
            path /= "library.db"
    return Library(Database(path, create=create), str(path))


def _open_demo() -> Library:
    """The shipped insights, from a library in the cache that is built when they are first used or have changed."""
    files = sorted(SHIPPED.glob("*.txt"))
    state = hashlib.sha256(f"{VERSION}".encode())
    for file in files:
        state.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    path = cache_dir() / f"demo-{state.hexdigest()[:12]}.db"
    try:
        return Library(Database(path), "demo", fixed=True)
    except LibraryError:  # not there yet, or damaged: it is a cache, make it again
        _build_demo(path, files)
    return Library(Database(path), "demo", fixed=True)


def _build_demo(path: Path, files: Sequence[Path]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One process builds, the others wait: a file must not be replaced while another has it open.
        with FileLock(path.with_suffix(".lock")):
            with suppress(LibraryError):
                return Database(path).close()  # another process was faster
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                new = Path(folder, "new.db")
                with closing(Library(Database(new, create=True), "new")) as library:
                    library.add(item for file in files for item in read_text(file))
                for old in (f"{path}-wal", f"{path}-shm"):
                    Path(old).unlink(missing_ok=True)
                os.replace(new, path)
    except OSError as error:
        raise LibraryError(
            f"The library that ships with Footnoted can't be unpacked into {path.parent}: {error.strerror or error}.",
            "Set FOOTNOTED_CACHE to a folder that you may write to.",
        ) from error


_BEGINNINGS = f"""
    WITH found AS MATERIALIZED (SELECT rowid AS key, rank AS score FROM passages_fts WHERE passages_fts MATCH ?),
    best AS (SELECT insight_id, min(score) AS score FROM found JOIN passages USING (key) GROUP BY insight_id)
    SELECT {_COLUMNS} FROM insights JOIN best USING (insight_id) ORDER BY score, number"""

_ANY_WORD = """
    SELECT passages.key, -bm25(passages_fts) AS score
    FROM passages_fts JOIN passages ON passages.key = passages_fts.rowid
    WHERE passages_fts MATCH ? ORDER BY score DESC, passage_id LIMIT ?"""

_OUT_OF_STEP = """
    SELECT count(*) FROM passages JOIN insights USING (insight_id) LEFT JOIN passages_fts ON passages_fts.rowid = key
    WHERE passages_fts.text IS NOT substr(insights.text, start + 1, "end" - start)
    OR passages_fts.about IS NOT insights.about"""


def _store(connection: Connection, insight: Insight) -> str:
    """Add or update one insight; which of the counts of a Report it belongs to."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM insights WHERE insight_id = ?", (insight.insight_id,)).fetchone()
    content = content_id(insight.text)
    if row is None:
        if connection.execute("SELECT 1 FROM insights WHERE content_id = ?", (content,)).fetchone():
            return "duplicate"
        connection.execute(
            f"INSERT INTO insights ({_COLUMNS}, content_id, added_at) VALUES ({_marks(FIELDS)}, ?, ?)",
            (*_row(insight), content, datetime.now(UTC).isoformat(timespec="seconds")),
        )
        _store_passages(connection, insight)
        return "new"
    old = _insight(row)
    if insight.insight_id == content:
        # The id says only that the text is the same. A plain copy of it must not wipe what a richer one told.
        kept = {name: getattr(old, name) for name in FIELDS if not getattr(insight, name)}
        insight = replace(insight, **kept)
    if insight == old:
        return "unchanged"
    connection.execute(
        f"UPDATE insights SET ({_COLUMNS}, content_id) = ({_marks(FIELDS)}, ?) WHERE insight_id = ?",
        (*_row(insight), content, insight.insight_id),
    )
    if insight.text != old.text:
        connection.execute("DELETE FROM passages WHERE insight_id = ?", (insight.insight_id,))
        _store_passages(connection, insight)
    return "changed"


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
