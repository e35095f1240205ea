"""Samples become tensors and come back; the shift by one happens once."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import RecipeError
from reasonforge.core.rollouts import PolicySample, ReferenceSample, RewardSample, TrainingSample
from reasonforge.tensors.batch import PolicyBatch, ReferenceBatch, RewardBatch, TokenBatch
from reasonforge.tensors.collate import MICROBATCH_OVERHEAD, collate, pack, padded_columns, plan_microbatches, plan_rows, scatter_to_samples
from tests.tensors.samples import policy_sample, token_sample

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def sample(tokens: list[int], mask: list[int]) -> TrainingSample:
    return TrainingSample(token_ids=np.array(tokens, dtype=np.int32), loss_mask=np.array(mask, dtype=bool))


def test_a_batch_worked_by_hand() -> None:
    batch = collate([sample([5, 6, 7], [0, 0, 1]), sample([8, 9], [0, 1])], np.array([0.5, 0.25], np.float32))
    assert batch.inputs.tolist() == [[5, 6], [8, 0]]
    assert batch.targets.tolist() == [[6, 7], [9, 0]]
    assert batch.loss_mask.tolist() == [[False, True], [True, False]]
    assert batch.loss_weights.tolist() == [[0, 0.5], [0.25, 0]]
    assert batch.positions.tolist() == [[0, 1], [0, 0]]
    assert batch.segments.tolist() == [[1, 1], [1, 0]]
    assert batch.samples.tolist() == [[0, 0], [1, 0]]
    assert batch.num_samples == 2


def test_a_packed_row_worked_by_hand() -> None:
    samples = [sample([8, 9], [0, 1]), sample([5, 6, 7], [0, 0, 1])]
    batch = pack(samples, np.array([0.25, 0.5], np.float32), row_tokens=5)
    assert batch.inputs.tolist() == [[5, 6, 8]]
    assert batch.targets.tolist() == [[6, 7, 9]]
    assert batch.loss_weights.tolist() == [[0, 0.5, 0.25]]
    assert batch.positions.tolist() == [[0, 1, 0]]
    assert batch.segments.tolist() == [[1, 1, 2]]
    assert batch.samples.tolist() == [[1, 1, 0]]
    assert batch.is_packed


@given(LENGTHS, st.integers(0, 9))
def test_every_field_comes_back_from_either_layout(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = [policy_sample(rng, length) for length in lengths]
    weights = rng.random(len(samples), dtype=np.float32)
    for batch in (collate(samples, weights), collate(samples, weights, pad_to=64), pack(samples, weights, row_tokens=40)):
        assert isinstance(batch, PolicyBatch)
        assert batch.ref_logprobs is not None
        assert batch.old_logprobs is None
        for values, name in ((batch.advantages, "advantages"), (batch.ref_logprobs, "ref_logprobs")):
            for found, given_sample in zip(scatter_to_samples(values, batch, lengths), samples, strict=True):
                np.testing.assert_array_equal(found, getattr(given_sample, name))
        for found, given_sample in zip(scatter_to_samples(batch.targets.float(), batch, lengths), samples, strict=True):
            np.testing.assert_array_equal(found, given_sample.token_ids * given_sample.loss_mask)
        for found, weight, given_sample in zip(scatter_to_samples(batch.loss_weights, batch, lengths), weights, samples, strict=True):
            np.testing.assert_array_equal(found, weight * given_sample.loss_mask)


@given(LENGTHS, st.integers(0, 9))
def test_what_is_read_next_is_what_was_asked_for(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = [token_sample(rng, length) for length in lengths]
    for batch in (collate(samples, np.ones(len(samples), np.float32)), pack(samples, np.ones(len(samples), np.float32), row_tokens=41)):
        goes_on = (batch.segments[:, 1:] == batch.segments[:, :-1]) & (batch.segments[:, 1:] > 0)
        assert torch.equal(batch.inputs[:, 1:][goes_on], batch.targets[:, :-1][goes_on])
        assert int((batch.segments > 0).sum()) == sum(length - 1 for length in lengths)


@given(LENGTHS, st.integers(40, 100))
def test_rows_stay_the_same_when_packed_on_their_own(lengths: list[int], row_tokens: int) -> None:
    rows = plan_rows(lengths, row_tokens=row_tokens)
    assert sorted(itertools.chain(*rows)) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= row_tokens for row in rows)
    some = [i for row in rows[1::2] for i in row]
    again = plan_rows([lengths[i] for i in some], row_tokens=row_tokens)
    assert [[some[i] for i in row] for row in again] == rows[1::2]


@given(LENGTHS, st.integers(40, 400))
def test_microbatches_hold_every_sample_once_within_the_budget(lengths: list[int], max_tokens: int) -> None:
    plan = plan_microbatches(lengths, max_tokens=max_tokens)
    assert sorted(itertools.chain(*plan)) == list(range(len(lengths)))
    assert all(len(part) * min(padded_columns(max(lengths[i] for i in part)), max_tokens) <= max_tokens for part in plan)
    assert plan == plan_microbatches(lengths, max_tokens=max_tokens)


def cost_of(sizes: list[int], ordered: list[int]) -> int:
    starts = itertools.accumulate([0, *sizes[:-1]])
    return sum(size * padded_columns(ordered[start]) + MICROBATCH_OVERHEAD for size, start in zip(sizes, starts))


@given(st.lists(st.sampled_from([10, 90, 400, 900]), min_size=1, max_size=8))
def test_no_way_to_cut_the_sorted_list_computes_less(lengths: list[int]) -> None:
    ordered = sorted(lengths, reverse=True)
    found = cost_of([len(part) for part in plan_microbatches(lengths, max_tokens=10_000)], ordered)
    n = len(ordered)
    cuts = [[0, *inner, n] for k in range(n) for inner in itertools.combinations(range(1, n), k)]
    assert found == min(cost_of([b - a for a, b in itertools.pairwise(places)], ordered) for places in cuts)


def test_a_long_tail_does_not_pad_the_rest() -> None:
    lengths = [20] * 100 + [1000]
    assert [len(part) for part in plan_microbatches(lengths, max_tokens=1_000_000)] == [1, 100]


def test_many_lengths_are_planned_within_the_budget() -> None:
    lengths = list(range(2, 3000))
    plan = plan_microbatches(lengths, max_tokens=16_384)
    positions = [len(part) * padded_columns(max(lengths[i] for i in part)) for part in plan]
    assert sum(positions) < 1.1 * sum(lengths)
    assert max(positions) <= 16_384


@given(LENGTHS)
def test_padded_columns_waste_an_eighth_at_most(lengths: list[int]) -> None:
    for length in lengths:
        columns = padded_columns(length)
        assert columns % 8 == 0
        assert length - 1 <= columns <= max(8, (length - 1) * 9 / 8 + 7)


def test_few_shapes_serve_many_steps() -> None:
    draw = random.Random(0)
    shapes = set()
    for _ in range(200):
        lengths = [draw.randint(6, 50) for _ in range(96)]
        plan = plan_microbatches(lengths, max_tokens=1024)
        shapes |= {(len(part), padded_columns(max(lengths[i] for i in part))) for part in plan}
    assert len(shapes) < 60


def test_a_sample_over_the_budget_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"max_tokens_per_device: a sample of 9 tokens does not fit 8"):
        plan_microbatches([3, 9], max_tokens=8)
    with pytest.raises(RecipeError, match=r"row_tokens: a sample of 9 tokens does not fit 8"):
        plan_rows([3, 9], row_tokens=8)
    with pytest.raises(ValueError, match="pad_to is 1"):
        collate([sample([1, 2, 3], [0, 1, 1])], np.ones(1, np.float32), pad_to=1)


def test_padding_on_request_changes_nothing_else() -> None:
    samples, weights = [sample([5, 6, 7], [0, 0, 1]), sample([8, 9], [0, 1])], np.ones(2, np.float32)
    narrow, wide = collate(samples, weights), collate(samples, weights, pad_to=6)
    for name in ("inputs", "targets", "loss_mask", "loss_weights", "positions", "segments", "samples"):
        assert torch.equal(getattr(wide, name)[:, :2], getattr(narrow, name))
        assert not getattr(wide, name)[:, 2:].any()


def test_scores_of_tokens_that_are_not_learned_from_do_not_enter() -> None:
    noisy = PolicySample(
        token_ids=np.array([1, 2, 3], np.int32),
        loss_mask=np.array([False, False, True]),
        advantages=np.full(3, 7.0, np.float32),
        sampler_logprobs=np.full(3, -2.0, np.float32),
    )
    batch = collate([noisy], np.ones(1, np.float32))
    assert isinstance(batch, PolicyBatch)
    assert batch.advantages.tolist() == [[0, 7]]
    assert batch.sampler_logprobs.tolist() == [[0, -2]]


def test_plain_samples_give_a_plain_batch() -> None:
    batch = collate([sample([1, 2], [0, 1])], np.ones(1, np.float32))
    assert type(batch) is TokenBatch
    assert not batch.is_packed


def test_a_loss_on_the_first_token_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="nothing predicts the first token"):
        collate([sample([1, 2], [1, 1])], np.ones(1, np.float32))


def test_a_field_filled_for_some_samples_only_is_a_bug() -> None:
    rng = np.random.default_rng(0)
    base = policy_sample(rng, 4)
    without = PolicySample(
        token_ids=base.token_ids, loss_mask=base.loss_mask, advantages=base.advantages, sampler_logprobs=base.sampler_logprobs
    )
    with pytest.raises(AssertionError, match="ref_logprobs is filled in some"):
        collate([base, without], np.ones(2, np.float32))


def test_labels_lie_where_their_score_is_read() -> None:
    tokens, mask = np.array([5, 6, 7, 0], np.int32), np.array([False, False, True, True])
    labels = np.array([9, 9, 0.25, 1], np.float32)
    scored = RewardSample(token_ids=tokens, loss_mask=mask, labels=labels)
    for batch in (collate([scored], np.ones(1, np.float32)), pack([scored], np.ones(1, np.float32), row_tokens=4)):
        assert isinstance(batch, RewardBatch)
        assert batch.labels.tolist() == [[0, 0.25, 1]]


def test_the_references_words_travel_with_the_sample() -> None:
    scored = ReferenceSample(
        token_ids=np.array([5, 6, 7], np.int32), loss_mask=np.array([False, False, True]), ref_logprobs=np.array([0, -9, -2], np.float32)
    )
    batch = collate([scored], np.ones(1, np.float32))
    assert isinstance(batch, ReferenceBatch)
    assert batch.ref_logprobs.tolist() == [[0, -2]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(1, 3), st.integers(40, 400))
def test_units_stay_together_in_order_and_within_the_budget(lengths: list[int], unit: int, budget: int) -> None:
    lengths, max_tokens = lengths * unit, budget * unit
    plan = plan_microbatches(lengths, max_tokens=max_tokens, unit=unit)
    assert sorted(itertools.chain(*plan)) == list(range(len(lengths)))
    for indices in plan:
        starts = indices[::unit]
        assert indices == [start + member for start in starts for member in range(unit)]
        assert all(start % unit == 0 for start in starts)
        columns = min(padded_columns(max(lengths[i] for i in indices)), max_tokens // unit)
        assert len(indices) * columns <= max_tokens


def test_a_unit_over_the_budget_is_refused_with_the_reason() -> None:
    with pytest.raises(RecipeError, match=r"a sample of 9 tokens does not fit 8 \(max_tokens_per_device / 2: 2 samples stay together\)"):
        plan_microbatches([3, 9], max_tokens=16, unit=2)
