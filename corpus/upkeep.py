"""What can be wrong inside a library's SQLite file, and how it is mended in place. No insight is ever deleted.

What stands here needs nothing but the file: passages and the lexical index are made again from the insights. A file
whose pages are damaged isn't mended but read into a new one: see corpus/salvage.py.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from corpus.database import FILL_LEXICAL, INDEXED, INDEXED_ABOUT, INDEXED_TEXT, LEXICAL, Database
from corpus.errors import LibraryError
from corpus.insight import Insight
from corpus.passages import split_passages

_OUT_OF_STEP = f"""
    SELECT (SELECT count(*) FROM passages JOIN insights USING (insight_id)
        LEFT JOIN passages_fts ON passages_fts.rowid = key
        WHERE passages_fts.text IS NOT {INDEXED_TEXT}
        OR passages_fts.about IS NOT {INDEXED_ABOUT})
    + (SELECT count(*) FROM passages_fts WHERE rowid NOT IN (SELECT key FROM passages))"""
_BARE = "SELECT count(*) FROM insights WHERE insight_id NOT IN (SELECT insight_id FROM passages)"
_LENGTHS = "SELECT fingerprint, length(vector) AS size, count(*) FROM vectors GROUP BY 1, 2 ORDER BY 3 DESC, 2 DESC"

Connection = sqlite3.Connection


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, in a sentence, and what mending does, in half of one."""

    text: str
    remedy: str
    mend: Callable[[Connection], None]  # called within a transaction


def damage(database: Database) -> str:
    """What SQLite finds wrong with the file's pages, in a sentence; nothing if it is sound.

    Not the lexical index: that is made of the rest, and `faults` looks at it.
    """
    try:
        rows = [str(row[0]) for row in database.rows("PRAGMA integrity_check(20)")]
        # Each line may stand in one row of its own or with others in one.
        lines = [line for row in rows for line in row.splitlines() if not line.startswith("***")]
        real = [line for line in lines if line != "ok" and "passages_fts" not in line and "fts5" not in line.lower()]
    except LibraryError as error:
        return error.problem
    return f"{database.path} is damaged: {real[0].rstrip('.')}." if real else ""


def faults(database: Database) -> list[Fault]:
    """All that `mend` can mend, in the order in which it must be mended.

    Raises LibraryError if a page can't be read.
    """
    found = []
    if lexical := _lexical_fault(database):
        found.append(Fault(lexical, "it is made again from the insights", _rebuild_lexical))
    if orphans := len(database.rows("PRAGMA foreign_key_check")):
        text = f"{orphans:,} {_rows(orphans)} to insights or passages that are gone."
        found.append(Fault(text, "they are removed", remove_orphans))
    if bare := int(database.rows(_BARE)[0][0]):
        text = f"{bare:,} insight{'s have' if bare > 1 else ' has'} no passages, so that nothing finds them."
        found.append(Fault(text, "they are made", make_passages))
    if wrong := sum(count for _, _, count in _misshapen(database.rows(_LENGTHS))):
        text = f"{wrong:,} vector{'s are' if wrong > 1 else ' is'} damaged."
        found.append(Fault(text, "they are removed, and made again when they are needed", _remove_misshapen))
    return found


def mend(database: Database, found: list[Fault]) -> None:
    """Mend these faults, all or none. Raises LibraryError if the file can't be written."""
    with database.transaction() as connection:
        for fault in found:
            fault.mend(connection)
        connection.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'revision'")


def _rows(count: int) -> str:
    return "rows belong" if count > 1 else "row belongs"


# ------------------------------------------------------------------------------------------------- lexical index


def _lexical_fault(database: Database) -> str:
    try:
        if not database.read_only:  # the check is an INSERT that inserts nothing
            with database.transaction() as connection:
                connection.execute("INSERT INTO passages_fts (passages_fts) VALUES ('integrity-check')")
        if database.version >= INDEXED and database.rows(_OUT_OF_STEP)[0][0]:
            return "The lexical index is not in step with the passages."
    except LibraryError as error:
        name: str = getattr(error.__cause__, "sqlite_errorname", "")
        # A table that is gone is an SQLITE_ERROR.
        if not name.startswith(("SQLITE_CORRUPT", "SQLITE_ERROR")):
            raise
        return "The lexical index is damaged."
    return ""


