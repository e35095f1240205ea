"""From text to reward."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reasonforge.core.errors import UnavailableError
from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import Completion, Rollout, SamplingParams
from reasonforge.rewards.config import AccuracyReward, FormatReward, FunctionReward
from reasonforge.rewards.score import RewardScorer, keeps_format
from reasonforge.tasks.registry import get_task, task_names
from tests.oracle import case

_PROBLEM = Problem(id="p", messages=(Message("user", "6 * 7?"),), answer="42", source="test")


def _rollout(text: str) -> Rollout:
    completion = Completion(
        token_ids=np.zeros(1, np.int32),
        logprobs=np.zeros(1, np.float32),
        mask=np.ones(1, np.bool_),
        finish_reason="stop",
        weights_version=0,
    )
    params = SamplingParams(max_new_tokens=1)
    return Rollout(problem_id="p", group_id="p/0", index=0, prompt_ids=(0,), completion=completion, text=text, sampling=params, seed=0)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<think>a</think><answer>4</answer>", True),
        (" <think>a\nb</think>\n<answer>4</answer>\n", True),
        ("<think></think><answer></answer>", True),
        ("<answer>4</answer>", False),
        ("<think>a</think>", False),
        ("<think>a</think><answer>4</answer> and more", False),
        ("so <think>a</think><answer>4</answer>", False),
        ("<think>a</think><answer>4</answer><answer>5</answer>", False),
        ("<think><think>a</think></think><answer>4</answer>", False),
        ("<think>a<answer>3</answer></think><answer>4</answer>", False),
        ("<answer>4</answer><think>a</think>", False),
    ],
)
def test_the_think_answer_form_is_both_sections_once_in_order(text: str, kept: bool) -> None:
    assert keeps_format(text, "think_answer") is kept


def test_the_form_check_is_quick_on_hostile_text() -> None:
    assert not keeps_format("<think>" * 30_000 + "</answer>" * 30_000, "think_answer")


def test_the_reward_is_the_weighted_sum_of_its_parts() -> None:
    parts = {"right": AccuracyReward(weight=2.0), "form": FormatReward(weight=0.5)}
    with RewardScorer(parts) as scorer:
        reward, verdict = scorer.score(_PROBLEM, "<think>6 * 7</think><answer>42</answer>")
        assert verdict.correct
        assert reward.total == 2.5
        assert reward.parts == {"right": 1.0, "form": 1.0}
        assert scorer.score(_PROBLEM, "<think>?</think><answer>41</answer>")[0].total == 0.5
        assert scorer.score(_PROBLEM, "")[0].total == 0.0


@pytest.mark.parametrize("name", task_names())
def test_the_gold_of_every_task_earns_the_reward(name: str) -> None:
    task = get_task(name)
    problems = [task.problem(0, index) for index in range(20)]
    with RewardScorer({"accuracy": AccuracyReward()}) as scorer:
        assert scorer.check_gold(problems) == []
        broken = [dataclasses.replace(problems[0], solution="no answer at all")]
        assert [failure.problem for failure in scorer.check_gold(broken)] == broken


def test_gold_that_a_part_cannot_score_fails_with_its_reason() -> None:
    with RewardScorer({"mine": FunctionReward(path="tests.rewards.reward_functions:raises")}) as scorer:
        ((problem, text, verdict),) = scorer.check_gold([_PROBLEM])
    assert (problem, text, verdict.status) == (_PROBLEM, "\\boxed{42}", "error")
    assert "cannot judge this" in verdict.reason


def test_accuracy_form_and_language_of_equal_weight_match_the_worked_example() -> None:
    example = case("rewards", "r1_sum")
    first = {"accuracy": AccuracyReward(), "form": FormatReward()}
    second = {**first, "language": FunctionReward(path="tests.rewards.reward_functions:language", deadline_seconds=30)}
    found: dict[str, list[float]] = {}
    for stage, parts in {"stage0_acc_plus_fmt": first, "stage1_plus_lang": second}.items():
        with RewardScorer(parts) as scorer:
            found[stage] = []
            for right, kept, language in zip(*(example.inputs[key] for key in ("acc", "fmt", "lang")), strict=True):
                answer = f"<answer>{42 if right else 41}</answer>"
                problem = dataclasses.replace(_PROBLEM, meta={"language": language})
                found[stage].append(scorer.score(problem, f"<think>so</think>{answer}" if kept else answer)[0].total)
    assert found == {stage: pytest.approx(totals, abs=example.tolerance) for stage, totals in example.expected.items()}


def test_too_many_failures_stop_the_batch_with_the_first_reason() -> None:
    parts = {"mine": FunctionReward(path="tests.rewards.reward_functions:raises")}
    with (
        RewardScorer(parts, max_failed_share=0.5) as scorer,
        pytest.raises(UnavailableError, match=r"first: problem p: .*cannot judge this"),
    ):
        scorer.score_groups([(_PROBLEM, [_rollout("a"), _rollout("b")])])


def test_a_few_failures_are_states_of_their_own() -> None:
    parts = {"mine": FunctionReward(path="tests.rewards.reward_functions:hangs_on_b", deadline_seconds=0.3)}
    with RewardScorer(parts, max_failed_share=0.5) as scorer:
        (group,) = scorer.score_groups([(_PROBLEM, [_rollout("a"), _rollout("b"), _rollout("c")])])
    assert [member.verdict.status for member in group.rollouts] == ["no_answer", "timeout", "no_answer"]
    assert [member.reward.total for member in group.rollouts] == [1.0, 0.0, 1.0]
