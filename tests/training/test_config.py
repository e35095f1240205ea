"""Training settings that cannot mean anything are refused."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from reasonforge.training.config import Pack, TrainingConfig


def test_a_packed_row_must_fit_a_microbatch() -> None:
    with pytest.raises(ValidationError, match=r"batching\.row_tokens \(512\) is over max_tokens_per_device \(256\)"):
        TrainingConfig(batching=Pack(row_tokens=512), max_tokens_per_device=256)


def test_a_recipe_picks_by_type() -> None:
    config = TrainingConfig.model_validate(
        {
            "optimizer": {"type": "muon", "rest": {"lr": 1e-3}},
            "schedule": {"type": "cosine", "warmup_steps": 5},
            "batching": {"type": "pack"},
        }
    )
    assert (config.optimizer.type, config.schedule.type, config.batching.type) == ("muon", "cosine", "pack")


@pytest.mark.parametrize(
    "wrong", [{"optimizer": {"type": "adamw", "lr": 0}}, {"optimizer": {"type": "adamw", "betas": [0.9, 1.0]}}, {"max_grad_norm": -1}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig.model_validate(wrong)


def test_settings_load_without_torch() -> None:
    code = "import sys, reasonforge.training.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
