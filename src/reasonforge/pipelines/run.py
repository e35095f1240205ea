"""Run a recipe: its stages in order, in one run directory, resumable at any point."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch

from reasonforge.config.loader import LoadedRecipe
from reasonforge.core.ids import content_id
from reasonforge.core.seeds import derive_seed
from reasonforge.models.decoder import Decoder
from reasonforge.models.hf import load_folder, save_folder
from reasonforge.pipelines.checks import check_recipe
from reasonforge.pipelines.config import START, EvalConfig, FreshModel, Recipe, RunOptions, Stage, select_stages, start_of
from reasonforge.pipelines.findings import evaluation_scores, next_commands, summary_of
from reasonforge.pipelines.resume import adopt_settings, check_settings
from reasonforge.pipelines.stages import RUN_STAGE, UNITS, StageRun
from reasonforge.pipelines.start import check_needs, decoder_config, make_tokenizer, random_start
from reasonforge.report.page import write_report
from reasonforge.runs.console import Console
from reasonforge.runs.cost import cost_text
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.info import RunSummary
from reasonforge.runs.reader import POLICY_STAGES
from reasonforge.runs.signals import StopRequest
from reasonforge.runs.trackers import TensorBoardTracker
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.select.config import SelectConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.render import stop_token_ids
from reasonforge.text.tokenizer import Tokenizer


def run_recipe(loaded: LoadedRecipe[Recipe], options: RunOptions) -> int:
    """Run the selected stages of a recipe; return the exit code.

    Raises:
        RecipeError: no stage is selected, or the run directory is taken.
        InterruptedRun: a signal came; the step was finished and saved.
    """
    recipe = loaded.recipe
    names = _selected(recipe, options)
    check_needs(recipe, names, RunDirectory.read(options.out) if options.resume and options.out is not None else None)
    # One core per product: two threads inside a small product wait for each other longer than they save. Cores share micro-batches and
    # completions instead (docs/decisions/0004-learner.md).
    torch.set_num_threads(1)
    # Nothing is made, and nothing replaced, for a recipe that a later stage would refuse.
    tokenizer = None if options.resume else check_recipe(recipe, names).tokenizer
    with Console(quiet=options.quiet, log="json" if options.log == "json" else "auto") as console, StopRequest() as stop:
        run = _open(loaded, options)
        with run:
            run.attach(console, [TensorBoardTracker() for _ in recipe.run.track])
            if options.resume:
                adopt_settings(run, loaded.resolved)
            run.plan([(name, recipe.stages[name].type) for name in names])
            if (warning := random_start(recipe, names)) is not None and not options.resume:
                run.event("random_start", warning, level="warning")
            summary = _Pipeline(recipe, run, console, stop, tokenizer).run(names)
        # After the run has ended: the page says how it ended.
        _tell(run, recipe, summary, write_report(run.path), console)
    return 0


def _selected(recipe: Recipe, options: RunOptions) -> list[str]:
    chosen = (options.only, options.stage, options.first, options.last)
    names = select_stages(recipe.stages, only=options.only, stage=options.stage, first=options.first, last=options.last)
    if options.resume and options.out is not None and chosen == (None, None, None, None):
        # ``run --resume`` goes on with what the run set out to do, whichever verb began it.
        planned = [stage.name for stage in RunDirectory.read(options.out).info.stages]
        return [name for name in names if name in planned] if planned else names
    return names


def _num_threads() -> int:
    """Return how many cores to use: ``OMP_NUM_THREADS`` where it is set, otherwise what this process may run on."""
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open(loaded: LoadedRecipe[Recipe], options: RunOptions) -> RunDirectory:
    recipe = loaded.recipe
    if options.resume:
        assert options.out is not None
        check_settings(RunDirectory.read(options.out), loaded.resolved)
        return RunDirectory.resume(options.out, argv=options.argv, resolved=loaded.resolved)
    out = options.out or Path("runs") / f"{recipe.name}-{time.strftime('%y%m%d-%H%M')}-{content_id([time.time_ns(), os.getpid()])[:4]}"
    return RunDirectory.create(
        out,
        name=out.name,
        recipe_text=loaded.text,
        resolved=loaded.resolved,
        argv=options.argv,
        seed=recipe.seed,
        overwrite=options.overwrite,
    )


class _Pipeline:
    """The stages of one recipe in one run directory."""

    def __init__(self, recipe: Recipe, run: RunDirectory, console: Console, stop: StopRequest, tokenizer: Tokenizer | None) -> None:
        self._recipe = recipe
        self._run = run
        self._console = console
        self._stop = stop
        self._tokenizer = tokenizer

    def run(self, names: list[str]) -> RunSummary:
        """Run the stages that are not done yet, write what came of it and return it."""
        left = [name for name in names if not self._run.is_done(name)]
        bundle = self._policy_before(left[0] if left else None)
        self._banner(bundle, names)
        for name in left:
            if self._stop.requested:
                raise self._stop.error(f"stopped before {name}. Go on with: {self._run.resume_command}")
            bundle = self._run_stage(name, bundle)
        return self._finish(names, bundle)

    def _policy_before(self, stage: str | None) -> Bundle:
        """Return the policy that a stage finds: of the last stage before it that trained one here. None = that which the run ended with."""
        order = list(self._recipe.stages)
        earlier = order if stage is None else order[: order.index(stage)]
        trained = [name for name in earlier if self._recipe.stages[name].type in POLICY_STAGES and self._run.is_done(name)]
        return self._load(self._run.model_dir(trained[-1])) if trained else self._start()

    def _start(self) -> Bundle:
        """Return the model the first stage starts from; fresh weights and their tokenizer are made once and kept."""
        folder = self._run.model_dir(START)
        if folder.exists():
            return self._load(folder)
        tokenizer = self._tokenizer or make_tokenizer(self._recipe)
        config = decoder_config(self._recipe, tokenizer)
        if not isinstance(self._recipe.model, FreshModel):
            return self._bundle(load_folder(self._recipe.model.path), tokenizer)
        decoder = Decoder(config)
        decoder.reset_parameters(derive_seed(self._recipe.seed, "weights"))
        bundle = self._bundle(decoder, tokenizer)
        _export(bundle, folder, dtype=torch.float32)
        return bundle

    def _load(self, folder: Path) -> Bundle:
        return self._bundle(load_folder(folder), Tokenizer.load(folder))

    def _bundle(self, decoder: Decoder, tokenizer: Tokenizer) -> Bundle:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        layout = build_layout(self._recipe.template, tokenizer)
        return Bundle(decoder=decoder.to(device), tokenizer=tokenizer, layout=layout, threads=_num_threads())

    def _run_stage(self, name: str, policy: Bundle) -> Bundle:
        """Run a stage; return the policy as it stands after it."""
        stage = self._recipe.stages[name]
        start = start_of(stage)
        bundle = policy if start is None else self._start() if start == START else self._load(self._run.model_dir(start))
        log = self._run.stage(
            name,
            total_steps=1 if isinstance(stage, EvalConfig | SelectConfig) else _num_steps(stage),
            unit=UNITS.get(stage.type, "step"),
            type=stage.type,
            rollout_tokens=self._recipe.run.rollout_tokens,
            tokenizer=bundle.tokenizer.fingerprint,
        )
        context = StageContext(name=name, run=self._run, log=log, stop=self._stop, run_seed=self._recipe.seed)
        said = RUN_STAGE[stage.type](stage, StageRun(recipe=self._recipe, bundle=bundle, context=context))
        if stage.type in POLICY_STAGES:
            _export(bundle, self._run.model_dir(name), dtype=torch.float32)
        log.done(said or "done")
        return bundle if stage.type in POLICY_STAGES else policy

    def _banner(self, bundle: Bundle, names: list[str]) -> None:
        parameters = sum(parameter.numel() for parameter in bundle.decoder.parameters())
        rows = [
            ("run", str(self._run.path)),
            ("model", f"{parameters:,} parameters, {bundle.tokenizer.vocab_size} tokens in the vocabulary, context {bundle.max_context}"),
            ("stages", " -> ".join(names)),
            ("seed", str(self._recipe.seed)),
            ("device", str(bundle.device)),
            ("sampler", bundle.sampler().backend),
        ]
        self._console.banner(self._recipe.name, rows)

    def _finish(self, names: list[str], bundle: Bundle) -> RunSummary:
        if any(self._recipe.stages[name].type in POLICY_STAGES for name in names):
            dtype = torch.bfloat16 if self._recipe.run.export_dtype == "bfloat16" else torch.float32
            _export(bundle, self._run.final_dir, dtype=dtype)
        evaluations = [name for name in names if isinstance(self._recipe.stages[name], EvalConfig)]
        summary = summary_of(self._run, self._recipe, evaluations)
        self._run.write_summary(summary)
        return summary


def _num_steps(stage: Stage) -> int | None:
    """Return the steps that a stage's settings state; None = they follow from its data."""
    steps = getattr(stage, "steps", None)
    return steps if isinstance(steps, int) else None


