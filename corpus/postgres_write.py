"""What is written into the tables of a library in PostgreSQL, inside a transaction that holds the row of `state`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from corpus.imports import REMEMBERED, Found, Planned, Stored, digest, is_new_text, packed, placed, plan, unpacked
from corpus.insight import FIELDS, Insight, content_id
from corpus.items import Item, Problem
from corpus.passages import split_passages
from corpus.postgres_links import enter, leave, near_to
from corpus.postgres_origins import begun, cut_off
from corpus.postgres_schema import Row
from corpus.postgres_search import about, sendable, tag_keys
from corpus.postgres_vectors import put
from corpus.terms import counted, terms

COLUMNS = ", ".join(f"insights.{name}" for name in FIELDS)
GONE = ""  # stands in the journal for the digest of an insight that pruning removed
_KEPT = (*FIELDS, "content_id", "about", "tag_keys")


class State:
    """The row that whoever writes holds, so that there is one writer at a time; the counts follow what is written."""

    def __init__(self, connection: Connection[Row]) -> None:
        self._connection = connection
        connection.execute("SELECT FROM state FOR UPDATE")

    def count(self, **more: int) -> None:
        """So many insights, passages and terms more, or less."""
        for name, number in more.items():
            self._connection.execute(f"UPDATE state SET {name} = {name} + %s", (number,))

    def raise_revision(self) -> None:
        """The insights are others now."""
        self._connection.execute("UPDATE state SET revision = revision + 1")


def planned_batch(
    connection: Connection[Row], batch: Sequence[Item | Found], seen: set[str], *, linked: bool = True
) -> list[Planned]:
    """What to do with each item of a batch, in order; nothing is written yet.

    Unless `linked`, near-duplicates aren't looked for in the library: that is most of the work.
    """
    items = [item for item, _ in map(placed, batch)]
    insights = [item for item in items if not isinstance(item, Problem)]
    stored = stored_as(connection, [insight.insight_id for insight in insights])
    holders = holders_of(connection, [content_id(insight.text) for insight in insights])
    # Of those that are there unchanged nobody asks for near-duplicates.
    texts = [item.text for item in insights if item.insight_id not in stored or stored[item.insight_id].insight != item]
    near = near_to(connection, texts if linked else [])
    return list(plan(items, stored.get, lambda content: holders.get(content, []), seen, near=near))


def stored_as(connection: Connection[Row], ids: Sequence[str]) -> dict[str, Stored]:
    """What is stored under each of these ids."""
    sql = (
        f"SELECT {COLUMNS}, told FROM insights LEFT JOIN edits USING (insight_id) "
        "WHERE insights.insight_id = ANY(%s::text[])"
    )
    rows = connection.execute(sql, (list(ids),)).fetchall() if ids else []
    return {row[0]: Stored(insight_from(row[:-1]), unpacked(row[-1]) if row[-1] else None) for row in rows}


def holders_of(connection: Connection[Row], contents: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the insights with a text of each of these content ids."""
    sql = "SELECT content_id, insight_id FROM insights WHERE content_id = ANY(%s::text[]) ORDER BY number"
    found: dict[str, list[str]] = {}
    for content, insight_id in connection.execute(sql, (list(contents),)).fetchall() if contents else []:
        found.setdefault(content, []).append(insight_id)
    return found


def begin_import(connection: Connection[Row], origin: str, number: int | None, resume: str) -> int:
    """Note an import, and forget those that are too old to be undone; its number.

    Another process may have undone an import that has a number already: what comes now is the rest of it. One that was
    cut off, and to which `resume` is the key, goes on under its number, so that undoing it takes all of it back.
    """
    if number is None and resume:
        number = cut_off(connection, sendable(resume))
    if number is None:
        sql = "UPDATE state SET imports = imports + 1 RETURNING imports"
        number = int(connection.execute(sql).fetchall()[0][0])
        connection.execute("DELETE FROM imports WHERE number <= %s", (number - REMEMBERED,))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    sql = "INSERT INTO imports VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
    connection.execute(sql, (number, at, sendable(origin)))
    if resume:
        begun(connection, number, sendable(resume))
    return number


