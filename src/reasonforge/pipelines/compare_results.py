"""What the runs of a comparison came to: means over seeds, curves over rollouts, and which differences exceed the noise. Torch-free.

The words follow from the figures by fixed rules (:func:`words_of`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any, Literal

from reasonforge.core.errors import DataError
from reasonforge.evaluation.estimators import paired_difference
from reasonforge.evaluation.seeds import SeedDifference, SeedMean, holm, mean_over_seeds, seed_difference, smallest_visible
from reasonforge.pipelines.compare_plan import ComparePlan, Contender, PlannedRun, planned_rollouts
from reasonforge.pipelines.compare_run import FailedRun
from reasonforge.runs.files import read_json
from reasonforge.runs.metrics import metric_of
from reasonforge.runs.reader import RunReader
from reasonforge.runs.rollouts import read_rollouts
from reasonforge.runs.text import clean_text, counted, format_number, format_seconds, text_table

LEVEL = 0.95
_POWER = 0.8

Verdict = Literal["beyond_noise", "none", "corrected_away", "few_problems", "untested"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One finished run."""

    run: PlannedRun
    final: float
    """The metric at the end."""
    scores: Mapping[str, float]
    """Score of each held-out problem; empty = the metric is none of single problems."""
    curve: tuple[tuple[str, int, float, float], ...]
    """(stage, step, rollouts drawn so far, value) while training."""
    rollouts: float
    tokens: float
    """Learned from, in all its stages."""
    length: float | None
    """Mean tokens of the final evaluation's completions."""
    seconds: float
    peak_memory_mb: float | None
    state_mb: float | None
    """MiB of what its training stages keep at most: weights and optimizer state of policy and critic. None = it left no checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """Two recipes held against each other: first minus second."""

    first: str
    second: str
    seeds: SeedDifference
    adjusted_p: float
    """After Holm's correction for all pairs."""
    problems: tuple[float, float] | None
    """95 % interval of the difference over held-out problems, these very runs taken as given; None = no figures of single problems."""
    visible: float
    """The true difference that would be found with a chance of 80 %; infinite = none would."""
    verdict: Verdict
    words: str


def result_of(run: PlannedRun, contender: Contender, metric: str) -> RunResult:
    """Read what a finished run came to.

    Raises:
        DataError: its files are missing or damaged, or it has no value of the metric.
    """
    reader = RunReader(run.path)
    rows = reader.metric_rows()
    counts, total = _rollouts_at(run, rows)
    evaluated = {} if contender.evaluation is None else _read_figures(reader, contender.evaluation)
    evaluations = {name for name in run.stages if run.resolved["stages"][name]["type"] == "eval"}
    curve = [
        (row["stage"], row["step"], counts.get((row["stage"], row["step"]), total), row[metric])
        for row in rows
        if row.get("stage") in run.stages and row["stage"] not in evaluations
        if isinstance(row.get("step"), int) and isinstance(row.get(metric), int | float)
    ]
    final = evaluated.get(metric.removeprefix("eval/")) if metric.startswith("eval/") else curve[-1][3] if curve else None
    if not isinstance(final, int | float) or not math.isfinite(final):
        known = {name for row in rows for name in row if "/" in name} | {f"eval/{name}" for name in evaluated if "_ci" not in name}
        near = sorted(name for name in known if name.split("/")[0] == metric.split("/")[0]) or sorted(known)
        raise DataError(f"{run.path}: no value of {metric!r} at its end; there are {', '.join(near)}")
    memory = [row["perf/peak_memory_mb"] for row in rows if isinstance(row.get("perf/peak_memory_mb"), int | float)]
    length = evaluated.get("length")
    summary = reader.summary
    return RunResult(
        run=run,
        final=float(final),
        scores=_problem_scores(reader, contender.evaluation) if metric == "eval/pass@1" and contender.evaluation is not None else {},
        curve=tuple(curve),
        rollouts=total,
        tokens=_tokens_of(run, rows),
        length=float(length) if isinstance(length, int | float) else None,
        seconds=summary.seconds if summary is not None else sum(stage.seconds for stage in reader.info.stages),
        peak_memory_mb=max(memory, default=None),
        state_mb=max((size for stage in run.stages if (size := _state_mb(run.path / "checkpoints" / stage)) is not None), default=None),
    )


