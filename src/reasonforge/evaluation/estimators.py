"""From verdicts to figures with error bars: pass@k, votes, intervals. No torch, no model: counts and answers in, numbers out.

An answer is whatever stands for its class of equal answers: a normal form, or the number of the class. ``None`` = no answer was found;
it never wins a vote. Problems, not samples, are what is drawn from a population, so intervals are over problems: average a problem's
samples first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import chain, combinations
from statistics import NormalDist
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ties = Literal["expected", "first", "last"]
Answer = TypeVar("Answer", bound=Hashable)

MAX_SUBSETS = 20_000
"""Where order decides ties, ``expected_majority_vote`` looks at every subset up to so many."""
DRAWN_SUBSETS = 1_000
"""Beyond, it draws so many."""


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Return the chance that at least one of ``k`` samples, drawn without replacement from these, is right.

    ``1 - C(n - c, k) / C(n, k)``, as a product of factors below 1: no huge binomials.

    Source:
        Chen et al. (arXiv:2107.03374), Eq. 1.

    >>> round(pass_at_k(10, 3, 5), 4)
    0.9167
    """
    if not 0 <= num_correct <= num_samples or not 1 <= k <= num_samples:
        raise ValueError(f"pass@{k} of {num_samples} samples, {num_correct} correct: need 0 <= correct <= samples and 1 <= k <= samples")
    if num_samples - num_correct < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(num_samples - num_correct + 1, num_samples + 1))


def avg_at_k(correct: Sequence[bool | int]) -> float:
    """Return the share of right samples: pass@1 estimated from k samples (avg@k).

    Source:
        DeepSeek-R1 (arXiv:2501.12948), appendix D.1.
    """
    return float(_scores(correct).mean())


def majority_vote(answers: Sequence[Hashable | None], gold: Hashable, *, ties: Ties = "expected") -> float:
    """Return the credit of the most frequent answer: 1 if it is ``gold``, 0 if not or if nobody answered.

    Args:
        answers: one per sample.
        gold: what stands for the right answer.
        ties: "expected" = 1 / (number tied) if gold is among them; of the tied answers, "first" = the one that was seen first wins,
            "last" = the one that came up last.

    Source:
        Self-consistency (arXiv:2203.11171); cons@k of DeepSeek-R1 (arXiv:2501.12948).

    >>> majority_vote(["3", "7", "7", "3", None], "7")
    0.5
    """
    return expected_majority_vote(answers, gold, k=len(answers), ties=ties)


def expected_majority_vote(answers: Sequence[Hashable | None], gold: Hashable, *, k: int, ties: Ties = "expected", seed: int = 0) -> float:
    """Return the mean of ``majority_vote`` over subsets of ``k`` samples: maj@k from more samples than k, with less noise.

    With ties "expected" it is exact, for any n and k. With "first" and "last" the order of the samples matters: exact while there are
    at most ``MAX_SUBSETS`` subsets, otherwise over ``DRAWN_SUBSETS`` of them, drawn from ``seed``.
    """
    if not 1 <= k <= len(answers):
        raise ValueError(f"maj@{k} of {len(answers)} samples: need 1 <= k <= samples")
    if ties == "expected":
        counts = Counter(answers)
        num_gold, num_none = counts.pop(gold, 0), counts.pop(None, 0)
        return _expected_credit(num_gold, sorted(counts.values()), num_none, k=k)
    if math.comb(len(answers), k) <= MAX_SUBSETS:
        subsets = np.fromiter(chain.from_iterable(combinations(range(len(answers)), k)), dtype=np.int64).reshape(-1, k)
    else:
        keys = np.random.default_rng(seed).random((DRAWN_SUBSETS, len(answers)))
        subsets = np.sort(keys.argpartition(k - 1, axis=1)[:, :k], axis=1)  # sorted: which was seen first still counts
    names = {name: code for code, name in enumerate(dict.fromkeys([gold, *(answer for answer in answers if answer is not None)]))}
    codes = np.array([len(names) if answer is None else names[answer] for answer in answers])
    return float(_credits(codes[subsets], num_answers=len(names), ties=ties).mean())


