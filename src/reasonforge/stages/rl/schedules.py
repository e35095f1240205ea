"""Values that change while a policy trains: straight lines over the steps, and the length limit of progressive context."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from reasonforge.stages.rl.trend import trend_of
from reasonforge.stages.rl.watch_config import ContextSchedule


def value_at(step: int, start: float, points: Sequence[tuple[int, float]]) -> float:
    """Return the value at a step of straight lines from ``start`` at step 0 through the points; after the last point it stays.

    >>> [value_at(step, 0.04, [(100, 0.02)]) for step in (0, 50, 100, 500)]
    [0.04, 0.03, 0.02, 0.02]
    """
    corners = [(0, start), *points]
    after = bisect.bisect_right(corners, step, key=lambda corner: corner[0])
    (first_step, first), (last_step, last) = corners[after - 1], corners[min(after, len(corners) - 1)]
    if last_step <= first_step:
        return last
    return first + (last - first) * (step - first_step) / (last_step - first_step)


class ContextLimit:
    """The length limit of completions as training stands. Its memory is JSON-able.

    Source:
        DeepScaleR (Luo et al., 2025): 8K, 16K, 24K by hand; the rule is ours.
    """

    def __init__(self, config: ContextSchedule | None, *, longest: int) -> None:
        """Args:
        config: the limits before the last; None = there are none.
        longest: the last limit.
        """
        self._config = config
        self._limits = (*(config.lengths if config else ()), longest)
        self._place = 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=config.window if config else 1)

    @property
    def max_new_tokens(self) -> int:
        """The limit of the step to come."""
        return self._limits[self._place]

    def update(self, step: int, *, reward: float, clipped_share: float) -> bool:
        """Take in a step; return whether the limit grew.

        Args:
            step: steps done.
            reward: mean reward of the step.
            clipped_share: share of its completions that ran into the limit.
        """
        if self._config is None or self._place == len(self._limits) - 1:
            return False
        self._recent.append((reward, clipped_share))
        if not (step >= self._config.at_steps[self._place] if self._config.at_steps else self._is_held_back(self._config)):
            return False
        self._place += 1
        self._recent.clear()
        return True

    def _is_held_back(self, config: ContextSchedule) -> bool:
        """Return whether completions run into the limit and the reward does not rise."""
        if len(self._recent) < config.window:
            return False
        rewards, shares = zip(*self._recent)
        return sum(shares) / len(shares) > config.clipped_share and trend_of(rewards).slope <= 0

    def state(self) -> dict[str, Any]:
        """Return the memory."""
        return {"place": self._place, "recent": [list(pair) for pair in self._recent]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` gave."""
        self._place = state["place"]
        self._recent.clear()
        self._recent.extend((reward, share) for reward, share in state["recent"])
