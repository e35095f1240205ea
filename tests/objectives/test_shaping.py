from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reasonforge.objectives.advantages import group_normalized
from reasonforge.objectives.kl import kl_k1
from reasonforge.objectives.returns import return_to_go
from reasonforge.objectives.shaping import adapted_kl_coef, apply_truncated_policy, kl_shaped, token_rewards
from tests.oracle import case


def row(values: object) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def test_a_divergence_penalty_in_the_reward_matches_the_worked_example() -> None:
    example = case("gae_ppo", "kl_shaping")
    policy, reference, rewards = (row(example.inputs[key]) for key in ("logp_policy", "logp_ref", "rewards"))
    mask = torch.ones_like(rewards, dtype=torch.bool)
    shaped = kl_shaped(rewards, kl_k1(policy, reference), mask=mask, kl_coef=example.inputs["beta"])
    torch.testing.assert_close(shaped, row(example.expected["shaped_rewards"]), rtol=0, atol=example.tolerance)
    assert float(kl_k1(policy, reference).sum()) == pytest.approx(example.expected["k1_sum"], abs=example.tolerance)


def test_a_shaped_reward_carries_no_gradient_and_nothing_where_masked() -> None:
    logprobs = torch.randn(1, 3, requires_grad=True)
    mask = torch.tensor([[True, False, True]])
    shaped = kl_shaped(torch.ones(1, 3), kl_k1(logprobs, torch.zeros(1, 3)), mask=mask, kl_coef=0.1)
    assert not shaped.requires_grad
    assert shaped[0, 1] == 0


def test_an_outcome_reward_sits_on_the_last_kept_token_and_reaches_all_before_it() -> None:
    mask = torch.tensor([[True, False, True, False], [False, False, False, False], [True, True, True, True]])
    placed = token_rewards(torch.tensor([5.0, 6.0, 7.0]), mask=mask)
    assert placed.tolist() == [[0, 0, 5, 0], [0, 0, 0, 0], [0, 0, 0, 7]]
    assert return_to_go(placed, mask=mask).tolist() == [[5, 0, 5, 0], [0, 0, 0, 0], [7, 7, 7, 7]]


@pytest.mark.parametrize(("observed", "factor"), [(6.0, 1.0), (6.6, 1.01), (100.0, 1.02), (0.0, 0.98)])
def test_the_penalty_grows_when_the_divergence_is_above_its_target_by_at_most_a_fifth_per_horizon(observed: float, factor: float) -> None:
    adapted = adapted_kl_coef(0.1, observed_kl=observed, target_kl=6.0, num_samples=100, horizon=1000)
    assert adapted == pytest.approx(0.1 * factor)


REWARDS, TRUNCATED = torch.tensor([1.0, 0.5, 0.0]), torch.tensor([False, True, False])


@pytest.mark.parametrize(
    ("policy", "rewards", "in_baseline", "is_learned"),
    [
        ("keep", [1, 0.5, 0], [True, True, True], [True, True, True]),
        ("zero_reward", [1, 0, 0], [True, True, True], [True, True, True]),
        ("mask_keep_in_baseline", [1, 0.5, 0], [True, True, True], [True, False, True]),
        ("mask_drop_from_baseline", [1, 0.5, 0], [True, False, True], [True, False, True]),
    ],
)
def test_each_policy_for_truncated_completions_does_what_it_says(policy, rewards, in_baseline, is_learned) -> None:
    outcome = apply_truncated_policy(REWARDS, TRUNCATED, policy=policy)
    assert outcome.rewards.tolist() == rewards
    assert outcome.in_baseline.tolist() == in_baseline
    assert outcome.is_learned.tolist() == is_learned


def test_a_completion_dropped_from_the_baseline_does_not_move_the_others() -> None:
    kept = apply_truncated_policy(REWARDS, TRUNCATED, policy="mask_drop_from_baseline").in_baseline
    groups = torch.zeros(3, dtype=torch.int64)
    assert group_normalized(REWARDS[kept], groups[kept]).tolist() == [1.0, -1.0]
    assert group_normalized(REWARDS, groups)[kept].abs().max() > 1.2
