"""Tunes all-MiniLM-L6-v2 to find an insight from a question that shares no word with it.

A batch is a few whole collections: every question is compared with all their insights (InfoNCE, van den Oord et al.
2018), so that an insight on the same topic is always among the wrong ones, and each insight is encoded once for all its
questions. Public questions keep it a good general embedder, and so does a second loss that holds every vector near the
original's.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.crossencoder import by_length, load_base, pooled
from rag.models import best_device
from rag.train.collections import Collection
from rag.train.loop import Say, run, save
from rag.train.memo import remember

RATE = 1e-4
EPOCHS = 3
TEMPERATURE = 0.05
KEPT = 2.0  # weight of staying near the original
GROUP = 6  # collections a batch
PUBLIC = 48  # public questions a batch
MAX_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions, passages, and which of the passages answer each question."""

    questions: tuple[str, ...]
    passages: tuple[str, ...]
    right: tuple[frozenset[int], ...]


def collection_batches(collections: Sequence[Collection], rng: random.Random) -> list[Batch]:
    """Each collection once, in groups drawn at random."""
    order = rng.sample(list(collections), len(collections))
    return [_join(order[i : i + GROUP]) for i in range(0, len(order), GROUP)]


def _join(collections: Sequence[Collection]) -> Batch:
    insights = {i: text for collection in collections for i, text in collection.insights.items()}
    place = {i: n for n, i in enumerate(insights)}
    asked = [q for collection in collections for q in collection.questions if q.gold]
    right = tuple(frozenset(place[i] for i in q.gold) for q in asked)
    return Batch(tuple(q.text for q in asked), tuple(insights.values()), right)


def public_batch(rows: Sequence[tuple[str, str, tuple[str, ...]]], rng: random.Random) -> Batch:
    """PUBLIC questions, their passages, and one near passage each."""
    drawn = rng.sample(list(rows), PUBLIC)
    passages = list(dict.fromkeys(text for _, right, near in drawn for text in (right, *near)))
    place = {text: n for n, text in enumerate(passages)}
    return Batch(tuple(q for q, _, _ in drawn), tuple(passages), tuple(frozenset({place[r]}) for _, r, _ in drawn))


def train(
    collections: Sequence[Collection],
    public: Sequence[tuple[str, str, tuple[str, ...]]],
    out: Path,
    judge: Callable[[Callable[[Sequence[str]], Any]], str],
    say: Say,
    seed: int = 0,
) -> None:
    """Writes the tuned layers to `out`; `judge` gets a function that encodes texts."""
    import torch

    torch.manual_seed(seed)
    device = best_device()
    (tokenizer, model, _), (_, original, _) = load_base(), load_base()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("encoder")
    model.to(device).train(), original.to(device).eval()

    def encode(network: Any, texts: Sequence[str]) -> Any:
        """Unit vectors, shape (texts, 384)."""
        pieces, places = [], []
        for rows in by_length([len(text) for text in texts], 64):
            batch = tokenizer(
                [texts[i] for i in rows], truncation=True, max_length=MAX_TOKENS, padding=True, return_tensors="pt"
            ).to(device)
            with torch.autocast(device, dtype=torch.bfloat16):
                pieces.append(pooled(network, batch).float())
            places += rows
        return torch.nn.functional.normalize(torch.cat(pieces)[torch.tensor(places).argsort()], dim=1)

    known: dict[str, Any] = {}

    def originals(texts: Sequence[str]) -> Any:
        """The original's vectors: each text is encoded once in a run."""
        with torch.no_grad():
            return torch.stack(remember(known, texts, lambda new: encode(original, new)))

    def loss_of(batch: Batch) -> Any:
        texts = [*batch.questions, *batch.passages]
        vectors = encode(model, texts)
        asked, held = vectors[: len(batch.questions)], vectors[len(batch.questions) :]
        scores = asked @ held.T / TEMPERATURE
        right = torch.zeros_like(scores, dtype=torch.bool)
        for row, places in enumerate(batch.right):
            right[row, list(places)] = True
        # The mean over a question's insights: a question that needs two should find both.
        chosen = torch.log_softmax(scores, 1).masked_fill(~right, 0.0).sum(1) / right.sum(1)
        drift = 1 - (vectors * originals(texts)).sum(1)
        return -chosen.mean() + KEPT * drift.mean()

    rng = random.Random(seed)
    batches: list[Batch] = []
    for _ in range(EPOCHS):
        group = collection_batches(collections, rng)
        batches += rng.sample(group + [public_batch(public, rng) for _ in range(len(group) // 2)], len(group) * 3 // 2)

    def figures() -> str:
        with torch.inference_mode():
            return judge(lambda texts: encode(model, texts).cpu().numpy())

    run(batches, loss_of, {"": model}, RATE, out.with_suffix(".part"), say, figures, len(batches) // EPOCHS, 20)
    save({"": model}, out)
