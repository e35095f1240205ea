"""Sums over the members of a group, where groups are told apart by explicit ids and may differ in size.

Explicit ids survive what positions do not: a dropped sample, a prompt drawn twice, a group cut by a filter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which of the ``P`` groups each of the ``N`` samples belongs to."""

    group_of: Int[Tensor, " N"]
    """0 .. P-1."""
    sizes: Int[Tensor, " P"]
    """Members of each group, at least 1."""

    def sums(self, values: Float[Tensor, " N"]) -> Float[Tensor, " P"]:
        """Return each group's sum."""
        return values.new_zeros(len(self.sizes)).index_add_(0, self.group_of, values)

    def means(self, values: Float[Tensor, " N"]) -> Float[Tensor, " P"]:
        """Return each group's mean."""
        return self.sums(values) / self.sizes

    def are_constant(self, values: Float[Tensor, " N"]) -> Bool[Tensor, " P"]:
        """Return, per group, whether all members have the same value. Exact: a computed variance of equal floats need not be 0.

        A NaN equals nothing, so it makes its group vary, and whatever is computed from it stays NaN.
        """
        empty = values.new_zeros(len(self.sizes))
        low = empty.scatter_reduce(0, self.group_of, values, "amin", include_self=False)
        high = empty.scatter_reduce(0, self.group_of, values, "amax", include_self=False)
        return low == high


def group_by(groups: Int[Tensor, " N"]) -> Grouping:
    """Number the groups 0 .. P-1 in order of their ids; the ids themselves are arbitrary integers."""
    _, group_of, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    return Grouping(group_of, sizes)
