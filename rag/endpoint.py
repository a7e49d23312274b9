"""A writer elsewhere: any OpenAI-compatible server. Patient with what passes, and done with one that is down."""

import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import Any

from corpus.errors import ModelError, UsageError
from rag.breaker import Breaker, State
from rag.config import Config
from rag.datatypes import Draft
from rag.models import Report, silent
from rag.prompt import Message
from rag.retry import Patience, passes, pause, retry_after
from rag.stop import Stopped, awaited, never

CONNECT = 5.0  # seconds for a connection, at the most
_START = "Start that server, check the model's name, or use --writer quote."


class EndpointWriter:
    """Any OpenAI-compatible server: vLLM, SGLang, llama.cpp, `transformers serve`. The name is MODEL@URL.

    `endpoint_timeout` is the budget in seconds for one text, with all that is tried again. After some failures in a row
    the server is left alone for a while. One writer serves a whole process, so all its conversations share what it
    knows about the server.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        report: Report = silent,
        *,
        patience: Patience | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        model, at, url = name.rpartition("@")
        if not at or not model or not url.startswith(("http://", "https://")):
            raise _no_endpoint(name)
        import openai

        self._model, self._url = model, url
        self._max_new_tokens = config.max_new_tokens
        self._seconds = config.endpoint_timeout
        self._patience, self._breaker = patience or Patience(), breaker or Breaker()
        try:
            # Without the client's own retries: it knows no budget for all of them, so that a server that hangs makes a
            # person wait three times; it obeys a Retry-After of two minutes; and it sleeps on, then asks, when nobody
            # wants the answer any more. What is left to it: the connections, the stream, and the kinds of faults.
            self._client = openai.OpenAI(
                base_url=url, api_key=os.environ.get("OPENAI_API_KEY") or "none", max_retries=0
            )
        except Exception as error:  # the address can't be taken apart
            raise _no_endpoint(name) from error
        self.fingerprint = f"openai:{model}@{url}"

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        """See Writer. Raises ModelError if the server can't be reached, refuses, breaks off or is being left alone."""
        ticket = self._breaker.enter()
        if ticket is None:
            raise self._left_alone()
        tell = self._breaker.abandoned  # until it is known whether the server answers
        attempts = 1 if ticket.trial else self._patience.attempts
        text, pieces = "", 0
        try:
            for piece in awaited(lambda left: self._pieces(messages, attempts, left), stopped, seconds=self._seconds):
                tell = self._breaker.succeeded
                text, pieces = text + piece, pieces + 1
                yield Draft(text, self.fingerprint, 0, pieces)
            if not stopped():
                tell = self._breaker.succeeded
        except Exception as error:  # the client's own kinds, and others where a server breaks off or sends no JSON
            tell = self._breaker.succeeded if _refused(error) else self._breaker.failed
            raise self._fault(error) from error
        finally:  # also when whoever reads the draft has enough of it
            tell(ticket)

    def try_once(self) -> float:
        """Ask for one word, once, and give the seconds until the answer began. Raises ModelError as `write` does."""
        began = time.monotonic()
        hello = [Message("user", "Say hello.")]
        try:
            next(awaited(lambda left: self._pieces(hello, 1, left, tokens=1), never, self._seconds), None)
        except Exception as error:
            raise self._fault(error) from error
        return time.monotonic() - began

    def _pieces(
        self, messages: Sequence[Message], attempts: int, left: Event, tokens: int | None = None
    ) -> Iterator[str]:
        """The text in pieces. What passes is tried again, within the budget, until the first piece has come."""
        import openai

        deadline = time.monotonic() + self._seconds
        patience = replace(self._patience, attempts=attempts)
        failures, begun = 0, False
        while not left.is_set():
            try:
                for piece in self._request(messages, tokens or self._max_new_tokens, deadline, left):
                    begun = True
                    yield piece
                return
            except (openai.APIConnectionError, openai.APIStatusError) as error:
                headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
                if begun or (isinstance(error, openai.APIStatusError) and not passes(error.status_code, headers)):
                    raise
                failures += 1
                asked = retry_after(headers, datetime.now(UTC))
                wait = pause(patience, failures, asked, deadline - time.monotonic(), random.random())
                if wait is None:
                    raise
            left.wait(wait)

    def _request(self, messages: Sequence[Message], tokens: int, deadline: float, left: Event) -> Iterator[str]:
        """The pieces that one request brings."""
        import openai

        seconds = max(0.01, deadline - time.monotonic())
        chat: list[Any] = [{"role": message.role, "content": message.content} for message in messages]
        with self._client.chat.completions.create(
            model=self._model,
            messages=chat,
            max_tokens=tokens,
            temperature=0,
            stream=True,
            # Whether something listens is soon known. What it writes may take its time: asked again it would only have
            # the more to do.
            timeout=openai.Timeout(seconds, connect=min(CONNECT, seconds)),
        ) as chunks:
            chunk = None
            for chunk in chunks:
                if left.is_set():
                    return
                if chunk.choices and (piece := chunk.choices[0].delta.content):
                    yield piece
            if chunk is None:  # a page of HTML, say: the client passes over what isn't an event
                raise ValueError("an answer without a single event")

    def _fault(self, error: Exception) -> ModelError:
        """What a user reads about a request that failed for good."""
        kind, status = type(error).__name__, getattr(error, "status_code", None)
        if status in (401, 403):
            return ModelError(
                f"The writer at {self._url} refuses the key ({kind}).",
                "Put the right one into OPENAI_API_KEY, or use --writer quote.",
            )
        if isinstance(error, TimeoutError):
            return ModelError(
                f"The writer at {self._url} wasn't done within {self._seconds:g} seconds.",
                "Give it longer with --set endpoint_timeout=SECONDS, or use --writer quote.",
            )
        return ModelError(f"The writer at {self._url} doesn't answer ({kind}).", _START)

    def _left_alone(self) -> ModelError:
        wait = f"isn't asked for the next {math.ceil(self._breaker.seconds())} seconds"
        if self._breaker.state is State.TRYING:
            wait = "is being tried with one request now"
        return ModelError(f"The writer at {self._url} failed several times in a row and {wait}.", _START)


def _no_endpoint(name: str) -> UsageError:
    return UsageError(
        f"The endpoint {name!r} isn't of the form MODEL@URL.",
        "For example: --writer openai:my-model@http://127.0.0.1:8000/v1",
    )


def _refused(error: Exception) -> bool:
    """Whether the server itself is well and only doesn't take this request: a wrong key, too long a prompt."""
    status = getattr(error, "status_code", 0)
    return 400 <= status < 500 and not passes(status, {})
