"""The tables of a library in PostgreSQL, in a schema of their own, and how an older one becomes this one.

insights ──► passages ──► vectors        a deleted insight takes its passages and their vectors along
    ├──► sketches, links                 what their near-duplicates are found by, and which they are
    ├──► origins ──► places              the files that they stand in
    └──► edits                           what its source told of an insight that the person has edited since
imports ──► journal                      what stood there before an import, so that it can be undone
    └──► unfinished                      one that was cut off, so that it can go on
state                                    one row: version, revision and counts; who writes holds it

Texts are compared byte by byte (COLLATE "C"), as SQLite does it, so that both kinds of library sort alike.
"""

import uuid
from typing import Any

from psycopg import Connection

Row = tuple[Any, ...]
APPLICATION_ID = 0x466F6F74  # "Foot": whoever makes a library holds this lock
FOREIGN = -1  # the version of what is none of ours
VERSION = 1

# Version -> what makes the next one of it. A program that knows only an earlier version must be able to go on with the
# tables that it has open: only add.
MIGRATIONS: dict[int, tuple[str, ...]] = {}

SCHEMA = (
    """CREATE TABLE state (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        version integer NOT NULL,
        library_id text NOT NULL,
        revision bigint NOT NULL DEFAULT 0,
        imports bigint NOT NULL DEFAULT 0,  -- the number that was given last: none is given twice
        insights bigint NOT NULL DEFAULT 0,
        passages bigint NOT NULL DEFAULT 0,
        terms bigint NOT NULL DEFAULT 0
    )""",
    'CREATE TABLE meta (key text COLLATE "C" PRIMARY KEY, value text NOT NULL)',
    """CREATE TABLE insights (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        insight_id text COLLATE "C" NOT NULL UNIQUE,
        content_id text COLLATE "C" NOT NULL,
        text text COLLATE "C" NOT NULL,
        title text COLLATE "C" NOT NULL,
        author text COLLATE "C" NOT NULL,
        source text COLLATE "C" NOT NULL,
        url text COLLATE "C" NOT NULL,
        date text COLLATE "C" NOT NULL,
        tags text[] COLLATE "C" NOT NULL,
        note text COLLATE "C" NOT NULL,
        about text COLLATE "C" NOT NULL,
        tag_keys text[] NOT NULL,
        added_at text NOT NULL
    )""",
    "CREATE INDEX insights_by_content ON insights (content_id)",
    # Hashes, and beginnings of tags: an index in order takes no entry longer than 2,700 bytes, and names may be.
    "CREATE INDEX insights_by_author ON insights USING hash (author)",
    "CREATE INDEX insights_by_source ON insights USING hash (source)",
    "CREATE INDEX insights_by_tag ON insights USING gin (tag_keys)",
    # A key is never given twice: one that an index still remembers must not come to mean another passage.
    """CREATE TABLE passages (
        key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        passage_id text COLLATE "C" NOT NULL UNIQUE,
        insight_id text COLLATE "C" NOT NULL REFERENCES insights (insight_id) ON DELETE CASCADE,
        start integer NOT NULL,
        "end" integer NOT NULL,
        length integer NOT NULL,
        terms tsvector NOT NULL
    )""",
    "CREATE INDEX passages_by_insight ON passages (insight_id)",
    "CREATE INDEX passages_by_term ON passages USING gin (terms)",
    # Whole vectors, any number of dimensions in one column; the index for nearest ones is made of halves of them.
    """CREATE TABLE vectors (
        fingerprint text COLLATE "C" NOT NULL,
        key bigint NOT NULL REFERENCES passages (key) ON DELETE CASCADE,
        vector vector NOT NULL,
        PRIMARY KEY (fingerprint, key)
    )""",
    "CREATE INDEX vectors_by_passage ON vectors (key)",
    """CREATE TABLE edits (
        insight_id text COLLATE "C" PRIMARY KEY REFERENCES insights (insight_id) ON DELETE CASCADE,
        told text NOT NULL
    )""",
    "CREATE TABLE imports (number bigint PRIMARY KEY, at text NOT NULL, origin text NOT NULL)",
    # No reference to insights: what an import added may be removed before it is undone.
    """CREATE TABLE journal (
        import bigint NOT NULL REFERENCES imports (number) ON DELETE CASCADE,
        insight_id text COLLATE "C" NOT NULL,
        was text,
        told text,
        became text NOT NULL,
        PRIMARY KEY (import, insight_id)
    )""",
    """CREATE TABLE sketches (
        hash bigint NOT NULL,
        insight bigint NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
        PRIMARY KEY (hash, insight)
    )""",
    "CREATE INDEX sketches_by_insight ON sketches (insight)",
    """CREATE TABLE links (
        insight bigint NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
        other bigint NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
        PRIMARY KEY (insight, other)
    )""",
    "CREATE INDEX links_by_other ON links (other)",
    'CREATE TABLE places (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, path text COLLATE "C" NOT NULL)',
    "CREATE UNIQUE INDEX places_by_path ON places (md5(path))",
    """CREATE TABLE origins (
        insight bigint NOT NULL REFERENCES insights (number) ON DELETE CASCADE,
        place bigint NOT NULL REFERENCES places (number),
        PRIMARY KEY (insight, place)
    )""",
    "CREATE INDEX origins_by_place ON origins (place)",
    """CREATE TABLE unfinished (
        number bigint PRIMARY KEY REFERENCES imports (number) ON DELETE CASCADE,
        key text COLLATE "C" NOT NULL
    )""",
    # Porter's stemmer, as SQLite has it, and no stop words: which words count is decided when something is asked.
    "CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = snowball, Language = 'porter')",
    # One word at a time: the parser of to_tsvector sees addresses and numbers where corpus/terms.py sees words.
    """CREATE FUNCTION stem(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT coalesce((ts_lexize('{schema}.stems', word))[1], word)
    $$""",
    """CREATE FUNCTION lexemes(words text[]) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT coalesce(string_agg('''' || {schema}.stem(word) || ''':' || least(place, 16383), ' '), '')::tsvector
        FROM unnest(words) WITH ORDINALITY AS given (word, place)
    $$""",
)


def make(connection: Connection[Row], schema: str) -> None:
    """Make an empty library, in the transaction that is open; there may be one by now."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (APPLICATION_ID,))
    if version_of(connection, schema) is not None:
        return  # another process was faster
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    for statement in SCHEMA:
        connection.execute(statement.replace("{schema}", f'"{schema}"'))
    connection.execute("INSERT INTO state (version, library_id) VALUES (%s, %s)", (VERSION, uuid.uuid4().hex))


def migrate(connection: Connection[Row]) -> None:
    """Bring the tables to VERSION, in the transaction that is open; another process may have been faster."""
    (version,) = connection.execute("SELECT version FROM state FOR UPDATE").fetchall()[0]
    for step in range(version, VERSION):
        for statement in MIGRATIONS[step]:
            connection.execute(statement)
    connection.execute("UPDATE state SET version = %s", (max(version, VERSION),))


def version_of(connection: Connection[Row], schema: str) -> int | None:
    """The version of the library in this schema, None if there is nothing, FOREIGN if it is none of ours."""
    sql = """SELECT
        (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(%s)),
        (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname IN ('version', 'library_id'))"""
    ((things, ours),) = connection.execute(sql, (f'"{schema}"', f'"{schema}".state')).fetchall()
    if ours == 2:
        return int(connection.execute("SELECT version FROM state").fetchall()[0][0])
    return FOREIGN if things else None
