"""Learning from pairs: one completion preferred to another."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reasonforge.objectives.samples import sample_means, sample_sums


class PreferenceLoss(NamedTuple):
    """A loss per pair to minimise, and the implicit rewards behind it (no gradient)."""

    loss: Float[Tensor, " P"]
    chosen_rewards: Float[Tensor, " P"]
    """``beta log(pi_theta / pi_ref)`` of the preferred completion, in nats."""
    rejected_rewards: Float[Tensor, " P"]


def dpo(
    chosen_log_ratios: Float[Tensor, " P"], rejected_log_ratios: Float[Tensor, " P"], *, beta: float = 0.1, label_smoothing: float = 0.0
) -> PreferenceLoss:
    """Return ``-(1 - s) log sigma(z) - s log sigma(-z)`` per pair, with ``z = beta (chosen - rejected)`` and s = ``label_smoothing``.

    Args:
        chosen_log_ratios: ``sequence_log_ratios`` of the preferred completions (``mean_token_log_ratios`` for the form that DeepSeekMath
            prints, Eq. 12); carries gradient.
        rejected_log_ratios: the same of the others; carries gradient.
        beta: strength of the pull to the reference.
        label_smoothing: chance that a pair stands the wrong way round, in [0, 0.5); the loss is then least at a finite margin.

    Source:
        DPO (arXiv:2305.18290), Eq. 7; with label smoothing, "conservative DPO" of the same authors' note (Mitchell, 2023), Eq. 3.
    """
    margins = beta * (chosen_log_ratios - rejected_log_ratios)
    loss = -(1 - label_smoothing) * F.logsigmoid(margins) - label_smoothing * F.logsigmoid(-margins)
    return PreferenceLoss(loss, beta * chosen_log_ratios.detach(), beta * rejected_log_ratios.detach())


def sequence_log_ratios(
    logprobs: Float[Tensor, "B T"],
    ref_logprobs: Float[Tensor, "B T"],
    *,
    loss_mask: Bool[Tensor, "B T"],
    samples: Int[Tensor, "B T"],
    num_samples: int,
) -> Float[Tensor, " N"]:
    """Return ``log pi_theta(o) - log pi_ref(o)`` of each whole completion, in nats."""
    return sample_sums(logprobs - ref_logprobs, loss_mask=loss_mask, samples=samples, num_samples=num_samples)


def mean_token_log_ratios(
    logprobs: Float[Tensor, "B T"],
    ref_logprobs: Float[Tensor, "B T"],
    *,
    loss_mask: Bool[Tensor, "B T"],
    samples: Int[Tensor, "B T"],
    num_samples: int,
) -> Float[Tensor, " N"]:
    """Return ``sequence_log_ratios`` divided by length (scope: sequence), in nats per token.

    Source:
        DeepSeekMath (arXiv:2402.03300), Eq. 12.
    """
    return sample_means(logprobs - ref_logprobs, loss_mask=loss_mask, samples=samples, num_samples=num_samples)
