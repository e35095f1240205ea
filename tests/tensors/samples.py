"""Random samples for the tests of this folder and of training."""

from __future__ import annotations

import numpy as np

from reasonforge.core.rollouts import PolicySample, TrainingSample


def token_sample(rng: np.random.Generator, length: int, *, vocab_size: int = 11, prompt: int = 1) -> TrainingSample:
    """Draw a sample whose first ``prompt`` tokens are not learned from."""
    return TrainingSample(token_ids=rng.integers(0, vocab_size, length).astype(np.int32), loss_mask=np.arange(length) >= prompt)


def policy_sample(rng: np.random.Generator, length: int, *, vocab_size: int = 11, prompt: int = 2) -> PolicySample:
    """Draw a policy sample; its fields are noise where it learns and zero elsewhere."""
    base = token_sample(rng, length, vocab_size=vocab_size, prompt=prompt)
    noise = (rng.standard_normal((3, length)) * base.loss_mask).astype(np.float32)
    return PolicySample(
        token_ids=base.token_ids, loss_mask=base.loss_mask, advantages=noise[0], sampler_logprobs=noise[1], ref_logprobs=noise[2]
    )
