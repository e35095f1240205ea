"""Rewards are worked out while the sampler is still at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import wait

import numpy as np
import pytest
from torch import Tensor

from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import Completion, Rollout, SampleRequest, SamplingParams
from reasonforge.rewards.config import FunctionReward, GradingConfig
from reasonforge.rewards.score import RewardScorer
from reasonforge.sampling.protocol import OnDone
from reasonforge.sampling.rollouts import sample_groups
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer

PARAMS = SamplingParams(max_new_tokens=100)
PROBLEMS = [Problem(id=name, messages=(Message("user", "?"),), answer="1", source="test") for name in "pq"]
LENGTHS = FunctionReward(path="tests.rewards.reward_functions:length", deadline_seconds=60)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_tokenizer(CharacterTokenizer(), alphabet="a")


class Plain:
    """Completions of 1, 2, 3, .. times the same letter."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._letter = tokenizer.encode("a")[0]

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        return [[self.completion(seed) for seed in request.seeds] for request in requests]

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        raise AssertionError("nothing is loaded here")

    def completion(self, length: int) -> Completion:
        return Completion(
            token_ids=np.full(length, self._letter, np.int32),
            logprobs=np.zeros(length, np.float32),
            mask=np.ones(length, np.bool_),
            finish_reason="stop",
            weights_version=0,
        )


class Streaming(Plain):
    """The same, the last first; goes on only when the reward of what it has drawn is known."""

    def __init__(self, tokenizer: Tokenizer, scorer: RewardScorer) -> None:
        super().__init__(tokenizer)
        self._scorer = scorer
        self.waited = 0

    def stream(self, requests: Sequence[SampleRequest], params: SamplingParams, on_done: OnDone) -> list[list[Completion]]:
        drawn = self.sample(requests, params)
        for row, completions in reversed(list(enumerate(drawn))):
            for index, completion in reversed(list(enumerate(completions))):
                on_done(row, index, completion)
                wait(list(self._scorer._begun.values()), timeout=60)
                self.waited += all(future.done() for future in self._scorer._begun.values())
        return drawn


def draw(sampler: Plain, tokenizer: Tokenizer, scorer: RewardScorer) -> list[tuple[Problem, list[Rollout]]]:
    return sample_groups(
        sampler,
        PROBLEMS,
        [(0,), (0,)],
        PARAMS,
        group_size=3,
        seed_of=lambda row, problem, index: 1 + 3 * row + index,
        tokenizer=tokenizer,
        on_rollout=scorer.submit,
    )


def test_a_reward_is_known_before_the_next_completion_is_drawn(tokenizer: Tokenizer) -> None:
    with RewardScorer({"length": LENGTHS}, grading=GradingConfig(workers=2)) as scorer:
        sampler = Streaming(tokenizer, scorer)
        groups = scorer.score_groups(draw(sampler, tokenizer, scorer))
    assert sampler.waited == 6
    assert [member.reward.total for group in groups for member in group.rollouts] == [1, 2, 3, 4, 5, 6]


def test_rollouts_and_rewards_are_the_same_whether_or_not_the_sampler_streams(tokenizer: Tokenizer) -> None:
    with RewardScorer({"length": LENGTHS}, grading=GradingConfig(workers=2)) as scorer:
        plain, streamed = (
            scorer.score_groups(draw(sampler, tokenizer, scorer)) for sampler in (Plain(tokenizer), Streaming(tokenizer, scorer))
        )
    for left, right in zip(plain, streamed, strict=True):
        assert left.problem == right.problem
        assert [member.reward for member in left.rollouts] == [member.reward for member in right.rollouts]
        assert [(m.rollout.group_id, m.rollout.index, m.rollout.seed, m.rollout.text) for m in left.rollouts] == [
            (m.rollout.group_id, m.rollout.index, m.rollout.seed, m.rollout.text) for m in right.rollouts
        ]
