"""Tensors that reach a model. Entry ``[b, t]`` of every per-token tensor is about ``targets[b, t]``; padding is on the right.

Axes: ``B`` rows, ``T`` positions. A row holds one sample (padded) or several (packed), told apart by ``segments``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBatch:
    """Token sequences, shifted: ``targets[b, t]`` is the token that follows ``inputs[b, t]``."""

    inputs: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]
    loss_mask: Bool[Tensor, "B T"]
    """True where the target is learned from. Only this says what counts; nothing reads a pad token's id to find out."""
    loss_weights: Float[Tensor, "B T"]
    """What each token's loss is multiplied by before summing: the aggregation's denominator, counted once over the whole optimizer
    step (``objectives.aggregate``). Zero where ``loss_mask`` is False. A sum over any split into micro-batches is the same loss."""
    positions: Int[Tensor, "B T"]
    """Position within the segment, for RoPE."""
    segments: Int[Tensor, "B T"]
    """0 = padding; 1, 2, ... = the samples of a packed row. Attention stays within a segment."""
    samples: Int[Tensor, "B T"]
    """Index of the sample within this batch (order of the list handed to ``collate``); 0 where padded, so mask before use."""
    num_samples: int

    @property
    def is_packed(self) -> bool:
        """True if some row holds more than one sample."""
        return bool((self.segments > 1).any())

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device."""
        return replace(self, **{f.name: v.to(device) for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyBatch(TokenBatch):
    """Token sequences with what a policy objective needs."""

    advantages: Float[Tensor, "B T"]
    """Zero where ``loss_mask`` is False."""
    sampler_logprobs: Float[Tensor, "B T"]
    old_logprobs: Float[Tensor, "B T"] | None = None
    """None = equal to the policy's own, gradient stopped (one update per step)."""
    ref_logprobs: Float[Tensor, "B T"] | None = None
    """None = no reference model."""
    values: Float[Tensor, "B T"] | None = None
    """None = no critic."""
    returns: Float[Tensor, "B T"] | None = None
    """None = no critic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardBatch(TokenBatch):
    """Token sequences with what a reward model is to say."""

    labels: Float[Tensor, "B T"]
    """1 = good, 0 = bad, or a probability in between; zero where ``loss_mask`` is False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceBatch(TokenBatch):
    """Token sequences with what the reference model says of them."""

    ref_logprobs: Float[Tensor, "B T"]
    """Zero where ``loss_mask`` is False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedBatch(TokenBatch):
    """Token sequences of a mixture."""

    sources: Float[Tensor, "B T"]
    """Number of the source; zero, which is a source too, where ``loss_mask`` is False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScores:
    """What the learner's head says of the targets; zero where ``loss_mask`` is False. There is no way to ask for all logits."""

    logprobs: Float[Tensor, "B T"]
    """log pi_theta of the targets at the sampling temperature; carries gradient."""
    entropy: Float[Tensor, "B T"]
    """Entropy of the next-token distribution in nats; carries gradient only if the learner was asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOutput:
    """A loss to minimise, already weighted by ``loss_weights``, and sums to report."""

    loss: Float[Tensor, ""]
    metrics: dict[str, Float[Tensor, ""]]
    """Each value is a share of the step's figure: summed over micro-batches it is the step's metric."""
