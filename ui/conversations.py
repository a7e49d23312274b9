"""The conversations of everybody who uses the page, in one SQLite file beside the person's own library.

Each belongs to an owner: a browser, known by a secret that we made and signed, or the name of someone who logged in.
The file holds only a hash of either, and no query here reads or writes without it. Every call opens a connection of
its own, so that any number of threads and processes may work on the file at once.
"""

import hashlib
import hmac
import logging
import os
import secrets
import sqlite3
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from corpus.database import between, retried
from corpus.errors import LibraryError
from corpus.insight import one_line
from corpus.places import data_dir
from ui.codec import decode, encode
from ui.record import answer_text
from ui.render import Exchange, preview

APPLICATION_ID = 0x466F6F43  # "FooC": tells our files from other SQLite files
BUSY_SECONDS = 5.0
MAX_TITLE = 120  # characters
MAX_WORDS = 12  # of a search
LISTED = 200  # conversations in a list; older ones are found by searching
KEPT = timedelta(minutes=10)  # how long a deleted one can be brought back

UNREADABLE = "This answer was saved by another version of Footnoted and can't be shown. Ask again."

# One entry for each version of the file: the statements that lead to it from the one before.
VERSIONS = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE conversations (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            owner TEXT NOT NULL,
            title TEXT NOT NULL,
            created TEXT NOT NULL,
            updated TEXT NOT NULL
        )""",
        "CREATE INDEX conversations_by_owner ON conversations (owner, updated)",
        # `words` is the question and the answer, folded: what a search looks in. `data` is the exchange as JSON.
        """CREATE TABLE exchanges (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
            key TEXT NOT NULL,
            asked TEXT NOT NULL,
            question TEXT NOT NULL,
            words TEXT NOT NULL,
            data TEXT NOT NULL,
            UNIQUE (conversation, key)
        )""",
    ),
    # When it was deleted: for a while that can be undone.
    ("ALTER TABLE conversations ADD COLUMN deleted TEXT NOT NULL DEFAULT ''",),
)
SETTINGS = ("PRAGMA foreign_keys = ON", "PRAGMA secure_delete = ON")  # what is deleted is gone from the file, too

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """A line in the list of conversations."""

    id: str
    title: str
    updated: datetime
    count: int  # exchanges


@dataclass(frozen=True, slots=True)
class Saved:
    """An exchange as it was when it was saved; its turn is its place in the conversation."""

    key: str
    asked: datetime
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole conversation, oldest exchange first."""

    id: str
    title: str
    created: datetime
    updated: datetime
    exchanges: tuple[Saved, ...]


def default_path() -> Path:
    """Where conversations are kept: FOOTNOTED_CONVERSATIONS if that is set, else beside the person's own library."""
    chosen = os.environ.get("FOOTNOTED_CONVERSATIONS", "").strip()
    return Path(chosen).expanduser() if chosen else data_dir() / "conversations.db"


