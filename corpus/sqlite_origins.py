"""Where insights came from, in the library's SQLite file: what pruning goes by. And which imports were cut off.

A place is the file that an insight was read from, by its absolute path; "" stands for whatever isn't a file.
"""

from sqlite3 import Connection

from corpus.imports import Held


class Places:
    """The numbers of places, for one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}

    def note(self, insight_id: str, place: str) -> None:
        """Remember that an insight stands in a place."""
        sql = "INSERT OR IGNORE INTO origins SELECT number, ? FROM insights WHERE insight_id = ?"
        self._connection.execute(sql, (self._number(place), insight_id))

    def _number(self, place: str) -> int:
        if (known := self._numbers.get(place)) is not None:
            return known
        self._connection.execute("INSERT OR IGNORE INTO places (path) VALUES (?)", (place,))
        (number,) = self._connection.execute("SELECT number FROM places WHERE path = ?", (place,)).fetchone()
        self._numbers[place] = number
        return int(number)


def vanished(connection: Connection, held: Held) -> tuple[list[tuple[int, int]], list[str]]:
    """What isn't in its place any more: (insight's number, place's number) to forget, and the ids of those to remove.

    Removed is what stands nowhere else and wasn't edited. A place that couldn't be read in full is passed over.
    """
    gone: dict[int, list[int]] = {}
    ids: dict[int, str] = {}
    sql = "SELECT number, path FROM places WHERE path <> '' ORDER BY number"
    for number, path in connection.execute(sql).fetchall():
        if not held.covers(path):
            continue
        sql = """SELECT insights.number, insight_id FROM origins JOIN insights ON insights.number = origins.insight
            WHERE place = ? ORDER BY insights.number"""
        for insight, insight_id in connection.execute(sql, (number,)):
            if path not in held.places.get(insight_id, ()):
                gone.setdefault(insight, []).append(number)
                ids[insight] = insight_id
    removed = []
    for insight, places in gone.items():
        (others,) = connection.execute("SELECT count(*) FROM origins WHERE insight = ?", (insight,)).fetchone()
        edited = connection.execute("SELECT 1 FROM edits WHERE insight_id = ?", (ids[insight],)).fetchone()
        if others == len(places) and not edited and ids[insight] not in held.places:
            removed.append(ids[insight])
    return [(insight, place) for insight, places in gone.items() for place in places], removed


def forget(connection: Connection, pairs: list[tuple[int, int]]) -> None:
    """Forget that these insights, by number, stand in these places, by number."""
    connection.executemany("DELETE FROM origins WHERE insight = ? AND place = ?", pairs)


def cut_off(connection: Connection, key: str) -> int | None:
    """The number of the last import, if it had this key and didn't come to its end."""
    sql = "SELECT number FROM unfinished WHERE key = ? AND number = (SELECT max(number) FROM imports)"
    row = connection.execute(sql, (key,)).fetchone()
    return int(row[0]) if row else None


def begun(connection: Connection, number: int, key: str) -> None:
    """Note that an import is under way."""
    connection.execute("INSERT OR REPLACE INTO unfinished VALUES (?, ?)", (number, key))


def ended(connection: Connection, key: str) -> None:
    """Note that the imports with this key have come to their end."""
    connection.execute("DELETE FROM unfinished WHERE key = ?", (key,))
