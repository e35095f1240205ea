"""The verbs that judge: ``grade`` finished completions, ``eval`` a recipe, a model or finished samples."""

from __future__ import annotations

import shlex
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reasonforge.cli.arguments import Invocation
from reasonforge.cli.recipe_verbs import (
    RECIPE_VERBS,
    Debug,
    DryRun,
    Log,
    Overwrite,
    Quiet,
    Resume,
    Seed,
    Settings,
    Stage,
)
from reasonforge.core.errors import DataError, RecipeError
from reasonforge.runs.text import counted, program_name

if TYPE_CHECKING:
    from reasonforge.evaluation.job import Finished
    from reasonforge.runs.console import Console

_MODEL = "A model without a recipe"
_SAMPLES = "Finished samples"
_JUDGED = "How answers are judged and counted"
_SAMPLE_FILES = (".jsonl", ".jsonl.gz")
_OTHER_FILES = (".json", ".txt", ".csv", ".tsv", ".parquet", ".gz", ".zst", ".xz", ".bz2", ".zip", ".html")
"""Endings that are no recipe's."""
_MOST_REASONS = 8
_Profile = Literal["strict", "deepseek-math", "qwen-math", "prm800k", "bbh", "mcq"]
_Ties = Literal["expected", "first", "last"]
_Style = Literal["question", "cot", "pot", "tir"]

