"""Near-duplicates in PostgreSQL: found by their sketches, and linked to each other, a batch at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from psycopg import Connection

from corpus.duplicates import COMMON, near, sketch
from corpus.postgres_schema import Row


def near_to(connection: Connection[Row], texts: Iterable[str]) -> Callable[[str], list[str]]:
    """Gives the ids of the stored insights that a text is a near-duplicate of, for each of these texts."""
    hashes = sorted({one for text in texts for one in sketch(text)})
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    if hashes:
        sql = """SELECT hash, insight_id, text FROM unnest(%s::bigint[]) AS given (hash)
            CROSS JOIN LATERAL (SELECT insight FROM sketches WHERE sketches.hash = given.hash LIMIT %s) AS there
            JOIN insights ON number = insight"""
        for one, insight_id, text in connection.execute(sql, (hashes, COMMON + 1)).fetchall():
            found[one][insight_id] = text

    def near_stored(text: str) -> list[str]:
        there = [found[one] for one in sketch(text) if one in found and len(found[one]) <= COMMON]
        others = {insight_id: other for ids in there for insight_id, other in ids.items()}
        return [insight_id for insight_id, other in others.items() if near(text, other)]

    return near_stored


def enter(connection: Connection[Row], given: Sequence[tuple[str, str, Iterable[str]]]) -> None:
    """Make texts of stored insights known, and link them: (id, text, ids of its near-duplicates) each."""
    hashes = [(insight_id, one) for insight_id, text, _ in given for one in sketch(text)]
    pairs = [pair for one, _, others in given for other in others for pair in ((one, other), (other, one))]
    connection.execute(
        """INSERT INTO sketches (hash, insight)
        SELECT hash, number FROM unnest(%s::text[], %s::bigint[]) AS given (insight_id, hash)
        JOIN insights USING (insight_id) ON CONFLICT DO NOTHING""",
        ([insight_id for insight_id, _ in hashes], [one for _, one in hashes]),
    )
    connection.execute(
        """INSERT INTO links (insight, other)
        SELECT DISTINCT one.number, two.number FROM unnest(%s::text[], %s::text[]) AS given (one, two)
        JOIN insights AS one ON one.insight_id = given.one JOIN insights AS two ON two.insight_id = given.two
        ON CONFLICT DO NOTHING""",
        ([one for one, _ in pairs], [other for _, other in pairs]),
    )


def leave(connection: Connection[Row], ids: Sequence[str]) -> None:
    """Forget the texts that stored insights had. With the insights themselves they are forgotten by themselves."""
    named = "SELECT number FROM insights WHERE insight_id = ANY(%s::text[])"
    connection.execute(f"DELETE FROM sketches WHERE insight IN ({named})", (list(ids),))
    connection.execute(f"DELETE FROM links WHERE insight IN ({named}) OR other IN ({named})", (list(ids), list(ids)))


def linked(connection: Connection[Row], ids: Sequence[str]) -> list[Row]:
    """(id, id of a near-duplicate of it) for each of these ids, in the order in which those were added."""
    sql = """SELECT one.insight_id, two.insight_id FROM insights AS one JOIN links ON links.insight = one.number
        JOIN insights AS two ON two.number = links.other WHERE one.insight_id = ANY(%s::text[]) ORDER BY two.number"""
    return connection.execute(sql, (list(ids),)).fetchall()
