"""The library's SQLite file: its schema, its connections, and what its faults mean in words.

insights ──► passages ──► vectors        a deleted insight takes its passages and their vectors along
    │            │
    │            └──► passages_fts       kept in step by triggers, so no code path can forget it
    ├──► tagged                          their tags, one a row: kept in step by triggers too
    ├──► sketches, links                 what their near-duplicates are found by, and which they are
    ├──► origins ──► places              the files that they stand in
    └──► edits                           what its source told of an insight that the person has edited since
imports ──► journal                      what stood there before an import, so that it can be undone
    └──► unfinished                      one that was cut off, so that it can go on
"""

import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpus.duplicates import COMMON, near, sketch
from corpus.errors import LibraryError
from corpus.unspaced import set_apart

APPLICATION_ID = 0x466F6F74  # "Foot": tells our files from other SQLite files
VERSION = 5
BUSY_SECONDS = 30.0

# What the lexical index holds of a passage. Its tokenizer knows no script without spaces: their characters are set
# apart before. Marks belong to their letters, or every vowel sign would end a word of Hindi.
INDEXED = 5  # the first version that does so: an older file that can't be written holds the texts as they are
INDEXED_TEXT = set_apart('substr(insights.text, passages.start + 1, passages."end" - passages.start)')
INDEXED_ABOUT = set_apart("insights.about")
LEXICAL = """CREATE VIRTUAL TABLE passages_fts USING fts5 (
    text, about, tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
)"""
FILL_LEXICAL = f"""INSERT INTO passages_fts (rowid, text, about)
    SELECT key, {INDEXED_TEXT}, {INDEXED_ABOUT} FROM passages JOIN insights USING (insight_id)"""