def carry_out(connection: Connection[Row], state: State, written: Sequence[Planned], number: int) -> None:
    """Store new and changed insights, link them, and note in the journal what stood there before."""
    rows = [(one.before, one.after) for one in written if one.after]
    told = _told(connection, [after.insight_id for before, after in rows if before])
    _note(
        connection,
        [
            (number, after.insight_id, before and packed(before), told.get(after.insight_id), digest(after), before)
            for before, after in rows
        ],
    )
    new = [after for before, after in rows if before is None]
    store(connection, new)
    state.count(insights=len(new))
    store_passages(connection, state, new)
    change(connection, state, [(before, after) for before, after in rows if before])
    for one in written:
        if one.before and one.after and (one.told or one.after.insight_id in told):
            note_told(connection, one.after.insight_id, one.told)
    enter(
        connection,
        [(one.after.insight_id, one.after.text, one.near) for one in written if one.after and is_new_text(one)],
    )


def prune(connection: Connection[Row], state: State, ids: Sequence[str], number: int) -> None:
    """Remove insights, and note in the journal what they were."""
    stored, told = stored_as(connection, ids), _told(connection, ids)
    found = [(insight_id, stored[insight_id].insight) for insight_id in ids]
    _note(connection, [(number, id_, packed(was), told.get(id_), GONE, was) for id_, was in found])
    remove(connection, state, ids)


def bring_back(connection: Connection[Row], state: State, insight: Insight) -> str:
    """Store an insight that was removed, unless its text has come back under another id; what came of it."""
    if holders_of(connection, [content_id(insight.text)]):
        return "kept"
    store(connection, [insight])
    state.count(insights=1)
    store_passages(connection, state, [insight])
    relink(connection, [insight])
    return "restored"


def relink(connection: Connection[Row], insights: Sequence[Insight]) -> None:
    """Link stored insights whose texts aren't known yet to their near-duplicates."""
    for insight in insights:
        found = near_to(connection, [insight.text])(insight.text)
        enter(
            connection, [(insight.insight_id, insight.text, [other for other in found if other != insight.insight_id])]
        )


def _note(connection: Connection[Row], entries: Sequence[tuple[Any, ...]]) -> None:
    """Write (import, id, was, told, became, insight before) each into the journal.

    Of an insight that an import touches twice, because it went on or because its source is read by two at once, the
    first `was` counts; and if a person has edited it in between, the edit is what was last known, so that undoing keeps
    it.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO journal (import, insight_id, was, told, became) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (import, insight_id) DO UPDATE SET became = excluded.became WHERE journal.became = %s""",
            [(*entry, digest(before) if before else "") for *entry, before in entries],
        )


def _told(connection: Connection[Row], ids: Sequence[str]) -> dict[str, str]:
    sql = "SELECT insight_id, told FROM edits WHERE insight_id = ANY(%s::text[])"
    return dict(connection.execute(sql, (list(ids),)).fetchall())


def store(connection: Connection[Row], insights: Sequence[Insight], added_at: Sequence[str] = ()) -> None:
    """Store insights that aren't there, without their passages; `added_at` is now if it isn't given."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    marks = ", ".join(["%s"] * (len(_KEPT) + 1))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO insights ({', '.join(_KEPT)}, added_at) VALUES ({marks})",
            [(*_row(insight), added_at[at] if added_at else now) for at, insight in enumerate(insights)],
        )


def change(connection: Connection[Row], state: State, pairs: Sequence[tuple[Insight, Insight]]) -> None:
    """Put insights in the place of others with the same id; only a new text gets new passages, and loses its links."""
    marks = ", ".join(["%s"] * len(_KEPT))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE insights SET ({', '.join(_KEPT)}) = ({marks}) WHERE insight_id = %s",
            [(*_row(new), new.insight_id) for _, new in pairs],
        )
    rewritten = [new for old, new in pairs if old.text != new.text]
    leave(connection, [new.insight_id for new in rewritten])
    _drop_passages(connection, state, [new.insight_id for new in rewritten])
    store_passages(connection, state, rewritten)
    _describe(connection, state, [new for old, new in pairs if old.text == new.text and about(old) != about(new)])


def _describe(connection: Connection[Row], state: State, insights: Sequence[Insight]) -> None:
    """Bring the terms of the insights' passages, cut as they are stored, up to date with their details."""
    by_id = {insight.insight_id: insight for insight in insights}
    if not by_id:
        return
    sql = 'SELECT passage_id, insight_id, start, "end", length FROM passages WHERE insight_id = ANY(%s::text[])'
    rows, more = [], 0
    for passage_id, insight_id, start, end, before in connection.execute(sql, (list(by_id),)).fetchall():
        insight = by_id[insight_id]
        found = terms(f"{insight.text[start:end]} {about(insight)}")
        more += counted(found) - before
        rows.append((counted(found), found, passage_id))
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE passages SET length = %s, terms = lexemes(%s::text[]) WHERE passage_id = %s", rows)
    state.count(terms=more)


