"""Figures of a step's rollouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reasonforge.core.rollouts import Float32, RolloutGroup
from reasonforge.runs.metrics import metric_of
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.stages.rl.watch import rollout_metrics
from tests.runs.fabricate import group, problem, scored
from tests.stages.policies import rl_config
from tests.stages.test_rl_step import LAYOUTS, GradientsOnly, decoder, step_samples


def present(array: Float32 | None) -> Float32:
    assert array is not None
    return array


def figures(*groups: RolloutGroup) -> dict[str, float]:
    return rollout_metrics(groups, np.ones(sum(len(one.rollouts) for one in groups), dtype=np.float32))


def written(*texts: str, language: str = "en") -> RolloutGroup:
    of = replace(problem(), language=language)
    return RolloutGroup(problem=of, rollouts=tuple(scored(of, i, text, reward=float(i % 2)) for i, text in enumerate(texts)))


def test_a_group_is_mixed_when_some_but_not_all_are_right() -> None:
    found = figures(group(0, [1, 1]), group(1, [0, 0]), group(2, [1, 0]), group(3, [0.5, 0]))
    assert found["frac_mixed_groups"] == 0.25
    assert found["frac_reward_zero_std"] == 0.5


def test_rewards_of_right_and_wrong_completions_are_told_apart() -> None:
    found = figures(group(0, [1, 2, 0.5, 0.25]))
    assert (found["reward_right"], found["reward_wrong"]) == (1.5, 0.375)


def test_where_all_are_wrong_nothing_is_said_of_the_right_ones() -> None:
    found = figures(group(0, [0, 0]))
    assert "reward_right" not in found
    assert "completions/mean_length_right" not in found


def test_reflection_words_are_whole_words_in_any_case() -> None:
    assert figures(written("Wait, check: but butter is no CHECKMATE", "no such"))["completions/reflection_words"] == 1.5


def test_repetition_is_the_share_of_four_grams_seen_before() -> None:
    assert figures(written("a b c d a b c d", "a b c d e f g h"))["completions/repetition"] == pytest.approx(0.1)


def test_language_is_that_of_the_prompt() -> None:
    text = "<think>等 于 four</think>"
    assert figures(written(text, language="zh"))["completions/language"] == pytest.approx(2 / 3)
    assert figures(written(text, language="en"))["completions/language"] == pytest.approx(1 / 3)


def test_only_boxes_after_the_thinking_count_as_several() -> None:
    thought, guessed = r"\boxed{1} \boxed{2}</think>\boxed{3}", r"<think></think>\boxed{1} or \boxed{2}"
    assert figures(written(thought, guessed))["completions/several_boxes"] == 0.5


def test_the_95th_percentile_lies_between_mean_and_maximum() -> None:
    found = figures(group(0, [0] * 40))
    assert found["completions/mean_length"] < found["completions/p95_length"] < found["completions/max_length"]


def test_text_of_a_large_step_is_looked_at_all_over_it() -> None:
    groups = [written(*["wait"] * 4)] * 100 + [written(*["no such"] * 4)] * 100
    assert figures(*groups)["completions/reflection_words"] == 0.5


def test_every_completion_costs_its_tokens_and_a_prompt_counts_once() -> None:
    found = figures(group(0, [0, 1, 0]), group(1, [0, 0, 0]))
    assert (found["cost/sampled_tokens"], found["cost/prompt_tokens"]) == (2 * (5 + 6 + 7), 2 * 3)


def test_every_figure_is_registered() -> None:
    for name in figures(group(0, [0, 1])):
        metric_of(name)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_far_end_of_the_sampler_gap_is_that_of_all_tokens_learned_from(layout: str) -> None:
    config, samples = rl_config({}), step_samples({})
    expected = np.concatenate([np.abs(present(s.old_logprobs) - s.sampler_logprobs)[s.loss_mask] for s in samples])
    objective = PolicyObjective(config, num_tokens=1)
    GradientsOnly(decoder(), LAYOUTS[layout], total_steps=1, device="cpu").step(
        samples, objective, sample_weights(samples, config), temperature=0.9
    )
    found = objective.gap_metrics()
    assert found["sampler_gap/max"] == pytest.approx(expected.max(), rel=1e-5)
    assert found["sampler_gap/p99"] == pytest.approx(np.quantile(expected, 0.99), rel=1e-5)


def test_without_tokens_there_is_no_gap_to_report() -> None:
    assert PolicyObjective(rl_config({}), num_tokens=0).gap_metrics() == {}
