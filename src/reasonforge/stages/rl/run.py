"""Put a policy, a sampler, a reference and rewards together, and train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Problem
from reasonforge.evaluation.evaluate import Evaluator
from reasonforge.evaluation.reward_models import check_vocabulary
from reasonforge.models.hf import load_scalar_folder
from reasonforge.models.scalar import ScalarModel
from reasonforge.sampling.tools import open_tools
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext, drive
from reasonforge.stages.rl.axes import GAE
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.critic import Critic
from reasonforge.stages.rl.data import PromptSource
from reasonforge.stages.rl.loop import PolicyTraining
from reasonforge.stages.rl.models import open_stage_models
from reasonforge.stages.rl.scoring import stage_scorer, without_quarantine
from reasonforge.tasks.streams import ProblemStream
from reasonforge.text.render import stop_token_ids
from reasonforge.training.config import Pack
from reasonforge.training.learner import Learner, Scorer
from reasonforge.training.scalar import ScalarLearner


def run_rl(
    config: RLConfig,
    bundle: Bundle,
    problems: list[Problem] | ProblemStream,
    evaluator: Evaluator | None,
    context: StageContext,
    *,
    model_dir: Callable[[str], Path] = Path,
) -> None:
    """Train ``bundle.decoder`` in place on problems with checkable answers.

    Args:
        model_dir: folder of a reward model, from its name in the recipe.

    Raises:
        RecipeError: a completion of full length would not fit a micro-batch.
    """
    refuse_too_little_room(config, max_context=bundle.max_context)
    warmup = config.critic.warmup_steps if config.critic is not None else 0
    total_updates = (config.steps - warmup) * config.updates_per_step
    learner = Learner(bundle.decoder, config.training, total_steps=total_updates, device=bundle.device, threads=bundle.threads)
    # The reference is the stage's start; a resumed run builds it from the same start and then takes refreshed weights back.
    reference = Scorer.frozen_copy(bundle.decoder, config.training, device=bundle.device) if config.kl is not None else None
    with (
        stage_scorer(config, decode=bundle.tokenizer.decode) as scorer,
        open_tools(config.sampling.tools, bundle.tokenizer, max_context=bundle.max_context) as tools,
    ):
        if isinstance(problems, list):
            folder = context.run.rollouts_dir(context.name)
            problems = without_quarantine(problems, scorer, config, context.log, folder=folder)
        trainer = PolicyTraining(
            config,
            learner=learner,
            sampler=bundle.sampler(config.sampling.dtype, config.sampling.max_slots),
            reference=reference,
            scorer=scorer,
            prompts=PromptSource(problems, bundle, curriculum=config.curriculum, seed=context.seed("prompts")),
            evaluator=evaluator,
            tokenizer=bundle.tokenizer,
            stop_token_ids=stop_token_ids(bundle.tokenizer, bundle.layout),
            context=context,
            critic=_critic(config, bundle, model_dir),
            models=open_stage_models(config, bundle, context, model_dir),
            tools=tools,
        )
        drive(trainer, context, config.training)
        trainer.end_with_best()


def refuse_too_little_room(config: RLConfig, *, max_context: int) -> None:
    """Refuse micro-batches that cannot hold a completion of full length: better now than at the step that draws one.

    Raises:
        RecipeError: they cannot.
    """
    longest = min(max_context, 1 + config.sampling.max_new_tokens)  # a prompt has at least one token
    needed = [("training", config.training, longest)]
    if config.critic is not None:
        # The value behind a cut completion is asked for by one token more.
        asks_behind = isinstance(config.advantage, GAE) and config.advantage.bootstrap_truncated
        needed.append(("critic.training", config.critic.training, longest + asks_behind))
    for where, training, tokens in needed:
        setting, limit = "max_tokens_per_device", training.max_tokens_per_device
        if isinstance(training.batching, Pack):
            setting, limit = "batching.row_tokens", training.batching.row_tokens
        if tokens > limit:
            raise RecipeError(
                f"{where}.{setting} is {limit}, but with its prompt a completion may have {tokens} tokens: raise it to that at least, "
                "or lower sampling.max_new_tokens"
            )


def _critic(config: RLConfig, bundle: Bundle, model_dir: Callable[[str], Path]) -> Critic | None:
    """Return the critic that ``gae`` needs: a copy of the stage's start with a fresh head, or of a reward model."""
    if config.critic is None:
        return None
    if config.critic.start == "policy":
        model = ScalarModel.from_decoder(bundle.decoder)
    else:
        folder = model_dir(config.critic.start)
        model, _ = load_scalar_folder(folder)
        check_vocabulary(folder, bundle.tokenizer)
    updates = config.steps * config.updates_per_step
    learner = ScalarLearner(model, config.critic.training, total_steps=updates, device=bundle.device, threads=bundle.threads)
    return Critic(config.critic, learner)
