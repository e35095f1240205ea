"""Rewards at tokens: process supervision, REINFORCE++ and PPO, against the worked examples and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from reasonforge.core.rollouts import PolicySample, RolloutGroup, ScoredRollout
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.credit import Credit, assign_credit, mean_divergence
from reasonforge.stages.rl.samples import to_policy_samples
from tests.oracle import Case, case, cases
from tests.stages.graded import PROMPT, config, group, learned, member

GAE = [example for example in cases("gae_ppo") if "lambda" in example.inputs and not example.id.startswith("kl")]
KL_GAE = [example for example in cases("gae_ppo") if "lambda" in example.inputs and example.id.startswith("kl")]
CRITIC = {"advantage": {"type": "gae"}, "critic": {}}
STEPS = {"steps": {"type": "steps"}}
START = len(PROMPT)


def ppo(**advantage: object) -> RLConfig:
    return config(advantage={"type": "gae", **advantage}, critic={})


def laid_out(groups: Sequence[RolloutGroup], values: Sequence[Sequence[float]] | None = None) -> list[PolicySample]:
    """Samples of the groups; values are those of the completion's tokens."""
    samples = to_policy_samples(groups)
    if values is None:
        return samples
    return [replace(s, values=np.array([*[0.0] * START, *row], dtype=np.float32)) for s, row in zip(samples, values)]


def on_completions(credit: Credit, field: str = "advantages") -> list[list[float]]:
    return [np.asarray(getattr(sample, field)[START:]).round(6).tolist() for sample in credit.samples]


def close(found: object, expected: object) -> None:
    # Rewards and values come in as float32.
    np.testing.assert_allclose(np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64), rtol=0, atol=2e-6)


@pytest.mark.parametrize("example", GAE, ids=lambda example: example.id)
def test_a_critic_turns_an_outcome_into_the_worked_examples_advantages(example: Case) -> None:
    groups = [group(member(example.inputs["rewards"][-1], length=5))]
    given = {"gamma": example.inputs["gamma"], "lam": example.inputs["lambda"]}
    raw = assign_credit(groups, laid_out(groups, [example.inputs["values"]]), ppo(**given, whiten=False))
    close(on_completions(raw), [example.expected["advantages"]])
    close(on_completions(raw, "returns"), [example.expected["returns"]])
    white = assign_credit(groups, laid_out(groups, [example.inputs["values"]]), ppo(**given))
    close(on_completions(white), [example.expected["whitened_sample_std_eps1e-8"]])
    close(on_completions(white, "returns"), [example.expected["returns"]])


@pytest.mark.parametrize("example", KL_GAE, ids=lambda example: example.id)
def test_a_divergence_in_the_reward_is_paid_where_it_happens(example: Case) -> None:
    shaping = case("gae_ppo", "kl_shaping").inputs
    groups = [group(member(shaping["rewards"][-1], length=5))]
    (sample,) = laid_out(groups, [example.inputs["values"]])
    prompt = [0.0] * START
    sample = replace(
        sample,
        sampler_logprobs=np.array([*prompt, *shaping["logp_policy"]], np.float32),
        ref_logprobs=np.array([*prompt, *shaping["logp_ref"]], np.float32),
    )
    settings = config(
        advantage={"type": "gae", "gamma": example.inputs["gamma"], "lam": example.inputs["lambda"], "whiten": False},
        critic={},
        kl={"coef": shaping["beta"], "estimator": "k1", "place": "reward"},
    )
    credit = assign_credit(groups, [sample], settings, kl_coef=shaping["beta"])
    close(on_completions(credit), [example.expected["advantages"]])
    close(on_completions(credit, "returns"), [example.expected["returns"]])
    assert mean_divergence([sample]) == pytest.approx(case("gae_ppo", "kl_shaping").expected["k1_sum"], abs=1e-6)


