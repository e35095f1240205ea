"""The engine in plain torch: any device, no compiler."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from reasonforge.core.errors import NonFiniteError
from reasonforge.core.rollouts import SamplingParams
from reasonforge.models.cache import KVCache
from reasonforge.models.decoder import Decoder
from reasonforge.sampling.engine import DIVERGED, Drawn, Step
from reasonforge.sampling.warp import draw_tokens, uniforms, warp_logits


class TorchWeights:
    """The sampler's own copy of the decoder: training must not move it while completions are drawn under a stated version."""

    def __init__(self, decoder: Decoder, dtype: torch.dtype) -> None:
        self.decoder, self.dtype = copy.deepcopy(decoder).eval().requires_grad_(False), dtype
        self.blocks = self.decoder.block_weights(dtype)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Copy weights in; names and shapes were checked."""
        with torch.no_grad():
            for name, parameter in self.decoder.named_parameters():
                parameter.copy_(weights[name])
            self.blocks = self.decoder.block_weights(self.dtype)


class TorchEngine:
    """``Decoder.decode_step`` over a ``KVCache``."""

    def __init__(self, weights: TorchWeights, *, num_slots: int, context: int, max_rows: int) -> None:
        self.num_slots, self.context, self.max_rows = num_slots, context, max_rows
        self._weights = weights
        self._device = weights.decoder.head_weight.device
        self._cache = KVCache(weights.decoder.config, num_slots, context, self._device, weights.dtype)

    @torch.inference_mode()
    def step(self, step: Step, params: SamplingParams) -> Drawn:
        """Feed all rows, then draw."""
        decoder = self._weights.decoder
        token_ids, positions, slots, draw_rows = (
            torch.from_numpy(array).to(self._device, torch.int64) for array in (step.token_ids, step.positions, step.slots, step.draw_rows)
        )
        hidden = decoder.decode_step(token_ids, positions, slots, self._cache, dtype=self._weights.dtype, weights=self._weights.blocks)
        rows, logits_of = torch.unique_consecutive(draw_rows, return_inverse=True)
        # The head stays float32, as in the C step: log-probabilities are what the learner trusts.
        logprobs = warp_logits(hidden[rows].float() @ decoder.head_weight.float().T, params)[logits_of]
        if torch.isnan(logprobs).any():
            # Attention weighs stale positions by 0, and 0 * NaN is NaN: the next weights need a clean cache.
            self._cache.keys.zero_()
            self._cache.values.zero_()
            raise NonFiniteError(DIVERGED)
        if params.temperature == 0:
            tokens = logprobs.argmax(-1)
        else:
            draws = uniforms(step.seeds, step.positions[step.draw_rows] + 1)
            tokens = draw_tokens(logprobs, torch.from_numpy(draws).to(self._device))
        drawn = logprobs.gather(-1, tokens[:, None]).squeeze(-1)
        return Drawn(tokens.cpu().numpy().astype(np.int32), drawn.cpu().numpy())

    @torch.inference_mode()
    def copy_prefix(self, source: int, targets: list[int], num_tokens: int) -> None:
        """Give the target slots the first ``num_tokens`` positions of the source slot."""
        self._cache.copy_prefix(source, torch.tensor(targets, device=self._device), num_tokens)
