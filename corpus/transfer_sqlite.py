"""A library's SQLite file, as it is copied: see corpus/transfer.py."""

import json
from collections.abc import Sequence
from sqlite3 import Connection

from corpus.database import Database
from corpus.insight import FIELDS, content_id
from corpus.stored import insight_of, row_of
from corpus.transfer import BATCH, Note, Record, Rest, Row

NOTE = "copied from"  # the key in meta
_FIELDS = ", ".join(FIELDS)


class SqliteStore:
    """A library's SQLite file."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self.name = database, name
        # A file of an earlier version that can't be written lacks some.
        tables = database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {name for (name,) in tables}

    def revision(self) -> str:
        """See Store."""
        values = dict(self._database.rows("SELECT key, value FROM meta"))
        return f"{values['library_id'][:12]}-{values['revision']}"

    def count(self) -> int:
        """See Store."""
        return int(self._database.rows("SELECT count(*) FROM insights")[0][0])

    def records(self, after: int) -> list[Record]:
        """See Store."""
        rows = self._database.rows(
            f"SELECT number, added_at, {_FIELDS} FROM insights WHERE number > ? ORDER BY number LIMIT ?", (after, BATCH)
        )
        ids = tuple(row[2] for row in rows)
        marks = ", ".join("?" * len(ids))
        passages: dict[str, list[tuple[str, int, int]]] = {id_: [] for id_ in ids}
        vectors: dict[str, list[tuple[str, str, bytes]]] = {id_: [] for id_ in ids}
        sketches: dict[str, list[int]] = {id_: [] for id_ in ids}
        sql = f'SELECT insight_id, passage_id, start, "end" FROM passages WHERE insight_id IN ({marks}) ORDER BY key'
        for insight_id, passage_id, start, end in self._database.rows(sql, ids):
            passages[insight_id].append((passage_id, start, end))
        sql = f"""SELECT insight_id, passage_id, fingerprint, vector FROM vectors JOIN passages USING (key)
            WHERE insight_id IN ({marks})"""
        for insight_id, passage_id, fingerprint, vector in self._database.rows(sql, ids):
            vectors[insight_id].append((passage_id, fingerprint, vector))
        sql = f"SELECT insight_id, hash FROM sketches JOIN insights ON number = insight WHERE insight_id IN ({marks})"
        for insight_id, one in self._database.rows(sql, ids) if "sketches" in self._tables else ():
            sketches[insight_id].append(one)
        return [
            Record(
                number,
                insight_of(row),
                added_at,
                tuple(passages[row[0]]),
                tuple(vectors[row[0]]),
                tuple(sketches[row[0]]),
            )
            for number, added_at, *row in rows
        ]

    def rest(self) -> Rest:
        """See Store."""
        return Rest(
            edits=self._rows("edits", "SELECT insight_id, told FROM edits"),
            imports=self._rows("imports", "SELECT number, at, origin FROM imports"),
            journal=self._rows("journal", "SELECT import, insight_id, was, told, became FROM journal"),
            unfinished=self._rows("unfinished", "SELECT number, key FROM unfinished"),
            links=self._rows(
                "links",
                """SELECT one.insight_id, two.insight_id FROM links
                JOIN insights AS one ON one.number = insight JOIN insights AS two ON two.number = other""",
            ),
            origins=self._rows(
                "origins",
                """SELECT insight_id, path FROM origins
                JOIN insights ON insights.number = insight JOIN places ON places.number = place""",
            ),
            models=self._rows("meta", "SELECT substr(key, 7), value FROM meta WHERE substr(key, 1, 6) = 'model '"),
        )

    def _rows(self, table: str, sql: str) -> list[Row]:
        return [tuple(row) for row in self._database.rows(sql)] if table in self._tables else []

    def last_id(self) -> str:
        """See Store."""
        rows = self._database.rows("SELECT insight_id FROM insights ORDER BY number DESC LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def number_of(self, insight_id: str) -> int:
        """See Store."""
        rows = self._database.rows("SELECT number FROM insights WHERE insight_id = ?", (insight_id,))
        return int(rows[0][0]) if rows else 0

    def note(self) -> Note | None:
        """See Store."""
        rows = self._database.rows("SELECT value FROM meta WHERE key = ?", (NOTE,))
        return Note(**json.loads(rows[0][0])) if rows else None

    def begin(self, source: str) -> None:
        """See Store."""
        with self._database.transaction() as connection:
            for table in ("insights", "imports", "places"):
                connection.execute(f"DELETE FROM {table}")
            connection.execute("DELETE FROM meta WHERE substr(key, 1, 6) = 'model '")
            _remember(connection, Note(source, self.revision(), done=False))

    def store(self, records: Sequence[Record]) -> None:
        """See Store."""
        marks = ", ".join("?" * len(FIELDS))
        with self._database.transaction() as connection:
            connection.executemany(
                f"INSERT INTO insights ({_FIELDS}, content_id, added_at) VALUES ({marks}, ?, ?)",
                [(*row_of(record.insight), content_id(record.insight.text), record.added_at) for record in records],
            )
            connection.executemany(
                'INSERT INTO passages (passage_id, insight_id, start, "end") VALUES (?, ?, ?, ?)',
                [(one, record.insight.insight_id, *span) for record in records for one, *span in record.passages],
            )
            connection.executemany(
                "INSERT INTO vectors SELECT key, ?, ? FROM passages WHERE passage_id = ?",
                [(model, vector, one) for record in records for one, model, vector in record.vectors],
            )
            connection.executemany(
                "INSERT INTO sketches SELECT ?, number FROM insights WHERE insight_id = ?",
                [(one, record.insight.insight_id) for record in records for one in record.sketch],
            )

    def finish(self, rest: Rest, source: str) -> None:
        """See Store."""
        with self._database.transaction() as connection:
            for sql, rows in (
                ("INSERT INTO edits VALUES (?, ?)", rest.edits),
                ("INSERT INTO imports VALUES (?, ?, ?)", rest.imports),
                ("INSERT INTO journal VALUES (?, ?, ?, ?, ?)", rest.journal),
                ("INSERT INTO unfinished VALUES (?, ?)", rest.unfinished),
                (
                    """INSERT INTO links SELECT one.number, two.number FROM insights AS one, insights AS two
                    WHERE one.insight_id = ? AND two.insight_id = ?""",
                    rest.links,
                ),
                ("INSERT OR IGNORE INTO places (path) VALUES (?)", [(path,) for _, path in rest.origins]),
                (
                    """INSERT INTO origins SELECT insights.number, places.number FROM insights, places
                    WHERE insight_id = ? AND path = ?""",
                    rest.origins,
                ),
                ("INSERT INTO meta VALUES ('model ' || ?, ?)", rest.models),
            ):
                connection.executemany(sql, rows)
            connection.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'revision'")
            _remember(connection, Note(source, self.revision(), done=True))

    def spoil(self) -> None:
        """See Store."""
        with self._database.transaction() as connection:
            _remember(connection, Note("", self.revision(), done=False))


def _remember(connection: Connection, note: Note) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (NOTE, note.packed()))
