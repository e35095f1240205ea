"""Matrices and embeddings: parameters in float32 under their Hugging Face names, zero until the decoder initialises or loads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from reasonforge.models.config import DecoderShape


class Linear(nn.Module):
    """A matrix and an optional bias. (``nn.Linear`` would draw its start from the global generator.)"""

    def __init__(self, in_width: int, out_width: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_width, in_width))
        self.bias = nn.Parameter(torch.zeros(out_width)) if bias else None


class Embedding(nn.Module):
    """A vector per token id."""

    def __init__(self, vocab_size: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vocab_size, width))

    def forward(self, token_ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n D"]:
        """Look the ids up."""
        return F.embedding(token_ids, self.weight)


class Affine(NamedTuple):
    """One or several ``Linear`` as they enter a product: stacked, in the compute dtype. Gradients flow to the parameters."""

    weight: Float[Tensor, "out in"]
    bias: Float[Tensor, " out"] | None

    def __call__(self, x: Float[Tensor, "*n in"]) -> Float[Tensor, "*n out"]:
        """Return ``x W^T + b``."""
        return F.linear(x, self.weight, self.bias)


def stacked(weights: Sequence[Tensor], biases: Sequence[Tensor | None], dtype: torch.dtype) -> Affine:
    """Make matrices that read the same input one matrix.

    One product instead of several, forward and twice backward: with 2048 rows on one core, 1.1 to 1.5 times faster in bfloat16.
    """
    present = [bias for bias in biases if bias is not None]
    return Affine(torch.cat(list(weights)).to(dtype), torch.cat(present).to(dtype) if present else None)


def single(linear: Linear, dtype: torch.dtype) -> Affine:
    """Cast one ``Linear``."""
    return Affine(linear.weight.to(dtype), None if linear.bias is None else linear.bias.to(dtype))


class SwiGLUWeights(NamedTuple):
    """What ``SwiGLU`` multiplies with."""

    gate_up: Affine
    down: Affine


class SwiGLU(nn.Module):
    """``down(silu(gate(x)) * up(x))``.

    Source:
        GLU Variants Improve Transformer (arXiv:2002.05202), Eq. 6.
    """

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.gate_proj = Linear(shape.hidden_size, shape.intermediate_size, bias=shape.mlp_bias)
        self.up_proj = Linear(shape.hidden_size, shape.intermediate_size, bias=shape.mlp_bias)
        self.down_proj = Linear(shape.intermediate_size, shape.hidden_size, bias=shape.mlp_bias)

    def weights(self, dtype: torch.dtype) -> SwiGLUWeights:
        """Return the matrices in the compute dtype."""
        gate, up = self.gate_proj, self.up_proj
        return SwiGLUWeights(stacked([gate.weight, up.weight], [gate.bias, up.bias], dtype), single(self.down_proj, dtype))

    def forward(self, x: Float[Tensor, "B T D"], weights: SwiGLUWeights) -> Float[Tensor, "B T D"]:
        """Return what the block adds to the residual stream."""
        return weights.down(gated_silu(weights.gate_up(x)))


def gated_silu(gate_up: Float[Tensor, "*n two_width"]) -> Float[Tensor, "*n width"]:
    """Return ``silu(first half) * second half``. Keeps only its input for the gradient and recomputes the silu."""
    return _GatedSilu.apply(gate_up)  # pyright: ignore[reportReturnType]


class _GatedSilu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        grad_gate_up = torch.empty_like(gate_up)
        grad_gate, grad_up = grad_gate_up.chunk(2, dim=-1)
        torch.mul(grad, F.silu(gate), out=grad_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=grad_gate)
        return grad_gate_up
