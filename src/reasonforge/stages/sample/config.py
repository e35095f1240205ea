"""Settings of sampling."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.rewards.config import AccuracyReward, GradingConfig, RewardPart
from reasonforge.sampling.config import SamplingConfig


class SampleConfig(Section):
    """Draw completions of problems with the policy as it stands, grade and store them. The policy goes on unchanged."""

    type: Literal["sample"] = "sample"
    data: str
    """Name of a table under ``data``: the problems."""
    samples: int = Field(default=..., gt=0)
    """Completions per problem; RFT 100 in its own paper, 64 in DeepSeekMath's comparison."""
    num_problems: int | None = Field(default=None, gt=0)
    """The first so many problems of the table. None = all; an endless stream needs a number."""
    problems_per_step: int = Field(default=64, gt=0)
    """Problems per file: what is done is stored file by file, and a killed run goes on behind the last."""
    sampling: SamplingConfig
    rewards: dict[str, RewardPart] = Field(default={"accuracy": AccuracyReward()})
    """Named parts, stored with each completion; whether it is right is found in any case. Empty = no reference is asked of a problem:
    a judge will compare the completions."""
    grading: GradingConfig = GradingConfig()
    max_quarantined_share: float = Field(default=0.05, ge=0, lt=1)
    """Problems whose own reference is not graded correct are left out; stop when they are a larger share."""
    max_failed_share: float = Field(default=0.1, ge=0, le=1)
    """Stop when a larger share of a file's completions could not be graded."""

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        if self.sampling.temperature == 0 and self.samples > 1:
            raise ValueError("sampling.temperature 0 draws the same completion each time: set samples to 1 or a temperature above 0")
        wrong = next((name for name in self.rewards if not re.fullmatch(r"[^/\s]+", name)), None)
        if wrong is not None:
            raise ValueError(f"rewards: {wrong!r} cannot name a part: metrics are called after it, so no slash and no space")
        return self
