"""Reward parts a recipe can name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reasonforge.config.base import Section


class AccuracyReward(Section):
    """1 if the grader finds the answer right, else 0."""

    type: Literal["accuracy"] = "accuracy"
    weight: float = 1.0


class FormatReward(Section):
    """1 if the completion keeps a fixed form, else 0."""

    type: Literal["format"] = "format"
    weight: float = 1.0
    style: Literal["think_answer", "boxed"] = "think_answer"
    """``think_answer`` = ``<think>..</think><answer>..</answer>`` and nothing else; ``boxed`` = at least one balanced ``\\boxed{}``."""


class FunctionReward(Section):
    """A function of yours, called in a process of its own that is killed when it hangs."""

    type: Literal["function"] = "function"
    weight: float = 1.0
    path: str = Field(default=..., pattern=r"^[\w.]+:\w+$")
    """``package.module:function``. Called as ``function(question=..., answer=..., completion=..., meta=...)``, returns a finite number."""
    deadline_seconds: float = Field(default=5.0, gt=0)
    """A call that takes longer is killed; its sample leaves the baseline and the gradient."""


RewardPart = Annotated[AccuracyReward | FormatReward | FunctionReward, Field(discriminator="type")]
