"""Connections to the servers of a library, which of them is asked, and what their faults mean in words.

A read goes to a replica that has everything that this process wrote, else to the primary, else to any replica. A write
goes to the primary. A server that failed is passed over for PAUSE seconds and then asked again, so that what comes back
is used without a restart. (psycopg_pool isn't used: it tries on in the background and tells only that time is over,
while here somebody waits who can be told the reason at once.)
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from corpus.errors import LibraryError, UsageError
from corpus.postgres_address import EXAMPLE, Address

LOCK_SECONDS = 30
PAUSE = 5.0  # seconds for which a server that failed isn't asked if there is another
LAG = 10.0  # seconds after which a replica that can't tell its place is taken to have caught up
IDLE = 2.0  # seconds after which a connection is tried before it is used
MOST = 16  # connections to a server
SETTINGS = {
    "statement_timeout": "120s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "jit": "off",  # compiling costs more than these short queries take
}
# A dead network is noticed within seconds. Where the address says otherwise, that counts.
NETWORK = {
    "connect_timeout": "4",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "footnoted",
}

T = TypeVar("T")
Row = tuple[Any, ...]


class Server:
    """One server with its idle connections, the one that was used last first."""

    def __init__(self, address: str, schema: str) -> None:
        """Nothing is connected yet. Raises psycopg.ProgrammingError for an address that libpq can't read."""
        self._conninfo = make_conninfo(address, **NETWORK | conninfo_to_dict(address))
        self._schema = schema
        self._idle: list[tuple[float, Connection[Row]]] = []
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST)
        self._closed = False
        self._failed = -PAUSE  # when it failed last
        self.replayed = ""  # up to where it is known to have what the primary wrote, if it is a replica

    @property
    def resting(self) -> bool:
        """Whether it failed just now."""
        return time.monotonic() - self._failed < PAUSE

    @contextmanager
    def connection(self) -> Iterator[Connection[Row]]:
        """A connection in autocommit mode, for one thread at a time. Raises psycopg.Error if it can't be had."""
        if not self._room.acquire(timeout=LOCK_SECONDS):
            raise errors.TooManyConnections("all connections are in use")
        taken: Connection[Row] | None = None
        try:
            taken = self._taken()
            yield taken
        except psycopg.Error as error:
            if lost(error):
                self._failed = time.monotonic()
            raise
        finally:
            if taken is not None:
                self._put_back(taken)
            self._room.release()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is put back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _taken(self) -> Connection[Row]:
        while True:
            with self._lock:
                if not self._idle:
                    break
                since, found = self._idle.pop()
            if time.monotonic() - since < IDLE:
                return found
            try:
                found.execute("SELECT 1")
                return found
            except psycopg.Error:  # the server was restarted, say
                found.close()
        return self._connect()

    def _put_back(self, connection: Connection[Row]) -> None:
        if not connection.closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            with self._lock:
                if not self._closed:
                    self._idle.append((time.monotonic(), connection))
                    return
        connection.close()

    def _connect(self) -> Connection[Row]:
        # Nothing is prepared: a plan must know the values, or it can't see how rare a word is; and poolers like it.
        made = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        try:
            # Supabase keeps extensions in a schema of that name. One that isn't there is passed over.
            made.execute(f'SET search_path TO "{self._schema}", public, extensions')
            made.execute("; ".join(f"SET {name} TO '{value}'" for name, value in SETTINGS.items()))
        except BaseException:
            made.close()
            raise
        return made


