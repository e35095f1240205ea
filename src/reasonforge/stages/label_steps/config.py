"""Settings of step labels."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.rewards.config import GradingConfig
from reasonforge.sampling.config import SamplingConfig
from reasonforge.text.config import StepsConfig


class LabelStepsConfig(Section):
    """Label each step of sampled solutions by where the policy gets to from there (Math-Shepherd)."""

    type: Literal["label_steps"] = "label_steps"
    data: str
    """Name of a rollouts table under ``data``: the solutions whose steps are labelled."""
    steps: StepsConfig = StepsConfig()
    """Where a step ends."""
    completions: int = Field(default=8, gt=0)
    """Completions drawn from each step, N; Math-Shepherd 8."""
    sampling: SamplingConfig
    """How they are drawn; ``max_new_tokens`` counts what follows the step."""
    grading: GradingConfig = GradingConfig()
    max_failed_share: float = Field(default=0.1, ge=0, le=1)
    """Stop when a larger share of a batch's completions could not be graded."""
    groups_per_batch: int = Field(default=16, gt=0)
    """Problems that are worked on at once; what is done is stored batch by batch."""

    @model_validator(mode="after")
    def _can_go_on_from_a_step(self) -> Self:
        if self.sampling.tools is not None:
            raise ValueError("sampling.tools: a completion cannot be gone on with from a step inside a program's run: leave tools out")
        if self.sampling.temperature == 0 and self.completions > 1:
            raise ValueError("temperature 0 draws the same completion each time: set completions to 1 or a temperature above 0")
        return self
