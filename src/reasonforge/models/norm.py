"""RMSNorm with its gradient written out.

Left to autograd, a norm is eight passes over the activations forward and about twice that backward, many of them mixing dtypes; on a
CPU that costs as much as the matrix products of a small model. Here the residual addition, the norm and the cast to the compute dtype
are one step, and so are their gradients. Statistics and the residual stream are float32 (float64 if the input is).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class RMSNorm(nn.Module):
    """The weight of a norm over the last axis, and its eps (added to the mean square, inside the root)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(
        self, residual: Float[Tensor, "*n D"], delta: Float[Tensor, "*n D"] | None, *, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "*n D"], Float[Tensor, "*n D"]]:
        """Return ``residual + delta`` (None = nothing to add yet) as it was wide, and its norm times the weight in ``dtype``."""
        return _AddAndNormalise.apply(residual, delta, self.weight, self.eps, dtype)  # pyright: ignore[reportReturnType]


def unit_rms(x: Float[Tensor, "*n D"], eps: float) -> tuple[Float[Tensor, "*n D"], Float[Tensor, "*n 1"]]:
    """Return ``x`` scaled to root mean square 1 over the last axis, and what it was multiplied by."""
    # vector_norm reads x once; x.square().mean() writes and reads a temporary of its size.
    mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_() / x.shape[-1]
    inverse_rms = mean_square.add_(eps).rsqrt_()
    return x * inverse_rms, inverse_rms


def unit_rms_backward(
    grad: Float[Tensor, "*n D"], unit: Float[Tensor, "*n D"], inverse_rms: Float[Tensor, "*n 1"], weight: Float[Tensor, " D"]
) -> tuple[Float[Tensor, "*n D"], Float[Tensor, " D"]]:
    """Return the gradients of ``x`` and of the weight, given that of ``unit_rms(x) * weight``."""
    product = grad * unit
    grad_weight = product.flatten(0, -2).sum(0)
    along_unit = (product @ weight / unit.shape[-1]).unsqueeze(-1)
    grad_x = (grad * weight).addcmul_(unit, along_unit, value=-1).mul_(inverse_rms)
    return grad_x, grad_weight


class _AddAndNormalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, residual: Tensor, delta: Tensor | None, weight: Tensor, eps: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        total = residual.view_as(residual) if delta is None else residual + delta
        unit, inverse_rms = unit_rms(total, eps)
        ctx.save_for_backward(unit, inverse_rms, weight)
        ctx.delta_dtype = None if delta is None else delta.dtype
        ctx.set_materialize_grads(False)
        return total, torch.mul(unit, weight, out=torch.empty_like(unit, dtype=dtype))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_total: Tensor | None, grad_output: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        unit, inverse_rms, weight = ctx.saved_tensors
        grad, grad_weight = grad_total, None
        if grad_output is not None:
            grad, grad_weight = unit_rms_backward(grad_output.to(unit.dtype), unit, inverse_rms, weight)
            grad = grad if grad_total is None else grad.add_(grad_total)
        grad_delta = None if grad is None or ctx.delta_dtype is None else grad.to(ctx.delta_dtype)
        return grad, grad_delta, grad_weight, None, None
