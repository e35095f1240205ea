"""From ragged samples to tensors and back: the only place that shifts by one, pads, packs and assigns positions.

A sample of ``n`` tokens occupies ``n - 1`` positions: at position ``t`` the model reads token ``t`` and is asked for token ``t + 1``.
``collate`` gives every sample a row of its own; ``pack`` lays several into one row. Both fill every field with one gather and one
scatter over the tokens of all samples, so the cost does not grow with the number of samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from reasonforge.core.errors import RecipeError
from reasonforge.core.rollouts import Float32, PolicySample, ReferenceSample, RewardSample, SourcedSample, TrainingSample
from reasonforge.tensors.batch import PolicyBatch, ReferenceBatch, RewardBatch, SourcedBatch, TokenBatch

Ints = NDArray[np.int64]

MICROBATCH_OVERHEAD = 256
"""Positions that the fixed cost of one more micro-batch is worth. Measured on one core with decoders of 0.3M and 3M parameters: 220 to
250 in bfloat16, 60 to 100 in float32."""

ROW_STEP = 8
"""Rows of a micro-batch come in multiples of this where they can."""

_MAX_CUTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where every predicted token of every sample goes. ``K`` = predicted tokens of all samples, in sample order."""

    num_rows: int
    num_columns: int
    destination: Ints
    """[K] flat index into [B, T]."""
    source: Ints
    """[K] index, into the concatenation of all samples' tokens, of the token that is read; the one asked for comes right after."""
    sample: Ints
    """[K] index of the sample."""
    position: Ints
    """[K] position within the sample."""
    segment: Ints
    """[K] 1, 2, ... = which sample of its row."""

    def place(self, values: NDArray[Any]) -> Tensor:
        """Return values [K] laid out as [B, T], zero elsewhere."""
        flat = np.zeros(self.num_rows * self.num_columns, dtype=values.dtype)
        flat[self.destination] = values
        return torch.from_numpy(flat.reshape(self.num_rows, self.num_columns))

    def place_inputs(self, arrays: Sequence[NDArray[Any]], dtype: type[np.generic]) -> Tensor:
        """Lay out what the model reads: token ``t`` of each sample at position ``t``."""
        return self.place(np.concatenate(arrays).astype(dtype, copy=False)[self.source])

    def place_targets(self, arrays: Sequence[NDArray[Any]], dtype: type[np.generic]) -> Tensor:
        """Lay out what is about the predicted token: entry ``t`` of each sample at position ``t - 1``. This is the shift by one."""
        return self.place(np.concatenate(arrays).astype(dtype, copy=False)[self.source + 1])


def collate(samples: Sequence[TrainingSample], weights: Float32, *, pad_to: int | None = None) -> TokenBatch:
    """Return one padded row per sample, in order; a ``PolicyBatch`` of ``PolicySample``s, a ``RewardBatch`` of ``RewardSample``s, ...

    Args:
        samples: one or more sequences of at least one token, all of one class.
        weights: one loss weight per sample (``objectives.aggregate``).
        pad_to: columns of the batch; None = as many as the longest sample needs.

    Raises:
        ValueError: a sample does not fit ``pad_to``.
    """
    widths = _widths(samples)
    num_columns = int(widths.max()) if pad_to is None else pad_to
    if widths.max() > num_columns:
        raise ValueError(f"a sample of {int(widths.max()) + 1} tokens needs {int(widths.max())} columns; pad_to is {num_columns}")
    starts = np.arange(len(samples)) * num_columns
    layout = _lay_out(widths, starts, np.ones(len(samples), dtype=np.int64), num_rows=len(samples), num_columns=num_columns)
    return _build(samples, weights, layout)


def pack(samples: Sequence[TrainingSample], weights: Float32, *, row_tokens: int) -> TokenBatch:
    """Return the samples laid end to end in rows of at most ``row_tokens`` positions; otherwise like ``collate``.

    Raises:
        RecipeError: a sample is longer than a row.
    """
    widths = _widths(samples)
    rows = plan_rows([len(sample.token_ids) for sample in samples], row_tokens=row_tokens)
    num_columns = max(int(widths[row].sum()) for row in rows)
    starts, segments = np.empty(len(samples), dtype=np.int64), np.empty(len(samples), dtype=np.int64)
    for index, row in enumerate(rows):
        starts[row] = index * num_columns + np.cumsum(widths[row]) - widths[row]
        segments[row] = np.arange(1, len(row) + 1)
    return _build(samples, weights, _lay_out(widths, starts, segments, num_rows=len(rows), num_columns=num_columns))


