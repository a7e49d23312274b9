"""Backups of a library while it is in use: a copy in one file, and how it is put back.

A copy is made in one go by SQLite itself, under which others may go on writing: it holds the state of one moment. It is
put back in one transaction, so that every process that has the library open sees all of it at once, or nothing. What
was there before is copied first, within the same transaction: what another process has just added isn't lost.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from corpus.database import (
    APPLICATION_ID,
    BUSY_SECONDS,
    VERSION,
    Database,
    between,
    explained,
    read_only_error,
    writable,
)
from corpus.errors import LibraryError, UsageError
from corpus.upkeep import damage, faults, mend, references

_OWN = ("meta", "passages_fts")  # tables that aren't put back: who the library is, and what triggers keep


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore: the insights there are now, and where what was there before is kept."""

    insights: int
    kept: Path | None


def free_name(path: Path, what: str) -> Path:
    """A name beside a file that isn't taken: library.db gives library.WHAT.db, then library.WHAT-2.db."""
    tries = 1
    while True:
        found = path.with_name(f"{path.stem}.{what}{f'-{tries}' if tries > 1 else ''}{path.suffix}")
        if not found.exists():
            return found
        tries += 1


def back_up(path: Path, file: Path, *, vectors: bool = True, replace: bool = False) -> int:
    """Copy the library at `path` into a file, while others use it; the insights in the copy.

    Without `vectors` it is a fraction of the size, and whoever opens it embeds it anew. Raises UsageError if the file
    is there already (unless `replace`) or is the library itself, and LibraryError if it can't be written.
    """
    with explained(file):
        if file.exists() and file.samefile(path):
            raise UsageError(f"{file} is the library itself.", "Name another file.")
        if file.exists() and not replace:
            raise UsageError(f"{file} is there already.", "Name another file, or add --replace.")
        if not file.parent.is_dir():
            raise UsageError(f"There is no folder {file.parent}.", "Make it first, or choose another place.")
    with closing(Database(path)) as library:
        return _copy(library, file, vectors=vectors)


def _copy(library: Database, file: Path, *, vectors: bool = True) -> int:
    """Made beside and renamed: a copy is either whole or not there."""
    part = file.with_name(f".{file.name}.copy.{os.getpid()}")
    try:
        with explained(file):
            with closing(sqlite3.connect(part, isolation_level=None)) as target:
                with explained(library.path):
                    library.connection().backup(target)
                if not vectors:
                    target.execute("DELETE FROM vectors")
                    target.execute("VACUUM")
                (count,) = target.execute("SELECT count(*) FROM insights").fetchone()
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            shutil.copymode(library.path, part)
            os.replace(part, file)
            for old in ("-wal", "-shm"):  # of a copy that was opened: they would be taken for the new one's
                Path(f"{file}{old}").unlink(missing_ok=True)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                Path(f"{part}{end}").unlink(missing_ok=True)
    return int(count)


def restore(path: Path, backup: Path) -> Restored:
    """Put a backup's insights, vectors and journal in the place of what the library at `path` holds.

    The library is made if it is missing. The backup isn't changed; it is checked first. Raises UsageError or
    LibraryError if it isn't a library, is newer than this program or damaged, or if the library can't be written; then
    all is as it was.
    """
    with explained(backup):
        if not backup.is_file():
            raise UsageError(f"There is no file {backup}.", "Name a backup of a library.")
        if path.exists() and path.samefile(backup):
            raise UsageError(f"{backup} is the library itself.", "Name a backup of it.")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not writable(path):
            raise read_only_error(path)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".restoring-") as folder:
            taken = Path(folder) / "taken.db"
            _take(backup, taken)
            with closing(Database(path, create=True)) as library:  # only now: an empty one would take demo's place
                return _put_back(library, taken)