def _state_mb(checkpoints: Path) -> float | None:
    """Return the size of a stage's newest checkpoint, by its manifest."""
    manifests = sorted(checkpoints.glob("step-*/manifest.json"))
    if not manifests:
        return None
    return sum(file["size"] for file in read_json(manifests[-1])["files"].values()) / 2**20


def compare_pairs(labels: Sequence[str], results: Sequence[Sequence[RunResult]], metric: str) -> list[PairResult]:
    """Hold every two recipes against each other; one without a finished run is left out."""
    arms = [(label, found) for label, found in zip(labels, results, strict=True) if found]
    pairs = list(combinations(arms, 2))
    by_seed = [({r.run.seed: r.final for r in first}, {r.run.seed: r.final for r in second}) for (_, first), (_, second) in pairs]
    differences = [seed_difference(first, second, level=LEVEL) for first, second in by_seed]
    found = []
    for ((first, ours), (second, theirs)), difference, adjusted in zip(
        pairs, differences, holm([difference.p for difference in differences]), strict=True
    ):
        problems = _over_problems(ours, theirs)
        visible = _visible(difference, problems, num_pairs=len(pairs))
        verdict = verdict_of(difference, adjusted, problems)
        words = words_of(
            first, second, difference, verdict, visible=visible, num_pairs=len(pairs), num_seeds=(len(ours), len(theirs)), metric=metric
        )
        found.append(
            PairResult(
                first=first,
                second=second,
                seeds=difference,
                adjusted_p=adjusted,
                problems=problems,
                visible=visible,
                verdict=verdict,
                words=words,
            )
        )
    return found


def verdict_of(difference: SeedDifference, adjusted_p: float, problems: tuple[float, float] | None) -> Verdict:
    """Say whether a difference exceeds the noise: both that between seeds, after correction, and that of the held-out problems."""
    if math.isinf(difference.standard_error):
        return "untested"
    if difference.p >= 1 - LEVEL:
        return "none"
    if adjusted_p >= 1 - LEVEL:
        return "corrected_away"
    if problems is not None and problems[0] <= 0 <= problems[1]:
        return "few_problems"
    return "beyond_noise"


def words_of(
    first: str,
    second: str,
    difference: SeedDifference,
    verdict: Verdict,
    *,
    visible: float,
    num_pairs: int,
    num_seeds: tuple[int, int],
    metric: str,
) -> str:
    """Say it in a sentence."""
    shown = f"{difference.difference:+.3f}"
    if verdict == "untested":
        return f"{first} and {second}: {shown}, but with one seed nothing can be said about the noise between seeds. Use --seeds 3 or more."
    has_interval = math.isfinite(difference.low)
    shown += f" [{difference.low:+.3f}, {difference.high:+.3f}]" if has_interval else ""
    test = "no spread between seeds" if not has_interval else "paired by seed" if difference.method == "paired" else "Welch"
    how = f"{test}, {_seeds(num_seeds)}, p {_p(difference.p)}"
    if verdict == "beyond_noise":
        better, worse, size = (
            (first, second, difference.difference) if difference.difference > 0 else (second, first, -difference.difference)
        )
        bounds = sorted(abs(bound) for bound in (difference.low, difference.high))
        size_words = f"{size:.3f} [{bounds[0]:.3f}, {bounds[1]:.3f}]" if has_interval else f"{size:.3f}"
        match _direction(metric):
            case "up":
                return f"{better} is better than {worse} by {size_words}, beyond the noise ({how})."
            case "down":
                return f"{worse} is better than {better} (lower by {size_words}), beyond the noise ({how})."
            case _:
                return f"{better} is higher than {worse} by {size_words}, beyond the noise ({how})."
    reasons = {
        "none": "",
        "corrected_away": f" once all {num_pairs} pairs are counted",
        "few_problems": ": the held-out problems are too few to tell",
    }
    missed = f" A difference below {visible:.3f} would be missed more often than one time in five." if 0 < visible < math.inf else ""
    return f"{first} and {second}: no difference beyond the noise{reasons[verdict]} ({shown}; {how}).{missed}"