def look_at(path: Path) -> int:
    """How many conversations a file holds, once all of it has been read; nothing is changed. Raises LibraryError."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as db:
            if not _version(db):
                return 0
            (said,) = db.execute("PRAGMA integrity_check(1)").fetchone()
            if said != "ok":
                raise LibraryError(f"{path} is damaged: {said}.", "Move it away, and a new one is made.")
            return int(db.execute("SELECT count(*) FROM conversations").fetchone()[0])
    except sqlite3.Error as error:
        raise LibraryError(f"{path}: {_in_words(error).problem}", _in_words(error).remedy) from error


def new_key() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(12)


class Store:
    """The file of conversations; without a path nothing is kept and nothing is found.

    Every method raises LibraryError, in words, if the file can't be read or written; what it held is then still there.
    `now` tells the time, and a test may set it.
    """

    def __init__(self, path: Path | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self._now = now

    # Owners

    def new_secret(self) -> str:
        """A secret for a browser to keep: random, and signed so that we know it again. Empty if nothing is kept."""
        if self.path is None:
            return ""
        with self._opened() as db:
            token = secrets.token_urlsafe(24)
            return f"{token}.{_signature(db, token)}"

    def owner(self, secret: object, user: str = "") -> str:
        """Whose conversations these are: a key, or nothing if there is no name and we didn't make the secret."""
        if self.path is None:
            return ""
        if user:
            return _hash(f"user {user}")
        if not isinstance(secret, str) or len(secret) > 200 or not secret.isascii():
            return ""
        token, _, signature = secret.partition(".")
        with self._opened() as db:
            known = hmac.compare_digest(signature, _signature(db, token))
        return _hash(f"browser {token}") if known else ""

    # Conversations

    def save(self, owner: str, conversation: str, exchanges: Sequence[tuple[str, Exchange]]) -> str:
        """Save exchanges under their keys, each in the place of one with the same key; the conversation's id.

        A new conversation is made if the owner has none with this id: its title is the first question.
        """
        if self.path is None or not owner or not exchanges:
            return conversation
        now = self._now().isoformat()
        rows = [(key, now, _storable(e.question), _words(e), encode(e)) for key, e in exchanges]
        with self._opened() as db, between(db, "BEGIN IMMEDIATE"):
            there = "SELECT number FROM conversations WHERE id = ? AND owner = ? AND deleted = ''"
            found = db.execute(there, (conversation, owner))
            number = next((number for (number,) in found), None)
            if number is None:
                conversation = new_key()
                title = preview(_storable(exchanges[0][1].question), MAX_TITLE)
                number = db.execute(
                    "INSERT INTO conversations (id, owner, title, created, updated) VALUES (?, ?, ?, ?, ?)",
                    (conversation, owner, title, now, now),
                ).lastrowid
            db.executemany(
                """INSERT INTO exchanges (conversation, key, asked, question, words, data) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (conversation, key) DO UPDATE SET asked = excluded.asked, question = excluded.question,
                words = excluded.words, data = excluded.data""",
                [(number, *row) for row in rows],
            )
            db.execute("UPDATE conversations SET updated = ? WHERE number = ?", (now, number))
        return conversation

    def conversations(self, owner: str, words: str = "", limit: int = LISTED) -> list[Summary]:
        """The owner's conversations, the one that went on last first; with words, those that hold each of them."""
        if self.path is None or not owner:
            return []
        sought = _fold(words).split()[:MAX_WORDS]
        held = """ AND (instr(fold(title), ?)
            OR EXISTS (SELECT 1 FROM exchanges WHERE conversation = c.number AND instr(words, ?)))"""
        query = f"""SELECT id, title, updated, (SELECT count(*) FROM exchanges WHERE conversation = c.number)
            FROM conversations c WHERE owner = ? AND deleted = ''{held * len(sought)}
            ORDER BY updated DESC, number DESC LIMIT ?"""
        doubled = [word for word in sought for _ in range(2)]
        with self._opened() as db:
            rows = db.execute(query, (owner, *doubled, limit)).fetchall()
        return [Summary(id_, title, datetime.fromisoformat(updated), count) for id_, title, updated, count in rows]

    def get(self, owner: str, conversation: str) -> Conversation | None:
        """The conversation, if the owner has it. An exchange that can't be read any more says so."""
        if self.path is None or not owner:
            return None
        with self._opened() as db, between(db, "BEGIN"):  # both queries see the same state
            row = db.execute(
                "SELECT number, title, created, updated FROM conversations WHERE id = ? AND owner = ? AND deleted = ''",
                (conversation, owner),
            ).fetchone()
            if row is None:
                return None
            number, title, created, updated = row
            rows = db.execute(
                "SELECT key, asked, question, data FROM exchanges WHERE conversation = ? ORDER BY number", (number,)
            ).fetchall()
        saved = [
            Saved(key, datetime.fromisoformat(asked), _exchange(turn, question, data))
            for turn, (key, asked, question, data) in enumerate(rows)
        ]
        began, went_on = datetime.fromisoformat(created), datetime.fromisoformat(updated)
        return Conversation(conversation, title, began, went_on, tuple(saved))

    def rename(self, owner: str, conversation: str, title: str) -> bool:
        """Give it another title (on one line, at most MAX_TITLE characters); whether that was done."""
        title = one_line(title)[:MAX_TITLE].strip()
        return bool(title) and self._change(
            "UPDATE conversations SET title = ? WHERE id = ? AND owner = ? AND deleted = ''",
            (title, conversation, owner),
        )

    def delete(self, owner: str, conversation: str) -> bool:
        """Delete it; whether it was there. For KEPT it can be brought back, then `purge` takes it out of the file."""
        return self._change(
            "UPDATE conversations SET deleted = ? WHERE id = ? AND owner = ? AND deleted = ''",
            (self._now().isoformat(), conversation, owner),
        )

    def restore(self, owner: str, conversation: str) -> bool:
        """Bring a deleted one back; whether that could still be done."""
        return self._change(
            "UPDATE conversations SET deleted = '' WHERE id = ? AND owner = ? AND deleted > ?",
            (conversation, owner, (self._now() - KEPT).isoformat()),
        )

    def purge(self, *, at_once: bool = False) -> int:
        """Take what was deleted KEPT ago, or ever, out of the file with all its exchanges, for good; how many."""
        if self.path is None or not self.path.exists():
            return 0
        until = (self._now() if at_once else self._now() - KEPT).isoformat()
        over = "FROM conversations WHERE deleted <> '' AND deleted <= ?"
        with self._opened() as db:
            (found,) = db.execute(f"SELECT count(*) {over}", (until,)).fetchone()
            # Mostly none: then nothing is written.
            return db.execute(f"DELETE {over}", (until,)).rowcount if found else 0

    def _change(self, statement: str, values: tuple[str, ...]) -> bool:
        if self.path is None or "" in values:
            return False
        with self._opened() as db:
            return db.execute(statement, values).rowcount > 0

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection in autocommit mode to a file of the present version; it is made if it is missing."""
        assert self.path is not None
        try:
            if not self.path.exists():
                _make_private(self.path)
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
                for setting in SETTINGS:
                    db.execute(setting)
                db.create_function("fold", 1, _fold, deterministic=True)
                _bring_up_to_date(db)
                yield db
        except (sqlite3.Error, OSError) as error:
            log.warning("conversations in %s: %s", self.path, error)
            raise _in_words(error) from error


def _make_private(path: Path) -> None:
    """Make an empty file that its owner alone may read: what people ask is nobody else's business.

    It is made elsewhere and linked: to open and close a file that SQLite has open would break this process's locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    os.close(handle)
    with suppress(OSError):  # another was faster, or the disk knows no links: then SQLite makes the file
        os.link(name, path)
    os.unlink(name)


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    if _version(db) == len(VERSIONS):
        return
    retried(lambda: db.execute("PRAGMA journal_mode = WAL"), BUSY_SECONDS)
    with between(db, "BEGIN IMMEDIATE"):
        for statements in VERSIONS[_version(db) :]:  # none, if another process was faster
            for statement in statements:
                db.execute(statement)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('key', ?)", (secrets.token_hex(32),))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(VERSIONS)}")


