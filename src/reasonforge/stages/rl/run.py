"""Put a policy, a sampler, a reference and rewards together, and train."""

from __future__ import annotations

from reasonforge.core.records import Problem
from reasonforge.evaluation.evaluate import Evaluator
from reasonforge.sampling.tools import open_tools
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext, drive
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.data import PromptSource
from reasonforge.stages.rl.loop import PolicyTraining
from reasonforge.stages.rl.scoring import stage_scorer, without_quarantine
from reasonforge.tasks.streams import ProblemStream
from reasonforge.text.render import stop_token_ids
from reasonforge.training.learner import Learner, Scorer


def run_rl(
    config: RLConfig, bundle: Bundle, problems: list[Problem] | ProblemStream, evaluator: Evaluator | None, context: StageContext
) -> None:
    """Train ``bundle.decoder`` in place on problems with checkable answers."""
    total_updates = config.steps * config.updates_per_step
    learner = Learner(bundle.decoder, config.training, total_steps=total_updates, device=bundle.device, threads=bundle.threads)
    # The reference is the stage's start; a resumed run builds it from the same start and then takes refreshed weights back.
    reference = Scorer.frozen_copy(bundle.decoder, config.training, device=bundle.device) if config.kl is not None else None
    with (
        stage_scorer(config) as scorer,
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
            prompts=PromptSource(problems, bundle, per_step=config.prompts_per_step, seed=context.seed("prompts")),
            evaluator=evaluator,
            tokenizer=bundle.tokenizer,
            stop_token_ids=stop_token_ids(bundle.tokenizer, bundle.layout),
            context=context,
            tools=tools,
        )
        drive(trainer, context, config.training)
