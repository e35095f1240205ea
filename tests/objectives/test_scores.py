"""Critic, reward model, likelihood and gradient coefficients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from reasonforge.objectives import coefficients
from reasonforge.objectives.aggregate import aggregate, sequence_mean_token_mean
from reasonforge.objectives.kl import kl_k3
from reasonforge.objectives.likelihood import nll
from reasonforge.objectives.reward_model import bradley_terry, pointwise
from reasonforge.objectives.surrogate import reinforce
from reasonforge.objectives.value import clipped_value_loss
from tests.oracle import case


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_value_loss_matches_the_worked_example() -> None:
    example = case("gae_ppo", "value_loss_clip0.2")
    values, old_values, returns = (doubles([example.inputs[key]]) for key in ("v_pred", "v_old", "returns"))
    result = clipped_value_loss(values, old_values=old_values, returns=returns, clip=example.inputs["clip"])
    assert float(result.loss.mean()) == pytest.approx(example.expected["loss"], abs=example.tolerance)


def test_a_value_that_moved_too_far_towards_its_return_has_no_gradient_and_is_counted() -> None:
    values = doubles([[0.5, 0.1, 0.35]]).requires_grad_()
    result = clipped_value_loss(values, old_values=doubles([[0.2, 0.3, 0.3]]), returns=torch.ones(1, 3, dtype=torch.float64), clip=0.2)
    result.loss.sum().backward()
    assert result.was_clipped.tolist() == [[True, False, False]]
    assert values.grad is not None
    torch.testing.assert_close(values.grad, doubles([[0.0, -0.9, -0.65]]))


def test_an_infinite_clip_is_half_the_squared_error() -> None:
    values, old_values, returns = torch.randn(3, 2, 4)
    result = clipped_value_loss(values, old_values=old_values, returns=returns, clip=math.inf)
    torch.testing.assert_close(result.loss, 0.5 * (values - returns) ** 2)
    assert not result.was_clipped.any()


def test_value_gradients_are_finite_differences() -> None:
    old_values, returns = torch.randn(2, 3, 4, dtype=torch.float64)
    values = (old_values + torch.linspace(-0.5, 0.55, 12, dtype=torch.float64).reshape(3, 4)).requires_grad_()
    assert gradcheck(lambda v: clipped_value_loss(v, old_values=old_values, returns=returns).loss, values)


def test_reward_model_losses_match_the_worked_examples() -> None:
    pair, safety = case("preference_losses", "bradley_terry"), case("preference_losses", "pointwise_safety_bce")
    loss = bradley_terry(doubles([pair.inputs["score_chosen"]]), doubles([pair.inputs["score_rejected"]]))
    assert float(loss) == pytest.approx(pair.expected["loss"], abs=pair.tolerance)
    labels = torch.tensor(safety.inputs["labels_safe"]).bool()
    assert float(pointwise(doubles(safety.inputs["logits"]), labels).mean()) == pytest.approx(safety.expected["loss"], abs=safety.tolerance)


def test_the_pair_loss_does_not_see_a_constant_added_to_all_scores() -> None:
    chosen, rejected = torch.randn(2, 5, dtype=torch.float64)
    torch.testing.assert_close(bradley_terry(chosen + 3, rejected + 3), bradley_terry(chosen, rejected))


def test_reward_model_gradients_are_finite_differences() -> None:
    chosen, rejected = (torch.randn(4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(bradley_terry, (chosen, rejected))
    assert gradcheck(lambda scores: pointwise(scores, torch.tensor([True, False, True, False])), chosen)


def test_coefficients_match_the_worked_examples() -> None:
    grpo, ppo, pair = (case("gradient_coefficients", name) for name in ("grpo", "ppo", "dpo_sum_logp"))
    logprobs, ref_logprobs = doubles(grpo.inputs["logp_theta"]), doubles(grpo.inputs["logp_ref"])
    computed = coefficients.grpo(
        torch.full_like(logprobs, grpo.inputs["A"]), logprobs=logprobs, ref_logprobs=ref_logprobs, kl_coef=grpo.inputs["beta"]
    )
    torch.testing.assert_close(computed, doubles(grpo.expected["gc"]), rtol=0, atol=grpo.tolerance)
    assert coefficients.ppo(doubles(ppo.inputs["A_t"])).tolist() == ppo.expected["gc"]
    assert coefficients.sft(logprobs).tolist() == [case("gradient_coefficients", "sft").expected["gc"]] * 2
    given = pair.inputs
    both = coefficients.dpo(doubles([given["margin_chosen"]]), doubles([given["margin_rejected"]]), beta=given["beta"])
    assert float(both.chosen) == pytest.approx(pair.expected["gc_chosen"], abs=pair.tolerance)
    assert float(both.rejected) == pytest.approx(pair.expected["gc_rejected"], abs=pair.tolerance)


def test_likelihood_has_coefficient_one_at_every_token() -> None:
    logprobs = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(nll(logprobs).sum(), logprobs)
    torch.testing.assert_close(gradient, -coefficients.sft(logprobs.detach()))


def test_grpos_coefficient_is_the_gradient_of_surrogate_and_penalty() -> None:
    logprobs = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    advantages, ref_logprobs = torch.randn(2, 2, 3, dtype=torch.float64)
    objective = reinforce(logprobs, advantages).objective - 0.04 * kl_k3(logprobs, ref_logprobs)
    (gradient,) = torch.autograd.grad(objective.sum(), logprobs)
    expected = coefficients.grpo(advantages, logprobs=logprobs.detach(), ref_logprobs=ref_logprobs, kl_coef=0.04)
    torch.testing.assert_close(gradient, expected)


def test_a_right_answer_is_worth_one_and_a_wrong_one_nothing() -> None:
    example = case("gradient_coefficients", "rft_or_online_rft")
    assert coefficients.rejection(torch.tensor(example.inputs["correct"])).tolist() == example.expected["gc"]


def test_online_rft_is_likelihood_of_the_right_answers() -> None:
    """Two roads: the policy gradient with a 0/1 advantage, and supervised learning on what a rule accepted."""
    logprobs = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    correct = torch.tensor([True, False, True])
    weights = sequence_mean_token_mean(torch.tensor([4, 4, 4]))[:, None].expand(3, 4)
    advantages = coefficients.rejection(correct).double()[:, None].expand(3, 4)
    (policy,) = torch.autograd.grad(aggregate(-reinforce(logprobs, advantages).objective, weights), logprobs)
    (imitation,) = torch.autograd.grad(aggregate(nll(logprobs) * correct[:, None], weights), logprobs)
    torch.testing.assert_close(policy, imitation)