def test_a_tools_tokens_are_stepped_over_by_a_critics_advantages() -> None:
    """With three tool tokens in the middle a completion earns what it would without them."""
    without = [group(member(1.0, length=4))]
    within = [group(member(1.0, length=7, mask=[True, True, False, False, False, True, True]))]
    settings = ppo(gamma=0.9, lam=0.8, whiten=False)
    plain = assign_credit(without, laid_out(without, [[0.1, 0.2, 0.3, 0.4]]), settings)
    tools = assign_credit(within, laid_out(within, [[0.1, 0.2, 9.0, 9.0, 9.0, 0.3, 0.4]]), settings)
    (expected,), (found,) = on_completions(plain), on_completions(tools)
    assert found == [*expected[:2], 0.0, 0.0, 0.0, *expected[2:]]
    (expected,), (found,) = on_completions(plain, "returns"), on_completions(tools, "returns")
    assert found == [*expected[:2], 0.0, 0.0, 0.0, *expected[2:]]


def test_a_cut_completion_goes_on_for_the_critics_value() -> None:
    groups = [group(member(0.0, length=2, finish="length"), member(1.0, length=2))]
    values = [[0.5, 0.5], [0.5, 0.5]]
    settings = ppo(whiten=False, bootstrap_truncated=True)
    credit = assign_credit(groups, laid_out(groups, values), settings, bootstrap=np.array([0.75, 0.0], np.float32))
    close(on_completions(credit), [[0.25, 0.25], [0.5, 0.5]])
    close(on_completions(credit, "returns"), [[0.75, 0.75], [1.0, 1.0]])


def test_reinforce_pp_is_the_worked_example() -> None:
    example = case("reinforce_pp", "2x4")
    groups = [group(*(member(reward, length=1) for reward in rewards)) for rewards in example.inputs["rewards"]]
    for over in ("tokens", "completions"):
        for baseline, name in (("none", "reinforce_pp"), ("group", "reinforce_pp_baseline")):
            settings = config(advantage={"type": "batch_whitened", "baseline": baseline, "over": over})
            credit = assign_credit(groups, to_policy_samples(groups), settings)
            close(credit.advantages, np.concatenate(example.expected[name]))


def test_whitening_over_tokens_lets_long_completions_weigh_more() -> None:
    groups = [group(member(1.0, length=1), member(0.0, length=3))]
    by_token = assign_credit(groups, to_policy_samples(groups), config(advantage={"type": "batch_whitened"}))
    close(on_completions(by_token)[0], [1.5])  # mean 1/4, sample variance 1/4
    close(on_completions(by_token)[1], [-0.5] * 3)
    settings = config(advantage={"type": "batch_whitened", "over": "completions"})
    by_completion = assign_credit(groups, to_policy_samples(groups), settings)
    close(by_completion.advantages, [0.5**0.5, -(0.5**0.5)])


def test_a_batch_whitened_divergence_reaches_the_tokens_before_it_alone() -> None:
    groups = [group(member(1.0, length=3), member(1.0, length=3))]
    first, second = to_policy_samples(groups)
    diverging = np.array([0, 0, 0, -1.0, -1.5, -1.0], np.float32)
    samples = [replace(first, ref_logprobs=diverging), replace(second, ref_logprobs=second.sampler_logprobs)]
    settings = config(advantage={"type": "batch_whitened"}, kl={"coef": 0.1, "estimator": "k1", "place": "reward"})
    found = on_completions(assign_credit(groups, samples, settings, kl_coef=0.1))
    assert found[0][2] == found[1][0] == found[1][1] == found[1][2]
    assert found[0][0] == found[0][1] < found[0][2]


@pytest.mark.parametrize("ddof", [0, 1])
def test_process_supervision_is_the_worked_example(ddof: int) -> None:
    example = case("advantage_process", "three_outputs")
    lengths, ends, rewards = (example.inputs[key] for key in ("lens", "step_end", "step_rewards"))
    members = [
        member(sum(row), length=length, steps=list(zip(end, row)), parts={"steps": sum(row)})
        for length, end, row in zip(lengths, ends, rewards)
    ]
    groups = [group(*members)]
    settings = config(advantage={"type": "group_normalized", "ddof": ddof}, process={}, rewards=STEPS)
    credit = assign_credit(groups, to_policy_samples(groups), settings, step_parts={"steps"})
    for found, expected in zip(on_completions(credit), example.expected[f"token_advantages_ddof{ddof}"], strict=True):
        close(found, expected)


