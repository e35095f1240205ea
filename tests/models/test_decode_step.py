"""Sampling computes what training computes, however the tokens reach the cache."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reasonforge.models.cache import KVCache
from reasonforge.models.decoder import Decoder
from tests.models.build import SHAPES, batch, decoder, token_ids

QWEN3 = SHAPES["qwen3"]
LENGTH = 24


def _steps(order: Tensor, sizes: list[int]) -> list[Tensor]:
    assert sum(sizes) == len(order)
    return list(order.split(sizes))


def _decoded(model: Decoder, ids: Tensor, slots: Tensor, steps: list[Tensor], cache: KVCache) -> Tensor:
    """Feed the entries of ``ids`` [B, T] (flat indices, step by step) to their rows' slots and return all hidden states."""
    hidden = torch.zeros(ids.numel(), model.config.hidden_size)
    for entries in steps:
        rows, positions = entries // ids.shape[1], entries % ids.shape[1]
        hidden[entries] = model.decode_step(ids.flatten()[entries], positions, slots[rows], cache)
    return hidden.unflatten(0, ids.shape)


@pytest.mark.parametrize("name", SHAPES)
@torch.inference_mode()
def test_prefill_in_one_go_equals_training(name: str) -> None:
    model, ids = decoder(SHAPES[name]), token_ids(3, LENGTH)
    cache = KVCache(model.config, 5, LENGTH)
    decoded = _decoded(model, ids, torch.tensor([4, 0, 2]), [torch.arange(ids.numel())], cache)
    torch.testing.assert_close(decoded, model.hidden_states(batch(ids[:, None])), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "steps",
    [
        list(torch.arange(2 * LENGTH).view(2, LENGTH).T),
        _steps(torch.arange(2 * LENGTH).view(2, 4, 6).transpose(0, 1).flatten(), [12, 12, 12, 12]),
        _steps(torch.arange(2 * LENGTH), [10, 1, 20, 17]),
        # Row 0 decodes one by one while row 1 is prefilled in chunks.
        [torch.tensor([t, *(LENGTH + u for u in range(6 * t, 6 * t + 6) if u < LENGTH)]) for t in range(LENGTH)],
        # Rows of a step in any order.
        [step.flip(0) for step in _steps(torch.arange(2 * LENGTH), [8, 16, 24])],
    ],
    ids=["one by one", "chunked", "ragged", "mixed", "reversed"],
)
@torch.inference_mode()
def test_the_way_tokens_arrive_does_not_matter(steps: list[Tensor]) -> None:
    model, ids = decoder(QWEN3), token_ids(2, LENGTH)
    cache = KVCache(model.config, 2, LENGTH + 3)
    decoded = _decoded(model, ids, torch.tensor([1, 0]), steps, cache)
    torch.testing.assert_close(decoded, model.hidden_states(batch(ids[:, None])), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_reused_slot_forgets() -> None:
    model, slots = decoder(QWEN3), torch.tensor([0])
    cache = KVCache(model.config, 1, LENGTH)
    cache.keys.uniform_(-5, 5)
    cache.values.uniform_(-5, 5)
    for seed, length in ((1, LENGTH), (2, 9)):
        ids = token_ids(1, length, seed=seed)
        decoded = _decoded(model, ids, slots, list(torch.arange(length)[:, None]), cache)
        torch.testing.assert_close(decoded, model.hidden_states(batch(ids[:, None])), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_copied_prefix_is_as_good_as_a_computed_one() -> None:
    model, ids = decoder(QWEN3), token_ids(3, LENGTH)
    ids[:, :10] = ids[0, :10]
    cache = KVCache(model.config, 4, LENGTH)
    model.decode_step(ids[0, :10], torch.arange(10), torch.full((10,), 2), cache)
    cache.copy_prefix(2, torch.tensor([0, 3]), 10)
    rest = torch.arange(ids.numel()).view(ids.shape)[:, 10:].flatten()
    decoded = _decoded(model, ids, torch.tensor([2, 0, 3]), [rest], cache)
    torch.testing.assert_close(decoded[:, 10:], model.hidden_states(batch(ids[:, None]))[:, 10:], atol=1e-5, rtol=0)
    assert not cache.keys[:, 1].any()


@torch.inference_mode()
def test_prepared_weights_change_nothing() -> None:
    model, ids = decoder(QWEN3), token_ids(8)
    prepared = model.block_weights(torch.float32)
    hidden = [
        model.decode_step(ids, torch.arange(8), torch.zeros(8, dtype=torch.long), KVCache(model.config, 1, 8), weights=weights)
        for weights in (None, prepared)
    ]
    assert torch.equal(*hidden)


@torch.inference_mode()
def test_bfloat16_decoding_stays_close() -> None:
    model, ids = decoder(QWEN3), token_ids(LENGTH)
    cache = KVCache(model.config, 1, LENGTH, dtype=torch.bfloat16)
    slots = torch.zeros(LENGTH, dtype=torch.long)
    decoded = model.decode_step(ids, torch.arange(LENGTH), slots, cache, dtype=torch.bfloat16).float()
    exact = model.hidden_states(batch([[ids]]))[0]
    assert (decoded - exact).norm() / exact.norm() < 0.03