def plan_microbatches(lengths: Sequence[int], *, max_tokens: int, unit: int = 1) -> list[list[int]]:
    """Split samples into micro-batches of similar length with ``rows * padded_columns <= max_tokens``; returns indices, longest first.

    Of the ways to cut the list sorted by length every ``ROW_STEP`` rows, this is the one that computes the fewest positions, padding
    included, where every micro-batch costs ``MICROBATCH_OVERHEAD`` positions more. So padding stays low even where the budget would admit
    all samples at once. Longest first, so a step that does not fit in memory fails at its start. Equal lengths keep their order.

    Args:
        lengths: tokens of each sample.
        max_tokens: positions of a micro-batch.
        unit: so many consecutive samples stay together, in order; a unit is as long as its longest sample.

    Raises:
        RecipeError: one sample alone (one unit alone) is over the budget.

    >>> plan_microbatches([2, 9, 3, 8], max_tokens=18)
    [[1, 3], [2, 0]]
    >>> plan_microbatches([2, 9, 3, 8], max_tokens=18, unit=2)
    [[0, 1], [2, 3]]
    """
    if unit > 1:
        units = [max(lengths[start : start + unit]) for start in range(0, len(lengths), unit)]
        _refuse_longer(units, max_tokens // unit, "max_tokens_per_device", unit=unit)
        plan = plan_microbatches(units, max_tokens=max_tokens // unit)
        return [[index * unit + member for index in indices for member in range(unit)] for indices in plan]
    _refuse_longer(lengths, max_tokens, "max_tokens_per_device")
    order = _longest_first(lengths)
    columns = np.array([min(padded_columns(lengths[index]), max_tokens) for index in order], dtype=np.int64)
    cuts = _cuts(columns)
    # cost[j] = cheapest way to place the samples before cuts[j]; origin[j] = where its last bucket starts.
    cost, origin = np.zeros(len(cuts)), np.zeros(len(cuts), dtype=np.int64)
    for j in range(1, len(cuts)):
        rows, widest = cuts[j] - cuts[:j], columns[cuts[:j]]
        num_microbatches = -(-rows // _rows_within(max_tokens, widest))
        total = cost[:j] + rows * widest + num_microbatches * MICROBATCH_OVERHEAD
        origin[j] = total.argmin()
        cost[j] = total[origin[j]]
    microbatches: list[list[int]] = []
    j = len(cuts) - 1
    while j > 0:
        start, end = int(cuts[origin[j]]), int(cuts[j])
        size = int(_rows_within(max_tokens, columns[start]))
        microbatches[:0] = [order[at : min(at + size, end)] for at in range(start, end, size)]
        j = int(origin[j])
    return microbatches


def padded_columns(length: int) -> int:
    """Return how many columns a micro-batch has whose longest sample is ``length`` tokens: a little more than it needs.

    Multiples of 8, of 16 from 128 columns on, of 32 from 256 on, and so forth: at most an eighth is wasted. The matrix libraries of a CPU
    compile and keep code per shape; with every length a shape of its own they compile all the time and keep gigabytes
    (``benchmarks/bench_train_step.py``: 1.2 times the CPU time, 2.4 times the memory).

    >>> [padded_columns(length) for length in (2, 9, 10, 130, 300)]
    [8, 8, 16, 144, 320]
    """
    columns = max(length - 1, 1)
    step = max(8, 1 << max(columns.bit_length() - 4, 0))
    return -(-columns // step) * step


def _rows_within(max_tokens: int, columns: Any) -> Any:
    """Return the rows of a micro-batch: a multiple of ``ROW_STEP`` where the budget admits that many, again to have few shapes."""
    rows = max_tokens // columns
    return np.where(rows >= ROW_STEP, rows - rows % ROW_STEP, rows)


def _cuts(columns: Ints) -> Ints:
    """Where the sorted list may be cut: both ends, every ``ROW_STEP`` rows (thinned to some hundred), and where the width halves."""
    num_rows = len(columns)
    step = ROW_STEP * (1 + num_rows // (ROW_STEP * _MAX_CUTS))
    # A few long samples ahead of many short ones get a micro-batch of their own, however few they are.
    falls = np.flatnonzero(2 * columns[1:] <= columns[:-1]) + 1
    return np.unique(np.concatenate((np.arange(0, num_rows, step), falls, [num_rows])))


def plan_rows(lengths: Sequence[int], *, row_tokens: int) -> list[list[int]]:
    """Group samples into rows of at most ``row_tokens`` tokens, first fit in order of decreasing length; returns indices.

    Planning again over only the samples of some of these rows gives exactly those rows: every sample was placed in the first row with
    room, and leaving out whole rows changes neither the room in the others nor their order. A micro-batch of rows can therefore
    be handed to ``pack`` as a list of samples.

    Raises:
        RecipeError: a sample is longer than a row.
    """
    _refuse_longer(lengths, row_tokens, "row_tokens")
    rows: list[list[int]] = []
    room = np.zeros(len(lengths), dtype=np.int64)
    for index in _longest_first(lengths):
        fits = np.flatnonzero(room[: len(rows)] >= lengths[index])
        if len(fits):
            rows[fits[0]].append(index)
            room[fits[0]] -= lengths[index]
        else:
            room[len(rows)] = row_tokens - lengths[index]
            rows.append([index])
    return rows


def scatter_to_samples(values: Float[Tensor, "B T"], batch: TokenBatch, lengths: Sequence[int]) -> list[Float32]:
    """Undo the layout: one array per sample, aligned with its ``token_ids``; zero at token 0 and where ``loss_mask`` is False.

    Args:
        values: per-token tensor of ``batch``.
        batch: what ``collate`` or ``pack`` returned.
        lengths: tokens of each sample, in the order the samples were handed over.
    """
    ends = np.cumsum(lengths)
    mask = batch.loss_mask.cpu().numpy()
    sample, position = batch.samples.cpu().numpy()[mask], batch.positions.cpu().numpy()[mask]
    flat = np.zeros(int(ends[-1]), dtype=np.float32)
    flat[(ends - np.asarray(lengths))[sample] + position + 1] = values.detach().float().cpu().numpy()[mask]
    return np.split(flat, ends[:-1])


def _widths(samples: Sequence[TrainingSample]) -> Ints:
    """Positions each sample occupies."""
    widths = np.fromiter((len(sample.token_ids) - 1 for sample in samples), dtype=np.int64, count=len(samples))
    assert len(widths) > 0, "an empty list of samples has no batch"
    assert widths.min() >= 0, "a sample without tokens"
    assert not any(sample.loss_mask[0] for sample in samples), "loss_mask[0] must be False: nothing predicts the first token"
    return widths


def _lay_out(widths: Ints, starts: Ints, segments: Ints, *, num_rows: int, num_columns: int) -> _Layout:
    """Expand per-sample starts (flat indices into [B, T]) to one entry per predicted token."""
    sample = np.repeat(np.arange(len(widths)), widths)
    count = np.arange(len(sample))
    position = count - (np.cumsum(widths) - widths)[sample]
    return _Layout(
        num_rows=num_rows,
        num_columns=num_columns,
        destination=starts[sample] + position,
        source=count + sample,  # each earlier sample has one token more than it has positions
        sample=sample,
        position=position,
        segment=segments[sample],
    )


def _build(samples: Sequence[TrainingSample], weights: Float32, layout: _Layout) -> TokenBatch:
    token_ids = [sample.token_ids for sample in samples]
    loss_mask = layout.place_targets([sample.loss_mask for sample in samples], np.bool_)
    shared: dict[str, Any] = {
        "inputs": layout.place_inputs(token_ids, np.int64),
        "targets": layout.place_targets(token_ids, np.int64),
        "loss_mask": loss_mask,
        "loss_weights": layout.place(np.asarray(weights, dtype=np.float32)[layout.sample]) * loss_mask,
        "positions": layout.place(layout.position),
        "segments": layout.place(layout.segment),
        "samples": layout.place(layout.sample),
        "num_samples": len(samples),
    }
    kind = _BATCHES[type(samples[0])]
    for name in _own_fields(kind):
        arrays = [getattr(sample, name) for sample in samples]
        filled = [array is not None for array in arrays]
        assert all(filled) or not any(filled), f"{name} is filled in some samples of the step and not in others"
        # Masked again: a score of a token that is not learned from (tool output) must not reach an objective.
        shared[name] = layout.place_targets(arrays, np.float32) * loss_mask if all(filled) else None
    return kind(**shared)


_BATCHES: dict[type[TrainingSample], type[TokenBatch]] = {
    TrainingSample: TokenBatch,
    PolicySample: PolicyBatch,
    RewardSample: RewardBatch,
    ReferenceSample: ReferenceBatch,
    SourcedSample: SourcedBatch,
}
"""A batch has a field of the same name for every per-token field of its samples."""


def _own_fields(kind: type[TokenBatch]) -> list[str]:
    return [field.name for field in fields(kind) if field.name not in TokenBatch.__slots__]


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda index: -lengths[index])


def _refuse_longer(lengths: Sequence[int], limit: int, setting: str, *, unit: int = 1) -> None:
    longest = max(lengths, default=0)
    if longest > limit:
        room = f"{limit}" if unit == 1 else f"{limit} ({setting} / {unit}: {unit} samples stay together)"
        raise RecipeError(f"{setting}: a sample of {longest} tokens does not fit {room}. Raise {setting} or shorten the samples.")
