"""Dates read from a question that speaks of saving: "since March 2023", "last week", "in 2024 or 2023". English only.

    a lead, such as "since" ─► a moment, and perhaps another one ─► the terms of a filter: since=2023-03

A year or a month with its year is the same whenever it is read. A relative moment counts from a day that the caller
gives: weeks begin on Monday, "last month" is the one before this one, and "the last month" is what leads up to today.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from corpus.filters import latest
from rag.words import NUMBER_WORDS

May = Callable[[int, str], bool]  # may a relative moment be read here, behind this lead?
Read = tuple[int, int, tuple[str, ...]]  # characters of the text, and the terms that they are

_MONTHS = "january february march april may june july august september october november december".split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_SOME = {"a couple of": 2, "couple of": 2, "a few": 4, "few": 4, "an": 1, "a": 1}
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(_SOME)}|{'|'.join(w for w, n in NUMBER_WORDS.items() if 0 < int(n) < 100)})"
_END = r"(?![\w-]|['’]|\s+of\b)"  # "last year's" and "the last year of the war" are no moments of saving

_ABSOLUTE = re.compile(
    rf"(?:(?P<name>{_MONTH})\.?,? )?(?P<year>(?:19|20)\d\d)"
    r"(?:-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>0[1-9]|[12]\d|3[01]))?)?(?![\w-])",
    re.I,
)
_DAY = re.compile(rf"(?P<day>today|yesterday){_END}", re.I)
_CALENDAR = re.compile(rf"(?P<which>this|last|(?:the )?previous) (?P<unit>week|month|year){_END}", re.I)
_ROLLING = re.compile(
    rf"(?:(?:the )?(?:last|past) {_COUNT} (?P<units>day|week|month|year)s?|the (?:last|past) (?P<unit>week|month|year))"
    + _END,
    re.I,
)
_AGO = re.compile(rf"{_COUNT} (?P<unit>day|week|month|year)s? ago{_END}", re.I)
_NAMED = re.compile(  # in capitals: "march" and "may" are words too
    rf"(?:(?P<which>[Tt]his|[Ll]ast) )?(?P<name>{'|'.join(name.capitalize() for name in (*_MONTHS, *_DAYS))}){_END}"
)

_FROM = re.compile(r"\b(?P<lead>between|from) ", re.I)
_TO = re.compile(r" (?:and|to|until|till|through) ", re.I)
_SINCE = re.compile(r"\b(?P<lead>since|after) ", re.I)
_UNTIL = re.compile(r"\b(?P<lead>before|until|till) ", re.I)
_IN = re.compile(
    rf"\b(?P<lead>in|from|during|of|(?:over|within)(?= (?:the|last|past) )|on(?= (?:last )?(?:{'|'.join(_DAYS)}))) ",
    re.I,
)
_BARE = re.compile(r"\b(?P<lead>)(?=today|yesterday|this |last |the previous |\w+ \w+ ago|a \w+ of \w+ ago)", re.I)
_LEANING = re.compile(  # what stands before these words belongs to them: "than last year"
    r"\b(?:about|on|of|in|at|for|with|than|like|as|to|by|from|the|an?|every|each|any|and|or|not|only|is|are|was)\s*$",
    re.I,
)
_OR = re.compile(r"(?:,| and| or|, and|, or)(?: in| from)? ", re.I)


@dataclass(frozen=True, slots=True)
class Moment:
    """From `first` to `last`, each a year, month or day of ISO 8601; an empty `last` is today. It ends at `end`."""

    first: str
    last: str
    end: int
    named: bool = False  # by a month or weekday without its year


def read_dates(text: str, today: date, may: May) -> Iterator[Read]:
    """The date or range that a text names, at most one: of more than one it isn't clear what each is meant for."""
    for reader in (_ranges, _openings, _closings, _spans):
        for start, end, since, until in reader(text, today, may):
            terms = [f"{name}={value}" for name, value in (("since", since), ("until", until)) if value]
            yield start, end, tuple(terms)
            return


Found = Iterator[tuple[int, int, str, str]]  # start, end, since, until


def _ranges(text: str, today: date, may: May) -> Found:
    for match in _FROM.finditer(text):
        first = _moment(text, match.end(), today, may, match)
        join = _TO.match(text, first.end) if first else None
        last = _moment(text, join.end(), today, may, match) if join else None
        if first is None or last is None:
            continue
        if first.named and first.first > last.first:  # from November to February
            first = _moment(text, match.end(), _day(last.first), may, match) or first
        if first.first[:4] <= (last.last or last.first)[:4]:
            yield match.start(), last.end, first.first, last.last


def _openings(text: str, today: date, may: May) -> Found:
    for match in _SINCE.finditer(text):
        if found := _moment(text, match.end(), today, may, match):
            after = match["lead"].lower() == "after" and found.last
            yield match.start(), found.end, _next(found.last, 1) if after else found.first, ""


def _closings(text: str, today: date, may: May) -> Found:
    for match in _UNTIL.finditer(text):
        if found := _moment(text, match.end(), today, may, match):
            before = match["lead"].lower() == "before"
            yield match.start(), found.end, "", _next(found.first, -1) if before else found.last


