"""The web server around the page: a guard in front, then Gradio mounted in our own FastAPI app.

The guard does what Gradio leaves open: a limit on bodies and on requests, no forwarded headers from strangers, no
route that the page doesn't use, and a content security policy under which the page can fetch from nowhere else.
"""

import asyncio
import json
import logging
import os
import re
import socket
import threading
import time
import webbrowser
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr
import uvicorn
from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from corpus.errors import FootnotedError, UsageError
from ui import mcp_server, openai_api, page, render
from ui.conversations import Store, default_path
from ui.evaluation_report import add_report
from ui.handlers import Desk, Engine, Limits
from ui.inbox import MAX_FILE
from ui.library_desk import LibraryDesk
from ui.library_routes import UPLOAD, add_routes
from ui.login import PATHS, USER_HEADER, Login
from ui.users import UserFile, guarded, is_loopback

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
MAX_BODY = 256_000  # bytes; a question has at most 2,000 characters
LARGER = {UPLOAD: MAX_FILE}  # path -> bytes, where more is let in
REQUESTS = 300  # events in a minute and from one client; searching as one types needs many
SAFE = ("GET", "HEAD", "OPTIONS")
TOO_LARGE = "This request is too large."
ELSEWHERE = (b"cross-site", b"same-site")  # what a browser says of a request that another site's page makes
STRANGE = (b"x-forwarded-", b"x-gradio", b"forwarded", b"x-footnoted-")  # headers that nobody outside may set
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Gradio renders gr.HTML with Function()
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "form-action 'self'",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
EVENTS = re.compile(r"/gradio_api/(queue/join|call/|run/|api/)|/(evaluation|library)/|/v1/chat/|/mcp")
UNUSED = re.compile(
    r"/gradio_api/(file[=/]|upload|proxy=|stream/|dev/|vibe|deep_link|process_recording|component_server|runs|custom_comp|openapi)"
    r"|/(monitoring|login|logout|manifest\.json|pwa_icon)",
    re.IGNORECASE,
)
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#8f3a1e"/>'
    '<path d="M8 9h12M8 15h16M8 21h9" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/>'
    '<circle cx="24.5" cy="9" r="2.8" fill="#ffd9a8"/></svg>'
)


def make_app(
    engine: Engine,
    examples: Sequence[str] = (),
    *,
    hosts: Sequence[str] = LOOPBACK,
    requests: int = REQUESTS,
    port: int = 7860,
    store: Store | None = None,
    users: UserFile | None = None,
    mcp: bool = False,
    limits: Limits | None = None,
    address: str = "",
    changes: bool = True,
) -> FastAPI:
    """The application. `hosts` are the names under which it may be reached; "*" allows any.

    `address` is the one under which a proxy offers it, if there is one before it: https://insights.example.
    Conversations are kept in the store; without one they last as long as the page. With `users` only they are let in.
    The page, the API and, with `mcp`, the MCP server share one desk: one model, one queue, one rate limit.
    `changes`: visitors may add insights, edit and delete them.
    """
    desk = Desk(engine, limits or Limits())
    tools = mcp_server.http_app(desk, MAX_BODY) if mcp else None
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=tools.lifespan if tools else None)

    @app.get("/healthz")
    def healthz() -> dict[str, object]:
        return {"ok": True, "insights": engine.library.count()}

    @app.get("/favicon.ico")
    def favicon() -> Response:
        return Response(ICON, media_type="image/svg+xml", headers={"cache-control": "max-age=86400"})

    add_report(app, engine)
    shelf = LibraryDesk(engine, changes=changes, shared=users is not None)
    add_routes(app, shelf)
    app.router.routes.extend(openai_api.routes(desk))
    if tools:
        app.router.routes.append(tools.route)
    gr.mount_gradio_app(
        app,
        page.build(desk, examples, store, shelf),
        path="",
        server_port=port,
        theme=page.theme(),
        css_paths=[
            render.STATIC / f"{name}.css"
            for name in ("app", "account", "asking", "conversations", "map", "evaluation", "library", "access")
        ],
        footer_links=[],
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        allowed_paths=[],
        max_file_size="1kb",
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
    )
    # The last one added comes first.
    app.add_middleware(Rate, requests=requests)
    if users is not None:
        app.add_middleware(Login, users=users)
    app.add_middleware(CORSMiddleware, allow_origins=[])  # Gradio would reflect any origin, with credentials
    names = [*hosts, *([urlsplit(address).hostname or ""] if address else [])]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=names)
    if address:
        app.add_middleware(Behind, address=address)  # all come through the proxy: what they call it is no matter
    app.add_middleware(Guard, paths=PATHS if users is not None else ())
    return app


def serve(
    engine: Engine,
    host: str = "127.0.0.1",
    port: int = 7860,
    examples: Sequence[str] = (),
    open_browser: bool = False,
    auth: Path | None = None,
    without_auth: bool = False,
    mcp: bool = False,
    address: str = "",
) -> None:
    """Serve the page until interrupted. Raises UsageError if the port is taken, or if anybody could come in unasked.

    A host that others can reach may be called by any name, and needs `auth`, the file of those who may log in (see
    ui/users.py), or `without_auth`. `address` is the one under which a proxy offers the page, also to others.
    """
    check_address(address)
    users = guarded(host, auth, without_auth, address)
    check_port(host, port)
    names = LOOPBACK if is_loopback(host) else ("*",)
    store = Store(default_path())
    with suppress(FootnotedError):  # the page says what is wrong with the file
        store.purge(at_once=True)
    changes = users is not None or (is_loopback(host) and not address)  # not by whoever happens to come by
    app = make_app(
        engine, examples, hosts=names, port=port, store=store, users=users, mcp=mcp, changes=changes, address=address
    )
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        limit_concurrency=400,
    )
    if open_browser:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{'localhost' if host in ('0.0.0.0', '::') else name}:{port}/"
        threading.Timer(1.0, webbrowser.open, (address,)).start()
    logging.getLogger("uvicorn.error").addFilter(is_news)
    uvicorn.Server(config).run()