def headline_of(pairs: Sequence[PairResult], metric: str) -> str:
    """Say in one sentence what all pairs come to; empty = there is no pair."""
    if not pairs:
        return ""
    if all(pair.verdict == "untested" for pair in pairs):
        return "One seed each: what is noise cannot be told."
    lower = _direction(metric) == "down"
    better: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.verdict == "beyond_noise":
            first_is_better = (pair.seeds.difference > 0) != lower
            winner, loser = (pair.first, pair.second) if first_is_better else (pair.second, pair.first)
            better.setdefault(winner, []).append(loser)
    word = "better" if _direction(metric) in ("up", "down") else "higher"
    if not better:
        return "No difference exceeds the noise."
    num_others = len({name for pair in pairs for name in (pair.first, pair.second)}) - 1
    best = next((name for name, losers in better.items() if len(losers) == num_others), None)
    if best is not None:
        others = better[best][0] if num_others == 1 else "every other recipe"
        return f"{best} is {word} than {others}, beyond the noise."
    found = "; ".join(f"{name} is {word} than {', '.join(losers)}" for name, losers in better.items())
    return f"{sum(map(len, better.values()))} of {len(pairs)} differences exceed the noise: {found}."


def comparison_data(plan: ComparePlan, results: Sequence[Sequence[RunResult]], failed: Sequence[FailedRun]) -> dict[str, Any]:
    """Return everything the page, the picture and the table show, JSON-able."""
    metric = plan.options.metric
    labels = [contender.label for contender in plan.contenders]
    pairs = compare_pairs(labels, results, metric)
    known = metric_of(metric)
    effort = "rollouts" if any(result.rollouts for found in results for result in found) else "tokens"
    remarks = [*plan.remarks, *_effort_remarks(plan, results, effort), *_failures(plan, results, failed)]
    return {
        "format": 1,
        "metric": metric,
        "unit": known.unit,
        "better": known.better,
        "help": known.help,
        "level": LEVEL,
        "effort": effort,
        "seeds": list(plan.seeds),
        "shared": list(plan.shared),
        "recipes": [_recipe(contender, found, _before(plan, contender)) for contender, found in zip(plan.contenders, results, strict=True)],
        "pairs": [_pair(pair) for pair in pairs],
        "headline": headline_of(pairs, metric),
        "findings": [pair.words for pair in pairs],
        "remarks": remarks,
    }


def comparison_table(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table for a terminal."""
    header = ["recipe", f"{data['metric']} [95 %]", "spread", "seeds", data["effort"], "length", "time", "peak MiB", "state MiB"]
    rows = []
    for recipe in data["recipes"]:
        final = recipe["final"]
        rows.append(
            [
                recipe["label"],
                "-" if final is None else f"{final['mean']:.3f} {_bounds(final['low'], final['high'])}".strip(),
                "-" if final is None else f"{final['deviation']:.3f}",
                str(len(recipe["runs"])),
                *(format_number(recipe[key]) for key in (data["effort"], "length")),
                "-" if recipe["seconds"] is None else format_seconds(recipe["seconds"]),
                "-" if recipe["peak_memory_mb"] is None else f"{recipe['peak_memory_mb']:.0f}",
                "-" if recipe["state_mb"] is None else f"{recipe['state_mb']:.1f}",
            ]
        )
    return header, rows


def comparison_text(data: Mapping[str, Any]) -> str:
    """Return table and findings as plain text."""
    lines = [clean_text(data["headline"]), "", *text_table(*comparison_table(data))]
    lines += ["", *(f"- {clean_text(words)}" for words in data["findings"])]
    return "\n".join([*lines, *(f"note: {clean_text(remark)}" for remark in data["remarks"])]) + "\n"


def _visible(difference: SeedDifference, problems: tuple[float, float] | None, *, num_pairs: int) -> float:
    """Return the true difference that would be found four times in five: the larger of what seeds and problems ask for."""
    by_seeds = smallest_visible(difference.standard_error, difference.degrees_of_freedom, comparisons=num_pairs, power=_POWER, level=LEVEL)
    if problems is None:
        return by_seeds
    bell = NormalDist()
    half = bell.inv_cdf((1 + LEVEL) / 2)
    return max(by_seeds, (problems[1] - problems[0]) / 2 / half * (half + bell.inv_cdf(_POWER)))


def _rollouts_at(run: PlannedRun, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[tuple[str, int], float], float]:
    """Return completions drawn so far at each (stage, step), and in all."""
    counts: dict[tuple[str, int], float] = {}
    before = 0.0
    for name in run.stages:
        config = run.resolved["stages"][name]
        own = [row for row in rows if row.get("stage") == name and isinstance(row.get("step"), int)]
        logged = any(isinstance(row.get("num_rollouts"), int | float) for row in own)
        per_step = config["prompts_per_step"] * config["group_size"] if config["type"] == "rl" else 0
        latest = 0.0
        for row in own:
            value = row.get("num_rollouts") if logged else row["step"] * per_step
            latest = max(latest, float(value)) if isinstance(value, int | float) else latest
            counts[name, row["step"]] = before + latest
        before += latest if own and (logged or per_step) else float(planned_rollouts(config) or 0)
    return counts, before


def _tokens_of(run: PlannedRun, rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the tokens that a run has learned from."""
    last = {row["stage"]: row["num_tokens"] for row in rows if row.get("stage") in run.stages and "num_tokens" in row}
    return float(sum(count for count in last.values() if isinstance(count, int | float)))


def _read_figures(reader: RunReader, evaluation: str) -> dict[str, Any]:
    """Return the final figures of an evaluation.

    Raises:
        DataError: the file is missing or damaged.
    """
    path = reader.evals_dir(evaluation) / "summary.json"
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path}: not the figures of an evaluation. The file was changed by something other than the run.")
    return found