def remove(connection: Connection[Row], state: State, ids: Sequence[str]) -> int:
    """Remove insights with all that hangs on them; how many were there."""
    if not ids:
        return 0
    _drop_passages(connection, state, ids)
    removed = connection.execute("DELETE FROM insights WHERE insight_id = ANY(%s::text[])", (list(ids),)).rowcount
    state.count(insights=-removed)
    return removed


def note_told(connection: Connection[Row], insight_id: str, told: Insight | None) -> None:
    """Remember what an edited insight's source told; nothing to remember means that it is as told."""
    if told is None:
        connection.execute("DELETE FROM edits WHERE insight_id = %s", (insight_id,))
    else:
        connection.execute(
            "INSERT INTO edits VALUES (%s, %s) ON CONFLICT (insight_id) DO UPDATE SET told = excluded.told",
            (insight_id, packed(told)),
        )


def store_passages(connection: Connection[Row], state: State, insights: Sequence[Insight]) -> None:
    """Cut insights into passages and store these."""
    cut = ((insight, part) for insight in insights for part in split_passages(insight))
    store_cut(connection, state, [(insight, part.passage_id, part.start, part.end) for insight, part in cut])


def store_cut(connection: Connection[Row], state: State, parts: Sequence[tuple[Insight, str, int, int]]) -> None:
    """Store passages: (insight, passage_id, start, end) each."""
    rows = []
    for insight, passage_id, start, end in parts:
        found = terms(f"{insight.text[start:end]} {about(insight)}")
        rows.append((passage_id, insight.insight_id, start, end, counted(found), found))
    with connection.cursor() as cursor:
        cursor.executemany(
            'INSERT INTO passages (passage_id, insight_id, start, "end", length, terms) '
            "VALUES (%s, %s, %s, %s, %s, lexemes(%s::text[]))",
            rows,
        )
    state.count(passages=len(rows), terms=sum(row[4] for row in rows))


def _drop_passages(connection: Connection[Row], state: State, ids: Sequence[str]) -> None:
    if ids:
        sql = "DELETE FROM passages WHERE insight_id = ANY(%s::text[]) RETURNING length"
        lengths = [length for (length,) in connection.execute(sql, (list(ids),)).fetchall()]
        state.count(passages=-len(lengths), terms=-sum(lengths))


def put_known(
    connection: Connection[Row],
    fingerprint: str,
    written: Sequence[Planned],
    vectors: Mapping[str, NDArray[np.float32]],
) -> None:
    """Store the vectors of what was written, as far as they are known; the others are missing as after any import."""
    ids = [one.after.insight_id for one in written if one.after]
    sql = """SELECT key, substr(text, start + 1, "end" - start) FROM passages JOIN insights USING (insight_id)
        WHERE insight_id = ANY(%s::text[])"""
    rows = [(key, vectors[text]) for key, text in connection.execute(sql, (ids,)).fetchall() if text in vectors]
    if rows:
        put(connection, fingerprint, [key for key, _ in rows], np.stack([vector for _, vector in rows]))


def _row(insight: Insight) -> list[Any]:
    values = [list(value) if isinstance(value, tuple) else value for value in (getattr(insight, f) for f in FIELDS)]
    return [*values, content_id(insight.text), about(insight), tag_keys(insight.tags)]


def insight_from(row: Sequence[Any]) -> Insight:
    """An insight from its COLUMNS."""
    values = dict(zip(FIELDS, row, strict=True))
    return Insight(**values | {"tags": tuple(values["tags"])})
