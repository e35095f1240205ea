"""The training of preference learning, as the driver drives it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from reasonforge.core.rollouts import RolloutGroup
from reasonforge.runs.rollouts import read_groups, step_file
from reasonforge.stages.driver import StageContext
from reasonforge.stages.order import ShuffledOrder
from reasonforge.stages.preference.config import PreferenceConfig
from reasonforge.stages.preference.loss import PreferenceObjective, with_reference
from reasonforge.stages.preference.pairs import SamplePair, completion_pairs
from reasonforge.stages.preference.rounds import RoundSampler, pair_signs
from reasonforge.stages.rl.watch import token_costs
from reasonforge.stages.sample.run import sample_metrics
from reasonforge.training.learner import Learner, Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Pairs, and the steps that learn from them. Offline there is one round."""

    number: int
    """From 0."""
    first_step: int
    version: int
    """Of the weights at its start: those of the reference."""
    pairs: Sequence[SamplePair]

    def num_steps(self, config: PreferenceConfig) -> int:
        """Return its updates. A round that found no pair is a step without one, so that the run shows it."""
        return max(1, math.ceil(config.epochs * len(self.pairs) / config.pairs_per_step))


class PreferenceTraining:
    """Shuffled passes over pairs; with rounds, over fresh ones in each, with the reference that drew them."""

    def __init__(
        self,
        config: PreferenceConfig,
        *,
        learner: Learner,
        reference: Scorer,
        context: StageContext,
        pairs: Sequence[SamplePair] = (),
        rounds: RoundSampler | None = None,
    ) -> None:
        """Args:
        config: the stage's settings.
        learner: whose model is trained.
        reference: the stage's start; with ``rounds`` it becomes the policy at the start of each.
        context: of the stage.
        pairs: what is learned from without ``rounds``.
        rounds: draws the pairs of each round.
        """
        self.learner = learner
        self._config = config
        self._reference = reference
        self._context = context
        self._rounds = rounds
        self._objective = PreferenceObjective(config)
        self._round = Round(number=0, first_step=0, version=0, pairs=pairs) if rounds is None else None

    @property
    def num_steps(self) -> int:
        """Updates planned; with rounds, the most there can be."""
        return planned_steps(self._config, 0 if self._round is None else len(self._round.pairs))

    def is_done(self, step: int) -> bool:
        """Stop after the last round's updates."""
        return (
            self._round is not None
            and self._is_over(step)
            and (self._rounds is None or self._round.number + 1 == self._rounds.config.rounds)
        )

    def train_step(self, step: int) -> dict[str, float]:
        """Draw pairs if a round begins here; take one update."""
        metrics = self._begin_round(step) if self._round is None or self._is_over(step) else {}
        now = self._round
        assert now is not None
        # A batch is never more than all pairs: the same pair twice in it would teach nothing new.
        size = min(self._config.pairs_per_step, len(now.pairs))
        first = (step - now.first_step) * size
        order = ShuffledOrder(len(now.pairs), seed=self._context.seed("order", now.number)) if now.pairs else None
        batch = [now.pairs[order[first + i]] for i in range(size)] if order is not None else []
        samples, weights = with_reference(batch, self._reference)
        metrics |= self.learner.step(samples, self._objective, weights, unit=2).metrics
        if self._rounds is not None:
            iterations = self._rounds.config
            metrics["preference/round"] = now.number + 1
            metrics["num_rollouts"] = (now.number + 1) * iterations.prompts * iterations.group_size
        return metrics

    def extra_state(self) -> tuple[Mapping[str, Mapping[str, Tensor]], Mapping[str, Any]]:
        """Which round this is and the reference that drew its pairs; offline both follow from the recipe."""
        if self._rounds is None or self._round is None:
            return {}, {}
        now = self._round
        return {"reference": dict(self._reference.weights())}, {"round": now.number, "first_step": now.first_step, "version": now.version}

    def restore(self, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Take the round back: its completions are read from where they were stored, or drawn again, which gives the same."""
        if self._rounds is None or not state:
            return
        self._reference.load(files["reference"])
        path = step_file(self._context.run.rollouts_dir(self._context.name), state["first_step"] + 1)
        number, version = state["round"], state["version"]
        groups = read_groups(path) if path.exists() else self._rounds.draw(number, self._reference.weights(), version=version)
        self._round = Round(number=number, first_step=state["first_step"], version=version, pairs=self._pairs(number, groups))

    def _is_over(self, step: int) -> bool:
        assert self._round is not None
        return step >= self._round.first_step + self._round.num_steps(self._config)

    def _begin_round(self, step: int) -> dict[str, float]:
        """The policy becomes the reference, draws completions, and they become pairs; return what was drawn in figures."""
        assert self._rounds is not None
        started = time.perf_counter()
        number = 0 if self._round is None else self._round.number + 1
        self._reference.load(self.learner.weights())
        groups = self._rounds.draw(number, self._reference.weights(), version=self.learner.version)
        pairs = self._pairs(number, groups)
        self._round = Round(number=number, first_step=step, version=self.learner.version, pairs=pairs)
        # All tokens, whatever the run keeps of other stages: a resumed round is read from this file.
        self._context.log.rollouts(step + 1, groups, pair_signs(groups, pairs), tokens="all")
        asked = len({pair.problem_id for pair in pairs}) / len(groups)
        level = "info" if pairs else "warning"
        self._context.log.event(
            "round",
            f"round {number + 1}: {len(pairs)} pairs from {asked:.0%} of {len(groups)} problems, the others have no right or no wrong one",
            level=level,
            round=number + 1,
            pairs=len(pairs),
        )
        counts = {"preference/pairs": float(len(pairs)), "preference/problems": asked}
        counts |= token_costs([[member.rollout for member in group.rollouts] for group in groups])
        return sample_metrics(groups) | counts | {"perf/sample_seconds": time.perf_counter() - started}

    def _pairs(self, number: int, groups: Sequence[RolloutGroup]) -> list[SamplePair]:
        seed = self._context.seed("pairs", number)
        return completion_pairs(groups, max_per_problem=self._config.pairs_of_a_problem, seed=seed)


def planned_steps(config: PreferenceConfig, num_pairs: int) -> int:
    """Return how many updates there will be; with rounds, the most: every problem gives all the pairs it may."""
    if config.iterations is not None:
        per_round = config.iterations.prompts * config.pairs_of_a_problem
        return config.iterations.rounds * math.ceil(config.epochs * per_round / config.pairs_per_step)
    return max(1, math.ceil(config.epochs * num_pairs / config.pairs_per_step))
