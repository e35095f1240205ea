"""What to evaluate and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class EvaluationConfig(Section):
    """Held-out problems, samples per problem, and how they are drawn."""

    data: str
    """Name of a table under ``data``."""
    num_problems: int = Field(default=128, gt=0)
    """Taken from the start of the data, the same ones every time."""
    samples: int = Field(default=16, gt=0)
    """Completions per problem, k of pass@k and maj@k."""
    temperature: float = Field(default=1.0, ge=0)
    """0 = greedy (then ``samples`` must be 1)."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=64, gt=0)
    skill_prefix: str | None = None
    """Also measure ``step_skill``: greedy accuracy when the completion is made to begin with this text. None = do not."""
    format: Literal["think_answer", "boxed"] = "think_answer"
    """Which form ``format`` counts."""
    ties: Literal["expected", "first"] = "expected"
    """How a tied majority vote is credited: its expectation, or the first answer seen."""

    @model_validator(mode="after")
    def _greedy_draws_once(self) -> EvaluationConfig:
        if self.temperature == 0 and self.samples != 1:
            raise ValueError("temperature 0 draws the same completion each time: set samples to 1")
        return self
