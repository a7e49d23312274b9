"""Which insights and passages are wanted, in PostgreSQL's SQL: what corpus/filters.py and browse.py are for SQLite.

BM25 isn't in PostgreSQL. It is computed here by the formula of SQLite's FTS5 (k1 = 1.2, b = .75), from how often a
passage holds each term, which its tsvector tells, and from how many passages hold it, which is counted when asked.
"""

import math
import re
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

from corpus.browse import MAX_QUERY_WORDS, MOST_VALUES, Selection
from corpus.filters import Filter
from corpus.insight import Insight, clean
from corpus.stored import storable
from corpus.terms import asked_terms
from corpus.unspaced import words_of

DATED = "insights.date ~ '^[0-9]{4}'"  # begins with a year: any other can't be compared
TAG_KEY = 100  # characters of a tag that its index holds
SORTS = MappingProxyType(
    {
        "imported": "insights.number",
        "latest": "insights.number DESC",
        "newest": f"{DATED} DESC, insights.date DESC, insights.number",
        "title": "insights.title = '', lower(insights.title), insights.number",
        "author": "insights.author = '', lower(insights.author), insights.number",
    }
)
_VALUES = MappingProxyType(
    {"author": "insights.author", "source": "insights.source", "year": "left(insights.date, 4)", "tag": "given.tag"}
)

Values = tuple[Any, ...]


def about(insight: Insight) -> str:
    """What is searched besides the text."""
    return " ".join((insight.title, insight.author, insight.source, *insight.tags, insight.note))


def tag_keys(tags: Sequence[str]) -> list[str]:
    """What the index holds of the tags: an entry of it can't be of any length."""
    return [tag[:TAG_KEY] for tag in tags]


def condition(filters: Filter) -> tuple[str, Values]:
    """The filter as a condition on the table `insights`, and its values in order; "true" if it leaves all."""
    parts: list[str] = []
    values: list[Any] = []
    for column, wanted in (("author", filters.authors), ("source", filters.sources)):
        if wanted:
            parts.append(f"insights.{column} = ANY(%s)")
            values.append(sendable_all(wanted))
    if filters.tags:
        parts.append("insights.tag_keys && %s AND insights.tags && %s")
        values += [tag_keys(sendable_all(filters.tags)), sendable_all(filters.tags)]
    if filters.since or filters.until:
        parts.append(DATED)
    # Compared as far as both are known.
    for date, sign in ((filters.since, ">="), (filters.until, "<=")):
        if date:
            parts.append(f"left(insights.date, {len(date)}) {sign} left(%s, length(insights.date))")
            values.append(sendable(date))
    if filters.note:
        parts.append("insights.note <> ''")
    return " AND ".join(parts) or "true", tuple(values)


def beginnings(query: str) -> list[str]:
    """The terms of a query of which a passage must hold words that begin like them."""
    return [term for word in words_of(query)[:MAX_QUERY_WORDS] for term in asked_terms(word)]


def selected(selection: Selection, match: str) -> tuple[str, str, str, Values]:
    """The tables, the condition, the order and the values of a selection.

    `match` is the full-text query for its words; without it the query is any part of the text.
    """
    tables, order = "insights", SORTS[selection.sort]
    conditions: list[str] = []
    values: list[Any] = []
    query = clean(selection.query)
    if match:
        tables += (
            " JOIN (SELECT insight_id, max(ts_rank(terms, %s::tsquery)) AS score FROM passages"
            " WHERE terms @@ %s::tsquery GROUP BY insight_id) AS best USING (insight_id)"
        )
        values += [match, match]
        if selection.sort == "imported":
            order = f"best.score DESC, {order}"
    else:
        for part in query.split()[:MAX_QUERY_WORDS]:
            conditions.append("insights.text || ' ' || insights.about ILIKE %s")
            values.append("%" + re.sub(r"([\\%_])", r"\\\1", part) + "%")
    narrowed, given = condition(selection.filters)
    conditions.append(narrowed)
    values += given
    if selection.tags[1:]:
        conditions.append("insights.tags @> %s")
        values.append(sendable_all(selection.tags[1:]))
    return tables, " AND ".join(conditions), order, tuple(values)


def counted(facet: str, tables: str, where: str) -> str:
    """The SQL for a facet's values and their counts, most frequent first (years: latest), one more than MOST_VALUES."""
    value = _VALUES[facet]
    if facet == "tag":
        tables += " CROSS JOIN unnest(insights.tags) AS given (tag)"
    known = f"{value} ~ '^[0-9]{{4}}$'" if facet == "year" else f"{value} <> ''"
    order = "1 DESC" if facet == "year" else "2 DESC, 1"
    return (
        f"SELECT {value}, count(*) FROM {tables} WHERE {where} AND {known} "
        f"GROUP BY 1 ORDER BY {order} LIMIT {MOST_VALUES + 1}"
    )


def any_of(stems: Sequence[str], sign: str = "|") -> str:
    """The full-text query for stems: any of them, or with "&" and a star all as beginnings. They hold no quotes."""
    star = ":*" if sign == "&" else ""
    return f" {sign} ".join(f"'{stem}'{star}" for stem in stems)


def rarity(passages: int, holding: int) -> float:
    """How much a term tells that `holding` of so many passages hold: never nothing, as in FTS5."""
    return max(1e-6, math.log((passages - holding + 0.5) / (holding + 0.5)))


BEST = """
    WITH asked AS MATERIALIZED (SELECT * FROM unnest(%s::text[], %s::float8[]) AS given (stem, rarity)),
    found AS MATERIALIZED (SELECT key, passage_id, passages.length, terms FROM passages {also} terms @@ %s::tsquery)
    SELECT key, (
        SELECT sum(rarity * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * found.length / %s)))
        FROM (
            SELECT rarity, cardinality(positions) AS often
            FROM unnest(found.terms) AS held JOIN asked ON held.lexeme = asked.stem COLLATE "C"
        ) AS counted
    ) AS score
    FROM found ORDER BY score DESC, passage_id LIMIT %s"""


def sendable(text: str) -> str:
    """The text as PostgreSQL can take it, without lone surrogates and zero characters; no stored id has any."""
    return storable(text).replace("\0", "\ufffd")


def sendable_all(texts: Iterable[str]) -> list[str]:
    """Each text as PostgreSQL can take it."""
    return [sendable(text) for text in texts]
