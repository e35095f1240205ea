"""A dense causal decoder: one definition that trains (padded or packed rows) and samples (a ragged step over a key/value cache)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from reasonforge.models.attention import Attend, Attention, AttentionWeights, RowAttention, SlotAttention
from reasonforge.models.cache import KVCache
from reasonforge.models.config import DecoderConfig, DecoderShape
from reasonforge.models.layers import Embedding, Linear, SwiGLU, SwiGLUWeights
from reasonforge.models.norm import RMSNorm
from reasonforge.models.rope import rotation
from reasonforge.tensors.batch import TokenBatch


class BlockWeights(NamedTuple):
    """A block's matrices in the compute dtype."""

    attention: AttentionWeights
    mlp: SwiGLUWeights


class Block(nn.Module):
    """Attention, then SwiGLU, each reading a normalised copy of the residual stream and adding to it."""

    def __init__(self, shape: DecoderShape, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.self_attn = Attention(shape, layer)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.mlp = SwiGLU(shape)

    def weights(self, dtype: torch.dtype) -> BlockWeights:
        """Return the matrices in the compute dtype."""
        return BlockWeights(self.self_attn.weights(dtype), self.mlp.weights(dtype))

    def forward(
        self,
        residual: Float[Tensor, "B T D"],
        delta: Float[Tensor, "B T D"] | None,
        weights: BlockWeights,
        turns: Complex[Tensor, "B T pairs"],
        attend: Attend,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T D"]]:
        """Return the residual stream (float32) and what is still to be added to it: the next norm does that in one pass."""
        dtype = weights.mlp.down.weight.dtype
        residual, x = self.input_layernorm(residual, delta, dtype=dtype)
        delta = self.self_attn(x, weights.attention, turns, attend)
        residual, x = self.post_attention_layernorm(residual, delta, dtype=dtype)
        return residual, self.mlp(x, weights.mlp)


class Decoder(nn.Module):
    """Token ids in, final hidden states out.

    Parameter names are Hugging Face's without the ``model.`` prefix. They are zero until ``reset_parameters`` or a loader fills them.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.lm_head = None if config.tie_embeddings else Linear(config.hidden_size, config.vocab_size)

    @property
    def head_weight(self) -> Float[Tensor, "V D"]:
        """The output matrix, with gradient: the embedding itself where it is tied."""
        return self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    @torch.no_grad()
    def reset_parameters(self, seed: int) -> None:
        """Draw fresh parameters; the same seed gives the same values on every device.

        Matrices are normal with standard deviation ``1 / sqrt(inputs)``, so that a block passes on what it reads at its own size whatever
        the width (the usual 0.02 suits widths of thousands and mutes a model of width 96); those that write to the residual stream are
        divided by ``sqrt(2 L)``, so that its size does not depend on the depth. Norm weights are 1, biases 0.
        """
        generator = torch.Generator().manual_seed(seed)
        residual_scale = (2 * self.config.num_layers) ** -0.5
        for name, parameter in self.named_parameters():
            if "norm" in name:
                parameter.fill_(1.0)
            elif name.endswith(".bias"):
                parameter.zero_()
            else:
                std = self.config.embedding_std if parameter is self.embed_tokens.weight else parameter.shape[1] ** -0.5
                std *= residual_scale if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
                parameter.copy_(torch.empty(parameter.shape).normal_(0.0, std, generator=generator))

    def block_weights(self, dtype: torch.dtype) -> list[BlockWeights]:
        """Return all blocks' matrices, stacked and cast. A sampler makes them once per set of weights, not once per token."""
        return [cast(Block, block).weights(dtype) for block in self.layers]

    def hidden_states(self, batch: TokenBatch, *, dtype: torch.dtype = torch.float32) -> Float[Tensor, "B T D"]:
        """Return the final, normalised hidden states; entry ``[b, t]`` predicts ``batch.targets[b, t]``. Padding holds garbage.

        Args:
            dtype: of matrix products and of the result. The residual stream and all statistics are float32 at least.
        """
        turns = rotation(batch.positions, self.config, dtype=dtype)
        attend = RowAttention(batch, self.config, dtype)
        return self._run(batch.inputs, self.block_weights(dtype), turns, attend, dtype)

    def logits(self, batch: TokenBatch) -> Float[Tensor, "B T V"]:
        """Return all logits in float32. For tests and small models: training scores targets without ever holding them."""
        return self.hidden_states(batch) @ self.head_weight.T

    def decode_step(
        self,
        token_ids: Int[Tensor, " R"],
        positions: Int[Tensor, " R"],
        slots: Int[Tensor, " R"],
        cache: KVCache,
        *,
        dtype: torch.dtype = torch.float32,
        weights: Sequence[BlockWeights] | None = None,
    ) -> Float[Tensor, "R D"]:
        """Feed one token per row to the cache and return its final hidden state, which predicts the next token of that slot.

        All rows' keys and values are written first; then each row attends to its slot up to its own position. So a prefill is many
        rows of one slot, in any order, and decoding is one row per live slot; both may share a step. Gradients are not for here.

        Every row reads a copy of its slot up to the step's longest position; the caller bounds the rows of a step.

        Args:
            weights: ``block_weights(dtype)`` made earlier; None = made now.
        """
        turns = rotation(positions[:, None], self.config, dtype=dtype)
        attend = SlotAttention(cache, slots, positions)
        weights = self.block_weights(dtype) if weights is None else weights
        return self._run(token_ids[:, None], weights, turns, attend, dtype)[:, 0]

    def _run(
        self,
        token_ids: Int[Tensor, "B T"],
        weights: Sequence[BlockWeights],
        turns: Complex[Tensor, "B T pairs"],
        attend: Attend,
        dtype: torch.dtype,
    ) -> Float[Tensor, "B T D"]:
        residual = self.embed_tokens(token_ids).to(torch.promote_types(dtype, torch.float32))
        delta = None
        for block, block_weights in zip(self.layers, weights, strict=True):
            residual, delta = block(residual, delta, block_weights, turns, attend)
        return self.norm(residual, delta, dtype=dtype)[1]
