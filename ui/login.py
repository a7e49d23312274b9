"""Logging in: what stands before the page, the API and the MCP server when several people share them.

A browser logs in on a page of ours and keeps a cookie; programs send an API key (`Authorization: Bearer KEY`) or a name
and password (HTTP Basic). Everything behind this middleware learns who asks from one header, `x-footnoted-user`, which
nobody outside can send: the server's guard takes it off every request first.
"""

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.openai_api import NO_KEY, error_body, is_ours
from ui.render import templates
from ui.sessions import IDLE, MOST, Sessions, Slowdown
from ui.users import UserFile, matches, owner_of_key

USER_HEADER = "x-footnoted-user"
COOKIE = "footnoted"
PATHS = ("/login", "/logout")
OPEN = ("/healthz", "/favicon.ico")  # for everybody

WRONG = "The name or the password is wrong."
AGAIN = "Log in first, or again: your session may have ended."

_render = templates("login.html")


def login_page(problem: str = "", name: str = "") -> str:
    """The whole page; `problem` says why the last try failed, with this name."""
    return _render("page", problem=problem, name=name)


def account(name: str) -> str:
    """What the head of the page says of who is logged in; nothing if there's no logging in."""
    return _render("account", name=name) if name else ""


@dataclass(frozen=True, slots=True)
class Visit:
    """Who sent a request. Without a name nobody we know; then `wait` may say for how many seconds we don't look."""

    name: str = ""
    wait: float = 0.0


class Login:
    """The middleware. It answers /login and /logout itself and lets only those through whom it knows."""

    def __init__(self, app: ASGIApp, users: UserFile, now: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self.users = users
        self.sessions = Sessions(now)
        self.slowdown = Slowdown(now)
        self._one = asyncio.Semaphore(1)  # a guess costs memory and time: one is looked at after the other
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, str] = {}  # Basic sends the password each time: its seal once it was right -> its hash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on with the name in the header."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, path = Request(scope, receive), scope["path"]
        if path in OPEN:
            await self.app(scope, receive, send)
        elif path == "/login":
            await (await self._login(request))(scope, receive, send)
        elif path == "/logout":
            await self._logout(request)(scope, receive, send)
        else:
            visit = await self._visit(request)
            if visit.name:
                ours = USER_HEADER.encode()
                headers = [(key, value) for key, value in scope["headers"] if key != ours]
                await self.app({**scope, "headers": [*headers, (ours, visit.name.encode())]}, receive, send)
            else:
                await _refused(request, visit)(scope, receive, send)

    async def _visit(self, request: Request) -> Visit:
        name = self.sessions.name(request.cookies.get(COOKIE, ""), self.users.now())
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if not name and kind.lower() == "bearer":
            name = owner_of_key(value.strip(), self.users.now())
        if not name and kind.lower() == "basic":
            given, _, password = _decoded(value).partition(":")
            return await self._with_password(given, password, _client(request))
        return Visit(name)

    async def _with_password(self, given: str, password: str, client: str) -> Visit:
        name = given.strip().lower()[:64]
        user = self.users.now().get(name)
        seal = hmac.digest(self._secret, f"{name}\0{password}".encode("utf-8", "replace"), "sha256")
        if user is not None and self._known.get(seal) == user.password:
            return Visit(name)
        async with self._one:
            if wait := self.slowdown.wait(client, name):
                return Visit(wait=wait)
            if not await asyncio.to_thread(matches, password, user):
                self.slowdown.failed(client, name)
                return Visit()
        assert user is not None  # nobody's password never matches
        self.slowdown.passed(client, name)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[seal] = user.password
        return Visit(name)

    async def _login(self, request: Request) -> Response:
        """The page, or what becomes of a name and password sent from it, or by gradio_client, which reads no HTML."""
        reads = "text/html" in request.headers.get("accept", "")
        if request.method in ("GET", "HEAD"):
            known = self.sessions.name(request.cookies.get(COOKIE, ""), self.users.now())
            return RedirectResponse("/", 303) if known else _page()
        if request.method != "POST":
            return JSONResponse({"detail": "Send a name and a password with POST."}, 405, {"allow": "GET, POST"})
        try:
            form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
        except ClientDisconnect:
            return Response(status_code=400)
        except ValueError:  # too many fields
            form = {}
        given, password = form.get("username", [""])[0], form.get("password", [""])[0]
        visit = await self._with_password(given, password, _client(request))
        user = self.users.now().get(visit.name)
        if user is None:
            slow = visit.wait > 0
            problem = f"Too many wrong passwords. Try again in {visit.wait:.0f} seconds." if slow else WRONG
            status = 429 if slow else 401
            return _page(problem, given[:64], status) if reads else JSONResponse({"detail": problem}, status)
        response = RedirectResponse("/", 303) if reads else JSONResponse({"success": True})
        response.set_cookie(
            COOKIE,
            self.sessions.open(user),
            max_age=int(IDLE),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def _logout(self, request: Request) -> Response:
        if request.method != "POST":  # a link or an image must not log anybody out
            return JSONResponse({"detail": "Log out with the button on the page."}, 405, {"allow": "POST"})
        self.sessions.close(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response


def _page(problem: str = "", name: str = "", status: int = 200) -> Response:
    return HTMLResponse(login_page(problem, name), status, {"cache-control": "no-store"})


def _refused(request: Request, visit: Visit) -> Response:
    """Where to log in, for a browser; for programs in the form that they know."""
    if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/login", 303)
    if visit.wait > 0:
        status, said, code = 429, "Too many wrong passwords. Wait before the next try.", "rate_limit_exceeded"
        headers = {"retry-after": str(int(visit.wait) + 1)}
    else:
        status, said, code = 401, AGAIN, "invalid_api_key"
        headers = {"www-authenticate": 'Bearer realm="footnoted"'}
    if is_ours(request.url.path):
        said = NO_KEY if status == 401 else said
        return JSONResponse(error_body(said, status, code), status, headers)
    return JSONResponse({"detail": said}, status, headers)


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