@dataclass(eq=False)
class Servers:
    """The primary and the replicas of one library. Raises LibraryError, without a password in it, for every fault."""

    address: Address
    primary: Server = field(init=False)
    replicas: list[Server] = field(init=False)
    _wrote: tuple[str, float] | None = None  # up to where this process wrote, and when
    _turn: int = 0
    _closed: bool = False

    def __post_init__(self) -> None:
        try:
            self.primary, *self.replicas = (
                Server(address, self.address.schema) for address in (self.address.primary, *self.address.replicas)
            )
        except psycopg.Error:
            raise UsageError("The library's address can't be read.", EXAMPLE) from None  # the cause may show it

    def read(self, work: Callable[[Connection[Row]], T]) -> T:
        """What `work` reads, from whichever server it can be had; it may be called more than once."""
        with explained(self.address):
            self._check_open()
            if not self.replicas:
                with self.primary.connection() as connection:
                    return work(connection)
            return self._read_anywhere(work)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        return self.read(lambda connection: connection.execute(sql, values or None).fetchall())

    def snapshot(self, work: Callable[[Connection[Row]], T]) -> T:
        """What `work` reads, all of it from the same state."""

        def inside(connection: Connection[Row]) -> T:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                return work(connection)

        return self.read(inside)

    @contextmanager
    def transaction(self) -> Iterator[Connection[Row]]:
        """All the writes inside take effect together when it ends, or none of them."""
        with explained(self.address, writing=True):
            self._check_open()
            with self.primary.connection() as connection:
                with connection.transaction():
                    yield connection
                self._remember(connection)

    @contextmanager
    def connection(self) -> Iterator[Connection[Row]]:
        """A connection to the primary in autocommit mode, for what can't be done in a transaction."""
        with explained(self.address, writing=True):
            self._check_open()
            with self.primary.connection() as connection:
                yield connection
                self._remember(connection)

    def close(self) -> None:
        """Close the connections. May be called twice."""
        self._closed = True
        for server in (self.primary, *self.replicas):
            server.close()

    def _check_open(self) -> None:
        if self._closed:
            raise LibraryError(f"{self.address.name} was closed.", "Open it again.")

    def _remember(self, connection: Connection[Row]) -> None:
        """Take note of up to where this process wrote. A server that can't tell is waited for LAG seconds."""
        if self.replicas:
            place = ""
            with suppress(psycopg.Error):
                place = str(connection.execute("SELECT pg_current_wal_insert_lsn()").fetchall()[0][0])
            self._wrote = (place, time.monotonic())

    def _read_anywhere(self, work: Callable[[Connection[Row]], T]) -> T:
        self._turn += 1
        turn = self._turn % len(self.replicas)
        replicas = [*self.replicas[turn:], *self.replicas[:turn]]
        faults: dict[Server, psycopg.Error] = {}
        # First those that should be asked; then, behind or failed as they may be, all: it is better than no answer.
        fit = [server for server in (*replicas, self.primary) if not server.resting]
        for at, server in enumerate((*fit, *replicas, self.primary)):
            if server in faults:
                continue
            try:
                with server.connection() as connection:
                    if at < len(fit) and server is not self.primary and not self._has_all(server, connection):
                        continue
                    return work(connection)
            except errors.QueryCanceled:  # it would take as long elsewhere
                raise
            except psycopg.Error as error:
                # On a replica also what isn't its being down: it may lack a table yet, or drop a query to catch up.
                if server is self.primary and not lost(error):
                    raise
                faults[server] = error
        raise faults[self.primary]

    def _has_all(self, server: Server, connection: Connection[Row]) -> bool:
        """Whether a replica has what this process wrote: who has added an insight must find it."""
        if self._wrote is None:
            return True
        place, when = self._wrote
        if place and server.replayed == place:
            return True
        if place:
            sql = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            (has,) = connection.execute(sql, (place,)).fetchall()[0]
            if has:
                server.replayed = place
            if has is not None:
                return bool(has)
        return time.monotonic() - when > LAG


def lost(error: psycopg.Error) -> bool:
    """Whether the server, not the query, is at fault: it is down, goes down, or doesn't let us in."""
    state = error.sqlstate or ""
    if not state:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(("08", "28", "57P")) or state == "53300"


@contextmanager
def explained(address: Address, *, writing: bool = False) -> Iterator[None]:
    """Turn the faults of a server into a LibraryError in words, without the passwords."""
    try:
        yield
    except psycopg.Error as error:
        # Without the cause: a traceback, if one is asked for, must not show what the driver was given.
        raise in_words(address, error, writing=writing) from None


def read_only_error(address: Address) -> LibraryError:
    """What a user reads who tries to change a library that can only be read."""
    return LibraryError(
        f"{address.name} can only be read.", "Give the primary's address, or a user who may write there."
    )


def in_words(address: Address, error: psycopg.Error, *, writing: bool = False) -> LibraryError:
    """What a fault of the server means, and what to do about it."""
    name, reason = address.name, _reason(address, error)
    state = error.sqlstate or ""
    if state == "55P03" or isinstance(error, errors.LockNotAvailable):
        return LibraryError(f"Another program is writing to {name}.", "Wait until it is done, then try again.")
    if state.startswith("53") and state not in ("53300", "53400"):
        return LibraryError(
            f"There is no room left on the server of {name} ({reason}).",
            "Free some space there, then try again; nothing that was added before is lost.",
        )
    if state == "25006":
        return read_only_error(address)
    if state == "42501":
        return LibraryError(
            f"The user may not do this in {name} ({reason}).",
            "Give the user the rights on the schema, or name another.",
        )
    if state == "57014":
        return LibraryError(f"{name} took too long to answer.", "Try again when its server has less to do.")
    if state.startswith("28") or "authentication failed" in reason or "no password supplied" in reason:
        return LibraryError(
            f"The server of {name} lets this user not in ({reason}).",
            "Check the user and the password: in the address, in PGPASSWORD or in ~/.pgpass.",
        )
    if state == "3D000" or re.fullmatch("database .* does not exist", reason):  # libpq gives no code for it
        return LibraryError(f"There is no database {name}.", "Make it on the server with createdb, then try again.")
    if lost(error):
        kept = "Nothing can be changed until it is back; what was stored is safe." if writing else "Nothing is lost."
        return LibraryError(
            f"The server of {name} doesn't answer ({reason}).", f"Start it, or check the network. {kept}"
        )
    return LibraryError(f"{name} can't be read or written ({reason}).", "Check its server, then try again.")


def _reason(address: Address, error: psycopg.Error) -> str:
    """What the server or libpq says, in its shortest."""
    said = (error.diag.message_primary or str(error)).strip() or type(error).__name__
    told = re.search(r"failed: (?:FATAL:\s*|ERROR:\s*)?(?!connection)(.+)", said)
    return address.cleaned((told[1] if told else said.splitlines()[0]).strip().rstrip("."))
