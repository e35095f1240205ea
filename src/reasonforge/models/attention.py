"""Grouped-query attention: the projections, and who may look at whom (rows of a training batch, or slots of a cache).

Axes: ``H`` query heads, ``Hkv`` key/value heads, ``G = H / Hkv``. When sampling, every token is a row of its own (``T = 1``).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reasonforge.models.cache import KVCache
from reasonforge.models.config import DecoderShape
from reasonforge.models.layers import Affine, Linear, single, stacked
from reasonforge.models.norm import RMSNorm
from reasonforge.models.rope import normalise_and_rotate, pair_rows
from reasonforge.tensors.batch import TokenBatch

PLAIN_ATTENTION_MAX_POSITIONS = {torch.float32: 32, torch.float64: 32, torch.bfloat16: 512}
"""Longest rows, by dtype, on which a CPU trains faster with ``plain_attention`` than with torch's fused kernel. Measured forward and
backward on one AVX-512 core: the fused bfloat16 gradient takes 6 times as long at 24 positions and as long at 512."""


@runtime_checkable
class Attend(Protocol):
    """Maps one layer's queries, keys and values to the attended values; knows who may look at whom."""

    def __call__(
        self,
        layer: int,
        queries: Float[Tensor, "B H T head"],
        keys: Float[Tensor, "B Hkv T head"],
        values: Float[Tensor, "B Hkv T head"],
    ) -> Float[Tensor, "B H T head"]: ...


class AttentionWeights(NamedTuple):
    """What ``Attention`` multiplies with; rows of queries and keys have the order of ``pair_rows``."""

    qkv: Affine
    output: Affine


class Attention(nn.Module):
    """Projections, optional RMSNorm of each query and key head, rotation, attention, output projection."""

    def __init__(self, shape: DecoderShape, layer: int) -> None:
        super().__init__()
        query_width, kv_width = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
        self.layer, self.head_dim = layer, shape.head_dim
        self.num_heads, self.num_kv_heads = shape.num_heads, shape.num_kv_heads
        self.q_proj = Linear(shape.hidden_size, query_width, bias=shape.attention_bias)
        self.k_proj = Linear(shape.hidden_size, kv_width, bias=shape.attention_bias)
        self.v_proj = Linear(shape.hidden_size, kv_width, bias=shape.attention_bias)
        self.o_proj = Linear(query_width, shape.hidden_size, bias=shape.output_bias)
        self.q_norm = RMSNorm(shape.head_dim, shape.rms_norm_eps) if shape.qk_norm else None
        self.k_norm = RMSNorm(shape.head_dim, shape.rms_norm_eps) if shape.qk_norm else None

    def weights(self, dtype: torch.dtype) -> AttentionWeights:
        """Return the matrices in the compute dtype."""
        weights = [pair_rows(linear.weight, self.head_dim) for linear in (self.q_proj, self.k_proj)] + [self.v_proj.weight]
        biases = [None if linear.bias is None else pair_rows(linear.bias, self.head_dim) for linear in (self.q_proj, self.k_proj)]
        return AttentionWeights(stacked(weights, [*biases, self.v_proj.bias], dtype), single(self.o_proj, dtype))

    def forward(
        self, x: Float[Tensor, "B T D"], weights: AttentionWeights, turns: Complex[Tensor, "B T pairs"], attend: Attend
    ) -> Float[Tensor, "B T D"]:
        """Return what the block adds to the residual stream."""
        heads = weights.qkv(x).unflatten(-1, (-1, self.head_dim))
        queries, keys, values = heads.split((self.num_heads, self.num_kv_heads, self.num_kv_heads), dim=2)
        queries, keys = normalise_and_rotate(queries, self.q_norm, turns), normalise_and_rotate(keys, self.k_norm, turns)
        attended = attend(self.layer, queries, keys, values.transpose(1, 2))
        return weights.output(attended.transpose(1, 2).flatten(2))


