"""Settings of supervised fine-tuning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reasonforge.config.base import Section
from reasonforge.training.config import TrainingConfig


class SFTConfig(Section):
    """Likelihood of worked solutions; the prompt is not learned from."""

    type: Literal["sft"] = "sft"
    data: str
    """Name of a table under ``data``; its problems must have solutions."""
    epochs: float = Field(default=2.0, gt=0)
    examples_per_step: int = Field(default=128, gt=0)
    weighting: Literal["token", "example"] = "token"
    """Whether every token or every example counts the same."""
    training: TrainingConfig = TrainingConfig()
