"""The rotation, from its formulas."""

from __future__ import annotations

import math

import pytest
import torch

from reasonforge.models.config import DecoderShape, LinearScaling, Llama3Scaling, YarnScaling
from reasonforge.models.rope import attention_factor, inverse_frequencies, normalise_and_rotate, pair_rows, rotation


def test_plain_frequencies_fall_geometrically() -> None:
    assert inverse_frequencies(8, 10_000.0, None) == pytest.approx([1.0, 0.1, 0.01, 0.001])


def test_linear_scaling_divides_positions() -> None:
    assert inverse_frequencies(4, 10_000.0, LinearScaling(factor=4.0)) == pytest.approx([0.25, 0.0025])


def test_llama3_keeps_fast_pairs_slows_slow_ones_and_blends_between() -> None:
    context = 2 * math.pi * 10  # a pair of frequency f turns 10 f times in it
    scaling = Llama3Scaling(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_positions=round(context))
    fast, middle, slow = (inverse_frequencies(2, 1.0, None)[0] * f for f in (1.0, 0.25, 0.01))
    frequencies = inverse_frequencies(6, 1000.0, scaling)  # plain: 1, 0.1, 0.01 turn 10, 1 and 0.1 times
    assert frequencies[0] == fast
    assert frequencies[2] == pytest.approx(slow / 8)
    turns = round(context) * 0.25 / (2 * math.pi)
    kept = (turns - 1) / 3
    assert inverse_frequencies(4, 16.0, scaling)[1] == pytest.approx(kept * middle + (1 - kept) * middle / 8)


def test_yarn_keeps_the_first_pairs_and_slows_the_last_ones_fully() -> None:
    plain = inverse_frequencies(128, 10_000.0, None)
    scaled = inverse_frequencies(128, 10_000.0, YarnScaling(factor=4.0, original_max_positions=4096))
    ratios = [after / before for before, after in zip(plain, scaled)]
    assert ratios[:20] == [1.0] * 20  # border of 32 turns: 128 ln(4096 / (64 pi)) / (2 ln 10000) = 20.9
    assert ratios[21] < 1.0
    assert ratios[46] == pytest.approx(0.25)  # border of 1 turn: 45.03, rounded up
    assert ratios[45] > 0.25
    assert ratios == sorted(ratios, reverse=True)


def test_yarn_stretches_by_a_tenth_of_the_logarithm_unless_told_otherwise() -> None:
    assert attention_factor(YarnScaling(factor=math.e)) == pytest.approx(1.1)
    assert attention_factor(YarnScaling(factor=0.5)) == 1.0
    assert attention_factor(YarnScaling(attention_factor=1.3)) == 1.3
    assert attention_factor(LinearScaling(factor=2.0)) == 1.0


def test_pairs_are_first_and_second_half_of_a_head() -> None:
    assert pair_rows(torch.arange(12.0), 6).tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


def test_a_rotation_turns_each_pair_by_its_angle() -> None:
    shape = DecoderShape(head_dim=4)
    heads = torch.tensor([1.0, 0.0, 2.0, 0.0]).reshape(1, 1, 1, 4).expand(1, 2, 3, 4)
    turned = normalise_and_rotate(heads, None, rotation(torch.tensor([[0, 5]]), shape, dtype=torch.float32))
    assert turned.shape == (1, 3, 2, 4)
    expected = [math.cos(5.0), math.sin(5.0), 2 * math.cos(0.05), 2 * math.sin(0.05)]
    torch.testing.assert_close(turned[0, 1, 0], torch.tensor([1.0, 0.0, 2.0, 0.0]))
    torch.testing.assert_close(turned[0, 2, 1], torch.tensor(expected))


def test_bfloat16_models_tell_distant_positions_apart() -> None:
    turns = rotation(torch.tensor([[30_000, 30_001]]), DecoderShape(head_dim=4), dtype=torch.bfloat16)
    assert (turns[0, 0, 0] - turns[0, 1, 0]).abs().item() == pytest.approx(2 * math.sin(0.5), rel=1e-2)
