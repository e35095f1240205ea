"""``reasonforge eval --model ...``: one model on one set of problems, without a recipe."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from reasonforge.config.base import Section
from reasonforge.config.endpoint import EndpointConfig
from reasonforge.config.overrides import read_overrides
from reasonforge.config.problems import describe, find
from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.prompts import asked_problems
from reasonforge.runs.reader import policy_folder
from reasonforge.runs.text import counted, program_name
from reasonforge.tasks.config import DataSource
from reasonforge.text.config import TemplateConfig

if TYPE_CHECKING:
    from reasonforge.evaluation.folder import DrawSource, EvaluationFolder

S = TypeVar("S", bound=Section)

_ALL = 10**9
_SECTIONS = ("source", "endpoint", "template")
_SAMPLED = {"temperature": 0.6, "top_p": 0.95}
"""Of more than one sample, where nothing is said: DeepSeek-R1 (arXiv:2501.12948), appendix D.1."""
_DRAWN_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What stands on the command line beside settings."""

    model: str
    model_name: str | None
    benchmark: str | None
    data: Path | None
    task: str | None
    seed: int
    out: Path | None
    overwrite: bool
    dry_run: bool
    quiet: bool
    log: str
    argv: tuple[str, ...]


class _Problems(Section):
    """What ``--source.KEY`` sets."""

    source: DataSource


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The settings, read and checked."""

    config: EvaluationConfig
    source: Any
    """One of ``DataSource``."""
    endpoint: EndpointConfig | None
    template: TemplateConfig | None
    joined_is_open: bool
    """Nobody said whether worked examples and question are one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A model on this machine."""

    folder: Path
    """A Hugging Face folder: the model, or what says how the checkpoint's looks."""
    checkpoint: Path | None
    """Whose weights take the place of the folder's. None = the folder's own."""
    template: TemplateConfig
    """How conversations are laid out."""


