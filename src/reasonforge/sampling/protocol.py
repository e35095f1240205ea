"""What every sampling engine offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from reasonforge.core.rollouts import Completion, SampleRequest, SamplingParams

OnDone = Callable[[int, int, Completion], None]
"""Takes (position of the request, index of the seed, completion) of what is finished; may be called from several threads."""


class Sampler(Protocol):
    """Draws completions. A completion depends on prompt, seed, weights and params; not on its neighbours or the batch size."""

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        """Return, per request, one completion per seed, in order."""
        ...

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        """Take new weights; completions drawn from now on carry ``version``."""
        ...


@runtime_checkable
class StreamingSampler(Sampler, Protocol):
    """A sampler that says of every completion when it is finished, so that others need not wait for the slowest."""

    def stream(self, requests: Sequence[SampleRequest], params: SamplingParams, on_done: OnDone) -> list[list[Completion]]:
        """Return what ``sample`` returns; ``on_done`` has been called once for each completion, in the order they were finished."""
        ...