Profile = Annotated[
    _Profile | None,
    typer.Option(
        help="Which rules find and compare answers. Default: strict, or the verdicts that samples bring.",
        rich_help_panel=_JUDGED,
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Processes that grade. Default: one per core.", show_default=False),
]


def grade(
    context: typer.Context,
    samples: Annotated[Path, typer.Argument(metavar="SAMPLES.jsonl", help='Lines {"id", "question", "gold", "text"} or with "samples".')],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="GRADED.jsonl",
            help="Where the graded lines go; an unfinished file is gone on with. Default: SAMPLES.graded.jsonl beside the samples.",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[_Profile, typer.Option(help="Which rules find and compare answers.")] = "strict",
    workers: Workers = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew instead of going on.")] = False,
    quiet: Quiet = False,
    log: Log = "plain",
    debug: Debug = False,
) -> int:
    """Judge finished completions: every line gets status, correct, prediction and reason.

    status is correct, wrong, no_answer, timeout or error; what else a line holds stays. Interrupted or killed, the same command goes on
    where it ended. Exit code 65 says that some lines could not be read; all others are graded, and each of these has a line in the output.

    Graders also read, where a line has them: "question" (options and units stand in it), "kind" (math, where nothing is said; choice
    compares letters; code runs the tests in "meta"; logic, open), "language" (zh reads Chinese phrases too), "source" (task:NAME is judged
    by that task's own rules) and "meta" ("profile" in it takes the place of strict; "tests" are those of a program).
    """
    from reasonforge.evaluation.grade_file import grade_file
    from reasonforge.evaluation.samples import REFUSED
    from reasonforge.runs.console import Console
    from reasonforge.runs.signals import StopRequest

    invocation: Invocation = context.obj
    samples = samples.expanduser()
    _refuse_folder(samples)
    out = samples.with_name(f"{_stem(samples)}.graded.jsonl") if out is None else out.expanduser()
    resume = f"{program_name()} {shlex.join(argument for argument in invocation.argv[1:] if argument != '--overwrite')}"
    with Console(quiet=quiet, log="json" if log == "json" else "auto") as console, StopRequest() as stop:
        found = grade_file(samples, out, profile=profile, workers=workers, overwrite=overwrite, console=console, stop=stop, resume=resume)
        if count := found.num_samples:
            console.table(
                "verdicts",
                ["status", "completions", "share"],
                [[status.replace("_", " "), str(number), f"{number / count:.1%}"] for status, number in found.statuses.most_common()],
            )
            _print_errors(console, found.errors)
        if found.num_contradictions > 1:
            console.warn(f"{found.num_contradictions} lines have another reference answer than an earlier line with their id")
        graded_now = found.num_lines - found.num_found
        facts = [
            ("graded" if count else "output", str(out)),
            ("lines", f"{found.num_lines}, {graded_now} of them now, {len(found.refused)} not readable"),
        ]
        if found.refused:
            facts += [("to mend", f'the lines that are named above; each is a line with "{REFUSED}" in {out}')]
        if count:
            facts.append(("accuracy", f"{found.statuses['correct'] / count:.4f}"))
        facts.append(("seconds", f"{found.seconds:.1f}"))
        console.end("graded" if count else "nothing graded", facts, [f"{program_name()} eval {shlex.quote(str(out))}"] if count else [])
    return DataError.exit_code if found.refused else 0


def evaluate(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RECIPE | SAMPLES.jsonl]",
            help="A TOML recipe (further files are overlays), or finished samples. Neither: --model and --benchmark, --data or --task.",
            show_default=False,
        ),
    ] = None,
    stage: Stage = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            help="Folder of a run, a checkpoint or a Hugging Face model, or http://HOST:PORT/v1.",
            rich_help_panel=_MODEL,
            show_default=False,
        ),
    ] = None,
    model_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the model on the server behind the URL.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A public benchmark, its files in --data.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Problems: a benchmark's files, or .jsonl/.parquet.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Problems of a procedural task.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    num_problems: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Take so many problems, from the start. Default: all.", rich_help_panel=_MODEL, show_default=False
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Completions per problem. Default: 1, greedy.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            min=0,
            help="Default: 0 for one sample, 0.6 (and top-p 0.95) for several.",
            rich_help_panel=_MODEL,
            show_default=False,
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(metavar="P", help="Default: 1 for one sample, 0.95 for several.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Longest completion. Default: 2048.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    style: Annotated[
        _Style | None,
        typer.Option(help="How problems are asked. Default: cot; of tasks, question.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Worked examples before the question. Default: 0.", rich_help_panel=_MODEL, show_default=False
        ),
    ] = None,
    prompt_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A text with {question} in it, instead of a style.", rich_help_panel=_MODEL, show_default=False),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER.jsonl",
            help="Earlier samples of the same problems to compare with.",
            rich_help_panel=_SAMPLES,
            show_default=False,
        ),
    ] = None,
    profile: Profile = None,
    ties: Annotated[
        _Ties | None,
        typer.Option(help="How a tied majority vote is credited. Default: expected.", rich_help_panel=_JUDGED, show_default=False),
    ] = None,
    ks: Annotated[
        str | None,
        typer.Option(metavar="1,8,64", help="Sizes of pass@k and maj@k.", rich_help_panel=_JUDGED, show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Processes that grade. Default: one per core.", rich_help_panel=_SAMPLES, show_default=False),
    ] = None,
    seed: Seed = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder of the results. Default: evals/MODEL-PROBLEMS, SAMPLES.eval, or of a recipe runs/NAME-TIME-ID.",
            rich_help_panel="The run",
            show_default=False,
        ),
    ] = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    settings: Settings = False,
    quiet: Quiet = False,
    log: Log = "plain",
    debug: Debug = False,
) -> int:
    """Measure a model, finished samples, or a recipe's evaluations: pass@k, majority votes, intervals, a page to look at.

    Samples are kept as they come: interrupted or killed, the same command goes on where it ended, and nothing is drawn twice.

    With a recipe, any of its settings can follow as --key.path VALUE.
    With --model alone, any setting of an evaluation can, such as --joined true or --budget.extensions 2,
    and those of the problems (--source.KEY), the server (--endpoint.KEY) and the template (--template.KEY).
    """

    files = files or []
    invocation: Invocation = context.obj
    finished = [file for file in files if file.name.lower().endswith(_SAMPLE_FILES)]
    if strange := [file for file in files if file not in finished and file.suffix.lower() in _OTHER_FILES]:
        raise RecipeError(f"{strange[0]}: neither a recipe (.toml) nor finished samples ({', '.join(_SAMPLE_FILES)})")
    of_model = {
        "--model-name": model_name,
        "--benchmark": benchmark,
        "--data": data,
        "--task": task,
        "--prompt-file": prompt_file,
    }
    asked = {
        "num_problems": num_problems,
        "samples": samples,
        "temperature": temperature,
        "top_p": top_p,
        "max_new_tokens": max_new_tokens,
        "style": style,
        "shots": shots,
    }
    of_model |= {f"--{name.replace('_', '-')}": value for name, value in asked.items()}
    of_samples = {"--against": against, "--ks": ks, "--workers": workers}
    if finished:
        flags = {"--resume": resume or None, "--overwrite": overwrite or None, "--settings": settings or None}
        unused = {name.partition("=")[0]: True for name in invocation.settings if name.startswith("--")}
        _refuse("finished samples", {**of_model, "--model": model, "--stage": stage, **flags, **unused})
        if len(files) > 1:
            raise RecipeError(f"{files[1]}: one file of samples at a time; the one to compare with goes after --against")
        return _finished_samples(
            finished[0].expanduser(),
            against,
            profile=profile,
            ties=ties,
            ks=_numbers(ks),
            workers=workers,
            out=out,
            seed=seed,
            dry_run=dry_run,
            quiet=quiet,
            log=log,
        )
    common = [f"--{name}={value}" for name, value in (("profile", profile), ("ties", ties)) if value is not None]
    if files or settings or (resume and not model):
        _refuse("a recipe", {**of_model, **of_samples})
        if common:
            option, _, value = common[0].partition("=")
            raise RecipeError(f"{option}: in a recipe this is a setting of the stage: --stages.NAME.{option[2:]} {value}")
        folder = None if model is None else _folder(model)
        run, _ = RECIPE_VERBS["eval"]
        return run(
            context,
            files,
            stage=stage,
            model=folder,
            seed=seed,
            out=out,
            resume=resume,
            overwrite=overwrite,
            dry_run=dry_run,
            settings=settings,
            quiet=quiet,
            log=log,
        )
    if model is None:
        raise RecipeError(
            "what to evaluate? A recipe, finished samples (a .jsonl file), or --model with --benchmark, --data or --task. "
            f"For example: {program_name()} eval recipes/toy/r1_zero.toml"
        )
    _refuse("--model without a recipe", {"--against": against, "--workers": workers, "--stage": stage})
    from reasonforge.cli.evaluate_model import ModelOptions, evaluate_model

    common += [f"--{name}={value}" for name, value in asked.items() if value is not None]
    if ks is not None:
        common.append(f"--ks={list(_numbers(ks))}")
    if prompt_file is not None:
        common += [f"--prompt_file={str(prompt_file)!r}", "--style=question"]
    options = ModelOptions(
        model=model,
        model_name=model_name,
        benchmark=benchmark,
        data=data,
        task=task,
        seed=seed or 0,
        out=None if out is None else out.expanduser(),
        overwrite=overwrite,
        dry_run=dry_run,
        quiet=quiet,
        log=log,
        argv=invocation.argv,
    )
    return evaluate_model(options, [*common, *invocation.settings])


