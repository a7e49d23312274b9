"""What a server that several people share remembers of them: who is logged in, and who guessed passwords wrongly.

All of it in memory, in a bounded amount: after a restart everybody logs in again.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ui.users import User

IDLE = 14 * 24 * 3600.0  # seconds after which a session that nobody used has ended
MOST = 10_000  # sessions, and clients and names that failed: beyond, the oldest are forgotten
FREE = 5  # wrong passwords before one has to wait
CAPS = {"client": 60.0, "name": 5.0}  # seconds; a name's is short, or others could lock its owner out
FORGOTTEN = 900.0  # seconds after the last wrong password


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that logged in. The password's hash is part of it: a new password ends it."""

    name: str
    password: str
    used: float


class Sessions:
    """Who is logged in. A session's token is known to its browser alone: here is only its hash."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._sessions: dict[str, Session] = {}

    def open(self, user: User) -> str:
        """A new session; what is returned is the token for its cookie."""
        while len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used)]
        token = secrets.token_urlsafe(32)
        self._sessions[_hash(token)] = Session(user.name, user.password, self._now())
        return token

    def name(self, token: str, users: Mapping[str, User]) -> str:
        """Whose session it is, or nothing if it has ended."""
        session = self._sessions.get(_hash(token))
        if session is None:
            return ""
        user = users.get(session.name)
        if user is None or user.password != session.password or self._now() - session.used > IDLE:
            self.close(token)
            return ""
        self._sessions[_hash(token)] = replace(session, used=self._now())
        return session.name

    def close(self, token: str) -> None:
        """End it, if there is one."""
        self._sessions.pop(_hash(token), None)


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong passwords in a row, and when the last one came."""

    count: int
    last: float


class Slowdown:
    """After some wrong passwords from one place or for one name the next try has to wait, longer each time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures: dict[tuple[str, str], Failures] = {}

    def wait(self, client: str, name: str) -> float:
        """Seconds until the next password is looked at; 0 for at once."""
        waits = [0.0]
        for key in (("client", client), ("name", name)):
            failures = self._recent(key)
            if failures.count >= FREE:
                pause = min(2.0 ** (failures.count - FREE), CAPS[key[0]])
                waits.append(failures.last + pause - self._now())
        return max(waits)

    def failed(self, client: str, name: str) -> None:
        """Note a wrong password."""
        while len(self._failures) >= MOST:
            del self._failures[min(self._failures, key=lambda key: self._failures[key].last)]
        for key in (("client", client), ("name", name), ("both", f"{client} {name}")):
            self._failures[key] = Failures(min(self._recent(key).count + 1, 100), self._now())

    def passed(self, client: str, name: str) -> None:
        """Note a right one: what was typed wrongly for this name is forgiven.

        What this client guessed at other names is not: with a log-in of their own now and then, somebody could else
        guess on without ever waiting.
        """
        own = self._recent(("both", f"{client} {name}")).count
        here = self._recent(("client", client))
        self._failures.pop(("both", f"{client} {name}"), None)
        self._failures.pop(("name", name), None)
        if here.count > own:
            self._failures["client", client] = replace(here, count=here.count - own)
        else:
            self._failures.pop(("client", client), None)

    def _recent(self, key: tuple[str, str]) -> Failures:
        """The failures under a key, none if they are forgotten by now."""
        failures = self._failures.get(key, Failures(0, 0.0))
        return failures if self._now() - failures.last <= FORGOTTEN else Failures(0, 0.0)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
