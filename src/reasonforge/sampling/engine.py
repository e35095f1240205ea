"""What the scheduler asks of a backend: one ragged step, and copying a prefix between slots."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from reasonforge.core.rollouts import Float32, Int32, SamplingParams

UInt64 = NDArray[np.uint64]

DIVERGED = "sampling: the model's logits are not finite: its weights have diverged. Resume from an earlier checkpoint."


class Drawn(NamedTuple):
    """Drawn tokens and their log-probabilities under the warp."""

    token_ids: Int32
    logprobs: Float32


class Step(NamedTuple):
    """Rows of one token each, and the draws to make from some of them. All arrays are contiguous.

    Rows of one slot stand in order of position.
    """

    token_ids: Int32
    positions: Int32
    slots: Int32
    draw_rows: Int32
    """Row whose next token is drawn, one entry per draw, non-decreasing: several draws may share a row and then its logits."""
    seeds: UInt64
    """Seed of each draw."""


class Engine(Protocol):
    """A model with a key/value cache of ``num_slots`` slots of ``context`` positions."""

    num_slots: int
    context: int
    max_rows: int

    def step(self, step: Step, params: SamplingParams) -> Drawn:
        """Feed all rows, then draw. A row's result depends on its slot's earlier tokens only.

        Raises:
            NonFiniteError: some logits are not numbers.
        """
        ...

    def copy_prefix(self, source: int, targets: list[int], num_tokens: int) -> None:
        """Give the target slots the first ``num_tokens`` positions of the source slot."""
        ...
