"""The engine as an MCP server: an assistant that speaks the Model Context Protocol gets five tools over the library.

Over stdio (`footnoted mcp`) it is a program of one person's own; over HTTP (`footnoted serve --mcp`) it stands beside
the page and shares its desk. The package `mcp` is an extra, so nothing of it is imported before it is needed.
"""

import asyncio
import importlib.util
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from corpus.errors import FootnotedError, UsageError
from rag.datatypes import Answer, Step
from ui import reply, stances_view
from ui.handlers import Desk, filter_of_api, turns_of
from ui.record import insight_record
from ui.render import PHASES

if TYPE_CHECKING:
    from fastapi import FastAPI
    from mcp.server.mcpserver import MCPServer

PATH = "/mcp"
FILTERS = (
    "Only these insights: sources, authors and tags (lists of names as they are saved), since and until (2024, 2024-05 "
    'or 2024-05-11), note (true: only those with a note). For example {"authors": ["Ines Okafor"], "since": "2024"}.'
)
INSTRUCTIONS = (
    "The person's own saved insights: short paragraphs of books, podcasts, talks and reports. `ask` answers only from "
    "them: every sentence is checked and footnoted, and if they don't hold the answer it says so. Use `search` to look "
    "around, `get_insight` to read one in full, `related` for its neighbours, and `check_claim` to see which insights "
    "are for or against a sentence. Quote with the source's name."
)


# The shapes of what the tools return; the protocol publishes them as JSON schemas. The outermost have no slots: the
# package would take a slot for the default of its field.


@dataclass(frozen=True, slots=True)
class Cited:
    """Characters of an insight that support a sentence; `n` is the number in the text."""

    n: int
    insight_id: str
    passage_id: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer and what supports it; `support` is a probability."""

    text: str
    verdict: str
    support: float | None
    citations: list[Cited]


@dataclass(frozen=True, slots=True)
class Source:
    """A cited insight, and its cited stretches."""

    n: int
    insight_id: str
    title: str
    author: str
    source: str
    url: str
    date: str
    quotes: list[str]


@dataclass(frozen=True, slots=True)
class Near:
    """An insight that is near the question without answering it."""

    insight_id: str
    text: str
    score: float | None


@dataclass(frozen=True)
class Answered:
    """An answer: `status` is answered, partly or not_in_library; `filters` say which insights were asked."""

    status: str
    filters: list[str]
    claims: list[Sentence]
    citations: list[Source]
    nearest: list[Near]


@dataclass(frozen=True, slots=True)
class Found:
    """An insight that was found; `score` is higher the nearer it is."""

    insight_id: str
    text: str
    score: float | None
    title: str
    author: str
    source: str
    url: str
    date: str
    tags: list[str]


@dataclass(frozen=True)
class FoundList:
    """Insights, the nearest first."""

    insights: list[Found]


@dataclass(frozen=True)
class Whole:
    """One insight with all that is saved of it."""

    insight_id: str
    text: str
    title: str
    author: str
    source: str
    url: str
    date: str
    tags: list[str]
    note: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters of an insight."""

    passage_id: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an insight stands: `stance` is supports, disagrees, unclear or silent; `quotes` are what speaks of it."""

    stance: str
    probability: float
    quotes: list[Quote]
    insight: Found


@dataclass(frozen=True)
class Checked:
    """The nearest insights with their stances."""

    stands: list[Standing]


def check_installed() -> None:
    """Raise UsageError if the package `mcp` is missing."""
    if importlib.util.find_spec("mcp") is None:
        raise UsageError(
            "The MCP server needs the package mcp, which isn't installed.", "Install it: pip install '.[mcp]'"
        )


def make_server(desk: Desk) -> "MCPServer[Any]":
    """The server with its five tools over a desk. Raises UsageError if the package `mcp` is missing."""
    check_installed()
    # Or the package would set up the logging of the whole process, at its own level.
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp_types import CallToolResult, TextContent, ToolAnnotations
    from pydantic import Field

    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)

    def result(text: str, data: dict[str, Any]) -> CallToolResult:
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=data)

    def insights(rows: list[dict[str, Any]]) -> CallToolResult:
        lines = [f"{row['insight_id']}: {row['text']}{_named(row)}" for row in rows]
        return result("\n\n".join(lines) or "Nothing was found.", {"insights": rows})

    async def ask(
        question: Annotated[str, Field(description="The question, in plain words.")],
        ctx: Context,
        history: Annotated[
            list[list[str]] | None,
            Field(description="Earlier [question, answer] pairs that a follow-up question may refer to."),
        ] = None,
        filters: Annotated[dict[str, Any] | None, Field(description=FILTERS)] = None,
    ) -> Annotated[CallToolResult, Answered]:
        """Answer a question from the saved insights alone.

        Each sentence of the answer was checked against the insights and carries the number of the one that supports
        it; the sources stand below. If the insights don't hold the answer it says so and names the nearest ones.
        """
        told, count = "", 0
        answer: Answer | None = None
        try:
            asking = desk.steps(question, turns_of(history), filter_of_api(filters))
            async with aclosing(asking) as steps:
                async for step in steps:
                    answer = step.answer if isinstance(step, Step) else answer
                    if (news := _progress(step)) and news != told:
                        told, count = news, count + 1
                        await ctx.report_progress(count, message=news)
        except FootnotedError as error:
            raise ToolError(str(error)) from error
        assert answer is not None  # the desk raises if there's none
        return result(reply.text(answer), reply.extension(answer))

    def search(
        query: Annotated[str, Field(description="A few words, or what the insights should be about.")],
        k: Annotated[int, Field(description="How many, from 1 to 50.")] = 10,
        filters: Annotated[dict[str, Any] | None, Field(description=FILTERS)] = None,
    ) -> Annotated[CallToolResult, FoundList]:
        """Find the saved insights that are nearest in meaning to some words, the nearest first."""
        with _in_words(ToolError):
            return insights(desk.search(query, k, filters))

    def get_insight(
        insight_id: Annotated[str, Field(description="The id, as `ask` and `search` give it.")],
    ) -> Annotated[CallToolResult, Whole]:
        """Read one saved insight in full, with its author, source, date, tags and the person's own note."""
        with _in_words(ToolError):
            row = insight_record(desk.found(insight_id))
        data = {name: list(row[name]) if name == "tags" else row[name] for name in Whole.__dataclass_fields__}
        note = f"\n\nNote: {row['note']}" if row["note"] else ""
        return result(f"{row['text']}{_named(row)}{note}", data)

    def related(
        insight_id: Annotated[str, Field(description="The id, as `ask` and `search` give it.")],
        k: Annotated[int, Field(description="How many, from 1 to 50.")] = 5,
    ) -> Annotated[CallToolResult, FoundList]:
        """Find the saved insights that are nearest in meaning to one of them."""
        with _in_words(ToolError):
            return insights(desk.related(insight_id, k))

    async def check_claim(
        claim: Annotated[str, Field(description="A sentence that may be so or not, in plain words.")],
        k: Annotated[int, Field(description="How many of the nearest insights to look at, from 1 to 20.")] = 6,
        filters: Annotated[dict[str, Any] | None, Field(description=FILTERS)] = None,
    ) -> Annotated[CallToolResult, Checked]:
        """See which of the nearest saved insights support a claim, and which disagree, each with its quote.

        Disagreement is only seen where the insight is worded much like the claim: silence is no agreement.
        """
        with _in_words(ToolError):
            rows = await asyncio.to_thread(desk.check_claim, claim, k, filters)
        return result("\n\n".join([*stances_view.lines(rows), stances_view.summary(rows)]), {"stands": rows})

    server: MCPServer[Any] = MCPServer("footnoted", title="Footnoted", instructions=INSTRUCTIONS, log_level="WARNING")
    for tool, title in (
        (ask, "Ask the insights"),
        (search, "Search the insights"),
        (get_insight, "Read an insight"),
        (related, "Related insights"),
        (check_claim, "Check a claim"),
    ):
        server.add_tool(tool, title=title, annotations=reads)
    return server


