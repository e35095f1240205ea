"""Label the steps of solutions: from each step the policy goes on several times, and the share that gets to the answer is the label.

Source:
    Math-Shepherd (arXiv:2312.08935), section 3.3; a step of two solutions that begin alike is rolled out once [ours].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Problem
from reasonforge.core.rollouts import Completion, Rollout, RolloutGroup, SampleRequest, SamplingParams, ScoredRollout
from reasonforge.rewards.config import AccuracyReward
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.rollouts import step_file, write_rollouts
from reasonforge.sampling.protocol import Sampler, StreamingSampler
from reasonforge.sampling.rollouts import completion_text
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.label_steps.config import LabelStepsConfig
from reasonforge.stages.sample.run import num_files_done
from reasonforge.tasks.config import RolloutSource
from reasonforge.tasks.rollouts import is_graded, load_groups
from reasonforge.text.render import stop_token_ids
from reasonforge.text.steps import step_tokens
from reasonforge.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of a solution, up to the end of a step."""

    problem_id: str
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    """Of the completion."""


def run_label_steps(config: LabelStepsConfig, bundle: Bundle, source: RolloutSource, context: StageContext) -> str:
    """Label the steps of every solution of a table and store them as rollouts whose process rewards are the labels.

    A file holds ``groups_per_batch`` groups; a run that was killed goes on behind the last whole file.

    Raises:
        DataError: there are no rollouts, or a program's output stands in one.
        UnavailableError: more completions could not be graded than ``max_failed_share``.
        InterruptedRun: a signal came; the batch was finished and stored.
    """
    groups = load_groups(source, context.run.path, tokenizer=bundle.tokenizer.fingerprint)
    check_written(groups)
    size = config.groups_per_batch
    batches = [groups[start : start + size] for start in range(0, len(groups), size)]
    folder = context.run.rollouts_dir(context.name)
    done = num_files_done(context, len(batches))
    context.log.expect(len(batches))
    sampler = bundle.sampler(config.sampling.dtype, config.sampling.max_slots)
    params = config.sampling.params(stop_token_ids=stop_token_ids(bundle.tokenizer, bundle.layout))
    with RewardScorer({"accuracy": AccuracyReward()}, grading=config.grading, max_failed_share=config.max_failed_share) as scorer:
        labeller = StepLabeller(config, sampler=sampler, params=params, scorer=scorer, tokenizer=bundle.tokenizer, context=context)
        for number, batch in enumerate(batches[done:], start=done + 1):
            labelled, metrics = labeller.label(batch)
            context.log.metrics(number, metrics)
            # The file comes last: where it is, its row of metrics is too.
            context.run.sync()
            write_rollouts(
                step_file(folder, number),
                labelled,
                None,
                run=context.run.name,
                stage=context.name,
                step=number,
                tokens="all",
                tokenizer=bundle.tokenizer.fingerprint,
            )
            if context.stop.requested and number < len(batches):
                raise context.stop.error(
                    f"stopped after batch {number} of {context.name}; stored. Go on with: {context.run.resume_command}"
                )
    return f"steps of {sum(len(group.rollouts) for group in groups)} solutions labelled"


def check_written(groups: Sequence[RolloutGroup]) -> None:
    """Refuse solutions that a tool wrote a part of: what goes on from their steps could not call it.

    Raises:
        DataError: there is one.
    """
    for group in groups:
        for member in group.rollouts:
            if not member.rollout.completion.mask.all():
                raise DataError(
                    f"rollout {member.rollout.index} of problem {group.problem.id} holds a program's output, and a completion cannot go on "
                    "from a step around it: label solutions that were sampled without tools"
                )


