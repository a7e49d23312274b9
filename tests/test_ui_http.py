"""The server as a client meets it: headers, limits, what is closed, and the two API calls."""

import asyncio
import json
import logging
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from corpus.errors import UsageError
from tests.waiting import wait_for

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
    kind, (data,) = call(site, "ask", "What moves on night trains?", None, None)
    assert kind == "complete"
    assert data["answer"].startswith("Parcels do: Quill Logistics moved 40% of its own that way [1].")
    assert data["claims"][0]["citations"][0]["quote"] == "Quill Logistics moved 40% of its parcels by night train."
    kind, (data,) = call(site, "ask", "And tungsten?", [["What moves?", "Parcels."]], {"sources": ["Tracks"]})
    assert data["status"] == "not_in_library"
    assert data["trace"]["filters"] == ["source=Tracks"]


def test_the_api_searches(site: str) -> None:
    kind, (rows,) = call(site, "search", "heat", 2, None)
    assert kind == "complete"
    assert [row["insight_id"] for row in rows] == ["s3", "s4"]
    assert rows[0]["source"] == "Crumb"


def test_the_api_says_what_is_wrong_in_a_sentence(site: str) -> None:
    kind, payload = call(site, "ask", "x" * 2001, None, None)
    assert kind == "error"
    assert "2,001 characters" in str(payload)
    assert "Traceback" not in str(payload)


def started(site: str) -> str:
    """Where the answer to a question that never ends is waited for, once the model is at it."""
    body = json.dumps({"data": ["hold", None, None]}).encode()
    _, _, text = fetch(f"{site}gradio_api/call/ask", body, content_type="application/json")
    return f"{site}gradio_api/call/ask/{json.loads(text)['event_id']}"


def test_a_caller_who_leaves_frees_the_model(site: str, serve_page: "Served") -> None:
    """Also in the middle of a prefill, when nothing comes."""
    import httpx

    with httpx.Client(timeout=5) as client, client.stream("GET", started(site)):
        wait_for(lambda: serve_page.engine.running == 1, 3)
    assert wait_for(lambda: serve_page.engine.running == 0, 3) < 0.5 + 0.5  # half a second, and some for a busy machine
    assert call(site, "ask", "What moves on night trains?", None, None)[0] == "complete"