def _take(backup: Path, taken: Path) -> None:
    """A copy of the backup, of this program's version, that is known to be sound."""
    with explained(backup), backup.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":  # before SQLite looks: it would leave files beside a foreign one
            raise _foreign(backup)
    log = Path(f"{backup}-wal")
    # Nobody writes to a backup; and on a disk that can't be written SQLite reads it only if it is told so.
    mode = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    spoilt = LibraryError(
        f"{backup} is damaged, so nothing was restored.",
        f"Use another backup, or save what can be read of this one: footnoted doctor --fix --library {backup}",
    )
    try:
        source = sqlite3.connect(f"{backup.absolute().as_uri()}?{mode}", uri=True)
        with closing(source), closing(sqlite3.connect(taken)) as target:
            source.backup(target)
            (application,) = target.execute("PRAGMA application_id").fetchone()
            (version,) = target.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        raise LibraryError(f"{backup} can't be read ({error}).", "Check its disk and your permissions.") from error
    except sqlite3.DatabaseError as error:
        raise spoilt from error
    if application != APPLICATION_ID:
        raise _foreign(backup)
    if version > VERSION:
        raise LibraryError(
            f"{backup} was made by a newer Footnoted (its format is {version}, this program knows {VERSION}).",
            "Update Footnoted, then restore it.",
        )
    try:
        with closing(Database(taken)) as copy:
            sound = not damage(copy)
            mend(copy, faults(copy))  # what can be made again is no reason to refuse a backup
    except LibraryError as error:
        raise spoilt from error
    if not sound:
        raise spoilt


def _foreign(backup: Path) -> UsageError:
    return UsageError(
        f"{backup} is not a backup of a Footnoted library.", "To import texts: footnoted library add FILE"
    )


def _put_back(library: Database, taken: Path) -> Restored:
    path = library.path
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")  # all rows of a table go before those of the next one come
        connection.execute("ATTACH ? AS taken", (str(taken),))
        kept: Path | None = None
        try:
            with between(connection, "BEGIN IMMEDIATE"):
                if connection.execute("SELECT EXISTS (SELECT 1 FROM main.insights)").fetchone()[0]:
                    kept = free_name(path, "before-restore")
                    _copy(library, kept)  # through a connection of its own, which sees the state before
                _replace_rows(connection)
                (count,) = connection.execute("SELECT count(*) FROM main.insights").fetchone()
        except BaseException:
            if kept is not None:
                with suppress(OSError):
                    kept.unlink(missing_ok=True)
            raise
    return Restored(int(count), kept)


def _replace_rows(connection: sqlite3.Connection) -> None:
    """Empty the library's tables and fill them from the backup.

    Every number that the library ever gave out keeps its meaning: an index in another process's memory still holds
    keys, and an import that goes on meanwhile still has its own number. So the backup's are raised above them.
    """
    sql = "SELECT name FROM {}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    names = [{name for (name,) in connection.execute(sql.format(schema)).fetchall()} for schema in ("main", "taken")]
    tables = sorted((names[0] & names[1]) - {n for n in names[0] if n.startswith(_OWN)}, key=lambda n: n != "insights")
    raised = _raised(connection, tables)
    for table in tables:
        connection.execute(f'DELETE FROM main."{table}"')
    for table in tables:
        columns = [row[1] for row in connection.execute(f'PRAGMA main.table_info("{table}")').fetchall()]
        values = [_value(column, raised.get((table, column))) for column in columns]
        quoted = ", ".join(f'"{column}"' for column in columns)
        # Triggers fill the lexical index (insights come first: its rows say what they are about) and the tags, which
        # are there already when their own table comes.
        rows = f'SELECT {", ".join(values)} FROM taken."{table}" ORDER BY 1'
        connection.execute(f'INSERT OR IGNORE INTO main."{table}" ({quoted}) {rows}')
    connection.execute("INSERT OR IGNORE INTO main.meta SELECT * FROM taken.meta WHERE key LIKE 'model %'")
    connection.execute("UPDATE main.meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'revision'")


def _value(column: str, raised: int | None) -> str:
    return f'"{column}"' if raised is None else f'"{column}" + {raised}'


def _raised(connection: sqlite3.Connection, tables: list[str]) -> Mapping[tuple[str, str], int]:
    """By how much each column of numbers is raised: those that a table gives out, and those that refer to them."""
    given = dict(connection.execute("SELECT name, seq FROM main.sqlite_sequence").fetchall())
    raised: dict[tuple[str, str], int] = {}
    for table in tables:
        keys = [row[1] for row in connection.execute(f'PRAGMA main.table_info("{table}")').fetchall() if row[5]]
        if table in given and len(keys) == 1:
            raised[table, keys[0]] = int(given[table])
    for table, column, parent, there in references(connection):
        if (parent, there) in raised:
            raised[table, column] = raised[parent, there]
    return raised
