"""Which responses are compared, and which pairs are kept so that lengths say nothing. Torch-free; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from reasonforge.core.ids import content_id
from reasonforge.core.records import Problem
from reasonforge.core.rollouts import Completion, RolloutGroup
from reasonforge.core.seeds import derive_seed
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.pairs import Pair
from reasonforge.verify.extract import answer_section


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Two responses to compare: whole, and what the judge sees of them."""

    id: str
    problem: Problem
    responses: tuple[str, str]
    shown: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthBalance:
    """Pairs whose chosen and rejected responses are of about the same length over all."""

    kept: tuple[int, ...]
    """Positions, in order."""
    gap_before: float
    """(Mean length of the chosen - of the rejected) / their mean, over all pairs; positive = longer responses are preferred."""
    gap: float
    """The same over those that are kept."""


def candidates(
    groups: Sequence[RolloutGroup],
    *,
    pairs_per_problem: int,
    shows: str,
    text_of: Callable[[Completion], str],
    prompt_of: Callable[[Sequence[int]], str],
    seed: int,
) -> list[Candidate]:
    """Draw different responses of each problem to compare.

    Left out are completions that were cut off, that have nothing to show, and that show what another of the problem's shows.

    Args:
        groups: all completions; a problem's groups are taken together.
        pairs_per_problem: at most so many of each.
        shows: ``summary`` or ``all``.
        text_of: decodes a completion, without the token that ends it.
        prompt_of: decodes a prompt, which may have begun the thinking.
        seed: of the draws.
    """
    problems: dict[str, Problem] = {}
    shown: dict[str, dict[str, str]] = {}
    for group in groups:
        problems.setdefault(group.problem.id, group.problem)
        seen = shown.setdefault(group.problem.id, {})
        for member in group.rollouts:
            completion = member.rollout.completion
            if completion.finish_reason != "stop":
                continue
            text = text_of(completion)
            section = text if shows == "all" else answer_section(text, prompt=prompt_of(member.rollout.prompt_ids))
            if section is not None and section.strip():
                seen.setdefault(section.strip(), text)
    found = []
    for name, responses in shown.items():
        pairs = list(combinations(responses.items(), 2))
        for (first_shown, first), (second_shown, second) in Draws(derive_seed(seed, "candidates", name)).shuffled(pairs)[
            :pairs_per_problem
        ]:
            found.append(
                Candidate(
                    id=content_id([name, first, second]),
                    problem=problems[name],
                    responses=(first, second),
                    shown=(first_shown, second_shown),
                )
            )
    return found


def balance_lengths(chosen: Sequence[int], rejected: Sequence[int], *, max_gap: float) -> LengthBalance:
    """Leave out pairs until mean lengths differ by at most ``max_gap`` of their mean: always the one that tilts them most.

    Source:
        DeepSeek-R1 (arXiv:2501.12948), section 3.1 asks for comparable lengths over the data set; the bound and the way are our choice.
    """
    longer, shorter = sum(chosen), sum(rejected)
    before = gap = _gap(longer, shorter)
    by_difference = deque(sorted(range(len(chosen)), key=lambda i: (chosen[i] - rejected[i], i)))
    while abs(gap) > max_gap:
        # At this end stands the largest difference in the direction of the gap: leaving it out moves the gap most.
        position = by_difference.pop() if gap > 0 else by_difference.popleft()
        longer -= chosen[position]
        shorter -= rejected[position]
        gap = _gap(longer, shorter)
    return LengthBalance(kept=tuple(sorted(by_difference)), gap_before=before, gap=gap)


def as_pair(candidate: Candidate, mean: float, *, source: str) -> Pair:
    """Return a comparison as a pair, the better response first."""
    better, worse = candidate.responses if mean > 0 else candidate.responses[::-1]
    return Pair(id=candidate.id, messages=candidate.problem.messages, chosen=better, rejected=worse, margin=abs(mean), source=source)


def _gap(chosen: int, rejected: int) -> float:
    return 2 * (chosen - rejected) / (chosen + rejected) if chosen + rejected else 0.0
