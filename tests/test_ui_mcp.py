"""The MCP server with the protocol's own client: over stdio in a process of its own, and over HTTP beside the page."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from corpus.filters import Filter
from rag.datatypes import Phase
from tests.conftest import ScriptedEngine, sample_insights
from tests.serving import served
from tests.waiting import wait_for
from ui.handlers import Desk, Limits
from ui.mcp_server import PATH, check_installed, http_app
from ui.render import PHASES

if TYPE_CHECKING:
    from mcp import Client

QUICK = Limits(heartbeat=0.05, between_updates=0.0)
TOOLS = ["ask", "search", "get_insight", "related", "check_claim"]
# The server as `footnoted mcp` runs it, over a fake that prints, as models do.
STDIO = """
import os
from corpus.filters import Filter
from rag.datatypes import Phase
from tests.conftest import ScriptedEngine, sample_insights
from ui.handlers import Desk
from ui.mcp_server import serve_stdio, stdout_is_stderr

class Noisy(ScriptedEngine):
    def _scene(self, question, stopped):
        print("loading weights")
        os.write(1, b"and from below\\n")
        yield from super()._scene(question, stopped)

with stdout_is_stderr():
    print("starting")
    os.write(1, b"and from below\\n")
    engine = Noisy(sample_insights())
serve_stdio(Desk(engine))
"""


def talk(target: Any, act: Callable[["Client"], Any], **options: Any) -> Any:
    from mcp import Client

    async def run() -> Any:
        async with Client(target, **options) as client:
            return await act(client)

    return asyncio.run(asyncio.wait_for(run(), 60))


def text_of(result: Any) -> str:
    (block,) = result.content
    return str(block.text)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(sample_insights())


@pytest.fixture
def url(engine: ScriptedEngine) -> Iterator[str]:
    """The server over HTTP, alone."""
    from fastapi import FastAPI

    def make() -> FastAPI:
        tools = http_app(Desk(engine, QUICK), 100_000)
        app = FastAPI(lifespan=tools.lifespan)
        app.router.routes.append(tools.route)
        return app

    with served(make) as address:
        yield address.rstrip("/") + PATH


def test_stdio_carries_the_protocol_and_nothing_else(tmp_path: Path) -> None:
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    async def act(client: "Client") -> list[Any]:
        return [await client.list_tools(), await client.call_tool("ask", {"question": "night trains?"})]

    server = StdioServerParameters(command=sys.executable, args=["-c", STDIO], cwd=".")
    with (tmp_path / "log").open("w") as log:  # its default is what standard error was when it was imported
        listed, answered = talk(stdio_client(server, log), act)
    assert [tool.name for tool in listed.tools] == TOOLS
    assert text_of(answered).startswith("Parcels do: Quill Logistics moved 40% of its own that way [1].")
    assert answered.structured_content["status"] == "answered"


def test_stdio_ends_with_its_input() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STDIO], input="", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "starting\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_http_answers_old_clients_and_new_ones(url: str, engine: ScriptedEngine, mode: str) -> None:
    engine.pause = 0.2  # while it searches: steps that come at once may be told as one
    told: list[str] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async def act(client: "Client") -> list[Any]:
        calls: list[tuple[str, dict[str, Any]]] = [
            ("ask", {"question": "And parcels?", "history": [["night trains?", "Tourists [1]."]]}),
            ("search", {"query": "heat", "k": 2}),
            ("get_insight", {"insight_id": "s2"}),
            ("related", {"insight_id": "s1", "k": 1}),
            ("check_claim", {"claim": "Night trains move parcels.", "k": 3}),
        ]
        return [await client.call_tool(name, given, progress_callback=progress) for name, given in calls]

    asked, found, whole, near, checked = talk(url, act, mode=mode)
    assert text_of(asked).splitlines()[2] == "Sources:"
    assert asked.structured_content["citations"][1]["insight_id"] == "s2"
    assert [row["insight_id"] for row in found.structured_content["insights"]] == ["s3", "s4"]
    assert text_of(found).startswith("s3: Ovens lose a third")
    assert whole.structured_content["date"] == "2024-05-01"
    assert text_of(whole).endswith("on one sleeper. — Tracks, 2024-05-01")
    assert [row["insight_id"] for row in near.structured_content["insights"]] == ["s2"]
    assert [row["stance"] for row in checked.structured_content["stands"]] == ["supports", "disagrees", "silent"]
    assert text_of(checked).splitlines()[2].startswith("Tracks disagrees: “")
    assert not any(result.is_error for result in (asked, found, whole, near, checked))
    assert told[0] == PHASES[Phase.SEARCHING]
    assert set(told) <= set(PHASES.values())


def test_a_filter_narrows_what_is_asked(url: str, engine: ScriptedEngine) -> None:
    given = {"question": "night trains?", "filters": {"authors": ["Ottavia Brandt"]}}
    assert not talk(url, lambda client: client.call_tool("ask", given)).is_error
    assert engine.filters == Filter(authors=("Ottavia Brandt",))
    result = talk(url, lambda client: client.call_tool("search", {"query": "heat", "filters": {"since": "soon"}}))
    assert "Give a year" in text_of(result)


def test_the_tools_say_what_they_do_and_only_read(url: str) -> None:
    listed = talk(url, lambda client: client.list_tools())
    for tool in listed.tools:
        assert tool.description
        assert tool.annotations.read_only_hint
        assert tool.input_schema["type"] == tool.output_schema["type"] == "object"
        for name, given in tool.input_schema["properties"].items():
            assert given["description"], (tool.name, name)
    ask = listed.tools[0]
    assert ask.input_schema["required"] == ["question"]
    assert set(ask.output_schema["properties"]) == {"status", "filters", "claims", "citations", "nearest"}


@pytest.mark.parametrize(
    ("tool", "given", "says"),
    [
        ("ask", {"question": "  "}, "There is no question yet. Type one"),
        ("ask", {"question": "broken"}, "The writer doesn't answer. Start it"),
        ("ask", {"question": "crash"}, "Something went wrong here and was logged."),
        ("ask", {"question": "q", "history": [["one"]]}, "The history has the wrong form."),
        ("search", {"query": ""}, "There is no question yet."),
        ("search", {"query": "broken"}, "The embedder doesn't answer."),
        ("get_insight", {"insight_id": "nobody"}, "No insight has this id. Search for it"),
        ("related", {"insight_id": "nobody"}, "No insight has this id."),
        ("check_claim", {"claim": " "}, "There is no question yet."),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(url: str, tool: str, given: dict[str, Any], says: str) -> None:
    result = talk(url, lambda client: client.call_tool(tool, given))
    assert result.is_error
    assert text_of(result).startswith(says) or says in text_of(result)
    assert "secret internals" not in text_of(result)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_that_leaves_frees_the_model(url: str, engine: ScriptedEngine, mode: str) -> None:
    from mcp import Client

    async def hold() -> None:
        async with Client(url, mode=mode) as client:
            await client.call_tool("ask", {"question": "hold"})

    async def leave() -> float:
        holding = asyncio.ensure_future(hold())
        await asyncio.to_thread(wait_for, lambda: engine.running)
        began = time.monotonic()
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await asyncio.to_thread(wait_for, lambda: not engine.running, 3)
        return time.monotonic() - began

    assert asyncio.run(leave()) < 0.5 + 0.5  # half a second, and some for a busy machine


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from corpus.errors import UsageError

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install '\.\[mcp\]'"):
        check_installed()


def test_the_command_loads_quietly_and_serves(
    six: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from ui import cli

    def opened(library: Any, config: Any, report: Any) -> Any:
        os.write(1, b"weights\n")
        return engine

    engine = ScriptedEngine(sample_insights())
    desks: list[Desk] = []
    monkeypatch.setattr("rag.pipeline.open_pipeline", opened)
    monkeypatch.setattr("ui.mcp_server.serve_stdio", desks.append)
    assert cli.main(["mcp", "--library", str(six)]) == 0
    assert desks[0].engine is engine
    printed = capfd.readouterr()
    assert (printed.out, "weights" in printed.err) == ("", True)
