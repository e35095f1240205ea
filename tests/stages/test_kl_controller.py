"""The weight of the divergence: fixed, or held to a target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reasonforge.core.rollouts import PolicySample
from reasonforge.stages.rl.axes import KLPenalty
from reasonforge.stages.rl.controller import KLCoefficient
from reasonforge.stages.rl.samples import to_policy_samples
from tests.stages.graded import group, member

ADAPTIVE = KLPenalty.model_validate({"coef": 0.1, "controller": {"target": 2.0, "horizon": 100}})


def diverging(nats_per_token: float) -> list[PolicySample]:
    samples = to_policy_samples([group(member(1.0, length=4), member(0.0, length=4))])
    return [replace(s, ref_logprobs=(s.sampler_logprobs - s.loss_mask * np.float32(nats_per_token))) for s in samples]


def test_a_fixed_coefficient_stays_and_is_not_logged() -> None:
    coefficient = KLCoefficient(KLPenalty(coef=0.1))
    assert coefficient.adapt(diverging(3.0)) == {}
    assert coefficient.value == 0.1


@pytest.mark.parametrize(("nats_per_token", "factor"), [(0.5, 1.0), (5.0, 1.004), (0.0, 0.996), (0.525, 1.001)])
def test_the_coefficient_moves_towards_the_target(nats_per_token: float, factor: float) -> None:
    """Two completions of four tokens, a horizon of 100: at most 0.2 * 2 / 100 per step."""
    coefficient = KLCoefficient(ADAPTIVE)
    found = coefficient.adapt(diverging(nats_per_token))
    assert found == {"kl_coef": 0.1, "kl_per_completion": pytest.approx(4 * nats_per_token)}
    assert coefficient.value == pytest.approx(0.1 * factor)


def test_what_was_not_learned_from_does_not_count() -> None:
    masked = [replace(sample, loss_mask=np.zeros_like(sample.loss_mask)) for sample in diverging(50.0)]
    beside, alone = KLCoefficient(ADAPTIVE), KLCoefficient(ADAPTIVE)
    assert beside.adapt([*diverging(0.3), *masked]) == alone.adapt(diverging(0.3))
    assert beside.value == alone.value


def test_a_step_that_sampled_nothing_moves_nothing() -> None:
    coefficient = KLCoefficient(ADAPTIVE)
    assert coefficient.adapt([]) == {}
    assert coefficient.value == 0.1