def is_news(record: logging.LogRecord) -> bool:
    """Whether the server's log has to say this: that open pages were cut off at Ctrl-C is no fault."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def check_port(host: str, port: int) -> None:
    """Raise UsageError, naming another port, if this one can't be listened on."""
    if not 0 < port < 65536:
        raise UsageError(f"{port} is not a port.", "Choose one from 1024 to 65535, such as --port 7860.")
    fault = _fault(host, port)
    if fault is not None:
        free = next((p for p in range(port + 1, min(port + 50, 65536)) if _fault(host, p) is None), None)
        remedy = f"Use another one: --port {free}." if free else "Use another port or another host."
        raise UsageError(f"Footnoted can't listen on port {port} of {host} ({fault.strerror or fault}).", remedy)


def check_address(address: str) -> None:
    """Raise UsageError if this can't be the address of a proxy."""
    example = "Write it like https://insights.example."
    try:
        parts = urlsplit(address)
        name, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{address!r} is no address.", example) from error
    whole = (
        parts.scheme in ("http", "https") and name and not re.search(r"[@*?#]", address) and not parts.path.strip("/")
    )
    if address and not whole:
        raise UsageError(f"{address!r} is no address of a whole site.", example)


def _fault(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as uvicorn does; on Windows this would let two servers share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


class Guard:
    """The outermost middleware: every response, also a refusal, leaves through it with our headers."""

    def __init__(self, app: ASGIApp, max_body: int = MAX_BODY, paths: Sequence[str] = ()) -> None:
        self.app = app
        self.max_body = max_body
        self.paths = paths  # of ours, though Gradio has some of the same name, which stay closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on what is left after the limits."""
        if scope["type"] == "websocket":  # the page uses none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        headers = [(k, v) for k, v in scope["headers"] if not k.startswith(STRANGE)]
        send = _dressed(send)
        if UNUSED.match(path) and path not in self.paths:
            await _refuse(path, send, 404, "Not found.")
        elif scope["method"] not in SAFE and dict(headers).get(b"sec-fetch-site") in ELSEWHERE:
            await _refuse(path, send, 403, "This comes from another site's page.")
        elif (length := _length(headers)) is None or length > (most := LARGER.get(path, self.max_body)):
            await _refuse(path, send, 413, TOO_LARGE)
        else:
            await self._pass_on({**scope, "headers": headers}, receive, send, most)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        size, started = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message if size <= most else {"type": "http.disconnect"}

        async def begun(message: Message) -> None:
            nonlocal started
            if size > most and not started:
                return  # whatever the app makes of half a body: the refusal below is the response
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, counted, begun)
        except Exception:
            if size <= most or started:
                raise
        if size > most and not started:
            await _refuse(scope["path"], send, 413, TOO_LARGE)


class Behind:
    """Gives each request the address that its sender knows: forwarded headers say so too, but anybody can send them.

    All come from the proxy's own machine, often this one: none of them counts as the person who sits at it.
    """

    def __init__(self, app: ASGIApp, address: str) -> None:
        parts = urlsplit(address)
        self.app, self.scheme, self.host = app, parts.scheme, parts.netloc.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] == "http":
            others = [(key, value) for key, value in scope["headers"] if key != b"host"]
            scope = {**scope, "scheme": self.scheme, "headers": [(b"host", self.host), *others], "client": None}
        await self.app(scope, receive, send)


class Rate:
    """The innermost middleware: a limit on what costs something, for each person who logged in, else each address."""

    def __init__(self, app: ASGIApp, requests: int = REQUESTS, window: float = 60.0) -> None:
        self.app = app
        self.requests = requests
        self.window = window
        self._seen: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] == "http" and EVENTS.match(scope["path"]):
            address = (scope.get("client") or ("",))[0]
            name = dict(scope["headers"]).get(USER_HEADER.encode(), b"").decode()
            if self._too_many(f"user {name}" if name else address):
                wait = (b"retry-after", b"%d" % self.window)
                await _refuse(scope["path"], send, 429, "Too many requests. Wait a minute.", wait)
                return
        await self.app(scope, receive, send)

    def _too_many(self, client: str) -> bool:
        now = time.monotonic()
        if len(self._seen) > 10_000:  # forget those who left
            self._seen = {who: times for who, times in self._seen.items() if times and now - times[-1] < self.window}
        times = self._seen.setdefault(client, deque())
        while times and now - times[0] > self.window:
            times.popleft()
        if len(times) >= self.requests:
            return True
        times.append(now)
        return False


def _length(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    """The announced size of the body (0 if none is announced), or None if it isn't a number."""
    value = dict(headers).get(b"content-length", b"0")
    return int(value) if value.isdigit() else None


def _dressed(send: Send) -> Send:
    """The same, with our headers on each response."""

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
        await send(message)

    return dressed


async def _refuse(path: str, send: Send, status: int, detail: str, *extra: tuple[bytes, bytes]) -> None:
    """Refuse in a sentence, in the form that clients of this path know."""
    code = {413: "request_too_large", 429: "rate_limit_exceeded"}.get(status)
    body = openai_api.error_body(detail, status, code) if openai_api.is_ours(path) else {"detail": detail}
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