def evaluate_model(options: ModelOptions, settings: Sequence[str]) -> int:
    """Draw what is missing, measure, write the folder; return the exit code.

    Raises:
        RecipeError: the options or settings cannot mean anything, or the folder holds something else.
        DataError: model or problems cannot be read.
        UnavailableError: the server or the sandbox is not there.
    """
    from reasonforge.evaluation.folder import EvaluationFolder
    from reasonforge.evaluation.job import complete, write_results
    from reasonforge.runs.console import Console
    from reasonforge.runs.signals import StopRequest
    from reasonforge.tasks.sources import load_problems

    wanted = _read(options, settings)
    place = None if wanted.endpoint is not None else _locate(options, wanted.template)
    wanted = _joined_for_base_models(wanted, place)
    loaded = load_problems(wanted.source, seed=derive_seed(options.seed, "data", wanted.config.data))
    if not isinstance(loaded, list):
        raise RecipeError("--task: an endless stream has no end to evaluate: add --source.count 200")
    problems = loaded[: wanted.config.num_problems]
    name = f"{_model_label(options)} on {wanted.config.data}"
    asked = asked_problems(problems, wanted.config)
    prompts_hash = hashlib.sha256(json.dumps([[m.role, m.content] for messages in asked for m in messages]).encode()).hexdigest()
    folder_path = options.out or Path("evals") / re.sub(r"[^A-Za-z0-9._-]+", "-", name.replace(" on ", "-"))[:100].strip("-.")
    resume = f"{program_name()} {shlex.join(argument for argument in options.argv[1:] if argument != '--overwrite')}"
    config = wanted.config
    with Console(quiet=options.quiet, log="json" if options.log == "json" else "auto") as console, StopRequest() as stop:
        console.banner(
            name,
            [
                ("folder", str(folder_path)),
                ("problems", f"{len(problems)} of {config.data}"),
                ("samples", f"{config.samples} each, temperature {config.temperature:g}, top-p {config.top_p:g}"),
                ("asked", _asked_how(config)),
                ("judged", f"profile {config.profile}"),
            ],
        )
        if options.dry_run:
            console.note(f"first question: {' / '.join(f'{m.role}: {m.content}' for m in asked[0])[:2000]}")
            console.end("this can be evaluated", [], [resume.replace(" --dry-run", "")])
            return 0
        identity = {
            "model": options.model,
            "model_name": options.model_name,
            "seed": options.seed,
            "prompts_sha256": prompts_hash,
            # How answers are measured afterwards does not change the samples.
            "evaluation": config.model_dump(mode="json", exclude={"ks", "ties", "num_problems"}),
            "template": None if wanted.template is None else wanted.template.model_dump(mode="json"),
            "api": None if wanted.endpoint is None else wanted.endpoint.api,
        }
        with (
            EvaluationFolder(folder_path, settings=identity, problems=problems, overwrite=options.overwrite) as folder,
            _source(wanted, place, options, problems, folder) as (source, facts),
        ):
            finished = complete(folder, source, problems, config, name=name, seed=options.seed, console=console, stop=stop, resume=resume)
            all_facts = {
                "model": options.model,
                "name on the server": options.model_name,
                "problems": f"{config.data}, sha256 {folder.data_hash[:16]}",
                "prompts": f"{_asked_how(config)}, sha256 {prompts_hash[:16]}",
                "sampling": f"temperature {config.temperature:g}, top-p {config.top_p:g}, at most {config.max_new_tokens} tokens",
                "grader": f"profile {config.profile}, tied votes {config.ties}",
                "seed": options.seed,
                **facts(),
            }
            results, page, _ = write_results(folder_path, finished, facts={k: v for k, v in all_facts.items() if v is not None})
        from reasonforge.cli.eval_verbs import print_figures

        print_figures(console, finished)
        rows = [("samples", str(folder.samples_path)), ("figures", str(results)), ("report", str(page))]
        rows += [(key, str(value)) for key, value in facts().items()]
        compare = f"{program_name()} eval {shlex.quote(str(folder.samples_path))} --against OTHER.jsonl"
        console.end("measured", rows, [compare])
    return 0


def _asked_how(config: EvaluationConfig) -> str:
    if config.prompt_file is not None:
        return f"by {config.prompt_file}"
    return f"style {config.style}, {counted(config.shots, 'shot')}{' joined with the question' if config.joined else ''}"


def _read(options: ModelOptions, settings: Sequence[str]) -> _Wanted:
    """Read and check the settings.

    Raises:
        RecipeError: one line for each that is wrong.
    """
    is_remote = "://" in options.model
    layer, _ = read_overrides(settings)
    given: dict[str, Any] = dict(layer.data)
    sections: dict[str, dict[str, Any]] = {}
    for name in _SECTIONS:
        section = given.pop(name, {})
        if not isinstance(section, dict):
            raise RecipeError(f"--{name}: settings of it are written --{name}.KEY VALUE")
        sections[name] = section
    source = _data_section(options, sections["source"])
    several = given.get("samples", 1) != 1
    defaults = {"data": _data_label(options), "num_problems": _ALL, "samples": 1, "max_new_tokens": 2048, "style": "cot"}
    defaults |= _SAMPLED if several else {"temperature": 0.0}
    if "task" in source:
        defaults["style"] = "question"  # tasks say themselves how to answer
    config = _validated(EvaluationConfig, {**defaults, **given})
    endpoint = None
    if is_remote:
        if options.model_name is None and "name" not in sections["endpoint"]:
            raise RecipeError("--model-name: what is the model called on that server? Servers list theirs under /v1/models")
        endpoint = _validated(
            EndpointConfig, {"url": options.model, "name": options.model_name, **sections["endpoint"]}, prefix="endpoint."
        )
        if sections["template"]:
            raise RecipeError("--template has no effect with a URL: the server lays conversations out (see --endpoint.api)")
        if config.reward_model is not None:
            raise RecipeError("--reward_model has no effect with a URL: it reads the tokens of samples, which servers keep to themselves")
    elif sections["endpoint"] or options.model_name is not None:
        raise RecipeError("--endpoint and --model-name have no effect with a model folder")
    template = _validated(TemplateConfig, sections["template"], prefix="template.") if sections["template"] else None
    return _Wanted(
        config=config,
        source=_validated(_Problems, {"source": source}).source,
        endpoint=endpoint,
        template=template,
        joined_is_open="joined" not in given,
    )


