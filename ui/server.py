"""The web server around the page: a guard in front, then Gradio mounted in our own FastAPI app.

The guard does what Gradio leaves open: a limit on bodies and on requests, no forwarded headers from strangers, no
route that the page doesn't use, and a content security policy under which the page can fetch from nowhere else.
"""

import json
import os
import re
import socket
import threading
import time
import webbrowser
from collections import deque
from collections.abc import Sequence

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported: see ui/page.py

import gradio as gr
import uvicorn
from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from corpus.errors import UsageError
from ui import page, render
from ui.handlers import Engine

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
MAX_BODY = 256_000  # bytes; a question has at most 2,000 characters
REQUESTS = 300  # events in a minute and from one client; searching as one types needs many
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
EVENTS = re.compile(r"/gradio_api/(queue/join|call/|run/|api/)")
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
) -> FastAPI:
    """The application. `hosts` are the names under which it may be reached; "*" allows any."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    def healthz() -> dict[str, object]:
        return {"ok": True, "insights": engine.library.count()}

    @app.get("/favicon.ico")
    def favicon() -> Response:
        return Response(ICON, media_type="image/svg+xml", headers={"cache-control": "max-age=86400"})

    gr.mount_gradio_app(
        app,
        page.build(engine, examples),
        path="",
        server_port=port,
        theme=page.theme(),
        css_paths=[render.STATIC / "app.css"],
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
    app.add_middleware(CORSMiddleware, allow_origins=[])  # Gradio would reflect any origin, with credentials
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_middleware(Guard, requests=requests)
    return app


def serve(
    engine: Engine,
    host: str = "127.0.0.1",
    port: int = 7860,
    examples: Sequence[str] = (),
    open_browser: bool = False,
    hosts: Sequence[str] = (),
) -> None:
    """Serve the page until interrupted. Raises UsageError if the port is taken.

    `hosts` are further names under which visitors reach it; a host that isn't this machine alone allows any name
    unless some are given.
    """
    check_port(host, port)
    local = host in ("localhost", "127.0.0.1", "::1")
    app = make_app(engine, examples, hosts=(*LOOPBACK, *hosts) if local or hosts else ("*",), port=port)
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
    uvicorn.Server(config).run()


def check_port(host: str, port: int) -> None:
    """Raise UsageError, naming another port, if this one can't be listened on."""
    if not 0 < port < 65536:
        raise UsageError(f"{port} is not a port.", "Choose one from 1024 to 65535, such as --port 7860.")
    fault = _fault(host, port)
    if fault is not None:
        free = next((p for p in range(port + 1, min(port + 50, 65536)) if _fault(host, p) is None), None)
        remedy = f"Use another one: --port {free}." if free else "Use another port or another host."
        raise UsageError(f"Footnoted can't listen on port {port} of {host} ({fault.strerror or fault}).", remedy)


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

    def __init__(self, app: ASGIApp, max_body: int = MAX_BODY, requests: int = REQUESTS, window: float = 60.0) -> None:
        self.app = app
        self.max_body = max_body
        self.requests = requests
        self.window = window
        self._seen: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on what is left after the limits."""
        if scope["type"] == "websocket":  # the page uses none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        headers = [
            (k, v) for k, v in scope["headers"] if not k.startswith((b"x-forwarded-", b"x-gradio", b"forwarded"))
        ]
        if UNUSED.match(path):
            await _refuse(send, 404, "Not found.")
        elif EVENTS.match(path) and self._too_many((scope.get("client") or ("",))[0]):
            await _refuse(send, 429, "Too many requests. Wait a minute.", (b"retry-after", b"%d" % self.window))
        elif (length := _length(headers)) is None or length > self.max_body:
            await _refuse(send, 413, "This request is too large.")
        else:
            await self._pass_on({**scope, "headers": headers}, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        size, started = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message if size <= self.max_body else {"type": "http.disconnect"}

        async def dressed(message: Message) -> None:
            nonlocal started
            if size > self.max_body and not started:
                return  # whatever the app makes of half a body: the refusal below is the response
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        try:
            await self.app(scope, counted, dressed)
        except Exception:
            if size <= self.max_body or started:
                raise
        if size > self.max_body and not started:
            await _refuse(send, 413, "This request is too large.")

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


async def _refuse(send: Send, status: int, detail: str, *extra: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), *extra, *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": detail}).encode()})
