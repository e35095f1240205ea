"""The course of a stage: what its schedules say now, what its watchers have seen, and whether it goes on.

The loop asks for a step's values before it, and tells what came of it after: :meth:`Course.stepped` on every step, :meth:`Course.evaluated`
after an evaluation. All memory is in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from reasonforge.core.rollouts import RolloutGroup
from reasonforge.evaluation.evaluate import Evaluation
from reasonforge.runs.reader import ALARM
from reasonforge.runs.stage_log import StageLog
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.curriculum import StagedProblems
from reasonforge.stages.rl.early_stop import BestSoFar
from reasonforge.stages.rl.monitor import RewardWatch
from reasonforge.stages.rl.schedules import ContextLimit, value_at


class Course:
    """Where a stage stands on its schedules, and whether it goes on."""

    def __init__(self, config: RLConfig, problems: StagedProblems, log: StageLog) -> None:
        """Args:
        config: of the stage.
        problems: what its prompts come from; the course moves its curriculum on.
        log: told of every change.
        """
        self._config = config
        self._problems = problems
        self._log = log
        self._context = ContextLimit(config.context, longest=config.sampling.max_new_tokens)
        self._watch = RewardWatch(config.monitor) if config.monitor is not None and config.evaluation is not None else None
        ends_with_best = config.early_stop is not None or (self._watch is not None and self._watch.can_stop)
        self._best = BestSoFar(config.early_stop) if ends_with_best else None
        self._best_weights: dict[str, Tensor] | None = None
        self.is_over = False
        """Whether a watcher has ended the stage."""

    @property
    def max_new_tokens(self) -> int:
        """Length limit of the step to come."""
        return self._context.max_new_tokens

    def temperature(self, step: int) -> float:
        """Return the sampling temperature of a step."""
        return value_at(step, self._config.sampling.temperature, self._config.schedules.temperature)

    def kl_coef(self, step: int) -> float:
        """Return the weight of the pull to the reference in a step, where no controller sets it."""
        assert self._config.kl is not None
        return value_at(step, self._config.kl.coef, self._config.schedules.kl_coef)

    def values(self, step: int) -> dict[str, float]:
        """Return, as metrics, the values of a step that change over the steps."""
        config, found = self._config, {}
        if config.schedules.kl_coef:
            found["kl_coef"] = self.kl_coef(step)
        if config.schedules.temperature:
            found["schedule/temperature"] = self.temperature(step)
        if config.context is not None:
            found["schedule/max_new_tokens"] = float(self.max_new_tokens)
        if config.curriculum is not None:
            found["schedule/curriculum_stage"] = float(self._problems.stage + 1)
        return found

    def stepped(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take in a training step.

        Args:
            step: steps done.
            metrics: of the step.
        """
        if self._watch is not None:
            self._watch.observe(metrics)
        if self._context.update(step, reward=metrics["reward"], clipped_share=metrics["completions/clipped_ratio"]):
            self._log.event("context", f"completions may have {self.max_new_tokens} tokens after step {step}", step=step)
        if self._problems.update(metrics["accuracy"]):
            stage, last = self._problems.stage + 1, self._problems.num_stages
            self._log.event("curriculum", f"curriculum stage {stage} of {last} begins after step {step}", step=step)

    def evaluated(self, step: int, found: Evaluation, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Take in an evaluation; return what the watchers make of it, as metrics.

        Args:
            step: steps done; 0 = before the first.
            found: the evaluation.
            weights: of the policy, copied where they are the best so far.
        """
        if self._best is not None:
            if self._best.update(step, found.metrics["pass@1"]):
                self._end("early_stop", f"early stop after step {step}: no better evaluation since step {self._best.step}", step)
            if self._best.is_newest:
                self._best_weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}
        if self._watch is None:
            return {}
        alarm = self._watch.update(step, [_pass_rate(group) for group in found.groups])
        if alarm is not None:
            kept = "goes on and keeps its last weights" if self._best is None else f"keeps the weights of step {self._best.step}"
            self._log.event(ALARM, f"{alarm.message}; the stage {kept}", level="warning", **alarm.data())
            if self._watch.can_stop:
                self._end("monitor_stop", f"the reward-hacking monitor ends the stage after step {step}", step)
        return {"hack/alarm": float(self._watch.is_alarmed)}

    def _end(self, kind: str, message: str, step: int) -> None:
        self.is_over = True
        self._log.event(kind, message, step=step)

    def final_weights(self) -> Mapping[str, Tensor] | None:
        """Return the policy that the stage ends with: that of its best evaluation. None = the last one, as it is."""
        if self._best is not None and self._best_weights is not None:
            found, step = self._best.accuracy, self._best.step
            self._log.event("best", f"the stage ends with the weights of step {step}, held-out accuracy {found:.3f}", step=step)
        return self._best_weights

    def state(self) -> tuple[dict[str, Mapping[str, Tensor]], dict[str, Any]]:
        """Return the memory: tensors by file, and JSON-able state."""
        state = {
            "context": self._context.state(),
            "problems": self._problems.state(),
            "watch": None if self._watch is None else self._watch.state(),
            "best": None if self._best is None else self._best.state(),
            "is_over": self.is_over,
        }
        return ({} if self._best_weights is None else {"best": self._best_weights}), state

    def restore(self, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Take back what ``state`` gave."""
        self._context.restore(state["context"])
        self._problems.restore(state["problems"])
        if self._watch is not None:
            self._watch.restore(state["watch"])
        if self._best is not None:
            self._best.restore(state["best"])
        self._best_weights = dict(files["best"]) if "best" in files else None
        self.is_over = state["is_over"]


def _pass_rate(group: RolloutGroup) -> float:
    return sum(member.verdict.correct for member in group.rollouts) / len(group.rollouts)
