"""Settings of supervised fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from reasonforge.config.base import Section
from reasonforge.tasks.config import DataSource, RolloutSource
from reasonforge.training.config import TrainingConfig


class Readability(Section):
    """What a sampled completion must not have to be imitated; rejection sampling for a model that people read."""

    repetition: bool = True
    """Drop where twenty tokens (words, characters of Chinese) come three times, or the text compresses to less than a sixth."""
    max_foreign_share: float | None = Field(default=0.05, ge=0, lt=1)
    """Drop where a larger share of the words of the thinking is in another language than the problem. None = do not look."""
    max_paragraph_chars: int | None = Field(default=800, gt=0)
    """Drop where a paragraph is longer, in characters. None = do not look."""
    code_blocks: bool = False
    """Keep completions with blocks of code."""


class SFTConfig(Section):
    """Likelihood of worked solutions, or of a policy's own filtered completions; the prompt is not learned from."""

    type: Literal["sft"] = "sft"
    data: tuple[str, ...] = Field(default=..., min_length=1)
    """One table under ``data`` or several, mixed: problems with solutions, or completions (``rollouts``), which are learned from token
    by token as they were drawn."""
    start: str | None = None
    """Earlier stage whose model is trained on; ``start`` = the run's first model. None = the model as it stands."""
    epochs: float = Field(default=2.0, gt=0)
    examples_per_step: int = Field(default=128, gt=0)
    weighting: Literal["token", "example"] = "token"
    """Whether every token or every example counts the same."""
    readable: Readability | None = None
    """Filters of sampled completions, before ``distinct`` and ``max_per_problem`` of their table. None = none."""
    training: TrainingConfig = TrainingConfig()

    @field_validator("data", mode="before")
    @classmethod
    def _one_table_is_a_list_of_one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    def check_sources(self, sources: Sequence[DataSource]) -> None:
        """Refuse tables of completions that nobody should imitate.

        Raises:
            ValueError: wrong completions would be imitated, or ``readable`` has nothing to look at.
        """
        sampled = [(name, source) for name, source in zip(self.data, sources, strict=True) if isinstance(source, RolloutSource)]
        for name, source in sampled:
            if source.only != "correct":
                raise ValueError(f"data.{name}.only is {source.only!r}: fine-tuning would imitate wrong completions. Set only = 'correct'")
        if self.readable is not None and not sampled:
            raise ValueError("readable has no effect: it is about sampled completions, and no table of data is of type rollouts")
