"""Endless, lazily indexed problems and documents of procedural tasks, and the split that keeps train and test apart."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

from reasonforge.core.errors import RecipeError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Document, Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.tasks.config import TaskSource
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.registry import get_task

Split = Literal["train", "test", "all"]

TEST_BUCKETS, BUCKETS = 100, 1000
"""One problem in ten is a test problem. Fixed, not a setting: sources of different recipes and years stay disjoint."""
_MAX_ATTEMPTS = 2_000
_MAX_REPEATS_PER_PROBLEM = 40


def split_of(problem: Problem) -> Literal["train", "test"]:
    """Return the side that a task's problem belongs to. It depends on what is asked alone, so no two streams disagree."""
    # A hash of the id, not the id itself: whoever samples by id prefix elsewhere must not select one side.
    bucket = int(content_id(["split", problem.id]), 16) % BUCKETS
    return "test" if bucket < TEST_BUCKETS else "train"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A problem and a completion to imitate, which need not be right."""

    problem: Problem
    completion: str


class ProblemStream:
    """The endless problems of a task source. ``stream[i]`` is a pure function of source, seed and ``i``; there is no length."""

    def __init__(self, source: TaskSource, *, seed: int) -> None:
        self._task = get_task(source.task)
        self._levels = source.levels or self._task.levels
        self._split: Split = source.split
        self._language = source.language
        self._seed = source.seed if source.seed is not None else seed

    @property
    def levels(self) -> tuple[int, int]:
        """Easiest and hardest level, both included."""
        return self._levels

    def at_levels(self, low: int, high: int) -> ProblemStream:
        """Return the stream with problems of these levels alone.

        Raises:
            RecipeError: the stream does not have them.
        """
        if not self._levels[0] <= low <= high <= self._levels[1]:
            raise RecipeError(f"task {self._task.name}: levels [{low}, {high}] are not within its {self._levels[0]} to {self._levels[1]}")
        narrowed = copy.copy(self)
        narrowed._levels = (low, high)
        return narrowed

    def __getitem__(self, index: int) -> Problem:
        if index < 0:
            raise IndexError(f"problem {index} of an endless stream")
        for attempt in range(_MAX_ATTEMPTS):
            level = Draws(derive_seed(self._seed, "level", index, attempt)).between(*self._levels)
            problem = self._task.problem(derive_seed(self._seed, "attempt", attempt), index, level)
            if self._language in (None, problem.language) and self._split in ("all", split_of(problem)):
                return problem
        raise RecipeError(
            f"task {self._task.name}: none of {_MAX_ATTEMPTS} problems of levels {self._levels[0]} to {self._levels[1]} "
            f"is in split {self._split!r}: allow more levels"
        )

    def take_different(self, count: int) -> list[Problem]:
        """Return the first ``count`` problems with different prompts.

        Raises:
            RecipeError: the levels hold too few.
        """
        problems: dict[str, Problem] = {}
        index = 0
        while len(problems) < count:
            problem = self[index]
            problems.setdefault(problem.id, problem)
            index += 1
            if index > _MAX_REPEATS_PER_PROBLEM * (len(problems) + 1):
                raise RecipeError(
                    f"task {self._task.name}: levels {self._levels[0]} to {self._levels[1]} in split {self._split!r} hold about "
                    f"{len(problems)} different problems, {count} are wanted: lower count or allow more levels"
                )
        return list(problems.values())


class DemonstrationStream:
    """Written completions for the problems of a task source, in the mixture it states."""

    def __init__(self, source: TaskSource, *, seed: int) -> None:
        self._task = get_task(source.task)
        self._mixture = source.documents
        self._seed = source.seed if source.seed is not None else seed
        self._problems = ProblemStream(source, seed=seed)
        self._different = None if source.count is None else self._problems.take_different(source.count)

    def __getitem__(self, index: int) -> Demonstration:
        # With a count the problems come round again, written anew each time.
        problem = self._problems[index] if self._different is None else self._different[index % len(self._different)]
        draws = Draws(derive_seed(self._seed, "demonstration", index))
        habit = "think" if draws.chance(self._mixture.think_share) else "direct"
        return Demonstration(problem, self._task.completion(problem, draws, habit=habit, step_noise=self._mixture.step_noise))


class DocumentStream:
    """The same as text to pre-train on: prompt and completion, with the task's joint between them."""

    def __init__(self, source: TaskSource, *, seed: int) -> None:
        self._demonstrations = DemonstrationStream(source, seed=seed)
        self._joint = get_task(source.task).joint

    def __getitem__(self, index: int) -> Document:
        shown = self._demonstrations[index]
        text = shown.problem.question + self._joint + shown.completion
        return Document(id=content_id(text), text=text, source=shown.problem.source)
