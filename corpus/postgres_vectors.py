"""Vectors in PostgreSQL: how they travel, and the search for the nearest ones, which runs in the database.

Whole vectors are stored (pgvector's type `vector`), and searched through an index of halves of them: HNSW (Malkov and
Yashunin 2018), one for each model. Its candidates are scored again with the whole vectors. Below INDEXED vectors there
is no index, and the search is exact.
"""

import hashlib
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.sql import SQL, Identifier, Literal

from corpus.postgres_schema import Row

INDEXED = 10_000  # vectors of a model from which on an index pays
FEW = 5_000  # passages that a filter leaves, up to which each is compared: exact, and faster than through the index
WIDER = 4  # candidates taken from the index for each that is wanted, since halves order a little otherwise
LEAST, MOST = 200, 1000  # candidates that the index looks at; 1000 is the most that pgvector takes
MOST_DIMENSIONS = 4000  # of halves, that pgvector's HNSW takes
LOCKED = 0.5  # seconds between two looks at the lock of an index that another process makes
SCANNED = 100_000  # passages that the index looks at in all to find enough that pass a filter


class VectorDumper(Dumper):
    """A numpy vector in pgvector's binary form: two bytes of its length, two of nothing, the numbers."""

    format = Format.BINARY

    def dump(self, obj: NDArray[np.float32]) -> bytes:
        """See Dumper."""
        return len(obj).to_bytes(2, "big") + b"\0\0" + obj.astype(">f4").tobytes()


def vector_from(data: bytes) -> NDArray[np.float32]:
    """What VectorDumper made of it."""
    return np.frombuffer(data, ">f4", offset=4).astype(np.float32)


def put(
    connection: Connection[Row],
    fingerprint: str,
    keys: Sequence[int],
    vectors: NDArray[np.float32] | Sequence[NDArray[np.float32]],
) -> None:
    """Store a vector for each key whose passage is there still, and hold these passages until the transaction ends."""
    connection.adapters.register_dumper(np.ndarray, VectorDumper)
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO vectors (fingerprint, key, vector)
            SELECT %s, key, %b::vector FROM passages WHERE key = %s FOR KEY SHARE
            ON CONFLICT (fingerprint, key) DO UPDATE SET vector = excluded.vector""",
            [(fingerprint, vector, int(key)) for key, vector in zip(keys, vectors, strict=True)],
        )


def nearest(
    connection: Connection[Row], fingerprint: str, vector: NDArray[np.float32], k: int, only: Sequence[int] | None
) -> list[Row]:
    """(key, score) of the k best, by the product of the vectors, which for those of unit length is their cosine.

    With `only`, among these keys. Ties by key. To be called inside a transaction, whose settings it changes.
    """
    connection.adapters.register_dumper(np.ndarray, VectorDumper)
    width = len(vector)
    among = SQL("fingerprint = {}").format(Literal(fingerprint))
    if only is not None:
        among += SQL(" AND key = ANY(%(only)s::bigint[])")
    values = {"vector": vector, "k": k, "deep": WIDER * k, "only": only if only is None else list(only)}
    if (only is None or len(only) > FEW) and has_index(connection, fingerprint, width):
        connection.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
        connection.execute(f"SET LOCAL hnsw.ef_search = {min(max(LEAST, WIDER * k), MOST)}")
        connection.execute(f"SET LOCAL hnsw.max_scan_tuples = {SCANNED}")
        halves = SQL("vector::halfvec({width}) <#> %(vector)b::vector::halfvec({width})")
        order = halves.format(width=Literal(width))
    else:
        order = SQL("vector <#> %(vector)b::vector, key").format()
    query = SQL(
        """WITH near AS MATERIALIZED (
            SELECT key, vector FROM vectors WHERE {among} ORDER BY {order} LIMIT %(deep)s
        ), scored AS (SELECT key, -(vector <#> %(vector)b::vector) AS score FROM near)
        SELECT key, score FROM scored ORDER BY round(score::numeric, 6) DESC, key LIMIT %(k)s"""
    )
    return connection.execute(query.format(among=among, order=order), values).fetchall()


def index_name(fingerprint: str, width: int) -> str:
    """What the index of a model's vectors is called."""
    return f"vectors_{hashlib.sha256(fingerprint.encode()).hexdigest()[:12]}_{width}"


def has_index(connection: Connection[Row], fingerprint: str, width: int) -> bool:
    """Whether the index of a model's vectors is there and whole."""
    found = connection.execute(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (index_name(fingerprint, width),)
    ).fetchall()
    return bool(found and found[0][0])


def make_index(connection: Connection[Row], fingerprint: str, width: int) -> None:
    """Make the index of a model's vectors, while others read and write; whoever asks for it too waits.

    The connection must be in autocommit mode.
    """
    name = index_name(fingerprint, width)
    # Asked for again and again, since the server can't do the waiting: CREATE INDEX CONCURRENTLY waits for every query
    # that was there before it, and so for one that waits for this lock, which then waits for it.
    while not connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (name,)).fetchall()[0][0]:
        time.sleep(LOCKED)
    try:
        if has_index(connection, fingerprint, width):
            return
        connection.execute("SET statement_timeout TO 0")
        # What was broken off leaves one that isn't whole.
        connection.execute(SQL("DROP INDEX IF EXISTS {}").format(Identifier(name)))
        connection.execute(
            SQL(
                "CREATE INDEX CONCURRENTLY {name} ON vectors USING hnsw ((vector::halfvec({width})) halfvec_ip_ops) "
                "WHERE fingerprint = {fingerprint}"
            ).format(name=Identifier(name), width=Literal(width), fingerprint=Literal(fingerprint))
        )
    finally:
        connection.close()  # and with it the lock and the setting
