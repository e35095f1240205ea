"""Which problems a sampling stage asks. Torch-free: the dry run counts them too."""

from __future__ import annotations

from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Problem
from reasonforge.stages.sample.config import SampleConfig
from reasonforge.tasks.streams import ProblemStream


def problems_to_sample(problems: list[Problem] | ProblemStream, config: SampleConfig, *, name: str) -> list[Problem]:
    """Return the problems of a table that a stage asks.

    Args:
        problems: the table's.
        config: the stage's settings.
        name: the stage's.

    Raises:
        RecipeError: the table is an endless stream and no number is set, or it holds fewer than that.
    """
    if not isinstance(problems, list):
        if config.num_problems is None:
            raise RecipeError(f"{name}: data {config.data!r} is an endless stream: set num_problems, or give the table a count")
        return problems.take_different(config.num_problems)
    if config.num_problems is not None and config.num_problems > len(problems):
        raise RecipeError(f"{name}: num_problems is {config.num_problems}, but data {config.data!r} holds {len(problems)} problems")
    return problems[: config.num_problems]
