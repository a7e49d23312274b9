"""The training loop of all parts: AdamW, a rate that warms up, holds and falls, checkpoints, figures on the way."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rag.crossencoder import by_length

Batch = TypeVar("Batch")
Item = TypeVar("Item")
Say = Callable[[str], object]
SAVED_EVERY = 100  # steps


def run(
    batches: Sequence[Batch],
    loss_of: Callable[[Batch], Any],
    modules: Mapping[str, Any],
    rate: float,
    part: Path,
    say: Say,
    judge: Callable[[], str],
    judged_every: int,
    warm_up: int = 100,
    held: int = 0,
) -> None:
    """One step a batch. The rate rises for `warm_up` steps, is whole until step `held`, then falls to nothing.

    A run that was stopped goes on from the checkpoint `part`, which is removed at the end.
    """
    import torch

    trained = [p for module in modules.values() for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
    say(f"{sum(p.numel() for p in trained):,} parameters, {len(batches)} steps")
    start = 0
    if part.exists():
        saved = torch.load(part, weights_only=True)
        for name, module in modules.items():
            module.load_state_dict(saved[name], strict=False)
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["step"]
        say(f"going on at step {start}")
    part.parent.mkdir(parents=True, exist_ok=True)
    losses: list[float] = []
    for step in range(start, len(batches)):
        fall = 1 - max(0, step - held) / max(1, len(batches) - held)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / warm_up) * fall
        loss = loss_of(batches[step])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
        done = step + 1
        if done % SAVED_EVERY == 0:
            say(f"step {done}/{len(batches)}, loss {sum(losses[-SAVED_EVERY:]) / len(losses[-SAVED_EVERY:]):.3f}")
            states = {name: _trained(module) for name, module in modules.items()}
            torch.save({**states, "optimizer": optimizer.state_dict(), "step": done}, part.with_suffix(".new"))
            part.with_suffix(".new").replace(part)  # a kill while it is written leaves the one before
        if done % judged_every == 0 or done == len(batches):
            say(f"step {done}/{len(batches)}: {judge()}")
    part.unlink(missing_ok=True)


def batched(items: Sequence[Item], length: Callable[[Item], int], size: int, rng: random.Random) -> list[list[Item]]:
    """Batches of about equal length, in random order; what is together is drawn anew from pools of 32 batches."""
    shuffled = rng.sample(list(items), len(items))
    batches = []
    for start in range(0, len(shuffled), 32 * size):
        pool = shuffled[start : start + 32 * size]
        batches += [[pool[n] for n in places] for places in by_length([length(item) for item in pool], size)]
    rng.shuffle(batches)
    return batches


def _trained(module: Any) -> dict[str, Any]:
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}


def save(modules: Mapping[str, Any], out: Path) -> None:
    """The trained parameters as bf16 safetensors, each under its module's name (the module "" has no prefix)."""
    import safetensors.torch
    import torch

    tensors = {
        f"{name}.{key}".lstrip("."): p.to("cpu", torch.bfloat16).contiguous()
        for name, module in modules.items()
        for key, p in _trained(module).items()
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(tensors, out)
