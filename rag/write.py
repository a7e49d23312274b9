"""Evidence to prose. A `Writer` is anything with this shape; WRITERS names the ones that come with Footnoted.

What a writer writes is a draft: nothing of it is shown before `rag/verify.py` has checked it.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from corpus.errors import ModelError, UsageError
from rag.chat import load_chat
from rag.config import Config
from rag.datatypes import Draft
from rag.decode import Copied, decode
from rag.models import Report, silent
from rag.prompt import Message

Stopped = Callable[[], bool]


def never() -> bool:
    """The Stopped that lets a writer finish."""
    return False


class Writer(Protocol):
    """Words an answer."""

    @property
    def fingerprint(self) -> str:
        """Identifies the model."""

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        """The draft as it grows, each one longer than the last; ends early once `stopped()` is true."""


def awaited(make: Callable[[Stopped], Iterable[str]], stopped: Stopped) -> Iterator[str]:
    """The items that `make` gives, which a thread of its own waits for: ends soon after `stopped()`, come what may.

    `make` is told when nobody wants more. What it raises is raised here.
    """
    arrived: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    left = threading.Event()

    def work() -> None:
        try:
            for item in make(left.is_set):
                arrived.put(item)
            arrived.put(None)
        except BaseException as error:
            arrived.put(error)

    threading.Thread(target=work, name="footnoted-writer", daemon=True).start()
    try:
        while not stopped():
            try:
                item = arrived.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()


class QuoteWriter:
    """Writes nothing: the answer is the quotes."""

    fingerprint = "quote"

    def __init__(self, name: str, config: Config, report: Report = silent) -> None:
        pass

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        """No draft at all."""
        return iter(())


class TransformersWriter:
    """Any Hugging Face chat model, decoded greedily: the same question gets the same words (see rag/decode.py)."""

    def __init__(self, name: str, config: Config, report: Report = silent) -> None:
        self.chat = load_chat(name, report)
        self._max_new_tokens = config.max_new_tokens
        self.fingerprint = self.chat.fingerprint

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        """See Writer. Raises ModelError if the model fails: out of memory, or a prompt longer than it can read."""
        try:
            yield from self._decode(messages, stopped)
        except (RuntimeError, ValueError, IndexError) as error:
            raise ModelError(
                f"The writer {self.fingerprint} failed ({type(error).__name__}: {str(error).splitlines()[0][:120]}).",
                "Name another one with --writer, or use --writer quote.",
            ) from error

    def _decode(self, messages: Sequence[Message], stopped: Stopped) -> Iterator[Draft]:
        chat, ids = self.chat, self.chat.encode(messages)
        copied = Copied("\n".join(message.content for message in messages))
        for written, text in decode(
            chat.model, chat.tokenizer, ids, chat.ends(), self._max_new_tokens, copied, stopped
        ):
            yield Draft(text, self.fingerprint, len(ids), len(written))


class EndpointWriter:
    """Any OpenAI-compatible server: vLLM, SGLang, llama.cpp, `transformers serve`. The name is MODEL@URL."""

    def __init__(self, name: str, config: Config, report: Report = silent) -> None:
        model, at, url = name.rpartition("@")
        if not at or not model or not url.startswith(("http://", "https://")):
            raise UsageError(
                f"The endpoint {name!r} isn't of the form MODEL@URL.",
                "For example: --writer openai:my-model@http://127.0.0.1:8000/v1",
            )
        import openai

        self._model, self._url = model, url
        self._max_new_tokens = config.max_new_tokens
        self._client = openai.OpenAI(
            base_url=url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            timeout=config.endpoint_timeout,
            max_retries=0,  # or a person waits three times that long for the quotes
        )
        self.fingerprint = f"openai:{model}@{url}"

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        """See Writer. Raises ModelError if the server can't be reached, refuses or breaks off."""
        chat: list[Any] = [{"role": message.role, "content": message.content} for message in messages]
        text, pieces = "", 0

        def stream(given_up: Stopped) -> Iterator[str]:
            with self._client.chat.completions.create(
                model=self._model, messages=chat, max_tokens=self._max_new_tokens, temperature=0, stream=True
            ) as chunks:
                for chunk in chunks:
                    if given_up():
                        return
                    if chunk.choices and (piece := chunk.choices[0].delta.content):
                        yield piece

        try:
            for piece in awaited(stream, stopped):
                text, pieces = text + piece, pieces + 1
                yield Draft(text, self.fingerprint, 0, pieces)
        except Exception as error:  # the client's own kinds, and others where a server breaks off or sends no JSON
            raise ModelError(
                f"The writer at {self._url} doesn't answer ({type(error).__name__}).",
                "Start that server, check the model's name, or use --writer quote.",
            ) from error


WRITERS: dict[str, Callable[[str, Config, Report], Writer]] = {
    "local": TransformersWriter,
    "openai": EndpointWriter,
    "quote": QuoteWriter,
}


def open_writer(config: Config, report: Report = silent) -> Writer:
    """The writer called `KIND:NAME` in the settings; without a kind: a local model by bare name, folder or hub id."""
    kind, _, rest = config.writer.partition(":")
    if kind in WRITERS:
        return WRITERS[kind](rest, config, report)
    return WRITERS["local"](config.writer, config, report)
