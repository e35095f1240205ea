from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from reasonforge.objectives.kl import LINEAR_BEYOND, kl_exact, kl_k1, kl_k2, kl_k3, kl_k3_plus, kl_k3_weighted
from tests.oracle import case

EXAMPLE = case("kl_estimators", "cat3")
ESTIMATORS = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def policy_logits() -> Tensor:
    """Logits of the worked example's policy."""
    return doubles(EXAMPLE.inputs["pi_theta"]).log().requires_grad_()


REFERENCE = doubles(EXAMPLE.inputs["pi_ref"]).log()


def expected_gradient(logits: Tensor, estimates: Tensor, probabilities: Tensor) -> Tensor:
    """Gradient of the mean estimate over tokens drawn with fixed probabilities, by enumeration."""
    (gradient,) = torch.autograd.grad((probabilities.detach() * estimates).sum(), logits)
    return gradient


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_match_the_worked_example(name: str) -> None:
    logprobs = policy_logits().log_softmax(-1)
    torch.testing.assert_close(
        ESTIMATORS[name](logprobs, REFERENCE).detach(), doubles(EXAMPLE.expected[name]), rtol=0, atol=EXAMPLE.tolerance
    )


def test_expected_values_match_the_worked_example() -> None:
    logprobs = policy_logits().log_softmax(-1).detach()
    expected = EXAMPLE.expected
    assert float(kl_exact(logprobs, REFERENCE)) == pytest.approx(expected["exact_kl"], abs=EXAMPLE.tolerance)
    for estimator, key in ((kl_k1, "exact_kl"), (kl_k2, "E_k2"), (kl_k3, "E_k3"), (kl_k3_plus, "E_k3")):
        assert float((logprobs.exp() * estimator(logprobs, REFERENCE)).sum()) == pytest.approx(expected[key], abs=EXAMPLE.tolerance)


@pytest.mark.parametrize(
    ("estimator", "key"),
    [(kl_k1, "E_grad_k1"), (kl_k2, "E_grad_k2"), (kl_k3, "E_grad_k3"), (kl_k3_plus, "grad_true_kl_wrt_logits")],
)
def test_expected_gradients_match_the_worked_example(estimator, key: str) -> None:
    logits = policy_logits()
    logprobs = logits.log_softmax(-1)
    gradient = expected_gradient(logits, estimator(logprobs, REFERENCE), logprobs.exp())
    torch.testing.assert_close(gradient, doubles(EXAMPLE.expected[key]), rtol=0, atol=EXAMPLE.tolerance)


def random_policies(size: int = 6) -> tuple[Tensor, Tensor]:
    return torch.randn(size, dtype=torch.float64, requires_grad=True), torch.randn(size, dtype=torch.float64).log_softmax(-1)


def test_as_a_loss_k1_teaches_nothing_k2_reverse_kl_and_k3_forward_kl() -> None:
    logits, reference = random_policies()
    logprobs = logits.log_softmax(-1)
    (reverse,) = torch.autograd.grad(kl_exact(logprobs, reference), logits, retain_graph=True)
    (forward,) = torch.autograd.grad(kl_exact(reference, logprobs), logits, retain_graph=True)
    results = {
        name: torch.autograd.grad((logprobs.exp().detach() * f(logprobs, reference)).sum(), logits, retain_graph=True)[0]
        for name, f in {**ESTIMATORS, "k3+": kl_k3_plus}.items()
    }
    torch.testing.assert_close(results["k1"], torch.zeros_like(logits))
    torch.testing.assert_close(results["k2"], reverse)
    torch.testing.assert_close(results["k3+"], reverse)
    torch.testing.assert_close(results["k3"], forward)
    assert not torch.allclose(forward, reverse, atol=1e-3)


@pytest.mark.parametrize("is_stale", [False, True])
def test_weighted_by_the_ratio_k3_is_unbiased_in_value_and_gradient_also_off_policy(is_stale: bool) -> None:
    logits, reference = random_policies()
    logprobs = logits.log_softmax(-1)
    old = torch.randn(6, dtype=torch.float64).log_softmax(-1) if is_stale else logprobs.detach()
    weighted = kl_k3_weighted(logprobs, reference, ratio=(logprobs - old).exp())
    exact = kl_exact(logprobs, reference)
    torch.testing.assert_close((old.exp() * weighted).sum(), exact)
    (expected,) = torch.autograd.grad(exact, logits, retain_graph=True)
    torch.testing.assert_close(expected_gradient(logits, weighted, old.exp()), expected)


def test_gradients_are_finite_differences_in_the_exponential_and_on_the_line() -> None:
    reference = torch.linspace(-3, 15, 10, dtype=torch.float64)
    logprobs = torch.zeros(10, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: kl_k2(x, reference), logprobs)
    assert gradcheck(lambda x: kl_k3(x, reference), logprobs)
    assert gradcheck(lambda x: kl_exact(x.log_softmax(-1), reference.log_softmax(-1)), logprobs)


def test_k3_is_never_negative_and_zero_only_at_the_reference() -> None:
    log_ratio = torch.linspace(-30, 30, 401)
    value = kl_k3(log_ratio, torch.zeros_like(log_ratio))
    assert (value >= 0).all()
    assert torch.equal(value == 0, log_ratio == 0)


def test_k3_keeps_its_digits_near_the_reference_in_float32() -> None:
    # exp(d) - d - 1 computed naively loses every digit here: d^2 / 2 is below float32's resolution of 1.
    value = kl_k3(torch.tensor([1e-3]), torch.tensor([0.0]))
    assert float(value) == pytest.approx(1e-6 / 2, rel=0.02)


@pytest.mark.parametrize("distance", [LINEAR_BEYOND + 0.1, 20.0, 60.0, 500.0])
def test_a_token_far_from_the_reference_is_pulled_back_with_a_finite_gradient(distance: float) -> None:
    logprobs = torch.tensor([-distance], requires_grad=True)
    value = kl_k3(logprobs, torch.zeros(1))
    value.backward()
    assert value.isfinite()
    assert logprobs.grad is not None
    assert float(logprobs.grad) == pytest.approx(1 - math.exp(LINEAR_BEYOND), rel=1e-5)


def test_the_line_continues_the_exponential_without_a_jump() -> None:
    around = torch.tensor([LINEAR_BEYOND - 1e-6, LINEAR_BEYOND + 1e-6], dtype=torch.float64)
    below, above = kl_k3(torch.zeros(2, dtype=torch.float64), around)
    assert float(above - below) == pytest.approx(2e-6 * (math.exp(LINEAR_BEYOND) - 1), rel=1e-3)
