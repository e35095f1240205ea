"""Which prompts come next."""

from __future__ import annotations

from reasonforge.core.records import Problem
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.rl.curriculum import StagedProblems, open_pools
from reasonforge.stages.rl.watch_config import Curriculum
from reasonforge.tasks.streams import ProblemStream


class PromptSource:
    """Problems and their rendered prompts, drawn one after the other. How far it has come is the memory of ``problems``."""

    def __init__(self, problems: list[Problem] | ProblemStream, bundle: Bundle, *, curriculum: Curriculum | None = None, seed: int) -> None:
        """Raises:
        DataError: a prompt of a list does not fit the model's context, or a curriculum has an empty stage.
        """
        if isinstance(problems, list):
            bundle.prompts(problems)  # a prompt that does not fit is better found now than at step 300
        self.problems = StagedProblems(open_pools(problems, curriculum, seed=seed), curriculum, seed=seed)
        self._bundle = bundle

    def go_to(self, draw: int) -> None:
        """Go on with a draw, counted from 0. Not with a curriculum, whose next problem depends on how training went."""
        self.problems.go_to(draw)

    def take(self, count: int) -> tuple[list[Problem], list[tuple[int, ...]]]:
        """Return the next problems and their prompts."""
        problems = self.problems.draw(count)
        return problems, self._bundle.prompts(problems)
