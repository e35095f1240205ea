"""Plan a comparison: which stages the recipes share, which runs there are to make, how many rollouts each may draw. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasonforge.config.loader import LoadedRecipe, load_recipe
from reasonforge.core.errors import RecipeError
from reasonforge.core.ids import content_id
from reasonforge.pipelines.config import START, Recipe
from reasonforge.runs.reader import POLICY_STAGES
from reasonforge.runs.redact import redact
from reasonforge.runs.text import clean_text

START_RUN = "start"
"""The folder, within the comparison's, of the run that makes what all others begin with."""
_REFERENCES = ("start", "stage", "model")
"""Settings that can hold the name of an earlier stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What the command line asks for."""

    recipes: tuple[Path, ...]
    base: tuple[Path, ...] = ()
    """Laid under every recipe, the first one lowest."""
    settings: tuple[str, ...] = ()
    """``--key value``, laid over every recipe."""
    num_seeds: int = 3
    first_seed: int = 1
    out: Path
    rollouts: int | None = None
    """Completions each run draws; None = as the recipes say, which must agree."""
    metric: str = "eval/pass@1"
    parallel: int | None = None
    """Runs at a time; None = as many as there are cores, one where there is a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One call of ``reasonforge run``."""

    name: str
    path: Path
    arguments: tuple[str, ...]
    """What stands behind ``reasonforge run``, without the folder and how it is shown."""
    resolved: Mapping[str, Any]
    """Every setting as the run will store it."""
    stages: tuple[str, ...]
    """Those it runs."""
    recipe: int | None = None
    """Which of the compared recipes; None = the start of all."""
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One of the recipes."""

    label: str
    folder: str
    """The label as part of a folder's name."""
    description: str
    stages: tuple[str, ...]
    """Those that follow the shared ones."""
    evaluation: str | None
    """The last evaluation: its figures are compared. None = it has none, and what training logs is compared."""
    rollouts: int | None
    """Completions that a run is to draw; None = not known beforehand."""
    loaded: LoadedRecipe[Recipe]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePlan:
    """Everything there is to do."""

    options: CompareOptions
    contenders: tuple[Contender, ...]
    shared: tuple[str, ...]
    """Stages that are the same in all recipes and run once; empty = none."""
    start: PlannedRun | None
    """None = nothing is shared."""
    runs: tuple[PlannedRun, ...]
    """Recipe by recipe, seed by seed."""
    remarks: tuple[str, ...]
    """What a reader of the result should know about the plan."""

    seeds: tuple[int, ...]
    """Those asked for, and those of finished runs that lie in the folder."""


def plan_comparison(options: CompareOptions) -> ComparePlan:
    """Read the recipes and say what is to be run.

    Raises:
        RecipeError: a recipe cannot be read, or the recipes cannot be compared: they are the same, end in different evaluations, or draw
            different numbers of rollouts.
    """
    if len(options.recipes) < 2:
        raise RecipeError("compare needs two recipes or more. For example: reasonforge compare a.toml b.toml --seeds 3")
    labels = _labels(options.recipes)
    loaded = [_load(options, path, ()) for path in options.recipes]
    shared = _shared_stages([one.resolved for one in loaded])
    for one, label in zip(loaded, labels, strict=True):
        if len(shared) == len(one.recipe.stages):
            raise RecipeError(f"{label}: all of its stages are also those of every other recipe: there is nothing to compare")
    contenders = [_contender(options, path, label, one, shared) for path, label, one in zip(options.recipes, labels, loaded, strict=True)]
    _check_evaluations(contenders, options.metric)
    _check_rollouts(contenders, options.rollouts)
    start, model = _start(options, loaded[0], shared)
    asked = set(range(options.first_seed, options.first_seed + options.num_seeds))
    found = [asked | _finished_seeds(options.out, contender) for contender in contenders]
    runs = [
        _run(options, i, contender, path, seed, model, shared)
        for i, (contender, path) in enumerate(zip(contenders, options.recipes, strict=True))
        for seed in sorted(found[i])
    ]
    seeds = sorted(set.union(*found))
    return ComparePlan(
        options=options,
        contenders=tuple(contenders),
        shared=tuple(shared),
        start=start,
        runs=tuple(runs),
        seeds=tuple(seeds),
        remarks=tuple([*_remarks(contenders, shared, model), *_seed_remarks(seeds, asked)]),
    )