def _rebuild_lexical(connection: Connection) -> None:
    # Not emptied but made anew: a damaged one can't be emptied. SQLite drops one that it can't read with its parts.
    try:
        connection.execute("DROP TABLE IF EXISTS passages_fts")
    except sqlite3.DatabaseError:
        _drop_by_hand(connection)
    connection.execute(LEXICAL)
    connection.execute(FILL_LEXICAL)


def _drop_by_hand(connection: Connection) -> None:
    """Take a virtual table whose parts are missing, which SQLite won't drop, out of the schema with what is left."""
    connection.execute("PRAGMA writable_schema = ON")
    try:
        connection.execute("DELETE FROM sqlite_master WHERE type = 'table' AND name = 'passages_fts'")
    finally:
        connection.execute("PRAGMA writable_schema = RESET")
    parts = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 13) = 'passages_fts_'"
    for (name,) in connection.execute(parts).fetchall():
        connection.execute(f'DROP TABLE "{name}"')


# --------------------------------------------------------------------------------------------------- rows


def references(connection: Connection) -> list[tuple[str, str, str, str]]:
    """(table, column, the table it refers to, the column there) of each reference between tables."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
    found = []
    for name in names:
        for _, _, parent, column, there, *_ in connection.execute(f'PRAGMA foreign_key_list("{name}")').fetchall():
            found.append((str(name), str(column), str(parent), str(there)))
    return found


def remove_orphans(connection: Connection) -> None:
    """Remove rows whose parent is gone, and then theirs; an insight is nobody's child."""
    while True:
        before = connection.total_changes
        for table, column, parent, there in references(connection):
            if table != "insights":
                connection.execute(
                    f'DELETE FROM "{table}" WHERE "{column}" IS NOT NULL '
                    f'AND "{column}" NOT IN (SELECT "{there}" FROM "{parent}")'
                )
        if connection.total_changes == before:
            return


def make_passages(connection: Connection) -> None:
    """Give each insight that has none its passages."""
    sql = "SELECT insight_id, text FROM insights WHERE insight_id NOT IN (SELECT insight_id FROM passages)"
    for insight_id, text in connection.execute(sql).fetchall():
        connection.executemany(
            'INSERT INTO passages (passage_id, insight_id, start, "end") VALUES (?, ?, ?, ?)',
            [(p.passage_id, p.insight_id, p.start, p.end) for p in split_passages(Insight(insight_id, text))],
        )


def _misshapen(lengths: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Of (fingerprint, bytes, how many), the most frequent first, those that aren't as long as most of their model."""
    usual: dict[str, int] = {}
    for fingerprint, size, _ in lengths:
        if size % 4 == 0:
            usual.setdefault(fingerprint, size)
    return [row for row in lengths if row[1] != usual.get(row[0])]


def _remove_misshapen(connection: Connection) -> None:
    rows = [(fingerprint, size) for fingerprint, size, _ in _misshapen(connection.execute(_LENGTHS).fetchall())]
    connection.executemany("DELETE FROM vectors WHERE fingerprint = ? AND length(vector) = ?", rows)


# --------------------------------------------------------------------------------------------------- room


def drop_vectors(database: Database, fingerprints: list[str]) -> None:
    """Remove the vectors of these models; they can be made again by whoever has the models."""
    with database.transaction() as connection:
        connection.executemany("DELETE FROM vectors WHERE fingerprint = ?", [(one,) for one in fingerprints])
        connection.executemany("DELETE FROM meta WHERE key = 'model ' || ?", [(one,) for one in fingerprints])


def spare_bytes(database: Database) -> int:
    """What the file would shrink by if its free pages were given back."""
    (free,) = database.rows("PRAGMA freelist_count")[0]
    (size,) = database.rows("PRAGMA page_size")[0]
    return int(free) * int(size)


def give_back(database: Database) -> None:
    """Give free pages and the log back to the disk. Raises LibraryError if other programs are writing all the time."""
    database.rows("VACUUM")
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
