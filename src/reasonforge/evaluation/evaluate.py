"""Sample, grade, summarise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Reward, RolloutGroup, SamplingParams, ScoredRollout
from reasonforge.core.seeds import derive_seed
from reasonforge.evaluation.budget import BudgetSampler, budget_use
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.grading import open_judge
from reasonforge.evaluation.measure import measure
from reasonforge.evaluation.prompts import asked_problems
from reasonforge.evaluation.samples import SampledProblem
from reasonforge.rewards.model import Response, RewardModel
from reasonforge.rewards.score import keeps_format
from reasonforge.sampling.protocol import Sampler
from reasonforge.sampling.rollouts import sample_groups
from reasonforge.sampling.tools import ToolLoop, is_error, open_tools, tool_outputs
from reasonforge.tasks.judge import Judge
from reasonforge.text.layout import Layout
from reasonforge.text.render import render_prompt, stop_token_ids
from reasonforge.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation found."""

    metrics: dict[str, float]
    """``pass@1`` (mean over samples), ``pass@k``, ``maj@k``, ``format``, ``length``, ``truncated``, and where asked for ``step_skill``,
    ``tool_calls``, ``failed_calls``, ``thinking_tokens``, ``within_budget``."""
    pass1_interval: tuple[float, float]
    """95 % bootstrap interval of pass@1 over problems."""
    groups: tuple[RolloutGroup, ...]
    """Every completion, graded."""


