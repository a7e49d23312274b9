"""Evidence to prose. A `Writer` is anything with this shape; WRITERS names the ones that come with Footnoted.

What a writer writes is a draft: nothing of it is shown before `rag/verify.py` has checked it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from corpus.errors import ModelError
from rag.chat import load_chat
from rag.config import Config
from rag.datatypes import Draft
from rag.decode import Copied, decode
from rag.endpoint import EndpointWriter
from rag.growing import Growing
from rag.models import Report, silent
from rag.prompt import Message, noted
from rag.stop import Stopped, never


class Writer(Protocol):
    """Words an answer."""

    @property
    def fingerprint(self) -> str:
        """Identifies the model."""

    def write(self, messages: Sequence[Message], stopped: Stopped = never) -> Iterator[Draft]:
        """The draft as it grows, each one longer than the last; ends early once `stopped()` is true."""


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
        note = noted(messages)
        # A chat model that we didn't teach to write edits would seldom get to the end of one.
        guide = Growing(note) if note and chat.heads else Copied("\n".join(message.content for message in messages))
        for written, text in decode(chat.model, chat.tokenizer, ids, chat.ends(), self._max_new_tokens, guide, stopped):
            yield Draft(text, self.fingerprint, len(ids), len(written))


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
