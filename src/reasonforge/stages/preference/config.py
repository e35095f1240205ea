"""Settings of preference learning."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.rewards.config import GradingConfig
from reasonforge.sampling.config import SamplingConfig
from reasonforge.stages.sample.config import SampleConfig
from reasonforge.tasks.config import DataSource, LabelledSource, PairSource, RolloutSource
from reasonforge.training.config import Constant, Pack, TrainingConfig


class PreferenceIterations(Section):
    """Rounds of fresh pairs, drawn by the policy as it stands, which is the round's reference too."""

    rounds: int = Field(default=..., gt=0)
    prompts: int = Field(default=..., gt=0)
    """Problems asked in each round."""
    group_size: int = Field(default=..., gt=1)
    """Completions per problem."""
    sampling: SamplingConfig
    grading: GradingConfig = GradingConfig()
    max_quarantined_share: float = Field(default=0.05, ge=0, lt=1)
    """Problems whose own reference is not graded correct are left out; stop when they are a larger share."""
    max_failed_share: float = Field(default=0.1, ge=0, le=1)
    """Stop when a larger share of a round's completions could not be graded."""

    def as_sampling(self, data: str) -> SampleConfig:
        """Return the settings of a stage that asks the problems of a table as a round does."""
        shared = {name: getattr(self, name) for name in ("sampling", "grading", "max_quarantined_share", "max_failed_share")}
        return SampleConfig(data=data, samples=self.group_size, **shared)

    @model_validator(mode="after")
    def _draws_differ(self) -> Self:
        if self.sampling.temperature == 0:
            raise ValueError("sampling.temperature 0 draws the same completion each time, which makes no pair: use a temperature above 0")
        return self


class PreferenceConfig(Section):
    """DPO: make the better response of a pair likelier than the worse one, measured against a reference."""

    type: Literal["preference"] = "preference"
    data: str
    """Name of a table under ``data``: graded completions (``rollouts``) or ``pairs``; with ``iterations``, problems."""
    start: str | None = None
    """Earlier stage whose model is trained on, and the reference; ``start`` = the run's first model. None = the model as it stands."""
    beta: float = Field(default=0.1, gt=0)
    """Strength of the pull to the reference."""
    length_normalised: bool = False
    """Divide each response's log-ratio by its number of tokens, as DeepSeekMath prints it; beta is then in units per token."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Chance that a pair stands the wrong way round; 0 = verdicts are to be trusted."""
    max_pairs_per_problem: int | None = Field(default=None, gt=0)
    """Pairs of a problem's right and wrong completions, drawn so that few completions are used twice. None = 4 (graded completions)."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the pairs; with ``iterations``, over those of each round."""
    pairs_per_step: int = Field(default=64, gt=0)
    """Pairs per update."""
    iterations: PreferenceIterations | None = None
    """Learn from fresh pairs of the policy in several rounds (online DPO). None = the pairs are those of ``data``."""
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        if isinstance(self.training.batching, Pack):
            raise ValueError("training.batching pack cannot keep the two of a pair in one micro-batch: use bucket")
        if self.iterations is not None and not isinstance(self.training.schedule, Constant):
            raise ValueError(
                f"training.schedule {self.training.schedule.type} has no end to go to with iterations, since nobody knows how many pairs a "
                "round will give: use constant"
            )
        if self.iterations is not None and 2 * self.iterations.sampling.max_new_tokens >= self.training.max_tokens_per_device:
            raise ValueError(
                f"training.max_tokens_per_device is {self.training.max_tokens_per_device}, but two completions of "
                f"iterations.sampling.max_new_tokens {self.iterations.sampling.max_new_tokens} do not fit with their prompts: raise it"
            )
        return self

    @property
    def pairs_of_a_problem(self) -> int:
        """Return the most pairs that a problem's completions make."""
        return self.max_pairs_per_problem or 4

    def check_source(self, source: DataSource) -> None:
        """Refuse a data table that the stage cannot learn from.

        Raises:
            ValueError: it is of the wrong type, or holds completions of one sort only.
        """
        where = f"data {self.data!r}"
        if self.iterations is not None:
            if isinstance(source, RolloutSource | PairSource | LabelledSource):
                raise ValueError(f"{where} is of type {source.type}, but iterations draw completions themselves: name a table of problems")
            return
        if isinstance(source, PairSource):
            if self.max_pairs_per_problem is not None:
                raise ValueError(f"max_pairs_per_problem has no effect: {where} holds pairs already")
        elif not isinstance(source, RolloutSource):
            raise ValueError(
                f"{where} is of type {source.type}: pairs come from a table of type rollouts or pairs, or set iterations to draw them"
            )
        elif source.only != "all":
            raise ValueError(f"data.{self.data}.only is {source.only!r}: a pair needs a right and a wrong completion. Set only = 'all'")
