"""Steps are checked by their task's rule and paid at the token that completes them."""

from __future__ import annotations

import numpy as np

from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import Completion, Reward, Rollout, SamplingParams
from reasonforge.rewards.config import AccuracyReward, RewardPart, StepsReward
from reasonforge.rewards.score import RewardScorer
from reasonforge.tasks.registry import get_task
from reasonforge.tasks.steps import rule_steps
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.train import build_tokenizer

TASK = get_task("modular_chain")
PROBLEM = TASK.problem(0, 0, 2)
SOLUTION = PROBLEM.solution or ""
LINES = SOLUTION.split("\n")
TOKENIZER = build_tokenizer(CharacterTokenizer(tags=()), alphabet=TASK.alphabet())
OTHER = Problem(id="o", messages=(Message("user", "1 + 1?"),), answer="2", source="test")


def score(text: str, *, problem: Problem = PROBLEM, **parts: RewardPart) -> Reward:
    token_ids = np.array([*TOKENIZER.encode(text), TOKENIZER.stop_ids[0]], dtype=np.int32)
    completion = Completion(
        token_ids=token_ids,
        logprobs=np.zeros(len(token_ids), np.float32),
        mask=np.ones(len(token_ids), np.bool_),
        finish_reason="stop",
        weights_version=0,
    )
    rollout = Rollout(
        problem_id=problem.id,
        group_id="g",
        index=0,
        prompt_ids=(1,),
        completion=completion,
        text=text,
        sampling=SamplingParams(max_new_tokens=99),
        seed=0,
    )
    with RewardScorer(parts or {"steps": StepsReward()}, decode=TOKENIZER.decode) as scorer:
        (group,) = scorer.score_groups([(problem, [rollout])])
    return group.rollouts[0].reward


def wrong(line: str) -> str:
    return line[:-1] + str((int(line[-1]) + 1) % 10)


def test_each_right_step_is_paid_at_the_token_that_completes_it() -> None:
    reward = score(SOLUTION)
    ends = np.cumsum([len(line) + 1 for line in LINES[:3]]) - 2  # one token per character, the newline behind the step
    assert reward.steps == tuple((int(end), 1.0) for end in ends)
    assert reward.total == reward.parts["steps"] == 1.0


def test_a_wrong_step_earns_nothing() -> None:
    reward = score("\n".join([LINES[0], wrong(LINES[1]), LINES[2]]))
    assert [value for _, value in reward.steps] == [1.0, 0.0, 1.0]
    assert reward.parts["steps"] == 2 / 3


def test_a_step_is_paid_by_its_parts_weight() -> None:
    reward = score(LINES[0], accuracy=AccuracyReward(), steps=StepsReward(weight=0.5))
    assert [value for _, value in reward.steps] == [0.5]
    assert reward.parts == {"accuracy": 0.0, "steps": 1.0}
    assert reward.total == 0.5


def test_steps_that_are_watched_and_not_paid_are_not_compared() -> None:
    reward = score(SOLUTION, accuracy=AccuracyReward(), steps=StepsReward(weight=0.0))
    assert reward.parts["steps"] == 1.0
    assert reward.steps == ()


def test_a_completion_without_steps_earns_nothing_for_steps() -> None:
    assert score("\\boxed{1}") == Reward(total=0.0, parts={"steps": 0.0}, steps=())


def test_a_problem_whose_steps_no_rule_knows_has_no_such_part() -> None:
    reward = score(SOLUTION, problem=OTHER, accuracy=AccuracyReward(), steps=StepsReward())
    assert reward.parts.keys() == {"accuracy"}
    assert reward.steps == ()


def test_only_tasks_that_check_steps_have_a_rule() -> None:
    sums = get_task("chain_sum").problem(0, 0, 1)
    assert rule_steps(sums, "1") is None
    assert rule_steps(OTHER, "1") is None
    assert rule_steps(PROBLEM, "") == []
