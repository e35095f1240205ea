"""What every sampling engine offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor

from reasonforge.core.rollouts import Completion, SampleRequest, SamplingParams


class Sampler(Protocol):
    """Draws completions. A completion depends on prompt, seed, weights and params; not on its neighbours or the batch size."""

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        """Return, per request, one completion per seed, in order."""
        ...

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        """Take new weights; completions drawn from now on carry ``version``."""
        ...
