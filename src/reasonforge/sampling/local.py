"""The local sampler: continuous batching over key/value slots, in C where a compiler is found, in torch elsewhere."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from reasonforge.core.errors import DataError, RecipeError, UnavailableError
from reasonforge.core.rollouts import Completion, SampleRequest, SamplingParams
from reasonforge.models.decoder import Decoder
from reasonforge.sampling.engine import Engine
from reasonforge.sampling.native.build import library
from reasonforge.sampling.native.engine import NativeEngine, NativeWeights
from reasonforge.sampling.protocol import OnDone
from reasonforge.sampling.scheduler import PREFILL_ROWS, Group, Scheduler
from reasonforge.sampling.stops import stop_string_check
from reasonforge.sampling.torch_engine import TorchEngine, TorchWeights

_LOG = logging.getLogger("reasonforge.sampling")

Backend = Literal["auto", "native", "torch"]
DTypeName = Literal["float32", "bfloat16"]


class LocalSampler:
    """Draws completions on this machine. Holds its own copy of the weights: training does not move it until ``load``."""

    def __init__(
        self,
        decoder: Decoder,
        *,
        max_slots: int = 128,
        max_context: int | None = None,
        dtype: DTypeName = "float32",
        backend: Backend = "auto",
        decode: Callable[[list[int]], str] | None = None,
        threads: int | None = None,
    ) -> None:
        """Take the decoder's shape and its present weights as version 0.

        Args:
            max_slots: completions decoded at once, over all threads.
            max_context: positions per slot, prompt included; None = the model's ``max_positions``.
            dtype: of the matrix products. Log-probabilities agree with the learner's float32 to 1e-5 in float32; bfloat16 is faster and
                differs by about 1e-2 (docs/decisions/0003-native-sampler.md).
            backend: ``auto`` takes the C step on a CPU with a compiler, torch otherwise.
            decode: token ids to text, needed for stop strings.
            threads: cores to use; None = ``torch.get_num_threads()``. The torch backend threads inside its products instead.
        """
        self._config = decoder.config
        self._context = max_context or self._config.max_positions
        if self._context > self._config.max_positions:
            raise RecipeError(
                f"sampling: max_context {self._context} exceeds the model's max_positions {self._config.max_positions}. Lower it."
            )
        if max_slots < 1:
            raise RecipeError(f"sampling: max_slots is {max_slots}; at least 1 completion must fit. Raise it.")
        self._decode = decode
        self._version = 0
        self._lock = threading.Lock()  # weights must not change under a running batch
        self._expected = {name: tuple(parameter.shape) for name, parameter in decoder.named_parameters()}
        self._weights = self._make_weights(decoder, backend, dtype)
        threads = min(threads or torch.get_num_threads(), max_slots) if isinstance(self._weights, NativeWeights) else 1
        self._shares = [(max_slots + thread) // threads for thread in range(threads)]
        # Made when the first completions are asked for: a cache for a checkpoint's whole context can be larger than the machine.
        self._engines: list[Engine] = []
        self._engine_context = 0

    @property
    def backend(self) -> Literal["native", "torch"]:
        """The backend in use."""
        return "native" if isinstance(self._weights, NativeWeights) else "torch"

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        """Take new weights, named and shaped as the decoder's parameters; completions drawn from now on carry ``version``."""
        for name, shape in self._expected.items():
            if name not in weights:
                raise DataError(f"sampling: weights version {version}: no tensor {name!r}. Give all parameters of the decoder.")
            if tuple(weights[name].shape) != shape:
                raise DataError(
                    f"sampling: weights version {version}: {name} has shape {tuple(weights[name].shape)}, the model needs {shape}."
                )
        with self._lock:
            self._weights.load(weights)
            self._version = version

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        """Return, per request, one completion per seed, in order.

        Raises:
            DataError: a prompt is empty, holds an id outside the vocabulary, or leaves no room in the context.
            RecipeError: the parameters cannot mean anything.
            NonFiniteError: the model's logits are not numbers.
        """
        return self._sample(requests, params, None)

    def stream(self, requests: Sequence[SampleRequest], params: SamplingParams, on_done: OnDone) -> list[list[Completion]]:
        """Do as ``sample``; ``on_done`` is called with each completion when it is finished, from the thread that drew it."""
        return self._sample(requests, params, on_done)

    def _sample(self, requests: Sequence[SampleRequest], params: SamplingParams, on_done: OnDone | None) -> list[list[Completion]]:
        self._check_params(params)
        limits = [self._limit(index, request.prompt_ids, params) for index, request in enumerate(requests)]
        groups = [
            Group(
                prompt_ids=np.array(request.prompt_ids, np.int32),
                seeds=np.array(request.seeds, np.uint64),
                limits=np.full(len(request.seeds), limit, np.int32),
                on_done=None if on_done is None else partial(on_done, position),
            )
            for position, (request, limit) in enumerate(zip(requests, limits, strict=True))
        ]
        self.run_groups(groups, params)
        return [[result for result in group.results if result is not None] for group in groups]

    def run_groups(self, groups: Sequence[Group], params: SamplingParams) -> None:
        """Finish groups whose members may have limits of their own (benchmarks replay length distributions this way)."""
        queue = deque(group for group in groups if len(group.seeds))
        if not queue:
            return
        longest = max(int(group.limits.max()) for group in queue)
        is_stop = np.zeros(self._config.vocab_size, np.bool_)
        is_stop[[token for token in params.stop_token_ids if 0 <= token < self._config.vocab_size]] = True
        ends_text = stop_string_check(params.stop_strings, self._decode) if params.stop_strings and self._decode else None
        needed = max(len(group.prompt_ids) + int(group.limits.max()) for group in queue)
        with self._lock:
            self._ensure_context(needed)
            schedulers = [
                Scheduler(engine, params, longest=longest, is_stop=is_stop, ends_text=ends_text, version=self._version)
                for engine in self._engines
            ]
            if len(schedulers) == 1:
                schedulers[0].run(queue)
                return
            with ThreadPoolExecutor(len(schedulers)) as pool:
                for future in [pool.submit(scheduler.run, queue) for scheduler in schedulers]:
                    future.result()

    def _check_params(self, params: SamplingParams) -> None:
        """Refuse what has no meaning, before any work."""
        rules = (
            (params.max_new_tokens >= 1, f"max_new_tokens is {params.max_new_tokens}; at least 1 token must be drawn"),
            (0 <= params.temperature < float("inf"), f"temperature is {params.temperature}; it must be 0 (greedy) or a positive number"),
            (0 < params.top_p <= 1, f"top_p is {params.top_p}; it must lie in (0, 1]"),
            (params.top_k >= 0, f"top_k is {params.top_k}; it must be 0 (off) or positive"),
            (all(params.stop_strings), "a stop string is empty; every completion would end at once"),
            (not params.stop_strings or self._decode, "stop_strings need text; give the sampler a tokenizer's decode"),
        )
        for holds, complaint in rules:
            if not holds:
                raise RecipeError(f"sampling: {complaint}.")

    def _limit(self, index: int, prompt_ids: Sequence[int], params: SamplingParams) -> int:
        """Return how many tokens may follow a prompt."""
        where, length = f"sampling: request {index}", len(prompt_ids)
        if length == 0:
            raise DataError(f"{where}: the prompt is empty. Give at least one token (a bos token, say).")
        if length >= self._context:
            raise DataError(
                f"{where}: the prompt has {length} tokens and the context {self._context}. Shorten the prompt or raise max_context."
            )
        lowest, highest = min(prompt_ids), max(prompt_ids)
        if lowest < 0 or highest >= self._config.vocab_size:
            wrong = lowest if lowest < 0 else highest
            raise DataError(f"{where}: token id {wrong} is outside the vocabulary of {self._config.vocab_size}. Use the model's tokenizer.")
        return min(params.max_new_tokens, self._context - length)

    def _make_weights(self, decoder: Decoder, backend: Backend, dtype: DTypeName) -> NativeWeights | TorchWeights:
        on_cpu = decoder.head_weight.device.type == "cpu"
        compiled = library() if on_cpu and backend != "torch" else None
        if compiled is None:
            if backend == "native":
                raise UnavailableError("sampling: backend 'native' needs a model on the CPU and a C compiler. Use backend 'auto'.")
            return TorchWeights(decoder, torch.bfloat16 if dtype == "bfloat16" else torch.float32)
        weights = NativeWeights(compiled, self._config, bf16=dtype == "bfloat16")
        weights.load(dict(decoder.named_parameters()))
        return weights

    def _ensure_context(self, needed: int) -> None:
        """Make sure that every slot holds ``needed`` positions. Capacity doubles, so growing prompts do not rebuild the cache each time."""
        if needed > self._engine_context:
            self._engines = []  # freed before the larger ones are made
            self._engine_context = min(max(needed, 2 * self._engine_context), self._context)
            self._engines = [self._make_engine(slots) for slots in self._shares]

    def _make_engine(self, num_slots: int) -> Engine:
        max_rows, context = num_slots + PREFILL_ROWS, self._engine_context
        if isinstance(self._weights, NativeWeights):
            return NativeEngine(self._weights, num_slots=num_slots, context=context, max_rows=max_rows)
        return TorchEngine(self._weights, num_slots=num_slots, context=context, max_rows=max_rows)
