"""Small samplers and what the learner would say of their completions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reasonforge.core.rollouts import Completion, Float32, SampleRequest, SamplingParams
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from tests.models.build import SHAPES as MODEL_SHAPES
from tests.models.build import VOCAB, batch

ODD = DecoderConfig(
    vocab_size=VOCAB, hidden_size=36, num_layers=2, num_heads=6, num_kv_heads=2, head_dim=22, intermediate_size=50, max_positions=64
)
"""No size divides a vector register."""

SHAPES = MODEL_SHAPES | {"odd sizes, three queries to a key": ODD}

PARAMS = SamplingParams(max_new_tokens=12)


def requests(count: int, *, group_size: int = 2, seed: int = 0) -> list[SampleRequest]:
    """Return prompts of 1 to 9 tokens with their own seeds."""
    rng = np.random.default_rng(seed)
    prompts = [tuple(rng.integers(VOCAB, size=rng.integers(1, 10)).tolist()) for _ in range(count)]
    return [SampleRequest(prompt_ids=ids, seeds=tuple(range(100 * i, 100 * i + group_size))) for i, ids in enumerate(prompts)]


def learner_logprobs(model: Decoder, prompt_ids: Sequence[int], completion: Completion, *, temperature: float = 1.0) -> Float32:
    """Score a completion as training does: one full forward pass, log-softmax, gather."""
    ids = torch.tensor([*prompt_ids, *completion.token_ids.tolist()])
    with torch.no_grad():
        logprobs = (model.logits(batch([[ids]]))[0] / temperature).log_softmax(-1)
    start = len(prompt_ids)
    return logprobs[start - 1 : -1].gather(-1, ids[start:, None]).squeeze(-1).numpy()


def next_logprobs(model: Decoder, ids: Sequence[int]) -> Float32:
    """Return the learner's log-probabilities of every next token."""
    with torch.no_grad():
        return model.logits(batch([[torch.tensor(ids)]]))[0, -1].log_softmax(-1).numpy()


def worst_difference(
    model: Decoder, asked: Sequence[SampleRequest], answers: Sequence[Sequence[Completion]], *, temperature: float = 1.0
) -> float:
    """Return the largest |sampler - learner| log-probability, in nats."""
    return max(
        float(np.abs(learner_logprobs(model, request.prompt_ids, completion, temperature=temperature) - completion.logprobs).max())
        for request, completions in zip(asked, answers, strict=True)
        for completion in completions
    )


def same_bits(left: Sequence[Sequence[Completion]], right: Sequence[Sequence[Completion]]) -> bool:
    """Tell whether two answers agree in every token and every bit of every log-probability."""
    return all(
        np.array_equal(a.token_ids, b.token_ids) and a.logprobs.tobytes() == b.logprobs.tobytes() and a.finish_reason == b.finish_reason
        for one, other in zip(left, right, strict=True)
        for a, b in zip(one, other, strict=True)
    )
