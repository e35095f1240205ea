"""One evaluation from beginning to end: draw what is missing, or read finished samples; measure; write it down. Torch-free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import reasonforge
from reasonforge.core.errors import DataError, RecipeError, UnavailableError
from reasonforge.core.files import storage_errors
from reasonforge.core.records import Problem
from reasonforge.evaluation.compare import Comparison, compare
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.estimators import Ties
from reasonforge.evaluation.folder import DrawSource, EvaluationFolder
from reasonforge.evaluation.grading import Graders, graded
from reasonforge.evaluation.measure import FEW_PROBLEMS, Measurement, measure
from reasonforge.evaluation.samples import SampledProblem, general_reason, read_samples
from reasonforge.report.evaluation import write_evaluation_page
from reasonforge.runs.console import Console
from reasonforge.runs.files import write_json
from reasonforge.runs.signals import StopRequest
from reasonforge.runs.text import counted
from reasonforge.verify.grade import Profile

_SHOWN_FAILURES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An evaluation that was measured."""

    name: str
    problems: Sequence[SampledProblem]
    measurement: Measurement


def complete(
    folder: EvaluationFolder,
    source: DrawSource,
    problems: Sequence[Problem],
    config: EvaluationConfig,
    *,
    name: str,
    seed: int,
    console: Console,
    stop: StopRequest,
    resume: str,
) -> Finished:
    """Draw the samples that the folder does not hold yet, and measure all of them.

    Args:
        folder: where samples are kept as they come.
        source: draws and judges.
        problems: what is asked, in order.
        config: how.
        name: of the evaluation.
        seed: of the bootstrap.
        console: shows progress.
        stop: asked before more is drawn.
        resume: what to type to go on.

    Raises:
        UnavailableError: samples of some problems could not be had; the others are stored.
        InterruptedRun: a signal came; the finished problems are stored.
    """
    done = {found.problem.id for found in folder.found()}
    rows = [row for row, problem in enumerate(problems) if problem.id not in done]
    console.stage("sample", total_steps=len(problems), unit="problem")
    if done:
        console.resumed(len(done))
    count, num_right, num_samples = len(done), 0, 0
    stop.waits_for = source.waits_for
    try:
        for found in source.draw(rows, stop=lambda: stop.requested):
            folder.append(found)
            count += 1
            num_samples += len(found.samples)
            num_right += sum(verdict.correct for verdict in found.verdicts or ())
            console.step(count, {"accuracy": num_right / num_samples})
    except UnavailableError as error:
        raise UnavailableError(f"{error}. {count} of {len(problems)} problems are stored; go on with: {resume}") from None
    finally:
        folder.sync()
    if stop.requested and count < len(problems):
        raise stop.error(f"stopped after {count} of {len(problems)} problems, all of them stored. Go on with: {resume}")
    if source.failures:
        stored = f"{count} of {len(problems)} problems are stored. Go on with: {resume}"
        missing = counted(sum(map(len, source.failures.values())), "sample")
        if len(source.failures) == 1:
            (reason,) = source.failures
            raise UnavailableError(f"{reason}: {missing} could not be had; {stored}")
        for reason, samples in sorted(source.failures.items(), key=lambda found: -len(found[1]))[:_SHOWN_FAILURES]:
            console.warn(f"{reason}: {counted(len(samples), 'sample')}, such as {samples[0]}")
        raise UnavailableError(f"{missing} could not be had; {stored}")
    folder.drop_answers()
    console.stage_done(f"{counted(config.samples, 'sample')} each")
    finished = folder.found()
    measured = measure(finished, ks=config.ks, ties=config.ties, profile=config.profile, seed=seed)
    return Finished(name=name, problems=finished, measurement=measured)


def check_samples(path: Path, *, ks: Sequence[int], console: Console) -> list[SampledProblem]:
    """Read finished samples and see whether figures at these k can be had from them; say what does not count.

    Raises:
        DataError: the file cannot be read, or a k is larger than the number of samples.
    """
    refused: list[str] = []
    repeated: list[str] = []
    problems = read_samples(path, refused=refused.append, repeated=repeated.append)
    if refused:
        console.warn(f"{path}: left out: {counted(len(refused), 'line')} that could not be read when graded, such as {refused[0]}")
    if repeated:
        lines = f"1 line is a copy of an earlier one ({repeated[0]}) and counts"
        if len(repeated) > 1:
            lines = f"{len(repeated)} lines are copies of earlier ones (the first is {repeated[0]}) and count"
        console.warn(f"{lines} as further samples of the same problem. Delete what was doubled by mistake")
    fewest = min(len(found.samples) for found in problems)
    if too_large := [k for k in ks if k > fewest]:
        short = next(found.problem.id for found in problems if len(found.samples) == fewest)
        raise DataError(f"{path}: no figure for k = {too_large[0]}: problem {short} has {counted(fewest, 'sample')}. Lower --ks")
    return problems


