"""Runs made of invented numbers, for tests that read them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Completion, Reward, Rollout, RolloutGroup, SamplingParams, ScoredRollout
from reasonforge.core.seeds import derive_seed
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.info import RunSummary, StageSummary


def problem(index: int = 0, text: str | None = None, answer: str = "7") -> Problem:
    content = text or f"What is {index} + {7 - index}?"
    return Problem(id=f"p-{index}", messages=(Message("user", content),), answer=answer, source="task:sums")


def scored(of: Problem, index: int, text: str, *, reward: float, step: int = 1, num_tokens: int = 5) -> ScoredRollout:
    ids = np.arange(num_tokens, dtype=np.int32)
    completion = Completion(
        token_ids=ids,
        logprobs=-0.1 * ids.astype(np.float32),
        mask=np.ones(num_tokens, dtype=np.bool_),
        finish_reason="stop" if index % 4 else "length",
        weights_version=step,
    )
    rollout = Rollout(
        problem_id=of.id,
        group_id=f"{step}-{of.id}",
        index=index,
        prompt_ids=(1, 2, 3),
        completion=completion,
        text=text,
        sampling=SamplingParams(max_new_tokens=16),
        seed=derive_seed(0, "rollout", step, of.id, index),
    )
    verdict = Verdict(status="correct", prediction="7") if reward >= 1 else Verdict(status="wrong", prediction="8", reason="8 is not 7")
    parts = {"accuracy": float(reward >= 1), "format": 0.5}
    return ScoredRollout(rollout=rollout, reward=Reward(total=reward, parts=parts), verdict=verdict)


def group(index: int, rewards: Sequence[float], *, step: int = 1, text: str | None = None) -> RolloutGroup:
    of = problem(index)
    default = "<think>three and four make seven</think><answer>{}</answer>"
    rollouts = tuple(
        scored(of, i, text if text is not None else default.format(7 if reward >= 1 else 8), reward=reward, step=step, num_tokens=5 + i)
        for i, reward in enumerate(rewards)
    )
    return RolloutGroup(problem=of, rollouts=rollouts)


def new_run(path: Path, *, name: str = "toy", seed: int = 0, overwrite: bool = False) -> RunDirectory:
    return RunDirectory.create(
        path, name=name, recipe_text="seed = 0\n", resolved={"seed": 0}, argv=["reasonforge", "train"], seed=seed, overwrite=overwrite
    )


class Crash(Exception):
    """What kills a run in ``crashing``."""


@contextlib.contextmanager
def crashing(run: RunDirectory, error: BaseException | None = None) -> Iterator[RunDirectory]:
    """A run that fails at the end of the block."""
    error = error or Crash()
    with contextlib.suppress(type(error)), run:
        yield run
        raise error


def write_run(path: Path, *, name: str = "toy", steps: int = 30, num_groups: int = 4, group_size: int = 8, text: str | None = None) -> Path:
    """A finished run of two stages whose reward rises from 0 to 1."""
    rng = np.random.default_rng(0)
    with new_run(path, name=name) as run:
        run.plan([("sft", "sft"), ("rl", "rl")])
        log = run.stage("sft", 20, type="sft")
        for step in range(1, 21):
            log.metrics(step, {"loss": 2.0 / step, "lr": 1e-3, "grad_norm": 1.0 / step, "perf/seconds": 0.01})
        log.done()
        log = run.stage("rl", steps, type="rl")
        for step in range(1, steps + 1):
            share = step / steps
            groups = [group(i, [float(rng.random() < share) for _ in range(group_size)], step=step, text=text) for i in range(num_groups)]
            rewards = np.array([[member.reward.total for member in one.rollouts] for one in groups])
            advantages = ((rewards - rewards.mean(1, keepdims=True)) / (rewards.std(1, keepdims=True) + 1e-6)).ravel()
            log.metrics(
                step,
                {
                    "reward": float(rewards.mean()),
                    "reward_std": float(rewards.std(1).mean()),
                    "rewards/accuracy/mean": float(rewards.mean()),
                    "rewards/format/mean": 0.5 + share / 2,
                    "accuracy": float(rewards.mean()),
                    "completions/mean_length": 40 + 20 * share + float(rng.normal()),
                    "entropy": 1.2 - share,
                    "kl": 0.1 * share,
                    "clip_ratio/low_mean": 0.01,
                    "clip_ratio/high_mean": 0.02,
                    "grad_norm": 0.5 + float(rng.random()),
                    "loss": 0.01 * float(rng.normal()),
                    "perf/seconds": 0.5,
                },
            )
            if step % 10 == 0:
                log.metrics(step, {"eval/pass@1": share * 0.9, "eval/pass@16": min(1.0, share + 0.2), "eval/format": 0.5 + share / 2})
            log.rollouts(step, groups, [float(a) for a in advantages])
        log.done()
        run.write_summary(
            RunSummary(
                name=name,
                seed=0,
                seconds=61.0,
                base={"pass@1": 0.05, "pass@1_ci": (0.03, 0.08), "pass@16": 0.4, "maj@16": 0.06, "format": 0.3, "length": 48.2},
                final={"pass@1": 0.91, "pass@1_ci": (0.88, 0.94), "pass@16": 0.98, "maj@16": 0.95, "format": 1.0, "length": 57.0},
                notes=["Reward rose from 0.05 to 0.91.", "Completions grew longer by a fifth."],
                stages=[
                    StageSummary(name="sft", type="sft", seconds=12.0, steps=20),
                    StageSummary(name="rl", type="rl", seconds=49.0, steps=steps),
                ],
            )
        )
    return path
