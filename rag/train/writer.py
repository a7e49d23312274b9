"""Teaches SmolLM2-135M-Instruct, by LoRA, to word one insight as the answer to a question."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.lora import SCALE
from rag.models import best_device
from rag.prompt import build_prompt
from rag.train.collections import Collection
from rag.train.loop import Say, run
from rag.write import chat_text

RATE = 1e-3
RANK = 16
FIRST_LAYER = 10  # of 30: the lower ones see words, which mean what they did
BATCH = 8
EPOCHS = 1.0
MAX_TOKENS = 320


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


def adapt(model: Any) -> dict[str, Any]:
    """Freeze the model and give each linear layer from FIRST_LAYER on a delta; the deltas by name."""
    import torch

    class Adapted(torch.nn.Module):  # type: ignore[misc]
        """A frozen linear layer plus its delta."""

        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer
            self.A = torch.nn.Parameter(torch.randn(RANK, layer.in_features) / math.sqrt(layer.in_features))
            self.B = torch.nn.Parameter(torch.zeros(layer.out_features, RANK))

        def forward(self, x: Any) -> Any:
            return self.layer(x) + SCALE * (x @ self.A.T.to(x.dtype)) @ self.B.T.to(x.dtype)

    deltas: dict[str, Any] = {}
    for parameter in model.parameters():
        parameter.requires_grad = False
    for name, module in list(model.named_modules()):
        parts = name.split(".")
        if "layers" not in parts or parts[-1] == "layers" or int(parts[parts.index("layers") + 1]) < FIRST_LAYER:
            continue
        for child, layer in list(module.named_children()):
            if isinstance(layer, torch.nn.Linear):
                adapted = Adapted(layer)
                setattr(module, child, adapted)
                deltas[f"{name}.{child}.A"], deltas[f"{name}.{child}.B"] = adapted.A, adapted.B
    return deltas


def train(
    examples: Sequence[Example],
    folder: Path,
    out: Path,
    judge: Callable[[Any, Any], str],
    say: Say,
    seed: int = 0,
) -> None:
    """Writes the deltas to `out`; the loss counts the answer's tokens alone."""
    import safetensors.torch
    import torch
    import transformers

    torch.manual_seed(seed)
    device = best_device()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, local_files_only=True)
    deltas = adapt(model)
    model.to(device)
    end = tokenizer.eos_token_id

    rows = []
    for example in examples:
        prompt = tokenizer.encode(
            chat_text(tokenizer, build_prompt(example.question, example.text, MAX_TOKENS)), add_special_tokens=False
        )
        answer = [*tokenizer.encode(example.answer, add_special_tokens=False), end]
        if len(prompt) + len(answer) <= MAX_TOKENS:
            rows.append((prompt, answer))

    def loss_of(batch: Sequence[tuple[list[int], list[int]]]) -> Any:
        longest = max(len(p) + len(a) for p, a in batch)
        ids = torch.full((len(batch), longest), end)
        labels = torch.full((len(batch), longest), -100)
        for n, (prompt, answer) in enumerate(batch):  # padding on the right: no position before it sees it
            ids[n, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            labels[n, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        hidden = model.model(input_ids=ids.to(device), use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:].to(device)
        told = wanted != -100
        logits = model.lm_head(hidden[told]).float()  # only where an answer stands: the vocabulary is large
        return torch.nn.functional.cross_entropy(logits, wanted[told])

    rng = random.Random(seed)
    batches: list[Sequence[tuple[list[int], list[int]]]] = []
    while len(batches) < EPOCHS * len(rows) / BATCH:
        shuffled = rng.sample(rows, len(rows))
        pools = (shuffled[i : i + 16 * BATCH] for i in range(0, len(rows), 16 * BATCH))
        sorted_pools = [sorted(pool, key=lambda row: len(row[0]) + len(row[1])) for pool in pools]
        epoch = [pool[i : i + BATCH] for pool in sorted_pools for i in range(0, len(pool), BATCH)]
        batches += rng.sample(epoch, len(epoch))
    batches = batches[: int(EPOCHS * len(rows) / BATCH)]
    run(batches, loss_of, {"": model}, RATE, out.with_suffix(".part"), say, lambda: judge(model, tokenizer), 150)
    out.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({n: t.detach().to("cpu", torch.bfloat16).contiguous() for n, t in deltas.items()}, out)
