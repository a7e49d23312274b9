"""Where insights came from, in PostgreSQL: what pruning goes by. An import that was cut off goes on here.

A place is the file that an insight was read from, by its absolute path; "" stands for whatever isn't a file.
"""

from collections import defaultdict
from collections.abc import Sequence

from psycopg import Connection

from corpus.imports import Held
from corpus.postgres_schema import Row


def note_places(connection: Connection[Row], pairs: Sequence[tuple[str, str]]) -> None:
    """Remember that insights stand in places: (id, place) each."""
    connection.execute(
        "INSERT INTO places (path) SELECT DISTINCT path FROM unnest(%s::text[]) AS given (path) ON CONFLICT DO NOTHING",
        ([place for _, place in pairs],),
    )
    connection.execute(
        """INSERT INTO origins (insight, place)
        SELECT DISTINCT insights.number, places.number FROM unnest(%s::text[], %s::text[]) AS given (insight_id, path)
        JOIN insights USING (insight_id) JOIN places ON md5(places.path) = md5(given.path)
        ON CONFLICT DO NOTHING""",
        ([insight_id for insight_id, _ in pairs], [place for _, place in pairs]),
    )


def vanished(connection: Connection[Row], held: Held) -> tuple[list[tuple[int, int]], list[str]]:
    """What isn't in its place any more: (insight's number, place's number) to forget, and the ids of those to remove.

    Removed is what stands nowhere else and wasn't edited. A place that couldn't be read in full is passed over.
    """
    places = {
        number: path
        for number, path in connection.execute("SELECT number, path FROM places WHERE path <> ''").fetchall()
        if held.covers(path)
    }
    sql = """SELECT insight, insight_id, place FROM origins JOIN insights ON number = insight
        WHERE place = ANY(%s::bigint[]) ORDER BY insight"""
    gone: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for insight, insight_id, place in connection.execute(sql, (list(places),)).fetchall():
        if places[place] not in held.places.get(insight_id, ()):
            gone[insight, insight_id].append(place)
    sql = "SELECT insight, count(*) FROM origins WHERE insight = ANY(%s::bigint[]) GROUP BY 1"
    others: dict[int, int] = dict(connection.execute(sql, ([insight for insight, _ in gone],)).fetchall())
    sql = "SELECT insight_id FROM edits WHERE insight_id = ANY(%s::text[])"
    edited = {row[0] for row in connection.execute(sql, ([insight_id for _, insight_id in gone],)).fetchall()}
    removed = [
        insight_id
        for (insight, insight_id), there in gone.items()
        if others[insight] == len(there) and insight_id not in edited and insight_id not in held.places
    ]
    return [(insight, place) for (insight, _), there in gone.items() for place in there], removed


def forget(connection: Connection[Row], pairs: Sequence[tuple[int, int]]) -> None:
    """Forget that these insights, by number, stand in these places, by number."""
    connection.execute(
        """DELETE FROM origins USING unnest(%s::bigint[], %s::bigint[]) AS given (insight, place)
        WHERE origins.insight = given.insight AND origins.place = given.place""",
        ([insight for insight, _ in pairs], [place for _, place in pairs]),
    )


def cut_off(connection: Connection[Row], key: str) -> int | None:
    """The number of the last import, if it had this key and didn't come to its end."""
    sql = "SELECT number FROM unfinished WHERE key = %s AND number = (SELECT max(number) FROM imports)"
    rows = connection.execute(sql, (key,)).fetchall()
    return int(rows[0][0]) if rows else None


def begun(connection: Connection[Row], number: int, key: str) -> None:
    """Note that an import is under way."""
    sql = "INSERT INTO unfinished VALUES (%s, %s) ON CONFLICT (number) DO UPDATE SET key = excluded.key"
    connection.execute(sql, (number, key))


def ended(connection: Connection[Row], key: str) -> None:
    """Note that the imports with this key have come to their end."""
    connection.execute("DELETE FROM unfinished WHERE key = %s", (key,))