def read_finished(
    path: Path, *, profile: Profile | None, ties: Ties, ks: Sequence[int], seed: int, graders: Graders, console: Console
) -> Finished:
    """Measure finished samples; those that bring no verdicts are graded first.

    Args:
        path: the samples.
        profile: grade all of them by it; None = take the verdicts that the file brings, grade strictly where it brings none.
        ties: how a tied vote is credited.
        ks: sizes of pass@k and maj@k; empty = powers of two.
        seed: of the bootstrap.
        graders: of that profile; the caller closes them.
        console: shows progress.

    Raises:
        DataError: the file cannot be read, or a k is larger than the number of samples.
    """
    problems = check_samples(path, ks=ks, console=console)
    fewest = min(len(found.samples) for found in problems)
    if most := max(len(found.samples) for found in problems) - fewest:
        console.warn(f"{path}: problems have {fewest} to {fewest + most} samples; figures go up to k = {fewest}")
    if profile is not None or any(found.verdicts is None for found in problems):
        console.stage("grade", total_steps=len(problems), unit="problem")
        done: list[SampledProblem] = []
        for found in graded(problems, graders):
            done.append(found)
            console.step(len(done), {})
        problems = done
        console.stage_done()
    return Finished(
        name=path.name, problems=problems, measurement=measure(problems, ks=ks, ties=ties, profile=profile or "strict", seed=seed)
    )


def error_reasons(finished: Finished) -> Counter[str]:
    """Return why samples got no verdict, with their counts."""
    return Counter(
        general_reason(found.problem, verdict.reason)
        for found in finished.problems
        for verdict in found.verdicts or ()
        if verdict.status == "error"
    )


def write_results(
    folder: Path, finished: Finished, *, facts: Mapping[str, Any], against: Finished | None = None
) -> tuple[Path, Path, Comparison | None]:
    """Write ``results.json`` and ``report.html``; return both and the comparison with another run (which is the earlier one).

    Raises:
        DataError: the two have no problem in common.
        StorageError: the disk refused.
    """
    comparison = None if against is None else compare(against.measurement, finished.measurement)
    results = results_of(finished, facts=facts, comparison=comparison, against=against)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "results.json", results)
    page = write_evaluation_page(folder / "report.html", results, _pages(finished, against))
    return folder / "results.json", page, comparison


def results_of(
    finished: Finished, *, facts: Mapping[str, Any], comparison: Comparison | None = None, against: Finished | None = None
) -> dict[str, Any]:
    """Return an evaluation as JSON-able data."""
    measured = finished.measurement
    results: dict[str, Any] = {
        "format": 1,
        "name": finished.name,
        "version": reasonforge.__version__,
        "facts": dict(facts),
        "num_problems": measured.num_problems,
        "num_samples": measured.num_samples,
        "few_problems": min(measured.num_problems, comparison.num_problems if comparison else measured.num_problems) < FEW_PROBLEMS,
        "figures": {
            name: {"value": figure.value, "bootstrap": _finite(figure.bootstrap), "closed": _finite(figure.closed)}
            for name, figure in measured.figures.items()
        },
        "shares": dict(measured.shares),
        "lengths": {"unit": measured.length_unit, **measured.lengths},
        "uses": dict(measured.uses),
        "texts": dict(measured.texts),
        "tables": {name: [{**asdict(row), "interval": _finite(row.interval)} for row in rows] for name, rows in measured.tables.items()},
    }
    if comparison is not None and against is not None:
        results["against"] = {
            "name": against.name,
            "num_problems": comparison.num_problems,
            "num_left_out": comparison.num_left_out,
            "figures": {name: figure.value for name, figure in against.measurement.figures.items()},
            "differences": {
                name: {
                    "difference": found.difference,
                    "interval": _finite((found.low, found.high)),
                    "bootstrap": _finite(found.bootstrap),
                }
                for name, found in comparison.differences.items()
            },
            "better": list(comparison.better),
            "worse": list(comparison.worse),
        }
    return results


def check_folder(folder: Path) -> None:
    """Refuse to write results among other things; results of before are replaced.

    Raises:
        RecipeError: the folder holds something else, or is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise RecipeError(f"{folder}: is a file. Name a folder with --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "results.json").exists():
        raise RecipeError(f"{folder}: not empty, and holds no evaluation. Name another folder with --out")


def _pages(finished: Finished, against: Finished | None) -> list[dict[str, Any]]:
    """Return the problems as the page shows them."""
    before = {} if against is None else against.measurement.scores["pass@1"]
    now = finished.measurement.scores["pass@1"]
    shown = []
    for found in finished.problems:
        identity, problem = found.problem.id, found.problem
        page: dict[str, Any] = {"id": identity, "question": problem.question, "gold": problem.answer, "score": now[identity]}
        page |= {name: value for name, value in (("subject", found.subject), ("level", found.level)) if value is not None}
        if identity in before:
            page["change"] = now[identity] - before[identity]
        page["samples"] = [
            {
                "text": text,
                "status": verdict.status,
                "prediction": verdict.prediction,
                "reason": verdict.reason,
                "length": None if found.lengths is None else found.lengths[i],
                "truncated": found.truncated is not None and found.truncated[i],
                "score": None if found.scores is None else found.scores[i],
            }
            for i, (text, verdict) in enumerate(zip(found.samples, found.verdicts or ()))
        ]
        shown.append(page)
    return shown


def _finite(interval: tuple[float, float]) -> list[float] | None:
    """An interval as JSON; None = it has no bounds."""
    low, high = interval
    return [low, high] if low > -1e300 and high < 1e300 else None