def _data_section(options: ModelOptions, section: dict[str, Any]) -> dict[str, Any]:
    if options.task is not None:
        if options.data is not None or options.benchmark is not None:
            raise RecipeError("--task makes its own problems: leave --data and --benchmark out")
        return {"type": "task", "task": options.task, "split": "test", "count": 200, "seed": options.seed, **section}
    if options.data is None:
        what = f" of {options.benchmark}" if options.benchmark else ""
        raise RecipeError(f"--data: where are the problems{what}? Name a file or the benchmark's folder, or take --task NAME")
    path = str(options.data.expanduser())
    if options.benchmark is not None:
        return {"type": "benchmark", "name": options.benchmark, "path": path, **section}
    return {"type": "file", "path": [path], **section}


def _data_label(options: ModelOptions) -> str:
    if options.benchmark or options.task:
        return str(options.benchmark or options.task)
    assert options.data is not None
    return options.data.name.split(".")[0]


def _model_label(options: ModelOptions) -> str:
    if options.model_name is not None:
        return options.model_name.rstrip("/").rpartition("/")[2]
    path = Path(options.model).expanduser()
    return path.name if path.name not in ("final", "") else path.resolve().parent.name


def _validated(schema: type[S], values: dict[str, Any], *, prefix: str = "") -> S:
    try:
        return schema.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        lines = describe(find(schema, error.errors(include_url=False)), schema, origins={}, fallback="command line")
        raise RecipeError(lines.replace("command line: ", f"command line: {prefix}")) from None


@contextmanager
def _source(
    wanted: _Wanted, place: _Place | None, options: ModelOptions, problems: Sequence[Problem], folder: EvaluationFolder
) -> Iterator[tuple[DrawSource, Any]]:
    """Open what draws the samples; yields it with a function that returns facts about what was used."""
    seed = derive_seed(options.seed, "evaluation", wanted.config.data)
    with ExitStack() as stack:
        if wanted.endpoint is not None:
            yield _remote(wanted, wanted.endpoint, problems, seed, folder, stack)
        else:
            assert place is not None
            yield _local(wanted, place, problems, seed), dict


def _remote(
    wanted: _Wanted, endpoint: EndpointConfig, problems: Sequence[Problem], seed: int, folder: EvaluationFolder, stack: ExitStack
) -> tuple[DrawSource, Any]:
    from reasonforge.evaluation.grading import open_judge
    from reasonforge.evaluation.remote import RemoteSource
    from reasonforge.sampling.http import HttpModel

    model = HttpModel(endpoint)
    judge = stack.enter_context(open_judge(wanted.config))

    def facts() -> dict[str, Any]:
        used = model.usage
        found: dict[str, Any] = {"requests now": f"{used.requests}, {used.retries} of them again"}
        found["tokens now"] = f"{used.prompt_tokens} in prompts, {used.completion_tokens} in answers"
        if endpoint.input_price or endpoint.output_price:
            found["cost now"] = f"{model.cost:.4f}"
        return found

    return RemoteSource(model, wanted.config, problems, judge, seed=seed, folder=folder), facts


