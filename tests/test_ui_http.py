"""The server as a client meets it: headers, limits, what is closed, and the two API calls."""

import asyncio
import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from corpus.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import ScriptedEngine, Served

# Slow, because importing Gradio takes seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(serve_page: "Served") -> Iterator[str]:
    with serve_page(requests=40) as url:
        yield url


def fetch(
    url: str, data: bytes | None = None, method: str | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, {k.lower(): v for k, v in response.headers.items()}, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode()


def call(site: str, name: str, *data: object) -> Any:
    """One call of the API as its documentation has it: start, then read the events."""
    body = json.dumps({"data": data}).encode()
    status, _, text = fetch(f"{site}gradio_api/call/{name}", body, content_type="application/json")
    assert status == 200, text
    _, _, events = fetch(f"{site}gradio_api/call/{name}/{json.loads(text)['event_id']}")
    kind, payload = events.strip().splitlines()[-2:]
    return kind.removeprefix("event: "), json.loads(payload.removeprefix("data: "))


def test_the_page_and_its_headers(site: str) -> None:
    status, headers, body = fetch(site)
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "Footnoted" in body


def test_health_and_icon(site: str) -> None:
    assert json.loads(fetch(f"{site}healthz")[2]) == {"ok": True, "insights": 52}
    status, headers, body = fetch(f"{site}favicon.ico")
    assert (status, headers["content-type"]) == (200, "image/svg+xml")
    assert body.startswith("<svg")


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/upload",
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=https://elsewhere.example/x",
        "gradio_api/proxy=https://elsewhere.example/",
        "gradio_api/component_server",
        "monitoring",
        "openapi.json",
        "gradio_api/openapi.json",
        "docs",
    ],
)
def test_what_the_page_does_not_use_is_closed(site: str, path: str) -> None:
    status, headers, body = fetch(site + path)
    assert status == 404, body[:200]
    assert "content-security-policy" in headers


def test_no_origin_but_its_own(site: str) -> None:
    for path in ("", "config", "healthz"):
        _, headers, _ = fetch(site + path, Origin="http://evil.example")
        assert "access-control-allow-origin" not in headers
        assert "access-control-allow-credentials" not in headers


def test_only_known_hosts_and_no_forwarded_ones(site: str) -> None:
    assert fetch(site, Host="evil.example")[0] == 400
    _, _, body = fetch(site, X_Forwarded_Host="evil.example", X_Forwarded_Proto="https")
    assert "evil.example" not in body


def test_a_large_body_is_refused(site: str) -> None:
    status, headers, body = fetch(f"{site}gradio_api/call/ask", b"x" * 300_000, content_type="application/json")
    assert (status, json.loads(body)) == (413, {"detail": "This request is too large."})
    assert "content-security-policy" in headers


def test_a_large_body_is_refused_even_if_it_does_not_say_its_size(site: str) -> None:
    port = int(site.rsplit(":", 1)[1].strip("/"))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"POST /gradio_api/call/ask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (300_000, b"x" * 300_000))
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_the_api_answers_with_the_record(site: str) -> None:
    kind, (data,) = call(site, "ask", "What moves on night trains?", None)
    assert kind == "complete"
    assert data["answer"].startswith("Parcels do: Quill Logistics moved 40% of its own that way [1].")
    assert data["claims"][0]["citations"][0]["quote"] == "Quill Logistics moved 40% of its parcels by night train."
    kind, (data,) = call(site, "ask", "And tungsten?", [["What moves?", "Parcels."]])
    assert data["status"] == "not_in_library"


def test_the_api_searches(site: str) -> None:
    kind, (rows,) = call(site, "search", "heat", 2)
    assert kind == "complete"
    assert [row["insight_id"] for row in rows] == ["s3", "s4"]
    assert rows[0]["source"] == "Crumb"


def test_the_api_says_what_is_wrong_in_a_sentence(site: str) -> None:
    kind, payload = call(site, "ask", "x" * 2001, None)
    assert kind == "error"
    assert "2,001 characters" in str(payload)
    assert "Traceback" not in str(payload)


def test_only_the_two_calls_are_public(site: str) -> None:
    described = json.loads(fetch(f"{site}gradio_api/info")[2])
    assert set(described["named_endpoints"]) == {"/ask", "/search"}
    assert not described["unnamed_endpoints"]


def test_too_many_requests_are_refused_and_the_page_stays_up(serve_page: "Served") -> None:
    with serve_page(requests=3) as url:
        answers = [fetch(f"{url}gradio_api/call/none", b"{}", content_type="application/json") for _ in range(5)]
        assert [status for status, _, _ in answers][3:] == [429, 429]
        assert answers[-1][1]["retry-after"] == "60"
        assert fetch(url)[0] == 200


def test_the_rate_is_counted_for_each_client_and_forgotten() -> None:
    from ui.server import Guard

    async def nothing(*_: object) -> None: ...

    guard = Guard(nothing, requests=2, window=0.02)
    assert [guard._too_many(who) for who in ("a", "a", "a", "b")] == [False, False, True, False]
    asyncio.run(asyncio.sleep(0.03))
    assert not guard._too_many("a")


def test_a_taken_port_is_named_with_another_one() -> None:
    from ui.server import check_port

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} .*--port \d+"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)
    with pytest.raises(UsageError, match="not a port"):
        check_port("127.0.0.1", 0)


def test_serve_refuses_a_taken_port_before_it_builds_anything(scripted: "ScriptedEngine") -> None:
    from ui.server import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="--port"):
            serve(scripted, port=taken.getsockname()[1])


def test_building_the_page_looks_up_no_host() -> None:
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit(f'looked up {a}')\n"
        "socket.getaddrinfo = socket.gethostbyname = refuse\n"
        "socket.socket.connect = refuse\n"
        "from tests.conftest import ScriptedEngine\n"
        "from ui.server import make_app\n"
        "make_app(ScriptedEngine([]), ['q?'])\n"
        "import gradio, threading, time; time.sleep(0.3)\n"
        "print('quiet')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("quiet\n", 0), done.stderr
