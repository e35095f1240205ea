"""Settings of iterative reinforcement learning."""

from __future__ import annotations

from pydantic import Field

from reasonforge.config.base import Section
from reasonforge.training.config import TrainingConfig


class RewardModelRefresh(Section):
    """At each border a reward model is trained on with rule labels of the iteration's rollouts, some of earlier ones among them."""

    part: str
    """Name of the part under ``rewards`` whose reward model it is; one of right and wrong answers, or of steps that the task can check."""
    examples: int = Field(default=1024, gt=0)
    """Rollouts of an iteration that are trained on; of more, so many are drawn."""
    replay_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of every batch that is of earlier iterations (DeepSeekMath 10 %); the first iteration has none."""
    history: int = Field(default=4096, gt=0)
    """Rollouts kept of all earlier iterations, each equally likely to be among them."""
    examples_per_step: int = Field(default=64, gt=0)
    """Rollouts per update."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the iteration's rollouts."""
    training: TrainingConfig = TrainingConfig()


class Iterations(Section):
    """Algorithm 1 of DeepSeekMath: train in iterations; each begins with the policy as its reference and a refreshed reward model."""

    steps: int = Field(default=..., gt=0)
    """Steps per iteration."""
    reward_model: RewardModelRefresh | None = None
    """None = the reward stays as it is."""
