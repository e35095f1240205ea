"""Supervised fine-tuning: likelihood of worked solutions under the recipe's prompt template."""

from __future__ import annotations

import math

import numpy as np

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Message
from reasonforge.core.rollouts import TrainingSample
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext, drive
from reasonforge.stages.likelihood import LikelihoodTraining
from reasonforge.stages.order import ShuffledOrder
from reasonforge.stages.sft.config import SFTConfig
from reasonforge.tasks.config import DataSource
from reasonforge.tasks.sources import load_demonstrations
from reasonforge.tasks.streams import Demonstration
from reasonforge.text.render import render_example
from reasonforge.training.learner import Learner


def run_sft(config: SFTConfig, bundle: Bundle, source: DataSource, context: StageContext, *, data_seed: int) -> None:
    """Train ``bundle.decoder`` in place on the solutions of a data table.

    Raises:
        DataError: no example fits the context.
        RecipeError: the data is an endless stream, which has no epochs.
    """
    demonstrations = load_demonstrations(source, seed=data_seed)
    if not isinstance(demonstrations, list):
        count = getattr(source, "count", None)
        if count is None:
            raise RecipeError(f"{context.name}: data {config.data!r} is an endless stream and has no epochs: give it a count")
        demonstrations = [demonstrations[i] for i in range(count)]
    samples = _render(demonstrations, bundle, context)
    steps = max(1, math.ceil(config.epochs * len(samples) / config.examples_per_step))
    order = ShuffledOrder(len(samples), seed=context.seed("order"))
    learner = Learner(bundle.decoder, config.training, total_steps=steps, device=bundle.device, threads=bundle.threads)
    trainer = LikelihoodTraining(
        learner,
        lambda step: [samples[order[step * config.examples_per_step + i]] for i in range(config.examples_per_step)],
        num_steps=steps,
        weighting=config.weighting,
    )
    drive(trainer, context, config.training)


def _render(demonstrations: list[Demonstration], bundle: Bundle, context: StageContext) -> list[TrainingSample]:
    """Render every demonstration; one that does not fit is dropped and counted, never cut: a cut answer teaches to stop short."""
    samples = []
    for item in demonstrations:
        rendered = render_example([*item.problem.messages, Message("assistant", item.completion)], bundle.tokenizer, bundle.layout)
        if len(rendered.token_ids) <= bundle.max_context:
            samples.append(
                TrainingSample(
                    token_ids=np.asarray(rendered.token_ids, dtype=np.int32), loss_mask=np.asarray(rendered.loss_mask, dtype=np.bool_)
                )
            )
    dropped = len(demonstrations) - len(samples)
    if not samples:
        raise DataError(f"{context.name}: none of {len(demonstrations)} examples fits the context of {bundle.max_context} tokens")
    learned = sum(int(sample.loss_mask.sum()) for sample in samples)
    context.log.event(
        "data",
        f"{len(samples)} examples, {learned} tokens learned from; {dropped} longer than {bundle.max_context} tokens dropped",
        level="warning" if dropped > len(demonstrations) // 10 else "info",
        dropped=dropped,
    )
    return samples
