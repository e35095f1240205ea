"""How much likelier the policy makes what was sampled than the policy that sampled it.

Ratios inside a surrogate carry gradient; importance weights (between sampler and learner, both fixed) do not.
"""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

from reasonforge.objectives.samples import sample_means

MAX_LOG_RATIO = 20.0
"""Nats. ``exp`` overflows float32 at 88.7, and an infinity times an advantage of 0 is NaN for the whole step. At 20 the ratio is 5e8, far
outside any trust region, so the clamp (whose gradient is 0) never touches a token that a surrogate would still learn from sensibly."""


def token_ratio(logprobs: Float[Tensor, "B T"], old_logprobs: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Return ``pi_theta / pi_old`` of each token.

    Source:
        PPO (arXiv:1707.06347), Eq. 6; DeepSeekMath (arXiv:2402.03300), Eq. 3.
    """
    return _bounded_exp(logprobs - old_logprobs)


def sequence_ratio(
    logprobs: Float[Tensor, "B T"],
    old_logprobs: Float[Tensor, "B T"],
    *,
    loss_mask: Bool[Tensor, "B T"],
    samples: Int[Tensor, "B T"],
    num_samples: int,
) -> Float[Tensor, "B T"]:
    """Return at each token the geometric mean of its sample's token ratios; 1 where masked.

    The gradient of one entry reaches all tokens of its sample.

    Source:
        GSPO (arXiv:2507.18071), Eq. 7.
    """
    means = sample_means(logprobs - old_logprobs, loss_mask=loss_mask, samples=samples, num_samples=num_samples)
    return _bounded_exp(means[samples] * loss_mask)


def sequence_ratio_token_gradient(
    logprobs: Float[Tensor, "B T"],
    old_logprobs: Float[Tensor, "B T"],
    *,
    loss_mask: Bool[Tensor, "B T"],
    samples: Int[Tensor, "B T"],
    num_samples: int,
) -> Float[Tensor, "B T"]:
    """Return ``sequence_ratio``'s values with the gradient of each token's own log-probability.

    With one advantage per sample it learns what ``sequence_ratio`` does; advantages may then differ from token to token.

    Source:
        GSPO (arXiv:2507.18071), Eq. 14 (GSPO-token).
    """
    value = sequence_ratio(logprobs.detach(), old_logprobs, loss_mask=loss_mask, samples=samples, num_samples=num_samples)
    return value * (logprobs - logprobs.detach()).exp()


def truncated_importance_weights(
    learner_logprobs: Float[Tensor, "B T"], sampler_logprobs: Float[Tensor, "B T"], *, cap: float = 2.0
) -> Float[Tensor, "B T"]:
    """Return ``min(pi_learner / pi_sampler, cap)`` per token, without gradient: corrects for a sampler whose numbers differ.

    Multiply the surrogate by it. Truncation bounds the variance at the price of a bias for tokens the sampler made too rare.

    Source:
        Espeholt et al. (arXiv:1802.01561), Eq. 1; applied to engine mismatch as truncated importance sampling (TIS).
    """
    return _bounded_exp((learner_logprobs - sampler_logprobs).detach()).clamp(max=cap)


def sequence_importance_mask(
    learner_logprobs: Float[Tensor, "B T"],
    sampler_logprobs: Float[Tensor, "B T"],
    *,
    loss_mask: Bool[Tensor, "B T"],
    samples: Int[Tensor, "B T"],
    num_samples: int,
    low: float = 0.5,
    high: float = 2.0,
) -> Bool[Tensor, "B T"]:
    """Return True at the tokens of samples whose geometric-mean ratio learner / sampler lies within ``[low, high]``.

    The geometric mean does not depend on length; a bound on the product of ratios masks every long sample sooner or later.
    """
    ratio = sequence_ratio(learner_logprobs.detach(), sampler_logprobs, loss_mask=loss_mask, samples=samples, num_samples=num_samples)
    return loss_mask & (ratio >= low) & (ratio <= high)


def _bounded_exp(log_ratio: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    return log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
