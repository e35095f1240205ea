"""Settings of the selection."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class SelectionConfig(Section):
    """How much of the ranked pages a round collects: a budget of tokens, or all from a score on.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.1: the top 40B tokens in the first round, chosen among 40B, 80B, 120B and 160B by pre-training.
    """

    token_budget: int | None = Field(default=40_000_000_000, ge=1, le=10**18)
    """Tokens, by estimate. None = ``threshold`` decides."""
    threshold: float | None = Field(default=None, gt=0, le=1)
    """Probability from which on pages are collected. None = ``token_budget`` decides."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.token_budget is None) == (self.threshold is None):
            raise ValueError("give either token_budget or threshold, and set the other to null")
        return self
