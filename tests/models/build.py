"""Small real models and batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from reasonforge.models.config import DecoderConfig, LinearScaling, Llama3Scaling, YarnScaling
from reasonforge.models.decoder import Decoder
from reasonforge.tensors.batch import TokenBatch

VOCAB = 50

LLAMA3 = Llama3Scaling(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_positions=16)
YARN = YarnScaling(factor=4.0, original_max_positions=16)

_SMALL: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "num_kv_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "max_positions": 64,
}

_BOTH_BIASES = {"attention_bias": True, "output_bias": True}

SHAPES = {
    "qwen3": DecoderConfig(**_SMALL),
    "qwen3 wide heads, untied, yarn": DecoderConfig(**_SMALL | {"head_dim": 16}, tie_embeddings=False, rope_scaling=YARN),
    "qwen3 biases": DecoderConfig(**_SMALL, **_BOTH_BIASES),
    "qwen2 tied": DecoderConfig(**_SMALL, qk_norm=False, attention_bias=True),
    "qwen2 untied, yarn": DecoderConfig(**_SMALL, qk_norm=False, attention_bias=True, tie_embeddings=False, rope_scaling=YARN),
    "llama": DecoderConfig(**_SMALL, qk_norm=False, tie_embeddings=False, rms_norm_eps=1e-5),
    "llama 3": DecoderConfig(**_SMALL, qk_norm=False, rope_theta=500_000.0, rope_scaling=LLAMA3),
    "llama biases, linear, one kv head": DecoderConfig(
        **_SMALL | {"num_kv_heads": 1}, **_BOTH_BIASES, qk_norm=False, mlp_bias=True, rope_scaling=LinearScaling(factor=2.0)
    ),
    "llama without grouping": DecoderConfig(**_SMALL | {"num_kv_heads": 4}, qk_norm=False),
}


def decoder(config: DecoderConfig, *, seed: int = 0) -> Decoder:
    """Return a decoder in which every parameter matters: norm weights away from 1 and biases away from 0."""
    model = Decoder(config)
    model.reset_parameters(seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.empty(parameter.shape).uniform_(-0.5, 0.5, generator=generator))
    return model


def token_ids(*shape: int, seed: int = 0) -> Tensor:
    """Draw token ids."""
    return torch.randint(VOCAB, shape, generator=torch.Generator().manual_seed(seed))


def batch(rows: Sequence[Sequence[Tensor]], *, num_positions: int | None = None, padding: int = 0) -> TokenBatch:
    """Return rows of one or more segments, padded on the right with the token ``padding``."""
    width = num_positions or max(sum(map(len, row)) for row in rows)
    inputs = torch.full((len(rows), width), padding)
    positions, segments = torch.zeros_like(inputs), torch.zeros_like(inputs)
    for index, row in enumerate(rows):
        start = 0
        for number, segment in enumerate(row, start=1):
            span = slice(start, start + len(segment))
            inputs[index, span] = segment
            positions[index, span] = torch.arange(len(segment))
            segments[index, span] = number
            start += len(segment)
    return TokenBatch(
        inputs=inputs,
        targets=inputs.roll(-1, 1),
        loss_mask=segments > 0,
        loss_weights=(segments > 0).float(),
        positions=positions,
        segments=segments,
        samples=torch.zeros_like(inputs),
        num_samples=sum(map(len, rows)),
    )
