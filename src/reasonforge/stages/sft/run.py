"""Supervised fine-tuning: likelihood of worked solutions under the recipe's prompt template, or of a policy's own completions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Message
from reasonforge.core.rollouts import RolloutGroup, TrainingSample
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext, drive
from reasonforge.stages.likelihood import LikelihoodTraining
from reasonforge.stages.order import ShuffledOrder
from reasonforge.stages.sft.config import SFTConfig
from reasonforge.stages.sft.readable import readability_filters
from reasonforge.tasks.config import DataSource, RolloutSource
from reasonforge.tasks.rollouts import Keep, filter_groups, read_source
from reasonforge.tasks.sources import load_demonstrations
from reasonforge.tasks.streams import Demonstration
from reasonforge.text.render import render_example
from reasonforge.training.learner import Learner


def run_sft(config: SFTConfig, bundle: Bundle, sources: Sequence[tuple[DataSource, int]], context: StageContext) -> None:
    """Train ``bundle.decoder`` in place on the solutions and completions of data tables.

    Args:
        config: the stage's settings.
        bundle: what is trained.
        sources: the tables that ``config.data`` names, each with its seed.
        context: where the run is recorded.

    Raises:
        DataError: no example fits the context, or no completion passes the filters.
        RecipeError: a table is an endless stream, which has no epochs.
    """
    samples: list[TrainingSample] = []
    for name, (source, seed) in zip(config.data, sources, strict=True):
        if isinstance(source, RolloutSource):
            samples += _sampled(name, source, config, bundle, context)
        else:
            samples += _render(name, _demonstrations(name, source, seed, context), bundle, context)
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


def completion_samples(groups: Sequence[RolloutGroup]) -> list[TrainingSample]:
    """Lay prompt and completion out as they were drawn, token by token: text that is encoded again can come out as other tokens.

    What the policy did not write (a tool's output) is shown, not learned from.
    """
    samples = []
    for group in groups:
        for member in group.rollouts:
            prompt, completion = member.rollout.prompt_ids, member.rollout.completion
            samples.append(
                TrainingSample(
                    token_ids=np.concatenate([np.asarray(prompt, dtype=np.int32), completion.token_ids]),
                    loss_mask=np.concatenate([np.zeros(len(prompt), dtype=np.bool_), completion.mask]),
                )
            )
    return samples


def _sampled(name: str, source: RolloutSource, config: SFTConfig, bundle: Bundle, context: StageContext) -> list[TrainingSample]:
    """Return the completions of a table that pass its filters, and report how many each filter left."""
    drawn = read_source(source, context.run.path, tokenizer=bundle.tokenizer.fingerprint)
    # A completion that was cut never ends: it would teach to go on.
    keep: dict[str, Keep] = {"finished": lambda _, member: member.rollout.completion.finish_reason == "stop"}
    keep |= readability_filters(config.readable) if config.readable is not None else {}
    keep["fits"] = lambda _, member: len(member.rollout.prompt_ids) + len(member.rollout.completion) <= bundle.max_context
    groups, left = filter_groups(drawn, source, keep=keep)
    samples = completion_samples(groups)
    problems = len({group.problem.id for group in groups})
    said = ", ".join(f"{step} {count}" for step, count in left.items())
    message = f"{len(samples)} completions of {name} to {problems} problems; left after each filter: {said}"
    context.log.event("data", message, yields=left, problems=problems)
    return samples


def _demonstrations(name: str, source: DataSource, seed: int, context: StageContext) -> list[Demonstration]:
    demonstrations = load_demonstrations(source, seed=seed)
    if isinstance(demonstrations, list):
        return demonstrations
    count = getattr(source, "count", None)
    if count is None:
        raise RecipeError(f"{context.name}: data {name!r} is an endless stream and has no epochs: give it a count")
    return [demonstrations[i] for i in range(count)]


def _render(name: str, demonstrations: list[Demonstration], bundle: Bundle, context: StageContext) -> list[TrainingSample]:
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
        f"{len(samples)} examples of {name}, {learned} tokens learned from; {dropped} longer than {bundle.max_context} tokens dropped",
        level="warning" if dropped > len(demonstrations) // 10 else "info",
        dropped=dropped,
    )
    return samples
