"""Settings of pre-training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.tasks.config import DataSource
from reasonforge.training.config import TrainingConfig


class SkillGate(Section):
    """Train until a skill is there, not for a fixed count: unforced accuracy flips between habits, forced accuracy does not."""

    evaluation: EvaluationConfig
    """Must set ``skill_prefix``."""
    min_accuracy: float = Field(default=0.95, gt=0, le=1)
    """Step skill that opens the gate."""
    every: int = Field(default=50, gt=0)
    """Steps between measurements, from step ``steps`` on."""
    max_steps: int = Field(default=..., gt=0)
    """Step at which the stage stops waiting for the skill and says so."""

    @model_validator(mode="after")
    def _has_prefix(self) -> Self:
        if self.evaluation.skill_prefix is None:
            raise ValueError("evaluation.skill_prefix is not set: the gate measures accuracy behind it")
        return self


class PretrainConfig(Section):
    """Next-token prediction; every token counts the same."""

    type: Literal["pretrain"] = "pretrain"
    data: str
    """Name of a table under ``data``."""
    start: str | None = None
    """Earlier stage whose model is trained on; ``start`` = the run's first model. None = the model as it stands."""
    content: Literal["documents", "solutions"] = "documents"
    """``documents``: the data's texts. ``solutions``: its problems with their solutions, laid out by the recipe's template."""
    steps: int = Field(default=..., gt=0)
    """Steps of the learning-rate schedule; without a gate, of the stage."""
    documents_per_step: int | None = Field(default=None, gt=0)
    """Documents, or windows of them, per update. Exactly one of ``documents_per_step``, ``tokens_per_step``."""
    tokens_per_step: int | None = Field(default=None, gt=0)
    """Tokens learned from per update, of packed shards: whole windows."""
    seq_len: int | None = Field(default=None, gt=0)
    """Tokens that a window of packed shards predicts. None = the model's context."""
    training: TrainingConfig = TrainingConfig()
    gate: SkillGate | None = None
    """None = stop after ``steps``."""

    @model_validator(mode="after")
    def _step_has_one_size(self) -> Self:
        if (self.documents_per_step is None) == (self.tokens_per_step is None):
            raise ValueError("give one of documents_per_step and tokens_per_step: the size of a step")
        return self

    @model_validator(mode="after")
    def _gate_can_open(self) -> Self:
        if self.gate is not None and self.gate.max_steps < self.steps:
            raise ValueError(f"gate.max_steps ({self.gate.max_steps}) is below steps ({self.steps}): the gate would never be asked")
        return self

    @property
    def most_steps(self) -> int:
        """Steps that the stage takes at most."""
        return self.steps if self.gate is None else self.gate.max_steps

    def check_source(self, source: DataSource) -> None:
        """Refuse settings that mean nothing for a data table of this type.

        Raises:
            ValueError: one does.
        """
        if source.type == "shards":
            if self.content != "documents":
                raise ValueError(f"content = {self.content!r} has no effect: data {self.data!r} is packed, it holds tokens")
            return
        for name in ("tokens_per_step", "seq_len"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} has no effect: data {self.data!r} is of type {source.type!r}; it is about packed shards")
