"""Browsing a library: which insights are shown, narrowed by facets, and in which order. Only the SQL."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from corpus.filters import DATED, Filter, condition
from corpus.insight import Insight, clean
from corpus.unspaced import stretches_of

MAX_QUERY_WORDS = 100
MOST_VALUES = 50  # of a facet that are counted

# A facet's name -> its value of an insight, in SQL; "" means none. Tags are apart: an insight has several.
_VALUES = MappingProxyType(
    {"author": "insights.author", "source": "insights.source", "year": "substr(insights.date, 1, 4)"}
)
FACETS = ("author", "source", "tag", "year")
SORTS: Mapping[str, str] = MappingProxyType(
    {
        "imported": "insights.number",
        "latest": "insights.number DESC",
        "newest": f"{DATED} DESC, insights.date DESC, insights.number",
        "title": "insights.title = '', insights.title COLLATE NOCASE, insights.number",
        "author": "insights.author = '', insights.author COLLATE NOCASE, insights.number",
    }
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which insights are wanted, in which order.

    With a query, "imported" means the best match first: it is the order that nobody chose.
    """

    query: str = ""
    author: str = ""
    source: str = ""
    year: str = ""
    tags: tuple[str, ...] = ()  # all of them
    sort: str = "imported"  # a key of SORTS

    @property
    def filters(self) -> Filter:
        """The author, the source, the year and the first tag as a filter, which can't ask for all of several tags."""
        authors, sources = ((value,) if value else () for value in (self.author, self.source))
        return Filter(authors=authors, sources=sources, tags=self.tags[:1], since=self.year, until=self.year)

    def holds(self, insight: Insight) -> bool:
        """Whether the facets leave this insight in."""
        return (
            self.author in ("", insight.author)
            and self.source in ("", insight.source)
            and self.year in ("", insight.date[:4])
            and set(self.tags) <= set(insight.tags)
        )


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet's most frequent values (the latest years) among the selected insights, with how many have each."""

    name: str
    values: tuple[tuple[str, int], ...]
    more: bool = False  # whether there are others


@dataclass(frozen=True, slots=True)
class Statement:
    """A query's parts: `WITH … SELECT … FROM insights JOIN … WHERE …`, and its values in order."""

    prefix: str
    tables: str
    condition: str
    order: str
    values: tuple[str, ...]


def beginnings(query: str) -> str:
    """The full-text query for insights that hold words which begin like the query's; "" if it has no words."""
    return " AND ".join(f'"{word}" *' for word in stretches_of(query)[:MAX_QUERY_WORDS])


def statement(selection: Selection, *, by_words: bool) -> Statement:
    """The SQL for a selection: `by_words` through the full-text index, else the query is any part of the text."""
    query = clean(selection.query)
    prefix, tables, values = "", "insights", []
    conditions: list[str] = []
    order = SORTS[selection.sort]
    if query and by_words:
        prefix, tables, values = _FOUND, "insights JOIN best USING (insight_id)", [beginnings(query)]
        if selection.sort == "imported":
            order = f"best.score, {order}"
    elif query:
        for part in query.split()[:MAX_QUERY_WORDS]:
            conditions.append("insights.text || ' ' || insights.about LIKE ? ESCAPE '\\'")
            values.append("%" + re.sub(r"([\\%_])", r"\\\1", part) + "%")
    narrowed, given = condition(selection.filters)
    conditions.append(narrowed)
    values += given
    for tag in selection.tags[1:]:
        conditions.append("EXISTS (SELECT 1 FROM json_each(insights.tags) AS given WHERE given.value = ?)")
        values.append(tag)
    return Statement(prefix, tables, " AND ".join(conditions), order, tuple(values))


def counted(facet: str, chosen: Statement) -> str:
    """The SQL for a facet's values and their counts, most frequent first (years: latest), one more than MOST_VALUES."""
    tables, value = chosen.tables, _VALUES.get(facet, "given.value")
    if facet == "tag":
        tables += ", json_each(insights.tags) AS given"
    known = f"{value} GLOB '[0-9][0-9][0-9][0-9]'" if facet == "year" else f"{value} <> ''"
    order = "1 DESC" if facet == "year" else "2 DESC, 1"
    return (
        f"{chosen.prefix} SELECT {value}, count(*) FROM {tables} WHERE {chosen.condition} AND {known} "
        f"GROUP BY 1 ORDER BY {order} LIMIT {MOST_VALUES + 1}"
    )


_FOUND = """
    WITH found AS MATERIALIZED (SELECT rowid AS key, rank AS score FROM passages_fts WHERE passages_fts MATCH ?),
    best AS (SELECT insight_id, min(score) AS score FROM found JOIN passages USING (key) GROUP BY insight_id)"""