def _expected_credit(num_gold: int, others: Sequence[int], num_none: int, *, k: int) -> float:
    """Expected credit over all k-subsets: gold has ``num_gold`` samples, the other answers ``others``, ascending, nobody's ``num_none``.

    Where gold gets v votes, an answer with fewer than v samples cannot matter; one with more must get fewer than v (or ties with v).
    The ways to do so are counted as polynomials in the number of samples taken, one row per number of tied answers, each divided by the
    ways to take as many without a limit, so nothing overflows.
    """
    total = num_gold + sum(others) + num_none
    credit = 0.0
    log_all = _log_comb(total, k)
    for v in range(1, min(num_gold, k) + 1):
        rivals = [count for count in others if count >= v]
        free = total - num_gold - sum(rivals)
        rest = k - v
        # ways[t, j] = log of the number of ways to take j samples of the rivals so far with t of them tied at v.
        ways = np.full((min(len(rivals), rest // v) + 1, rest + 1), -np.inf)
        ways[0, 0] = 0.0
        for count in rivals:
            terms = []
            for taken in range(min(v, rest) + 1):
                moved = np.full_like(ways, -np.inf)
                source = ways[:, : rest + 1 - taken] + _log_comb(count, taken)
                if taken == v:
                    moved[1:, taken:] = source[:-1]
                else:
                    moved[:, taken:] = source
                terms.append(moved)
            ways = np.logaddexp.reduce(terms, axis=0)
        fill = np.array([_log_comb(free, rest - j) for j in range(rest + 1)])
        shares = np.exp(ways + fill + (_log_comb(num_gold, v) - log_all)).sum(axis=1)
        credit += float((shares / np.arange(1, len(shares) + 1)).sum())
    return min(1.0, credit)


def _log_comb(n: int, k: int) -> float:
    """Log of the binomial coefficient; -inf where there is no way."""
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _credits(codes: NDArray[np.int64], *, num_answers: int, ties: Ties) -> NDArray[np.float64]:
    """Credit of each row of votes [M, k]. Answer 0 is gold; ``num_answers`` itself = no answer."""
    num_rows, k = codes.shape
    rows = np.arange(num_rows)
    votes = np.zeros((num_rows, num_answers + 1), dtype=np.int64)
    first_seen = np.full((num_rows, num_answers + 1), k)
    for position in reversed(range(k)):
        votes[rows, codes[:, position]] += 1
        first_seen[rows, codes[:, position]] = position
    votes, first_seen = votes[:, :num_answers], first_seen[:, :num_answers]
    most = votes.max(axis=1, keepdims=True)
    is_tied = (votes == most) & (most > 0)
    winner = np.where(is_tied, first_seen, k).argmin(axis=1) if ties == "first" else np.where(is_tied, first_seen, -1).argmax(axis=1)
    return (is_tied[:, 0] & (winner == 0)).astype(np.float64)


class WeightedVote(NamedTuple, Generic[Answer]):
    """Result of a weighted vote."""

    winner: Answer | None
    """The answer with the largest total, the one seen first if tied; None = nobody answered."""
    totals: dict[Answer, float]


def weighted_vote(answers: Sequence[Answer | None], scores: Sequence[float]) -> WeightedVote[Answer]:
    """Sum a score per sample, say a reward model's, over samples with the same answer.

    Source:
        Math-Shepherd (arXiv:2312.08935), Eq. 5.
    """
    totals: dict[Answer, float] = {}
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            totals[answer] = totals.get(answer, 0.0) + score
    return WeightedVote(max(totals, key=lambda answer: totals[answer], default=None), totals)


def best_of_n(correct: Sequence[bool | int], scores: Sequence[float], *, k: int | None = None) -> float:
    """Return the chance that the sample with the highest score of ``k`` drawn without replacement is right. None = of all of them.

    Exact: a sample is the best of k when the other k - 1 are among those it beats. Samples with equal scores are equally likely to win.

    >>> best_of_n([True, False, False], [0.2, 0.9, 0.1]), round(best_of_n([True, False, False], [0.2, 0.9, 0.1], k=2), 3)
    (0.0, 0.333)

    Source:
        Best-of-n as in Cobbe et al. (arXiv:2110.14168), section 4.2; averaged over subsets [ours].
    """
    n = len(correct)
    k = n if k is None else k
    if len(scores) != n or not 1 <= k <= n:
        raise ValueError(f"best of {k} of {n} samples with {len(scores)} scores: need 1 <= k <= samples and one score each")
    lowest_first = sorted(zip(scores, correct))
    log_all, credit, start = _log_comb(n, k), 0.0, 0
    while start < n:
        end = next((i for i in range(start, n) if lowest_first[i][0] > lowest_first[start][0]), n)
        # The best score of the k is this one: at least one of the tied is drawn and nothing above.
        share = math.exp(_log_comb(end, k) - log_all) - math.exp(_log_comb(start, k) - log_all)
        credit += share * sum(bool(right) for _, right in lowest_first[start:end]) / (end - start)
        start = end
    return credit


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def bootstrap_interval(scores: ArrayLike, *, seed: int, level: float = 0.95, num_resamples: int = 10_000) -> Interval:
    """Return the percentile bootstrap interval of the mean over problems.

    Args:
        scores: one per problem.
        seed: of the resampling.
        level: share of intervals that hold the true mean.
        num_resamples: times the problems are drawn again.
    """
    return bootstrap_intervals([_scores(scores)], seed=seed, level=level, num_resamples=num_resamples)[0]


def bootstrap_intervals(
    columns: Sequence[ArrayLike], *, seed: int, level: float = 0.95, num_resamples: int = 10_000
) -> tuple[Interval, ...]:
    """Return the interval of each of several figures of the same problems, all from the same resamples."""
    values = np.stack([_scores(scores) for scores in columns], axis=1)
    count = len(values)
    generator, chunk = np.random.default_rng(seed), max(1, 4_000_000 // count)  # at most 64 MB at a time
    means = np.empty((num_resamples, values.shape[1]))
    for start in range(0, num_resamples, chunk):
        rows = min(chunk, num_resamples - start)
        drawn = generator.integers(count, size=(rows, count)) + np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)  # each problem was drawn
        means[start : start + rows] = times @ values / count
    # Rounded: the last bits of a product depend on how many columns and threads there are.
    bounds = np.quantile(means.round(12), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return tuple(Interval(float(low), float(high)) for low, high in bounds.T)


def normal_interval(scores: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return ``mean +- z s / sqrt(n)`` over problems, ``s`` the sample standard deviation.

    It has width 0 where all scores are equal; for few problems with one sample each, ``wilson_interval`` does not.

    Source:
        Miller, "Adding Error Bars to Evals" (arXiv:2411.00640).
    """
    values = _scores(scores)
    half = _z(level) * _standard_error(values)
    return Interval(float(values.mean() - half), float(values.mean() + half))


def wilson_interval(num_correct: int, num_problems: int, *, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of an accuracy, one answer per problem; honest at 0 and at 100 %.

    Source:
        Wilson (1927).

    >>> low, high = wilson_interval(30, 30)
    >>> round(low, 3), round(high, 3)
    (0.886, 1.0)
    """
    if not 0 <= num_correct <= num_problems or num_problems == 0:
        raise ValueError(f"{num_correct} correct of {num_problems}: need 0 <= correct <= problems and a problem")
    z_squared = _z(level) ** 2
    share = num_correct / num_problems
    centre = share + z_squared / (2 * num_problems)
    half = math.sqrt(z_squared * (share * (1 - share) / num_problems + z_squared / (4 * num_problems**2)))
    scale = 1 + z_squared / num_problems
    return Interval(max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


class PairedDifference(NamedTuple):
    """How much better the second run is than the first, on the same problems."""

    difference: float
    """Mean of second - first."""
    low: float
    high: float
    standard_error: float
    bootstrap: Interval
    """Of the difference, problems drawn again."""


def paired_difference(first: Mapping[str, float], second: Mapping[str, float], *, level: float = 0.95, seed: int = 0) -> PairedDifference:
    """Return the difference of two runs with its interval, from each problem's score (by id) in both.

    Problems hard for one run are hard for the other: pairing removes what they share, so the interval is narrower than that of
    two separate means.

    Source:
        Miller, "Adding Error Bars to Evals" (arXiv:2411.00640).
    """
    if first.keys() != second.keys():
        raise ValueError(f"the runs differ in {len(first.keys() ^ second.keys())} problems: compare them on the same ones")
    differences = _scores([second[problem_id] - first[problem_id] for problem_id in first])
    interval = normal_interval(differences, level=level)
    drawn = bootstrap_interval(differences, seed=seed, level=level)
    return PairedDifference(float(differences.mean()), interval.low, interval.high, _standard_error(differences), drawn)


def _scores(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError("an interval needs one score per problem, and at least one problem")
    return values


def _standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean; one problem says nothing about the next, so its error is infinite."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
