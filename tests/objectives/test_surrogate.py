from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from reasonforge.objectives.surrogate import cispo, clipped, dual_clipped, reinforce
from tests.oracle import case

RATIOS = torch.tensor([[0.5, 0.85, 1.0, 1.25, 1.5, 4.0]], dtype=torch.float64)


def test_the_bounds_are_those_of_clip_higher() -> None:
    given, expected = (getattr(case("dapo", "clip_bounds"), part) for part in ("inputs", "expected"))
    old = torch.tensor([given["pi_old"]], dtype=torch.float64)
    far_up, far_down = (torch.full_like(old, factor) for factor in (100.0, 0.01))
    for eps_high, key in ((0.2, "upper_eps0.2"), (0.28, "upper_eps0.28")):
        best = clipped(far_up, torch.ones_like(old), eps_low=given["eps_low"], eps_high=eps_high).objective * old
        torch.testing.assert_close(best, torch.tensor([expected[key]], dtype=torch.float64))
    worst = -clipped(far_down, -torch.ones_like(old), eps_low=given["eps_low"], eps_high=0.28).objective * old
    torch.testing.assert_close(worst, torch.tensor([expected["lower"]], dtype=torch.float64))


def test_a_good_token_is_clipped_above_and_a_bad_one_below() -> None:
    good = clipped(RATIOS, torch.ones_like(RATIOS))
    assert good.clipped_high.tolist() == [[False, False, False, True, True, True]]
    assert not good.clipped_low.any()
    bad = clipped(RATIOS, -torch.ones_like(RATIOS))
    assert bad.clipped_low.tolist() == [[True, False, False, False, False, False]]
    assert not bad.clipped_high.any()
    assert not clipped(RATIOS, torch.zeros_like(RATIOS)).clipped_high.any()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_exactly_the_clipped_tokens_have_no_gradient(sign: float) -> None:
    ratio = RATIOS.clone().requires_grad_()
    result = clipped(ratio, sign * torch.ones_like(ratio))
    result.objective.sum().backward()
    assert ratio.grad is not None
    assert torch.equal(ratio.grad == 0, result.clipped_low | result.clipped_high)


def test_eps_ten_leaves_only_an_upper_bound_of_eleven() -> None:
    ratio = torch.tensor([[1e-6, 0.5, 10.9, 11.1]])
    for advantage, expected in ((1.0, [False, False, False, True]), (-1.0, [False] * 4)):
        result = clipped(ratio, torch.full_like(ratio, advantage), eps_low=10, eps_high=10)
        assert (result.clipped_low | result.clipped_high).tolist() == [expected]


def test_the_objective_is_never_above_the_unclipped_one() -> None:
    ratio, advantages = torch.rand(4, 50) * 3, torch.randn(4, 50)
    assert (clipped(ratio, advantages).objective <= ratio * advantages).all()


def test_the_dual_clip_bounds_what_a_stale_bad_token_can_cost_and_changes_nothing_else() -> None:
    advantages = torch.tensor([[-2.0, -2.0, -2.0, -2.0, -2.0, -2.0]], dtype=torch.float64)
    single, dual = clipped(RATIOS, advantages), dual_clipped(RATIOS, advantages, max_negative_ratio=3)
    assert dual.objective[0, -1] == -6
    assert single.objective[0, -1] == -8
    assert torch.equal(dual.objective[:, :-1], single.objective[:, :-1])
    assert dual.clipped_high.tolist() == [[False] * 5 + [True]]
    good = torch.ones_like(RATIOS)
    assert torch.equal(dual_clipped(RATIOS, good).objective, clipped(RATIOS, good).objective)


@pytest.mark.parametrize("bound", [1.0, 0.5])
def test_a_dual_clip_that_would_silence_on_policy_tokens_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="max_negative_ratio"):
        dual_clipped(RATIOS, RATIOS, max_negative_ratio=bound)


def test_clipped_gradients_are_finite_differences() -> None:
    advantages = torch.randn(3, 6, dtype=torch.float64)
    ratio = RATIOS.expand(3, 6).clone().requires_grad_()
    assert gradcheck(lambda x: clipped(x, advantages, eps_low=0.2, eps_high=0.28).objective, ratio)
    assert gradcheck(lambda x: dual_clipped(x, advantages).objective, ratio)


def test_every_cispo_token_keeps_a_gradient_of_bounded_weight() -> None:
    logprobs = torch.randn(1, 6, dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([[1.0, -1.0, 1.0, -1.0, 1.0, -1.0]], dtype=torch.float64)
    # The ratio depends on the policy too; none of its gradient may leak in.
    result = cispo(RATIOS * (logprobs - logprobs.detach()).exp(), advantages, logprobs, eps_high=0.28)
    (gradient,) = torch.autograd.grad(result.objective.sum(), logprobs)
    torch.testing.assert_close(gradient, RATIOS.clamp(max=1.28) * advantages)
    assert result.clipped_high.tolist() == [[False, False, False, False, True, True]]
    assert not result.clipped_low.any()


def test_cispo_has_a_lower_bound_only_if_asked() -> None:
    ones = torch.ones_like(RATIOS)
    bounded = cispo(RATIOS, ones, ones, eps_low=0.2, eps_high=0.28)
    assert bounded.objective.tolist() == [[0.8, 0.85, 1.0, 1.25, 1.28, 1.28]]
    assert bounded.clipped_low.tolist() == [[True] + [False] * 5]
    assert cispo(RATIOS, ones, ones, eps_high=0.28).objective[0, 0] == 0.5


def test_on_policy_all_surrogates_have_the_gradient_of_reinforce() -> None:
    advantages = torch.randn(2, 5, dtype=torch.float64)
    logprobs = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    ratio = (logprobs - logprobs.detach()).exp()
    plain = reinforce(logprobs, advantages)
    assert not (plain.clipped_low | plain.clipped_high).any()
    for result in (plain, clipped(ratio, advantages), dual_clipped(ratio, advantages), cispo(ratio, advantages, logprobs, eps_high=0.2)):
        (gradient,) = torch.autograd.grad(result.objective.sum(), logprobs, retain_graph=True)
        torch.testing.assert_close(gradient, advantages)
