"""A mixture of packed sources: entry ``i`` is one window of one source, in stated shares, with an exact account of tokens and epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from reasonforge.core.errors import DataError
from reasonforge.corpus.mixing.interleave import Interleaver
from reasonforge.corpus.packing.reader import Window, Windows


class Entry(NamedTuple):
    """Where one window comes from."""

    source: int
    """Index of the source."""
    epoch: int
    """How often the source was read to its end before."""
    window: int
    """Index in the source's stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedSource:
    """A source and its share."""

    name: str
    weight: float
    windows: Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a mixture takes of one source."""

    name: str
    share: float
    windows: int
    tokens: int
    """That are read: ``seq_len`` a window. Every one is predicted, except where attention begins anew at documents: the first token of a
    document that begins inside a window is predicted by nothing."""
    epochs: float
    """Times the source is read: 2.5 = twice whole and half of it once more."""


class Mixture:
    """An endless sequence of windows. Everything about entry ``i`` follows from ``i``: the state of a run is a number."""

    def __init__(self, sources: Sequence[MixedSource]) -> None:
        """Mix.

        Args:
            sources: all cut at one length.

        Raises:
            RecipeError: the weights cannot be shares.
        """
        lengths = {source.windows.seq_len for source in sources}
        assert len(lengths) == 1, "sources cut at different lengths"
        self.sources = tuple(sources)
        self.seq_len = lengths.pop()
        self._order = Interleaver({source.name: source.weight for source in sources})

    def __getitem__(self, entry: int) -> Entry:
        """Return where an entry comes from."""
        source, count = self._order[entry]
        windows = self.sources[source].windows
        epoch, place = divmod(count, len(windows))
        return Entry(source, epoch, windows.index(epoch, place))

    def read(self, entry: int) -> Window:
        """Return the tokens of an entry."""
        found = self[entry]
        return self.sources[found.source].windows.read(found.window)

    def uses(self, entries: int) -> list[Use]:
        """Return what the first ``entries`` entries take of each source."""
        found: list[Use] = []
        for index, source in enumerate(self.sources):
            count = self._order.count(index, entries)
            found.append(
                Use(
                    name=source.name,
                    share=float(self._order.share(index)),
                    windows=count,
                    tokens=count * self.seq_len,
                    epochs=count / len(source.windows),
                )
            )
        return found

    def check_epochs(self, entries: int, max_epochs: float) -> None:
        """Refuse to read a source more often than allowed.

        Raises:
            DataError: naming the source that is repeated most.
        """
        worst = max(self.uses(entries), key=lambda use: use.epochs)
        if worst.epochs > max_epochs:
            enough = math.ceil(worst.windows / Fraction(str(max_epochs))) * self.seq_len + 1
            raise DataError(
                f"source {worst.name!r} would be read {worst.epochs:.2f} times, max_epochs is {max_epochs:g}: "
                f"train on fewer tokens, lower its weight, pack at least {enough:,} tokens of it, or raise max_epochs"
            )


class Planned(NamedTuple):
    """A source's part of a training run, before anything is packed."""

    tokens: float
    epochs: float | None
    """None = how many tokens the source has is not known."""


def plan_mixture(weights: Mapping[str, float], total_tokens: float, available: Mapping[str, float] | None = None) -> dict[str, Planned]:
    """Share out a training run's tokens among sources.

    Args:
        weights: in any unit.
        total_tokens: of the run.
        available: tokens that a source has, where known.

    Raises:
        RecipeError: the weights cannot be shares.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.3: 56/4/10/20/10 of 500B tokens.

    >>> plan_mixture({"math": 3, "code": 1}, 200, {"math": 60})
    {'math': Planned(tokens=150.0, epochs=2.5), 'code': Planned(tokens=50.0, epochs=None)}
    """
    order = Interleaver(weights)
    tokens = {name: float(order.share(index) * Fraction(total_tokens)) for index, name in enumerate(order.names)}
    known = available or {}
    return {name: Planned(count, count / known[name] if name in known else None) for name, count in tokens.items()}
