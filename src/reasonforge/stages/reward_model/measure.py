"""How good a reward model is on problems it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reasonforge.core.rollouts import Float32
from reasonforge.evaluation.calibration import (
    area_under_curve,
    brier_score,
    calibration_error,
    correlation,
    pair_accuracy,
    sigmoid,
)
from reasonforge.rewards.model import Values
from reasonforge.stages.reward_model.data import Example


def measure_reward_model(values: Values, examples: Sequence[Example]) -> dict[str, float]:
    """Return held-out figures under the names of the metric registry; those that the data cannot give are left out.

    Args:
        values: scores samples.
        examples: held out; all pairs or none.
    """
    samples = [sample for example in examples for sample in example.samples]
    rows = [row[sample.loss_mask] for row, sample in zip(values(samples), samples)]
    lengths = np.array([length for example in examples for length in example.lengths], dtype=np.float64)
    is_pairs = len(examples[0].samples) == 2
    found = _of_pairs(rows, lengths) if is_pairs else _of_labels(rows, [sample.labels[sample.loss_mask] for sample in samples])
    # A solution of several steps is as good as its worst.
    scores = np.array([row.min() for row in rows], dtype=np.float64)
    found["length_correlation"] = correlation(scores, lengths)
    if not is_pairs:
        found |= _within_problems(examples, scores, lengths)
    return {f"reward_model/{name}": value for name, value in found.items() if np.isfinite(value)}


def _of_labels(rows: Sequence[Float32], labels: Sequence[Float32]) -> dict[str, float]:
    logits, stated = np.concatenate(rows).astype(np.float64), np.concatenate(labels).astype(np.float64)
    said = sigmoid(logits)
    return {
        "auc": area_under_curve(logits, stated > 0.5),
        "accuracy": float(((said > 0.5) == (stated > 0.5)).mean()),
        "calibration_error": calibration_error(said, stated),
        "brier": brier_score(said, stated),
    }


def _of_pairs(rows: Sequence[Float32], lengths: np.ndarray) -> dict[str, float]:
    scores = np.array([float(row[0]) for row in rows])
    chosen, rejected = scores[0::2], scores[1::2]
    pairs = pair_accuracy(chosen, rejected, better_lengths=lengths[0::2], worse_lengths=lengths[1::2])
    # Which of the two is better is asked as often as not of either: the figures do not know who stands first.
    said = sigmoid(np.concatenate([chosen - rejected, rejected - chosen]))
    came = np.repeat([1.0, 0.0], len(chosen))
    return {
        "pair_accuracy": pairs.all,
        "pair_accuracy_matched": pairs.matched,
        "auc": area_under_curve(scores, np.tile([True, False], len(chosen))),
        "calibration_error": calibration_error(said, came),
        "brier": brier_score(said, came),
    }


def _within_problems(examples: Sequence[Example], scores: np.ndarray, lengths: np.ndarray) -> dict[str, float]:
    """Compare every good response of a problem with every bad one of it: what best-of-n and a group's advantages live on."""
    better: list[int] = []
    worse: list[int] = []
    for members in _by_problem(examples).values():
        good = [i for i in members if examples[i].is_correct]
        bad = [i for i in members if not examples[i].is_correct]
        better += [i for i in good for _ in bad]
        worse += bad * len(good)
    pairs = pair_accuracy(scores[better], scores[worse], better_lengths=lengths[better], worse_lengths=lengths[worse])
    return {
        "pair_accuracy": pairs.all,
        "pair_accuracy_matched": pairs.matched,
        "solution_auc": area_under_curve(scores, [bool(example.is_correct) for example in examples]),
    }


def _by_problem(examples: Sequence[Example]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        found.setdefault(example.problem_id, []).append(index)
    return found
