"""Two runs on the same problems: what changed, and whether it is more than noise. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reasonforge.core.errors import DataError
from reasonforge.evaluation.estimators import PairedDifference, paired_difference
from reasonforge.evaluation.measure import Measurement

_CLOSE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The second run seen from the first, on the problems that both have."""

    num_problems: int
    num_left_out: int
    """Problems that only one of the runs has."""
    differences: Mapping[str, PairedDifference]
    """Figure -> second minus first, paired by problem."""
    better: tuple[str, ...]
    """Problems with a higher pass@1, the largest change first."""
    worse: tuple[str, ...]
    """Problems with a lower pass@1, the largest change first."""


def compare(first: Measurement, second: Measurement) -> Comparison:
    """Compare two measurements problem by problem.

    Raises:
        DataError: they have no problem in common.

    Source:
        Paired differences of Miller (arXiv:2411.00640).
    """
    before, after = first.scores["pass@1"], second.scores["pass@1"]
    common = [identity for identity in before if identity in after]
    if not common:
        raise DataError("the two files have no problem in common: compare samples of the same problems (by id)")
    differences = {
        name: paired_difference({i: first.scores[name][i] for i in common}, {i: second.scores[name][i] for i in common})
        for name in first.scores
        if name in second.scores
    }
    change = {identity: after[identity] - before[identity] for identity in common}
    return Comparison(
        num_problems=len(common),
        num_left_out=len(before.keys() ^ after.keys()),
        differences=differences,
        better=tuple(sorted((i for i in common if change[i] > _CLOSE), key=lambda i: -change[i])),
        worse=tuple(sorted((i for i in common if change[i] < -_CLOSE), key=lambda i: change[i])),
    )
