"""What stands around an answer as HTML: the filter over the question box, and questions to ask next.

Pure functions over an environment of their own that escapes every value.
"""

from collections.abc import Mapping, Sequence

from corpus.filters import Filter
from ui.record import filter_words
from ui.render import templates

CHOICES = 200  # values that a menu offers; others can be named in the question

_render = templates("asking.html", filter_words=filter_words)


def filter_bar(filters: Filter, passing: int, values: Mapping[str, Sequence[str]]) -> str:
    """The chosen conditions, each with a way to take it off, and a menu of others.

    `passing` is how many insights the filter leaves; `values` are the library's authors, sources, tags and years. Where
    it has none of them there is nothing to filter by, and nothing is shown.
    """
    menus = {name: list(values[name])[:CHOICES] for name in ("author", "source", "tag") if values[name]}
    years = list(values["year"])
    if not (menus or years or filters):
        return ""
    return _render("filter_bar", filters=filters, passing=passing, menus=menus, years=years)


def starters(questions: Sequence[str]) -> str:
    """Questions that a first visit may begin with."""
    return _render("starters", questions=questions) if questions else ""


def offers(questions: Sequence[str], refused: bool, asked: str) -> str:
    """Questions that the library answers: to go on with after the one that was asked, or instead of it."""
    return _render("offers", questions=questions, refused=refused, asked=asked) if questions else ""