def planned_rollouts(stage: Mapping[str, Any]) -> int | None:
    """Return how many completions a stage draws to learn from, given all its settings; None = not known beforehand."""
    kind = stage["type"]
    if kind == "rl":
        if stage.get("dynamic_sampling") is not None and stage.get("rollout_budget") is None:
            return None
        per_step = stage["prompts_per_step"] * stage["group_size"]
        budget = stage.get("rollout_budget")
        return stage["steps"] * per_step if budget is None else min(stage["steps"], -(-budget // per_step)) * per_step
    if kind == "sample":
        return stage["num_problems"] * stage["samples"] if stage.get("num_problems") is not None else None
    if kind == "preference" and (rounds := stage.get("iterations")) is not None:
        return rounds["rounds"] * rounds["prompts"] * rounds["group_size"]
    return 0


def _load(options: CompareOptions, path: Path, more: Sequence[str]) -> LoadedRecipe[Recipe]:
    return load_recipe(Recipe, [*options.base, path], [*options.settings, *more])


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names of the recipes' files, which must tell them apart."""
    labels = [clean_text(path.stem) or "recipe" for path in paths]
    folders = [_folder(label) for label in labels]
    twice = next((label for label, folder in zip(labels, folders, strict=True) if folders.count(folder) > 1), None)
    if twice is not None:
        raise RecipeError(f"{twice}: two recipes have this name, which tells their runs apart: rename one of the files")
    return labels


def _folder(label: str) -> str:
    """A name that is safe as a folder's. None is called as the start's run."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip(".-")[:60]
    if any(char.isalnum() and not char.isascii() for char in label):
        # Letters of other scripts are lost, and names that differ in them must not become one.
        return f"{safe or 'recipe'}-{content_id(label)[:6]}"
    return safe or "recipe"


def _shared_stages(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the leading stages that are the same in all recipes, if one of them trains: what follows them can begin with their model.

    A stage whose other output (rollouts, a list of problems, a reward model) a later one reads is not among them: runs look for that in
    their own folder.
    """
    first = recipes[0]
    if any(recipe[key] != first[key] for recipe in recipes for key in ("model", "template")):
        return []
    shared: list[str] = []
    for stages in zip(*(list(recipe["stages"].items()) for recipe in recipes), strict=False):
        name, config = stages[0]
        if any(stage != (name, config) for stage in stages) or any(_data(recipe, config) != _data(first, config) for recipe in recipes):
            break
        shared.append(name)
    for recipe in recipes:
        rest = [config for name, config in recipe["stages"].items() if name not in shared]
        policies = [name for name in shared if recipe["stages"][name]["type"] in POLICY_STAGES]
        for key, name in _named([*rest, *(_data(recipe, config) for config in rest)]):
            if name in shared and not (key == "start" and policies and name == policies[-1]):
                shared = shared[: shared.index(name)]
                policies = [policy for policy in policies if policy in shared]
    trained = any(first["stages"][name]["type"] in POLICY_STAGES for name in shared)
    return shared if trained or first["model"]["type"] == "folder" else []


def _data(recipe: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The data tables that a stage names, and what a fresh model's tokenizer learns from."""
    named = {text for text in _strings(config) if text in recipe["data"]}
    if (table := recipe["model"].get("tokenizer_data")) is not None:
        named.add(table)
    return {name: recipe["data"][name] for name in sorted(named)}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)


def _named(value: Any) -> Iterator[tuple[str, str]]:
    """Yield (setting, name) of every setting that can hold the name of an earlier stage of the same run."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in _REFERENCES and isinstance(item, str) and value.get("run") is None:
                yield key, item
            else:
                yield from _named(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _named(item)


def _contender(options: CompareOptions, path: Path, label: str, loaded: LoadedRecipe[Recipe], shared: Sequence[str]) -> Contender:
    stages = tuple(name for name in loaded.recipe.stages if name not in shared)
    evaluation = next((name for name in reversed(stages) if loaded.recipe.stages[name].type == "eval"), None)
    if evaluation is None and options.metric.startswith("eval/"):
        raise RecipeError(
            f"{label}: after {stages[0]!r} it has no eval stage, whose figures could be compared: give it one, the last, or compare what "
            "training logs (--metric)"
        )
    if options.rollouts is not None:
        loaded = _load(options, path, _budget(label, loaded.resolved, stages, options.rollouts))
    counts = [planned_rollouts(loaded.resolved["stages"][name]) for name in stages]
    return Contender(
        label=label,
        folder=_folder(label),
        description=clean_text(loaded.recipe.description),
        stages=stages,
        evaluation=evaluation,
        rollouts=None if None in counts else sum(count or 0 for count in counts),
        loaded=loaded,
    )


def _budget(label: str, resolved: Mapping[str, Any], stages: Sequence[str], rollouts: int) -> list[str]:
    """Return the settings under which the stages draw so many completions."""
    counts = {name: planned_rollouts(resolved["stages"][name]) for name in stages}
    learning = [name for name in stages if resolved["stages"][name]["type"] == "rl"]
    if all(count == 0 for count in counts.values()):
        raise RecipeError(f"{label}: --rollouts {rollouts}: it draws none, so there is no equal number of them")
    others = [count for name, count in counts.items() if name not in learning]
    left = rollouts - sum(count or 0 for count in others)
    if len(learning) != 1 or None in others or left <= 0:
        return []  # how to share them out is the recipe's business; whether they come to as many is checked
    stage = resolved["stages"][learning[0]]
    steps = -(-left // (stage["prompts_per_step"] * stage["group_size"]))
    settings = [f"--stages.{learning[0]}.steps={steps}"]
    # Where steps draw as many as they need, only a budget says when it is enough.
    return [*settings, f"--stages.{learning[0]}.rollout_budget={left}"] if stage.get("dynamic_sampling") is not None else settings


def _check_evaluations(contenders: Sequence[Contender], metric: str) -> None:
    if not metric.startswith("eval/"):
        return

    def asked(contender: Contender) -> tuple[Any, Any]:
        resolved = contender.loaded.resolved
        assert contender.evaluation is not None  # for such a metric
        config = resolved["stages"][contender.evaluation]
        return config, _data(resolved, config)

    first = contenders[0]
    for other in contenders[1:]:
        if asked(other) != asked(first):
            raise RecipeError(
                f"{other.label}: its last evaluation ({other.evaluation}) is not that of {first.label} ({first.evaluation}), in settings "
                "or data: their figures cannot be compared. Give both the same"
            )


def _check_rollouts(contenders: Sequence[Contender], rollouts: int | None) -> None:
    counts = {contender.label: contender.rollouts for contender in contenders}
    listed = ", ".join(f"{label} {'unknown beforehand' if count is None else count}" for label, count in counts.items())
    if rollouts is None and len(set(counts.values())) > 1:
        raise RecipeError(f"the recipes draw different numbers of rollouts ({listed}): set one for all with --rollouts N")
    if rollouts is None:
        return
    for contender in contenders:
        count = contender.rollouts
        if count is not None and not rollouts <= count < rollouts + _coarsest(contender):
            raise RecipeError(
                f"{contender.label}: draws {count} rollouts and cannot be set to {rollouts}: its stages share them out. "
                "Change them in the recipe, or choose another --rollouts"
            )


def _coarsest(contender: Contender) -> int:
    """Completions by which a run may draw more than it was given, because a step is not cut in two."""
    stages = [contender.loaded.resolved["stages"][name] for name in contender.stages]
    return max([stage["prompts_per_step"] * stage["group_size"] for stage in stages if stage["type"] == "rl"], default=1)


def _start(options: CompareOptions, loaded: LoadedRecipe[Recipe], shared: Sequence[str]) -> tuple[PlannedRun | None, Path | None]:
    """Return the run of the shared stages and the folder of the model it leaves; None = the recipes' own."""
    if not shared:
        return None, None
    path = options.out / START_RUN
    trained = [name for name in shared if loaded.recipe.stages[name].type in POLICY_STAGES]
    arguments = (*map(str, (*options.base, options.recipes[0])), "--until", shared[-1], *options.settings)
    run = PlannedRun(
        name=START_RUN,
        path=path,
        arguments=arguments,
        resolved=redact(loaded.resolved),
        stages=tuple(shared),
        seed=loaded.recipe.seed,
    )
    return run, path / "models" / trained[-1] if trained else None


def _run(
    options: CompareOptions, index: int, contender: Contender, path: Path, seed: int, model: Path | None, shared: Sequence[str]
) -> PlannedRun:
    resolved = contender.loaded.resolved
    more = [] if options.rollouts is None else _budget(contender.label, resolved, contender.stages, options.rollouts)
    if model is not None:
        more += ["--model.type=folder", f"--model.path={model}"]
    # A stage that begins with the shared model begins with what this run starts from.
    more += [f"--stages.{name}.start={START}" for name in contender.stages if resolved["stages"][name].get("start") in shared]
    more.append(f"--seed={seed}")
    name = f"{contender.folder}-s{seed}"
    files = map(str, (*options.base, path))
    return PlannedRun(
        name=name,
        path=options.out / name,
        arguments=(*files, "--from", contender.stages[0], *options.settings, *more),
        resolved=redact(_load(options, path, more).resolved),
        stages=contender.stages,
        recipe=index,
        seed=seed,
    )


def _finished_seeds(out: Path, contender: Contender) -> set[int]:
    """Return the seeds of a recipe's runs that were finished before: fewer seeds asked for now do not take them off the page."""
    pattern = re.compile(re.escape(contender.folder) + r"-s(\d{1,18})")
    names = (pattern.fullmatch(summary.parent.name) for summary in out.glob("*/summary.json"))
    return {int(name[1]) for name in names if name is not None}


def _seed_remarks(seeds: Sequence[int], asked: set[int]) -> Iterator[str]:
    if more := [seed for seed in seeds if seed not in asked]:
        yield f"Finished runs of {'seeds' if len(more) > 1 else 'seed'} {', '.join(map(str, more))} lie in the folder and are counted too."


def _remarks(contenders: Sequence[Contender], shared: Sequence[str], model: Path | None) -> Iterator[str]:
    models = [contender.loaded.resolved["model"] for contender in contenders]
    if any(other != models[0] for other in models):
        yield "The recipes begin with different models: a difference between them may be the start's."
    elif model is None and models[0]["type"] == "fresh":
        yield "The recipes share no stage that trains: every run begins with fresh weights of its own seed."
    if shared and model is not None:
        yield f"All runs begin with one model, made once by {', '.join(shared)}."
    kinds = {
        stage["type"] for contender in contenders for name, stage in contender.loaded.resolved["stages"].items() if name in contender.stages
    }
    if "label_steps" in kinds:
        yield "What label_steps draws from steps is not counted among the rollouts: the policy does not learn from it."
    if any(contender.rollouts is None for contender in contenders):
        yield "How many rollouts a run draws is not known beforehand for all recipes; the table says how many each drew."
