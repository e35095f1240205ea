"""Settings of problem selection."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from reasonforge.config.base import Section
from reasonforge.tasks.config import RolloutSource, checked_band


class LearningImpact(Section):
    """Keep problems whose accuracy over the epochs of an ``rl`` stage followed the average curve (LIMR)."""

    min_score: float = Field(default=0.6, le=1)
    """Lowest score that is kept; 1 = follows the average exactly. LIMR 0.6."""


class SelectConfig(Section):
    """Choose problems by what a policy did with them; the policy goes on unchanged."""

    type: Literal["select"] = "select"
    data: str
    """Name of a table under ``data`` of type ``rollouts``: all its graded completions are counted."""
    pass_rate: tuple[float, float] | None = None
    """Keep problems of which this share of the completions is right, bounds included. None = all."""
    learning_impact: LearningImpact | None = None
    """None = do not look at how accuracy developed."""
    levels: int | None = Field(default=None, gt=1)
    """Write the measured difficulty into the problems: 1 (most completions right) to so many, in equal bands of the pass rate.
    None = keep what the source states."""
    min_samples: int = Field(default=1, gt=0)
    """Leave out problems with fewer graded completions: their pass rate says little."""

    @field_validator("pass_rate")
    @classmethod
    def _is_a_band(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        return checked_band(value)

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.pass_rate is None and self.learning_impact is None and self.levels is None:
            raise ValueError("nothing to select by: set pass_rate, learning_impact or levels")
        return self

    def check_source(self, source: RolloutSource) -> None:
        """Refuse a table that has chosen completions already: pass rates over the rest would mean nothing.

        Raises:
            ValueError: naming the filter.
        """
        for name in ("only", "pass_rate", "distinct", "max_per_problem", "shuffle_seed"):
            if getattr(source, name) != RolloutSource.model_fields[name].default:
                raise ValueError(f"data.{self.data}.{name}: a select stage measures over all completions: read a table without filters")
