"""Where a library on a PostgreSQL server is: the address that a person gives, and what of it may be shown.

    postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME&replica=HOST:PORT

`schema` (default: footnoted) and `replica` are ours; any other option is libpq's own (sslmode, connect_timeout, …).
More replicas stand in FOOTNOTED_REPLICAS, whole addresses with spaces between them. Nothing here needs the driver.
"""

import os
import re
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from corpus.errors import UsageError

SCHEMES = ("postgresql", "postgres")
SCHEMA = "footnoted"
OURS = ("schema", "replica")
EXAMPLE = "Write it as postgresql://USER@HOST:5432/DATABASE, with %40 for an @ in the password."


@dataclass(frozen=True, slots=True)
class Address:
    """A library's server. Only `name` and `schema` may be shown: the addresses may hold a password."""

    name: str  # the host and the database, without user, password and options
    schema: str
    primary: str = field(repr=False)
    replicas: tuple[str, ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)  # to be taken out of whatever is shown

    def cleaned(self, text: str) -> str:
        """The text without the passwords."""
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return text


def is_address(name: object) -> bool:
    """Whether the name of a library is the address of a server."""
    return isinstance(name, str) and name.strip().lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def parse_address(text: str, replicas: str | None = None) -> Address:
    """Read an address; `replicas` are further ones (default: those in FOOTNOTED_REPLICAS).

    Raises UsageError, which shows nothing of it, if it is none.
    """
    more = os.environ.get("FOOTNOTED_REPLICAS", "") if replicas is None else replicas
    try:
        parts, options = _split(text)
        schema = dict(options).get("schema", SCHEMA)
        own = tuple((key, value) for key, value in options if key not in OURS)
        given = [value for key, value in options if key == "replica"]
        found = Address(_name(parts, schema), schema, _joined(parts, own), secrets=_secrets(parts, own))
        for other in (*(_beside(value, parts, own) for value in given), *more.split()):
            there, asked = _split(other)
            asked = tuple((key, value) for key, value in asked if key not in OURS)
            secrets = (*found.secrets, *_secrets(there, asked))
            found = replace(found, replicas=(*found.replicas, _joined(there, asked)), secrets=secrets)
    except ValueError:
        raise UsageError("The library's address can't be read.", EXAMPLE) from None  # the cause may show the password
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema) or schema.startswith("pg_"):
        raise UsageError("The library's schema can't have this name.", "Take small letters, digits and _ only.")
    return found


def _split(text: str) -> tuple[SplitResult, tuple[tuple[str, str], ...]]:
    parts = urlsplit(text.strip())
    if parts.scheme not in SCHEMES or any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("not an address")
    return parts, tuple(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))


def _beside(value: str, parts: SplitResult, options: tuple[tuple[str, str], ...]) -> str:
    """The address of a replica: a whole one, or a host that takes the same user, password, database and options."""
    if is_address(value):
        return value
    user, at, _ = parts.netloc.rpartition("@")
    if value.startswith("/"):  # a folder with a socket, as libpq writes it
        folder, _, port = value.partition(":")
        place = {"host": folder} | ({"port": port} if port else {})
        kept = tuple((key, value) for key, value in options if key not in ("host", "port"))
        return _joined(parts._replace(netloc=user + at), (*kept, *place.items()))
    return _joined(parts._replace(netloc=user + at + value), options)


def _joined(parts: SplitResult, options: tuple[tuple[str, str], ...]) -> str:
    # By hand: urlunsplit drops the two strokes of an address without a host, which means a socket.
    query = f"?{urlencode(options, quote_via=quote)}" if options else ""
    return f"postgresql://{parts.netloc}{parts.path}{query}"


def _name(parts: SplitResult, schema: str) -> str:
    hosts = parts.netloc.rpartition("@")[2]
    return f"postgresql://{hosts}{unquote(parts.path)}" + (f"?schema={schema}" if schema != SCHEMA else "")


def _secrets(parts: SplitResult, options: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    given = [value for key, value in options if key in ("password", "sslpassword")]
    return tuple(secret for secret in {password, unquote(password), *given} if secret)
