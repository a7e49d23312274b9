"""The library on a PostgreSQL server with pgvector. What each method does: see corpus/library.py.

Text, passages, full text and vectors are in one database, so that what belongs together is changed together. Who writes
holds the row of `state`: one writer at a time, while all others read what was there before.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, errors

from corpus.browse import FACETS, MOST_VALUES, Facet, Selection
from corpus.errors import LibraryError
from corpus.filters import EVERYTHING, Filter
from corpus.imports import (
    BATCH,
    Found,
    Held,
    Import,
    Outcome,
    Planned,
    Report,
    Stored,
    Undone,
    check_undo,
    edit,
    is_new_text,
    placed,
    plan,
    taken_back,
    unpacked,
)
from corpus.insight import Insight, Passage
from corpus.items import Item, Problem
from corpus.passages import split_passages
from corpus.places import cache_dir
from corpus.postgres_address import Address, parse_address
from corpus.postgres_health import faults, server_told
from corpus.postgres_links import linked, near_to
from corpus.postgres_origins import ended, forget, note_places, vanished
from corpus.postgres_schema import FOREIGN, VERSION, Row, make, migrate, version_of
from corpus.postgres_search import (
    BEST,
    DATED,
    any_of,
    beginnings,
    condition,
    counted,
    rarity,
    selected,
    sendable,
    sendable_all,
)
from corpus.postgres_servers import Servers, read_only_error
from corpus.postgres_vectors import INDEXED, MOST_DIMENSIONS, has_index, make_index, nearest, put, vector_from
from corpus.postgres_write import (
    COLUMNS,
    GONE,
    State,
    begin_import,
    bring_back,
    carry_out,
    change,
    holders_of,
    insight_from,
    note_told,
    planned_batch,
    prune,
    put_known,
    relink,
    remove,
    stored_as,
)
from corpus.stored import asked_words, check_vectors
from corpus.terms import asked_terms
from corpus.vectors import VectorSet

Embed = Callable[[Sequence[str]], tuple[str, NDArray[np.float32]]]  # texts -> the model's fingerprint, their vectors

_AT_ONCE = 2000  # vectors that are fetched together


class PostgresLibrary:
    """Insights on a server. Open it with `open_library`; it may be used from several threads and processes.

    Every method raises LibraryError if the server can't be reached; what was stored before is then still there.
    """

    def __init__(self, servers: Servers, *, read_only: bool = False) -> None:
        self._servers = servers
        self._values: dict[str, tuple[str, list[str]]] = {}
        self._embed: Embed | None = None
        ((library_id,),) = servers.rows("SELECT library_id FROM state")
        self.name = servers.address.name
        self.read_only = read_only
        self.path = cache_dir() / f"postgresql-{library_id[:12]}.db"  # no such file; the map's cache stands beside it
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def count(self) -> int:
        """See Library."""
        return self._number("SELECT insights FROM state")

    def passage_count(self) -> int:
        """See Library."""
        return self._number("SELECT passages FROM state")

    def last_key(self) -> int:
        """See Library."""
        return self._number("SELECT coalesce(max(key), 0) FROM passages")

    def revision(self) -> str:
        """See Library."""
        ((library_id, revision),) = self._servers.rows("SELECT library_id, revision FROM state")
        return f"{library_id[:12]}-{revision}"

    # Insights

    def add(
        self,
        items: Iterable[Item | Found],
        origin: str = "",
        *,
        resume: str = "",
        prune: Sequence[str] = (),
    ) -> Report:
        """See Library. After `embed_with` each batch is stored together with its vectors, in one transaction."""
        self._check_changeable()
        outcomes: Counter[str] = Counter()
        problems: list[Problem] = []
        near: list[tuple[str, str]] = []
        held = Held(tuple(sendable_all(prune)))
        seen: set[str] = set()
        number: int | None = None
        stream = iter(items)
        while batch := list(islice(stream, BATCH)):
            model, vectors = self._embedded(batch, seen)  # before: who embeds doesn't keep others from writing
            with self._servers.transaction() as connection:
                state = State(connection)
                planned = planned_batch(connection, batch, seen)
                written = [one for one in planned if one.outcome in (Outcome.NEW, Outcome.CHANGED)]
                if written:
                    number = begin_import(connection, origin, number, resume)
                    carry_out(connection, state, written, number)
                    put_known(connection, model, written, vectors)
                    state.raise_revision()
                places = []
                for given, one in zip(batch, planned, strict=True):
                    if isinstance(one.item, Problem):
                        problems.append(one.item)
                        held.doubt(one.item)
                    else:
                        places.append((one.same_as or one.item.insight_id, sendable(placed(given)[1])))
                        held.note(*places[-1])
                note_places(connection, places)
            near += [
                (one.item.insight_id, other) for one in written for other in one.near if isinstance(one.item, Insight)
            ]
            outcomes.update(one.outcome.value for one in planned if one.outcome is not Outcome.UNREADABLE)
        if prune:
            outcomes["removed"] += self._prune(held, origin, number, resume)
        if resume and self._servers.rows("SELECT 1 FROM unfinished WHERE key = %s", (sendable(resume),)):
            with self._servers.transaction() as connection:
                ended(connection, sendable(resume))
        return Report(**outcomes, unreadable=tuple(problems), near=tuple(near))

    def _prune(self, held: Held, origin: str, number: int | None, resume: str) -> int:
        """Remove what isn't in its file any more, in one go."""
        with self._servers.transaction() as connection:
            state = State(connection)
            gone, ids = vanished(connection, held)
            forget(connection, gone)
            if ids:
                prune(connection, state, ids, begin_import(connection, origin, number, resume))
                state.raise_revision()
        return len(ids)

    def preview(self, items: Iterable[Item | Found], prune: Sequence[str] = ()) -> Iterator[Planned]:
        """See Library."""
        read = self._servers.read

        def find(insight_id: str) -> Stored | None:
            return read(lambda connection: stored_as(connection, [sendable(insight_id)])).get(insight_id)

        def holders(content: str) -> list[str]:
            return read(lambda connection: holders_of(connection, [content])).get(content, [])

        def near(text: str) -> list[str]:
            return read(lambda connection: near_to(connection, [text])(text))

        def gone(held: Held) -> list[Insight]:
            def look(connection: Connection[Row]) -> list[Insight]:
                _, ids = vanished(connection, held)
                stored = stored_as(connection, ids)
                return [stored[insight_id].insight for insight_id in ids]

            return self._servers.snapshot(look)

        return plan(items, find, holders, near=near, vanished=gone, prune=tuple(sendable_all(prune)))

    def linked(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """See Library."""
        found: dict[str, tuple[str, ...]] = {}
        for one, other in self._servers.read(lambda connection: linked(connection, sendable_all(ids))):
            found[one] = (*found.get(one, ()), other)
        return found

    def told(self, insight_id: str) -> Insight | None:
        """An edited insight as its source told it; None if nobody has edited it, or if it isn't there."""
        insight_id = sendable(insight_id)
        stored = self._servers.read(lambda connection: stored_as(connection, [insight_id])).get(insight_id)
        return stored.told if stored else None

    def last_import(self) -> Import | None:
        """See Library."""
        rows = self._servers.rows(_LAST_IMPORT)
        return Import(*rows[0]) if rows else None

    def undo_import(self, number: int | None = None) -> Undone:
        """See Library."""
        self._check_changeable()
        outcomes: Counter[str] = Counter()
        with self._servers.transaction() as connection:
            state = State(connection)
            ((last,),) = connection.execute("SELECT max(number) FROM imports").fetchall()
            check_undo(last, number)
            sql = "SELECT insight_id, was, told, became FROM journal WHERE import = %s"
            rows = connection.execute(sql, (last,)).fetchall()
            stored = stored_as(connection, [row[0] for row in rows])
            added: list[str] = []
            changed: list[tuple[Insight, Insight]] = []
            brought = 0
            for insight_id, was, told, became in rows:
                there = stored.get(insight_id)
                outcome = taken_back(there, was, became)
                if outcome == "gone" and became == GONE and was:
                    outcome = bring_back(connection, state, unpacked(was))
                    brought += outcome == "restored"
                elif outcome == "removed":
                    added.append(insight_id)
                elif outcome == "restored" and there:
                    changed.append((there.insight, unpacked(was)))
                    note_told(connection, insight_id, unpacked(told) if told else None)
                outcomes[outcome] += 1
            remove(connection, state, added)
            change(connection, state, changed)
            relink(connection, [new for old, new in changed if old.text != new.text])
            connection.execute("DELETE FROM imports WHERE number = %s", (last,))
            if added or changed or brought:
                state.raise_revision()
        return Undone(outcomes["removed"], outcomes["restored"], outcomes["kept"])

    def edit(self, insight_id: str, changes: Mapping[str, object]) -> Insight:
        """See Library."""
        self._check_changeable()
        insight_id = sendable(insight_id)
        with self._servers.transaction() as connection:
            state = State(connection)
            found = stored_as(connection, [insight_id]).get(insight_id)
            stored, after = edit(
                insight_id, found, changes, lambda content: holders_of(connection, [content]).get(content, [])
            )
            if after != stored.insight:
                change(connection, state, [(stored.insight, after)])
                if after.text != stored.insight.text:
                    relink(connection, [after])
                note_told(connection, insight_id, stored.told or stored.insight)
                state.raise_revision()
        return after

    def remove(self, ids: Iterable[str]) -> int:
        """See Library."""
        self._check_changeable()
        with self._servers.transaction() as connection:
            state = State(connection)
            removed = remove(connection, state, list(dict.fromkeys(sendable_all(ids))))
            if removed:
                state.raise_revision()
        return removed

    def get(self, insight_id: str) -> Insight | None:
        """See Library."""
        rows = self._servers.rows(f"SELECT {COLUMNS} FROM insights WHERE insight_id = %s", (sendable(insight_id),))
        return insight_from(rows[0]) if rows else None

    def insights(self, query: str = "", offset: int = 0, limit: int | None = None) -> list[Insight]:
        """See Library."""
        return self.browse(Selection(query), offset, limit)

    def browse(self, selection: Selection, offset: int = 0, limit: int | None = None) -> list[Insight]:
        """See Library."""
        tables, where, order, values = selected(selection, self._match(selection))
        page = (None if limit is None else max(limit, 0), max(offset, 0))
        rows = self._servers.rows(
            f"SELECT {COLUMNS} FROM {tables} WHERE {where} ORDER BY {order} LIMIT %s OFFSET %s", (*values, *page)
        )
        return [insight_from(row) for row in rows]

    def facets(self, selection: Selection) -> tuple[int, list[Facet]]:
        """See Library."""
        tables, where, _, values = selected(selection, self._match(selection))
        ((count,),) = self._servers.rows(f"SELECT count(*) FROM {tables} WHERE {where}", values)
        facets = []
        for name in FACETS:
            found = [(str(value), int(n)) for value, n in self._servers.rows(counted(name, tables, where), values)]
            facets.append(Facet(name, tuple(found[:MOST_VALUES]), len(found) > MOST_VALUES))
        return int(count), facets

    def _match(self, selection: Selection) -> str:
        """The full-text query for a selection's words; "" if no passage holds words that begin so."""
        asked = self._stems(beginnings(selection.query))
        match = any_of(list(asked.values()), "&")
        sql = "SELECT 1 FROM passages WHERE terms @@ %s::tsquery LIMIT 1"
        return match if match and self._servers.rows(sql, (match,)) else ""

    def _stems(self, words: Sequence[str]) -> dict[str, str]:
        sql = "SELECT word, stem(word) FROM unnest(%s::text[]) WITH ORDINALITY AS given (word, place) ORDER BY place"
        return dict(self._servers.rows(sql, (list(dict.fromkeys(words)),))) if words else {}

    # Passages

    def passages(self, keys: Sequence[int]) -> dict[int, tuple[Passage, Insight]]:
        """See Library."""
        asked = [int(key) for key in keys]
        rows = self._servers.rows(
            f'SELECT passages.key, passage_id, start, "end", {COLUMNS} '
            "FROM passages JOIN insights USING (insight_id) WHERE passages.key = ANY(%s::bigint[])",
            (asked,),
        )
        found: dict[int, tuple[Passage, Insight]] = {}
        for key, passage_id, start, end, *row in rows:
            insight = insight_from(row)
            found[key] = Passage(passage_id, insight.insight_id, insight.text[start:end], start, end), insight
        return {key: found[key] for key in asked if key in found}

    def keys_of(self, insight_id: str) -> list[int]:
        """See Library."""
        sql = "SELECT key FROM passages WHERE insight_id = %s ORDER BY start"
        return [key for (key,) in self._servers.rows(sql, (sendable(insight_id),))]

    def keys(self, filters: Filter, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """See Library."""
        where, values = condition(filters)
        joined = "JOIN insights USING (insight_id)" if filters else ""
        if among is not None:
            where, values = f"{where} AND key = ANY(%s::bigint[])", (*values, among.tolist())
        sql = f"SELECT key FROM passages {joined} WHERE {where} ORDER BY key"
        return np.fromiter((key for (key,) in self._servers.rows(sql, values)), np.int64)

    def passing(self, filters: Filter, limit: int = 0) -> tuple[int, list[int]]:
        """See Library."""
        where, values = condition(filters)
        ((count,),) = self._servers.rows(f"SELECT count(*) FROM insights WHERE {where}", values)
        sql = f"""SELECT key FROM passages JOIN insights USING (insight_id)
            WHERE passage_id = insights.insight_id || '#0' AND {where}
            ORDER BY {DATED} DESC, date DESC, number DESC LIMIT %s"""
        return int(count), [key for (key,) in self._servers.rows(sql, (*values, limit))] if limit else []

    def values(self, name: str) -> list[str]:
        """See Library."""
        revision = self.revision()
        if name not in self._values or self._values[name][0] != revision:  # it is asked for with each question
            given = "insights CROSS JOIN unnest(tags) AS given (tag)"
            sql = {
                "author": "SELECT author FROM insights WHERE author <> '' GROUP BY 1 ORDER BY count(*) DESC, 1",
                "source": "SELECT source FROM insights WHERE source <> '' GROUP BY 1 ORDER BY count(*) DESC, 1",
                "tag": f"SELECT tag FROM {given} GROUP BY 1 ORDER BY count(*) DESC, 1",
                "year": f"SELECT DISTINCT left(date, 4) FROM insights WHERE {DATED} ORDER BY 1 DESC",
            }[name]
            self._values[name] = revision, [str(value) for (value,) in self._servers.rows(sql)]
        return list(self._values[name][1])

    def lexical(
        self, query: str, k: int, rarest: int | None = None, filters: Filter = EVERYTHING
    ) -> list[tuple[int, float]]:
        """See Library."""
        asked = list(dict.fromkeys(term for word in asked_words(query) for term in asked_terms(word)))
        if not asked or k < 1:
            return []
        where, values = condition(filters)
        also = f"JOIN insights USING (insight_id) WHERE {where} AND" if filters else "WHERE"

        def best(connection: Connection[Row]) -> list[Row]:
            sql = "SELECT DISTINCT stem(word) FROM unnest(%s::text[]) AS given (word)"
            stems = [stem for (stem,) in connection.execute(sql, (asked,)).fetchall()]
            ((count, sizes),) = connection.execute("SELECT passages, terms FROM state").fetchall()
            rarities: dict[str, float] = {}
            most = None if rarest is None else rarest + 1  # a common word costs no more than a rare one
            for stem in stems:
                sql = "SELECT count(*) FROM (SELECT FROM passages WHERE terms @@ %s::tsquery LIMIT %s) AS found"
                ((holding,),) = connection.execute(sql, (any_of([stem]), most)).fetchall()
                if holding and (rarest is None or holding <= rarest):
                    rarities[stem] = rarity(count, holding)
            if not rarities:
                return []
            given = (list(rarities), list(rarities.values()), *values, any_of(list(rarities)), sizes / count, k)
            return connection.execute(BEST.format(also=also), given).fetchall()

        return [(key, float(score)) for key, score in self._servers.snapshot(best)]

    # Vectors

    def embed_with(self, embed: Embed) -> None:
        """From now on give what is added its vectors in the transaction that stores it."""
        self._embed = embed

    def missing(self, fingerprint: str, after: int = 0) -> list[tuple[int, str]]:
        """See Library."""
        sql = """SELECT key, substr(text, start + 1, "end" - start) FROM passages JOIN insights USING (insight_id)
            WHERE key > %s
            AND NOT EXISTS (SELECT FROM vectors WHERE vectors.key = passages.key AND fingerprint = %s)
            ORDER BY key"""
        return [(key, text) for key, text in self._servers.rows(sql, (after, fingerprint))]

    def put_vectors(self, fingerprint: str, keys: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """See Library."""
        check_vectors(keys, vectors)
        if self.read_only:
            raise read_only_error(self._servers.address)
        with self._servers.transaction() as connection:
            put(connection, fingerprint, keys, vectors)

    def vectors(self, fingerprint: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See Library."""

        def every(connection: Connection[Row]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            ((count, least, most),) = connection.execute(
                "SELECT count(*), min(vector_dims(vector)), max(vector_dims(vector)) FROM vectors "
                "WHERE fingerprint = %s",
                (fingerprint,),
            ).fetchall()
            if least != most:
                raise self._damaged()
            keys, vectors = np.empty(count, np.int64), np.empty((count, most or 0), np.float32)
            with connection.cursor("vectors", binary=True) as cursor:  # filled in place: they may be gigabytes
                cursor.itersize = _AT_ONCE
                cursor.execute("SELECT key, vector FROM vectors WHERE fingerprint = %s ORDER BY key", (fingerprint,))
                for at, (key, vector) in enumerate(cursor):
                    keys[at], vectors[at] = key, vector_from(vector)
            return keys, vectors

        return self._servers.snapshot(every)

    def nearest(
        self, fingerprint: str, vector: NDArray[np.float32], k: int, only: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """The keys of the k passages nearest to a vector, and their cosines; with `only`, among these keys."""

        def best(connection: Connection[Row]) -> list[Row]:
            with connection.transaction():
                return nearest(connection, fingerprint, np.asarray(vector), k, only)

        return [(key, float(score)) for key, score in self._servers.read(best)]

    def vectors_after(self, fingerprint: str, key: int, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See Library."""
        return self._arrays("key > %s ORDER BY key LIMIT %s", (fingerprint, key, limit))

    def vectors_of(self, fingerprint: str, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See Library."""
        return self._arrays("key = ANY(%s::bigint[]) ORDER BY key", (fingerprint, keys.tolist()))

    def _arrays(self, which: str, values: tuple[object, ...]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        sql = f"SELECT key, vector FROM vectors WHERE fingerprint = %s AND {which}"

        def some(connection: Connection[Row]) -> list[Row]:
            with connection.cursor(binary=True) as cursor:
                return cursor.execute(sql, values).fetchall()

        rows = self._servers.read(some)
        vectors = [vector_from(vector) for _, vector in rows]
        if len({len(vector) for vector in vectors}) > 1:
            raise self._damaged()
        stacked = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
        return np.array([key for key, _ in rows], np.int64), stacked

    def vector_sets(self) -> list[VectorSet]:
        """See Library."""
        sql = """SELECT fingerprint, coalesce(value, ''), count, count * 4 * (
                SELECT vector_dims(vector) FROM vectors WHERE vectors.fingerprint = sets.fingerprint LIMIT 1
            ) FROM (SELECT fingerprint, count(*) FROM vectors GROUP BY 1) AS sets
            LEFT JOIN meta ON key = 'model ' || fingerprint ORDER BY count DESC, fingerprint"""
        return [VectorSet(*row) for row in self._servers.rows(sql)]

    def note_model(self, fingerprint: str, name: str) -> None:
        """See Library."""
        key = f"model {fingerprint}"
        known = self._servers.rows("SELECT value FROM meta WHERE key = %s", (key,))
        if known != [(name,)] and not self.read_only:
            with self._servers.transaction() as connection:
                sql = "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
                connection.execute(sql, (key, name))

    def index_vectors(self, fingerprint: str, dimensions: int) -> bool:
        """Make the index of a model's vectors if there are enough to need one; whether it is there then."""
        sql = "SELECT count(*) FROM (SELECT FROM vectors WHERE fingerprint = %s LIMIT %s) AS found"
        ((count,),) = self._servers.rows(sql, (fingerprint, INDEXED))
        if count < INDEXED or dimensions > MOST_DIMENSIONS or self.read_only:
            return False
        if self.has_vector_index(fingerprint, dimensions):
            return True
        with self._servers.connection() as connection:
            make_index(connection, fingerprint, dimensions)
        return True

    def has_vector_index(self, fingerprint: str, dimensions: int) -> bool:
        """Whether the index of a model's vectors is there and whole."""
        return self._servers.read(lambda connection: has_index(connection, fingerprint, dimensions))

    # The server

    def check(self) -> list[str]:
        """See Library."""
        try:
            return self._servers.snapshot(faults)
        except LibraryError as error:
            return [str(error)]

    def about_server(self) -> list[str]:
        """The server in words: its version, pgvector's, and how far each replica is behind."""
        return server_told(self._servers)

    def close(self) -> None:
        """See Library."""
        self._servers.close()

    def __enter__(self) -> "PostgresLibrary":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_changeable(self) -> None:
        if self.read_only:
            raise read_only_error(self._servers.address)

    def _damaged(self) -> LibraryError:
        return LibraryError(
            f"{self.name} holds damaged vectors: of one model, but of several lengths.",
            "Delete those of this model from the table vectors; they are made again.",
        )

    def _number(self, sql: str) -> int:
        return int(self._servers.rows(sql)[0][0])

    def _embedded(self, batch: Sequence[Item | Found], seen: set[str]) -> tuple[str, dict[str, NDArray[np.float32]]]:
        """The model's fingerprint, and the vectors of the passages that a batch would bring, by their texts."""
        if self._embed is None:
            return "", {}
        planned = self._servers.snapshot(lambda connection: planned_batch(connection, batch, set(seen), linked=False))
        after = [one.after for one in planned if one.after and is_new_text(one)]
        texts = list(dict.fromkeys(part.text for insight in after for part in split_passages(insight)))
        if not texts:
            return "", {}
        model, vectors = self._embed(texts)
        check_vectors(range(len(texts)), vectors)
        return model, dict(zip(texts, vectors, strict=True))


def open_postgres(name: str, *, create: bool = False) -> PostgresLibrary:
    """Open the library at an address, with `create` make it if there is none.

    Raises UsageError for an address that can't be read, LibraryError if there is no library, or if the server can't
    be reached, lacks pgvector, or holds something else.
    """
    servers = Servers(parse_address(name))
    try:
        return PostgresLibrary(servers, read_only=_prepared(servers, create=create))
    except BaseException:
        servers.close()
        raise


def _prepared(servers: Servers, *, create: bool) -> bool:
    """Make or migrate the library as need be; whether it can only be read."""
    address = servers.address
    try:
        with servers.connection() as connection:
            version = version_of(connection, address.schema)
    except LibraryError:
        if not servers.replicas:
            raise
        # The primary is down. There are the replicas to read from until it is back.
        version = servers.read(lambda connection: version_of(connection, address.schema))
        _check(address, version)
        return False
    if version is None and create:
        _make(servers)
        version = VERSION
    _check(address, version)
    with servers.connection() as connection:
        ((read_only,),) = connection.execute(_READ_ONLY).fetchall()
    if version != VERSION and not read_only:
        with servers.transaction() as connection:
            migrate(connection)
    return bool(read_only)


def _check(address: Address, version: int | None) -> None:
    if version is None:
        raise LibraryError(
            f"There is no library at {address.name}.", "To make one: footnoted library add FILE, with its address."
        )
    if version == FOREIGN:
        raise LibraryError(
            f'The schema "{address.schema}" of {address.name} holds something else than a library.',
            "Name another schema: end the address with ?schema=NAME.",
        )
    if version > VERSION:
        raise LibraryError(
            f"{address.name} was made by a newer Footnoted (its format is {version}, this program knows {VERSION}).",
            "Update Footnoted, then open it again.",
        )


def _make(servers: Servers) -> None:
    name = servers.address.name
    with servers.transaction() as connection:
        ((encoding,),) = connection.execute("SELECT current_setting('server_encoding')").fetchall()
        if encoding != "UTF8":
            raise LibraryError(
                f"{name} keeps texts as {encoding}, not as UTF8.", "Make a database WITH ENCODING 'UTF8'."
            )
        try:
            make(connection, servers.address.schema)
        except (errors.FeatureNotSupported, errors.UndefinedFile):
            raise LibraryError(f"The server of {name} has no pgvector.", INSTALL) from None
        sql = "SELECT string_to_array(extversion, '.')::int[] FROM pg_extension WHERE extname = 'vector'"
        ((pgvector,),) = connection.execute(sql).fetchall()
        if pgvector < [0, 8]:
            raise LibraryError(f"The pgvector of {name} is older than 0.8.", INSTALL)


INSTALL = "Install pgvector 0.8 or newer there, then try again: docs/postgres.md says how."

_READ_ONLY = """SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool
    OR NOT has_table_privilege('insights', 'INSERT, UPDATE, DELETE') OR NOT has_table_privilege('state', 'UPDATE')"""

_LAST_IMPORT = """
    SELECT number, at, origin, count(*) FILTER (WHERE was IS NULL),
        count(*) FILTER (WHERE was IS NOT NULL AND became <> ''), count(*) FILTER (WHERE became = '')
    FROM imports JOIN journal ON import = number
    WHERE number = (SELECT max(number) FROM imports) GROUP BY number"""
