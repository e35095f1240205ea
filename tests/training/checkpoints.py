"""Small checkpoints that tell of which step they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reasonforge.training.checkpoint import Checkpoint, load_latest, save_checkpoint

FILES = ["manifest.json", "state.json", "model.safetensors", "optimizer.safetensors"]

Files = dict[str, dict[str, Tensor]]


def contents(step: int) -> Files:
    """Files that tell of which step they are."""
    return {
        "model": {"weight": torch.full((3, 5), float(step)), "bias": torch.arange(4, dtype=torch.bfloat16)},
        "optimizer": {"step": torch.tensor(step), "moment": torch.full((7,), step / 3, dtype=torch.float64)},
    }


def save(root: Path, step: int, **arguments: Any) -> Path:
    return save_checkpoint(root, step, files=contents(step), state={"step": step, "seed": 0.1 + step}, **arguments)


def latest(root: Path) -> Checkpoint:
    found = load_latest(root)
    assert found is not None
    return found


def assert_whole(found: Checkpoint, step: int) -> None:
    assert found.step == step
    assert found.state == {"step": step, "seed": 0.1 + step}
    for key, tensors in contents(step).items():
        assert found.files[key].keys() == tensors.keys()
        for name, tensor in tensors.items():
            torch.testing.assert_close(found.files[key][name], tensor, rtol=0, atol=0)
