"""A library in PostgreSQL, as it is copied: see corpus/transfer.py."""

import json
from collections.abc import Sequence

import numpy as np
from psycopg import Connection

from corpus.postgres_schema import Row
from corpus.postgres_servers import Servers
from corpus.postgres_vectors import put, vector_from
from corpus.postgres_write import COLUMNS, State, insight_from, store, store_cut
from corpus.transfer import BATCH, Note, Record, Rest

NOTE = "copied from"  # the key in meta


class PostgresStore:
    """A library in PostgreSQL, read from its primary."""

    def __init__(self, servers: Servers) -> None:
        self._servers, self.name = servers, servers.address.name

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self._servers.connection() as connection, connection.cursor(binary=True) as cursor:
            return cursor.execute(sql, values or None).fetchall()

    def revision(self) -> str:
        """See Store."""
        ((library_id, revision),) = self._rows("SELECT library_id, revision FROM state")
        return f"{library_id[:12]}-{revision}"

    def count(self) -> int:
        """See Store."""
        return int(self._rows("SELECT count(*) FROM insights")[0][0])

    def records(self, after: int) -> list[Record]:
        """See Store."""
        rows = self._rows(
            f"SELECT number, added_at, {COLUMNS} FROM insights WHERE number > %s ORDER BY number LIMIT %s",
            (after, BATCH),
        )
        ids = [row[2] for row in rows]
        passages: dict[str, list[tuple[str, int, int]]] = {id_: [] for id_ in ids}
        vectors: dict[str, list[tuple[str, str, bytes]]] = {id_: [] for id_ in ids}
        sketches: dict[str, list[int]] = {id_: [] for id_ in ids}
        these = "insight_id = ANY(%s::text[])"
        sql = f'SELECT insight_id, passage_id, start, "end" FROM passages WHERE {these} ORDER BY key'
        for insight_id, passage_id, start, end in self._rows(sql, (ids,)):
            passages[insight_id].append((passage_id, start, end))
        sql = f"SELECT insight_id, passage_id, fingerprint, vector FROM vectors JOIN passages USING (key) WHERE {these}"
        for insight_id, passage_id, fingerprint, vector in self._rows(sql, (ids,)):
            vectors[insight_id].append((passage_id, fingerprint, vector_from(vector).astype("<f4").tobytes()))
        sql = f"SELECT insight_id, hash FROM sketches JOIN insights ON number = insight WHERE {these}"
        for insight_id, one in self._rows(sql, (ids,)):
            sketches[insight_id].append(one)
        return [
            Record(
                number,
                insight_from(row),
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
            edits=self._rows("SELECT insight_id, told FROM edits"),
            imports=self._rows("SELECT number, at, origin FROM imports"),
            journal=self._rows("SELECT import, insight_id, was, told, became FROM journal"),
            unfinished=self._rows("SELECT number, key FROM unfinished"),
            links=self._rows(
                """SELECT one.insight_id, two.insight_id FROM links
                JOIN insights AS one ON one.number = insight JOIN insights AS two ON two.number = other"""
            ),
            origins=self._rows(
                """SELECT insight_id, path FROM origins
                JOIN insights ON insights.number = insight JOIN places ON places.number = place"""
            ),
            models=self._rows("SELECT substr(key, 7), value FROM meta WHERE starts_with(key, 'model ')"),
        )

    def last_id(self) -> str:
        """See Store."""
        rows = self._rows("SELECT insight_id FROM insights ORDER BY number DESC LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def number_of(self, insight_id: str) -> int:
        """See Store."""
        rows = self._rows("SELECT number FROM insights WHERE insight_id = %s", (insight_id,))
        return int(rows[0][0]) if rows else 0

    def note(self) -> Note | None:
        """See Store."""
        rows = self._rows("SELECT value FROM meta WHERE key = %s", (NOTE,))
        return Note(**json.loads(rows[0][0])) if rows else None

    def begin(self, source: str) -> None:
        """See Store."""
        with self._servers.transaction() as connection:
            State(connection)
            for table in ("insights", "imports", "places"):
                connection.execute(f"DELETE FROM {table}")
            connection.execute("DELETE FROM meta WHERE starts_with(key, 'model ')")
            connection.execute("UPDATE state SET insights = 0, passages = 0, terms = 0")
            _remember(connection, source, done=False)

    def store(self, records: Sequence[Record]) -> None:
        """See Store."""
        with self._servers.transaction() as connection:
            state = State(connection)
            store(connection, [one.insight for one in records], [one.added_at for one in records])
            state.count(insights=len(records))
            store_cut(connection, state, [(record.insight, *part) for record in records for part in record.passages])
            _put(connection, records)
            pairs = [(record.insight.insight_id, one) for record in records for one in record.sketch]
            connection.execute(
                """INSERT INTO sketches (hash, insight)
                SELECT hash, number FROM unnest(%s::text[], %s::bigint[]) AS given (insight_id, hash)
                JOIN insights USING (insight_id)""",
                ([insight_id for insight_id, _ in pairs], [one for _, one in pairs]),
            )

    def finish(self, rest: Rest, source: str) -> None:
        """See Store."""
        with self._servers.transaction() as connection, connection.cursor() as cursor:
            state = State(connection)
            for sql, rows in (
                ("INSERT INTO edits VALUES (%s, %s)", rest.edits),
                ("INSERT INTO imports VALUES (%s, %s, %s)", rest.imports),
                ("INSERT INTO journal VALUES (%s, %s, %s, %s, %s)", rest.journal),
                ("INSERT INTO unfinished VALUES (%s, %s)", rest.unfinished),
                (
                    """INSERT INTO links SELECT one.number, two.number FROM insights AS one, insights AS two
                    WHERE one.insight_id = %s AND two.insight_id = %s""",
                    rest.links,
                ),
                (
                    "INSERT INTO places (path) VALUES (%s) ON CONFLICT DO NOTHING",
                    sorted({(path,) for _, path in rest.origins}),
                ),
                (
                    """INSERT INTO origins SELECT insights.number, places.number FROM insights, places
                    WHERE insight_id = %s AND md5(path) = md5(%s)""",
                    rest.origins,
                ),
                ("INSERT INTO meta VALUES ('model ' || %s, %s)", rest.models),
            ):
                cursor.executemany(sql, rows)
            # No number is given twice: one that a person has seen must not come to mean another import.
            cursor.execute("UPDATE state SET imports = greatest(imports, (SELECT max(number) FROM imports))")
            state.raise_revision()
            _remember(connection, source, done=True)

    def spoil(self) -> None:
        """See Store."""
        with self._servers.transaction() as connection:
            _remember(connection, "", done=False)


def _put(connection: Connection[Row], records: Sequence[Record]) -> None:
    ids = [passage_id for record in records for passage_id, _, _ in record.passages]
    sql = "SELECT passage_id, key FROM passages WHERE passage_id = ANY(%s::text[])"
    keys: dict[str, int] = dict(connection.execute(sql, (ids,)).fetchall())
    sets: dict[str, list[tuple[int, bytes]]] = {}
    for record in records:
        for passage_id, fingerprint, vector in record.vectors:
            sets.setdefault(fingerprint, []).append((keys[passage_id], vector))
    for fingerprint, pairs in sets.items():
        vectors = [np.frombuffer(vector, "<f4") for _, vector in pairs]
        put(connection, fingerprint, [key for key, _ in pairs], vectors)


def _remember(connection: Connection[Row], source: str, *, done: bool) -> None:
    ((library_id, revision),) = connection.execute("SELECT library_id, revision FROM state").fetchall()
    note = Note(source, f"{library_id[:12]}-{revision}", done)
    sql = "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    connection.execute(sql, (NOTE, note.packed()))
