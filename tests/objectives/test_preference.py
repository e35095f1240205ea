from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from reasonforge.objectives import coefficients
from reasonforge.objectives.preference import dpo, mean_token_log_ratios, sequence_log_ratios
from tests.oracle import case

EXAMPLE = case("preference_losses", "dpo")


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def packed_pair() -> tuple[Tensor, Tensor, dict[str, Any]]:
    """The worked example's two completions in one row, chosen first."""
    given = EXAMPLE.inputs
    logprobs = doubles([given["logp_chosen"] + given["logp_rejected"]]).requires_grad_()
    reference = doubles([given["ref_chosen"] + given["ref_rejected"]])
    samples = torch.tensor([[0] * len(given["logp_chosen"]) + [1] * len(given["logp_rejected"])])
    return logprobs, reference, {"loss_mask": torch.ones_like(samples, dtype=torch.bool), "samples": samples, "num_samples": 2}


@pytest.mark.parametrize(
    ("log_ratios", "key"), [(sequence_log_ratios, "loss_sum_logp"), (mean_token_log_ratios, "loss_length_normalised_dsmath_eq12")]
)
def test_dpo_matches_the_worked_example(log_ratios, key: str) -> None:
    logprobs, reference, where = packed_pair()
    chosen, rejected = log_ratios(logprobs, reference, **where).split(1)
    result = dpo(chosen, rejected, beta=EXAMPLE.inputs["beta"])
    assert float(result.loss.detach()) == pytest.approx(EXAMPLE.expected[key], abs=EXAMPLE.tolerance)


def test_dpo_gradient_matches_the_worked_example_and_its_coefficient() -> None:
    logprobs, reference, where = packed_pair()
    beta = EXAMPLE.inputs["beta"]
    chosen, rejected = sequence_log_ratios(logprobs, reference, **where).split(1)
    (gradient,) = torch.autograd.grad(dpo(chosen, rejected, beta=beta).loss.sum(), logprobs)
    expected = doubles([EXAMPLE.expected["grad_chosen_tokens"] + EXAMPLE.expected["grad_rejected_tokens"]])
    torch.testing.assert_close(gradient, expected, rtol=0, atol=EXAMPLE.tolerance)
    pair = coefficients.dpo(chosen.detach(), rejected.detach(), beta=beta)
    by_coefficient = torch.cat([pair.chosen.expand(3), pair.rejected.expand(2)])
    torch.testing.assert_close(gradient[0], -by_coefficient)
    assert float(pair.chosen / beta) == pytest.approx(EXAMPLE.expected["gc_sigmoid_sum_logp"], abs=EXAMPLE.tolerance)


def test_implicit_rewards_are_scaled_log_ratios_without_gradient() -> None:
    chosen, rejected = torch.tensor([2.0], requires_grad=True), torch.tensor([-1.0], requires_grad=True)
    result = dpo(chosen, rejected, beta=0.5)
    assert (result.chosen_rewards.tolist(), result.rejected_rewards.tolist()) == ([1.0], [-0.5])
    assert not result.chosen_rewards.requires_grad


def test_at_the_reference_the_loss_is_ln_two() -> None:
    assert float(dpo(torch.zeros(1), torch.zeros(1)).loss) == pytest.approx(0.693147, abs=1e-6)


def test_gradients_are_finite_differences() -> None:
    chosen, rejected = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda c, r: dpo(c, r, beta=0.3).loss, (chosen.detach().requires_grad_(), rejected.detach().requires_grad_()))


def test_a_hopeless_pair_has_a_finite_loss() -> None:
    assert float(dpo(torch.tensor([-1e5]), torch.tensor([1e5])).loss) == pytest.approx(2e4)


def test_label_smoothing_mixes_the_loss_with_that_of_the_pair_turned_round() -> None:
    chosen, rejected = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mixed = 0.8 * dpo(chosen, rejected).loss + 0.2 * dpo(rejected, chosen).loss
    torch.testing.assert_close(dpo(chosen, rejected, label_smoothing=0.2).loss, mixed)


def test_a_smoothed_loss_is_least_where_sigma_of_the_margin_is_the_trust_in_the_label() -> None:
    chosen = torch.tensor([float(torch.logit(torch.tensor(0.9))) / 0.1], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(dpo(chosen, torch.zeros(1, dtype=torch.float64), beta=0.1, label_smoothing=0.1).loss.sum(), chosen)
    assert float(gradient) == pytest.approx(0, abs=1e-8)
