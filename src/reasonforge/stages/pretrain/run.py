"""Pre-training: next-token prediction on documents, until a number of steps or until a skill is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from reasonforge.core.errors import DataError
from reasonforge.core.records import Document, Message
from reasonforge.core.rollouts import TrainingSample
from reasonforge.evaluation.evaluate import Evaluator
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext, drive
from reasonforge.stages.likelihood import LikelihoodTraining, of_source, whole_sequence
from reasonforge.stages.order import ShuffledOrder
from reasonforge.stages.pretrain.config import PretrainConfig, SkillGate
from reasonforge.stages.pretrain.shards import ShardSteps
from reasonforge.tasks.config import DataSource, ShardsSource
from reasonforge.tasks.sources import load_demonstrations, load_documents
from reasonforge.tasks.streams import Demonstration
from reasonforge.text.render import render_example
from reasonforge.training.learner import Learner


def run_pretrain(
    config: PretrainConfig, bundle: Bundle, source: DataSource, evaluator: Evaluator | None, context: StageContext, *, data_seed: int
) -> None:
    """Train ``bundle.decoder`` in place.

    Args:
        config: the stage's settings.
        bundle: what is trained.
        source: the data table that ``config.data`` names.
        evaluator: measures the gate's skill; None = there is no gate.
        context: where the run is recorded.
        data_seed: the data table's seed.
    """
    learner = Learner(bundle.decoder, config.training, total_steps=config.steps, device=bundle.device, threads=bundle.threads)
    if isinstance(source, ShardsSource):
        shards = _shards(config, bundle, source, context)
        samples_of_step, metrics_after, data_id = _pieces(shards), shards.metrics, shards.data_id
        source_names = shards.source_names if len(shards.source_names) > 1 else ()
    else:
        samples_of_step, metrics_after, data_id = _samples(config, bundle, source, context, data_seed), None, None
        source_names = ()
    gate = _Gate(config.gate, config.steps, bundle, evaluator, context) if config.gate is not None and evaluator is not None else None
    trainer = LikelihoodTraining(
        learner,
        samples_of_step,
        num_steps=config.steps,
        is_finished=None if gate is None else gate.is_open,
        metrics_after=metrics_after,
        data_id=data_id,
        source_names=source_names,
    )
    drive(trainer, context, config.training)


def _shards(config: PretrainConfig, bundle: Bundle, source: ShardsSource, context: StageContext) -> ShardSteps:
    shards = ShardSteps(config, source, bundle.tokenizer, max_context=bundle.max_context, seed=context.seed("order"), where=context.name)
    context.log.event("data", shards.described())
    return shards


def _pieces(shards: ShardSteps) -> Callable[[int], Sequence[TrainingSample]]:
    """Return which samples a step trains on; of a mixture each says which source it is of."""
    if len(shards.source_names) == 1:
        return lambda step: [whole_sequence(piece.tokens) for piece in shards[step]]
    return lambda step: [of_source(whole_sequence(piece.tokens), piece.source) for piece in shards[step]]


class _Gate:
    """Asked before every step: is the skill there?"""

    def __init__(self, config: SkillGate, first_step: int, bundle: Bundle, evaluator: Evaluator, context: StageContext) -> None:
        self._config = config
        self._first_step = first_step
        self._bundle = bundle
        self._evaluator = evaluator
        self._context = context
        self._sampler = bundle.sampler()

    def is_open(self, step: int) -> bool:
        # The answer depends on step and weights alone, so a resumed run asks the same question and gets the same answer.
        if step < self._first_step or ((step - self._first_step) % self._config.every and step < self._config.max_steps):
            return False
        self._sampler.load(self._bundle.decoder.state_dict(), version=step)
        skill = self._evaluator.step_skill(self._sampler)
        self._context.log.event(
            "gate", f"step skill {skill:.3f} after step {step} (needed: {self._config.min_accuracy:g})", step=step, skill=skill
        )
        if skill < self._config.min_accuracy and step < self._config.max_steps:
            # Until the skill is there the stage goes on: its total grows with it.
            self._context.log.expect(min(step + self._config.every, self._config.max_steps))
        if skill < self._config.min_accuracy and step >= self._config.max_steps:
            self._context.log.event(
                "gate",
                f"step skill is {skill:.3f} after {step} steps, below {self._config.min_accuracy:g}: going on with a weak base. "
                "Reinforcement learning sharpens skills; it will find little here. Raise gate.max_steps.",
                level="warning",
            )
            return True
        return skill >= self._config.min_accuracy


class _Indexed(Protocol):
    def __getitem__(self, index: int, /) -> Document | Demonstration: ...


def _samples(
    config: PretrainConfig, bundle: Bundle, source: DataSource, context: StageContext, seed: int
) -> Callable[[int], Sequence[TrainingSample]]:
    """Return which samples a step trains on. A list is gone through in a new order every epoch; a stream is read on."""
    items: _Indexed = load_documents(source, seed=seed) if config.content == "documents" else load_demonstrations(source, seed=seed)
    per_step = config.documents_per_step
    assert per_step is not None  # the recipe was checked
    if not isinstance(items, list):
        # A stream's documents are made for the task: one that does not fit the context is a mistake in the recipe.
        return lambda step: [_fitting(_tokens(items[step * per_step + i], bundle), bundle, context.name) for i in range(per_step)]
    windows = [window for item in items for window in _windows(_tokens(item, bundle), bundle.max_context)]
    if not windows:
        raise DataError(f"{context.name}: none of {len(items)} documents has two tokens: there is nothing to predict")
    order = ShuffledOrder(len(windows), seed=context.seed("order"))
    context.log.event("data", f"{len(items)} documents, {sum(len(w) for w in windows)} tokens, {len(windows)} windows")
    return lambda step: [whole_sequence(windows[order[step * per_step + i]]) for i in range(per_step)]


def _tokens(item: Document | Demonstration, bundle: Bundle) -> list[int]:
    if isinstance(item, Document):
        return [*bundle.tokenizer.encode(item.text), *bundle.tokenizer.stop_ids[:1]]
    messages = [*item.problem.messages, Message("assistant", item.completion)]
    return render_example(messages, bundle.tokenizer, bundle.layout).token_ids


def _windows(token_ids: list[int], size: int) -> list[list[int]]:
    """Cut a document at the context's length. A window of one token has nothing to predict and is dropped."""
    return [window for start in range(0, len(token_ids), size) if len(window := token_ids[start : start + size]) > 1]


def _fitting(token_ids: list[int], bundle: Bundle, stage: str) -> TrainingSample:
    if len(token_ids) > bundle.max_context:
        raise DataError(
            f"{stage}: a document has {len(token_ids)} tokens, the model's context {bundle.max_context}: "
            "raise max_positions or lower the levels"
        )
    return whole_sequence(token_ids)
