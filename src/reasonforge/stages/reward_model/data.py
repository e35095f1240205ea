"""What a reward model learns from: labels of responses, labels of steps, preferred pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import RewardSample, RolloutGroup, ScoredRollout
from reasonforge.core.seeds import derive_seed
from reasonforge.rewards.model import Response, ScoreSpec, reward_sample
from reasonforge.tasks.pairs import Labelled, Pair
from reasonforge.tasks.protocol import StepCheck
from reasonforge.tasks.steps import rule_steps
from reasonforge.text.layout import Layout
from reasonforge.text.render import render_response
from reasonforge.text.steps import Decode, step_tokens, token_of_each_end
from reasonforge.text.tokenizer import Tokenizer

StepLabels = Literal["soft", "hard", "rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What is learned from together: one sample, or the two of a pair, the preferred one first."""

    problem_id: str
    """Of the conversation that is answered, not of the table's row: one question under two ids is one problem."""
    samples: tuple[RewardSample, ...]
    lengths: tuple[int, ...]
    """Tokens read of each response."""
    is_correct: bool | None = None
    """Whether the response as a whole is right or good; None = a pair, which says only which is better."""

    @property
    def num_tokens(self) -> int:
        """Of the longest sample, without the closing token."""
        return max(len(sample.token_ids) for sample in self.samples) - 1


def outcome_examples(groups: Sequence[RolloutGroup], spec: ScoreSpec, decode: Decode) -> list[Example]:
    """Label each rollout with its verdict.

    Source:
        Math-Shepherd (arXiv:2312.08935), Eq. 1; DeepSeekMath (arXiv:2402.03300), section 5.2.1: labels by the rule.
    """
    return [
        _example(
            group.problem.messages,
            [Response.of(member)],
            spec,
            decode,
            labels=float(member.verdict.correct),
            is_correct=member.verdict.correct,
        )
        for group in groups
        for member in group.rollouts
    ]


def process_examples(groups: Sequence[RolloutGroup], spec: ScoreSpec, decode: Decode, *, labels: StepLabels) -> list[Example]:
    """Label the steps of each rollout; one without a step to label is left out.

    Args:
        groups: solutions; for ``soft`` and ``hard``, with the shares that ``label_steps`` stored as their process rewards.
        spec: says where steps end.
        decode: of the tokenizer.
        labels: ``soft`` = the share, ``hard`` = whether it is above 0, ``rule`` = the task's own step checker.

    Raises:
        DataError: a rollout has no labels, they belong to other steps, or its task checks no steps.

    Source:
        Math-Shepherd (arXiv:2312.08935), Eq. 2-4.
    """
    examples = []
    for group in groups:
        for member in group.rollouts:
            found = rule_labels(group.problem, member, spec, decode) if labels == "rule" else _stored_labels(member, spec, decode)
            if labels == "hard":
                found = {index: float(value > 0) for index, value in found.items()}
            if found:
                correct = member.verdict.correct
                examples.append(_example(group.problem.messages, [Response.of(member)], spec, decode, labels=found, is_correct=correct))
    return examples


def rule_labels(problem: Problem, member: ScoredRollout, spec: ScoreSpec, decode: Decode) -> dict[int, float]:
    """Return 1 or 0 for the last token of each step that the task's checker judges; the last step of all is as right as the answer.

    A step that holds several checked statements is right if all of them are.

    Raises:
        DataError: the task checks no steps.
    """
    assert spec.steps is not None
    token_ids, text = member.rollout.completion.token_ids.tolist(), member.rollout.text
    if not token_ids:
        return {}
    checks = [check for check in _checked_steps(problem, text) if check.end > 0]
    places = token_of_each_end(token_ids, [check.end for check in checks], decode)
    labels: dict[int, float] = {}
    start = -1
    for end in step_tokens(token_ids, text, spec.steps, decode):
        judged = [check.ok for check, place in zip(checks, places) if start < place <= end]
        if judged:
            labels[end] = float(all(judged))
        start = end
    labels[start] = float(member.verdict.correct)
    return labels


def _checked_steps(problem: Problem, text: str) -> list[StepCheck]:
    checks = rule_steps(problem, text)
    if checks is None:
        raise DataError(f"problem {problem.id} of {problem.source}: no rule checks its steps. Label them with a label_steps stage")
    return checks


