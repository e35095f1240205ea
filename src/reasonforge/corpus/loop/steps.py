"""Steps of a corpus, and the coroutine they come from.

The whole stage graph is one generator (:mod:`reasonforge.corpus.loop.graph`): it yields a step, is sent the receipts of its units, and goes
on from them. Who drives it decides what that means: do the units, do one rank's share of them, or only look which are done.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reasonforge.corpus.reasons import BENCHMARK_TEXT
from reasonforge.corpus.units import Counts, Input, Receipt, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Units that can be done side by side."""

    stage: str
    """Name for people and for ``--stage``: one of :data:`reasonforge.corpus.loop.outline.STAGES`. Some stages are several steps."""
    units: Sequence[Unit]
    round: int | None = None
    """Counted from 1; None = the stage stands outside the rounds."""
    is_content: bool = True
    """What its units leave is part of the corpus. False = it is about this machine's files, and no part of the digest of a run."""
    warnings: tuple[str, ...] = ()
    """Lines that are to be said before it is done."""

    @property
    def title(self) -> str:
        """Return how the step is called on screen."""
        return title_of(self.stage, self.round)


def title_of(stage: str, number: int | None) -> str:
    """Return how a stage of a round is called on screen."""
    return stage if number is None else f"round {number}: {stage}"


def with_benchmark_text(dropped: Mapping[str, int], noted: Mapping[str, int]) -> int:
    """Return how many pages and documents of decontaminated files held benchmark text: dropped or cut. 0 of any other stage."""
    return dropped.get(BENCHMARK_TEXT, 0) + noted.get("pages_cut", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """The corpus waits for a person."""

    round: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """A file of pages and what lies beside it."""

    receipt: Receipt
    """Of the unit that wrote it."""
    pages: Input
    masks: tuple[Input, ...] = ()
    """Tables of the pages that are left out."""
    keep: Input | None = None
    """Table of the only pages that count; None = all."""
    num_pages: int
    """That are left."""
    num_tokens: int | None = None
    """Of the pages that were selected, estimated; None = nothing was selected yet."""

    def masked(self, mask: Input, num_dropped: int) -> PageFile:
        """Return it with one mask more, which drops so many of the pages that are left."""
        return replace(self, masks=(*self.masks, mask), num_pages=self.num_pages - num_dropped)

    def kept_only(self, keep: Input, selected: Counts) -> PageFile:
        """Return it with only the pages of a selection.

        Args:
            keep: their table.
            selected: what the unit counted that wrote it.
        """
        return replace(self, keep=keep, num_pages=selected.kept, num_tokens=selected.noted.get("tokens", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a corpus came to."""

    rounds: int
    """Rounds that were run."""
    reason: str
    """Why there were no more: ``converged`` or ``max_rounds``."""
    overlap: float | None
    """Share of the last round's pages that the round before had; None = there was one round."""
    packed: Mapping[str, Sequence[Receipt]] = field(default_factory=dict)
    """Receipts of the shards of each source; empty = the recipe packs nothing."""


Graph = Generator[Step | Waits, list[Receipt], Ended]
"""Yields steps and is sent receipts. After :class:`Waits` it cannot go on."""
