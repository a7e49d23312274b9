"""Low-rank deltas: merged into the weights they say what they said beside them."""

from pathlib import Path

import pytest

from rag.lora import merge
from rag.train.writer import adapt
from tests.fakes import tiny_llama

LAYERS = 12


def test_a_merged_model_says_what_the_adapted_one_does(tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    adapted, merged = tiny_llama(LAYERS), tiny_llama(LAYERS)
    ids = torch.arange(10)[None]
    with torch.no_grad():
        before = merged(ids).logits
        adapt(adapted)
        deltas = {name: delta for name, delta in adapted.named_parameters() if delta.requires_grad}
        for delta in deltas.values():
            delta.copy_(torch.randn(delta.shape) / 10)
        safetensors.torch.save_file({name: delta.contiguous() for name, delta in deltas.items()}, tmp_path / "deltas")
        merge(merged, tmp_path / "deltas")
        torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(merged(ids).logits, before, atol=1e-2)


def test_a_bf16_model_takes_bf16_deltas(tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(3, 2)).bfloat16()
    weight = model[0].weight.detach().float()
    a, b = torch.ones(1, 3, dtype=torch.bfloat16), torch.ones(2, 1, dtype=torch.bfloat16)
    safetensors.torch.save_file({"0.A": a, "0.B": b}, tmp_path / "deltas")
    merge(model, tmp_path / "deltas")
    assert model[0].weight.dtype is torch.bfloat16
    torch.testing.assert_close(model[0].weight.detach().float(), weight + 2.0, rtol=1e-2, atol=1e-2)


def test_deltas_of_another_model_are_refused(tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    safetensors.torch.save_file({"other.A": torch.ones(1, 3), "other.B": torch.ones(2, 1)}, tmp_path / "deltas")
    with pytest.raises(KeyError, match=r"other\.weight"):
        merge(torch.nn.Sequential(torch.nn.Linear(3, 2)), tmp_path / "deltas")
