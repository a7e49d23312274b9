"""The engine as an OpenAI-compatible server: any client of that API can ask the library. docs/api.md describes it.

A request is read, its question takes its turn at the desk, and what was verified goes out: as one reply, or as events.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from corpus.errors import FootnotedError, UsageError
from corpus.filters import EVERYTHING, Filter
from rag.datatypes import Answer, Claim, Phase, Step, Turn
from ui import reply
from ui.handlers import Desk, check, filter_of_api, turns_of

MODEL = "footnoted"
PREFIX = "/v1"
NO_KEY = "Send an API key: Authorization: Bearer KEY (see `footnoted user key --help`)."
RETRY = "10"  # seconds after which a client may try again when the model is busy
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
KINDS = {401: "authentication_error", 429: "rate_limit_error", 503: "server_error"}

Steps = AsyncGenerator[Step | int, None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    question: str
    history: tuple[Turn, ...]
    stream: bool = False
    usage: bool = False  # in a stream: with a last chunk that counts the tokens
    filters: Filter = EVERYTHING  # which insights are asked


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request isn't carried out, as OpenAI's API puts it."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None


def is_ours(path: str) -> bool:
    """Whether a path belongs to this API, so that what goes wrong there is told in its form."""
    return path == PREFIX or path.startswith(PREFIX + "/")


def error_body(message: str, status: int, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's form."""
    kind = KINDS.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def routes(desk: Desk) -> list[Route]:
    """The endpoints over a desk."""
    models = {"object": "list", "data": [_model()]}

    async def complete(request: Request) -> Response:
        try:
            asked = read(await request.body(), request.headers.get("content-type", ""))
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        if isinstance(asked, Refusal):
            return _refused(asked)
        steps = desk.steps(asked.question, asked.history, asked.filters)
        return await (_streamed(steps, asked.usage) if asked.stream else _whole(steps, request))

    async def listed(_: Request) -> Response:
        return JSONResponse(models)

    async def one(request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse(_model()) if name == MODEL else _refused(_unknown_model(name))

    async def nothing(request: Request) -> Response:
        where = f"{request.method} {request.url.path}"
        return _refused(Refusal(404, f"There is no {where} here. See docs/api.md for what there is.", "not_found"))

    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return [
        Route(f"{PREFIX}/chat/completions", complete, methods=["POST"]),
        Route(f"{PREFIX}/models", listed, methods=["GET"]),
        Route(f"{PREFIX}/models/{{name:path}}", one, methods=["GET"]),
        Route(f"{PREFIX}/{{rest:path}}", nothing, methods=every),
    ]


# -------------------------------------------------------------------------------------------------- what is asked


def read(body: bytes, content_type: str) -> Asked | Refusal:
    """A request's body as a question with its history, or why it isn't one."""
    if content_type.partition(";")[0].strip().lower() != "application/json":  # also keeps other sites' forms out
        return Refusal(400, "Send JSON, with the header Content-Type: application/json.", "invalid_content_type")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(400, "The body isn't valid JSON.", "invalid_json")
    if not isinstance(data, dict):
        return Refusal(400, "The body isn't a JSON object.", "invalid_json")
    if (refusal := _unfit(data)) is not None:
        return refusal
    said = _messages(data.get("messages"))
    if isinstance(said, Refusal):
        return said
    own = data.get("footnoted") or {}
    try:
        filters = filter_of_api(own.get("filters") if isinstance(own, dict) else own)
    except UsageError as error:
        return Refusal(400, str(error), "invalid_value", "footnoted.filters")
    options = data.get("stream_options")
    usage = isinstance(options, dict) and options.get("include_usage") is True
    return replace(said, stream=data.get("stream") is True, usage=usage, filters=filters)


def _unfit(data: dict[str, Any]) -> Refusal | None:
    """What the request wants besides an answer that can't be had. What only tunes a model is passed over."""
    model = data.get("model")
    if not isinstance(model, str):
        return Refusal(400, f"Name the model: {MODEL}.", "missing_required_parameter", "model")
    if model != MODEL:
        return _unknown_model(model)
    if not isinstance(data.get("stream", False), bool | None):
        return Refusal(400, "`stream` is true or false.", "invalid_type", "stream")
    if data.get("n") not in (None, 1):
        return Refusal(400, "There is one answer to a question: leave `n` out.", "unsupported_value", "n")
    for name in ("tools", "functions"):
        if data.get(name):
            return Refusal(400, "Footnoted calls no tools: leave them out.", "unsupported_parameter", name)
    form = data.get("response_format")
    if form is not None and form != {"type": "text"}:
        return Refusal(400, "The reply is text; its data is in `footnoted`.", "unsupported_value", "response_format")
    if data.get("logprobs"):
        return Refusal(400, "There are no log probabilities.", "unsupported_parameter", "logprobs")
    if data.get("modalities") not in (None, ["text"]) or data.get("audio"):
        return Refusal(400, "The reply is text only.", "unsupported_value", "modalities")
    return None


def _unknown_model(name: str) -> Refusal:
    return Refusal(404, f"There is no model {name[:80]!r} here; there is {MODEL!r}.", "model_not_found", "model")


def _messages(messages: object) -> Asked | Refusal:
    """The last message, which is the user's, as the question; the exchanges before it as the history."""
    if not isinstance(messages, list) or not messages:
        needed = "Give `messages`, the last one with the question."
        return Refusal(400, needed, "missing_required_parameter", "messages")
    said: list[tuple[str, str]] = []
    for at, message in enumerate(messages):
        match message:
            case {"role": str(role), **rest} if role in ROLES:
                text = _text(rest.get("content"))
            case _:
                return Refusal(400, f"A message has a role: {', '.join(ROLES)}.", "invalid_value", f"messages[{at}]")
        if text is None:
            where = f"messages[{at}].content"
            return Refusal(400, "Footnoted reads text only.", "invalid_value", where)
        if role in ("user", "assistant"):  # instructions change nothing here: the library alone answers
            said.append((role, text))
    if not said or said[-1][0] != "user":
        return Refusal(400, "The last message must be the user's: it is the question.", "invalid_value", "messages")
    try:
        return Asked(check(said[-1][1]), turns_of(_exchanges(said[:-1])))
    except UsageError as error:
        return Refusal(400, str(error), "invalid_value", "messages")


def _text(content: object) -> str | None:
    """A message's text, from a string or its parts; None if it is something else."""
    if content is None:  # an assistant's message that only called tools
        return ""
    if isinstance(content, str):
        return content
    parts = []
    for part in content if isinstance(content, list) else [None]:
        match part:
            case {"type": "text", "text": str(text)}:
                parts.append(text)
            case _:
                return None
    return "\n".join(parts)


def _exchanges(said: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Questions with their answers; one that got none has an empty one."""
    pairs: list[list[str]] = []
    for role, text in ((role, text.encode("utf-8", "replace").decode()) for role, text in said):  # no half characters
        if role == "user":
            pairs.append([text, ""])
        elif pairs:
            pairs[-1][1] = f"{pairs[-1][1]}\n{text}".strip()
    return pairs


# ------------------------------------------------------------------------------------------------- what is answered


async def _whole(steps: Steps, request: Request) -> Response:
    """The reply in one piece. A client that doesn't wait for it frees the model."""

    async def answered() -> Answer:
        answer: Answer | None = None
        async with aclosing(steps):
            async for step in steps:
                answer = step.answer if isinstance(step, Step) else answer
        assert answer is not None  # the desk raises if there's none
        return answer

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    answer, gone = asyncio.ensure_future(answered()), asyncio.ensure_future(left())
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        return _completion(answer.result()) if answer.done() else Response(status_code=400)  # to nobody
    except FootnotedError as error:
        return _refused(_fault(error))
    finally:
        answer.cancel()
        gone.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)


def _completion(answer: Answer) -> Response:
    message = {
        "role": "assistant",
        "content": reply.text(answer),
        "refusal": None,
        "footnoted": reply.extension(answer),
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return JSONResponse({**_head("chat.completion"), "choices": [choice], "usage": _usage(answer)})


async def _streamed(steps: Steps, usage: bool) -> Response:
    """The reply as events. What goes wrong before the first one still has a status of its own."""
    try:
        first = await anext(steps)
    except FootnotedError as error:
        return _refused(_fault(error))
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(_events(first, steps, usage), media_type="text/event-stream", headers=headers)


async def _events(first: Step | int, steps: Steps, usage: bool) -> AsyncIterator[str]:
    """Chunks with whole sentences, as soon as each is verified; while there's none, comments keep the line open."""
    head = _head("chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _event({**head, "choices": [choice]})

    sent: list[Claim] = []
    step: Step | int = first
    async with aclosing(steps):
        yield chunk({"role": "assistant", "content": ""})
        try:
            while True:
                if isinstance(step, int):
                    yield f": {step} before this one\n\n"
                else:
                    for text in _next(step, sent):
                        yield chunk({"content": text})
                    if step.phase is Phase.DONE:
                        break
                step = await anext(steps)
        except FootnotedError as error:
            fault = _fault(error)
            yield _event(error_body(fault.message, fault.status, fault.code))
            return
    yield chunk({"content": reply.closing(step.answer)})
    yield chunk({"footnoted": reply.extension(step.answer)}, "stop")
    if usage:
        yield _event({**head, "choices": [], "usage": _usage(step.answer)})
    yield "data: [DONE]\n\n"


def _next(step: Step, sent: list[Claim]) -> list[str]:
    """The text to send now; `sent` takes note of it. It is never sent twice, and never before it is verified."""
    finished = step.phase is Phase.DONE
    claims = reply.ready(step.answer, finished)
    if not finished and list(claims[: len(sent)]) != sent:
        return []  # the end will tell
    new = [claim for claim in claims if claim not in sent]
    texts = [(" " if sent or n else "") + text for n, text in enumerate(reply.marked(step.answer, new))]
    sent.extend(new)
    return texts


def _head(kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": MODEL}


def _usage(answer: Answer) -> dict[str, int]:
    """The writer's tokens; quotes cost none."""
    prompt, completion = (int(answer.trace.tokens.get(name, 0)) for name in ("prompt", "completion"))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _model() -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}


def _fault(error: FootnotedError) -> Refusal:
    if isinstance(error, UsageError):
        return Refusal(400, str(error), "invalid_value", "messages")
    return Refusal(503, str(error), "unavailable")


def _refused(refusal: Refusal) -> Response:
    body = error_body(refusal.message, refusal.status, refusal.code, refusal.param)
    return JSONResponse(body, refusal.status, {"retry-after": RETRY} if refusal.status == 503 else None)


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
