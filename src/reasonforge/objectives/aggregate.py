"""How token terms become one number: a weight per sample, counted once over all samples of an optimizer step.

Every paper's averaging is a sum of token terms with one weight per sample. Counting the weights before any forward pass makes the loss a
plain sum, so no split into micro-batches, rows or ranks can change it.

``token_counts[i]`` is the number of tokens sample ``i`` learns from. A sample with none has weight 0 and still counts as a sample: where
samples are counted, a masked completion leaves the others' weights as they were. Leave it out of the call to have it otherwise. Weights are
float64.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reasonforge.objectives.groups import group_by


def sequence_mean_token_mean(token_counts: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return ``1 / (N n_i)``: the mean over samples of the mean over their tokens. Scope: sequence, then step.

    Tokens of long completions weigh less, whether right or wrong.

    Source:
        GRPO, DeepSeekMath (arXiv:2402.03300), Eq. 3.
    """
    return _inverse(token_counts * len(token_counts), token_counts)


def token_mean(token_counts: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return ``1 / sum n``: the mean over all tokens of the step. Scope: step.

    Source:
        The usual reading of DAPO (arXiv:2503.14476), section 3.3; CISPO (arXiv:2506.13585), Eq. 4.
    """
    return _inverse(token_counts.sum().expand_as(token_counts), token_counts)


def group_token_mean(token_counts: Int[Tensor, " N"], groups: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return ``1 / (P * tokens of the sample's group)``: the mean over groups of the mean over their tokens. Scope: group, then step.

    Groups without any token still count among the ``P``.

    Source:
        DAPO (arXiv:2503.14476), Eq. 8 as printed.
    """
    grouping = group_by(groups)
    group_tokens = grouping.sums(token_counts.double())[grouping.group_of]
    return _inverse(group_tokens * len(grouping.sizes), token_counts)


def sequence_mean_token_sum(token_counts: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return ``1 / N``: the mean over samples of the sum over their tokens, the policy gradient of whole sequences. Scope: step.

    Source:
        RLOO (arXiv:2402.14740).
    """
    return _inverse(torch.full_like(token_counts, len(token_counts)), token_counts)


def constant_length(token_counts: Int[Tensor, " N"], *, max_tokens: int) -> Float[Tensor, " N"]:
    """Return ``1 / (N max_tokens)``: every token weighs the same, however long its completion and the others. Scope: step.

    Args:
        token_counts: tokens each sample learns from.
        max_tokens: a constant of the run: the generation limit.

    Source:
        Dr.GRPO (arXiv:2503.20783), section 3.2.
    """
    return _inverse(torch.full_like(token_counts, len(token_counts) * max_tokens), token_counts)


def constant_length_sum(token_counts: Int[Tensor, " N"], *, max_tokens: int) -> Float[Tensor, " N"]:
    """Return ``1 / max_tokens``: like ``constant_length`` without the mean over samples, so the loss grows with the batch.

    Source:
        verl's ``seq-mean-token-sum-norm``.
    """
    return _inverse(torch.full_like(token_counts, max_tokens), token_counts)


def aggregate(token_values: Float[Tensor, "B T"], loss_weights: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Return the weighted sum of token terms: this batch's share of the step's loss."""
    return (token_values * loss_weights).sum()


def _inverse(denominators: Tensor, token_counts: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
    return torch.where(token_counts > 0, 1.0 / denominators.double(), 0.0)
