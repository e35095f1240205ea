"""Group-relative policy optimisation as the papers write it: sample groups, score, compute advantages, update, refresh the reference.

One step of :class:`PolicyTraining` is one pass through lines 5-11 of Algorithm 1.

Source:
    DeepSeekMath (arXiv:2402.03300), section 4.1 and Algorithm 1; DeepSeek-R1 (arXiv:2501.12948), section 2.1.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from reasonforge.core.records import Problem
from reasonforge.core.rollouts import Float32, PolicySample, Rollout, RolloutGroup
from reasonforge.evaluation.evaluate import Evaluator
from reasonforge.rewards.score import RewardScorer
from reasonforge.sampling.protocol import Sampler
from reasonforge.sampling.rollouts import sample_groups
from reasonforge.sampling.tools import ToolLoop
from reasonforge.stages.driver import StageContext
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.data import PromptSource
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.stages.rl.samples import advantages_of, to_policy_samples
from reasonforge.stages.rl.watch import rollout_metrics
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.training.learner import Learner, Scorer


class PolicyTraining:
    """One policy, one sampler, one recipe. Everything it remembers between steps is in the learner and the reference."""

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
        tools: ToolLoop | None = None,
    ) -> None:
        self.config = config
        self.learner = learner
        self._sampler = sampler
        self._reference = reference
        self._scorer = scorer
        self._prompts = prompts
        self._evaluator = evaluator
        self._tokenizer = tokenizer
        self._params = config.sampling.params(stop_token_ids=stop_token_ids)
        self._context = context
        self._tools = tools

    @property
    def num_steps(self) -> int:
        """Rollout steps of the recipe."""
        return self.config.steps

    def is_done(self, step: int) -> bool:
        """Stop after the recipe's steps."""
        return step >= self.config.steps

    def train_step(self, step: int) -> dict[str, float]:
        """Sample, score, advantages, update, refresh."""
        clock = _Clock()
        drawn = self.sample(step)
        clock.lap("perf/sample_seconds")
        groups = self._scorer.score_groups(drawn)
        clock.lap("perf/reward_seconds")
        samples, advantages = self.advantages(groups)
        metrics = rollout_metrics(groups, advantages)
        metrics |= self.update(samples, step)
        clock.lap("perf/train_seconds")
        self.refresh_reference(step)
        self._context.log.rollouts(step + 1, groups, advantages)
        metrics |= self.evaluate(step)
        return metrics | clock.laps

    def sample(self, step: int) -> list[tuple[Problem, list[Rollout]]]:
        """Draw G completions of each of the step's prompts from the policy as it stands; each is being scored as soon as it is finished."""
        self._sampler.load(self.learner.weights(), version=self.learner.version)
        problems, prompts = self._prompts.of_step(step)
        drawn = sample_groups(
            self._sampler,
            problems,
            prompts,
            self._params,
            group_size=self.config.group_size,
            seed_of=lambda row, problem, i: self._context.seed("rollout", step, row, problem.id, i),
            tokenizer=self._tokenizer,
            tools=self._tools,
            on_rollout=self._scorer.submit,
        )
        # A sampler that kept old weights would train on somebody else's words without any other sign.
        assert all(rollout.completion.weights_version == self.learner.version for _, rollouts in drawn for rollout in rollouts)
        return drawn

    def advantages(self, groups: Sequence[RolloutGroup]) -> tuple[list[PolicySample], Float32]:
        """Turn scored groups into samples to learn from, and one advantage per rollout."""
        samples = to_policy_samples(groups)
        if self._reference is not None:
            scores = self._reference.logprobs(samples, temperature=self.config.sampling.temperature)
            samples = [replace(sample, ref_logprobs=row) for sample, row in zip(samples, scores)]
        advantages, learned = advantages_of(groups, samples, self.config)
        masks = [sample.loss_mask & is_learned for sample, is_learned in zip(samples, learned)]
        spread = [replace(s, loss_mask=mask, advantages=mask * a) for s, mask, a in zip(samples, masks, advantages)]
        return spread, advantages

    def update(self, samples: Sequence[PolicySample], step: int) -> dict[str, float]:
        """Split the step's samples into minibatches and take one optimizer step on each."""
        config = self.config
        if config.updates_per_step > 1:
            # Only the first minibatch is on-policy: the ratio needs the policy as it was when it sampled.
            old = self.learner.logprobs(samples, temperature=config.sampling.temperature)
            samples = [replace(sample, old_logprobs=row) for sample, row in zip(samples, old)]
        order = np.random.default_rng(self._context.seed("minibatches", step)).permutation(len(samples))
        results = []
        for minibatch in np.split(order, config.updates_per_step):
            chosen = [samples[i] for i in (sorted(minibatch) if config.updates_per_step == 1 else minibatch)]
            weights = sample_weights(chosen, config)
            # Without a KL term a zero advantage has a zero gradient. The weights were counted before such rows leave.
            keep = [i for i, s in enumerate(chosen) if np.any(s.advantages) or (config.kl is not None and np.any(s.loss_mask))]
            kept = [chosen[i] for i in keep]
            objective = PolicyObjective(config, num_tokens=sum(int(s.loss_mask.sum()) for s in kept))
            results.append(self.learner.step(kept, objective, weights[keep], temperature=config.sampling.temperature).metrics)
        names = dict.fromkeys(name for result in results for name in result)
        means = {name: float(np.mean([result[name] for result in results if name in result])) for name in names}
        return means | {name: results[-1][name] for name in ("lr", "num_tokens", "skipped_steps")}  # totals so far, not means

    def refresh_reference(self, step: int) -> None:
        """Copy the policy into the reference when it is time."""
        every = self.config.reference_refresh_every
        if self._reference is not None and every is not None and (step + 1) % every == 0:
            self._reference.load(self.learner.weights())
            self._context.log.event("reference", f"reference = policy after step {step + 1}", step=step + 1)

    def evaluate(self, step: int) -> dict[str, float]:
        """Measure held-out accuracy when it is time."""
        evaluation = self.config.evaluation
        if self._evaluator is None or evaluation is None or (step + 1) % evaluation.every:
            return {}
        self._sampler.load(self.learner.weights(), version=self.learner.version)
        found = self._evaluator.evaluate(self._sampler)
        return {f"eval/{name}": value for name, value in found.metrics.items()}

    def extra_state(self) -> tuple[Mapping[str, Mapping[str, Tensor]], Mapping[str, Any]]:
        """The reference's weights; the rest is the learner's."""
        # A reference that is never refreshed is the stage's start model, which resume loads anyway.
        refreshed = self._reference is not None and self.config.reference_refresh_every is not None
        return ({"reference": dict(self._reference.weights())} if refreshed and self._reference else {}), {}

    def restore(self, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Take the reference's weights back."""
        if "reference" in files and self._reference is not None:
            self._reference.load(files["reference"])


class _Clock:
    """Wall-clock seconds of each part of a step."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now
