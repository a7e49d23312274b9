"""How a library in PostgreSQL is: what is wrong with its tables, and how its servers are."""

import json
from contextlib import suppress

import psycopg
from psycopg import Connection

from corpus.errors import LibraryError
from corpus.postgres_schema import Row
from corpus.postgres_servers import Servers
from corpus.terms import terms

_AT_ONCE = 2000  # passages that are looked at together


def server_told(servers: Servers) -> list[str]:
    """The servers in words: which versions, and how far each replica is behind. Raises LibraryError if none answers."""
    told = [servers.rows(_VERSIONS)[0][0]]
    written: str | None = None
    with suppress(LibraryError), servers.connection() as connection:
        ((written,),) = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchall()
    if written is None:
        told.append("the primary doesn't answer")
    for number, replica in enumerate(servers.replicas, 1):
        try:
            with replica.connection() as connection:
                ((is_replica, seconds, size),) = connection.execute(_LAG, (written,)).fetchall()
        except psycopg.Error:
            told.append(f"replica {number} doesn't answer")
            continue
        if not is_replica:
            told.append(f"replica {number} is none: it takes writes of its own")
        elif size is None:
            told.append(f"replica {number} answers")
        else:
            told.append(f"replica {number} is {size:,} bytes behind" + (f", {seconds:.1f} s" if size else ""))
    return told


_VERSIONS = """SELECT 'PostgreSQL ' || current_setting('server_version') || ', pgvector '
    || (SELECT extversion FROM pg_extension WHERE extname = 'vector')"""

_LAG = """SELECT pg_is_in_recovery(), extract(epoch FROM now() - pg_last_xact_replay_timestamp()),
    greatest(0, pg_wal_lsn_diff(%s::pg_lsn, pg_last_wal_replay_lsn()))::bigint"""


def faults(connection: Connection[Row]) -> list[str]:
    """What is wrong with the tables, a sentence each."""
    found = []
    told = connection.execute("SELECT insights, passages, terms FROM state").fetchall()
    sql = """SELECT (SELECT count(*) FROM insights), count(*), coalesce(sum(length), 0)::bigint FROM passages"""
    if told != connection.execute(sql).fetchall():
        found.append("The counts are not in step with the tables.")
    unlike = 0
    with connection.cursor("passages") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(
            """SELECT key, substr(text, start + 1, "end" - start) || ' ' || about
            FROM passages JOIN insights USING (insight_id)"""
        )
        while rows := cursor.fetchmany(_AT_ONCE):
            given = [json.dumps([key, terms(text)]) for key, text in rows]
            ((count,),) = connection.execute(_UNLIKE, (given,)).fetchall()
            unlike += count
    if unlike:
        found.append("The lexical index is not in step with the passages.")
    sql = """SELECT count(*) FROM insights
        WHERE NOT EXISTS (SELECT FROM passages WHERE passages.insight_id = insights.insight_id)"""
    ((bare,),) = connection.execute(sql).fetchall()
    if bare:
        found.append(f"{bare} insights have no passages.")
    sql = "SELECT count(*) FROM pg_index WHERE indrelid = to_regclass('vectors') AND NOT indisvalid"
    ((broken,),) = connection.execute(sql).fetchall()
    if broken:
        found.append(f"{broken} index of vectors was broken off; it is made again with the next change.")
    return found


_UNLIKE = """
    SELECT count(*) FROM unnest(%s::jsonb[]) AS given (row) JOIN passages ON key = (row ->> 0)::bigint
    WHERE terms <> lexemes(ARRAY(SELECT jsonb_array_elements_text(row -> 1)))"""