def test_a_caller_who_never_comes_for_the_answer_frees_it_too(
    site: str, serve_page: "Served", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.endpoints.UNREAD", 0.2)
    started(site)
    wait_for(lambda: serve_page.engine.running == 1, 3)
    wait_for(lambda: serve_page.engine.running == 0, 3)
    monkeypatch.undo()
    assert call(site, "ask", "What moves on night trains?", None, None)[0] == "complete"


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
    from ui.server import Rate

    async def nothing(*_: object) -> None: ...

    rate = Rate(nothing, requests=2, window=0.02)
    assert [rate._too_many(who) for who in ("a", "a", "a", "b")] == [False, False, True, False]
    asyncio.run(asyncio.sleep(0.03))
    assert not rate._too_many("a")


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


def test_only_faults_are_logged_as_the_server_ends() -> None:
    from ui.server import is_news

    def record(error: BaseException) -> logging.LogRecord:
        return logging.LogRecord("uvicorn.error", logging.ERROR, "", 1, "", (), (type(error), error, None))

    assert not is_news(record(asyncio.CancelledError("timeout graceful shutdown exceeded")))
    assert is_news(record(ValueError("a fault")))
    assert is_news(logging.LogRecord("uvicorn.error", logging.ERROR, "", 1, "", (), None))


def test_who_leaves_in_the_middle_of_an_upload_is_no_fault(scripted: "ScriptedEngine") -> None:
    from fastapi import FastAPI

    from ui.library_desk import LibraryDesk
    from ui.library_routes import UPLOAD, add_routes

    app, sent = FastAPI(), []
    add_routes(app, LibraryDesk(scripted))
    coming: Any = iter([{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": UPLOAD,
        "query_string": b"",
        "headers": [(b"x-file-name", b"a.txt")],
    }
    asyncio.run(app(scope, receive, send))  # raises what the route lets through
    assert sent[0]["status"] == 400


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


# ------------------------------------------------------------------------------------- other programs, other people


def post(url: str, data: object, **headers: str) -> tuple[int, Any]:
    status, _, body = fetch(url, json.dumps(data).encode(), content_type="application/json", **headers)
    return status, json.loads(body)


ASK = {"model": "footnoted", "messages": [{"role": "user", "content": "night trains?"}]}


def test_the_openai_api_stands_behind_the_same_limits(serve_page: "Served") -> None:
    with serve_page(requests=3) as url:
        complete = f"{url}v1/chat/completions"
        status, headers, body = fetch(complete, json.dumps(ASK).encode(), content_type="application/json")
        assert (status, json.loads(body)["object"]) == (200, "chat.completion")
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "access-control-allow-origin" not in headers
        status, data = post(complete, ASK, Sec_Fetch_Site="cross-site")
        assert (status, data["error"]["message"]) == (403, "This comes from another site's page.")
        status, data = post(complete, {**ASK, "pad": "x" * 300_000})
        assert (status, data["error"]["code"]) == (413, "request_too_large")
        statuses = [post(complete, ASK) for _ in range(3)]
        assert [status for status, _ in statuses] == [200, 200, 429]
        assert statuses[-1][1]["error"]["code"] == "rate_limit_exceeded"
        assert fetch(f"{url}mcp", b"{}", content_type="application/json")[0] in (404, 405, 429)  # nobody asked for it


def test_another_site_can_not_use_a_browser_that_is_logged_in(site: str) -> None:
    for where in ("cross-site", "same-site"):
        status, _, _ = fetch(f"{site}gradio_api/call/ask", b"{}", content_type="text/plain", Sec_Fetch_Site=where)
        assert status == 403
        assert fetch(site, Sec_Fetch_Site=where)[0] == 200  # a link to the page


def test_only_users_come_in_and_the_server_alone_says_who_they_are(serve_page: "Served", tmp_path: Path) -> None:
    from gradio_client import Client
    from gradio_client.exceptions import AuthenticationError

    from ui.users import Cost, UserFile, add_key, add_user

    path = tmp_path / "users.toml"
    add_user(path, "ada", "correct horse", Cost(n=16))
    key = add_key(path, "ada")
    with serve_page(users=UserFile(path), mcp=True) as url:
        assert "Log in" in fetch(url, accept="text/html")[2]
        for closed in ("config", "gradio_api/info", "library/export.jsonl", "v1/models", "mcp", "login/"):
            assert fetch(url + closed, X_Footnoted_User="ada")[0] in (401, 404), closed
        assert fetch(f"{url}gradio_api/call/ask", b"{}", content_type="application/json")[0] == 401
        status, headers, _ = fetch(f"{url}login")
        assert (status, headers["x-frame-options"]) == (200, "DENY")

        status, _, body = fetch(f"{url}v1/models", Authorization=f"Bearer {key}")
        assert (status, json.loads(body)["data"][0]["id"]) == (200, "footnoted")
        assert post(f"{url}v1/chat/completions", ASK, Authorization=f"Bearer {key}")[0] == 200

        with pytest.raises(AuthenticationError):
            Client(url, auth=("ada", "wrong password"), verbose=False, analytics_enabled=False)
        for options in ({"auth": ("ada", "correct horse")}, {"headers": {"Authorization": f"Bearer {key}"}}):
            client = Client(url, verbose=False, analytics_enabled=False, **options)
            assert client.predict("night trains?", api_name="/ask")["status"] == "answered"
            client.close()
        assert mcp_tools(f"{url}mcp", key) == ["ask", "search", "get_insight", "related", "check_claim"]


def mcp_tools(url: str, key: str) -> list[str]:
    """What the MCP server offers to who has this key."""
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def run() -> list[str]:
        async with (
            httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=20) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            answered = await client.call_tool("ask", {"question": "night trains?"})
            assert not answered.is_error
            return [tool.name for tool in (await client.list_tools()).tools]

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_behind_a_proxy_the_page_has_the_proxys_address(serve_page: "Served", tmp_path: Path) -> None:
    from ui.users import Cost, UserFile, add_key, add_user

    path = tmp_path / "users.toml"
    add_user(path, "ada", "correct horse", Cost(n=16))
    key = add_key(path, "ada")
    with serve_page(users=UserFile(path), address="https://insights.example") as url:
        _, _, body = fetch(
            f"{url}config", Authorization=f"Bearer {key}", Host="evil.example", X_Forwarded_Host="x.example"
        )
        assert json.loads(body)["root"] == "https://insights.example"
        _, headers, _ = fetch(f"{url}login", b"username=ada&password=correct+horse", accept="*/*")
        assert "; Secure" in headers["set-cookie"]


def test_whoever_comes_through_a_proxy_on_this_machine_does_not_sit_at_it(
    serve_page: "Served", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.test_ui_evaluation import rows, save

    monkeypatch.setenv("FOOTNOTED_RESULTS", str(tmp_path))
    save(tmp_path, "own", rows(), form="plain")
    for address, code in (("", 200), ("https://insights.example", 404)):
        with serve_page(address=address) as url:
            assert fetch(f"{url}evaluation/report/own")[0] == code


@pytest.mark.parametrize(
    ("options", "changes"),
    [({}, True), ({"address": "https://insights.example", "without_auth": True}, False)],
)
def test_what_others_reach_without_a_password_takes_no_changes(
    scripted: "ScriptedEngine", monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], changes: bool
) -> None:
    from ui import server

    def make(*_: object, **given: Any) -> None:
        assert given["changes"] is changes
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "make_app", make)
    with pytest.raises(KeyboardInterrupt):
        server.serve(scripted, port=7991, **options)


@pytest.mark.parametrize(
    "address",
    [
        "insights.example",
        "ftp://x.example",
        "https://",
        "https://x.example/a",
        "http://[",
        "https://a:99999",
        "https://u@a",
        "https://a#b",
    ],
)
def test_a_proxys_address_is_one(scripted: "ScriptedEngine", address: str) -> None:
    from ui.server import serve

    with pytest.raises(UsageError, match="Write it like"):
        serve(scripted, address=address)


def test_serve_lets_nobody_in_unasked(scripted: "ScriptedEngine") -> None:
    from ui.server import serve

    with pytest.raises(UsageError, match="--without-auth"):
        serve(scripted, host="0.0.0.0", port=7999)
