"""The list of conversations and what belongs to it as HTML: pure functions; the environment escapes everything."""

from collections.abc import Sequence
from datetime import datetime

from ui.conversations import LISTED, MAX_TITLE, Summary
from ui.render import templates

_render = templates("conversations.html", longest=MAX_TITLE, most=LISTED)


def listing(
    rows: Sequence[Summary],
    opened: str,
    words: str = "",
    problem: str = "",
    now: datetime | None = None,
    gone: str = "",
) -> str:
    """The list, newest first. `opened` is the id of the conversation on the page: the browser's tab remembers it.

    `gone` is one that was deleted and can be brought back.
    """
    now = now or datetime.now().astimezone()
    dated = [(row, when(row.updated, now)) for row in rows]
    return _render("listing", rows=dated, opened=opened, words=words, problem=problem, gone=gone)


def head() -> str:
    """What stands over the list."""
    return _render("head")


def foot() -> str:
    """What stands under the list."""
    return _render("foot")


def toggle() -> str:
    """The button that opens and closes the list."""
    return _render("toggle")


def keys() -> str:
    """The dialog with the keys that the page knows."""
    return _render("keys")


def editing() -> str:
    """What stands over the question box while the last question is being changed."""
    return _render("editing")


def parcel(number: str, name: str, kind: str, text: str) -> str:
    """A file for the browser to save; it does so once for each number."""
    return _render("parcel", number=number, name=name, kind=kind, text=text)


def when(moment: datetime, now: datetime) -> str:
    """A moment as short as it can be understood now: a time today, else a day, with the year if it is another one."""
    moment = moment.astimezone(now.tzinfo)
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != now.year else "")
