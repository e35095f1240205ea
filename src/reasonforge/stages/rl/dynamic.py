"""Dynamic sampling: draw until enough groups can teach something.

Source:
    DAPO (arXiv:2503.14476), section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch

from reasonforge.core.rollouts import RolloutGroup
from reasonforge.objectives.advantages import has_signal
from reasonforge.stages.rl.axes import DynamicSampling

Value = TypeVar("Value")


class GroupPool:
    """Collects the groups of one step: all that were drawn, and those that are learned from."""

    def __init__(self, dynamic: DynamicSampling | None, *, wanted: int) -> None:
        """Args:
        dynamic: None = one batch is drawn and all of it is learned from.
        wanted: groups to learn from.
        """
        self._dynamic = dynamic
        self._wanted = wanted
        self._is_kept: list[bool] = []
        self.drawn: list[RolloutGroup] = []
        self.num_batches = 0

    @property
    def kept(self) -> list[RolloutGroup]:
        """The groups to learn from, in the order they were drawn."""
        return [group for group, is_kept in zip(self.drawn, self._is_kept) if is_kept]

    @property
    def wants_more(self) -> bool:
        """Whether another batch should be drawn."""
        if self._dynamic is None:
            return self.num_batches == 0
        return sum(self._is_kept) < self._wanted and self.num_batches < self._dynamic.max_batches

    def add(self, groups: Sequence[RolloutGroup]) -> None:
        """Take in a batch. Of groups with signal, only so many are kept as are wanted."""
        self.num_batches += 1
        self.drawn += groups
        for signal in [True] * len(groups) if self._dynamic is None else _with_signal(groups):
            self._is_kept.append(signal and sum(self._is_kept) < self._wanted)

    def over_all(self, of_kept: Sequence[Value], *, otherwise: Value) -> list[Value]:
        """Return one value per rollout drawn from one per rollout kept."""
        rest = iter(of_kept)
        return [next(rest) if is_kept else otherwise for group, is_kept in zip(self.drawn, self._is_kept) for _ in group.rollouts]

    def metrics(self) -> dict[str, float]:
        """Return what dynamic sampling cost; nothing without it."""
        if self._dynamic is None:
            return {}
        return {"sampling/batches": float(self.num_batches), "sampling/kept_groups": float(sum(self._is_kept))}

    @property
    def shortfall(self) -> str | None:
        """What to report when the cap was met before enough groups were there; None = there were enough."""
        kept = sum(self._is_kept)
        if self._dynamic is None or kept >= self._wanted:
            return None
        return f"{kept} of {self._wanted} groups have right and wrong completions after {self.num_batches} batches: training on those"


def _with_signal(groups: Sequence[RolloutGroup]) -> list[bool]:
    """Return, per group, whether it holds right and wrong completions; those that could not be scored are neither."""
    outcomes = [
        (i, m.verdict.correct) for i, group in enumerate(groups) for m in group.rollouts if m.verdict.status not in ("timeout", "error")
    ]
    if not outcomes:
        return [False] * len(groups)
    numbers = torch.tensor([number for number, _ in outcomes])
    found = has_signal(torch.tensor([correct for _, correct in outcomes]), numbers)
    having = set(numbers[found].tolist())
    return [number in having for number in range(len(groups))]
