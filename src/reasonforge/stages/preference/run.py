"""Put a policy, its reference and pairs together, and train."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Problem
from reasonforge.sampling.tools import open_tools
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext, drive
from reasonforge.stages.preference.config import PreferenceConfig, PreferenceIterations
from reasonforge.stages.preference.pairs import SamplePair, completion_pairs, written_pairs
from reasonforge.stages.preference.rounds import RoundSampler
from reasonforge.stages.preference.training import PreferenceTraining, planned_steps
from reasonforge.stages.rl.data import PromptSource
from reasonforge.stages.rl.scoring import stage_scorer, without_quarantine
from reasonforge.tasks.config import PairSource, RolloutSource
from reasonforge.tasks.pairs import load_pairs
from reasonforge.tasks.rollouts import load_groups
from reasonforge.tasks.streams import ProblemStream
from reasonforge.text.render import stop_token_ids
from reasonforge.training.learner import Learner, Scorer


def run_preference(
    config: PreferenceConfig,
    bundle: Bundle,
    context: StageContext,
    *,
    source: RolloutSource | PairSource | None = None,
    problems: list[Problem] | ProblemStream | None = None,
) -> None:
    """Train ``bundle.decoder`` in place.

    Args:
        config: the stage's settings.
        bundle: what is trained, and the reference as it stands.
        context: where the run is recorded.
        source: of the pairs, without ``config.iterations``.
        problems: what is asked, with them.

    Raises:
        DataError: the data cannot be read, makes no pair, holds too many wrong references, or nothing of it fits the context.
        RecipeError: a pair does not fit a micro-batch.
        UnavailableError: too many completions of a round could not be graded.
    """
    # The reference is the stage's start; a resumed run builds it from the same start, and takes that of its round back.
    reference = Scorer.frozen_copy(bundle.decoder, config.training, device=bundle.device)
    with ExitStack() as stack:
        if config.iterations is None:
            assert source is not None
            pairs, rounds = _fitting(_read(config, source, bundle, context), config, bundle, context), None
        else:
            assert problems is not None
            pairs, rounds = (), _rounds(config.iterations, config.data, bundle, problems, context, stack)
        total = planned_steps(config, len(pairs))
        learner = Learner(bundle.decoder, config.training, total_steps=total, device=bundle.device, threads=bundle.threads)
        trainer = PreferenceTraining(config, learner=learner, reference=reference, context=context, pairs=pairs, rounds=rounds)
        drive(trainer, context, config.training)


def _rounds(
    config: PreferenceIterations,
    data: str,
    bundle: Bundle,
    problems: list[Problem] | ProblemStream,
    context: StageContext,
    stack: ExitStack,
) -> RoundSampler:
    stage = config.as_sampling(data)
    scorer = stack.enter_context(stage_scorer(stage))
    if isinstance(problems, list):
        problems = without_quarantine(problems, scorer, stage, context.log, folder=context.run.rollouts_dir(context.name))
    return RoundSampler(
        config,
        sampler=bundle.sampler(config.sampling.dtype, config.sampling.max_slots),
        scorer=scorer,
        prompts=PromptSource(problems, bundle, seed=context.seed("prompts")),
        tokenizer=bundle.tokenizer,
        stop_token_ids=stop_token_ids(bundle.tokenizer, bundle.layout),
        context=context,
        tools=stack.enter_context(open_tools(config.sampling.tools, bundle.tokenizer, max_context=bundle.max_context)),
    )


def _read(config: PreferenceConfig, source: RolloutSource | PairSource, bundle: Bundle, context: StageContext) -> list[SamplePair]:
    if isinstance(source, PairSource):
        return written_pairs(load_pairs(source, context.run.path), bundle.tokenizer, bundle.layout)
    groups = load_groups(source, context.run.path, tokenizer=bundle.tokenizer.fingerprint)
    pairs = completion_pairs(groups, max_per_problem=config.pairs_of_a_problem, seed=context.seed("pairs"))
    if not pairs:
        raise DataError(
            f"{context.name}: data {config.data!r} makes no pair: none of {len(groups)} groups has a right completion that ended and a "
            "wrong one. Draw more samples per problem, or choose other problems."
        )
    return pairs


def _fitting(pairs: Sequence[SamplePair], config: PreferenceConfig, bundle: Bundle, context: StageContext) -> list[SamplePair]:
    """Drop pairs of which one does not fit the context, never cut them, and say what is left."""
    kept = [pair for pair in pairs if pair.num_tokens <= bundle.max_context]
    if not kept:
        raise DataError(f"{context.name}: none of {len(pairs)} pairs fits the context of {bundle.max_context} tokens")
    longest, limit = max(pair.num_tokens for pair in kept), config.training.max_tokens_per_device
    if 2 * longest > limit:
        # Better now than at the step that draws it.
        raise RecipeError(
            f"{context.name}: training.max_tokens_per_device is {limit}, but a pair whose longer sequence has {longest} tokens needs "
            f"{2 * longest}: raise it, or leave long pairs out"
        )
    dropped, problems = len(pairs) - len(kept), len({pair.problem_id for pair in kept})
    context.log.event(
        "data",
        f"{len(kept)} pairs of {problems} problems; {dropped} longer than {bundle.max_context} tokens dropped",
        level="warning" if dropped > len(pairs) // 10 else "info",
        pairs=len(kept),
        dropped=dropped,
    )
    return kept
