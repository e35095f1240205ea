"""From scored groups to advantages, by every choice a recipe can make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from reasonforge.core.records import VerdictStatus
from reasonforge.core.rollouts import FinishReason, PolicySample, RolloutGroup
from reasonforge.stages.rl.credit import assign_credit
from reasonforge.stages.rl.samples import minibatches, to_policy_samples
from tests.stages.graded import config, group, learned, member


def _group(
    rewards: Sequence[float], *, finish: Sequence[FinishReason] | None = None, status: Sequence[VerdictStatus] | None = None
) -> RolloutGroup:
    """Completions of two tokens, three tokens, and so on."""
    return group(
        *(
            member(reward, length=2 + i, finish=finish[i] if finish else "stop", status=status[i] if status else "wrong", index=i)
            for i, reward in enumerate(rewards)
        )
    )


def _advantages(groups: list[RolloutGroup], **settings: object) -> tuple[list[float], list[bool]]:
    credit = assign_credit(groups, to_policy_samples(groups), config(**settings))
    return credit.advantages.tolist(), learned(credit)


def test_only_the_completion_is_learned_from() -> None:
    sample = to_policy_samples([_group([1.0, 0.0])])[1]
    assert sample.token_ids.tolist() == [1, 2, 3, 10, 11, 12]
    assert sample.loss_mask.tolist() == [False, False, False, True, True, True]
    assert sample.sampler_logprobs.tolist() == [0.0, 0.0, 0.0, -1.0, -1.0, -1.0]


@pytest.mark.parametrize(
    ("advantage", "expected"),
    [
        ({"type": "group_normalized"}, [1.7320508, -0.5773503, -0.5773503, -0.5773503]),
        ({"type": "group_normalized", "ddof": 1, "eps": 1e-4, "std_floor": 0.0}, [1.4997, -0.4999, -0.4999, -0.4999]),
        ({"type": "centred"}, [0.75, -0.25, -0.25, -0.25]),
        ({"type": "leave_one_out"}, [1.0, -1 / 3, -1 / 3, -1 / 3]),
        ({"type": "reward"}, [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_the_recipe_picks_the_advantage(advantage: dict[str, object], expected: list[float]) -> None:
    found, learned = _advantages([_group([1.0, 0.0, 0.0, 0.0])], advantage=advantage)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert all(learned)


def test_groups_with_equal_rewards_teach_nothing() -> None:
    found, _ = _advantages([_group([1.0] * 4), _group([0.3] * 4)])
    assert found == [0.0] * 8


def test_a_group_is_its_own_baseline() -> None:
    alone, _ = _advantages([_group([1.0, 0.0, 0.0, 0.0])])
    beside, _ = _advantages([_group([5.0, 5.0, 4.0, 4.0]), _group([1.0, 0.0, 0.0, 0.0])])
    assert beside[4:] == alone


@pytest.mark.parametrize(
    ("policy", "expected", "learned"),
    [
        ("keep", [0.5, -0.5, 0.5, -0.5], [True] * 4),
        ("zero_reward", [0.75, -0.25, -0.25, -0.25], [True] * 4),
        ("mask_keep_in_baseline", [0.5, -0.5, 0.0, -0.5], [True, True, False, True]),
        ("mask_drop_from_baseline", [2 / 3, -1 / 3, 0.0, -1 / 3], [True, True, False, True]),
    ],
)
def test_truncated_completions_follow_the_recipe(policy: str, expected: list[float], learned: list[bool]) -> None:
    group = _group([1.0, 0.0, 1.0, 0.0], finish=["stop", "stop", "length", "stop"])
    found, kept = _advantages([group], truncated=policy, advantage={"type": "centred"})
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert kept == learned


def test_a_rollout_that_could_not_be_scored_is_out_of_baseline_and_gradient() -> None:
    group = _group([1.0, 0.0, 0.0, 0.0], status=["correct", "wrong", "timeout", "error"])
    found, learned = _advantages([group], advantage={"type": "centred"})
    assert found == [0.5, -0.5, 0.0, 0.0]
    assert learned == [True, True, False, False]


def test_a_rollout_alone_in_its_baseline_teaches_nothing() -> None:
    groups = [_group([1.0, 0.0, 0.0], status=["correct", "timeout", "error"]), _group([1.0, 0.0, 0.0])]
    for advantage in ("group_normalized", "centred", "leave_one_out"):
        found, learned = _advantages(groups, advantage={"type": advantage})
        assert found[0] == 0.0
        assert learned == [False, False, False, True, True, True]
    found, learned = _advantages(groups, advantage={"type": "reward"})
    assert (found[0], learned[0]) == (1.0, True)


def test_kl_in_the_reward_is_summed_over_the_completion_before_the_baseline() -> None:
    groups = [_group([1.0, 1.0])]
    samples: list[PolicySample] = []
    for sample in to_policy_samples(groups):
        samples.append(replace(sample, ref_logprobs=sample.sampler_logprobs - np.float32(0.5)))
    settings = config(group_size=2, advantage={"type": "centred"}, kl={"coef": 0.1, "estimator": "k1", "place": "reward"})
    found = assign_credit(groups, samples, settings, kl_coef=0.1).advantages
    # Two tokens cost 0.1 * 1.0, three cost 0.1 * 1.5: the shorter one is 0.05 better off, half of it on each side of the mean.
    np.testing.assert_allclose(found, [0.025, -0.025], atol=1e-6)


def _numbered(count: int, *, per_group: int) -> list[PolicySample]:
    (sample,) = to_policy_samples([_group([1.0])])
    return [replace(sample, token_ids=np.full(5, i, np.int32), group=i // per_group) for i in range(count)]


@pytest.mark.parametrize("whole_groups", [False, True])
def test_every_sample_is_in_one_minibatch_and_minibatches_are_of_one_size(whole_groups: bool) -> None:
    parts = minibatches(_numbered(24, per_group=4), 3, seed=0, whole_groups=whole_groups)
    assert [len(part) for part in parts] == [8, 8, 8]
    drawn = [int(sample.token_ids[0]) for part in parts for sample in part]
    assert drawn != sorted(drawn)
    assert sorted(drawn) == list(range(24))


def test_whole_groups_stay_whole_and_others_are_split() -> None:
    samples = _numbered(24, per_group=4)
    whole, split = ([{s.group for s in part} for part in minibatches(samples, 3, seed=0, whole_groups=w)] for w in (True, False))
    assert [len(groups) for groups in whole] == [2, 2, 2]
    assert max(len(groups) for groups in split) > 2


def test_a_single_minibatch_is_the_step_in_its_order() -> None:
    samples = _numbered(6, per_group=2)
    assert minibatches(samples, 1, seed=0) == [samples]


def test_of_no_samples_every_minibatch_is_empty() -> None:
    assert minibatches([], 2, seed=0) == [[], []]
