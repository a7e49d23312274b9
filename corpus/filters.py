"""Which insights are looked at: a filter by author, source, tag, date and note, and the SQL for it.

A filter names values as the library spells them. What a person types ("Kahneman") becomes such a filter in `resolved`.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from corpus.errors import UsageError
from corpus.insight import one_line

NAMED = {"authors": "author", "sources": "source", "tags": "tag"}  # field -> what one of its values is called
MOST = 200  # values that one typed name may stand for
EXAMPLE = "Give a year, a month or a day: 2024, 2024-05 or 2024-05-11."
DATED = "insights.date GLOB '[0-9][0-9][0-9][0-9]*'"  # begins with a year: any other can't be compared
_DATE = re.compile(r"[12]\d{3}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Filter:
    """Any of the sources, any of the authors, any of the tags, saved at a date from `since` to `until`; () or "": all.

    Dates are ISO 8601 as far as given, both ends included: until 2024 is until its last day. An insight without a date
    passes no filter by date; one of which only the year is known passes if that year may be meant.
    """

    sources: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    note: bool = False  # only insights with a note of the person's own

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return self != Filter()

    @property
    def terms(self) -> tuple[str, ...]:
        """One "name=value" for each condition: "author=Ines Okafor", "since=2024", "note=yes"."""
        named = [f"{word}={value}" for field, word in NAMED.items() for value in getattr(self, field)]
        dates = [f"{field}={getattr(self, field)}" for field in ("since", "until") if getattr(self, field)]
        return (*named, *dates, *(["note=yes"] if self.note else []))

    def with_term(self, term: str) -> "Filter":
        """This filter with one condition more. Raises UsageError for what is no term."""
        name, _, value = term.partition("=")
        for field, word in NAMED.items():
            if name == word and value:
                more: dict[str, Any] = {field: tuple(dict.fromkeys((*getattr(self, field), value)))}
                return replace(self, **more)
        match name:
            case "since":
                return replace(self, since=checked_date(value, name))
            case "until":
                return replace(self, until=checked_date(value, name))
            case "note" if value == "yes":
                return replace(self, note=True)
        raise UsageError(f"{term!r} is no part of a filter.", "Write it as author=NAME, tag=NAME or since=2024.")

    def without_term(self, term: str) -> "Filter":
        """This filter without one of its terms; as it is if it has no such term."""
        return filter_of(each for each in self.terms if each != term)

    def joined(self, other: "Filter") -> "Filter":
        """What both leave: the narrower dates, and of authors, sources and tags those of the one that names any.

        Where both name some, the other's count: it was said last.
        """
        named: dict[str, Any] = {field: getattr(other, field) or getattr(self, field) for field in NAMED}
        since = max(self.since, other.since)
        until = min((date for date in (self.until, other.until) if date), default="", key=latest)
        return Filter(**named, since=since, until=until, note=self.note or other.note)


EVERYTHING = Filter()


def filter_of(terms: Iterable[str]) -> Filter:
    """The filter with these terms. Raises UsageError for what is no term."""
    found = EVERYTHING
    for term in terms:
        found = found.with_term(term)
    return found


def filter_from(given: Mapping[str, object]) -> Filter:
    """A filter from plain data, such as {"authors": ["Ines Okafor"], "since": "2024"}. Raises UsageError if it is none.

    Its names may be typed loosely: see `resolved`.
    """
    known = {field.name for field in fields(Filter)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in NAMED and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            values[name] = tuple(dict.fromkeys(cleaned for each in value if (cleaned := one_line(each))))
            if value and not values[name]:  # as no filter at all it would let through what was to be kept out
                raise UsageError(f"The filter's {name} are empty.", "Name one, or leave them out.")
        elif name in ("since", "until") and isinstance(value, str):
            values[name] = checked_date(value, name) if value else ""
        elif name == "note" and isinstance(value, bool):
            values[name] = value
        elif name in known:
            raise UsageError(
                f"The filter can't have {value!r} as {name}.", 'Write it as {"authors": ["…"], "since": "2024"}.'
            )
        else:
            raise UsageError(f"A filter has no {name!r}.", f"It has {', '.join(sorted(known))}.")
    return Filter(**values)


def checked_date(text: str, name: str) -> str:
    """The date as it is. Raises UsageError, naming what it was given for, if it isn't a year, month or day."""
    text = text.strip()
    if not _DATE.fullmatch(text):
        raise UsageError(f"{name} can't be {text!r}.", EXAMPLE)
    return text


def resolved(typed: Filter, values: Callable[[str], Sequence[str]]) -> Filter:
    """The filter with the names as the library spells them: "kahneman" becomes "Daniel Kahneman".

    `values(name)` gives the library's authors, sources or tags ("author", "source", "tag"). A typed name stands for the
    value that it is, but for case; else for each that holds all its words. Raises UsageError if there is none.
    """
    found: dict[str, Any] = {}
    for field, word in NAMED.items():
        known = values(word) if getattr(typed, field) else ()
        found[field] = tuple(
            dict.fromkeys(value for name in getattr(typed, field) for value in _meant(name, known, word))
        )
    return replace(typed, **found)


def _meant(name: str, known: Sequence[str], word: str) -> list[str]:
    same = [value for value in known if value.casefold() == name.casefold()]
    said = set(_words(name))
    same = same or [value for value in known if said and said <= set(_words(value))]
    if not same:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(near)}?" if near else "Leave it out, or name one that is there."
        raise UsageError(f"No insight here has the {word} {name!r}.", remedy)
    if len(same) > MOST:
        raise UsageError(f"{name!r} is part of {len(same):,} {word}s.", "Give more of it.")
    return same


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def latest(date: str) -> str:
    """A date that sorts by its last day: 2024 ends after 2024-05."""
    return date + "-99-99"[len(date) - 4 :] if len(date) < 10 else date


def condition(filters: Filter) -> tuple[str, list[str]]:
    """The filter as a condition in SQL on the table `insights`, and its values in order; "1" if it leaves all."""
    parts: list[str] = []
    values: list[str] = []
    for column, wanted in (("author", filters.authors), ("source", filters.sources)):
        if wanted:
            parts.append(f"insights.{column} IN ({', '.join('?' * len(wanted))})")
            values += wanted
    if filters.tags:
        marks = ", ".join("?" * len(filters.tags))
        parts.append(f"EXISTS (SELECT 1 FROM json_each(insights.tags) AS given WHERE given.value IN ({marks}))")
        values += filters.tags
    if filters.since or filters.until:
        parts.append(DATED)
    # Compared as far as both are known.
    for date, sign in ((filters.since, ">="), (filters.until, "<=")):
        if date:
            parts.append(f"substr(insights.date, 1, {len(date)}) {sign} substr(?, 1, length(insights.date))")
            values.append(date)
    if filters.note:
        parts.append("insights.note <> ''")
    return " AND ".join(parts) or "1", values