def _folder(model: str) -> Path:
    from reasonforge.runs.reader import policy_folder

    if "://" in model:
        raise RecipeError(
            f"{model}: a recipe's stages need a model folder. For a URL leave the recipe out and name --benchmark, --data or --task"
        )
    return policy_folder(Path(model).expanduser())


def _finished_samples(
    path: Path,
    against: Path | None,
    *,
    profile: _Profile | None,
    ties: _Ties | None,
    ks: tuple[int, ...],
    workers: int | None,
    out: Path | None,
    seed: int | None,
    dry_run: bool,
    quiet: bool,
    log: str,
) -> int:
    from reasonforge.evaluation.grading import Graders
    from reasonforge.evaluation.job import check_folder, check_samples, read_finished, write_results
    from reasonforge.runs.console import Console

    folder = path.with_name(f"{_stem(path)}.eval") if out is None else out.expanduser()
    check_folder(folder)
    with Console(quiet=quiet, log="json" if log == "json" else "auto") as console:
        files = [path] if against is None else [against.expanduser(), path]
        if dry_run:
            for file in files:
                problems = check_samples(file, ks=ks, console=console)
                count = sum(len(found.samples) for found in problems)
                graded = sum(len(found.samples) for found in problems if found.verdicts is not None and profile is None)
                console.note(f"{file}: {counted(len(problems), 'problem')}, {counted(count, 'sample')}, {count - graded} of them to grade")
            console.end("this can be measured", [("folder", str(folder))])
            return 0
        with Graders(profile=profile or "strict", workers=workers) as graders:
            read = [
                read_finished(file, profile=profile, ties=ties or "expected", ks=ks, seed=seed or 0, graders=graders, console=console)
                for file in files
            ]
        verdicts = f"graded by profile {profile}" if profile else "as the file brings them, else graded by profile strict"
        facts = {"samples": str(path), "verdicts": verdicts, "tied votes": ties or "expected", "seed of the bootstrap": seed or 0}
        if against is not None:
            facts["compared with"] = str(against)
        results, page, comparison = write_results(folder, read[-1], facts=facts, against=read[0] if against is not None else None)
        print_figures(console, read[-1])
        if comparison is not None:
            rows = [
                [name, f"{100 * found.difference:+.1f}", f"[{100 * found.bootstrap.low:+.1f}, {100 * found.bootstrap.high:+.1f}]"]
                for name, found in comparison.differences.items()
            ]
            console.table(f"change against {against}, in points", ["figure", "change", "95 %, paired bootstrap over problems"], rows)
            console.note(
                f"{counted(len(comparison.better), 'problem')} better, {len(comparison.worse)} worse, "
                f"{comparison.num_left_out} in one file only"
            )
            if comparison.num_problems < read[-1].measurement.num_problems:
                _note_few(console, comparison.num_problems)
        following = [] if against is not None else [f"{program_name()} eval {shlex.quote(str(path))} --against OTHER.jsonl"]
        console.end("measured", [("report", str(page)), ("figures", str(results))], following)
    return 0


