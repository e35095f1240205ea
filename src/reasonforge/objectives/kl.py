"""Divergence from a reference policy, estimated at sampled tokens, in nats.

With ``d = log pi_theta - log pi_ref`` at a token drawn from pi_theta. What an estimator is worth depends on where it is put:

====================  =====================  ====================================================
estimator             expected value         expected gradient as a loss on fixed samples
====================  =====================  ====================================================
``k1``  d             KL(theta || ref)       0: useless as a loss, right in a reward
``k2``  d^2 / 2       biased                 that of KL(theta || ref)
``k3``  e^-d + d - 1  KL(theta || ref)       that of KL(ref || theta); GRPO's choice
``k3_plus``           as k3                  as k2
``k3_weighted``       as k3                  that of KL(theta || ref), also off-policy
====================  =====================  ====================================================

In a reward, where no gradient flows, take k1 (or k3 for less variance). Nothing here is cut off: beyond ``LINEAR_BEYOND`` nats the
exponential continues as a straight line, so a token far from the reference is pulled back with a large but finite gradient, where a
clamp on the estimate would let go of it.

Source: J. Schulman, "Approximating KL Divergence" (2020).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

LINEAR_BEYOND = 10.0
"""Nats. pi_ref / pi_theta > e^10 needs a token with pi_theta < 5e-5, so expectations under the policy hardly notice the line."""


def kl_k1(logprobs: Float[Tensor, "*shape"], ref_logprobs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Estimate KL(policy || reference) as ``log pi_theta - log pi_ref``: unbiased, of either sign. For rewards.

    Source:
        DeepSeekMath (arXiv:2402.03300), Eq. 2.
    """
    return logprobs - ref_logprobs


def kl_k2(logprobs: Float[Tensor, "*shape"], ref_logprobs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Estimate KL(policy || reference) as half the squared log-ratio: biased value, exact expected gradient. For losses."""
    return 0.5 * (logprobs - ref_logprobs).square()


def kl_k3(logprobs: Float[Tensor, "*shape"], ref_logprobs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Estimate KL(policy || reference) as ``r - log r - 1``, ``r = pi_ref / pi_theta``: unbiased, never negative.

    As a loss its expected gradient is that of KL(reference || policy).

    Args:
        logprobs: log pi_theta of the sampled tokens; carries gradient.
        ref_logprobs: log pi_ref of the same tokens.

    Source:
        DeepSeekMath (arXiv:2402.03300), Eq. 4.
    """
    log_ratio = ref_logprobs - logprobs
    # expm1, not exp - 1: near the reference the estimate is the square of a small number, which float32 would lose.
    exponential = torch.expm1(log_ratio.clamp(max=LINEAR_BEYOND))
    line = math.exp(LINEAR_BEYOND) * torch.relu(log_ratio - LINEAR_BEYOND)
    return exponential + line - log_ratio


def kl_k3_plus(logprobs: Float[Tensor, "*shape"], ref_logprobs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the value of ``kl_k3`` with the gradient of ``kl_k2``: unbiased value and exact expected gradient, on-policy. For losses."""
    gradient = kl_k2(logprobs, ref_logprobs)
    return kl_k3(logprobs, ref_logprobs).detach() + gradient - gradient.detach()


def kl_k3_weighted(
    logprobs: Float[Tensor, "*shape"], ref_logprobs: Float[Tensor, "*shape"], *, ratio: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Return ``ratio * kl_k3``: unbiased in value and gradient for samples of an older policy too. For losses.

    Args:
        logprobs: log pi_theta of the sampled tokens; carries gradient.
        ref_logprobs: log pi_ref of the same tokens.
        ratio: pi_theta / pi_old, with gradient: that is where the correction comes from. On-policy it is 1 and still needed.

    Source:
        DeepSeek-V3.2 (arXiv:2512.02556), section 3.1.
    """
    return ratio * kl_k3(logprobs, ref_logprobs)


def kl_exact(all_logprobs: Float[Tensor, "*shape V"], ref_all_logprobs: Float[Tensor, "*shape V"]) -> Float[Tensor, "*shape"]:
    """Return KL(policy || reference) over the whole vocabulary, in nats; for vocabularies small enough to hold.

    Args:
        all_logprobs: log-softmax of the policy, finite; carries gradient.
        ref_all_logprobs: log-softmax of the reference, finite.
    """
    return (all_logprobs.exp() * (all_logprobs - ref_all_logprobs)).sum(-1)
