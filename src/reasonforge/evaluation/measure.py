"""From graded samples to figures: the one way in which training, recipes, finished files and URLs are measured. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reasonforge.core.records import Verdict
from reasonforge.evaluation.estimators import (
    Interval,
    Ties,
    best_of_n,
    bootstrap_intervals,
    expected_majority_vote,
    normal_interval,
    pass_at_k,
    weighted_vote,
    wilson_interval,
)
from reasonforge.evaluation.samples import SampledProblem
from reasonforge.rewards.rules import keeps_format, language_share, repeated_share
from reasonforge.verify.grade import Profile, equivalence_classes

_RIGHT = 0
"""The class of right answers, whatever their spelling."""
_STATUSES = ("correct", "wrong", "no_answer", "timeout", "error")
_GROUPINGS: tuple[tuple[str, Callable[[SampledProblem], str | None]], ...] = (
    ("subject", lambda found: found.subject),
    ("level", lambda found: found.level),
    ("language", lambda found: found.problem.language),
    ("kind", lambda found: found.problem.kind),
    ("source", lambda found: found.problem.source or None),
)
FAILED_PROGRAM = ("the program fails", "the program exceeds its time limit")
"""How the reason of a verdict begins where a program was the answer and did not come to its end."""
MOST_TEXTS = 5_000
"""Samples whose texts are looked at, spread over all of them."""
REPEATED_NGRAM = 20
"""Words in a row that count as repeated when they occur again."""
_REFLECTIVE = re.compile(r"\b(?:wait|mistake|however|but|retry|error|verify|wrong|evaluate|check)\b", re.IGNORECASE)
"""Words that show a model looking back. Source: DeepSeek-R1 (arXiv:2501.12948), appendix C.2."""
FEW_PROBLEMS = 30
"""Below, a mean's distribution is far from normal, and a bootstrap has seen too little."""
_MOST_ROWS = 60
"""Of a table; a grouping into more is no grouping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean over problems with its error bars."""

    value: float
    bootstrap: Interval
    """95 %, problems drawn again."""
    closed: Interval
    """95 %, in closed form: Wilson's where each problem has one sample, otherwise from the standard error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Some of the problems."""

    name: str
    num_problems: int
    pass1: float
    interval: Interval
    majority: float | None
    """None = there is one sample per problem, or nothing to vote with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What graded samples come to."""

    num_problems: int
    num_samples: int
    """Of the problem that has the fewest; no k is larger."""
    figures: Mapping[str, Figure]
    """``pass@k``, ``maj@k``, ``best@k``, ``weighted@k``; pass@1 is avg@k over all samples, maj@64 is R1's cons@64."""
    scores: Mapping[str, Mapping[str, float]]
    """Figure -> problem -> its score: what two runs are compared by."""
    shares: Mapping[str, float]
    """Of the samples: each status of a verdict, and ``truncated`` where it is known."""
    lengths: Mapping[str, float]
    """Mean, median and 95th percentile of the samples in tokens (or characters, as ``unit`` of the page says), right and wrong apart."""
    length_unit: str
    uses: Mapping[str, float] = field(default_factory=dict)
    """Of tools, budgets and programs, where there are any: ``tool_calls`` (per sample), ``failed_calls`` (share of the calls),
    ``failed_programs`` (share of the samples), ``thinking_tokens`` (mean), ``within_budget`` (share; control of s1)."""
    texts: Mapping[str, float] = field(default_factory=dict)
    """How samples read, over ``MOST_TEXTS`` of them at most: shares that keep a form, ``language`` (share of words in the problem's),
    ``repeated`` (share of n-grams that occurred before), ``reflective_words`` (per sample)."""
    tables: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    """Grouping -> its rows."""


