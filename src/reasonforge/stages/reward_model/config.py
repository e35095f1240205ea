"""Settings of reward models."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.rewards.model import Kind
from reasonforge.tasks.config import DataSource
from reasonforge.text.config import StepsConfig
from reasonforge.training.config import TrainingConfig

_LEARNS_FROM = {"outcome": "rollouts", "process": "rollouts", "pairwise": "pairs", "safety": "labelled"}


class RewardModelConfig(Section):
    """Train a reward model that begins as a copy of the policy; the policy itself goes on unchanged."""

    type: Literal["reward_model"] = "reward_model"
    kind: Kind
    """``outcome``: right or wrong, from graded rollouts. ``process``: the same of every step. ``pairwise``: which of two answers is
    preferred (helpfulness). ``safety``: whether a response is good, from a labelled file."""
    data: str
    """Name of a table under ``data``: rollouts (outcome, process), pairs (pairwise) or labelled responses (safety)."""
    sees: Literal["all", "summary"] = "all"
    """``all``: the whole response. ``summary``: only what follows ``</think>``, as R1's model of helpfulness sees it."""
    steps: StepsConfig | None = None
    """Where steps end (process). None = at the ends of lines."""
    step_labels: Literal["soft", "hard", "rule"] | None = None
    """``soft``: the share of roll-outs from the step that were right, as ``label_steps`` stored it. ``hard``: whether any was.
    ``rule``: what the task's own step checker says. None = soft (process)."""
    start: str | None = None
    """Name of an earlier ``reward_model`` stage, or a folder: that reward model is trained on. None = it begins as a copy of the policy."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the examples; R1 took one."""
    examples_per_step: int = Field(default=256, gt=0)
    """Examples per update, a pair being one; R1's batch."""
    max_tokens: int | None = Field(default=None, gt=1)
    """Longer examples are dropped and counted, in tokens; R1 8,192. None = the model's context."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Chance of a problem to be kept for measuring; it is on one side with all its responses, the same side in every run and stage."""
    training: TrainingConfig = TrainingConfig()
    """DeepSeekMath trained at a learning rate of 2e-5, R1 at 6e-6."""

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        if self.kind != "process" and (self.steps is not None or self.step_labels is not None):
            raise ValueError(f"steps and step_labels have no effect with kind {self.kind!r}: they are about kind 'process'")
        if self.kind == "process" and self.sees == "summary":
            raise ValueError("sees 'summary' hides the steps that kind 'process' scores: use 'all'")
        return self

    def check_source(self, source: DataSource) -> None:
        """Refuse a data table of another type than this kind of model learns from.

        Raises:
            ValueError: it is.
        """
        if source.type != (wanted := _LEARNS_FROM[self.kind]):
            raise ValueError(f"data {self.data!r} is of type {source.type!r}; a reward model of kind {self.kind!r} learns from {wanted!r}")
