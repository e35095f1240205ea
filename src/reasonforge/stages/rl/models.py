"""The reward models of a stage: read from their folders, scoring as they stand, refreshed between iterations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reasonforge.core.errors import RecipeError
from reasonforge.evaluation.reward_models import load_reward_model, reward_model
from reasonforge.models.hf import load_scalar_folder
from reasonforge.rewards.config import ModelReward, StepsReward
from reasonforge.rewards.model import ModelRewards, RewardModel, ScoreSpec
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.iterations import RewardModelUpdates, num_refresh_updates
from reasonforge.training.scalar import ScalarLearner


@dataclass(frozen=True, slots=True, kw_only=True)
class StageModels:
    """What reward models add to a stage."""

    rewards: ModelRewards
    step_parts: frozenset[str]
    """Names of the parts whose models score steps."""
    updates: RewardModelUpdates | None
    """None = no model is refreshed."""


def open_stage_models(config: RLConfig, bundle: Bundle, context: StageContext, model_dir: Callable[[str], Path]) -> StageModels | None:
    """Return the reward models that a stage's parts name; None = none does.

    Raises:
        DataError: a folder holds no reward model of this tokenizer.
        RecipeError: the part to be refreshed cannot be.
    """
    parts = {name: part for name, part in config.rewards.items() if isinstance(part, ModelReward)}
    if not parts:
        return None
    refresh = config.iterations.reward_model if config.iterations is not None else None
    models: dict[str, RewardModel] = {}
    updates = None
    for name, part in parts.items():
        folder = model_dir(part.model)
        if refresh is None or refresh.part != name:
            models[name] = load_reward_model(folder, bundle.tokenizer, device=bundle.device)
            continue
        assert config.iterations is not None
        scalar, scores = load_scalar_folder(folder)
        spec = ScoreSpec.from_json(scores)
        planned = num_refresh_updates(refresh, num_borders=config.steps // config.iterations.steps)
        learner = ScalarLearner(scalar, refresh.training, total_steps=planned, device=bundle.device, threads=bundle.threads)
        models[name] = reward_model(learner, spec, bundle.tokenizer, scalar)
        updates = RewardModelUpdates(refresh, learner, spec, decode=bundle.tokenizer.decode, seed=context.seed)
    pays_by_rule = any(isinstance(part, StepsReward) for part in config.rewards.values())
    if config.process is not None and not pays_by_rule and all(model.spec.steps is None for model in models.values()):
        raise RecipeError("process: none of the reward models scores steps; train one of kind 'process' or leave process out")
    step_parts = frozenset(name for name, model in models.items() if model.spec.steps is not None)
    return StageModels(rewards=ModelRewards(config.rewards, models), step_parts=step_parts, updates=updates)