def _locate(options: ModelOptions, template: TemplateConfig | None) -> _Place:
    """Find out what a path means, without reading weights.

    Raises:
        DataError: there is no model.
    """
    from reasonforge.text.tokenizer import Tokenizer

    path = Path(options.model).expanduser()
    checkpoint = path if re.fullmatch(r"step-\d{6,12}", path.name) else None
    folder = policy_folder(path) if checkpoint is None else _start_of(checkpoint)
    known = template or _run_template(folder)
    if known is None:
        known = TemplateConfig(name="plain" if Tokenizer.load(folder).chat_template is None else "chat")
    return _Place(folder=folder, checkpoint=checkpoint, template=known)


def _joined_for_base_models(wanted: _Wanted, place: _Place | None) -> _Wanted:
    """Join worked examples and question where the model knows no conversations, unless the settings say something else."""
    is_base = wanted.endpoint.api == "completions" if wanted.endpoint is not None else place is not None and place.template.name != "chat"
    if not (is_base and wanted.joined_is_open and wanted.config.shots):
        return wanted
    return replace(wanted, config=wanted.config.model_copy(update={"joined": True}))


def _local(wanted: _Wanted, place: _Place, problems: Sequence[Problem], seed: int) -> DrawSource:
    import torch

    from reasonforge.evaluation.evaluate import Evaluator, LocalSource
    from reasonforge.evaluation.reward_models import load_reward_model
    from reasonforge.models.hf import load_folder
    from reasonforge.stages.bundle import Bundle
    from reasonforge.text.layout import build_layout
    from reasonforge.text.tokenizer import Tokenizer

    torch.set_num_threads(1)  # cores share completions, not products (docs/decisions/0004-learner.md)
    decoder, tokenizer = load_folder(place.folder), Tokenizer.load(place.folder)
    if place.checkpoint is not None:
        from reasonforge.training.checkpoint import load_checkpoint

        tensors = load_checkpoint(place.checkpoint).files["learner"]
        decoder.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")})
    bundle = Bundle(
        decoder=decoder.to("cuda" if torch.cuda.is_available() else "cpu"),
        tokenizer=tokenizer,
        layout=build_layout(place.template, tokenizer),
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )
    evaluator = Evaluator(
        wanted.config,
        problems,
        tokenizer=tokenizer,
        layout=bundle.layout,
        seed=seed,
        max_context=bundle.max_context,
        reward_model=None
        if wanted.config.reward_model is None
        else load_reward_model(Path(wanted.config.reward_model).expanduser(), tokenizer, device=bundle.device),
    )
    return LocalSource(evaluator, bundle.sampler(), at_once=max(1, _DRAWN_AT_ONCE // wanted.config.samples))


def _run_of(path: Path) -> Path | None:
    """Return the run that a folder lies in; None = it lies in none."""
    return next((above for above in path.resolve().parents if (above / "run.json").is_file()), None)


def _run_template(folder: Path) -> TemplateConfig | None:
    """Return how the run of a model laid conversations out; None = it belongs to no run."""
    run = _run_of(folder)
    if run is None:
        return None
    from reasonforge.runs.files import read_json
    from reasonforge.runs.reader import RunReader

    return TemplateConfig.model_validate(read_json(RunReader(run).resolved_path).get("template", {}))


def _start_of(checkpoint: Path) -> Path:
    """Return a model folder with the shape and the tokenizer of a checkpoint.

    Raises:
        DataError: the checkpoint lies in no run, or its run names no model.
    """
    from reasonforge.runs.files import read_json
    from reasonforge.runs.reader import RunReader

    run = _run_of(checkpoint)
    if run is None:
        raise DataError(f"{checkpoint}: a checkpoint outside its run has no tokenizer. Name a checkpoint inside a run's folder")
    reader = RunReader(run)
    models = [reader.path / "models" / "start", *(reader.model_dir(stage.name) for stage in reader.info.stages)]
    given = read_json(reader.resolved_path).get("model", {}).get("path")
    models += [Path(given).expanduser()] if isinstance(given, str) else []
    found = next((folder for folder in models if folder.is_dir()), None)
    if found is None:
        raise DataError(f"{run}: this run has no model that says what its checkpoints look like")
    return found
