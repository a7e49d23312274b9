"""What can be read of a damaged library, in a new file beside it. The damaged one is left alone.

Insights are read by ranges of their numbers: where a range can't be read it is halved, down to single insights, so that
a damaged page costs no more than what stands on it. Passages and the lexical index are made again; vectors are made
when the new file is first asked.
"""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.copies import free_name
from corpus.database import Database, explained
from corpus.errors import LibraryError, UsageError
from corpus.insight import FIELDS, make_insight
from corpus.upkeep import make_passages, remove_orphans

MOST_FAILURES = 20_000  # of ranges: where nothing at all can be read there is an end to trying
_HIGHEST = 1 << 32  # a number above all, if the file can't tell its highest any more
_COLUMNS = (*FIELDS, "content_id", "added_at")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was saved, and where. `known` is how many insights there were, as far as the file can still tell."""

    path: Path
    insights: int
    known: int | None


def is_damage(error: LibraryError) -> bool:
    """Whether an error says that the file's pages are damaged."""
    name: str = getattr(error.__cause__, "sqlite_errorname", "")
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def salvage(path: Path) -> Salvaged:
    """Read what can be read into `NAME.recovered.db`. Raises LibraryError if that is nothing, or can't be written."""
    target = free_name(path, "recovered")
    with explained(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=".recovering-") as folder:
        # On a copy: to open the file itself might write its log into it.
        copy, new = Path(folder) / "damaged.db", Path(folder) / "new.db"
        shutil.copyfile(path, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        with (
            closing(sqlite3.connect(copy, isolation_level=None)) as source,
            closing(Database(new, create=True)) as made,
        ):
            # A byte that is no text any more costs a character, not its insight.
            source.text_factory = lambda data: data.decode("utf-8", "replace")
            saved, known = _insights(source, made), _known(source)
            if not saved:
                raise LibraryError(f"Nothing of {path} can be read any more.", "Put back a backup of it.")
            _rest(source, made)
        new.rename(target)
    return Salvaged(target, saved, known)


def _known(source: sqlite3.Connection) -> int | None:
    with suppress(sqlite3.Error):
        return int(source.execute("SELECT count(*) FROM insights INDEXED BY insights_by_content").fetchone()[0])
    return None


def _insights(source: sqlite3.Connection, made: Database) -> int:
    high = _HIGHEST
    for sql in ("SELECT seq FROM sqlite_sequence WHERE name = 'insights'", "SELECT max(number) FROM insights"):
        with suppress(sqlite3.Error, TypeError, ValueError):
            high = int(source.execute(sql).fetchone()[0])
            break
    sql = f"SELECT number, {', '.join(_COLUMNS)} FROM insights WHERE number BETWEEN ? AND ?"
    marks = ", ".join("?" * (len(_COLUMNS) + 1))
    with made.transaction() as connection:
        for row in _read(source, sql, high):
            if _is_insight(row):
                into = f"INSERT OR IGNORE INTO insights (number, {', '.join(_COLUMNS)}) VALUES ({marks})"
                connection.execute(into, row)
        make_passages(connection)
        return int(connection.execute("SELECT count(*) FROM insights").fetchone()[0])


def _read(source: sqlite3.Connection, sql: str, high: int) -> Iterator[Sequence[Any]]:
    """The rows of all ranges that can be read, in order."""
    waiting, failures = [(0, high)], 0
    while waiting and failures < MOST_FAILURES:
        low, high = waiting.pop()
        try:
            rows = source.execute(sql, (low, high)).fetchall()
        except (sqlite3.Error, OverflowError, MemoryError):
            failures += 1
            if low < high:
                middle = (low + high) // 2
                waiting += [(middle + 1, high), (low, middle)]
        else:
            yield from rows


def _is_insight(row: Sequence[Any]) -> bool:
    """Whether a row of a damaged file is still an insight that the library could have stored."""
    values = dict(zip(_COLUMNS, row[1:], strict=True))
    if not all(isinstance(value, str) for value in values.values()):
        return False
    try:
        tags = json.loads(values["tags"])
        make_insight(values["text"], insight_id=values["insight_id"])
    except (ValueError, UsageError):
        return False
    return isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)


def _rest(source: sqlite3.Connection, made: Database) -> None:
    """What else a person would miss: what was edited, imports that can be undone, and what later versions keep."""
    sql = """SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'
        AND name NOT LIKE 'passages%' AND name NOT IN ('insights', 'vectors', 'meta')"""
    names = [str(name) for (name,) in made.rows(sql)]
    connection = made.connection()
    connection.execute("PRAGMA foreign_keys = OFF")
    for name in names:
        columns = [str(row[1]) for row in made.rows(f'PRAGMA table_info("{name}")')]
        quoted = ", ".join(f'"{column}"' for column in columns)
        rows: Iterable[Any] = ()
        with suppress(sqlite3.Error):
            rows = source.execute(f'SELECT {quoted} FROM "{name}"')
        into = f'INSERT OR IGNORE INTO "{name}" ({quoted}) VALUES ({", ".join("?" * len(columns))})'
        with made.transaction(), suppress(sqlite3.Error):
            for row in rows:
                connection.execute(into, row)
    connection.execute("PRAGMA foreign_keys = ON")
    with made.transaction():
        remove_orphans(connection)
