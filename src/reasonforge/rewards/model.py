"""Rewards of trained models: what a reward model reads of a response, and how its scores become rewards.

How the numbers are computed is handed in (a scorer over a decoder with a head of one number); here is what they are about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.rollouts import Float32, Int32, Reward, RewardSample, RolloutGroup, ScoredRollout, TrainingSample
from reasonforge.rewards.config import ModelReward, RewardPart
from reasonforge.text.config import StepsConfig
from reasonforge.text.steps import Decode, step_tokens, token_of_each_end
from reasonforge.verify.extract import answer_section

Kind = Literal["outcome", "process", "pairwise", "safety"]
Aggregate = Literal["min", "product", "last", "mean"]
Values = Callable[[Sequence[TrainingSample]], list[Float32]]
"""Scores of samples, aligned with their ``token_ids``: what ``ScalarScorer.values`` does."""

CLOSING_ID = 0
"""Stands behind the last token of every sample, so that the score after the last token has a place. It is never read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSpec:
    """What a reward model's scores mean. Kept in the model's folder."""

    kind: Kind
    sees: Literal["all", "summary"] = "all"
    """``summary``: only what follows ``</think>``."""
    steps: StepsConfig | None = None
    """Where steps end; None = it scores no steps."""

    def to_json(self) -> dict[str, Any]:
        """Return what is written beside the model."""
        return {"kind": self.kind, "sees": self.sees, "steps": None if self.steps is None else self.steps.model_dump()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ScoreSpec:
        """Take back what ``to_json`` gave.

        Raises:
            DataError: it is not that.
        """
        if missing := [name for name in ("kind", "sees", "steps") if name not in content]:
            raise DataError(f"scores: nothing says what they mean ({', '.join(missing)}). Give a folder that a reward_model stage wrote")
        try:
            steps = None if content["steps"] is None else StepsConfig.model_validate(content["steps"])
        except ValidationError as error:
            raise DataError(f"scores: steps: {error.errors()[0]['msg']}") from None
        spec = cls(kind=content["kind"], sees=content["sees"], steps=steps)
        known = spec.kind in ("outcome", "process", "pairwise", "safety") and spec.sees in ("all", "summary")
        if not known or (spec.kind == "process") != (spec.steps is not None):
            raise DataError(f"scores: {asdict(spec)} are not scores of a reward model")
        return spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is scored: a prompt and the tokens that answer it."""

    prompt_ids: Sequence[int]
    token_ids: Int32
    text: str
    """The response decoded, with or without the control token that ended it."""

    @classmethod
    def of(cls, member: ScoredRollout) -> Response:
        """Return a rollout's response."""
        rollout = member.rollout
        return cls(prompt_ids=rollout.prompt_ids, token_ids=rollout.completion.token_ids, text=rollout.text)


def visible(response: Response, spec: ScoreSpec, decode: Decode) -> Int32:
    """Return the tokens of a response that the model reads: all of them, or those behind the last ``</think>``.

    A response that is still thinking at its end has no summary, so nothing of it is read: thinking can then not be taken for an answer.
    """
    ids = response.token_ids
    if spec.sees == "all":
        return ids
    section = answer_section(response.text, prompt=decode(list(response.prompt_ids)))
    if section is None:
        return ids[:0]
    start = len(response.text) - len(section)
    return ids[token_of_each_end(ids.tolist(), [start], decode)[0] + 1 :] if start else ids


def reward_sample(response: Response, spec: ScoreSpec, decode: Decode, labels: Mapping[int, float] | float | None = None) -> RewardSample:
    """Return a response as a sample: the prompt, what is visible, and a closing token.

    The score after a token is read where the next one is predicted, so a label of token ``j`` stands at ``j + 1``.

    Args:
        response: what is scored.
        spec: what the scores mean.
        decode: of the tokenizer.
        labels: one of the whole response, or of its steps by the index of their last token. None = scored, not learned from.
    """
    ids = visible(response, spec, decode)
    if not isinstance(labels, Mapping):
        labels = dict.fromkeys(scored_tokens(response, ids, spec, decode), 0.0 if labels is None else labels)
    places = np.array([len(response.prompt_ids) + index + 1 for index in labels], dtype=np.int64)
    token_ids = np.concatenate([np.asarray(response.prompt_ids, dtype=np.int32), ids, np.array([CLOSING_ID], dtype=np.int32)])
    values, mask = np.zeros(len(token_ids), dtype=np.float32), np.zeros(len(token_ids), dtype=np.bool_)
    values[places], mask[places] = list(labels.values()), True
    return RewardSample(token_ids=token_ids, loss_mask=mask, labels=values)


def scored_tokens(response: Response, ids: Int32, spec: ScoreSpec, decode: Decode) -> list[int]:
    """Return the indices of the visible tokens after which a score is read; an empty response is scored after its prompt (-1)."""
    if spec.steps is None or not len(ids):
        return [len(ids) - 1]
    return step_tokens(ids.tolist(), response.text, spec.steps, decode)


def aggregate(probabilities: Sequence[float], how: Aggregate) -> float:
    """Return one score of a solution from the probabilities of its steps.

    Source:
        Math-Shepherd (arXiv:2312.08935), section 3.4 (min); product and last as in Lightman et al. (arXiv:2305.20050).

    >>> aggregate([0.9, 0.4, 0.8], "min")
    0.4
    """
    match how:
        case "min":
            return min(probabilities)
        case "product":
            return math.prod(probabilities)
        case "last":
            return probabilities[-1]
        case "mean":
            return sum(probabilities) / len(probabilities)


class RewardModel:
    """A trained model and what its scores mean."""

    def __init__(self, values: Values, spec: ScoreSpec, *, decode: Decode, max_context: int | None = None) -> None:
        """Args:
        values: scores samples.
        spec: what the scores mean.
        decode: of the tokenizer that the model was trained with.
        max_context: longest prompt and response in tokens; None = no limit.
        """
        self.spec = spec
        self._values = values
        self._decode = decode
        self._max_context = max_context

    def logits(self, responses: Sequence[Response]) -> list[list[tuple[int, float]]]:
        """Return (index of the visible token, score after it) of each response: one pair per step, or one at the end.

        Raises:
            DataError: a response is longer than the model's context.
        """
        samples = [reward_sample(response, self.spec, self._decode) for response in responses]
        longest = max((len(sample.token_ids) - 1 for sample in samples), default=0)
        if self._max_context is not None and longest > self._max_context:
            raise DataError(f"reward model: a response of {longest} tokens with its prompt exceeds its context of {self._max_context}")
        found = []
        for response, sample, row in zip(responses, samples, self._values(samples) if samples else []):
            start = len(response.prompt_ids) + 1
            found.append([(int(place) - start, float(row[place])) for place in np.flatnonzero(sample.loss_mask)])
        return found

    def scores(self, responses: Sequence[Response], *, transform: str = "logit", how: Aggregate = "min") -> list[float]:
        """Return one number per response: the score at its end, or that of its steps together."""
        return [self.combine([score for _, score in row], transform=transform, how=how) for row in self.logits(responses)]

    def combine(self, scores: Sequence[float], *, transform: str = "logit", how: Aggregate = "min") -> float:
        """Return one number from the scores of a response: aggregated as logits or, transformed first, as probabilities."""
        return aggregate([transformed(score, transform) for score in scores], how)


def transformed(logit: float, transform: str) -> float:
    """Return a score as it is paid.

    >>> transformed(0.0, "sigmoid")
    0.5
    """
    return 0.5 * (1.0 + math.tanh(0.5 * logit)) if transform == "sigmoid" else logit


class ModelRewards:
    """Adds what reward models say to rewards that rules have given."""

    def __init__(self, parts: Mapping[str, RewardPart], models: Mapping[str, RewardModel]) -> None:
        """Args:
            parts: a recipe's named parts; those of type ``reward_model`` are this class's.
            models: the model of each of them, by the part's name.

        Raises:
            RecipeError: a setting of a part has no effect on its model.
        """
        self._parts = {name: part for name, part in parts.items() if isinstance(part, ModelReward)}
        self._models = dict(models)
        for name, part in self._parts.items():
            _refuse_without_effect(name, part, self._models[name].spec)

    def add(self, groups: Sequence[RolloutGroup], *, step: int = 0) -> list[RolloutGroup]:
        """Return the groups with each model's part in their rewards. A completion that could not be graded stays as it is.

        Args:
            groups: scored by rules.
            step: of the stage; parts with a later ``only_from_step`` are left out.
        """
        parts = {name: part for name, part in self._parts.items() if step >= part.only_from_step}
        if not parts:
            return list(groups)
        members = [member for group in groups for member in group.rollouts]
        known = [i for i, member in enumerate(members) if member.verdict.status not in ("timeout", "error")]
        for name, part in parts.items():
            found = self._models[name].logits([Response.of(members[i]) for i in known])
            for i, row in zip(known, found):
                members[i] = replace(members[i], reward=self._with_part(members[i].reward, name, part, row))
        rest = iter(members)
        return [replace(group, rollouts=tuple(next(rest) for _ in group.rollouts)) for group in groups]

    def _with_part(self, reward: Reward, name: str, part: ModelReward, row: Sequence[tuple[int, float]]) -> Reward:
        model = self._models[name]
        value = model.combine([score for _, score in row], transform=part.transform, how=part.aggregate)
        steps = reward.steps
        # Watched, not paid: steps of nothing would still count among those that a group's are compared with.
        if model.spec.steps is not None and part.weight:
            steps = (*steps, *((index, part.weight * transformed(score, part.transform)) for index, score in row if index >= 0))
        return Reward(total=reward.total + part.weight * value, parts={**reward.parts, name: value}, steps=tuple(sorted(steps)))


def _refuse_without_effect(name: str, part: ModelReward, spec: ScoreSpec) -> None:
    default = ModelReward.model_fields["aggregate"].default
    if spec.steps is None and part.aggregate != default:
        raise RecipeError(f"rewards.{name}: aggregate has no effect: {part.model} gives one score per completion, not one per step")
    if part.aggregate == "product" and part.transform == "logit":
        raise RecipeError(f"rewards.{name}: aggregate 'product' multiplies probabilities: set transform = 'sigmoid'")
