"""Keys and values of the sequences being sampled, one slot each."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reasonforge.models.config import DecoderConfig


class KVCache:
    """Keys (rotated, the two members of a pair side by side: ``rope.pair_rows``) and values by layer, slot, head and position.

    Rows address their slot by number, so dropping a finished sequence or handing its slot to another copies nothing.
    Nothing is cleared either: a reader looks only at positions its sequence has written.
    """

    keys: Float[Tensor, "L slots Hkv Tmax head"]
    values: Float[Tensor, "L slots Hkv Tmax head"]

    def __init__(
        self, config: DecoderConfig, num_slots: int, max_tokens: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        shape = (config.num_layers, num_slots, config.num_kv_heads, max_tokens, config.head_dim)
        # Zeros, not empty: attention weighs unwritten positions by exactly 0, and 0 * NaN is NaN.
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)

    @property
    def num_slots(self) -> int:
        """Sequences that fit at once."""
        return self.keys.shape[1]

    @property
    def max_tokens(self) -> int:
        """Positions of a slot."""
        return self.keys.shape[3]

    def append(
        self,
        layer: int,
        slots: Int[Tensor, " R"],
        positions: Int[Tensor, " R"],
        keys: Float[Tensor, "R Hkv head"],
        values: Float[Tensor, "R Hkv head"],
    ) -> None:
        """Write one layer's keys and values of ``R`` tokens."""
        self.keys[layer, slots, :, positions] = keys.to(self.keys.dtype)
        self.values[layer, slots, :, positions] = values.to(self.values.dtype)

    def copy_prefix(self, source_slot: int, target_slots: Int[Tensor, " S"], num_tokens: int) -> None:
        """Give other slots the first ``num_tokens`` positions of ``source_slot``: a prompt is computed once for all its completions."""
        for tensor in (self.keys, self.values):
            tensor[:, target_slots, :, :num_tokens] = tensor[:, source_slot, None, :, :num_tokens]
