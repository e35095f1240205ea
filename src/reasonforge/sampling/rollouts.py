"""From problems to rollouts: the one way in which reinforcement learning, evaluation and rejection sampling draw completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reasonforge.core.records import Problem
from reasonforge.core.rollouts import Completion, Rollout, SampleRequest, SamplingParams
from reasonforge.sampling.protocol import Sampler, StreamingSampler
from reasonforge.sampling.tools import ToolLoop
from reasonforge.text.tokenizer import Tokenizer


def sample_groups(
    sampler: Sampler,
    problems: Sequence[Problem],
    prompts: Sequence[tuple[int, ...]],
    params: SamplingParams,
    *,
    group_size: int,
    seed_of: Callable[[int, Problem, int], int],
    tokenizer: Tokenizer,
    prefix: str = "",
    first_row: int = 0,
    tools: ToolLoop | None = None,
    on_rollout: Callable[[Problem, Rollout], None] | None = None,
) -> list[tuple[Problem, list[Rollout]]]:
    """Draw ``group_size`` completions of each problem.

    Args:
        sampler: any engine.
        problems: what is asked; the same problem may stand twice, its groups stay apart.
        prompts: rendered prompt of each problem.
        params: how to draw.
        group_size: completions per problem, G.
        seed_of: (row, problem, index in the group) -> seed of that completion.
        tokenizer: decodes completions once, for graders and people.
        prefix: text every completion is made to begin with; it belongs to the text, not to the completion's tokens.
        first_row: row of the first problem; groups are named by their rows, so that several calls of one step keep theirs apart.
        tools: runs the programs that completions hold; None = they are text.
        on_rollout: called with each rollout: as soon as it is finished where the sampler says so, else when all are. Rewards begin there.
            It may be called from several threads, and must be quick.
    """
    prefix_ids = tuple(tokenizer.encode(prefix, special=True)) if prefix else ()
    requests = [
        SampleRequest(prompt_ids=prompt + prefix_ids, seeds=tuple(seed_of(first_row + row, problem, i) for i in range(group_size)))
        for row, (problem, prompt) in enumerate(zip(problems, prompts))
    ]
    made: dict[tuple[int, int], Rollout] = {}

    def finished(row: int, index: int, completion: Completion) -> None:
        rollout = made[row, index] = Rollout(
            problem_id=problems[row].id,
            group_id=f"{problems[row].id}/{first_row + row}",
            index=index,
            prompt_ids=requests[row].prompt_ids,
            completion=completion,
            text=prefix + completion_text(completion, tokenizer),
            sampling=params,
            seed=requests[row].seeds[index],
        )
        if on_rollout is not None:
            on_rollout(problems[row], rollout)

    if tools is None and isinstance(sampler, StreamingSampler):
        sampler.stream(requests, params, finished)
    else:
        drawn = sampler.sample(requests, params) if tools is None else tools.sample(sampler, requests, params)
        for row, completions in enumerate(drawn):
            for index, completion in enumerate(completions):
                finished(row, index, completion)
    return [(problem, [made[row, index] for index in range(group_size)]) for row, problem in enumerate(problems)]


def completion_text(completion: Completion, tokenizer: Tokenizer) -> str:
    """Decode a completion without the control token that ended it."""
    ids = completion.token_ids.tolist()
    if completion.finish_reason == "stop" and ids and ids[-1] in tokenizer.control_ids:
        ids.pop()
    return tokenizer.decode(ids)
