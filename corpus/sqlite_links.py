"""Near-duplicates in the library's SQLite file: found by their sketches, and linked to each other."""

from collections import Counter
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from corpus.duplicates import COMMON, near, sketch


def near_stored(connection: Connection, text: str) -> list[str]:
    """The ids of the stored insights that a text is a near-duplicate of."""
    return [insight_id for _, insight_id in _near(connection, text, sketch(text))]


def enter(connection: Connection, insight_id: str, text: str) -> list[str]:
    """Make a stored insight's text known, and link it; the ids of its near-duplicates. It must not be known yet."""
    number = _number(connection, insight_id)
    hashes = sketch(text)
    found = _near(connection, text, hashes)
    connection.executemany("INSERT OR IGNORE INTO sketches VALUES (?, ?)", [(one, number) for one in hashes])
    if pairs := [pair for other, _ in found for pair in ((number, other), (other, number))]:
        connection.executemany("INSERT OR IGNORE INTO links VALUES (?, ?)", pairs)
    return [other for _, other in found]


def leave(connection: Connection, insight_id: str) -> None:
    """Forget the text that a stored insight had. With the insight itself its text is forgotten by itself."""
    number = _number(connection, insight_id)
    connection.execute("DELETE FROM sketches WHERE insight = ?", (number,))
    connection.execute("DELETE FROM links WHERE insight = ? OR other = ?", (number, number))


def linked(connection: Connection, ids: Sequence[str]) -> Iterable[tuple[str, str]]:
    """(id, id of a near-duplicate of it) for each of these ids, in the order they were added."""
    marks = ", ".join("?" * len(ids))
    sql = f"""SELECT one.insight_id, two.insight_id FROM insights AS one JOIN links ON links.insight = one.number
        JOIN insights AS two ON two.number = links.other WHERE one.insight_id IN ({marks}) ORDER BY two.number"""
    return [(one, other) for one, other in connection.execute(sql, list(ids))]


def _near(connection: Connection, text: str, hashes: Sequence[int]) -> list[tuple[int, str]]:
    """(number, id) of each near-duplicate, by number."""
    most = COMMON * len(hashes)
    sql = f"SELECT hash, insight FROM sketches WHERE hash IN ({', '.join('?' * len(hashes))}) LIMIT ?"
    rows = connection.execute(sql, (*hashes, most + 1)).fetchall()
    if len(rows) > most:  # some are common, and may hide the others
        sql = "SELECT hash, insight FROM sketches WHERE hash = ? LIMIT ?"
        rows = [row for one in hashes for row in connection.execute(sql, (one, COMMON + 1))]
    shared = Counter(one for one, _ in rows)
    numbers = {number for one, number in rows if shared[one] <= COMMON}
    found = []
    for number in sorted(numbers):
        sql = "SELECT insight_id, text FROM insights WHERE number = ?"
        insight_id, other = connection.execute(sql, (number,)).fetchone()
        if near(text, other):
            found.append((number, str(insight_id)))
    return found


def _number(connection: Connection, insight_id: str) -> int:
    (number,) = connection.execute("SELECT number FROM insights WHERE insight_id = ?", (insight_id,)).fetchone()
    return int(number)
