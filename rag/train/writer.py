"""Teaches SmolLM2-135M-Instruct, by LoRA, to word one insight as the answer to a question."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.config import Config
from rag.lora import SCALE
from rag.models import best_device
from rag.prompt import build_prompt
from rag.train.collections import Collection
from rag.train.loop import Say, batched, run, save
from rag.write import TransformersWriter, Writer

BASE = "SmolLM2-135M-Instruct"
RATE = 1e-3
RANK = 16
FIRST_LAYER = 10  # of 30: the lower ones see words, which mean what they did
BATCH = 8
PART = 1.0  # of the examples: one pass takes 45 minutes on 2 cores
MAX_TOKENS = 320


Row = tuple[list[int], list[int]]  # tokens of the prompt, tokens of the answer


@dataclass(frozen=True, slots=True)
class Example:
    """What the writer is given, and what it should write."""

    question: str
    text: str
    answer: str


def examples_of(collections: Sequence[Collection]) -> list[Example]:
    """Every gold sentence that one insight supports alone."""
    return [
        Example(question.text, collection.insights[cites[0]], sentence)
        for collection in collections
        for question in collection.questions
        for sentence, cites in question.answers
        if len(cites) == 1
    ]


def adapt(model: Any) -> None:
    """Freeze the model, and give each linear layer from FIRST_LAYER on a delta: its parameters A and B, the only ones
    that learn.
    """
    import torch

    for parameter in model.parameters():
        parameter.requires_grad = False
    for layer in (module for upper in model.model.layers[FIRST_LAYER:] for module in upper.modules()):
        if isinstance(layer, torch.nn.Linear):
            inputs, outputs = layer.in_features, layer.out_features
            layer.register_parameter("A", torch.nn.Parameter(torch.randn(RANK, inputs) / math.sqrt(inputs)))
            layer.register_parameter("B", torch.nn.Parameter(torch.zeros(outputs, RANK)))
            layer.register_forward_hook(_with_delta)


def _with_delta(layer: Any, inputs: tuple[Any], output: Any) -> Any:
    (x,) = inputs
    return output + SCALE * (x @ layer.A.T.to(x.dtype)) @ layer.B.T.to(x.dtype)


def train(examples: Sequence[Example], out: Path, judge: Callable[[Writer], str], say: Say, seed: int = 0) -> None:
    """Writes the deltas to `out`; the loss counts the answer's tokens alone."""
    import torch

    torch.manual_seed(seed)
    learner = TransformersWriter(BASE, Config())
    model, tokenizer = learner.model, learner.tokenizer
    adapt(model)
    model.to(best_device())
    end = tokenizer.eos_token_id

    rows = []
    for example in examples:
        prompt = learner.encode(build_prompt(example.question, example.text, MAX_TOKENS))
        answer = [*tokenizer.encode(example.answer, add_special_tokens=False), end]
        if len(prompt) + len(answer) <= MAX_TOKENS:
            rows.append((prompt, answer))

    def loss_of(batch: Sequence[Row]) -> Any:
        longest = max(map(length, batch))
        ids = torch.full((len(batch), longest), end)
        labels = torch.full((len(batch), longest), -100)
        for n, (prompt, answer) in enumerate(batch):  # padding on the right: no position before it sees it
            ids[n, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            labels[n, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        hidden = model.model(input_ids=ids.to(model.device), use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:].to(model.device)
        told = wanted != -100
        logits = model.lm_head(hidden[told]).float()  # only where an answer stands: the vocabulary is large
        return torch.nn.functional.cross_entropy(logits, wanted[told])

    batches = batched(rows, length, BATCH, random.Random(seed))[: round(PART * len(rows) / BATCH)]
    run(batches, loss_of, {"": model}, RATE, out.with_suffix(".part"), say, lambda: judge(learner), 150)
    save({"": model}, out)


def length(row: Row) -> int:
    """In tokens."""
    return sum(map(len, row))
