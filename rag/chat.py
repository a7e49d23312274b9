"""A chat model as transformers loads it, once for all who use it: the writer writes with it, the judge reads."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag.lora import merge
from rag.models import Report, Weights, best_device, best_dtype, find_weights, put_in, silent, unloadable
from rag.prompt import Message
from rag.stop import watched

HEADS = ("answers", "supports")  # what our training adds to SmolLM2: one linear judgement each


@dataclass(frozen=True, slots=True)
class Chat:
    """The model with what belongs to it; `heads` is None for a model that we didn't tune."""

    tokenizer: Any
    model: Any
    heads: Any
    fingerprint: str

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of the chat as the model was taught to read it, up to where it answers."""
        if self.tokenizer.chat_template:
            chat = [{"role": message.role, "content": message.content} for message in messages]
            text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            return list(self.tokenizer.encode(text, add_special_tokens=False))
        return list(self.tokenizer.encode("\n\n".join(message.content for message in messages)))

    def ends(self) -> set[int]:
        """The tokens that end a turn."""
        ends = self.model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends]
        return {end for end in [*listed, self.tokenizer.eos_token_id] if end is not None}


def load_chat(name: str, report: Report = silent) -> Chat:
    """Bare name, folder or hub id. Raises ModelError if there is no such model, or it isn't one for chats.

    The last one loaded is kept and shared: only a trainer, which runs alone, may change it.
    """
    weights = find_weights(name, report)
    report(f"Loading {name}", 0, 0)
    return _load(weights)


@functools.lru_cache(maxsize=1)
def _load(weights: Weights) -> Chat:
    import torch
    import transformers

    folder, heads = str(weights.folder), None
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=best_dtype(), local_files_only=True)
        if weights.tuned:
            merge(model, weights.tuned)
            heads = torch.nn.Linear(model.config.hidden_size, len(HEADS))
            put_in({"heads": heads}, weights.tuned)
            heads = heads.to(best_device())
        return Chat(tokenizer, watched(model.to(best_device()).eval()), heads, weights.fingerprint)
    except Exception as error:
        raise unloadable(weights.name, "a chat model", error) from error