def with_outcome(outcome: float, steps: Sequence[tuple[int, float]]) -> ScoredRollout:
    share = sum(value for _, value in steps) / max(len(steps), 1)
    return member(outcome + share, steps=steps, parts={"accuracy": outcome, "steps": share})


def test_outcome_and_steps_are_normalised_apart_and_added() -> None:
    groups = [group(with_outcome(1.0, [(1, 1.0), (3, 0.0)]), with_outcome(0.0, [(1, 1.0), (3, 0.0)]))]
    rewards = {"accuracy": {"type": "accuracy"}, **STEPS}
    credit = assign_credit(groups, to_policy_samples(groups), config(process={}, rewards=rewards), step_parts={"steps"})
    # Steps: +1 and -1, so tokens 0-1 see 0 and tokens 2-3 see -1; outcome: +1 for the first completion, -1 for the second.
    close(on_completions(credit), [[1, 1, 0, 0], [-1, -1, -2, -2]])


def test_equal_outcomes_stay_equal_without_what_steps_are_paid() -> None:
    """0.1 + 1/3 - 1/3 is not 0.1: a difference of one bit must not look like a signal."""
    shares = [0.0, 1 / 3, 2 / 3, 0.7]
    members = [member(0.1 + share, parts={"accuracy": 0.1, "steps": share}) for share in shares]
    settings = config(process={}, rewards={"accuracy": {"type": "accuracy"}, **STEPS})
    assert len({0.1 + share - share for share in shares}) > 1
    credit = assign_credit([group(*members)], to_policy_samples([group(*members)]), settings, step_parts={"steps"})
    assert credit.advantages.tolist() == [0.0] * 4


def test_what_two_parts_pay_at_one_token_is_one_step() -> None:
    twice = group(member(0.0, steps=[(1, 0.5), (1, 0.5)]), member(0.0, steps=[(1, 0.0)]))
    once = group(member(0.0, steps=[(1, 1.0)]), member(0.0, steps=[(1, 0.0)]))
    settings = config(process={}, rewards=STEPS)
    found, expected = (on_completions(assign_credit([g], to_policy_samples([g]), settings)) for g in (twice, once))
    assert found == expected


def test_without_process_supervision_a_part_that_pays_steps_is_part_of_the_whole() -> None:
    groups = [group(with_outcome(1.0, [(1, 1.0)]), with_outcome(1.0, [(1, 0.0)]))]
    settings = config(advantage={"type": "centred"}, rewards={"accuracy": {"type": "accuracy"}, **STEPS})
    close(assign_credit(groups, to_policy_samples(groups), settings, step_parts={"steps"}).advantages, [0.5, -0.5])


def test_steps_of_a_rollout_out_of_the_baseline_move_no_other() -> None:
    kept = [member(0.0, steps=[(1, 1.0)]), member(0.0, steps=[(2, 0.0)])]
    failed = member(0.0, steps=[(1, 100.0)], status="timeout")
    settings = config(process={}, rewards=STEPS)
    alone, beside = [group(*kept)], [group(*kept, failed)]
    expected = on_completions(assign_credit(alone, to_policy_samples(alone), settings))
    found = assign_credit(beside, to_policy_samples(beside), settings)
    assert on_completions(found) == [*expected, [0.0] * 4]
    assert learned(found) == [True, True, False]


TOKEN_LEVEL = {
    "gae": {"advantage": {"type": "gae", "lam": 0.9}, "critic": {}},
    "batch_whitened": {"advantage": {"type": "batch_whitened"}},
    "batch_whitened, group": {"advantage": {"type": "batch_whitened", "baseline": "group"}},
    "batch_whitened, completions": {"advantage": {"type": "batch_whitened", "over": "completions"}},
}