# Version -> what makes the next one of it. A program that knows only an earlier version must be able to go on with the
# file that it has open: only add.
MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        """CREATE TABLE edits (
            insight_id TEXT PRIMARY KEY REFERENCES insights (insight_id) ON DELETE CASCADE,
            told TEXT NOT NULL
        )""",
        "CREATE TABLE imports (number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, origin TEXT NOT NULL)",
        # No reference to insights: what an import added may be removed before it is undone.
        """CREATE TABLE journal (
            import INTEGER NOT NULL REFERENCES imports (number) ON DELETE CASCADE,
            insight_id TEXT NOT NULL,
            was TEXT,
            told TEXT,
            became TEXT NOT NULL,
            PRIMARY KEY (import, insight_id)
        ) WITHOUT ROWID""",
    ),
    # What a filter leaves is read from these alone: in a million insights the rows themselves take seconds.
    2: (
        "CREATE INDEX insights_by_author ON insights (author)",
        "CREATE INDEX insights_by_source ON insights (source)",
        "CREATE INDEX insights_by_date ON insights (date)",
        "CREATE INDEX insights_with_note ON insights (note) WHERE note <> ''",
        """CREATE TABLE tagged (
            tag TEXT NOT NULL,
            number INTEGER NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
            PRIMARY KEY (tag, number)
        ) WITHOUT ROWID""",
        "CREATE INDEX tagged_by_number ON tagged (number)",
        "INSERT INTO tagged SELECT DISTINCT value, number FROM insights, json_each(tags)",
        """CREATE TRIGGER insight_tagged AFTER INSERT ON insights BEGIN
            INSERT INTO tagged SELECT DISTINCT value, new.number FROM json_each(new.tags);
        END""",
        """CREATE TRIGGER insight_tagged_anew AFTER UPDATE OF tags ON insights BEGIN
            DELETE FROM tagged WHERE number = new.number;
            INSERT INTO tagged SELECT DISTINCT value, new.number FROM json_each(new.tags);
        END""",
    ),
    3: (
        """CREATE TABLE sketches (
            hash INTEGER NOT NULL,
            insight INTEGER NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
            PRIMARY KEY (hash, insight)
        ) WITHOUT ROWID""",
        """CREATE TABLE links (
            insight INTEGER NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
            other INTEGER NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
            PRIMARY KEY (insight, other)
        ) WITHOUT ROWID""",
        "CREATE INDEX links_by_other ON links (other)",
        "CREATE TABLE places (number INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE)",
        """CREATE TABLE origins (
            insight INTEGER NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
            place INTEGER NOT NULL REFERENCES places (number),
            PRIMARY KEY (insight, place)
        ) WITHOUT ROWID""",
        "CREATE INDEX origins_by_place ON origins (place)",
        """CREATE TABLE unfinished (
            number INTEGER PRIMARY KEY REFERENCES imports (number) ON DELETE CASCADE,
            key TEXT NOT NULL
        )""",
        "INSERT INTO sketches SELECT value, number FROM insights, json_each(sketch_of(text))",
        # After the rows: an index is made faster than it is kept.
        "CREATE INDEX sketches_by_insight ON sketches (insight)",
        f"""INSERT INTO links SELECT one.number, two.number
            FROM (SELECT DISTINCT a.insight AS x, b.insight AS y FROM sketches AS a JOIN sketches AS b USING (hash)
                WHERE a.insight < b.insight
                AND hash NOT IN (SELECT hash FROM sketches GROUP BY hash HAVING count(*) > {COMMON}))
            JOIN insights AS one ON one.number = x JOIN insights AS two ON two.number = y
            WHERE are_near(one.text, two.text)""",
        "INSERT OR IGNORE INTO links SELECT other, insight FROM links",
        # Where these came from nobody knows any more, so no pruning takes them away.
        "INSERT INTO places (path) SELECT '' WHERE EXISTS (SELECT 1 FROM insights)",
        "INSERT INTO origins SELECT insights.number, places.number FROM insights, places",
    ),
    4: (
        *(f"DROP TRIGGER IF EXISTS {name}" for name in ("passage_added", "passage_removed", "insight_described")),
        "DROP TABLE IF EXISTS passages_fts",
        LEXICAL,
        FILL_LEXICAL,
        f"""CREATE TRIGGER passage_added AFTER INSERT ON passages BEGIN
            INSERT INTO passages_fts (rowid, text, about)
            SELECT key, {INDEXED_TEXT}, {INDEXED_ABOUT} FROM passages JOIN insights USING (insight_id)
            WHERE key = new.key;
        END""",
        """CREATE TRIGGER passage_removed AFTER DELETE ON passages BEGIN
            DELETE FROM passages_fts WHERE rowid = old.key;
        END""",
        f"""CREATE TRIGGER insight_described AFTER UPDATE OF title, author, source, tags, note ON insights BEGIN
            UPDATE passages_fts SET about = {set_apart("new.about")}
            WHERE rowid IN (SELECT key FROM passages WHERE insight_id = new.insight_id);
        END""",
    ),
}
SCHEMA = (
    """CREATE TABLE insights (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        insight_id TEXT NOT NULL UNIQUE,
        content_id TEXT NOT NULL,
        text TEXT NOT NULL,
        title TEXT NOT NULL,
        author TEXT NOT NULL,
        source TEXT NOT NULL,
        url TEXT NOT NULL,
        date TEXT NOT NULL,
        tags TEXT NOT NULL,
        note TEXT NOT NULL,
        added_at TEXT NOT NULL,
        about TEXT AS (title || ' ' || author || ' ' || source || ' ' || tags || ' ' || note)
    )""",
    "CREATE INDEX insights_by_content ON insights (content_id)",
    # AUTOINCREMENT: a key that an index file still remembers must never come to mean another passage.
    """CREATE TABLE passages (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        passage_id TEXT NOT NULL UNIQUE,
        insight_id TEXT NOT NULL REFERENCES insights (insight_id) ON DELETE CASCADE,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL
    )""",
    "CREATE INDEX passages_by_insight ON passages (insight_id)",
    """CREATE TABLE vectors (
        key INTEGER NOT NULL REFERENCES passages (key) ON DELETE CASCADE,
        fingerprint TEXT NOT NULL,
        vector BLOB NOT NULL,
        PRIMARY KEY (key, fingerprint)
    )""",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    *(statement for step in MIGRATIONS.values() for statement in step),
)


