"""Who may use a Footnoted that several people share: a file of names, with hashes of their passwords and API keys.

`footnoted user` writes the file. No password and no key can be read out of it, and there is no account to begin with.
A password is hashed with scrypt, which takes a while on purpose; a key is long and random, so a plain hash will do.
"""

import hashlib
import hmac
import ipaddress
import logging
import os
import re
import secrets
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from corpus.errors import UsageError

SHORTEST, LONGEST = 8, 1000  # characters of a password
HEAD = "# Who may use this Footnoted. `footnoted user` changes it; it holds hashes, no passwords.\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PASSWORD = re.compile(r"scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([0-9a-f]{32})\$([0-9a-f]{64})")
_KEY = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess at a password costs: 128 · n · r bytes and, on a laptop, a quarter of a second."""

    n: int = 2**15
    r: int = 8
    p: int = 3


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may log in."""

    name: str
    password: str  # scrypt$n$r$p$salt$hash, the last two in hexadecimal
    keys: tuple[str, ...] = ()  # the SHA-256 of each API key


def guarded(host: str, auth: Path | None, without_auth: bool, address: str = "") -> "UserFile | None":
    """The users of a server that will listen on this host; None if everybody who reaches it may use it.

    With the `address` of a proxy others reach it too, whatever the host.

    Raises UsageError if others could reach it and nobody has said whether they may, or if the file can't be used.
    """
    if auth is not None and without_auth:
        raise UsageError("--auth and --without-auth contradict each other.", "Give one of them.")
    if auth is not None:
        users = UserFile(auth)
        if not users.now():
            raise UsageError(f"{auth} holds no user.", f"Add one: footnoted user add NAME --auth {auth}")
        return users
    if not without_auth and (address or not is_loopback(host)):
        raise UsageError(
            f"Whoever reaches {address or host} could ask and read your insights.",
            "Give --auth FILE (see `footnoted user add --help`), or --without-auth if that is what you want.",
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ------------------------------------------------------------------------------------------------------- secrets


def hash_password(password: str, cost: Cost = Cost()) -> str:
    """The password as the file holds it, with a salt of its own. Raises UsageError if it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(
            f"This password has {len(password)} characters.",
            f"Choose one of {SHORTEST} to {LONGEST}; longer is better.",
        )
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, cost)
    return f"scrypt${cost.n}${cost.r}${cost.p}${salt.hex()}${digest.hex()}"


def matches(password: str, user: User | None) -> bool:
    """Whether it is this user's password; for nobody it takes as long, and it never is."""
    found = _PASSWORD.fullmatch(user.password if user else hash_of_nothing())
    if found is None or len(password) > LONGEST:
        return False
    n, r, p = (int(number) for number in found.groups()[:3])
    digest = _scrypt(password, bytes.fromhex(found[4]), Cost(n, r, p))
    return hmac.compare_digest(digest, bytes.fromhex(found[5])) and user is not None


def hash_of_nothing() -> str:
    """What no password is hashed to."""
    cost = Cost()
    return f"scrypt${cost.n}${cost.r}${cost.p}${'0' * 32}${'0' * 64}"


def owner_of_key(key: str, users: Mapping[str, User]) -> str:
    """The name of the user with this API key, or nothing."""
    digest = hash_key(key)
    owners = [user.name for user in users.values() for known in user.keys if hmac.compare_digest(known, digest)]
    return owners[0] if owners else ""


def hash_key(key: str) -> str:
    """An API key as the file holds it."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    """32 bytes. The same letters typed on another keyboard are the same password: Unicode's compatible forms agree."""
    text = unicodedata.normalize("NFKC", password).encode("utf-8", "replace")
    memory = 128 * cost.n * cost.r * 2
    return hashlib.scrypt(text, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=32)


# ---------------------------------------------------------------------------------------------------- the file


class UserFile:
    """The users in a file, read anew when the file has changed: who is taken out is out at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = _stamp(path)
        self._users = read_users(path)

    def now(self) -> Mapping[str, User]:
        """The users by name. While the file can't be read, as it was before."""
        try:
            stamp = _stamp(self.path)
            if stamp != self._stamp:
                self._users, self._stamp = read_users(self.path), stamp
        except (UsageError, OSError) as error:
            log.warning("the users stay as they were: %s", error)
        return self._users


def _stamp(path: Path) -> tuple[int, int, int]:
    with suppress(FileNotFoundError):
        state = path.stat()
        return state.st_mtime_ns, state.st_size, state.st_ino
    return 0, 0, 0


def check_name(name: str) -> str:
    """The name as it is used everywhere. Raises UsageError if it can't be one."""
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be a user's name.", "Use up to 32 letters a to z, digits, - and _, such as: ada"
        )
    return name