def _version(db: sqlite3.Connection) -> int:
    """The version of the file, 0 if there's nothing in it yet. Raises LibraryError if it isn't ours or is newer."""
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # first: another process may be making them
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise LibraryError("The file of conversations belongs to another program.", "Move it away.")
    if version > len(VERSIONS):
        raise LibraryError("The file of conversations was made by a newer Footnoted.", "Update this one.")
    return int(version)


def _in_words(error: sqlite3.Error | OSError) -> LibraryError:
    """What went wrong, without a path: on a page that others use it is none of their business. The log has it."""
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LibraryError("The file of conversations is in use by another program.", "End that program.")
    if name.startswith("SQLITE_FULL"):
        return LibraryError("There is no room left on the disk for conversations.", "Free some space.")
    if name.startswith("SQLITE_READONLY"):
        return LibraryError("The file of conversations can only be read.", "Change its permissions.")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return LibraryError("The file of conversations is damaged.", "Move it away, and a new one is made.")
    return LibraryError("The file of conversations can't be read or written.", "Check its disk and its permissions.")


def _signature(db: sqlite3.Connection, token: str) -> str:
    (key,) = db.execute("SELECT value FROM meta WHERE key = 'key'").fetchone()
    return hmac.new(str(key).encode(), token.encode(), hashlib.sha256).hexdigest()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _exchange(turn: int, question: str, data: str) -> Exchange:
    try:
        saved = decode(data)
    except ValueError as error:
        log.warning("a saved exchange can't be read: %s", error)
        return Exchange(turn, question, problem=UNREADABLE)
    return replace(saved, turn=turn, waiting=False)


def _words(exchange: Exchange) -> str:
    answer = answer_text(exchange.answer) if exchange.answer is not None else ""
    return _fold(f"{exchange.question} {answer}")


def _fold(text: str) -> str:
    """A text as searches compare it: without case and accents."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", _storable(text)) if not unicodedata.combining(c))
    return bare.casefold()


def _storable(text: str) -> str:
    """SQLite takes no half characters."""
    return text.encode("utf-8", "replace").decode()