def pair_examples(pairs: Sequence[Pair], spec: ScoreSpec, tokenizer: Tokenizer, layout: Layout) -> list[Example]:
    """Lay out each pair, the preferred response first.

    Source:
        DeepSeek-R1 (arXiv:2501.12948), section 3.1: helpfulness from pairs.
    """
    return [
        _example(
            pair.messages,
            [written_response(pair.messages, text, tokenizer, layout) for text in (pair.chosen, pair.rejected)],
            spec,
            tokenizer.decode,
        )
        for pair in pairs
    ]


def labelled_examples(rows: Sequence[Labelled], spec: ScoreSpec, tokenizer: Tokenizer, layout: Layout) -> list[Example]:
    """Label each response as its file does.

    Source:
        DeepSeek-R1 (arXiv:2501.12948), section 3.1: safety, pointwise.
    """
    return [
        _example(
            row.messages,
            [written_response(row.messages, row.response, tokenizer, layout)],
            spec,
            tokenizer.decode,
            labels=row.label,
            is_correct=row.label > 0.5,
        )
        for row in rows
    ]


def written_response(messages: Sequence[Message], text: str, tokenizer: Tokenizer, layout: Layout) -> Response:
    """Return somebody's words as the policy would have written them: up to the token that ends the turn."""
    prompt, response = render_response(messages, text, tokenizer, layout)
    return Response(prompt_ids=prompt, token_ids=np.asarray(response.token_ids, dtype=np.int32), text=text)


def split_by_problem(examples: Sequence[Example], *, held_out: float) -> tuple[list[Example], list[Example]]:
    """Return (examples to train on, examples to measure on); all of a problem's are on one side.

    The side follows from the problem alone, not from the run, the stage or the other problems: a model that is trained on is never
    measured on what its first training saw, as long as ``held_out`` is the same.

    Args:
        examples: all of them.
        held_out: chance of a problem to be held out.

    Raises:
        DataError: there are not two problems.
    """
    order = sorted({example.problem_id for example in examples}, key=_place)
    if len(order) < 2:
        raise DataError(f"{len(order)} problems: a reward model needs at least two, one of them to be measured on")
    # Few problems may all fall on one side; then the one nearest to the border crosses it.
    num_kept = min(max(1, sum(_place(name) < held_out for name in order)), len(order) - 1)
    kept = set(order[:num_kept])
    return [e for e in examples if e.problem_id not in kept], [e for e in examples if e.problem_id in kept]


def _place(problem_id: str) -> float:
    """A number in [0, 1) for each problem, the same in every run."""
    return derive_seed(0, "held-out", problem_id) / 2**63


def _example(
    messages: Sequence[Message],
    responses: Sequence[Response],
    spec: ScoreSpec,
    decode: Decode,
    *,
    labels: Mapping[int, float] | float | None = None,
    is_correct: bool | None = None,
) -> Example:
    samples = tuple(reward_sample(response, spec, decode, labels) for response in responses)
    lengths = tuple(len(sample.token_ids) - len(response.prompt_ids) - 1 for sample, response in zip(samples, responses))
    problem_id = content_id([[message.role, message.content] for message in messages])
    return Example(problem_id=problem_id, samples=samples, lengths=lengths, is_correct=is_correct)


def _stored_labels(member: ScoredRollout, spec: ScoreSpec, decode: Decode) -> Mapping[int, float]:
    assert spec.steps is not None
    rollout = member.rollout
    ends = step_tokens(rollout.completion.token_ids.tolist(), rollout.text, spec.steps, decode)
    stored = dict(member.reward.steps)
    if not stored and ends:
        raise DataError(f"rollout {rollout.index} of problem {rollout.problem_id} has no step labels: run a label_steps stage on it first")
    if not stored.keys() <= set(ends):
        raise DataError(f"rollout {rollout.index} of problem {rollout.problem_id}: its labels belong to other steps. Set the same steps")
    if any(not 0 <= value <= 1 for value in stored.values()):
        raise DataError(f"rollout {rollout.index} of problem {rollout.problem_id}: its step rewards are no shares between 0 and 1")
    return stored
