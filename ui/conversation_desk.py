"""What the page does with conversations: every input is checked here, and nothing that fails stops the asking.

Whose conversations they are is worked out anew in each call, from the secret that the browser sends or the name that
the server vouches for: knowing an id, or another page's session, opens nothing.
"""

import logging
import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from corpus.errors import FootnotedError
from ui import conversation_view as view
from ui.conversations import KEPT, MAX_TITLE, Conversation, Store, new_key
from ui.handlers import MAX_QUESTION, MAX_TURNS, UNEXPECTED, Deleted, Switch, Talk
from ui.share import answer_markdown, conversation_json, conversation_markdown, file_name

MAX_SOUGHT = 200  # characters of a search
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is at the page: the secret that the browser says it keeps, and the name of someone who logged in."""

    secret: object = None
    user: str = ""


def arrive(store: Store, visitor: Visitor, switch: Switch) -> str:
    """The secret that this browser is to keep: the one it has if we made it, else a new one; empty if we can't."""
    try:
        known = isinstance(visitor.secret, str) and store.owner(visitor.secret)
        switch.secret = str(visitor.secret) if known else store.new_secret()
    except FootnotedError:
        return ""  # the list of conversations says why
    return switch.secret


def late(visitor: Visitor, switch: Switch) -> Visitor:
    """The visitor, with the secret that their page got while a question was on its way that was asked without one."""
    return visitor if visitor.secret else replace(visitor, secret=switch.secret)


def resume(store: Store, visitor: Visitor, opened: object, talk: Talk, switch: Switch) -> Talk:
    """The conversation of a page that was loaded anew, or that outlived the server, as this tab last had it open."""
    if switch.settled:
        return talk
    switch.settled = True
    if talk.exchanges:
        return talk
    return turn_to(store, visitor, opened, switch) or talk


def turn_to(store: Store, visitor: Visitor, conversation: object, switch: Switch) -> Talk | None:
    """The visitor's conversation with this id, which is the open one from now on; nothing if they have none."""
    found = _find(store, visitor, conversation)
    if found is None:
        return None
    leave(switch)
    switch.opened = found.id
    saved = found.exchanges[-MAX_TURNS:]
    keys = tuple(one.key for one in saved)
    return Talk(tuple(one.exchange for one in saved), keys, found.id, frozenset(keys))


def listing(store: Store, visitor: Visitor, switch: Switch, words: object = None) -> str:
    """The list of the visitor's conversations as HTML; `words` narrow it until others are given."""
    if isinstance(words, str):
        switch.sought = " ".join(words.split())[:MAX_SOUGHT]
    try:
        with suppress(FootnotedError):  # a file that can only be read still shows what it holds
            store.purge()
        owner = store.owner(visitor.secret, visitor.user)
        rows = store.conversations(owner, switch.sought)
        gone = switch.deleted.conversation if time.monotonic() < switch.deleted.until else ""
        return view.listing(rows, switch.opened, switch.sought, gone=gone)
    except FootnotedError as error:
        return view.listing([], switch.opened, problem=f"{error} Until then conversations aren't kept.")
    except Exception:
        log.exception("the list of conversations failed")
        return view.listing([], switch.opened, problem=UNEXPECTED)


def rename(store: Store, visitor: Visitor, conversation: object, title: object) -> bool:
    """Give the visitor's conversation another title; whether that was done."""
    if not isinstance(title, str) or not _is_id(conversation):
        return False
    try:
        owner = store.owner(visitor.secret, visitor.user)
        return store.rename(owner, str(conversation), title[: 4 * MAX_TITLE])
    except FootnotedError:
        return False  # the list, which is read next, says why


def delete(store: Store, visitor: Visitor, conversation: object, switch: Switch) -> bool:
    """Delete the visitor's conversation, which can be undone for a while; whether it was the open one."""
    if not _is_id(conversation):
        return False
    try:
        deleted = store.delete(store.owner(visitor.secret, visitor.user), str(conversation))
    except FootnotedError:
        return False
    was_open = switch.opened == conversation
    if deleted:
        switch.deleted = Deleted(str(conversation), was_open, time.monotonic() + KEPT.total_seconds())
        if was_open:
            leave(switch)
    return deleted and was_open


def restore(store: Store, visitor: Visitor, conversation: object, switch: Switch) -> Talk | None:
    """Bring a deleted conversation of the visitor's back; itself, if it is to be shown again: it was, and none is."""
    if not _is_id(conversation):
        return None
    try:
        restored = store.restore(store.owner(visitor.secret, visitor.user), str(conversation))
    except FootnotedError:
        return None  # the list says why
    last, switch.deleted = switch.deleted, Deleted()
    show = restored and last.was_open and last.conversation == conversation and not (switch.opened or switch.busy)
    return turn_to(store, visitor, conversation, switch) if show else None


def leave(switch: Switch) -> None:
    """The page shows a new conversation from now on; what was being written is not waited for."""
    switch.forget()
    switch.settled, switch.opened = True, ""
    switch.rated.clear()


def keep(store: Store, visitor: Visitor, switch: Switch, talk: Talk) -> tuple[Talk, str]:
    """Save what is over and not saved yet, also what failed; a sentence if that can't be done, once for each page."""
    pending = [
        (key, exchange)
        for key, exchange in zip(talk.keys, talk.exchanges, strict=True)
        if key not in talk.kept and not exchange.busy and (exchange.answer is not None or exchange.problem)
    ]
    if not pending or store.path is None:
        return talk, ""
    try:
        visitor = late(visitor, switch)
        owner = store.owner(visitor.secret, visitor.user)
        if owner:
            conversation = store.save(owner, talk.conversation, pending)
            kept = talk.kept | {key for key, _ in pending}
            return replace(talk, conversation=conversation, kept=kept), ""
        problem = "This browser keeps nothing for us, so we couldn't tell whose it is. Allow it to, and load the page."
    except FootnotedError as error:
        problem = str(error)
    except Exception:
        log.exception("a conversation could not be saved")
        problem = "Why is in the log."
    if switch.warned:
        return talk, ""
    switch.warned = True
    return talk, f"This conversation isn't being saved. {problem} You can go on asking."


def export(store: Store, visitor: Visitor, conversation: object, form: object) -> str:
    """The visitor's conversation as a file for the browser to save (`markdown` or `json`); empty if there is none."""
    found = _find(store, visitor, conversation)
    if found is None:
        return ""
    if form == "json":
        return view.parcel(new_key(), file_name(found.title, "json"), "application/json", conversation_json(found))
    return view.parcel(new_key(), file_name(found.title, "md"), "text/markdown", conversation_markdown(found))


def export_answer(talk: Talk, turn: object) -> str:
    """An answer on the page as a Markdown file for the browser to save; empty if there is no such answer."""
    for exchange in talk.exchanges:
        if exchange.turn == turn and not exchange.busy:
            name = file_name(exchange.question, "md")
            return view.parcel(new_key(), name, "text/markdown", answer_markdown(exchange))
    return ""


def last_question(talk: Talk) -> str:
    """The question that can be asked again or changed; empty if there is none."""
    return talk.exchanges[-1].question[:MAX_QUESTION] if talk.exchanges else ""


def _is_id(conversation: object) -> bool:
    return isinstance(conversation, str) and _ID.fullmatch(conversation) is not None


def _find(store: Store, visitor: Visitor, conversation: object) -> Conversation | None:
    if not _is_id(conversation):
        return None
    try:
        return store.get(store.owner(visitor.secret, visitor.user), str(conversation))
    except FootnotedError:
        return None  # the list says why
    except Exception:
        log.exception("a conversation could not be read")
        return None
