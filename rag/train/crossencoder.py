"""Trains rag/crossencoder.py: first on public questions and claims, then on InsightQA's and our additions to it."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rag.crossencoder import by_length, encode_pairs, load_base, pooled
from rag.models import best_device
from rag.train.loop import Say, batched, run, save
from rag.train.pairs import Pair, Score

RATE = 1e-4
BATCH = 32  # pairs a step
PUBLIC_STEPS = 500
PASSES = 2  # over the insights' pairs


def length(pair: Pair) -> int:
    """In characters, both texts."""
    return len(pair.first) + len(pair.second)


def train(
    public: Sequence[Pair],
    passes: Sequence[Sequence[Pair]],
    out: Path,
    judge: Callable[[Score], str],
    say: Say,
    seed: int = 0,
) -> None:
    """PUBLIC_STEPS on the public pairs, then each pass over the insights'; writes the tensors to `out`."""
    import torch

    torch.manual_seed(seed)
    device = best_device()
    tokenizer, model, heads = load_base()
    torch.nn.init.normal_(heads.weight, std=0.02)
    torch.nn.init.zeros_(heads.bias)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("encoder")  # words keep the meaning that they have
    model.to(device).train(), heads.to(device)

    def logits(pairs: Sequence[Pair]) -> Any:
        batch = encode_pairs(tokenizer, [(pair.first, pair.second) for pair in pairs]).to(device)
        with torch.autocast(device, dtype=torch.bfloat16):
            vectors = pooled(model, batch)
        return heads(vectors.float())[torch.arange(len(pairs)), torch.tensor([pair.head for pair in pairs])]

    def loss_of(pairs: Sequence[Pair]) -> Any:
        labels = torch.tensor([pair.label for pair in pairs], device=device)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits(pairs), labels)

    def score(pairs: Sequence[Pair]) -> list[float]:
        scores = [0.0] * len(pairs)
        with torch.inference_mode():
            for rows in by_length([length(pair) for pair in pairs], 2 * BATCH):
                for i, value in zip(rows, logits([pairs[i] for i in rows]).tolist(), strict=True):
                    scores[i] = value
        return scores

    batches = batched(public, length, BATCH, random.Random(seed))[:PUBLIC_STEPS]
    held = len(batches)
    for number, pairs in enumerate(passes):
        batches += batched(pairs, length, BATCH, random.Random(seed + number))
    modules = {"model": model, "heads": heads}
    run(batches, loss_of, modules, RATE, out.with_suffix(".part"), say, lambda: judge(score), 1000, held=held)
    save(modules, out)
