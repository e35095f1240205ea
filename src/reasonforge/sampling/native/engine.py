"""The engine over the C library: packed weights, and one cache with scratch space per thread."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from reasonforge.core.errors import NonFiniteError, UnavailableError
from reasonforge.core.rollouts import SamplingParams
from reasonforge.models.config import DecoderConfig
from reasonforge.models.rope import rotation
from reasonforge.sampling.engine import DIVERGED, Drawn, Step

# The order of step.c's enum.
_PARTS = (
    "embed_tokens.weight",
    "lm_head.weight",
    "norm.weight",
    "input_layernorm.weight",
    "post_attention_layernorm.weight",
    "self_attn.q_norm.weight",
    "self_attn.k_norm.weight",
    "self_attn.q_proj.weight",
    "self_attn.k_proj.weight",
    "self_attn.v_proj.weight",
    "self_attn.o_proj.weight",
    "mlp.gate_proj.weight",
    "mlp.up_proj.weight",
    "mlp.down_proj.weight",
    "self_attn.q_proj.bias",
    "self_attn.k_proj.bias",
    "self_attn.v_proj.bias",
    "self_attn.o_proj.bias",
    "mlp.gate_proj.bias",
    "mlp.up_proj.bias",
    "mlp.down_proj.bias",
)
_PART_NUMBER = {name: number for number, name in enumerate(_PARTS)}


class _Shape(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("vocab", "hidden", "layers", "heads", "kv_heads", "head_dim", "intermediate")),
        ("bf16", ctypes.c_int64),
        ("qk_norm", ctypes.c_int64),
        ("eps", ctypes.c_double),
    )


class _Warp(ctypes.Structure):
    _fields_ = (("temperature", ctypes.c_float), ("top_p", ctypes.c_float), ("top_k", ctypes.c_int64))


def _declare(library: ctypes.CDLL) -> None:
    """State argument types once; without them ctypes would cut pointers to 32 bits."""
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    signatures = {
        "weights_create": (pointer, (pointer,)),
        "weights_free": (None, (pointer,)),
        "weights_set": (None, (pointer, number, number, pointer)),
        "state_create": (pointer, (pointer, number, number, number, pointer, pointer)),
        "state_free": (None, (pointer,)),
        "copy_prefix": (None, (pointer, number, number, number)),
        "step": (None, (pointer, pointer, number, pointer, pointer, pointer, number, pointer, pointer, pointer, pointer, pointer)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


class NativeWeights:
    """The model's tensors, packed for the C step. Several engines may read them at once."""

    def __init__(self, library: ctypes.CDLL, config: DecoderConfig, *, bf16: bool) -> None:
        _declare(library)
        self.library, self.config = library, config
        self.shape = _Shape(
            config.vocab_size,
            config.hidden_size,
            config.num_layers,
            config.num_heads,
            config.num_kv_heads,
            config.head_dim,
            config.intermediate_size,
            bf16,
            config.qk_norm,
            config.rms_norm_eps,
        )
        self.handle: int = library.weights_create(ctypes.byref(self.shape))
        if not self.handle:
            raise UnavailableError("sampling: no memory for the weights. Use a smaller model.")
        weakref.finalize(self, library.weights_free, self.handle)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Pack weights in; names and shapes were checked."""
        for name, layer, part in self._places():
            tensor = weights[name].detach().to("cpu", torch.float32).contiguous()
            self.library.weights_set(self.handle, layer, part, tensor.data_ptr())

    def _places(self) -> Iterator[tuple[str, int, int]]:
        """Yield (name in the decoder, layer, part number) of every tensor."""
        config = self.config
        head = "embed_tokens.weight" if config.tie_embeddings else "lm_head.weight"
        yield from (("embed_tokens.weight", 0, 0), (head, 0, 1), ("norm.weight", 0, 2))
        absent = {
            "self_attn.q_norm.weight": not config.qk_norm,
            "self_attn.k_norm.weight": not config.qk_norm,
            **{f"self_attn.{part}_proj.bias": not config.attention_bias for part in "qkv"},
            "self_attn.o_proj.bias": not config.output_bias,
            **{f"mlp.{part}_proj.bias": not config.mlp_bias for part in ("gate", "up", "down")},
        }
        for layer in range(config.num_layers):
            for name in _PARTS[3:]:
                if not absent.get(name, False):
                    yield f"layers.{layer}.{name}", layer, _PART_NUMBER[name]


class NativeEngine:
    """One cache and its scratch space; the step runs outside Python's lock, so one engine per thread uses one core each."""

    def __init__(self, weights: NativeWeights, *, num_slots: int, context: int, max_rows: int) -> None:
        self.num_slots, self.context, self.max_rows = num_slots, context, max_rows
        self._weights, self._library = weights, weights.library
        turns = rotation(torch.arange(context)[None], weights.config, dtype=torch.float32)[0]
        cos, sin = turns.real.contiguous(), turns.imag.contiguous()
        self._handle: int = self._library.state_create(
            ctypes.byref(weights.shape), num_slots, context, max_rows, cos.data_ptr(), sin.data_ptr()
        )
        if not self._handle:
            raise UnavailableError(
                f"sampling: no memory for a cache of {num_slots} slots of {context} tokens. Lower max_slots or max_context."
            )
        weakref.finalize(self, self._library.state_free, self._handle)

    def step(self, step: Step, params: SamplingParams) -> Drawn:
        """Feed all rows, then draw."""
        self._check(step)
        warp = _Warp(params.temperature, params.top_p, params.top_k)
        num_draws = len(step.draw_rows)
        drawn = Drawn(np.empty(num_draws, np.int32), np.empty(num_draws, np.float32))
        self._library.step(
            self._weights.handle,
            self._handle,
            len(step.token_ids),
            step.token_ids.ctypes.data,
            step.positions.ctypes.data,
            step.slots.ctypes.data,
            num_draws,
            step.draw_rows.ctypes.data,
            step.seeds.ctypes.data,
            ctypes.byref(warp),
            drawn.token_ids.ctypes.data,
            drawn.logprobs.ctypes.data,
        )
        if num_draws and drawn.token_ids.min() < 0:
            raise NonFiniteError(DIVERGED)
        return drawn

    def copy_prefix(self, source: int, targets: list[int], num_tokens: int) -> None:
        """Give the target slots the first ``num_tokens`` positions of the source slot."""
        assert 0 <= num_tokens <= self.context
        assert all(0 <= slot < self.num_slots for slot in (source, *targets))
        for target in targets:
            self._library.copy_prefix(self._handle, source, target, num_tokens)

    def _check(self, step: Step) -> None:
        """Refuse what C would turn into a wild write. Seen as unsigned, a negative number is too large."""
        rows = len(step.token_ids)
        limits = (
            (step.token_ids, self._weights.config.vocab_size),
            (step.positions, self.context),
            (step.slots, self.num_slots),
            (step.draw_rows, rows),
        )
        for array, limit in limits:
            inside = array.dtype == np.int32 and array.flags.c_contiguous and (not len(array) or int(array.view(np.uint32).max()) < limit)
            if not inside:
                raise AssertionError(f"a step's rows must be contiguous int32 in [0, {limit})")
        same_length = len(step.positions) == len(step.slots) == rows and len(step.seeds) == len(step.draw_rows)
        if not (same_length and rows <= self.max_rows and step.seeds.dtype == np.uint64 and step.seeds.flags.c_contiguous):
            raise AssertionError(f"a step has at most {self.max_rows} rows, one position and slot each, and a seed per draw")
