from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reasonforge.objectives import advantages as adv
from tests.oracle import Case, case, cases

ONE_GROUP_METHODS = {
    "grpo_std_ddof0": lambda r, g: adv.group_normalized(r, g),
    "grpo_std_ddof1": lambda r, g: adv.group_normalized(r, g, ddof=1),
    "trl_like_eps1e-4_ddof1": lambda r, g: adv.group_normalized(r, g, ddof=1, eps=1e-4, std_floor=0.0),
    "verl_like_eps1e-6_ddof1": lambda r, g: adv.group_normalized(r, g, ddof=1, eps=1e-6, std_floor=0.0, singleton="raw"),
    "dr_grpo": adv.centred,
    "rloo": adv.leave_one_out,
}
BASELINES = pytest.mark.parametrize("method", [adv.group_normalized, adv.centred, adv.leave_one_out])


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def one_group(rewards: Tensor) -> Tensor:
    return torch.zeros(len(rewards), dtype=torch.int64)


@pytest.mark.parametrize("name", ONE_GROUP_METHODS)
@pytest.mark.parametrize("example", cases("advantage_group"), ids=lambda example: example.id)
def test_group_advantages_match_the_worked_examples(example: Case, name: str) -> None:
    rewards = doubles(example.inputs["rewards"])
    advantages = ONE_GROUP_METHODS[name](rewards, one_group(rewards))
    torch.testing.assert_close(advantages, doubles(example.expected[name]), rtol=0, atol=example.tolerance)


@BASELINES
def test_interleaved_groups_of_unequal_size_equal_each_group_alone(method) -> None:
    rewards, groups = torch.rand(12, dtype=torch.float64), torch.tensor([7, -2, 7, 40, -2, 7, 7, 40, 40, 7, 5, -2])
    together = method(rewards, groups)
    for group in groups.unique():
        alone = rewards[groups == group]
        torch.testing.assert_close(together[groups == group], method(alone, one_group(alone)))


@BASELINES
def test_adding_a_constant_to_a_group_changes_nothing(method) -> None:
    rewards, groups = torch.rand(8, dtype=torch.float64), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    shifted = rewards + torch.where(groups == 0, 1000.0, -3.0)
    torch.testing.assert_close(method(shifted, groups), method(rewards, groups), rtol=0, atol=1e-9)


@BASELINES
def test_permuting_completions_permutes_advantages(method) -> None:
    rewards, groups = torch.rand(9), torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 2])
    order = torch.randperm(9)
    torch.testing.assert_close(method(rewards[order], groups[order]), method(rewards, groups)[order])


def test_scaling_rewards_by_ten_changes_nothing_for_normalised_advantages_only() -> None:
    rewards, groups = torch.rand(6, dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1, 1])
    torch.testing.assert_close(adv.group_normalized(10 * rewards, groups), adv.group_normalized(rewards, groups))
    torch.testing.assert_close(adv.centred(10 * rewards, groups), 10 * adv.centred(rewards, groups))
    torch.testing.assert_close(adv.leave_one_out(10 * rewards, groups), 10 * adv.leave_one_out(rewards, groups))


@given(st.floats(-1e6, 1e6, width=32), st.integers(1, 9))
def test_equal_rewards_give_exactly_zero_whatever_their_value(reward: float, size: int) -> None:
    rewards = torch.full((size,), reward)
    assert (adv.group_normalized(rewards, one_group(rewards), std_floor=0.0, eps=0.0) == 0).all()
    assert (adv.centred(rewards, one_group(rewards)) == 0).all()


def test_float_noise_in_a_soft_reward_is_not_blown_up() -> None:
    rewards = doubles([0.5, 0.5 + 7e-7, 0.5, 0.5])
    assert adv.group_normalized(rewards, one_group(rewards)).abs().max() < 0.01
    assert adv.group_normalized(rewards, one_group(rewards), std_floor=0.0).abs().max() > 1.7


def test_the_floor_leaves_an_ordinary_group_exactly_alone() -> None:
    rewards = doubles([1.0] + [0.0] * 63)
    with_floor, without = (adv.group_normalized(rewards, one_group(rewards), std_floor=floor) for floor in (1e-4, 0.0))
    assert torch.equal(with_floor, without)


def test_a_nan_reward_is_not_silently_turned_into_zero() -> None:
    rewards, groups = torch.tensor([float("nan"), 1.0, 0.0, 1.0]), torch.tensor([0, 0, 1, 1])
    for method in (adv.group_normalized, adv.centred, adv.leave_one_out):
        assert method(rewards, groups)[:2].isnan().all()
        assert method(rewards, groups)[2:].isfinite().all()


def test_no_completions_give_no_advantages() -> None:
    nothing = torch.zeros(0)
    assert adv.group_normalized(nothing, one_group(nothing)).shape == (0,)
    assert adv.has_signal(nothing, one_group(nothing)).shape == (0,)


def test_leave_one_out_compares_with_the_mean_of_the_others() -> None:
    rewards = torch.rand(5, dtype=torch.float64)
    by_hand = torch.stack([rewards[i] - torch.cat([rewards[:i], rewards[i + 1 :]]).mean() for i in range(5)])
    torch.testing.assert_close(adv.leave_one_out(rewards, one_group(rewards)), by_hand)


def test_whitening_the_batch_matches_the_worked_examples() -> None:
    example = case("reinforce_pp", "2x4")
    rewards, groups = doubles(example.inputs["rewards"]).flatten(), torch.arange(8) // 4
    whole = adv.batch_whitened(rewards)
    torch.testing.assert_close(whole, doubles(example.expected["reinforce_pp"]).flatten(), rtol=0, atol=example.tolerance)
    baseline = adv.batch_whitened(adv.centred(rewards, groups))
    torch.testing.assert_close(baseline, doubles(example.expected["reinforce_pp_baseline"]).flatten(), rtol=0, atol=example.tolerance)


def test_whitened_tokens_have_mean_zero_and_sample_variance_one_and_ignore_the_rest() -> None:
    values, mask = torch.randn(3, 5), torch.rand(3, 5) > 0.4
    result = adv.whitened(torch.where(mask, values, float("nan")), mask)
    assert result[~mask].eq(0).all()
    assert result[mask].mean().abs() < 1e-6
    assert (result[mask].var(correction=1) - 1).abs() < 1e-5


def test_whitening_a_single_token_gives_zero() -> None:
    assert adv.whitened(torch.tensor([[3.0, 9.0]]), torch.tensor([[True, False]])).tolist() == [[0.0, 0.0]]


def test_a_group_has_signal_when_some_but_not_all_are_right() -> None:
    example = case("dapo", "dynamic_sampling")
    size, counts = example.inputs["G"], example.inputs["correct_counts"]
    correct = torch.stack([torch.arange(size) < count for count in counts]).flatten()
    groups = torch.arange(len(counts)).repeat_interleave(size)
    assert adv.has_signal(correct, groups).reshape(-1, size).all(1).tolist() == example.expected["keep"]
    assert adv.has_signal(correct, groups).reshape(-1, size).any(1).tolist() == example.expected["keep"]


def test_a_signal_is_exactly_a_nonzero_advantage() -> None:
    correct, groups = (torch.rand(60) < 0.5).float(), torch.arange(60) // 3
    assert torch.equal(adv.has_signal(correct, groups), adv.group_normalized(correct, groups) != 0)
