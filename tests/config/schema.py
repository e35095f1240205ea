"""A small schema with everything a recipe can contain: choices by type, tables of names, lists, optional values, ranges, validators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class Cosine(Section):
    type: Literal["cosine"] = "cosine"
    floor: float = Field(default=0.1, ge=0, le=1)
    """Share of the peak that is left at the end."""


class Linear(Section):
    type: Literal["linear"] = "linear"
    warmup_steps: int = Field(default=0, ge=0)


Schedule = Annotated[Cosine | Linear, Field(discriminator="type")]


class Optimizer(Section):
    """How weights move."""

    lr: float = Field(default=1e-3, gt=0)
    """Learning rate. Peak of the schedule."""
    betas: tuple[float, float] = (0.9, 0.95)
    schedule: Schedule = Cosine()
    max_grad_norm: float | None = 1.0
    """None = no clipping."""
    fused: bool = False


class RL(Section):
    type: Literal["rl"] = "rl"
    group_size: int = Field(..., gt=0)
    """Completions per prompt, G. At least two."""
    steps: int = Field(default=10, gt=0)
    loss: Literal["token", "sequence"] = "token"
    optimizer: Optimizer = Optimizer()

    @model_validator(mode="after")
    def _a_group_has_members(self) -> Self:
        if self.group_size == 1:
            raise ValueError("group_size 1 has no baseline: use at least 2")
        return self


class SFT(Section):
    type: Literal["sft"] = "sft"
    epochs: int | list[int] = 1
    optimizer: Optimizer = Optimizer()


class Recipe(Section):
    name: str = Field(..., pattern="^[a-z0-9-]+$")
    seed: int = 0
    stops: tuple[str, ...] = Field(default=(), max_length=2)
    path: Path | None = None
    stages: dict[str, Annotated[RL | SFT, Field(discriminator="type")]] = Field(default={})

    @model_validator(mode="after")
    def _stages_differ(self) -> Self:
        for name in self.stages:
            if name == "all":
                raise ValueError("stages.all: this name means every stage, choose another")
        return self
