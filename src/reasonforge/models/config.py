"""Shape of a dense decoder. Torch-free: recipes and dry runs read it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class Llama3Scaling(Section):
    """Llama 3's frequency-dependent RoPE scaling."""

    type: Literal["llama3"] = "llama3"
    factor: float = Field(default=8.0, gt=0)
    low_freq_factor: float = Field(default=1.0, gt=0)
    high_freq_factor: float = Field(default=4.0, gt=0)
    original_max_positions: int = Field(default=8192, gt=0)


class YarnScaling(Section):
    """YaRN RoPE scaling (arXiv:2309.00071)."""

    type: Literal["yarn"] = "yarn"
    factor: float = Field(default=4.0, gt=0)
    original_max_positions: int = Field(default=32768, gt=0)
    beta_fast: float = Field(default=32.0, gt=0)
    beta_slow: float = Field(default=1.0, gt=0)
    attention_factor: float | None = None
    """Multiplier of the rotary cos and sin; None = the paper's 0.1 ln(factor) + 1."""


class LinearScaling(Section):
    """Position interpolation: positions divided by a factor."""

    type: Literal["linear"] = "linear"
    factor: float = Field(default=..., gt=0)


RopeScaling = Annotated[Llama3Scaling | YarnScaling | LinearScaling, Field(discriminator="type")]


class DecoderShape(Section):
    """A dense causal decoder: GQA attention with RoPE, RMSNorm before each block, SwiGLU. Llama 3, Qwen2.5 and Qwen3 are settings of it."""

    hidden_size: int = Field(default=96, gt=0)
    """Width of the residual stream, D."""
    num_layers: int = Field(default=3, gt=0)
    num_heads: int = Field(default=3, gt=0)
    """Query heads, H."""
    num_kv_heads: int = Field(default=3, gt=0)
    """Key/value heads; fewer than ``num_heads`` = grouped-query attention."""
    head_dim: int = Field(default=32, gt=0, multiple_of=2)
    intermediate_size: int = Field(default=256, gt=0)
    """Width of the SwiGLU block."""
    max_positions: int = Field(default=256, gt=0)
    """Longest context in tokens."""
    rope_theta: float = Field(default=10_000.0, gt=0)
    rope_scaling: RopeScaling | None = None
    """None = plain RoPE."""
    rms_norm_eps: float = Field(default=1e-6, gt=0)
    qk_norm: bool = True
    """RMSNorm on each query and key head before RoPE, as in Qwen3."""
    attention_bias: bool = False
    """Biases on the q, k, v projections, as in Qwen2."""
    output_bias: bool = False
    """Bias on the attention output projection (Llama's ``attention_bias`` sets it too)."""
    mlp_bias: bool = False
    """Biases in the SwiGLU block (Llama's ``mlp_bias``)."""
    tie_embeddings: bool = True
    """The output head is the embedding."""
    embedding_std: float = Field(default=0.2, gt=0)
    """Standard deviation of fresh embeddings. About 2 / sqrt(hidden_size): with 0.02 tiny models hardly learn (docs/pitfalls.md)."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_heads ({self.num_heads}) must be a multiple of num_kv_heads ({self.num_kv_heads})")
        return self


class DecoderConfig(DecoderShape):
    """A shape with its vocabulary: all a decoder needs to be built. Recipes state the shape; the tokenizer brings the vocabulary."""

    vocab_size: int = Field(default=..., gt=0)
    """Rows of the embedding. Every row should be a real token: unused ids get sampled by reinforcement learning."""

    @property
    def num_parameters(self) -> int:
        """Parameters of a decoder of this shape; tied embeddings count once."""
        d, heads, kv = self.hidden_size, self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        attention = d * (heads + 2 * kv) + heads * d
        attention += (heads + 2 * kv) * self.attention_bias + d * self.output_bias + 2 * self.head_dim * self.qk_norm
        mlp = 3 * d * self.intermediate_size + (2 * self.intermediate_size + d) * self.mlp_bias
        embeddings = self.vocab_size * d * (1 if self.tie_embeddings else 2)
        return self.num_layers * (attention + mlp + 2 * d) + embeddings + d
