"""Imitation: make the tokens of the data likelier."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def nll(logprobs: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Return the negative log-likelihood of each token, in nats: the loss of pre-training, SFT, RFT and distillation.

    Source:
        DeepSeekMath (arXiv:2402.03300), Eq. 6 (SFT) and Eq. 8 (RFT); they differ in the data, not here.
    """
    return -logprobs
