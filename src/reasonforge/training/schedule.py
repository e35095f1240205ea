"""Learning-rate schedules: a step in, a fraction of the peak learning rate out."""

from __future__ import annotations

import math

from reasonforge.training.config import Constant, Cosine, Drop, Multistep


def lr_fraction(schedule: Constant | Cosine | Multistep, step: float, *, total_steps: int) -> float:
    """Return the learning rate at ``step`` as a fraction of its peak.

    ``step`` is on the papers' axis: 0 before training, ``total_steps`` at its end. The learner asks for its first update at 1,
    since at 0 a warm-up gives zero, and for its last at ``total_steps``.
    """
    rise = warmup(step, warmup_steps=schedule.warmup_steps)
    match schedule:
        case Constant():
            return rise
        case Cosine():
            return rise * cosine(step - schedule.warmup_steps, total_steps - schedule.warmup_steps, final_fraction=schedule.final_fraction)
        case Multistep():
            return rise * multistep(step, total_steps, drops=schedule.drops)


def warmup(step: float, *, warmup_steps: int) -> float:
    """Rise linearly from 0 at step 0 to 1 at ``warmup_steps``; 1 from there on.

    >>> warmup(50, warmup_steps=200), warmup(0, warmup_steps=0)
    (0.25, 1.0)
    """
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0


def cosine(step: float, total_steps: float, *, final_fraction: float) -> float:
    """Fall along half a cosine from 1 at step 0 to ``final_fraction`` at ``total_steps``; flat outside.

    Source:
        DeepSeek-R1 (arXiv:2501.12948), B.4.2: cosine decay of SFT from 5e-5 to 5e-6.

    >>> cosine(500, 1000, final_fraction=0.1)
    0.55
    """
    progress = min(max(step / total_steps, 0.0), 1.0) if total_steps > 0 else 1.0
    return final_fraction + (1 - final_fraction) * 0.5 * (1 + math.cos(math.pi * progress))


def multistep(step: float, total_steps: int, *, drops: tuple[Drop, ...]) -> float:
    """Return the fraction of the last drop whose share of the steps is over; 1 before the first. A step on the boundary has dropped.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.2.1: 31.6 % of the peak after 80 % of training, 10 % after 90 %.
    """
    # Compared in whole steps: 0.9 * 37500 is a hair off 33750 in floating point.
    return next((drop.fraction for drop in reversed(drops) if step >= round(drop.after * total_steps, 6)), 1.0)