class Database:
    """One library file; each thread gets a connection of its own.

    Opens, checks and, with `create`, makes the file. Where the file or its folder can't be written it is opened for
    reading (`read_only`). Raises LibraryError if it is missing, foreign, newer than this program or damaged.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self.read_only = False
        self.version = VERSION  # an older file that can't be written keeps its own
        self._threads = threading.local()
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._mode = "mode=rw"
        with explained(path):
            self._check_file(create)
            try:
                self._check_contents(create)
            except BaseException:
                self.close()
                raise

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit mode. Raises LibraryError after `close`."""
        if self._closed:
            raise LibraryError(f"{self.path} was closed.", "Open it again.")
        found: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if found is None:
            found = self._connect()
            self._threads.connection = found
            with self._lock:
                for thread in [thread for thread in self._connections if not thread.is_alive()]:
                    self._connections.pop(thread).close()
                self._connections[threading.current_thread()] = found
        return found

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query."""
        with explained(self.path):
            return self.connection().execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All the writes inside take effect together when it ends, or none of them."""
        if self.read_only:
            raise read_only_error(self.path)
        with explained(self.path), between(self.connection(), "BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """All the reads inside see the same state."""
        with explained(self.path), between(self.connection(), "BEGIN") as connection:
            yield connection

    def close(self) -> None:
        """Close every thread's connection. May be called twice."""
        with self._lock:
            self._closed = True
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?{self._mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # so that `close` can close those of other threads
        )
        connection.execute("PRAGMA foreign_keys = ON")
        # For migrations alone. No trigger may name them: a program of another version has none of them.
        connection.create_function("sketch_of", 1, lambda text: json.dumps(sketch(text)), deterministic=True)
        connection.create_function("are_near", 2, near, deterministic=True)
        return connection

    def _check_file(self, create: bool) -> None:
        """Look at the file before SQLite does: it would leave files beside a foreign one."""
        try:
            with self.path.open("rb") as file:
                start = file.read(16)
        except FileNotFoundError:
            if not create:
                raise LibraryError(
                    f"There is no library at {self.path}.",
                    f"To make one: footnoted library add FILE --library {self.path}",
                ) from None
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._mode = "mode=rwc"
            return
        if start != b"SQLite format 3\0" and not (create and not start):
            raise _foreign(self.path, text=bool(start))
        if not writable(self.path):
            self.read_only = True
            self._mode = "mode=ro"

    def _check_contents(self, create: bool) -> None:
        if self.read_only:
            self._settle_reading()
        connection = self.connection()
        if create and not self.read_only and _is_blank(connection):
            retried(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            with self.transaction():
                if _is_blank(connection):  # unless another process was faster
                    _make_schema(connection)
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise _foreign(self.path)
        if version > VERSION:
            raise LibraryError(
                f"{self.path} was made by a newer Footnoted (its format is {version}, this program knows {VERSION}).",
                "Update Footnoted, then open it again.",
            )
        self.version = int(version)
        if version < VERSION and not self.read_only:
            self._migrate()

    def _migrate(self) -> None:
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()  # another process may have been faster
            for step in range(version, VERSION):
                for statement in MIGRATIONS[step]:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {max(version, VERSION)}")
        self.version = VERSION

    def _settle_reading(self) -> None:
        """In a folder where SQLite can't write its helper files, read the file as one that nobody changes."""
        try:
            self.connection().execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            log = Path(f"{self.path}-wal")
            if log.exists() and log.stat().st_size:  # it holds insights that reading the file alone would miss
                raise LibraryError(
                    f"{self.path} was not closed properly and can't be mended in a read-only folder.",
                    "Copy it and its -wal file to a folder that you may write to, and open it there.",
                ) from None
            self.close()
            self._closed = False
            self._threads = threading.local()
            self._mode = "immutable=1"


def writable(path: Path) -> bool:
    """Whether the file and its folder, where SQLite keeps its helper files, may be written."""
    effective = os.access in os.supports_effective_ids
    return all(os.access(place, os.W_OK, effective_ids=effective) for place in (path, path.resolve().parent))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the faults of SQLite and of the file system into a LibraryError in words."""
    try:
        yield
    except sqlite3.Error as error:
        raise _in_words(path, error) from error
    except OSError as error:
        raise LibraryError(
            f"{path} can't be opened: {error.strerror or error}.", "Check the path and your permissions."
        ) from error
    except ValueError as error:
        if "null" not in str(error):  # a path with a NUL character; anything else is a fault of ours
            raise
        raise LibraryError(f"{str(path)!r} can't be the name of a file.", "Choose another name.") from error


def read_only_error(path: Path) -> LibraryError:
    """What a user reads who tries to change a library that can only be read."""
    return LibraryError(
        f"{path} can only be read.", "Copy it to a folder that you may write to, and name it with --library."
    )


def _in_words(path: Path, error: sqlite3.Error) -> LibraryError:
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LibraryError(f"Another program is writing to {path}.", "Wait until it is done, then try again.")
    if name.startswith("SQLITE_FULL"):
        return LibraryError(
            f"There is no room left on the disk for {path}.",
            "Free some space, then try again; nothing that was added before is lost.",
        )
    if name.startswith("SQLITE_READONLY"):
        return read_only_error(path)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return LibraryError(
            f"{path} is damaged ({error}).",
            "Put back a copy of it, or make a new one: footnoted library add FILE --library NEW.db",
        )
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return LibraryError(f"{path} was closed.", "Open it again.")
    return LibraryError(
        f"{path} can't be read or written ({error}).", "Check that its disk is there, has room and may be written."
    )


def _foreign(path: Path, *, text: bool = False) -> LibraryError:
    remedy = f"from it: footnoted library add {path}" if text else "of your own: footnoted library add FILE"
    return LibraryError(f"{path} is not a Footnoted library.", f"To make one {remedy} --library NEW.db")


def _is_blank(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return not tables and not application


def _make_schema(connection: sqlite3.Connection) -> None:
    for statement in SCHEMA:
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", [("library_id", uuid.uuid4().hex), ("revision", "0")])
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def between(connection: sqlite3.Connection, begin: str) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it, or nothing."""
    connection.execute(begin)
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has already rolled back
            connection.execute("ROLLBACK")
        raise


def retried(action: Callable[[], object], seconds: float = BUSY_SECONDS) -> None:
    """SQLite doesn't wait by itself when two processes switch a new file to WAL at once."""
    until = time.monotonic() + seconds
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(0.02)