def _spans(text: str, today: date, may: May) -> Found:
    """What lies in a moment; of several years, "in 2024 or 2022", what lies between the first and the last."""
    leads = [*_IN.finditer(text), *(m for m in _BARE.finditer(text) if not _LEANING.search(text[: m.start()]))]
    for match in leads:
        found = _moment(text, match.end(), today, may, match)
        if found is None:
            continue
        moments = [found]
        while (more := _OR.match(text, moments[-1].end)) and (another := _moment(text, more.end(), today, may, match)):
            moments.append(another)
        since = min(moment.first for moment in moments)
        until = max((moment.last for moment in moments), key=latest) if all(m.last for m in moments) else ""
        yield match.start(), moments[-1].end, since, until


def _moment(text: str, at: int, today: date, may: May, lead: re.Match[str]) -> Moment | None:
    """The moment that begins here, if one does; behind no lead only a relative one."""
    word = lead["lead"].lower()
    if word and (match := _ABSOLUTE.match(text, at)):
        number = f"{_place(match['name'], _MONTHS):02}" if match["name"] else match["month"]
        found = "-".join(part for part in (match["year"], number, match["day"]) if part)
        return Moment(found, found, match.end()) if word not in ("on", "over", "within") and _is_date(found) else None
    if not may(lead.start(), word):
        return None
    return next((moment for read in _RELATIVE if (moment := read(text, at, today))), None)


# --------------------------------------------------------------------------------------------------------- relative


def _one_day(text: str, at: int, today: date) -> Moment | None:
    match = _DAY.match(text, at)
    if match is None:
        return None
    day = (today - timedelta(match["day"].lower() == "yesterday")).isoformat()
    return Moment(day, day, match.end())


def _in_the_calendar(text: str, at: int, today: date) -> Moment | None:
    match = _CALENDAR.match(text, at)
    return _whole(match["unit"], match["which"].lower() != "this", today, match.end()) if match else None


def _leading_up(text: str, at: int, today: date) -> Moment | None:
    match = _ROLLING.match(text, at)
    if match is None:
        return None
    first = _back(today, match["units"] or match["unit"], _number(match["count"]) if match["count"] else 1)
    return Moment(first.isoformat(), "", match.end()) if first else None


def _ago(text: str, at: int, today: date) -> Moment | None:
    match = _AGO.match(text, at)
    return _whole(match["unit"], _number(match["count"]), today, match.end()) if match else None


def _by_name(text: str, at: int, today: date) -> Moment | None:
    """The latest month or weekday of this name that has begun; with "last", that is over."""
    match = _NAMED.match(text, at)
    if match is None:
        return None
    name, over = match["name"].lower(), (match["which"] or "").lower() == "last"
    if name in _DAYS:
        back = (today.weekday() - _DAYS.index(name)) % 7 or 7 * over
        day = (today - timedelta(back)).isoformat()
        return Moment(day, day, match.end(), named=True)
    month = _place(name, _MONTHS)
    found = f"{today.year - (month > today.month or (over and month == today.month))}-{month:02}"
    return Moment(found, found, match.end(), named=True)


_RELATIVE = (_one_day, _in_the_calendar, _leading_up, _ago, _by_name)


def _whole(unit: str, back: int, today: date, end: int) -> Moment | None:
    """The whole day, week, month or year so many before today's."""
    day = _back(today, unit.lower(), back)
    if day is None:
        return None
    if unit.lower() == "week":
        monday = day - timedelta(day.weekday())
        return Moment(monday.isoformat(), (monday + timedelta(6)).isoformat() if back else "", end)
    found = day.isoformat()[: {"year": 4, "month": 7, "day": 10}[unit.lower()]]
    return Moment(found, found, end)


def _back(today: date, unit: str, count: int) -> date | None:
    """The day so many days, weeks, months or years before today; None before the year 1900."""
    unit = unit.lower()
    if unit in ("day", "week"):
        return today - timedelta(count * (7 if unit == "week" else 1))
    year, month = divmod(12 * today.year + today.month - 1 - count * (12 if unit == "year" else 1), 12)
    if year < 1900:
        return None
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))


def _number(said: str) -> int:
    said = said.lower()
    return int(said) if said.isdigit() else _SOME.get(said) or int(NUMBER_WORDS[said])


def _place(name: str, names: list[str]) -> int:
    return 1 + next(i for i, each in enumerate(names) if each.startswith(name.casefold()))


# ---------------------------------------------------------------------------------------------------------- calendar


def _next(moment: str, step: int) -> str:
    """The year, month or day after (1) or before (-1) this one."""
    if len(moment) == 4:
        return str(int(moment) + step)
    if len(moment) == 10:
        return (date.fromisoformat(moment) + timedelta(step)).isoformat()
    year, month = divmod(12 * int(moment[:4]) + int(moment[5:]) - 1 + step, 12)
    return f"{year}-{month + 1:02}"


def _day(moment: str) -> date:
    """Its first day."""
    return date.fromisoformat(moment + "-01-01"[len(moment) - 4 :] if len(moment) < 10 else moment)


def _is_date(moment: str) -> bool:
    try:
        _day(moment)
    except ValueError:
        return False
    return True
