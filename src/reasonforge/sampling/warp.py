"""The distribution a token is drawn from, and the draw itself. The C step follows the same rules; the tests hold one against the other."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, UInt64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from reasonforge.core.rollouts import SamplingParams

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def warp_logits(logits: Float[Tensor, "R V"], params: SamplingParams) -> Float[Tensor, "R V"]:
    """Return float32 log-probabilities after temperature, then top-k, then top-p; dropped tokens are -inf.

    Both truncations keep or drop equal logits together, so the order of the vocabulary decides nothing: top-k keeps every token that
    ties with the k-th, top-p the smallest set of most likely tokens whose mass reaches ``top_p``, ties included.
    Greedy (temperature 0) picks the maximum; its log-probability is reported at temperature 1, untruncated.

    >>> logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    >>> warp_logits(logits, SamplingParams(max_new_tokens=1, top_p=0.7)).exp()
    tensor([[0.6250, 0.3750, 0.0000]])
    """
    scores = logits.float()
    if params.temperature == 0:
        return F.log_softmax(scores, dim=-1)
    scores = scores / params.temperature
    if 0 < params.top_k < scores.shape[-1]:
        kth = scores.topk(params.top_k, dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < kth, float("-inf"))
    if params.top_p < 1:
        ordered = scores.sort(dim=-1, descending=True).values
        mass = F.softmax(ordered.double(), dim=-1).cumsum(-1)
        # Index of the first token that reaches top_p: everything less likely goes.
        last = (mass < params.top_p).sum(-1, keepdim=True).clamp_max(scores.shape[-1] - 1)
        scores = scores.masked_fill(scores < ordered.gather(-1, last), float("-inf"))
    return F.log_softmax(scores, dim=-1)


def uniforms(seeds: UInt64[np.ndarray, " N"], positions: Int[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    """Return one number in [0, 1) per (seed, position): a function, not a stream, so no draw depends on which draws came before.

    Args:
        seeds: of the completions.
        positions: of the tokens to draw, counted from the start of the prompt.

    Source:
        splitmix64's finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), applied twice.
    """
    bits = _mix64(_mix64(seeds + _GOLDEN) + (positions.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def draw_tokens(logprobs: Float[Tensor, "R V"], draws: Float64[Tensor, " R"]) -> Int[Tensor, " R"]:
    """Return the first token whose cumulative probability exceeds the draw, summed in vocabulary order in double precision."""
    cumulative = logprobs.double().exp().cumsum(-1)
    targets = draws[:, None] * cumulative[:, -1:]
    # u < 1 keeps the target below the total, but for rounding; then the last token with any mass is meant.
    tokens = torch.searchsorted(cumulative, targets, right=True)
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())
    return torch.minimum(tokens, last).squeeze(-1)
