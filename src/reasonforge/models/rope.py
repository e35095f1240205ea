"""Rotary position embedding: how fast each pair of a head turns, and the turning.

A rotation of a pair is a multiplication of a complex number, so heads are kept with the two members of a pair side by side
(``pair_rows``) while checkpoints store the first members of all pairs before the second ones. Scores cannot see the order, since queries
and keys share it, and one complex product is 3 to 10 times faster on a CPU than products and sums of half heads.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from reasonforge.models.config import DecoderShape, LinearScaling, Llama3Scaling, RopeScaling, YarnScaling
from reasonforge.models.norm import RMSNorm, unit_rms, unit_rms_backward


def inverse_frequencies(head_dim: int, theta: float, scaling: RopeScaling | None) -> list[float]:
    """Return the radians per position of each of the ``head_dim / 2`` pairs, in double precision.

    >>> inverse_frequencies(4, 10_000.0, None)
    [1.0, 0.01]

    Source:
        RoFormer (arXiv:2104.09864), Eq. 15; Position Interpolation (arXiv:2306.15595); YaRN (arXiv:2309.00071).
    """
    plain = [theta ** (-2 * pair / head_dim) for pair in range(head_dim // 2)]
    match scaling:
        case None:
            return plain
        case LinearScaling():
            return [frequency / scaling.factor for frequency in plain]
        case Llama3Scaling():
            return [_llama3_frequency(frequency, scaling) for frequency in plain]
        case YarnScaling():
            return _yarn_frequencies(plain, theta, scaling)


def _llama3_frequency(frequency: float, scaling: Llama3Scaling) -> float:
    """Keep a pair that turns often within the original context, slow a slow one down by ``factor``, blend in between."""
    turns = scaling.original_max_positions * frequency / (2 * math.pi)
    kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    kept = min(max(kept, 0.0), 1.0)
    return kept * frequency + (1 - kept) * frequency / scaling.factor


def _yarn_frequencies(plain: list[float], theta: float, scaling: YarnScaling) -> list[float]:
    """Keep pairs that turn more than ``beta_fast`` times in the original context, slow down those below ``beta_slow``.

    In between the blend is linear in the pair's index; the borders are rounded outwards to whole indices, as released models were trained.
    """
    head_dim = 2 * len(plain)

    def border(turns: float) -> float:
        return head_dim * math.log(scaling.original_max_positions / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(border(scaling.beta_fast)), 0)
    high = min(math.ceil(border(scaling.beta_slow)), head_dim - 1)
    width = max(high - low, 0.001)
    slowed = [min(max((pair - low) / width, 0.0), 1.0) for pair in range(len(plain))]
    return [share * frequency / scaling.factor + (1 - share) * frequency for share, frequency in zip(slowed, plain)]


def attention_factor(scaling: RopeScaling | None) -> float:
    """Return what rotated queries and keys are stretched by: 1, but under YaRN more, which sharpens attention over long contexts.

    Source:
        YaRN (arXiv:2309.00071), Eq. 22 (its ``sqrt(1/t)``).
    """
    if not isinstance(scaling, YarnScaling):
        return 1.0
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    return 0.1 * math.log(max(scaling.factor, 1.0)) + 1.0


def rotation(positions: Int[Tensor, "B T"], shape: DecoderShape, *, dtype: torch.dtype) -> Complex[Tensor, "B T pairs"]:
    """Return the complex number each pair of a token's heads is multiplied by.

    Args:
        positions: position of each token within its own sequence.
        dtype: what the model computes in. Angles are float32 even for bfloat16, in which position 257 does not exist.
    """
    scaling = shape.rope_scaling
    frequencies = _frequency_tensor(shape.head_dim, shape.rope_theta, scaling, positions.device)  # pyright: ignore[reportArgumentType]
    angles = positions[..., None] * frequencies
    turns = torch.polar(torch.full_like(angles, attention_factor(scaling)), angles)
    return turns.to(torch.complex128) if dtype == torch.float64 else turns


@lru_cache(maxsize=32)
def _frequency_tensor(head_dim: int, theta: float, scaling: RopeScaling | None, device: torch.device) -> Float[Tensor, " pairs"]:
    # Not a module's buffer, which module.to(bfloat16) would round. And not an inference tensor even if sampling comes first.
    with torch.inference_mode(False):
        return torch.tensor(inverse_frequencies(head_dim, theta, scaling), dtype=torch.float32, device=device)


def pair_rows(rows: Float[Tensor, "W ..."], head_dim: int) -> Float[Tensor, "W ..."]:
    """Bring rows ``i`` and ``i + head_dim / 2`` of each head side by side: from the checkpoint's order to that of the rotation."""
    return rows.unflatten(0, (-1, 2, head_dim // 2)).transpose(1, 2).flatten(0, 2)


def normalise_and_rotate(
    heads: Float[Tensor, "B T H head"], norm: RMSNorm | None, turns: Complex[Tensor, "B T pairs"]
) -> Float[Tensor, "B H T head"]:
    """Return heads (pairs side by side), normalised if there is a norm, turned, and laid out head by head for attention."""
    weight = None if norm is None else pair_rows(norm.weight, heads.shape[-1])
    return _NormaliseAndRotate.apply(heads, weight, turns, None if norm is None else norm.eps)  # pyright: ignore[reportReturnType]


class _NormaliseAndRotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heads: Tensor, weight: Tensor | None, turns: Tensor, eps: float | None) -> Tensor:
        wide, unit, inverse_rms = heads.to(turns.real.dtype), None, None
        if weight is not None and eps is not None:
            unit, inverse_rms = unit_rms(wide, eps)
            wide = unit * weight
        ctx.save_for_backward(unit, inverse_rms, weight, turns)
        ctx.dtype = heads.dtype
        return _turned_and_transposed(wide, turns[:, None]).to(heads.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        unit, inverse_rms, weight, turns = ctx.saved_tensors
        grad_heads, grad_weight = _turned_and_transposed(grad.to(turns.real.dtype), turns.conj()[:, :, None]), None
        if weight is not None:
            grad_heads, grad_weight = unit_rms_backward(grad_heads, unit, inverse_rms, weight)
        return grad_heads.to(ctx.dtype), grad_weight, None, None


def _turned_and_transposed(heads: Float[Tensor, "B X Y head"], turns: Complex[Tensor, "B _ _ pairs"]) -> Float[Tensor, "B Y X head"]:
    pairs = torch.view_as_complex(heads.contiguous().unflatten(-1, (-1, 2))).transpose(1, 2)
    turned = torch.empty(pairs.shape, dtype=pairs.dtype, device=pairs.device)
    return torch.view_as_real(torch.mul(pairs, turns, out=turned)).flatten(-2)
