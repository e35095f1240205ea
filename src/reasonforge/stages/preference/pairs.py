"""Pairs of sequences to learn from: out of graded completions, token by token as they were drawn, or out of written responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from reasonforge.core.records import Message
from reasonforge.core.rollouts import RolloutGroup, ScoredRollout, TrainingSample
from reasonforge.core.seeds import derive_seed
from reasonforge.stages.sft.run import completion_samples
from reasonforge.tasks.pairs import Pair
from reasonforge.tasks.rollouts import is_graded
from reasonforge.text.layout import Layout
from reasonforge.text.render import render_response
from reasonforge.text.tokenizer import Tokenizer

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePair:
    """Two responses to one prompt, the better one first."""

    problem_id: str
    chosen: TrainingSample
    rejected: TrainingSample

    @property
    def num_tokens(self) -> int:
        """Of the longer sequence, prompt included."""
        return max(len(self.chosen.token_ids), len(self.rejected.token_ids))


def completion_pairs(groups: Sequence[RolloutGroup], *, max_per_problem: int, seed: int) -> list[SamplePair]:
    """Pair right completions with wrong ones of the same prompt, from whichever of its groups.

    Completions of the same tokens count once. A right one that was cut at its limit is not preferred: it would teach never to end.

    Args:
        groups: graded completions; what could not be graded is left out.
        max_per_problem: most pairs of a problem, over all its groups.
        seed: of the draw; pairs of a problem depend on it, the problem and its completions alone.
    """
    pairs: list[SamplePair] = []
    taken: dict[str, int] = {}
    for group in _by_prompt(groups):
        name = group.problem.id
        right = [m for m in group.rollouts if m.verdict.correct and m.rollout.completion.finish_reason == "stop"]
        wrong = [m for m in group.rollouts if not m.verdict.correct]
        before = taken.get(name, 0)
        drawn = spread_pairs(right, wrong, limit=max_per_problem - before, seed=derive_seed(seed, "pairs", name, before))
        taken[name] = before + len(drawn)
        for members in drawn:
            chosen, rejected = completion_samples([replace(group, rollouts=members)])
            pairs.append(SamplePair(problem_id=name, chosen=chosen, rejected=rejected))
    return pairs


def spread_pairs(right: Sequence[Item], wrong: Sequence[Item], *, limit: int, seed: int) -> list[tuple[Item, Item]]:
    """Return at most ``limit`` different (right, wrong) pairs in random order, such that none is used twice before all were used once.

    "All" is of the fewer ones as far as it goes: one right completion meets a different wrong one each time.
    """
    rng = np.random.default_rng(seed)
    first, second = ([items[i] for i in rng.permutation(len(items))] for items in (right, wrong))
    many, few = max(len(first), len(second)), min(len(first), len(second))
    # Along the diagonals of the table of all pairs: each holds every item of the longer list once.
    places = ((i, (i + shift) % few) for shift in range(few) for i in range(many))
    if len(first) < len(second):
        places = ((j, i) for i, j in places)
    return [(first[i], second[j]) for (i, j), _ in zip(places, range(limit), strict=False)]


def written_pairs(pairs: Sequence[Pair], tokenizer: Tokenizer, layout: Layout) -> list[SamplePair]:
    """Render pairs of texts as the policy would have written them; the conversation before the response is not learned from."""
    return [
        SamplePair(
            problem_id=pair.id,
            chosen=_written(pair.messages, pair.chosen, tokenizer, layout),
            rejected=_written(pair.messages, pair.rejected, tokenizer, layout),
        )
        for pair in pairs
    ]


def _written(messages: Sequence[Message], text: str, tokenizer: Tokenizer, layout: Layout) -> TrainingSample:
    prompt, response = render_response(messages, text, tokenizer, layout)
    # Earlier turns of the assistant are the prompt of this one.
    mask = np.asarray([False] * len(prompt) + response.loss_mask, dtype=np.bool_)
    return TrainingSample(token_ids=np.asarray(prompt + response.token_ids, dtype=np.int32), loss_mask=mask)


def _by_prompt(groups: Sequence[RolloutGroup]) -> list[RolloutGroup]:
    """Put the different graded completions of each prompt together, in the order they came."""
    problems: dict[tuple[str, tuple[int, ...]], RolloutGroup] = {}
    members: dict[tuple[str, tuple[int, ...]], dict[bytes, ScoredRollout]] = {}
    for group in groups:
        for member in group.rollouts:
            if is_graded(member):
                key = (group.problem.id, member.rollout.prompt_ids)
                problems.setdefault(key, group)
                members.setdefault(key, {}).setdefault(member.rollout.completion.token_ids.tobytes(), member)
    return [replace(group, rollouts=tuple(members[key].values())) for key, group in problems.items()]