class Evaluator:
    """Evaluates a sampler on fixed problems. Seeds come from ``seed`` and the problem, so two evaluations differ by the weights alone."""

    def __init__(
        self,
        config: EvaluationConfig,
        problems: Sequence[Problem],
        *,
        tokenizer: Tokenizer,
        layout: Layout,
        seed: int,
        max_context: int | None = None,
        reward_model: RewardModel | None = None,
    ) -> None:
        """Args:
        config: how problems are asked and judged.
        problems: the first ``num_problems`` are taken.
        tokenizer: of the model.
        layout: of its conversations.
        seed: of every draw.
        max_context: longest sequence of the model, prompt included. None = not known: prompts are not checked, tools and budgets refused.
        reward_model: scores every sample. None = nobody does.

        Raises:
            DataError: a prompt leaves no room for a single new token.
            RecipeError: the context must be known and is not.
        """
        if max_context is None and (config.tool_config is not None or config.budget is not None):
            raise RecipeError("evaluation: tools and budget go on with a completion, for which the model's context must be known")
        self._config = config
        self._problems = [problems[i] for i in range(min(config.num_problems, len(problems)))]
        asked = asked_problems(self._problems, config)
        self._prompts = [_prompt(problem, messages, tokenizer, layout) for problem, messages in zip(self._problems, asked)]
        if max_context is not None:
            check_prompts(self._problems, [len(prompt) for prompt in self._prompts], max_context=max_context)
        self._tokenizer = tokenizer
        self._stop_token_ids = stop_token_ids(tokenizer, layout)
        self._max_context = max_context or 0
        self._seed = seed
        self._reward_model = reward_model

    @property
    def num_problems(self) -> int:
        """Problems evaluated."""
        return len(self._problems)

    @property
    def problems(self) -> Sequence[Problem]:
        """What is evaluated, in order."""
        return self._problems

    def evaluate(self, sampler: Sampler) -> Evaluation:
        """Draw ``samples`` completions of each problem and judge them."""
        config = self._config
        groups = list(self.groups(sampler))
        measured = measure(
            [self.as_samples(group) for group in groups],
            ks=(1, *(config.ks or (config.samples,))),
            ties=config.ties,
            profile=config.profile,
            seed=derive_seed(self._seed, "bootstrap"),
        )
        metrics = {
            **{name: figure.value for name, figure in measured.figures.items()},
            "format": _mean(keeps_format(member.rollout.text, config.format) for group in groups for member in group.rollouts),
            "length": measured.lengths["mean"],
            "truncated": measured.shares["truncated"],
            **{
                name: measured.uses[name]
                for name in ("tool_calls", "failed_calls", "thinking_tokens", "within_budget")
                if name in measured.uses
            },
        }
        if config.skill_prefix is not None:
            metrics["step_skill"] = self.step_skill(sampler)
        return Evaluation(metrics=metrics, pass1_interval=measured.figures["pass@1"].bootstrap, groups=tuple(groups))

    def groups(
        self,
        sampler: Sampler,
        *,
        chosen: Sequence[int] | None = None,
        at_once: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[RolloutGroup]:
        """Draw and judge, and yield problem by problem.

        Args:
            sampler: any engine.
            chosen: positions of the problems; None = all. A completion does not depend on which others are drawn.
            at_once: problems drawn together, yielded when all of them are done; None = all.
            stop: asked before problems are drawn.

        Raises:
            SandboxUnavailable: programs are to be run and this machine has no safe place for them.
        """
        config, rows = self._config, range(len(self._problems)) if chosen is None else chosen
        if config.budget is not None:
            sampler = BudgetSampler(sampler, config.budget, self._tokenizer, max_context=self._max_context)
        with ExitStack() as stack:
            tools = stack.enter_context(open_tools(config.tool_config, self._tokenizer, max_context=self._max_context))
            judge = stack.enter_context(open_judge(config))
            step = at_once or max(1, len(rows))
            for start in range(0, len(rows), step):
                if stop():
                    return
                yield from self._sample(sampler, judge, rows=rows[start : start + step], tools=tools)

    def step_skill(self, sampler: Sampler) -> float:
        """Return greedy accuracy when every completion is made to begin with ``skill_prefix``."""
        prefix = self._config.skill_prefix
        assert prefix is not None
        with open_judge(self._config) as judge:
            groups = self._sample(sampler, judge, rows=range(len(self._problems)), prefix=prefix, count=1, purpose="step_skill")
        return float(np.mean([group.rollouts[0].verdict.correct for group in groups]))

    def _sample(
        self,
        sampler: Sampler,
        judge: Judge,
        *,
        rows: Sequence[int],
        prefix: str = "",
        count: int | None = None,
        purpose: str = "evaluation",
        tools: ToolLoop | None = None,
    ) -> list[RolloutGroup]:
        """Draw ``count`` completions of some problems (None = as many as the recipe says; otherwise greedily) and judge them."""
        config = self._config
        params = SamplingParams(
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature if count is None else 0.0,
            top_p=config.top_p if count is None else 1.0,
            stop_token_ids=self._stop_token_ids,
            stop_strings=config.stop_strings,
        )
        drawn = sample_groups(
            sampler,
            [self._problems[row] for row in rows],
            [self._prompts[row] for row in rows],
            params,
            group_size=config.samples if count is None else count,
            seed_of=lambda _, problem, i: derive_seed(self._seed, purpose, problem.id, i),
            tokenizer=self._tokenizer,
            prefix=prefix,
            tools=tools,
        )
        verdicts = iter(judge.grade_many([(problem, rollout.text) for problem, rollouts in drawn for rollout in rollouts]))
        groups = []
        for problem, rollouts in drawn:
            members = []
            for rollout in rollouts:
                verdict = next(verdicts)
                if rollout.completion.finish_reason == "tool_error":
                    verdict = Verdict(status="error", reason="the sandbox failed, which says nothing about the completion")
                accuracy = float(verdict.correct)
                reward = Reward(total=accuracy, parts={"accuracy": accuracy})
                members.append(ScoredRollout(rollout=rollout, reward=reward, verdict=verdict))
            groups.append(RolloutGroup(problem=problem, rollouts=tuple(members)))
        return groups

    def as_samples(self, group: RolloutGroup) -> SampledProblem:
        """Return a graded group as finished samples, with what became of its tools and its budget."""
        completions = [member.rollout.completion for member in group.rollouts]
        found = SampledProblem(
            problem=group.problem,
            samples=tuple(member.rollout.text for member in group.rollouts),
            lengths=tuple(map(len, completions)),
            truncated=tuple(completion.finish_reason == "length" for completion in completions),
            verdicts=tuple(member.verdict for member in group.rollouts),
        )
        if self._reward_model is not None:
            # As probabilities: votes that weigh what a model says need weights above zero (Math-Shepherd, Eq. 5).
            scores = self._reward_model.scores([Response.of(member) for member in group.rollouts], transform="sigmoid")
            found = replace(found, scores=tuple(scores))
        if self._config.tool_config is not None:
            said = [tool_outputs(completion, self._tokenizer) for completion in completions]
            failures = tuple(sum(map(is_error, outputs)) for outputs in said)
            found = replace(found, tool_calls=tuple(map(len, said)), tool_failures=failures)
        if (budget := self._config.budget) is not None:
            uses = [budget_use(completion, budget, self._tokenizer) for completion in completions]
            within = tuple(use.within(budget) for use in uses)
            found = replace(found, thinking_tokens=tuple(use.thinking_tokens for use in uses), within_budget=within)
        return found


class LocalSource:
    """Draws samples from a model on this machine, a few problems at a time."""

    failures: Mapping[str, Sequence[str]] = {}

    def __init__(self, evaluator: Evaluator, sampler: Sampler, *, at_once: int) -> None:
        """Args:
        evaluator: asks and judges.
        sampler: of the model.
        at_once: problems drawn together: what a kill can lose.
        """
        self._evaluator = evaluator
        self._sampler = sampler
        self._at_once = at_once

    def waits_for(self) -> str:
        """Say what a stop waits for."""
        return "finishing the problems that are being drawn, then saving"

    def draw(self, rows: Sequence[int], *, stop: Callable[[], bool]) -> Iterator[SampledProblem]:
        """Yield the problems at these positions, sampled and graded; nothing more is begun once ``stop`` says so."""
        for group in self._evaluator.groups(self._sampler, chosen=rows, at_once=self._at_once, stop=stop):
            yield self._evaluator.as_samples(group)


def _prompt(problem: Problem, messages: Sequence[Message], tokenizer: Tokenizer, layout: Layout) -> tuple[int, ...]:
    try:
        return tuple(render_prompt(messages, tokenizer, layout))
    except DataError as error:
        source = f"{problem.source}: " if problem.source else ""
        raise DataError(f"{source}problem {problem.id}: {error}") from None


def check_prompts(problems: Sequence[Problem], lengths: Sequence[int], *, max_context: int) -> None:
    """Refuse prompts that leave no room for a single new token.

    Raises:
        DataError: the line counts them and shows the longest.
    """
    if too_long := sum(length >= max_context for length in lengths):
        worst = max(range(len(lengths)), key=lengths.__getitem__)
        raise DataError(
            f"{problems[worst].source}: {too_long} of {len(lengths)} prompts do not fit the context of {max_context} tokens "
            f"(problem {problems[worst].id} has {lengths[worst]}). Filter them out or use a model with a longer context."
        )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
