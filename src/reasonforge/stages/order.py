"""Which items a step trains on: a pure function of the step's index, so that a resumed run sees what it would have seen."""

from __future__ import annotations

import numpy as np

from reasonforge.core.seeds import derive_seed


class ShuffledOrder:
    """An endless order over ``size`` items: each epoch is a permutation derived from the seed. Draw ``i`` needs no earlier draw."""

    def __init__(self, size: int, *, seed: int) -> None:
        assert size > 0
        self._size = size
        self._seed = seed
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def __getitem__(self, draw: int) -> int:
        epoch, place = divmod(draw, self._size)
        if epoch != self._epoch:
            self._permutation = np.random.default_rng(derive_seed(self._seed, "epoch", epoch)).permutation(self._size)
            self._epoch = epoch
        return int(self._permutation[place])
