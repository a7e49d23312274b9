"""What the page does around an answer: the filter over the question box, questions that a click asks, ratings.

No Gradio here. Every value may come from anybody who calls an event by its number: it is checked as it arrives.
"""

import logging
from collections.abc import Callable

from corpus.errors import FootnotedError, UsageError
from corpus.filters import EVERYTHING, NAMED, Filter, filter_of
from rag.datatypes import Answer
from ui import asking_view as view
from ui import feedback
from ui.handlers import UNEXPECTED, Library, Switch, Talk
from ui.render import Exchange

MOST_TERMS = 40  # of a filter that is put together on the page

log = logging.getLogger(__name__)


def bar(library: Library, filters: Filter) -> str:
    """The filter as HTML, with the menu of what this library can be filtered by; nothing where it can't be read."""
    try:
        values = {name: library.values(name) for name in (*NAMED.values(), "year")}
        return view.filter_bar(filters, library.passing(filters)[0] if filters else 0, values)
    except FootnotedError:  # the list of insights and the next question say why
        return ""
    except Exception:
        log.exception("the filter failed")
        return ""


def narrowed(library: Library, filters: Filter, term: object, on: object) -> Filter:
    """The filter with a condition put on or taken off; as it was if there is no such value in the library.

    A date that is taken off needs no value: "since=".
    """
    if not isinstance(term, str):
        return filters
    name, _, value = term.partition("=")
    try:
        if on is not True:
            dropped = [each for each in filters.terms if each.startswith(f"{name}=")] if not value else [term]
            for each in dropped:
                filters = filters.without_term(each)
            return filters
        if name in NAMED.values() and value not in library.values(name):
            return filters
        return filters.with_term(term) if len(filters.terms) < MOST_TERMS else filters
    except FootnotedError:
        return filters


def without(talk: Talk, turn: object, term: object) -> tuple[str, Filter, bool] | None:
    """An earlier question to ask again, with its filter but for one term, and whether it is the last of the talk.

    None if there is no such answer.
    """
    exchange = _answered(talk, turn)
    if exchange is None or exchange.answer is None:
        return None
    terms = exchange.answer.trace.filters
    kept = filter_of(each for each in terms if each != term) if terms else EVERYTHING
    return exchange.question, kept, exchange is talk.exchanges[-1]


def rate(
    talk: Talk,
    switch: Switch,
    turn: object,
    reason: object,
    test: object,
    keep: Callable[..., str] = feedback.keep,
) -> bool:
    """Keep what a reader thinks of an answer of theirs; whether there is anything new to show in its place.

    `reason` is "" for a good answer, else why it is bad; with `test` it becomes a test question.
    """
    exchange = _answered(talk, turn)
    if exchange is None or exchange.answer is None or not isinstance(reason, str):
        return False
    place = exchange.turn, exchange.question
    if place in switch.rated:
        return False
    switch.rated[place] = _kept(keep, exchange.answer, reason, test is True)
    return True


def unkept(answer: Answer, reason: str, *, test: bool = False) -> str:
    """What a rating comes to from somebody whom nobody vouches for: they write into no file. The page hides it."""
    return "Ratings are only kept of those who log in, or sit at this machine."


def _kept(keep: Callable[..., str], answer: Answer, reason: str, test: bool) -> str:
    try:
        return keep(answer, reason, test=test)
    except UsageError:
        return "That is no reason that can be given for this answer."
    except FootnotedError as error:
        return str(error)
    except Exception:
        log.exception("a rating could not be kept")
        return UNEXPECTED


def _answered(talk: Talk, turn: object) -> Exchange | None:
    """The finished answer of this turn."""
    return next((each for each in talk.exchanges if each.turn == turn and each.done), None)