def _tell(run: RunDirectory, recipe: Recipe, summary: RunSummary, page: Path, console: Console) -> None:
    """Print what a finished run shows and what to type next."""
    scores = evaluation_scores(run, recipe)
    if len(scores) > (1 if summary.base is None else 2):
        console.table(*_side_by_side(scores))
    elif summary.final is not None:
        console.table(*_before_after(summary))
    for note in summary.notes:
        console.note(note)
    facts = [("run", str(run.path)), ("report", str(page)), ("seconds", f"{summary.seconds:.0f}")]
    if summary.cost is not None:
        facts.append(("cost", cost_text(summary.cost)))
    console.end("done", facts, next_commands(run, recipe))


def _before_after(summary: RunSummary) -> tuple[str, list[str], list[list[str]]]:
    """The last evaluation beside the one before training; figures that only one of them has stand there too."""
    base, final = summary.base, summary.final or {}
    after = summary.after or ""
    names: list[str] = list(dict.fromkeys([*final, *(base or {})]))
    columns = ["", after] if base is None else ["", summary.before or "", after, "change"]
    rows = []
    for name in names:
        if name.endswith("_ci"):
            continue
        cells = [_cell(final, name)]
        if base is not None:
            before, value = base.get(name), final.get(name)
            change = f"{value - before:+.3f}" if isinstance(before, int | float) and isinstance(value, int | float) else ""
            cells = [_cell(base, name), *cells, change]
        rows.append([name, *cells])
    return "held-out problems", columns, rows


def _side_by_side(scores: dict[str, dict[str, Any]]) -> tuple[str, list[str], list[list[str]]]:
    names = dict.fromkeys(name for found in scores.values() for name, value in found.items() if isinstance(value, int | float))
    return "evaluations", ["", *names], [[stage, *(_cell(found, name) for name in names)] for stage, found in scores.items()]


def _cell(scores: dict[str, Any], name: str) -> str:
    value, interval = scores.get(name), scores.get(f"{name}_ci")
    if not isinstance(value, int | float):
        return ""
    return f"{value:.3f}" if interval is None else f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _export(bundle: Bundle, folder: Path, *, dtype: torch.dtype) -> None:
    """Write a Hugging Face folder, tokenizer included."""
    tokenizer = bundle.tokenizer
    save_folder(
        bundle.decoder,
        folder,
        dtype=dtype,
        eos_ids=stop_token_ids(tokenizer, bundle.layout),
        bos_id=tokenizer.bos_id,
        pad_id=tokenizer.pad_id,
        write_more=tokenizer.save,
    )
