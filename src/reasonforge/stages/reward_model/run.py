"""Train a reward model on what a data table holds, measure it on held-out problems, and save it where other stages find it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reasonforge.core.errors import DataError
from reasonforge.evaluation.reward_models import check_vocabulary
from reasonforge.models.hf import load_scalar_folder, save_scalar_folder
from reasonforge.models.scalar import ScalarModel
from reasonforge.rewards.model import ScoreSpec
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext, drive
from reasonforge.stages.reward_model.config import RewardModelConfig
from reasonforge.stages.reward_model.data import (
    Example,
    labelled_examples,
    outcome_examples,
    pair_examples,
    process_examples,
    split_by_problem,
)
from reasonforge.stages.reward_model.training import RewardModelTraining, num_updates
from reasonforge.tasks.config import DataSource, LabelledSource, PairSource, RolloutSource
from reasonforge.tasks.pairs import load_labelled, load_pairs
from reasonforge.tasks.rollouts import load_groups
from reasonforge.text.config import StepsConfig
from reasonforge.text.render import stop_token_ids
from reasonforge.training.scalar import ScalarLearner


def run_reward_model(
    config: RewardModelConfig, bundle: Bundle, source: DataSource, context: StageContext, *, start: Path | None = None
) -> None:
    """Train a copy of ``bundle.decoder`` with a head of one number; the bundle itself stays as it is.

    Args:
        config: the stage's settings.
        bundle: the policy.
        source: the data table.
        context: the model is saved in the run's folder for this stage's model.
        start: folder of a reward model to train on; None = the policy with a head that says 0.

    Raises:
        DataError: the data cannot be read, all its labels are equal, nothing of it fits the context, or ``start`` is no such folder.
    """
    steps = (config.steps or StepsConfig()) if config.kind == "process" else None
    spec = ScoreSpec(kind=config.kind, sees=config.sees, steps=steps)
    examples = _fitting(_examples(config, spec, bundle, source, context), config, bundle, context)
    train, held_out = split_by_problem(examples, held_out=config.held_out)
    _check_labels(train, context.name)
    total = num_updates(len(train), epochs=config.epochs, examples_per_step=config.examples_per_step)
    model = ScalarModel.from_decoder(bundle.decoder) if start is None else _started(start, bundle)
    learner = ScalarLearner(model, config.training, total_steps=total, device=bundle.device, threads=bundle.threads)
    context.log.event(
        "data",
        f"{len(train)} examples to train on, {len(held_out)} of other problems to measure on",
        train=len(train),
        held_out=len(held_out),
    )
    seed, per_step = context.seed("order"), config.examples_per_step
    drive(RewardModelTraining(learner, train, held_out, num_steps=total, per_step=per_step, seed=seed), context, config.training)
    save_reward_model(model, spec, bundle, context.run.model_dir(context.name))


def save_reward_model(model: ScalarModel, spec: ScoreSpec, bundle: Bundle, folder: Path) -> None:
    """Write a Hugging Face folder with the tokenizer and what the scores mean."""
    tokenizer = bundle.tokenizer
    # transformers takes trailing pad tokens for padding: where the end of the turn pads, it would score one token too early.
    pad_id = None if tokenizer.pad_id in stop_token_ids(tokenizer, bundle.layout) else tokenizer.pad_id
    save_scalar_folder(model, folder, scores=spec.to_json(), pad_id=pad_id, write_more=tokenizer.save)


def _examples(config: RewardModelConfig, spec: ScoreSpec, bundle: Bundle, source: DataSource, context: StageContext) -> list[Example]:
    tokenizer = bundle.tokenizer
    match source:
        case PairSource():
            return pair_examples(load_pairs(source, context.run.path), spec, tokenizer, bundle.layout)
        case LabelledSource():
            return labelled_examples(load_labelled(source), spec, tokenizer, bundle.layout)
        case RolloutSource():
            groups = load_groups(source, context.run.path, tokenizer=tokenizer.fingerprint)
            if config.kind == "outcome":
                return outcome_examples(groups, spec, tokenizer.decode)
            return process_examples(groups, spec, tokenizer.decode, labels=config.step_labels or "soft")
    raise AssertionError(source)  # the recipe was refused


def _fitting(examples: Sequence[Example], config: RewardModelConfig, bundle: Bundle, context: StageContext) -> list[Example]:
    """Drop what is too long, never cut it: the score of a cut answer says nothing about the answer."""
    limit = min(config.max_tokens or bundle.max_context, bundle.max_context)
    kept = [example for example in examples if example.num_tokens <= limit]
    dropped = len(examples) - len(kept)
    if not kept:
        raise DataError(f"{context.name}: none of {len(examples)} examples fits {limit} tokens")
    if dropped:
        level = "warning" if dropped > len(examples) // 10 else "info"
        context.log.event("data", f"{dropped} examples longer than {limit} tokens dropped", level=level, dropped=dropped)
    return kept


def _check_labels(examples: Sequence[Example], name: str) -> None:
    labels = [float(label) for e in examples if e.is_correct is not None for s in e.samples for label in s.labels[s.loss_mask]]
    if labels and min(labels) == max(labels):
        raise DataError(f"{name}: all {len(labels)} labels are {labels[0]:g}: there is nothing to tell apart. Draw other samples")


def _started(folder: Path, bundle: Bundle) -> ScalarModel:
    """Return the reward model of a folder. It may have scored something else: what it knows of steps helps to judge outcomes."""
    model, _ = load_scalar_folder(folder)
    check_vocabulary(folder, bundle.tokenizer)
    return model
