"""An OpenAI-compatible server on a real port that does, request by request, what a script says."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ScriptedServer:
    """What was asked, and when. Each request gets the next act of the script; the last one is for all that follow."""

    def __init__(self, script: tuple["Act", ...]) -> None:
        self._script = script
        self._lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.over = threading.Event()
        self.url = ""

    def play(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            act = self._script[min(len(self.bodies), len(self._script) - 1)]
            self.bodies.append(body)
            self.times.append(time.monotonic())
        with suppress(ConnectionError):  # whoever asked may have left
            act(handler, self.over)


Act = Callable[[BaseHTTPRequestHandler, threading.Event], None]


def says(*pieces: str) -> Act:
    """These pieces, as a stream that ends well."""

    def act(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        _begin(handler)
        for piece in pieces:
            _chunk(handler, _event(piece))
        _chunk(handler, b"data: [DONE]\n\n")
        _chunk(handler, b"")

    return act


def breaks_off(*pieces: str) -> Act:
    """These pieces, then the connection is gone."""

    def act(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        _begin(handler)
        for piece in pieces:
            _chunk(handler, _event(piece))
        handler.close_connection = True

    return act


def drips(piece: str, seconds: float) -> Act:
    """This piece again and again, so many seconds apart, as long as the server runs."""

    def act(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        _begin(handler)
        while not over.wait(seconds):
            _chunk(handler, _event(piece))

    return act


def status(code: int, **headers: str) -> Act:
    """This status, with these headers (a_b is written a-b)."""

    def act(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    return act


def sends(body: bytes, kind: str = "text/event-stream") -> Act:
    """Status 200 and these bytes, whatever they are."""

    def act(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def hangs(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Nothing at all."""
    over.wait(20)
    handler.close_connection = True


def drops(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


@contextmanager
def scripted(*script: Act) -> Iterator[ScriptedServer]:
    """A server that follows the script, as long as the block lasts."""
    known = ScriptedServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            known.play(self)

        def log_request(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Whoever asked may have left in the middle: that is no fault to print."""

    server = Quiet(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield known
    finally:
        known.over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def nothing_listens() -> Iterator[str]:
    """The address of a port that is bound but doesn't listen: a connection is refused."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"


def _begin(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()


def _chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
    handler.wfile.flush()


def _event(piece: str) -> bytes:
    choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