class StepLabeller:
    """Rolls out the steps of a batch of solutions, all at once, and grades while it samples."""

    def __init__(
        self,
        config: LabelStepsConfig,
        *,
        sampler: Sampler,
        params: SamplingParams,
        scorer: RewardScorer,
        tokenizer: Tokenizer,
        context: StageContext,
    ) -> None:
        self._config = config
        self._sampler = sampler
        self._params = params
        self._scorer = scorer
        self._tokenizer = tokenizer
        self._context = context

    def label(self, groups: Sequence[RolloutGroup]) -> tuple[list[RolloutGroup], dict[str, float]]:
        """Return the groups with the share of right completions as each step's reward, and figures of the batch.

        The last step's label is whether the solution itself is right. A step none of whose completions could be graded has no label.
        """
        problems = {group.problem.id: group.problem for group in groups}
        ends = [[self._ends(member) for member in group.rollouts] for group in groups]
        wanted = dict.fromkeys(
            _prefix(member, end) for group, row in zip(groups, ends) for member, found in zip(group.rollouts, row) for end in found[:-1]
        )
        shares = self._shares(problems, list(wanted))
        labelled = [
            replace(
                group,
                rollouts=tuple(
                    replace(member, reward=replace(member.reward, steps=_labels(member, found, shares)))
                    for member, found in zip(group.rollouts, row)
                ),
            )
            for group, row in zip(groups, ends)
        ]
        num_steps = sum(len(found[:-1]) for row in ends for found in row)
        return labelled, self._metrics(labelled, shares, num_steps=num_steps, num_prefixes=len(wanted))

    def _ends(self, member: ScoredRollout) -> list[int]:
        rollout = member.rollout
        return step_tokens(rollout.completion.token_ids.tolist(), rollout.text, self._config.steps, self._tokenizer.decode)

    def _shares(self, problems: dict[str, Problem], prefixes: Sequence[Prefix]) -> dict[Prefix, float]:
        """Return the share of right completions of each prefix, of those that could be graded."""
        requests = [SampleRequest(prompt_ids=prefix.prompt_ids + prefix.token_ids, seeds=tuple(self._seeds(prefix))) for prefix in prefixes]
        made: dict[tuple[int, int], Rollout] = {}

        def finished(row: int, index: int, completion: Completion) -> None:
            made[row, index] = self._rollout(row, prefixes[row], index, completion, requests[row])
            self._scorer.submit(problems[prefixes[row].problem_id], made[row, index])

        if isinstance(self._sampler, StreamingSampler):
            self._sampler.stream(requests, self._params, finished)
        else:
            for row, completions in enumerate(self._sampler.sample(requests, self._params)):
                for index, completion in enumerate(completions):
                    finished(row, index, completion)
        drawn = [
            (problems[prefix.problem_id], [made[row, index] for index in range(self._config.completions)])
            for row, prefix in enumerate(prefixes)
        ]
        shares: dict[Prefix, float] = {}
        for prefix, group in zip(prefixes, self._scorer.score_groups(drawn)):
            verdicts = [member.verdict.correct for member in group.rollouts if is_graded(member)]
            if verdicts:
                shares[prefix] = float(np.mean(verdicts))
        return shares

    def _seeds(self, prefix: Prefix) -> list[int]:
        # By what is gone on from, not by its place: a prefix has the same completions in whatever batch it stands.
        name = content_id([prefix.prompt_ids, prefix.token_ids])
        return [self._context.seed("roll-out", prefix.problem_id, name, index) for index in range(self._config.completions)]

    def _rollout(self, row: int, prefix: Prefix, index: int, completion: Completion, request: SampleRequest) -> Rollout:
        # Decoded together: a letter may be in halves on both sides, and some decoders drop a space at the start of a text.
        whole = replace(completion, token_ids=np.concatenate([np.array(prefix.token_ids, dtype=np.int32), completion.token_ids]))
        return Rollout(
            problem_id=prefix.problem_id,
            group_id=f"{prefix.problem_id}/{row}",
            index=index,
            prompt_ids=request.prompt_ids,
            completion=completion,
            text=completion_text(whole, self._tokenizer),
            sampling=self._params,
            seed=request.seeds[index],
        )

    def _metrics(
        self, groups: Sequence[RolloutGroup], shares: dict[Prefix, float], *, num_steps: int, num_prefixes: int
    ) -> dict[str, float]:
        found = np.array(list(shares.values()))
        metrics = {
            "label_steps/solutions": float(sum(len(group.rollouts) for group in groups)),
            "label_steps/roll_outs": float(num_prefixes * self._config.completions),
            "label_steps/shared": 1 - num_prefixes / num_steps if num_steps else 0.0,
        }
        if len(found):
            metrics |= {"label_steps/soft": float(found.mean()), "label_steps/hard": float((found > 0).mean())}
        return metrics


def _prefix(member: ScoredRollout, end: int) -> Prefix:
    rollout = member.rollout
    return Prefix(rollout.problem_id, rollout.prompt_ids, tuple(rollout.completion.token_ids[: end + 1].tolist()))


def _labels(member: ScoredRollout, ends: Sequence[int], shares: dict[Prefix, float]) -> tuple[tuple[int, float], ...]:
    labels = [(end, shares[prefix]) for end in ends[:-1] if (prefix := _prefix(member, end)) in shares]
    return (*labels, *((end, float(member.verdict.correct)) for end in ends[-1:]))