def _problem_scores(reader: RunReader, evaluation: str) -> dict[str, float]:
    """Share of right completions of each problem. Seeds may draw other problems under one id: the question is part of the key."""
    found: dict[str, list[bool]] = {}
    for row in read_rollouts(reader.evals_dir(evaluation) / "samples.parquet"):
        found.setdefault(f"{row.problem_id}\n{row.prompt}", []).append(row.verdict == "correct")
    return {key: sum(right) / len(right) for key, right in found.items()}


def _over_problems(first: Sequence[RunResult], second: Sequence[RunResult]) -> tuple[float, float] | None:
    """Return the interval of the difference when only the held-out problems are drawn again."""
    before, after = _problem_means(second), _problem_means(first)
    common = before.keys() & after.keys()
    if not common:
        return None
    order = sorted(common)
    found = paired_difference({key: before[key] for key in order}, {key: after[key] for key in order}, level=LEVEL)
    return found.bootstrap.low, found.bootstrap.high


def _problem_means(results: Sequence[RunResult]) -> dict[str, float]:
    """Each problem's score, the mean over the seeds that were asked it."""
    found: dict[str, list[float]] = {}
    for result in results:
        for key, score in result.scores.items():
            found.setdefault(key, []).append(score)
    return {key: sum(scores) / len(scores) for key, scores in found.items()}


def _before(plan: ComparePlan, contender: Contender) -> float | None:
    """The metric before training: what the last shared evaluation of the same kind found."""
    if plan.start is None or not plan.options.metric.startswith("eval/"):
        return None
    assert contender.evaluation is not None  # for such a metric
    wanted = contender.loaded.resolved["stages"][contender.evaluation]
    same = [name for name in plan.shared if contender.loaded.resolved["stages"][name] == wanted]
    try:
        found = _read_figures(RunReader(plan.start.path), same[-1]) if same else {}
    except DataError:
        return None
    value = found.get(plan.options.metric.removeprefix("eval/"))
    return float(value) if isinstance(value, int | float) else None


