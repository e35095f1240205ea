"""Whole policy losses: the worked examples, and what must not change them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from reasonforge.objectives import coefficients
from reasonforge.objectives.advantages import centred, group_normalized, leave_one_out
from tests.objectives.policy import Choices, Tokens, gradient, loss, objective, random_tokens, sample_weights
from tests.oracle import Case, cases

EXAMPLES = pytest.mark.parametrize("example", cases("policy_losses"), ids=lambda example: example.id)
AGGREGATIONS = {
    "seq-mean-token-mean": "sequence_mean_token_mean",
    "token-mean": "token_mean",
    "const": "constant_length",
    "seq-mean-token-sum": "sequence_mean_token_sum",
}
ALGORITHMS = {
    "grpo": Choices(kl_coef=0.04),
    "r1": Choices(eps_low=10, eps_high=10, kl_coef=0.001),
    "dapo": Choices(eps_high=0.28, aggregation="token_mean"),
    "dr_grpo": Choices(aggregation="constant_length"),
    "gspo": Choices(ratio="sequence", eps_low=3e-4, eps_high=4e-4),
    "cispo": Choices(surrogate="cispo", eps_low=None, eps_high=0.28, aggregation="token_mean"),
    "dual_clip": Choices(surrogate="dual_clip", aggregation="token_mean"),
}
EVERY_ALGORITHM = pytest.mark.parametrize("choices", ALGORITHMS.values(), ids=ALGORITHMS.keys())


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def choices_of(example: Case) -> Choices:
    given = example.inputs
    surrogate = "cispo" if given["loss"] == "cispo" else "clip" if given["dual_clip_c"] is None else "dual_clip"
    return Choices(
        ratio=given["ratio"],
        surrogate=surrogate,
        eps_low=given["eps_low"],
        eps_high=given["eps_high"],
        dual_clip=given["dual_clip_c"] or 3.0,
        aggregation=AGGREGATIONS[given["aggregation"]],
        max_tokens=given["L_max"] or 8,
        kl_coef=given["beta_k3"],
    )


def tokens_of(example: Case) -> Tokens:
    given = example.inputs
    return Tokens(
        logprobs=doubles(given["logp_new"]),
        old_logprobs=doubles(given["logp_old"]),
        ref_logprobs=doubles(given["logp_ref"]),
        mask=torch.tensor(given["mask"]).bool(),
        advantages=doubles(given["advantages"]),
    )


@EXAMPLES
def test_loss_and_its_terms_match_the_worked_examples(example: Case) -> None:
    choices, tokens, expected = choices_of(example), tokens_of(example), example.expected
    result = objective(choices, tokens)
    for value, key in ((result.ratio, "token_ratio"), (result.kl, "k3"), (result.objective, "token_objective")):
        torch.testing.assert_close(value * tokens.mask, doubles(expected[key]), rtol=0, atol=example.tolerance, msg=key)
    was_clipped = (result.surrogate.clipped_low | result.surrogate.clipped_high) & tokens.mask
    assert float(was_clipped.sum() / tokens.mask.sum()) == pytest.approx(expected["clip_fraction"])
    assert float(loss(choices, tokens)) == pytest.approx(expected["loss_to_minimise"], abs=example.tolerance)


@EXAMPLES
def test_gradients_match_the_worked_examples(example: Case) -> None:
    computed = gradient(choices_of(example), tokens_of(example))
    torch.testing.assert_close(computed, doubles(example.expected["grad_loss_wrt_logp_new"]), rtol=0, atol=example.tolerance)


@EXAMPLES
def test_advantages_of_the_worked_examples_follow_from_their_rewards(example: Case) -> None:
    method = centred if example.inputs["aggregation"] == "const" else group_normalized
    rewards = doubles(example.inputs["rewards"])
    advantages = method(rewards, torch.zeros(3, dtype=torch.int64))
    torch.testing.assert_close(advantages, doubles(example.inputs["advantages"]), rtol=0, atol=example.tolerance)


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "cispo"])
def test_gradients_are_finite_differences(name: str) -> None:
    """CISPO stops a gradient, so its loss has no finite difference; its gradient is tested by formula."""
    tokens = random_tokens(3, 4).fresh()
    assert gradcheck(lambda logprobs: loss(ALGORITHMS[name], replace(tokens, logprobs=logprobs)), tokens.logprobs)


@EVERY_ALGORITHM
@pytest.mark.parametrize("bounds", [[0, 3, 6], [0, 1, 2, 6], [0, 1, 2, 3, 4, 5, 6]])
def test_micro_batches_sum_to_the_whole_loss_and_gradient(choices: Choices, bounds: list[int]) -> None:
    whole = random_tokens().fresh()
    weights = sample_weights(choices, whole.mask)
    split = torch.stack([loss(choices, whole.rows(a, b), weights[a:b]) for a, b in pairwise(bounds)]).sum()
    torch.testing.assert_close(split, loss(choices, whole), rtol=0, atol=1e-12)
    (split_gradient,) = torch.autograd.grad(split, whole.logprobs)
    torch.testing.assert_close(split_gradient, gradient(choices, whole), rtol=0, atol=1e-12)


@EVERY_ALGORITHM
def test_padding_changes_nothing_and_carries_no_gradient(choices: Choices) -> None:
    tokens = random_tokens()
    torch.manual_seed(1)
    wider = Tokens(
        mask=torch.nn.functional.pad(tokens.mask, (0, 5)),
        advantages=tokens.advantages,
        **{
            name: torch.where(torch.nn.functional.pad(tokens.mask, (0, 5)), torch.nn.functional.pad(getattr(tokens, name), (0, 5)), -3.0)
            for name in ("logprobs", "old_logprobs", "ref_logprobs")
        },
    )
    torch.testing.assert_close(loss(choices, wider), loss(choices, tokens))
    padded_gradient = gradient(choices, wider)
    torch.testing.assert_close(padded_gradient[:, :7] * tokens.mask, gradient(choices, tokens))
    assert padded_gradient[~wider.mask].eq(0).all()


@EVERY_ALGORITHM
def test_the_order_of_samples_changes_nothing(choices: Choices) -> None:
    tokens, order = random_tokens(), torch.randperm(6)
    shuffled = Tokens(**{name: getattr(tokens, name)[order] for name in tokens.__dataclass_fields__})
    torch.testing.assert_close(loss(choices, shuffled), loss(choices, tokens))


@EVERY_ALGORITHM
def test_on_policy_the_gradient_is_minus_the_gradient_coefficient(choices: Choices) -> None:
    tokens = random_tokens()
    tokens = replace(tokens, old_logprobs=tokens.logprobs)
    coefficient = coefficients.grpo(
        tokens.advantages[:, None].expand(tokens.mask.shape),
        logprobs=tokens.logprobs,
        ref_logprobs=tokens.ref_logprobs,
        kl_coef=choices.kl_coef,
    )
    weights = sample_weights(choices, tokens.mask)[:, None] * tokens.mask
    if choices.ratio == "sequence":  # each token's term reaches all tokens of its sample, which share its weight: the same sum
        assert choices.kl_coef == 0
    torch.testing.assert_close(gradient(choices, tokens), -coefficient * weights)


@pytest.mark.parametrize("method", [group_normalized, centred, leave_one_out])
def test_a_constant_added_to_a_groups_rewards_does_not_change_the_loss(method) -> None:
    tokens, groups = random_tokens(), torch.tensor([0, 0, 0, 1, 1, 1])
    rewards = torch.rand(6, dtype=torch.float64)
    losses = [
        loss(ALGORITHMS["grpo"], replace(tokens, advantages=method(rewards + shift, groups)))
        for shift in (0.0, doubles([5, 5, 5, -2, -2, -2]))
    ]
    torch.testing.assert_close(losses[0], losses[1])


def test_a_divergence_penalty_never_lowers_the_loss() -> None:
    tokens = random_tokens()
    assert loss(Choices(kl_coef=0.04), tokens) > loss(Choices(kl_coef=0.0), tokens)


def test_a_group_without_signal_moves_nothing_but_the_divergence() -> None:
    tokens = replace(random_tokens(), advantages=group_normalized(torch.ones(6, dtype=torch.float64), torch.zeros(6, dtype=torch.int64)))
    assert gradient(Choices(), tokens).eq(0).all()
    assert gradient(Choices(kl_coef=0.04), tokens).abs().sum() > 0