class RowAttention:
    """Causal attention within the rows of a batch, and within the segments of a packed one."""

    def __init__(self, batch: TokenBatch, shape: DecoderShape, dtype: torch.dtype) -> None:
        packed = batch.is_packed
        plain = batch.inputs.device.type == "cpu" and batch.inputs.shape[1] <= PLAIN_ATTENTION_MAX_POSITIONS.get(dtype, 0)
        # The fused kernel knows the causal mask; at 32k positions, writing it down would take a gigabyte.
        allowed = _allowed(batch, packed=packed) if packed or plain else None
        self.mask = None if allowed is None or plain else allowed[:, None]
        self.bias = None if allowed is None or not plain else stacked_bias(allowed, shape, dtype)

    def __call__(
        self,
        layer: int,
        queries: Float[Tensor, "B H T head"],
        keys: Float[Tensor, "B Hkv T head"],
        values: Float[Tensor, "B Hkv T head"],
    ) -> Float[Tensor, "B H T head"]:
        """Attend."""
        if self.bias is not None:
            return plain_attention(queries, keys, values, self.bias)
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=self.mask, is_causal=self.mask is None, enable_gqa=True)


def _allowed(batch: TokenBatch, *, packed: bool) -> Bool[Tensor, "rows T T"]:
    """Return which position may look at which: one matrix for all rows, or one per packed row.

    A right-padded row needs no mask beside the causal one: real tokens never look right, and nobody reads what padding computes.
    """
    num_positions = batch.inputs.shape[1]
    causal = torch.ones(1, num_positions, num_positions, dtype=torch.bool, device=batch.inputs.device).tril()
    return causal & (batch.segments[:, :, None] == batch.segments[:, None, :]) if packed else causal


def stacked_bias(allowed: Bool[Tensor, "rows T T"], shape: DecoderShape, dtype: torch.dtype) -> Float[Tensor, "matrices GT T"]:
    """Return what ``plain_attention`` adds to its scores: 0 where allowed, else minus infinity."""
    bias = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill_(~allowed, float("-inf"))
    bias = bias.repeat(1, shape.num_heads // shape.num_kv_heads, 1)
    return bias if len(bias) == 1 else bias.repeat_interleave(shape.num_kv_heads, dim=0)


def plain_attention(
    queries: Float[Tensor, "B H T head"],
    keys: Float[Tensor, "B Hkv T head"],
    values: Float[Tensor, "B Hkv T head"],
    bias: Float[Tensor, "matrices GT T"],
) -> Float[Tensor, "B H T head"]:
    """Attend with two batched products and a softmax.

    The ``G`` query heads of a key/value head are rows of ONE product, so keys and values are never repeated.
    """
    num_rows, num_kv_heads, num_positions, head_dim = keys.shape
    q, k, v = (part.reshape(num_rows * num_kv_heads, -1, head_dim) for part in (queries, keys, values))
    scores = torch.baddbmm(bias, q, k.mT, alpha=head_dim**-0.5)
    # The softmax sums in float32 whatever the dtype it reads and writes.
    return torch.bmm(scores.softmax(-1), v).view(num_rows, -1, num_positions, head_dim)


class SlotAttention:
    """Attention of single tokens to what their slot holds, themselves included."""

    def __init__(self, cache: KVCache, slots: Int[Tensor, " R"], positions: Int[Tensor, " R"]) -> None:
        self.cache, self.slots, self.positions = cache, slots, positions
        self.num_positions = int(positions.max()) + 1
        self.unseen = (torch.arange(self.num_positions, device=positions.device) > positions[:, None])[:, None, None]

    def __call__(
        self,
        layer: int,
        queries: Float[Tensor, "R H 1 head"],
        keys: Float[Tensor, "R Hkv 1 head"],
        values: Float[Tensor, "R Hkv 1 head"],
    ) -> Float[Tensor, "R H 1 head"]:
        """Write the tokens' keys and values, then attend."""
        self.cache.append(layer, self.slots, self.positions, keys[:, :, 0], values[:, :, 0])
        k = self.cache.keys[layer, self.slots, :, : self.num_positions].to(queries.dtype)
        v = self.cache.values[layer, self.slots, :, : self.num_positions].to(queries.dtype)
        stacked_queries = queries.view(len(queries), k.shape[1], -1, queries.shape[-1])
        scores = stacked_queries @ k.mT * queries.shape[-1] ** -0.5
        return (scores.masked_fill_(self.unseen, float("-inf")).softmax(-1) @ v).view_as(queries)