def read_users(path: Path) -> dict[str, User]:
    """The users of a file by name. Raises UsageError if it is missing or broken, or if other people can read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = tomllib.load(file)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.", f"Add a user: footnoted user add NAME --auth {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "Mend that line.") from error
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.", "Check the path given with --auth.") from error
    if os.name == "posix" and mode & 0o077:
        raise UsageError(f"Other people on this machine can get at {path}.", f"Take that back: chmod 600 {path}")
    users: dict[str, User] = {}
    for name, row in data.items():
        match row:
            case {"password": str(password), **rest} if _NAME.fullmatch(name) and _PASSWORD.fullmatch(password):
                keys = rest.get("keys", [])
            case _:
                raise UsageError(f"The user {name!r} in {path} is broken.", "Take that part out and add the user anew.")
        if not isinstance(keys, list) or not all(isinstance(key, str) and _KEY.fullmatch(key) for key in keys):
            raise UsageError(f"The keys of {name!r} in {path} are broken.", "Take that line out and make a new key.")
        users[name] = User(name, password, tuple(keys))
    return users


def add_user(path: Path, name: str, password: str, cost: Cost = Cost()) -> None:
    """Add a user; the file is made if it is missing. Raises UsageError if the name is taken or can't be one."""
    name = check_name(name)
    with _changing(path, create=True) as users:
        check_free(path, name, users)
        users[name] = User(name, hash_password(password, cost))


def check_free(path: Path, name: str, users: Mapping[str, User] | None = None) -> None:
    """Raise UsageError if the file has a user of this name."""
    if users is None:
        users = read_users(path) if path.exists() else {}
    if name in users:
        raise UsageError(
            f"{name} is a user already.", f"Change the password: footnoted user password {name} --auth {path}"
        )


def change_password(path: Path, name: str, password: str, cost: Cost = Cost()) -> None:
    """Give a user another password; who is logged in with the old one is logged out. Raises UsageError."""
    with _changing(path) as users:
        user = _known(path, name, users)
        users[user.name] = replace(user, password=hash_password(password, cost))


def remove_user(path: Path, name: str) -> None:
    """Take a user out of the file. Raises UsageError if there is none of this name."""
    with _changing(path) as users:
        del users[_known(path, name, users).name]


def add_key(path: Path, name: str) -> str:
    """A new API key for a user: it is nowhere else to be had. Raises UsageError if there is no such user."""
    key = f"fn-{secrets.token_urlsafe(32)}"
    with _changing(path) as users:
        user = _known(path, name, users)
        users[user.name] = replace(user, keys=(*user.keys, hash_key(key)))
    return key


def revoke_keys(path: Path, name: str) -> int:
    """Take all API keys of a user back, and return how many these were. Raises UsageError if there is no such user."""
    with _changing(path) as users:
        user = _known(path, name, users)
        users[user.name] = replace(user, keys=())
    return len(user.keys)


def check_known(path: Path, name: str) -> str:
    """The name of a user in the file. Raises UsageError if there is none of this name."""
    return _known(path, name, read_users(path)).name


def _known(path: Path, name: str, users: Mapping[str, User]) -> User:
    user = users.get(name.strip().lower())
    if user is None:
        names = ", ".join(sorted(users)) or "nobody"
        raise UsageError(f"{path} has no user {name!r}.", f"It has: {names}.")
    return user


@contextmanager
def _changing(path: Path, *, create: bool = False) -> Iterator[dict[str, User]]:
    """The users, to be changed; written when all went well, so that a reader sees the old file or the new one."""
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "Make it first, or choose another place.")
    with FileLock(path.with_name(f".{path.name}.lock"), mode=0o600):
        users = read_users(path) if path.exists() or not create else {}
        yield users
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(HEAD + "".join(map(_as_toml, users.values())))
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


def _as_toml(user: User) -> str:
    """Names and hashes need no quoting beyond this: their patterns leave no room for it."""
    keys = ", ".join(f'"{key}"' for key in user.keys)
    return f'\n[{user.name}]\npassword = "{user.password}"\n' + (f"keys = [{keys}]\n" if keys else "")
