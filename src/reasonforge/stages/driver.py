"""The driver all training stages share: count steps, report, checkpoint, stop cleanly, resume where it stopped."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from reasonforge.core.seeds import derive_seed
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.signals import StopRequest
from reasonforge.runs.stage_log import StageLog
from reasonforge.training.checkpoint import load_latest, save_checkpoint
from reasonforge.training.config import TrainingConfig
from reasonforge.training.updates import Updating


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """Where a stage runs and whom it tells."""

    name: str
    run: RunDirectory
    log: StageLog
    stop: StopRequest
    run_seed: int

    def seed(self, purpose: str, *coordinates: int | str) -> int:
        """Derive a seed of this stage."""
        return derive_seed(self.run_seed, purpose, self.name, *coordinates)


class Trainer(Protocol):
    """What a stage brings to the driver. All its randomness derives from the step's index; all its memory is in the checkpoint."""

    @property
    def learner(self) -> Updating[Any]:
        """Whose weights are trained."""
        ...

    @property
    def num_steps(self) -> int:
        """Steps planned, for progress and ETA."""
        ...

    def is_done(self, step: int) -> bool:
        """Tell, before step ``step``, whether training is over."""
        ...

    def train_step(self, step: int) -> Mapping[str, float]:
        """Do one step; return its metrics."""
        ...

    def extra_state(self) -> tuple[Mapping[str, Mapping[str, Tensor]], Mapping[str, Any]]:
        """Return (tensors by file, JSON-able state) beyond the learner's own."""
        ...

    def restore(self, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Take back what ``extra_state`` gave; called after the learner was restored."""
        ...


def drive(trainer: Trainer, context: StageContext, config: TrainingConfig) -> None:
    """Train from the newest good checkpoint to the end.

    Raises:
        InterruptedRun: a signal came; the step was finished and saved.
    """
    step = _resume(trainer, context)
    saved = step
    context.log.expect(trainer.num_steps)
    while not trainer.is_done(step):
        started = time.perf_counter()
        metrics = dict(trainer.train_step(step))
        step += 1
        metrics["perf/seconds"] = time.perf_counter() - started
        metrics["perf/peak_memory_mb"] = peak_memory_mb()
        context.log.metrics(step, metrics)
        if step - saved >= config.checkpoint_every or context.stop.requested:
            _save(trainer, context, step)
            saved = step
        if context.stop.requested:
            raise context.stop.error(f"stopped after step {step} of {context.name}; saved. Go on with: {context.run.resume_command}")


def peak_memory_mb() -> float:
    """Return the most memory held so far, in MiB: of the GPU where there is one, otherwise of this process with all it has loaded."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


def _save(trainer: Trainer, context: StageContext, step: int) -> None:
    tensors, scalars = trainer.learner.state()
    files, extra = trainer.extra_state()
    context.run.sync()
    save_checkpoint(
        context.run.checkpoints_dir(context.name),
        step,
        files={"learner": tensors, **files},
        state={"learner": scalars, "stage": dict(extra)},
    )
    context.log.event("checkpoint", f"saved step {step}", step=step)


def _resume(trainer: Trainer, context: StageContext) -> int:
    checkpoint = load_latest(context.run.checkpoints_dir(context.name))
    if checkpoint is None:
        return 0
    for warning in checkpoint.warnings:
        context.log.event("checkpoint", warning, level="warning")
    trainer.learner.load_state(checkpoint.files["learner"], checkpoint.state["learner"])
    trainer.restore({name: tensors for name, tensors in checkpoint.files.items() if name != "learner"}, checkpoint.state["stage"])
    context.log.resume_at(checkpoint.step)
    context.log.event("resume", f"resumed from step {checkpoint.step}", step=checkpoint.step)
    return checkpoint.step
