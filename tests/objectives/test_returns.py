from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from reasonforge.objectives.advantages import group_normalized, whitened
from reasonforge.objectives.returns import gae, process_advantages, return_to_go, reverse_scan
from tests.oracle import Case, case, cases

GAE_CASES = [example for example in cases("gae_ppo") if "lambda" in example.inputs]


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def row(values: object) -> Tensor:
    return doubles(values)[None]


@pytest.mark.parametrize("example", GAE_CASES, ids=lambda example: example.id)
def test_gae_matches_the_worked_examples(example: Case) -> None:
    given, expected, tolerance = example.inputs, example.expected, example.tolerance
    rewards, values = row(given["rewards"]), row(given["values"])
    mask = torch.ones_like(rewards, dtype=torch.bool)
    end = doubles([given["terminal_value"]])
    estimate = gae(rewards, values, mask=mask, gamma=given["gamma"], lam=given["lambda"], bootstrap=end)
    torch.testing.assert_close(estimate.advantages, row(expected["advantages"]), rtol=0, atol=tolerance)
    torch.testing.assert_close(estimate.returns, row(expected["returns"]), rtol=0, atol=tolerance)
    white = whitened(estimate.advantages, mask)
    torch.testing.assert_close(white, row(expected["whitened_sample_std_eps1e-8"]), rtol=0, atol=tolerance)


def gae_by_recursion(rewards: Tensor, values: Tensor, gamma: float, lam: float, end: float) -> Tensor:
    advantages, ahead, value_ahead = torch.zeros_like(rewards), 0.0, end
    for t in reversed(range(len(rewards))):
        ahead = rewards[t] + gamma * value_ahead - values[t] + gamma * lam * ahead
        advantages[t], value_ahead = ahead, values[t]
    return advantages


@pytest.mark.parametrize("num_tokens", [1, 2, 7, 64, 100])
def test_doubling_is_the_recursion(num_tokens: int) -> None:
    rewards, values = torch.randn(2, 3, num_tokens, dtype=torch.float64)
    ends = torch.randn(3, dtype=torch.float64)
    estimate = gae(rewards, values, mask=torch.ones(3, num_tokens, dtype=torch.bool), gamma=0.9, lam=0.8, bootstrap=ends)
    for b in range(3):
        torch.testing.assert_close(estimate.advantages[b], gae_by_recursion(rewards[b], values[b], 0.9, 0.8, float(ends[b])))


def test_tool_output_inside_a_completion_is_stepped_over() -> None:
    mask = torch.tensor([[False, True, True, False, False, True, False, True, False]])
    rewards, values = torch.randn(2, 1, 9, dtype=torch.float64)
    poison = torch.where(mask, 0.0, 1e6)
    estimate = gae(rewards + poison, values - poison, mask=mask, gamma=0.9, lam=0.8)
    torch.testing.assert_close(estimate.advantages[mask], gae_by_recursion(rewards[mask], values[mask], 0.9, 0.8, 0.0))
    assert estimate.advantages[~mask].eq(0).all()
    assert estimate.returns[~mask].eq(0).all()
    torch.testing.assert_close(
        return_to_go(rewards + poison, mask=mask, gamma=0.9)[mask],
        return_to_go(rewards[mask][None], mask=torch.ones(1, 4, dtype=torch.bool), gamma=0.9)[0],
    )


def test_with_gamma_and_lambda_one_returns_are_sums_to_go() -> None:
    rewards, values = torch.randn(2, 4, 11, dtype=torch.float64)
    mask = torch.rand(4, 11) > 0.3
    torch.testing.assert_close(gae(rewards, values, mask=mask).returns, return_to_go(rewards, mask=mask))


def test_a_reverse_scan_of_ones_counts_down() -> None:
    assert reverse_scan(torch.ones(1, 6), torch.ones(1, 6)).tolist() == [[6, 5, 4, 3, 2, 1]]


@pytest.mark.parametrize("ddof", [0, 1])
def test_process_advantages_match_the_worked_example(ddof: Literal[0, 1]) -> None:
    example = case("advantage_process", "three_outputs")
    given, expected = example.inputs, example.expected
    counts = torch.tensor([len(steps) for steps in given["step_rewards"]])
    flat = doubles([reward for steps in given["step_rewards"] for reward in steps])
    normalized = group_normalized(flat, torch.zeros(len(flat), dtype=torch.int64), ddof=ddof).split(counts.tolist())
    for i, num_tokens in enumerate(given["lens"]):
        torch.testing.assert_close(
            normalized[i], doubles(expected[f"normalized_step_rewards_ddof{ddof}"][i]), rtol=0, atol=example.tolerance
        )
        advantages = process_advantages(normalized[i], torch.tensor(given["step_end"][i]), num_tokens=num_tokens)
        torch.testing.assert_close(advantages, doubles(expected[f"token_advantages_ddof{ddof}"][i]), rtol=0, atol=example.tolerance)


def test_counted_from_the_start_a_step_does_not_reward_its_own_later_tokens() -> None:
    rewards, ends = torch.tensor([1.0, 10.0]), torch.tensor([1, 4])
    assert process_advantages(rewards, ends, num_tokens=6).tolist() == [11, 11, 10, 10, 10, 0]
    assert process_advantages(rewards, ends, num_tokens=6, counted_from="start").tolist() == [11, 10, 10, 0, 0, 0]


def test_the_mean_over_steps_to_come_does_not_grow_with_their_number() -> None:
    ends = torch.tensor([1, 3, 5])
    assert process_advantages(torch.ones(3), ends, num_tokens=7, reduce="mean").tolist() == [1, 1, 1, 1, 1, 1, 0]
    assert process_advantages(torch.ones(3), ends, num_tokens=7).tolist() == [3, 3, 2, 2, 1, 1, 0]


def test_one_step_at_the_last_token_is_outcome_supervision() -> None:
    assert process_advantages(torch.tensor([0.7]), torch.tensor([3]), num_tokens=4).tolist() == pytest.approx([0.7] * 4)


@pytest.mark.parametrize("rule", ["end", "start"])
def test_a_completion_without_steps_has_no_process_advantage(rule: Literal["end", "start"]) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert process_advantages(torch.zeros(0), none, num_tokens=3, counted_from=rule).tolist() == [0, 0, 0]


@pytest.mark.parametrize("ends", [[1, 1], [2, 1], [1, 4], [-1, 2]])
def test_steps_that_do_not_lie_in_order_within_the_completion_are_refused(ends: list[int]) -> None:
    with pytest.raises(ValueError, match="within the 4 tokens"):
        process_advantages(torch.ones(2), torch.tensor(ends), num_tokens=4)
