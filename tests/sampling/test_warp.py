"""The warp and the draw, by hand and against independent spellings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.rollouts import SamplingParams
from reasonforge.sampling.warp import draw_tokens, uniforms, warp_logits


def params(*, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> SamplingParams:
    return SamplingParams(max_new_tokens=1, temperature=temperature, top_k=top_k, top_p=top_p)


def logits_of(*probabilities: float) -> torch.Tensor:
    return torch.tensor([probabilities]).log()


def test_temperature_sharpens_by_a_power() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.2]])
    expected = probabilities**2 / (probabilities**2).sum()
    torch.testing.assert_close(warp_logits(probabilities.log(), params(temperature=0.5)).exp(), expected)


def test_top_k_keeps_the_k_most_likely_and_renormalises() -> None:
    kept = warp_logits(logits_of(0.1, 0.4, 0.2, 0.3), params(top_k=2)).exp()
    torch.testing.assert_close(kept, torch.tensor([[0.0, 4 / 7, 0.0, 3 / 7]]))


def test_top_p_keeps_the_smallest_set_that_reaches_the_mass() -> None:
    kept = warp_logits(logits_of(0.1, 0.4, 0.2, 0.3), params(top_p=0.6)).exp()
    torch.testing.assert_close(kept, torch.tensor([[0.0, 4 / 7, 0.0, 3 / 7]]))


def test_top_p_counts_mass_after_top_k() -> None:
    # Among the two kept by top-k the first holds 4/7 = 0.571 of the mass, so top_p = 0.55 needs only it; of all four it would need two.
    kept = warp_logits(logits_of(0.1, 0.4, 0.2, 0.3), params(top_k=2, top_p=0.55)).exp()
    torch.testing.assert_close(kept, torch.tensor([[0.0, 1.0, 0.0, 0.0]]))


def test_tied_tokens_stay_or_go_together() -> None:
    kept = warp_logits(logits_of(0.4, 0.2, 0.2, 0.2), params(top_k=2)).exp()
    torch.testing.assert_close(kept, torch.tensor([[0.4, 0.2, 0.2, 0.2]]))


def test_greedy_reports_the_untruncated_distribution_at_temperature_one() -> None:
    logits = logits_of(0.5, 0.3, 0.2)
    torch.testing.assert_close(warp_logits(logits, params(temperature=0.0, top_k=1, top_p=0.1)).exp(), logits.exp())


@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(0.05, 1.0), st.floats(0.2, 3.0))
def test_every_warp_is_a_distribution_that_keeps_the_maximum(seed: int, top_k: int, top_p: float, temperature: float) -> None:
    logits = 3 * torch.randn(1, 40, generator=torch.Generator().manual_seed(seed))
    logprobs = warp_logits(logits, params(temperature=temperature, top_k=top_k, top_p=top_p))
    assert logprobs.exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert logprobs.argmax() == logits.argmax()
    assert 1 <= int(torch.isfinite(logprobs).sum()) <= top_k


def test_the_uniforms_are_those_of_splitmix64() -> None:
    """The reference: Python's own big integers."""

    def mix(x: int) -> int:
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    golden = 0x9E3779B97F4A7C15
    seeds, positions = [0, 1, 2**63 - 1, 12345], [0, 7, 31, 100_000]
    expected = [(mix((mix((s + golden) % 2**64) + (p + 1) * golden) % 2**64) >> 11) / 2**53 for s, p in zip(seeds, positions)]
    assert uniforms(np.array(seeds, np.uint64), np.array(positions)).tolist() == expected


def test_uniforms_of_neighbouring_seeds_and_positions_look_independent() -> None:
    seeds, positions = np.meshgrid(np.arange(200, dtype=np.uint64), np.arange(200))
    draws = uniforms(seeds.ravel(), positions.ravel()).reshape(200, 200)
    assert abs(draws.mean() - 0.5) < 4 * 12**-0.5 / 200
    for shifted in (draws[:, 1:], draws[1:]):
        assert abs(np.corrcoef(shifted.ravel(), draws[: shifted.shape[0], : shifted.shape[1]].ravel())[0, 1]) < 4 / 200


def test_a_draw_picks_the_first_token_whose_cumulative_mass_exceeds_it() -> None:
    logprobs = logits_of(0.25, 0.0, 0.5, 0.25).expand(5, 4)
    draws = torch.tensor([0.0, 0.2499, 0.2501, 0.7501, 1 - 2**-53], dtype=torch.float64)
    assert draw_tokens(logprobs, draws).tolist() == [0, 0, 2, 3, 3]


def test_a_dropped_token_is_never_drawn_however_rounding_falls() -> None:
    logprobs = logits_of(0.0, 1.0, 0.0).expand(2, 3)
    assert draw_tokens(logprobs, torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)).tolist() == [1, 1]
