"""Which prompts a step trains on."""

from __future__ import annotations

from reasonforge.core.records import Problem
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.order import ShuffledOrder
from reasonforge.tasks.streams import ProblemStream


class PromptSource:
    """Problems and their rendered prompts, by step: a list in a new order every epoch, a stream read on."""

    def __init__(self, problems: list[Problem] | ProblemStream, bundle: Bundle, *, per_step: int, seed: int) -> None:
        """Raises:
        DataError: a prompt of a list does not fit the model's context.
        """
        self._problems = problems
        self._bundle = bundle
        self._per_step = per_step
        self._order = None
        if isinstance(problems, list):
            bundle.prompts(problems)  # a prompt that does not fit is better found now than at step 300
            self._order = ShuffledOrder(len(problems), seed=seed)

    def of_step(self, step: int) -> tuple[list[Problem], list[tuple[int, ...]]]:
        """Return the step's problems and prompts."""
        draws = range(step * self._per_step, (step + 1) * self._per_step)
        problems = [self._problems[draw if self._order is None else self._order[draw]] for draw in draws]
        return problems, self._bundle.prompts(problems)
