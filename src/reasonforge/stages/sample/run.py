"""Draw completions, grade them, store them: one file per batch of problems, so that a killed run goes on behind the last.

Which completions come out depends on the run's seed, the stage's name, the problem and its place in the list: not on how often the run was
interrupted, nor on how many problems share a file.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.core.records import Problem
from reasonforge.core.rollouts import RolloutGroup, SamplingParams
from reasonforge.evaluation.estimators import pass_at_k
from reasonforge.runs.rollouts import list_steps, read_rollouts, sampling_text, step_file, write_rollouts
from reasonforge.sampling.rollouts import sample_groups
from reasonforge.sampling.tools import open_tools
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.rl.scoring import stage_scorer, without_quarantine
from reasonforge.stages.rl.watch import token_costs
from reasonforge.stages.sample.config import SampleConfig
from reasonforge.stages.sample.problems import problems_to_sample
from reasonforge.tasks.rollouts import is_graded
from reasonforge.tasks.streams import ProblemStream
from reasonforge.text.render import stop_token_ids


def run_sample(config: SampleConfig, bundle: Bundle, problems: list[Problem] | ProblemStream, context: StageContext) -> str:
    """Sample what is not there yet; return what came of all of it in one line.

    Raises:
        DataError: a prompt does not fit the model's context, too many references are not graded correct, or an earlier file is broken.
        RecipeError: the data is an endless stream and no number of problems is set.
        UnavailableError: too many completions could not be graded.
        StorageError: the disk refused; here the files are the result, so the stage stops.
        InterruptedRun: a signal came; the file was finished.
    """
    asked = problems_to_sample(problems, config, name=context.name)
    folder = context.run.rollouts_dir(context.name)
    sampler = bundle.sampler(config.sampling.dtype, config.sampling.max_slots)
    params = config.sampling.params(stop_token_ids=stop_token_ids(bundle.tokenizer, bundle.layout))
    with (
        stage_scorer(config, decode=bundle.tokenizer.decode) as scorer,
        open_tools(config.sampling.tools, bundle.tokenizer, max_context=bundle.max_context) as tools,
    ):
        if config.rewards:
            asked = without_quarantine(asked, scorer, config, context.log, folder=folder)
        prompts = bundle.prompts(asked)
        num_steps = math.ceil(len(asked) / config.problems_per_step)
        first = num_files_done(context, num_steps)
        _check_files(config, asked, params, context, num_steps=first)
        context.log.expect(num_steps)
        for step in range(first, num_steps):
            started = time.perf_counter()
            rows = range(step * config.problems_per_step, min((step + 1) * config.problems_per_step, len(asked)))
            drawn = sample_groups(
                sampler,
                [asked[row] for row in rows],
                [prompts[row] for row in rows],
                params,
                group_size=config.samples,
                # The problem's place in the list, not in its file: another problems_per_step draws the same completions.
                seed_of=lambda row, problem, i, base=rows.start: context.seed("sample", base + row, problem.id, i),
                tokenizer=bundle.tokenizer,
                tools=tools,
                on_rollout=scorer.submit,
            )
            groups = scorer.score_groups(drawn)
            counts = token_costs([rollouts for _, rollouts in drawn]) | {"num_rollouts": float(rows.stop * config.samples)}
            metrics = sample_metrics(groups) | counts
            context.log.metrics(step + 1, {**metrics, "perf/seconds": time.perf_counter() - started})
            # The file comes last: where it is, its row of metrics is too.
            context.run.sync()
            write_rollouts(
                step_file(folder, step + 1),
                groups,
                None,
                run=context.run.name,
                stage=context.name,
                step=step + 1,
                tokens="all",
                tokenizer=bundle.tokenizer.fingerprint,
            )
            if context.stop.requested:
                raise context.stop.error(
                    f"stopped after file {step + 1} of {num_steps} of {context.name}; saved. Go on with: {context.run.resume_command}"
                )
    return _summary(context)


def sample_metrics(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Return figures of one file: how many completions are right, and how many problems that leaves something to learn from."""
    members = [member for group in groups for member in group.rollouts]
    right = [[member.verdict.correct for member in group.rollouts if is_graded(member)] for group in groups]
    graded = [found for found in right if found]
    lengths = [len(member.rollout.completion) for member in members]
    metrics = {
        "rewards/failed": np.mean([not is_graded(member) for member in members]),
        "completions/mean_length": np.mean(lengths),
        "completions/max_length": max(lengths),
        "completions/clipped_ratio": np.mean([member.rollout.completion.finish_reason == "length" for member in members]),
    }
    if graded:
        metrics["accuracy"] = np.mean([value for found in graded for value in found])
        metrics["sample/solved"] = np.mean([any(found) for found in graded])
        metrics["sample/mixed"] = np.mean([any(found) and not all(found) for found in graded])
    for name in sorted({name for member in members for name in member.reward.parts}):
        metrics[f"rewards/{name}/mean"] = np.mean([member.reward.parts[name] for member in members if name in member.reward.parts])
    return {name: float(value) for name, value in metrics.items()}


def num_files_done(context: StageContext, num_steps: int) -> int:
    """Return how many files are there, without a gap; what lies beyond is forgotten."""
    files = list_steps(context.run.rollouts_dir(context.name))
    done = next((step for step in range(num_steps) if step + 1 not in files), num_steps)
    if done:
        context.log.resume_at(done)
        context.log.event("resume", f"{done} of {num_steps} files are there", step=done)
    return done


def _check_files(config: SampleConfig, asked: Sequence[Problem], params: SamplingParams, context: StageContext, *, num_steps: int) -> None:
    """Refuse files that were drawn under other settings: together with those to come they would be no sample of anything.

    Raises:
        DataError: naming the first such file.
    """
    drawn_as = sampling_text(params)
    for step in range(num_steps):
        path = step_file(context.run.rollouts_dir(context.name), step + 1)
        wanted = asked[step * config.problems_per_step : (step + 1) * config.problems_per_step]
        if [(row.problem_id, row.sampling_json) for row in read_rollouts(path)] != [
            (problem.id, drawn_as) for problem in wanted for _ in range(config.samples)
        ]:
            raise DataError(
                f"{path}: drawn from other problems, or with other settings than {context.name} has now: "
                "go on with those it was begun with, or begin another run."
            )


def _summary(context: StageContext) -> str:
    """Measure all files together and record it."""
    by_group: dict[tuple[int, str], list[bool]] = {}
    total = tokens = 0
    for step, path in list_steps(context.run.rollouts_dir(context.name)).items():
        for row in read_rollouts(path):
            total += 1
            tokens += row.num_tokens
            if row.verdict not in ("timeout", "error"):
                by_group.setdefault((step, row.group_id), []).append(row.verdict == "correct")
    counts = [(len(found), sum(found)) for found in by_group.values()]
    smallest = min((n for n, _ in counts), default=0)
    sizes = [k for k in (1, 4, 16, 64, 256) if k < smallest] + [smallest] * (smallest > 0)
    rates = {f"pass@{k}": float(np.mean([pass_at_k(n, c, k) for n, c in counts])) for k in dict.fromkeys(sizes)}
    right = sum(c for _, c in counts)
    solved = sum(c > 0 for _, c in counts)
    shown = ", ".join(f"{name} {value:.3f}" for name, value in rates.items())
    said = f"{total} completions of {len(counts)} problems, {right} right, {solved} problems solved" + (f"; {shown}" if shown else "")
    context.log.event("sampled", said, completions=total, tokens=tokens, right=right, problems=len(counts), solved=solved, pass_rates=rates)
    return said
