"""Which problems come next: one pool of them, or a curriculum of pools from easy to hard.

Source:
    The curriculum of two and five stages is that of GRPO reports on MATH (levels 1 to 5); when a stage ends is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.stages.order import ShuffledOrder
from reasonforge.stages.rl.watch_config import Curriculum
from reasonforge.tasks.streams import ProblemStream


class Pool(Protocol):
    """Endless problems: draw ``i`` needs no earlier draw."""

    def __getitem__(self, index: int, /) -> Problem:
        """Return draw ``index``."""
        ...


class ShuffledProblems:
    """A list of problems without end, in a new order every epoch."""

    def __init__(self, problems: Sequence[Problem], *, seed: int) -> None:
        self._problems = problems
        self._order = ShuffledOrder(len(problems), seed=seed)

    def __getitem__(self, draw: int) -> Problem:
        return self._problems[self._order[draw]]


class StagedProblems:
    """Draws problems from the pool of the stage that training has reached. Its memory is JSON-able."""

    def __init__(self, pools: Sequence[Pool], config: Curriculum | None, *, seed: int) -> None:
        """Args:
        pools: one per stage, easiest first; :func:`open_pools` makes them.
        config: when stages change; None = there is one.
        seed: of the choice between earlier stages and this one.
        """
        assert len(pools) == 1 or config is not None
        self._pools = pools
        self._config = config
        self._seed = seed
        self._stage = 0
        self._draws = [0] * len(pools)
        self._steps = 0  # in this stage
        self._streak = 0  # of them, the last in a row above the accuracy asked for

    @property
    def stage(self) -> int:
        """The stage reached; 0 = the first."""
        return self._stage

    @property
    def num_stages(self) -> int:
        """Stages in all."""
        return len(self._pools)

    def go_to(self, draw: int) -> None:
        """Go on with a draw of the one pool there is."""
        assert len(self._pools) == 1
        self._draws = [draw]

    def draw(self, count: int) -> list[Problem]:
        """Return the next problems."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Problem:
        stage = self._stage
        if self._config is not None and self._config.old_share and stage:
            rng = np.random.default_rng(derive_seed(self._seed, "old", sum(self._draws)))
            if rng.random() < self._config.old_share:
                stage = int(rng.integers(stage))
        self._draws[stage] += 1
        return self._pools[stage][self._draws[stage] - 1]

    def update(self, accuracy: float) -> bool:
        """Take in a step's training accuracy; return whether the next stage begins."""
        if self._config is None or self._stage == len(self._pools) - 1:
            return False
        self._steps += 1
        self._streak = self._streak + 1 if accuracy > self._config.accuracy else 0
        if self._config.steps is not None:
            is_over = self._steps >= self._config.steps[self._stage]
        else:
            is_over = self._streak >= self._config.window
        if is_over:
            self._stage, self._steps, self._streak = self._stage + 1, 0, 0
        return is_over

    def state(self) -> dict[str, Any]:
        """Return the memory."""
        return {"stage": self._stage, "draws": list(self._draws), "steps": self._steps, "streak": self._streak}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` gave."""
        self._stage, self._steps, self._streak = state["stage"], state["steps"], state["streak"]
        self._draws = list(state["draws"])


def open_pools(problems: Sequence[Problem] | ProblemStream, config: Curriculum | None, *, seed: int) -> list[Pool]:
    """Return the pool of each stage, easiest first.

    Raises:
        RecipeError: a task stream does not have the levels, or too few of them.
        DataError: problems state no difficulty, or a stage has none of them.
    """
    if isinstance(problems, ProblemStream):
        return [problems] if config is None else [problems.at_levels(*levels) for levels in _stream_levels(problems, config)]
    lists = [list(problems)] if config is None else split_by_difficulty(problems, config)
    # A single pool keeps the seed as it is; pools of a curriculum must not walk in step.
    seeds = [seed] if config is None else [derive_seed(seed, "pool", number) for number in range(len(lists))]
    return [ShuffledProblems(pool, seed=pool_seed) for pool, pool_seed in zip(lists, seeds)]


def split_by_difficulty(problems: Sequence[Problem], config: Curriculum) -> list[list[Problem]]:
    """Return the problems of each stage, easiest first. Problems outside all ``levels`` are left out.

    Raises:
        DataError: problems state no difficulty, or a stage has none of them.
    """
    unknown = [problem.id for problem in problems if problem.difficulty is None]
    if unknown:
        raise DataError(
            f"curriculum: {len(unknown)} of {len(problems)} problems state no difficulty (e.g. {unknown[0]}). "
            "Name its column (fields.difficulty), or measure it with a select stage"
        )
    levels = [problem.difficulty or 0 for problem in problems]
    if config.num_stages is not None:
        # Stable: problems of one difficulty keep their order, and a level may be cut in two.
        order = np.argsort(levels, kind="stable")
        stages = [[problems[i] for i in sorted(part)] for part in np.array_split(order, config.num_stages)]
    else:
        stages = [[problem for problem, level in zip(problems, levels) if low <= level <= high] for low, high in config.levels]
    empty = next((number for number, stage in enumerate(stages, 1) if not stage), None)
    if empty is not None:
        raise DataError(f"curriculum: stage {empty} has no problem (difficulties {min(levels)} to {max(levels)}, {len(levels)} problems)")
    return stages


def _stream_levels(stream: ProblemStream, config: Curriculum) -> Sequence[tuple[int, int]]:
    if config.num_stages is None:
        return config.levels
    low, high = stream.levels
    parts = np.array_split(np.arange(low, high + 1), config.num_stages)
    if len(parts[-1]) == 0:
        raise RecipeError(f"curriculum: num_stages {config.num_stages} needs as many levels, the task's data has {low} to {high}")
    return [(int(part[0]), int(part[-1])) for part in parts]
