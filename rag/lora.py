"""Low-rank deltas (LoRA: Hu et al. 2021) as we ship them: `<layer>.A` (rank, inputs) and `<layer>.B` (outputs, rank).

They are added to the weights when a model is loaded, so that answering costs nothing more than the original does.
"""

from pathlib import Path
from typing import Any

SCALE = 2.0  # weight + SCALE · B · A


def merge(model: Any, file: Path) -> None:
    """Add the file's deltas to the model's weights. Raises KeyError for a layer that the model doesn't have."""
    import safetensors.torch
    import torch

    deltas = safetensors.torch.load_file(file)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in (name.removesuffix(".A") for name in deltas if name.endswith(".A")):
            weight = parameters[f"{name}.weight"]
            delta = SCALE * deltas[f"{name}.B"].float() @ deltas[f"{name}.A"].float()
            weight.copy_(weight.float() + delta.to(weight.device))
