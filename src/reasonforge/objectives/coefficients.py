"""The number that multiplies ``grad log pi(o_t)`` in each method: what the methods have in common, for logging and for tests.

``grad J = E[1/|o| sum_t GC_t grad log pi_theta(o_t | q, o_<t)]``, on-policy. Training uses autograd; these are what it amounts to.

Source: DeepSeekMath (arXiv:2402.03300), section 5.2.1 and appendix A.1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def sft(logprobs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return 1 at every token.

    Source:
        Eq. 7.
    """
    return torch.ones_like(logprobs)


def rejection(correct: Bool[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return 1 for a right answer, 0 for a wrong one; RFT and online RFT alike.

    Source:
        Eq. 10.
    """
    return correct.float()


def ppo(advantages: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the advantage.

    Source:
        Eq. 18.
    """
    return advantages.clone()


def grpo(
    advantages: Float[Tensor, "*shape"],
    *,
    logprobs: Float[Tensor, "*shape"],
    ref_logprobs: Float[Tensor, "*shape"],
    kl_coef: float,
) -> Float[Tensor, "*shape"]:
    """Return ``A + kl_coef (pi_ref / pi_theta - 1)``: the second term is minus the gradient of ``kl_k3``.

    Source:
        Eq. 21.
    """
    return advantages + kl_coef * torch.expm1(ref_logprobs - logprobs)


class PairCoefficients(NamedTuple):
    """Coefficients of the two completions of each pair."""

    chosen: Float[Tensor, " P"]
    rejected: Float[Tensor, " P"]


def dpo(chosen_log_ratios: Float[Tensor, " P"], rejected_log_ratios: Float[Tensor, " P"], *, beta: float) -> PairCoefficients:
    """Return ``+- beta sigma(beta (rejected - chosen))``, one number for all tokens of a completion.

    The paper prints the sigmoid per token and without ``beta``; differentiating its own loss gives this.

    Source:
        Eq. 14; DPO (arXiv:2305.18290), section 4.
    """
    coefficient = beta * torch.sigmoid(beta * (rejected_log_ratios - chosen_log_ratios))
    return PairCoefficients(coefficient, -coefficient)
