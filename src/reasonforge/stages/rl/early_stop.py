"""The best evaluation so far, and when to stop waiting for a better one.

Held-out accuracy decides, not the training reward: that goes on rising when a policy learns to please it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reasonforge.stages.rl.watch_config import EarlyStop


class BestSoFar:
    """Remembers the best evaluation of a stage. Its memory is JSON-able."""

    def __init__(self, config: EarlyStop | None) -> None:
        """``config`` says how long to wait; None = for ever."""
        self._config = config
        self.step: int | None = None
        """Steps done at the best evaluation; None = there was none yet."""
        self.accuracy = float("-inf")
        """Of the best evaluation."""
        self._waited = 0

    @property
    def is_newest(self) -> bool:
        """Return whether the last evaluation is the best one."""
        return self.step is not None and self._waited == 0

    def update(self, step: int, accuracy: float) -> bool:
        """Take in an evaluation; return whether to stop."""
        if self.step is None or accuracy > self.accuracy + (self._config.min_delta if self._config else 0.0):
            self.step, self.accuracy, self._waited = step, accuracy, 0
        else:
            self._waited += 1
        return self._config is not None and self._waited >= self._config.patience

    def state(self) -> dict[str, Any]:
        """Return the memory."""
        return {"step": self.step, "accuracy": self.accuracy if self.step is not None else None, "waited": self._waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` gave."""
        self.step, self._waited = state["step"], state["waited"]
        self.accuracy = float("-inf") if state["accuracy"] is None else state["accuracy"]
