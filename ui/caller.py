"""Who sent a request: from which machine, and under which name where people log in."""

from dataclasses import dataclass
from typing import Any

from ui.login import USER_HEADER
from ui.users import is_loopback


@dataclass(frozen=True, slots=True)
class Caller:
    """The address that a request came from, None if that can't be told, and the name of someone who logged in."""

    address: str | None
    user: str = ""

    @property
    def alone(self) -> bool:
        """Whether they sit at this machine and nobody logs in: the person whose own questions it keeps."""
        return not self.user and self.address is not None and is_loopback(self.address)

    @property
    def known(self) -> bool:
        """Whether somebody vouches for them: a log-in, or the machine itself. Others only happen to come by."""
        return bool(self.user) or self.alone


def caller_of(request: Any) -> Caller:
    """Who sent a request, Starlette's or Gradio's.

    The header with the name is the server's own: it takes off what comes from outside under this name.
    """
    client = request.client
    return Caller(client.host if client else None, str(request.headers.get(USER_HEADER) or ""))
