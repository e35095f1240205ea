"""Reward models read back from their folders."""

from __future__ import annotations

from pathlib import Path

import torch

from reasonforge.core.errors import DataError
from reasonforge.models.hf import load_scalar_folder
from reasonforge.models.scalar import ScalarModel
from reasonforge.rewards.model import RewardModel, ScoreSpec
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.training.config import TrainingConfig
from reasonforge.training.scalar import ScalarScorer

_SCORING = TrainingConfig()


def load_reward_model(
    folder: Path, tokenizer: Tokenizer, *, device: torch.device | str = "cpu", scoring: TrainingConfig = _SCORING
) -> RewardModel:
    """Return a saved reward model, ready to score what a policy of this tokenizer writes.

    Args:
        folder: as a ``reward_model`` stage saved it.
        tokenizer: the policy's.
        device: where to compute.
        scoring: micro-batches and type of the matrix products.

    Raises:
        DataError: the folder cannot be read, does not say what its scores mean, or is of another tokenizer.
    """
    model, scores = load_scalar_folder(folder)
    check_vocabulary(folder, tokenizer)
    try:
        spec = ScoreSpec.from_json(scores)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    return reward_model(ScalarScorer(model.requires_grad_(False), scoring, device=device), spec, tokenizer, model)


def reward_model(scorer: ScalarScorer, spec: ScoreSpec, tokenizer: Tokenizer, model: ScalarModel) -> RewardModel:
    """Return a reward model over a scorer: one that is still trained scores as it stands."""
    return RewardModel(scorer.values, spec, decode=tokenizer.decode, max_context=model.decoder.config.max_positions)


def check_vocabulary(folder: Path, tokenizer: Tokenizer) -> None:
    """Refuse a model of another tokenizer: its scores would be about other text.

    Raises:
        DataError: it is.
    """
    own = Tokenizer.load(folder)
    if own.fingerprint != tokenizer.fingerprint:
        raise DataError(f"{folder}: its tokenizer is not the policy's: the same ids mean other text. Train a reward model from this policy")
