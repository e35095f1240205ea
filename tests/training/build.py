"""A tiny decoder, samples and an objective, shared by the tests of this folder."""

from __future__ import annotations

import numpy as np

from reasonforge.core.rollouts import Float32, TrainingSample
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.objectives.likelihood import nll
from reasonforge.tensors.batch import LossOutput, TokenBatch, TokenScores
from reasonforge.training.config import TrainingConfig
from reasonforge.training.learner import Learner, Objective
from tests.tensors.samples import token_sample

VOCAB = 11
SHAPE = DecoderConfig(vocab_size=VOCAB, hidden_size=16, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=8, intermediate_size=24)


def decoder(seed: int = 0) -> Decoder:
    """Return a freshly drawn decoder."""
    model = Decoder(SHAPE)
    model.reset_parameters(seed)
    return model


def learner(config: TrainingConfig | None = None, *, total_steps: int = 20, seed: int = 0) -> Learner:
    """Return a learner of a fresh decoder."""
    return Learner(decoder(seed), config or TrainingConfig(), total_steps=total_steps, device="cpu")


def samples(num: int = 12, *, seed: int = 0) -> list[TrainingSample]:
    """Draw samples of 3 to 20 tokens, the first one or two of which are not learned from."""
    rng = np.random.default_rng(seed)
    return [token_sample(rng, int(rng.integers(3, 21)), vocab_size=VOCAB, prompt=int(rng.integers(1, 3))) for _ in range(num)]


def token_mean(of: list[TrainingSample]) -> Float32:
    """Weigh every learned token alike."""
    return np.full(len(of), 1 / sum(int(sample.loss_mask.sum()) for sample in of), np.float32)


def likelihood(scores: TokenScores, batch: TokenBatch) -> LossOutput:
    """Negative log-likelihood, and the mean entropy as a metric."""
    loss = (nll(scores.logprobs) * batch.loss_weights).sum()
    return LossOutput(loss=loss, metrics={"entropy": (scores.entropy.detach() * batch.loss_weights).sum()})


def poisoned(value: float) -> Objective:
    """Return an objective whose loss is finite but whose gradient is multiplied by ``value``."""

    def objective(scores: TokenScores, batch: TokenBatch) -> LossOutput:
        if scores.logprobs.requires_grad:
            scores.logprobs.register_hook(lambda grad: grad * value)
        return likelihood(scores, batch)

    return objective
