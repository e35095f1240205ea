"""From problems to rollouts: the one way in which reinforcement learning, evaluation and rejection sampling draw completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reasonforge.core.records import Problem
from reasonforge.core.rollouts import Completion, Rollout, SampleRequest, SamplingParams
from reasonforge.sampling.protocol import Sampler
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
    tools: ToolLoop | None = None,
) -> list[tuple[Problem, list[Rollout]]]:
    """Draw ``group_size`` completions of each problem.

    Args:
        sampler: any engine.
        problems: what is asked; the same problem may stand twice, its groups stay apart.
        prompts: rendered prompt of each problem.
        params: how to draw.
        group_size: completions per problem, G.
        seed_of: (position in the list, problem, index in the group) -> seed of that completion.
        tokenizer: decodes completions once, for graders and people.
        prefix: text every completion is made to begin with; it belongs to the text, not to the completion's tokens.
        tools: runs the programs that completions hold; None = they are text.
    """
    prefix_ids = tuple(tokenizer.encode(prefix, special=True)) if prefix else ()
    requests = [
        SampleRequest(prompt_ids=prompt + prefix_ids, seeds=tuple(seed_of(row, problem, i) for i in range(group_size)))
        for row, (problem, prompt) in enumerate(zip(problems, prompts))
    ]
    completions = sampler.sample(requests, params) if tools is None else tools.sample(sampler, requests, params)
    return [
        (
            problem,
            [
                Rollout(
                    problem_id=problem.id,
                    group_id=f"{problem.id}/{row}",
                    index=i,
                    prompt_ids=request.prompt_ids,
                    completion=completion,
                    text=prefix + completion_text(completion, tokenizer),
                    sampling=params,
                    seed=request.seeds[i],
                )
                for i, completion in enumerate(group)
            ],
        )
        for row, (problem, request, group) in enumerate(zip(problems, requests, completions))
    ]


def completion_text(completion: Completion, tokenizer: Tokenizer) -> str:
    """Decode a completion without the control token that ended it."""
    ids = completion.token_ids.tolist()
    if completion.finish_reason == "stop" and ids and ids[-1] in tokenizer.control_ids:
        ids.pop()
    return tokenizer.decode(ids)
