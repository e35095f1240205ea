"""Policy optimisation as the papers write it: sample groups, score, assign credit, update, refresh the reference.

One step of :class:`PolicyTraining` is one pass through lines 5-11 of Algorithm 1; every method is a recipe's choice within it.

Source:
    DeepSeekMath (arXiv:2402.03300), section 4.1 and Algorithm 1; DeepSeek-R1 (arXiv:2501.12948), section 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from reasonforge.core.rollouts import PolicySample, RolloutGroup
from reasonforge.evaluation.evaluate import Evaluator
from reasonforge.rewards.config import StepsReward
from reasonforge.rewards.score import RewardScorer
from reasonforge.sampling.protocol import Sampler
from reasonforge.sampling.rollouts import sample_groups
from reasonforge.sampling.tools import ToolLoop
from reasonforge.stages.driver import StageContext
from reasonforge.stages.rl.axes import GAE
from reasonforge.stages.rl.clock import Clock
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.controller import KLCoefficient
from reasonforge.stages.rl.course import Course
from reasonforge.stages.rl.credit import Credit, assign_credit
from reasonforge.stages.rl.critic import Critic, explained_variance
from reasonforge.stages.rl.data import PromptSource
from reasonforge.stages.rl.dynamic import GroupPool
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.stages.rl.models import StageModels
from reasonforge.stages.rl.samples import minibatches, to_policy_samples
from reasonforge.stages.rl.watch import num_tokens, rollout_metrics
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.training.learner import Learner, Scorer


class PolicyTraining:
    """One policy, one sampler, one recipe. What it remembers between steps is in the checkpoint: ``extra_state`` lists it."""

    def __init__(
        self,
        config: RLConfig,
        *,
        learner: Learner,
        sampler: Sampler,
        reference: Scorer | None,
        scorer: RewardScorer,
        prompts: PromptSource,
        evaluator: Evaluator | None,
        tokenizer: Tokenizer,
        stop_token_ids: tuple[int, ...],
        context: StageContext,
        critic: Critic | None = None,
        models: StageModels | None = None,
        tools: ToolLoop | None = None,
    ) -> None:
        self.config = config
        self.learner = learner
        self._sampler = sampler
        self._reference = reference
        self._critic = critic
        self._scorer = scorer
        self._models = models
        self._prompts = prompts
        self._course = Course(config, prompts.problems, context.log)
        self._evaluator = evaluator
        self._tokenizer = tokenizer
        self._params = config.sampling.params(stop_token_ids=stop_token_ids)
        self._context = context
        self._tools = tools
        self._kl = KLCoefficient(config.kl)
        by_rule = frozenset(name for name, part in config.rewards.items() if isinstance(part, StepsReward))
        self._step_parts = by_rule | (models.step_parts if models is not None else frozenset())
        self._num_rollouts = 0

    @property
    def num_steps(self) -> int:
        """Rollout steps of the recipe; a budget may end it sooner."""
        return self.config.steps

    @property
    def _reference_moves(self) -> int | None:
        """Steps between copies of the policy into the reference; None = it stays."""
        return self.config.reference_refresh_every if self.config.iterations is None else self.config.iterations.steps

    @property
    def is_budget_spent(self) -> bool:
        """Whether as many completions have been drawn as the recipe allows."""
        return self.config.rollout_budget is not None and self._num_rollouts >= self.config.rollout_budget

    def is_done(self, step: int) -> bool:
        """Stop after the recipe's steps, when its rollouts are spent, or when a watcher has ended the stage."""
        return step >= self.config.steps or self.is_budget_spent or self._course.is_over

    def train_step(self, step: int) -> dict[str, float]:
        """Draw, assign credit, update, refresh."""
        if step == 0:
            self.evaluate_start()
        clock = Clock()
        self.follow_schedules(step)
        pool = self.draw(step, clock)
        credit = self.assign_credit(pool.kept)
        advantages = np.array(pool.over_all(credit.advantages.tolist(), otherwise=0.0), np.float32)
        metrics = rollout_metrics(pool.drawn, advantages) | pool.metrics() | {"num_rollouts": float(self._num_rollouts)}
        metrics |= self.update(credit.samples, step)
        if self._policy_learns(step):
            # A policy that stands still is at the reference, which says nothing of the coefficient.
            metrics |= self._kl.adapt(credit.samples)
        clock.lap("perf/train_seconds")
        self.refresh_reference(step)
        metrics |= self.refresh_reward_model(pool.drawn, step) | self._scorer.judge_metrics()
        self._context.log.rollouts(step + 1, pool.drawn, pool.over_all(credit.recorded, otherwise=0.0))
        metrics |= self._course.values(step)
        self._course.stepped(step + 1, metrics)
        metrics |= self.evaluate(step, clock)
        return metrics | clock.laps

    def follow_schedules(self, step: int) -> None:
        """Take over the temperature, the length limit and the KL weight of a step."""
        course = self._course
        self._params = replace(self._params, temperature=course.temperature(step), max_new_tokens=course.max_new_tokens)
        if self.config.schedules.kl_coef:
            self._kl.value = course.kl_coef(step)

    def draw(self, step: int, clock: Clock) -> GroupPool:
        """Sample and score groups of completions of the next prompts, until there are enough to learn from."""
        self._sampler.load(self.learner.weights(), version=self.learner.version)
        pool = GroupPool(self.config.dynamic_sampling, wanted=self.config.prompts_per_step)
        while pool.wants_more and not (pool.drawn and self.is_budget_spent):
            pool.add(self.sample_and_score(step, clock, first_row=len(pool.drawn)))
        if pool.shortfall is not None:
            self._context.log.event("dynamic_sampling", f"step {step + 1}: {pool.shortfall}", level="warning", step=step + 1)
        return pool

    def sample_and_score(self, step: int, clock: Clock, *, first_row: int) -> list[RolloutGroup]:
        """Draw G completions of each of a batch of prompts; each is being scored as soon as it is finished."""
        problems, prompts = self._prompts.take(self.config.prompts_per_step)
        drawn = sample_groups(
            self._sampler,
            problems,
            prompts,
            self._params,
            group_size=self.config.group_size,
            seed_of=lambda row, problem, i: self._context.seed("rollout", step, row, problem.id, i),
            tokenizer=self._tokenizer,
            first_row=first_row,
            tools=self._tools,
            on_rollout=self._scorer.submit,
        )
        # A sampler that kept old weights would train on somebody else's words without any other sign.
        assert all(rollout.completion.weights_version == self.learner.version for _, rollouts in drawn for rollout in rollouts)
        self._num_rollouts += sum(len(rollouts) for _, rollouts in drawn)
        clock.lap("perf/sample_seconds")
        groups = self._scorer.score_groups(drawn)
        if self._models is not None:
            groups = self._models.rewards.add(groups, step=step)
        clock.lap("perf/reward_seconds")
        return groups

    def assign_credit(self, groups: Sequence[RolloutGroup]) -> Credit:
        """Ask the reference and the critic about the rollouts, and turn rewards into an advantage per token."""
        samples, bootstrap = to_policy_samples(groups), None
        if self._reference is not None:
            scores = self._reference.logprobs(samples, temperature=self._params.temperature)
            samples = [replace(sample, ref_logprobs=row) for sample, row in zip(samples, scores)]
        if self._critic is not None:
            assert isinstance(self.config.advantage, GAE)
            cut = np.array([m.rollout.completion.finish_reason == "length" for group in groups for m in group.rollouts], dtype=np.bool_)
            samples, bootstrap = self._critic.judge(samples, cut=cut if self.config.advantage.bootstrap_truncated else None)
        return assign_credit(groups, samples, self.config, kl_coef=self._kl.value, step_parts=self._step_parts, bootstrap=bootstrap)

    def update(self, samples: Sequence[PolicySample], step: int) -> dict[str, float]:
        """Split the step's samples into minibatches; each is one optimizer step of the policy, and of the critic where there is one."""
        config = self.config
        policy_learns = self._policy_learns(step)
        if policy_learns and config.updates_per_step > 1:
            # Only the first minibatch is on-policy: the ratio needs the policy as it was when it sampled.
            old = self.learner.logprobs(samples, temperature=self._params.temperature)
            samples = [replace(sample, old_logprobs=row) for sample, row in zip(samples, old)]
        results = []
        # A mean over a group's tokens needs all of them in one minibatch.
        whole_groups, seed = config.aggregation == "group_token_mean", self._context.seed("minibatches", step)
        for chosen in minibatches(samples, config.updates_per_step, seed=seed, whole_groups=whole_groups):
            if self._critic is not None:
                results.append(self._critic.learn(chosen))
            if policy_learns:
                results.append(self._learn(chosen))
        return _means(results) | explained_variance(samples)

    def refresh_reference(self, step: int) -> None:
        """Copy the policy into the reference when it is time."""
        if self._reference is not None and self._reference_moves and (step + 1) % self._reference_moves == 0:
            self._reference.load(self.learner.weights())
            self._context.log.event("reference", f"reference = policy after step {step + 1}", step=step + 1)

    def refresh_reward_model(self, groups: Sequence[RolloutGroup], step: int) -> dict[str, float]:
        """Keep the step's rollouts for the reward model; at the end of an iteration, train it on them."""
        iterations = self.config.iterations
        if self._models is None or self._models.updates is None or iterations is None:
            return {}
        self._models.updates.collect(groups)
        iteration, rest = divmod(step + 1, iterations.steps)
        return {} if rest else self._models.updates.train(iteration - 1)

    def evaluate_start(self) -> None:
        """Measure the policy that the stage begins with: only then can a watcher know that nothing that followed was better."""
        clock = Clock()
        if metrics := self.evaluate(-1, clock):
            self._context.log.metrics(0, {"num_rollouts": 0.0} | metrics | clock.laps)

    def evaluate(self, step: int, clock: Clock) -> dict[str, float]:
        """Measure held-out accuracy when it is time after a step, and hear what the watchers say of it."""
        evaluation = self.config.evaluation
        if self._evaluator is None or evaluation is None or (step + 1) % evaluation.every:
            return {}
        self._sampler.load(self.learner.weights(), version=self.learner.version)
        found = self._evaluator.evaluate(self._sampler)
        clock.lap("perf/evaluate_seconds")
        metrics = {f"eval/{name}": value for name, value in found.metrics.items()} | {"cost/evaluated_tokens": num_tokens(found.groups)}
        return metrics | self._course.evaluated(step + 1, found, self.learner.weights())

    def end_with_best(self) -> None:
        """Take back the policy of the best evaluation, where the stage is to end with it."""
        weights = self._course.final_weights()
        if weights is not None:
            self.learner.load(weights)

    def extra_state(self) -> tuple[Mapping[str, Mapping[str, Tensor]], Mapping[str, Any]]:
        """Return what the next step depends on beside the learner: the course, rollouts drawn, reference, critic, KL weight."""
        files, course = self._course.state()
        state: dict[str, Any] = {"course": course, "num_rollouts": self._num_rollouts, "kl_coef": self._kl.value}
        # A reference that is never refreshed is the stage's start model, which resume loads anyway.
        if self._reference is not None and self._reference_moves:
            files["reference"] = dict(self._reference.weights())
        if self._critic is not None:
            files["critic"], state["critic"] = self._critic.state()
        if self._models is not None and self._models.updates is not None:
            more, state["models"] = self._models.updates.state()
            files |= more
        return files, state

    def restore(self, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Take back what ``extra_state`` gave."""
        self._num_rollouts, self._kl.value = state["num_rollouts"], state["kl_coef"]
        self._course.restore(files, state["course"])
        if self._reference is not None and "reference" in files:
            self._reference.load(files["reference"])
        if self._critic is not None:
            self._critic.restore(files["critic"], state["critic"])
        if self._models is not None and self._models.updates is not None:
            self._models.updates.restore(files, state["models"])

    def _policy_learns(self, step: int) -> bool:
        """Return whether the policy learns in a step, or only the critic."""
        return self._critic is None or not self._critic.is_alone(step)

    def _learn(self, samples: Sequence[PolicySample]) -> dict[str, float]:
        """Take one optimizer step of the policy on a minibatch."""
        config = self.config
        weights = sample_weights(samples, config)
        # Without a KL term a zero advantage has a zero gradient. The weights were counted before such rows leave.
        keep = [i for i, s in enumerate(samples) if np.any(s.advantages) or (config.kl is not None and np.any(s.loss_mask))]
        kept = [samples[i] for i in keep]
        objective = PolicyObjective(config, num_tokens=sum(int(s.loss_mask.sum()) for s in kept), kl_coef=self._kl.value)
        found = self.learner.step(kept, objective, weights[keep], temperature=self._params.temperature).metrics
        return found | objective.gap_metrics()


def _means(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over a step's updates; of totals so far, the last, and of a largest value, the largest."""
    found: dict[str, float] = {}
    for name in dict.fromkeys(name for result in results for name in result):
        values = [result[name] for result in results if name in result]
        if name in ("lr", "num_tokens", "skipped_steps"):
            found[name] = values[-1]
        else:
            found[name] = max(values) if name.endswith("/max") else float(np.mean(values))
    return found