def _recipe(contender: Contender, results: Sequence[RunResult], before: float | None) -> dict[str, Any]:
    final = mean_over_seeds([result.final for result in results], level=LEVEL) if results else None
    curve = _curve(results)
    return {
        "label": contender.label,
        "description": contender.description,
        "stages": list(contender.stages),
        "before": before,
        "final": None if final is None else {key: _finite(value) for key, value in final._asdict().items()},
        "rollouts": _mean([result.rollouts for result in results]),
        "tokens": _mean([result.tokens for result in results]),
        "length": _mean([result.length for result in results]),
        "seconds": _mean([result.seconds for result in results]),
        "peak_memory_mb": max((r.peak_memory_mb for r in results if r.peak_memory_mb is not None), default=None),
        "state_mb": max((r.state_mb for r in results if r.state_mb is not None), default=None),
        "curve": curve if curve["mean"] or final is None else _ends(results, final, before),
        "has_curve": bool(curve["mean"]),
        "runs": [
            {
                "seed": result.run.seed,
                "folder": result.run.name,
                "final": result.final,
                "rollouts": result.rollouts,
                "tokens": result.tokens,
                "length": result.length,
                "seconds": result.seconds,
                "peak_memory_mb": result.peak_memory_mb,
                "state_mb": result.state_mb,
            }
            for result in results
        ],
    }


def _curve(results: Sequence[RunResult]) -> dict[str, list[float]]:
    """Mean over seeds and the band of one standard deviation, at the steps that all seeds have."""
    points: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for result in results:
        for stage, step, rollouts, value in dict(
            ((stage, step), (stage, step, rollouts, value)) for stage, step, rollouts, value in result.curve
        ).values():
            points.setdefault((stage, step), []).append((rollouts, value))
    curve: dict[str, list[float]] = {"rollouts": [], "mean": [], "low": [], "high": []}
    for found in points.values():
        if len(found) == len(results):
            spread = mean_over_seeds([value for _, value in found])
            curve["rollouts"].append(sum(rollouts for rollouts, _ in found) / len(found))
            curve["mean"].append(spread.mean)
            curve["low"].append(spread.mean - spread.deviation)
            curve["high"].append(spread.mean + spread.deviation)
    return curve


def _ends(results: Sequence[RunResult], final: SeedMean, before: float | None) -> dict[str, list[float]]:
    """What is known of the curve of a recipe that measures nothing while it trains: where it begins and where it ends."""
    curve = {"rollouts": [fmean(result.rollouts for result in results)], "mean": [final.mean]}
    curve |= {"low": [final.mean - final.deviation], "high": [final.mean + final.deviation]}
    return curve if before is None else {name: [0.0 if name == "rollouts" else before, *values] for name, values in curve.items()}


def _pair(pair: PairResult) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "difference": pair.seeds.difference,
        "low": _finite(pair.seeds.low),
        "high": _finite(pair.seeds.high),
        "p": pair.seeds.p,
        "adjusted_p": pair.adjusted_p,
        "exact_p": pair.seeds.exact_p,
        "method": pair.seeds.method,
        "problems": pair.problems,
        "visible": _finite(pair.visible),
        "verdict": pair.verdict,
        "words": pair.words,
    }


def _effort_remarks(plan: ComparePlan, results: Sequence[Sequence[RunResult]], effort: Literal["rollouts", "tokens"]) -> list[str]:
    """Say so where runs did not have equally much to learn from."""
    counts = [[getattr(result, effort) for result in found] for found in results]
    known = [count for found in counts for count in found]
    if not known or min(known) == max(known):
        return []
    named = [(contender.label, found) for contender, found in zip(plan.contenders, counts, strict=True) if found]
    each = ", ".join(f"{label} {min(found):.0f} to {max(found):.0f}" for label, found in named)
    if effort == "rollouts":
        return [f"Runs drew different numbers of rollouts: {each}. A step is not cut in two."]
    return [f"Runs were not trained on equally many tokens: {each}. A recipe that has had more may be better by that alone."]


def _failures(plan: ComparePlan, results: Sequence[Sequence[RunResult]], failed: Sequence[FailedRun]) -> list[str]:
    remarks = [f"{failure.run.name} failed and is left out: {failure.said}" for failure in failed]
    missing = len(plan.runs) - sum(map(len, results)) - len(failed)
    return remarks + ([f"{counted(missing, 'run')} could not be read or had no value of the metric."] if missing > 0 else [])


def _direction(metric: str) -> str:
    return metric_of(metric).better


def _seeds(numbers: tuple[int, int]) -> str:
    return counted(numbers[0], "seed") if numbers[0] == numbers[1] else f"{numbers[0]} and {numbers[1]} seeds"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
