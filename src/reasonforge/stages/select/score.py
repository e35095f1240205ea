"""How problems are measured. Pure and torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.core.rollouts import RolloutGroup
from reasonforge.tasks.rollouts import is_graded


def learning_impact(curves: np.ndarray) -> np.ndarray:
    """Return how closely each problem's accuracy over epochs follows the average curve: 1 - sum_k (r_ik - m_k)^2 / sum_k (1 - m_k)^2.

    1 = exactly. A problem that is always right, or never, deviates most: it taught the model least of what it learned.

    Args:
        curves: (problems, epochs) mean accuracy of a problem in an epoch, 0 to 1.

    Source:
        LIMR (arXiv:2502.11886), section 2.2, as third parties restate it.
    """
    mean = curves.mean(axis=0)
    scale = ((1 - mean) ** 2).sum()
    if scale == 0:
        # Everything is always right: nothing deviates, and nothing was to be learned.
        return np.zeros(len(curves))
    return 1 - ((curves - mean) ** 2).sum(axis=1) / scale


def accuracy_curves(groups: Sequence[RolloutGroup]) -> dict[str, list[float]]:
    """Return each problem's accuracy at each visit, in order; visits of which nothing could be graded are left out.

    Raises:
        DataError: no problem was visited twice, so nothing developed.
    """
    curves: dict[str, list[float]] = {}
    for group in groups:
        right = [member.verdict.correct for member in group.rollouts if is_graded(member)]
        if right:
            curves.setdefault(group.problem.id, []).append(float(np.mean(right)))
    if max(map(len, curves.values()), default=0) < 2:
        raise DataError(
            "learning_impact: every problem was drawn once at most, so there is no curve: train for several epochs of a list of problems"
        )
    return curves


def impact_scores(curves: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the learning impact of every problem over the epochs that most of them have; one with fewer is left out.

    The last epoch may have been cut short: it counts only if at least half of the problems were visited in it.
    """
    lengths = sorted(map(len, curves.values()))
    epochs = max(2, lengths[len(lengths) // 2])
    whole = {name: curve[:epochs] for name, curve in curves.items() if len(curve) >= epochs}
    scores = learning_impact(np.array(list(whole.values())))
    return dict(zip(whole, scores.tolist(), strict=True))


def level_of(pass_rate: float, levels: int) -> int:
    """Return a problem's measured difficulty: 1 = nearly always right, ``levels`` = nearly never, in equal bands of the pass rate.

    >>> [level_of(rate, 5) for rate in (1.0, 0.81, 0.8, 0.5, 0.0)]
    [1, 1, 2, 3, 5]
    """
    # The inverse of the share of wrong answers would put 0.8 on either side of its border, as floats fall.
    return min(levels, 1 + math.floor(levels * (1 - pass_rate) + 1e-9))
