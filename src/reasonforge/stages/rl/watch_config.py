"""Settings of what changes while a policy trains (schedules, context, curriculum) and of what watches it (early stop, monitor)."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from reasonforge.config.base import Section


def _in_order(points: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    steps = [step for step, _ in points]
    if any(step < 1 for step in steps) or any(later <= earlier for earlier, later in itertools.pairwise(steps)):
        raise ValueError("points are [step, value] with growing steps, the first at step 1 or later (step 0 has the setting's own value)")
    if any(value <= 0 for _, value in points):
        raise ValueError("every value must be above 0")
    return points


Points = Annotated[tuple[tuple[int, float], ...], AfterValidator(_in_order)]
"""(step, value) pairs. From the setting's own value at step 0 in straight lines through the points, then level."""


class Schedules(Section):
    """Values that change over the steps. Each starts at its own setting, runs in straight lines through the points, then stays."""

    kl_coef: Points = ()
    """``[step, value]`` pairs after ``kl.coef`` at step 0, e.g. ``[[500, 0.001]]``. Empty = constant."""
    temperature: Points = ()
    """``[step, value]`` pairs after ``sampling.temperature`` at step 0. Empty = constant. Evaluations keep a temperature of their own."""


class ContextSchedule(Section):
    """Short completions first: ``sampling.max_new_tokens`` is the last limit, these come before it."""

    lengths: tuple[int, ...] = Field(default=..., min_length=1)
    """Earlier limits in tokens, growing. DeepScaleR: ``[8192, 16384]`` before 24,576."""
    at_steps: tuple[int, ...] | None = None
    """Steps at which the next limit begins, one per length. None = by the rule of ``clipped_share`` and ``window``."""
    clipped_share: float = Field(default=0.1, gt=0, lt=1)
    """The next limit begins when over the last ``window`` steps a larger share of completions ran into the limit ..."""
    window: int = Field(default=20, ge=3)
    """... and the reward did not rise. Counted anew after each change."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.lengths[0] < 1 or _falls(self.lengths):
            raise ValueError(f"lengths {list(self.lengths)} must grow, from 1 or more")
        if self.at_steps is not None:
            if len(self.at_steps) != len(self.lengths):
                raise ValueError(f"at_steps names {len(self.at_steps)} changes, lengths has {len(self.lengths)}: one for each")
            if self.at_steps[0] < 1 or _falls(self.at_steps):
                raise ValueError(f"at_steps {list(self.at_steps)} must grow, from 1 or more")
            refuse_changed(self, ("clipped_share", "window"), because="at_steps fixes when the limit changes")
        return self


class Curriculum(Section):
    """Easy problems first: the data in stages by difficulty, which is the level the source states or what a select stage measured."""

    num_stages: int | None = Field(default=None, ge=2)
    """Cut the problems by difficulty into so many stages of about equal size. None = ``levels`` says which."""
    levels: tuple[tuple[int, int], ...] = ()
    """Easiest and hardest difficulty of each stage, both included, e.g. ``[[1, 3], [4, 5]]``. Empty = ``num_stages`` equal shares."""
    steps: tuple[int, ...] | None = None
    """Steps spent in each stage but the last. None = by the rule of ``accuracy`` and ``window``."""
    accuracy: float = Field(default=0.8, gt=0, lt=1)
    """The next stage begins when training accuracy was above this for ``window`` steps in a row."""
    window: int = Field(default=20, gt=0)
    old_share: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a prompt comes from an earlier stage instead; 0.1 keeps alive what was learned."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.num_stages is None) == (not self.levels):
            raise ValueError("state either num_stages or levels")
        if len(self.levels) == 1:
            raise ValueError("levels: one stage is no curriculum, name at least two")
        if any(low > high for low, high in self.levels):
            raise ValueError("levels: each is [easiest, hardest]")
        if self.steps is not None:
            changes = (self.num_stages or len(self.levels)) - 1
            if len(self.steps) != changes or min(self.steps) < 1:
                raise ValueError(f"steps needs {changes} whole numbers above 0: one for each stage but the last")
            refuse_changed(self, ("accuracy", "window"), because="steps fixes when stages change")
        return self


class EarlyStop(Section):
    """End the stage when held-out accuracy (``eval/pass@1``) rises no more; the stage ends with its best weights."""

    patience: int = Field(default=5, gt=0)
    """Evaluations without a new best before the stage ends."""
    min_delta: float = Field(default=0.0, ge=0, lt=1)
    """A new best is better by more than this."""


class HackingMonitor(Section):
    """Alarm when the reward rises while held-out accuracy, strictly graded, falls."""

    window: int = Field(default=5, ge=3)
    """The reward's slope is tested since accuracy was best, over no fewer evaluations than this."""
    p_value: float = Field(default=0.1, gt=0, lt=0.5)
    """The reward rises when a one-sided t-test of its slope is below this."""
    average: int = Field(default=3, gt=0)
    """Evaluations averaged, for the accuracy now and for the best before it."""
    min_drop: float = Field(default=0.02, ge=0, lt=1)
    """Accuracy has fallen when it is below its best by more than this ..."""
    standard_errors: float = Field(default=5.0, gt=0, le=7)
    """... and by more than so many standard errors of the difference, paired by problem. 5, because the best of many noisy evaluations is
    a lucky one: docs/watching.md has the simulation."""
    on_alarm: Literal["warn", "stop"] = "warn"
    """``stop`` ends the stage with the weights of its best evaluation."""


def refuse_changed(section: Section, names: tuple[str, ...], *, because: str) -> None:
    """Refuse settings that were changed and have no effect.

    Raises:
        ValueError: one of them differs from its default. (Not ``model_fields_set``: a run stores its recipe with all defaults.)
    """
    for name in names:
        if getattr(section, name) != type(section).model_fields[name].default:
            raise ValueError(f"{name} has no effect: {because}")


def _falls(numbers: tuple[int, ...]) -> bool:
    return any(later <= earlier for earlier, later in itertools.pairwise(numbers))