def sizes(num_samples: int, asked: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the k to measure at: those asked for that there are samples for, else powers of two and the number of samples itself.

    >>> sizes(12), sizes(12, (1, 5, 64))
    ((1, 2, 4, 8, 12), (1, 5))
    """
    if asked:
        return tuple(sorted({k for k in asked if 1 <= k <= num_samples}))
    return (*(1 << i for i in range(num_samples.bit_length()) if 1 << i < num_samples), num_samples)


def measure(
    problems: Sequence[SampledProblem],
    *,
    ks: Sequence[int] = (),
    ties: Ties = "expected",
    profile: Profile = "strict",
    seed: int = 0,
) -> Measurement:
    """Return the figures of graded samples; every problem counts the same.

    Args:
        problems: each with verdicts.
        ks: sizes of pass@k and maj@k; empty = powers of two up to the number of samples.
        ties: how a tied vote is credited.
        profile: which answers are equal in a vote.
        seed: of the bootstrap, and of drawn subsets where ties are settled by order.
    """
    if not problems:
        raise ValueError("nothing to measure: no problems")
    num_samples = min(len(found.samples) for found in problems)
    chosen = sizes(num_samples, ks)
    scores: dict[str, dict[str, float]] = {"pass@1": {found.problem.id: _mean(found) for found in problems}}
    votes = [vote_classes(found, profile=profile) for found in problems]
    can_vote = any(vote is not None for row in votes for vote in row)
    can_rank = all(found.scores is not None for found in problems)
    for k in (k for k in chosen if k > 1):
        scores[f"pass@{k}"] = {found.problem.id: pass_at_k(len(found.samples), _num_right(found), k) for found in problems}
    for k in (k for k in chosen if k > 1):
        if can_vote:
            scores[f"maj@{k}"] = {
                found.problem.id: expected_majority_vote(row, _RIGHT, k=k, ties=ties, seed=seed) for found, row in zip(problems, votes)
            }
    for k in (k for k in chosen if k > 1 and can_rank):
        scores[f"best@{k}"] = {found.problem.id: best_of_n(_right(found), found.scores or (), k=k) for found in problems}
    if can_rank and can_vote and num_samples > 1:
        scores[f"weighted@{num_samples}"] = {
            found.problem.id: float(weighted_vote(row[:num_samples], (found.scores or ())[:num_samples]).winner == _RIGHT)
            for found, row in zip(problems, votes)
        }
    one_each = all(len(found.samples) == 1 for found in problems)
    lengths, unit = _lengths(problems)
    return Measurement(
        num_problems=len(problems),
        num_samples=num_samples,
        figures=_figures(scores, seed=seed, is_count=one_each),
        scores=scores,
        shares=_shares(problems),
        lengths=lengths,
        length_unit=unit,
        uses=_uses(problems),
        texts=_texts(problems),
        tables=_tables(problems, scores, f"maj@{chosen[-1]}" if chosen else ""),
    )


def vote_classes(found: SampledProblem, *, profile: Profile) -> list[int | None]:
    """Return the class of each sample's answer: right answers are one class, wrong ones are grouped by equivalence, none is None."""
    verdicts = _verdicts(found)
    wrong = [None if verdict.correct else verdict.prediction for verdict in verdicts]
    names = list(dict.fromkeys(answer for answer in wrong if answer is not None))
    classes = dict(zip(names, equivalence_classes(names, profile=profile)))
    # Classes are numbered from 0, which is taken here.
    numbers = {name: number + 1 for name, number in classes.items() if number is not None}
    return [_RIGHT if verdict.correct else None if answer is None else numbers[answer] for verdict, answer in zip(verdicts, wrong)]


def _figures(scores: Mapping[str, Mapping[str, float]], *, seed: int, is_count: bool) -> dict[str, Figure]:
    columns = {name: list(by_id.values()) for name, by_id in scores.items()}
    drawn = bootstrap_intervals(list(columns.values()), seed=seed)
    return {
        name: Figure(
            value=float(np.mean(values)),
            bootstrap=bootstrap,
            closed=_closed(values, is_count=is_count),
        )
        for (name, values), bootstrap in zip(columns.items(), drawn)
    }


def _closed(values: list[float], *, is_count: bool) -> Interval:
    """A share lies between 0 and 1, whatever a normal distribution makes of few problems."""
    low, high = wilson_interval(round(sum(values)), len(values)) if is_count else normal_interval(values)
    return Interval(max(0.0, low), min(1.0, high))


def _verdicts(found: SampledProblem) -> tuple[Verdict, ...]:
    if found.verdicts is None:
        raise ValueError(f"problem {found.problem.id}: its samples are not graded")
    return found.verdicts


def _right(found: SampledProblem) -> list[bool]:
    return [verdict.correct for verdict in _verdicts(found)]


def _num_right(found: SampledProblem) -> int:
    return sum(_right(found))


def _mean(found: SampledProblem) -> float:
    return _num_right(found) / len(found.samples)


def _shares(problems: Sequence[SampledProblem]) -> dict[str, float]:
    statuses = [verdict.status for found in problems for verdict in _verdicts(found)]
    shares = {status: statuses.count(status) / len(statuses) for status in _STATUSES}
    if all(found.truncated is not None for found in problems):
        shares["truncated"] = float(np.mean([cut for found in problems for cut in found.truncated or ()]))
    return shares


def _lengths(problems: Sequence[SampledProblem]) -> tuple[dict[str, float], str]:
    counted = all(found.lengths is not None for found in problems)
    pairs = [
        (length, verdict.correct)
        for found in problems
        for length, verdict in zip(found.lengths or () if counted else map(len, found.samples), _verdicts(found))
    ]
    values = np.array([length for length, _ in pairs], dtype=np.float64)
    right = np.array([correct for _, correct in pairs])
    found = {"mean": values.mean(), "median": np.median(values), "p95": np.quantile(values, 0.95)}
    for name, chosen in (("mean when right", values[right]), ("mean when wrong", values[~right])):
        if len(chosen):
            found[name] = chosen.mean()
    return {name: float(value) for name, value in found.items()}, "tokens" if counted else "characters"


def _uses(problems: Sequence[SampledProblem]) -> dict[str, float]:
    found: dict[str, float] = {}
    if all(each.tool_calls is not None for each in problems):
        calls = [count for each in problems for count in each.tool_calls or ()]
        found["tool_calls"] = float(np.mean(calls))
        if sum(calls) and all(each.tool_failures is not None for each in problems):
            found["failed_calls"] = sum(count for each in problems for count in each.tool_failures or ()) / sum(calls)
    if all(each.thinking_tokens is not None for each in problems):
        found["thinking_tokens"] = float(np.mean([count for each in problems for count in each.thinking_tokens or ()]))
    if all(each.within_budget is not None for each in problems):
        found["within_budget"] = float(np.mean([kept for each in problems for kept in each.within_budget or ()]))
    failed = [verdict.reason.startswith(FAILED_PROGRAM) for each in problems for verdict in _verdicts(each)]
    if any(failed):
        found["failed_programs"] = float(np.mean(failed))
    return found


def _texts(problems: Sequence[SampledProblem]) -> dict[str, float]:
    texts = [(sample, each.problem.language) for each in problems for sample in each.samples]
    if len(texts) > MOST_TEXTS:
        texts = [texts[i * len(texts) // MOST_TEXTS] for i in range(MOST_TEXTS)]
    counts: dict[str, list[float]] = {
        "think_answer": [keeps_format(text, "think_answer") for text, _ in texts],
        "boxed": [keeps_format(text, "boxed") for text, _ in texts],
        "language": [language_share(text, language) for text, language in texts],
        "repeated": [repeated_share(text, ngram=REPEATED_NGRAM) for text, _ in texts],
        "reflective_words": [len(_REFLECTIVE.findall(text)) for text, _ in texts],
    }
    return {name: float(np.mean(values)) for name, values in counts.items()}


def _tables(problems: Sequence[SampledProblem], scores: Mapping[str, Mapping[str, float]], majority: str) -> dict[str, tuple[Row, ...]]:
    return {name: rows for name, key in _GROUPINGS if (rows := tuple(_rows(problems, key, scores, majority)))}


def _rows(
    problems: Sequence[SampledProblem],
    key: Callable[[SampledProblem], str | None],
    scores: Mapping[str, Mapping[str, float]],
    majority: str,
) -> Iterator[Row]:
    groups: dict[str, list[SampledProblem]] = {}
    for found in problems:
        groups.setdefault(key(found) or "-", []).append(found)
    if not 2 <= len(groups) <= _MOST_ROWS:
        return
    for name in sorted(groups, key=_natural):
        members = [found.problem.id for found in groups[name]]
        values = [scores["pass@1"][identity] for identity in members]
        one_each = all(len(found.samples) == 1 for found in groups[name])
        votes = scores.get(majority)
        yield Row(
            name=name,
            num_problems=len(members),
            pass1=float(np.mean(values)),
            interval=_closed(values, is_count=one_each),
            majority=None if votes is None else float(np.mean([votes[identity] for identity in members])),
        )


def _natural(name: str) -> tuple[bool, float, str]:
    """Numbers by size, then words."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