@pytest.mark.parametrize("settings", TOKEN_LEVEL.values(), ids=TOKEN_LEVEL)
@pytest.mark.parametrize("policy", ["mask_drop_from_baseline", "mask_keep_in_baseline", "zero_reward", "keep"])
def test_truncated_completions_follow_the_recipe_at_tokens_too(settings: dict[str, object], policy: str) -> None:
    whole = [member(1.0, length=3), member(0.0, length=4), member(0.5, length=2)]
    cut = member(5.0, length=4, finish="length")
    with_cut, without = [group(*whole, cut)], [group(*whole)]
    recipe = config(**settings, truncated=policy)

    def credit(groups: list[RolloutGroup]) -> Credit:
        return assign_credit(groups, laid_out(groups, [[0.1] * len(m.rollout.completion) for g in groups for m in g.rollouts]), recipe)

    found, expected = credit(with_cut), credit(without)
    same = on_completions(found)[:3] == on_completions(expected)
    assert same == (policy == "mask_drop_from_baseline")
    is_learned = not policy.startswith("mask")
    assert learned(found) == [True, True, True, is_learned]
    assert found.samples[3].loss_mask.any() == is_learned
    zeroed = [group(*whole, member(0.0, length=4, finish="length"))]
    assert (on_completions(found) == on_completions(credit(zeroed))) == (policy in ("zero_reward", "mask_drop_from_baseline"))


@pytest.mark.parametrize("settings", TOKEN_LEVEL.values(), ids=TOKEN_LEVEL)
def test_a_rollout_that_could_not_be_scored_teaches_nothing_and_moves_no_other(settings: dict[str, object]) -> None:
    scored = [member(1.0, length=3), member(0.0, length=2)]
    beside = [group(*scored, member(7.0, length=4, status="error"))]
    alone = [group(*scored)]

    def credit(groups: list[RolloutGroup]) -> Credit:
        values = [[0.3] * len(m.rollout.completion) for g in groups for m in g.rollouts]
        return assign_credit(groups, laid_out(groups, values), config(**settings))

    found = credit(beside)
    assert on_completions(found) == [*on_completions(credit(alone)), [0.0] * 4]
    assert not found.samples[2].loss_mask.any()


def test_no_rollouts_is_no_credit() -> None:
    assert assign_credit([], [], config()).samples == []


def test_advantages_are_recorded_by_token_where_they_differ() -> None:
    groups = [group(member(1.0, length=4), member(0.0, length=2))]
    whole = assign_credit(groups, to_policy_samples(groups), config(advantage={"type": "centred"}))
    assert whole.recorded == [0.5, -0.5]
    by_token = assign_credit(groups, laid_out(groups, [[0.1, 0.2, 0.3, 0.4], [0.0, 0.5]]), ppo(whiten=False))
    close(by_token.recorded[0], [0.9, 0.8, 0.7, 0.6])
    close(by_token.recorded[1], [0.0, -0.5])


NEIGHBOURLY = {
    "group_normalized": {},
    "centred": {"advantage": {"type": "centred"}},
    "leave_one_out": {"advantage": {"type": "leave_one_out"}},
    "reward": {"advantage": {"type": "reward"}},
    "gae": {"advantage": {"type": "gae", "lam": 0.9, "whiten": False}, "critic": {}},
    "process": {"process": {}, "rewards": {"accuracy": {"type": "accuracy"}, **STEPS}},
}
"""What compares nothing beyond the group. Whitening over the step is meant to."""


@pytest.mark.parametrize("settings", NEIGHBOURLY.values(), ids=NEIGHBOURLY)
def test_neighbours_in_the_step_longer_or_better_change_nothing(settings: dict[str, object]) -> None:
    own = group(with_outcome(1.0, [(1, 1.0), (3, 0.0)]), with_outcome(0.0, [(2, 1.0)]), member(0.0, length=2))
    other = group(member(9.0, length=30, steps=[(20, 5.0)]), member(-3.0, length=7, steps=[(1, -2.0)]))

    def credit(groups: list[RolloutGroup]) -> list[list[float]]:
        values = [[0.1] * len(m.rollout.completion) for g in groups for m in g.rollouts]
        return on_completions(assign_credit(groups, laid_out(groups, values), config(**settings), step_parts={"steps"}))

    alone = credit([own])
    assert credit([own, other])[:3] == alone
    assert credit([other, own])[2:] == alone