def print_figures(console: Console, finished: Finished) -> None:
    """Print what an evaluation came to."""
    from reasonforge.evaluation.job import error_reasons

    measured = finished.measurement
    rows = []
    for name, figure in measured.figures.items():
        low, high = figure.bootstrap
        rows.append([name, f"{figure.value:.1%}", f"[{low:.1%}, {high:.1%}]"])
    title = f"{finished.name}: {counted(measured.num_problems, 'problem')}, {counted(measured.num_samples, 'sample')} each"
    console.table(title, ["figure", "value", "95 %, bootstrap over problems"], rows)
    shown = [[name.replace("_", " "), f"{share:.1%}"] for name, share in measured.shares.items() if share]
    for name, value in measured.uses.items():
        shown.append([name.replace("_", " "), f"{value:.4g} per sample" if name in ("tool_calls", "thinking_tokens") else f"{value:.1%}"])
    console.table("samples", ["", "share"], shown)
    _print_errors(console, error_reasons(finished))
    _note_few(console, measured.num_problems)


def _note_few(console: Console, num_problems: int) -> None:
    from reasonforge.evaluation.measure import FEW_PROBLEMS

    if num_problems < FEW_PROBLEMS:
        console.note(
            f"{counted(num_problems, 'problem')}: of fewer than {FEW_PROBLEMS}, intervals are rough and come out too narrow; the bootstrap "
            "shown here and the closed form (in the results) may disagree about a difference. Ask more problems before you believe one"
        )


def _print_errors(console: Console, reasons: Counter[str]) -> None:
    """Print why there is no verdict."""
    if not reasons:
        return
    shown = reasons.most_common(_MOST_REASONS)
    rows = [[reason or "no reason given", str(count)] for reason, count in shown]
    if rest := reasons.total() - sum(count for _, count in shown):
        rows.append(["for other reasons", str(rest)])
    console.table("errors, which are not the model's", ["reason", "completions"], rows)


def _refuse_folder(path: Path) -> None:
    if not path.is_dir():
        return
    inside = None
    with suppress(OSError):
        inside = next((file for file in sorted(path.iterdir()) if file.name.lower().endswith(_SAMPLE_FILES)), None)
    raise DataError(f"{path}: a folder, not a file" + ("" if inside is None else f". Name a file, for example {inside}"))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def _numbers(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = (0,)
    if min(numbers) < 1:
        raise RecipeError(f"--ks {text}: expected whole numbers of 1 or more, as in 1,8,64")
    return numbers


def _refuse(what: str, options: dict[str, object | None]) -> None:
    """Refuse options that have no effect here."""
    if given := [name for name, value in options.items() if value is not None]:
        raise RecipeError(f"{given[0]} has no effect with {what}. See reasonforge eval --help")