@contextmanager
def _in_words(kind: type[Exception]) -> Iterator[None]:
    """A fault of ours as the kind that the protocol tells the assistant in our words."""
    try:
        yield
    except FootnotedError as error:
        raise kind(str(error)) from error


def _progress(step: Step | int) -> str:
    """What there is to tell of a step: the phase, or how many questions come first."""
    if isinstance(step, Step):
        return PHASES.get(step.phase, "")
    return f"Waiting: {step} before this one" if step else ""


def _named(row: dict[str, Any]) -> str:
    known = [row[name] for name in ("author", "title", "source", "date") if row[name]]
    return f" — {', '.join(known)}" if known else ""


# ------------------------------------------------------------------------------------------------------------ stdio


def serve_stdio(desk: Desk) -> None:
    """Serve the protocol on standard input and output until the input ends."""
    make_server(desk).run("stdio")


@contextmanager
def stdout_is_stderr() -> Iterator[None]:
    """While models load, whatever is printed goes to standard error: standard output is the protocol's alone."""
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


# ------------------------------------------------------------------------------------------------------------- HTTP


@dataclass(frozen=True, slots=True)
class HttpApp:
    """What the server adds to an application: its route, and what has to run as long as the application does."""

    route: Route
    lifespan: Callable[["FastAPI"], AbstractAsyncContextManager[None]]


def http_app(desk: Desk, max_body: int) -> HttpApp:
    """The server on PATH, without sessions: each request stands alone, so nobody can take over another's."""
    server = make_server(desk)
    from mcp.server.transport_security import TransportSecuritySettings

    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        max_request_body_size=max_body,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # our server has its own
    )

    @asynccontextmanager
    async def lifespan(_: "FastAPI") -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    return HttpApp(Route(PATH, UntilLeft(app)), lifespan)


class UntilLeft:
    """Ends what a request has begun when its client leaves: an answer that nobody waits for must not hold the model."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole request, then watch the line while the app works."""
        messages: list[Message] = []
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
        if messages[-1]["type"] == "http.disconnect":
            return
        waiting = iter(messages)
        left = asyncio.Event()

        async def replayed() -> Message:
            for message in waiting:
                return message
            await left.wait()
            return {"type": "http.disconnect"}

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

        work = asyncio.ensure_future(self.app(scope, replayed, send))
        watching = asyncio.ensure_future(watch())
        try:
            await asyncio.wait((work, watching), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            for task in (work, watching):
                task.cancel()
            await asyncio.gather(work, watching, return_exceptions=True)
