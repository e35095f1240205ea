"""A whole recipe. Torch-free: ``--help`` and ``--dry-run`` read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.core.errors import RecipeError
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.models.config import DecoderShape
from reasonforge.rewards.config import ModelReward
from reasonforge.runs.reader import POLICY_STAGES, stage_name
from reasonforge.stages.judge.config import JudgeConfig
from reasonforge.stages.label_steps.config import LabelStepsConfig
from reasonforge.stages.preference.config import PreferenceConfig
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.reward_model.config import RewardModelConfig
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.sample.config import SampleConfig
from reasonforge.stages.select.config import SelectConfig
from reasonforge.stages.sft.config import SFTConfig
from reasonforge.tasks.benchmarks.load import get_benchmark
from reasonforge.tasks.config import BenchmarkSource, DataSource, RolloutSource
from reasonforge.text.config import TemplateConfig, TokenizerConfig

START = "start"
"""Under this name a run keeps the model it begins with, beside those of its stages."""


class EvalConfig(EvaluationConfig):
    """Evaluate the model as it stands at this point of the pipeline."""

    type: Literal["eval"] = "eval"


Stage = Annotated[
    PretrainConfig
    | SFTConfig
    | RLConfig
    | EvalConfig
    | SampleConfig
    | SelectConfig
    | RewardModelConfig
    | LabelStepsConfig
    | JudgeConfig
    | PreferenceConfig,
    Field(discriminator="type"),
]

_MADE_BY = {"rollouts": ("sample", "rl", "label_steps"), "selected": ("select",), "pairs": ("judge",)}
"""Types of the stages that can have made what a table of this type reads."""
_READS = {
    "pretrain": ("problems", "shards"),
    "sft": ("problems", "rollouts"),
    "preference": ("problems", "rollouts", "pairs"),
    "reward_model": ("rollouts", "pairs", "labelled"),
    "select": ("rollouts",),
    "label_steps": ("rollouts",),
    "judge": ("rollouts",),
}
"""What a stage's own tables may hold; a type that is not named here reads problems."""


class FreshModel(Section):
    """Fresh weights of a shape, with a tokenizer made for the data."""

    type: Literal["fresh"] = "fresh"
    shape: DecoderShape = DecoderShape()
    tokenizer: TokenizerConfig
    """The vocabulary's size follows from it."""
    tokenizer_data: str | None = None
    """Data table that a ``bpe`` or ``characters`` tokenizer learns from; None = what the first stage trains on."""


class FolderModel(Section):
    """An existing Hugging Face folder (Llama 3, Qwen2.5 and Qwen3 layouts), with its tokenizer."""

    type: Literal["folder"] = "folder"
    path: Path


class RunConfig(Section):
    """How a run is recorded."""

    rollout_tokens: Literal["all", "first", "none"] = "first"
    """Whose token ids and log-probabilities are stored beside the text: all groups, the first two of a step, none."""
    track: tuple[Literal["tensorboard"], ...] = ()
    """Trackers beside metrics.jsonl."""
    export_dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the weights in ``final/``."""
    price_per_device_hour: float | None = Field(default=None, gt=0)
    """Price of an hour of the accelerator (of the machine where there is none), in your currency: the run says what it cost. DeepSeek-R1
    counts 2 dollars for an H800. None = only hours are counted."""


class Recipe(Section):
    """One recipe: the model, its text, the data, and the stages in the order they run."""

    name: str = Field(default=..., pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=0, ge=0)
    """Every draw of the run derives from it."""
    description: str = ""
    model: Annotated[FreshModel | FolderModel, Field(discriminator="type")]
    """Where the first stage starts."""
    template: TemplateConfig = TemplateConfig()
    data: dict[str, DataSource]
    stages: dict[str, Stage]
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if not self.stages:
            raise ValueError("stages: name at least one stage")
        for name in self.stages:
            stage_name(name)  # refuses what cannot name a folder
        if START in self.stages:
            raise ValueError(f"stages: {START!r} is what a run calls the model it begins with: choose another name")
        for where, name in self.data_names():
            if name not in self.data:
                raise ValueError(f"{where}: no data table named {name!r} (there are: {', '.join(self.data) or 'none'})")
        for name, stage in self.stages.items():
            for table in tables_of(stage):
                source = self.data[table]
                if not isinstance(stage, EvalConfig) and isinstance(source, BenchmarkSource) and get_benchmark(source.name).never_train:
                    raise ValueError(f"stages.{name}.data: {source.name} carries a canary, which asks that no model be trained on it")
            self._check_start(name, stage)
            self._check_artefacts(name, stage)
            self._check_reward_models(name, stage)
        return self

    def _check_start(self, name: str, stage: Stage) -> None:
        start = start_of(stage)
        earlier = [other for other in self._before(name) if self.stages[other].type in POLICY_STAGES]
        if start not in (None, START, *earlier):
            raise ValueError(
                f"stages.{name}.start: no earlier stage {start!r} trains the policy (there are: {', '.join([START, *earlier])})"
            )

    def _check_artefacts(self, name: str, stage: Stage) -> None:
        """Refuse tables that a stage cannot read, and such as are not there when it runs."""
        for where, table in named_data(stage, f"stages.{name}"):
            source = self.data[table]
            holds = source.type if source.type in ("rollouts", "pairs", "labelled", "shards") else "problems"
            reads = _READS.get(stage.type, ("problems",)) if where == f"stages.{name}.data" else ("problems",)
            if holds not in reads:
                hint = ": read their problems through a select stage" if holds == "rollouts" and "problems" in reads else ""
                raise ValueError(f"{where}: {table!r} holds {holds}, and {' or '.join(reads)} are read here{hint}")
            maker = maker_of(source)
            if maker is None:
                continue
            if maker not in self._before(name):
                raise ValueError(f"{where}: data.{table}.stage: no stage {maker!r} comes before {name}")
            kind, makers = self.stages[maker].type, _MADE_BY.get(source.type)
            if makers is not None and kind not in makers:
                raise ValueError(f"{where}: data.{table}.stage: {maker!r} is a stage of type {kind}, it must be {' or '.join(makers)}")
            if kind == "rl" and source.type == "rollouts" and self.run.rollout_tokens != "all":
                raise ValueError(f"{where}: data.{table}: stage {maker!r} must keep all its tokens: set run.rollout_tokens = 'all'")
        if isinstance(stage, PretrainConfig | RewardModelConfig | PreferenceConfig):
            stage.check_source(self.data[stage.data])
        if isinstance(stage, SelectConfig):
            source = self.data[stage.data]
            assert isinstance(source, RolloutSource)
            stage.check_source(source)
        if isinstance(stage, SFTConfig):
            stage.check_sources([self.data[table] for table in stage.data])

    def _check_reward_models(self, name: str, stage: Stage) -> None:
        """Refuse a reward model that is another kind of stage, or a stage that has not run by then."""
        for where, model in reward_models_of(stage, f"stages.{name}"):
            if ".rewards." in where and not isinstance(stage, RLConfig):
                raise ValueError(f"{where}: reward models score in rl stages; take the part out of this {stage.type} stage")
            if model in self.stages and (model not in self._before(name) or self.stages[model].type != "reward_model"):
                raise ValueError(f"{where}: {model!r} is no reward_model stage before {name}")

    def _before(self, name: str) -> list[str]:
        order = list(self.stages)
        return order[: order.index(name)]

    def data_names(self) -> Iterator[tuple[str, str]]:
        """Yield (where, name) of every reference to a data table."""
        if isinstance(self.model, FreshModel) and self.model.tokenizer_data is not None:
            yield "model.tokenizer_data", self.model.tokenizer_data
        for name, stage in self.stages.items():
            yield from named_data(stage, f"stages.{name}")

    def needs(self, name: str) -> Iterator[str]:
        """Yield the earlier stages of this run that a stage cannot do without: what it starts from and what it reads."""
        stage = self.stages[name]
        start = start_of(stage)
        if start not in (None, START):
            yield start
        for _, table in named_data(stage, ""):
            maker = maker_of(self.data[table])
            if maker is not None:
                yield maker
        yield from (model for _, model in reward_models_of(stage, "") if model in self.stages)


def tables_of(stage: Stage) -> tuple[str, ...]:
    """Return the data tables that a stage itself reads, not those of its evaluations."""
    return (stage.data,) if isinstance(stage.data, str) else tuple(stage.data)


def named_data(section: Section, where: str) -> Iterator[tuple[str, str]]:
    """Yield (where, data table) of every setting called ``data`` in a section and those below it."""
    for field in type(section).model_fields:
        value = getattr(section, field)
        if field == "data":
            yield from ((f"{where}.data", table) for table in ((value,) if isinstance(value, str) else value))
        elif isinstance(value, Section):
            yield from named_data(value, f"{where}.{field}")


def start_of(stage: Stage) -> str | None:
    """Return the name of the stage whose model a stage trains on; None = the model as it stands, or the stage trains no policy."""
    return getattr(stage, "start", None) if stage.type in POLICY_STAGES else None


def reward_models_of(stage: Stage, where: str) -> Iterator[tuple[str, str]]:
    """Yield (where, name of a stage or a folder) of every reward model that a stage scores with or trains on."""
    if isinstance(stage, RewardModelConfig) and stage.start is not None:
        yield f"{where}.start", stage.start
    if isinstance(stage, RLConfig) and stage.critic is not None and stage.critic.start != "policy":
        yield f"{where}.critic.start", stage.critic.start
    for section, place in ((stage, where), (getattr(stage, "evaluation", None), f"{where}.evaluation")):
        if isinstance(section, EvaluationConfig) and section.reward_model is not None:
            yield f"{place}.reward_model", section.reward_model
    for name, part in getattr(stage, "rewards", {}).items():
        if isinstance(part, ModelReward):
            yield f"{where}.rewards.{name}.model", part.model


def maker_of(source: DataSource) -> str | None:
    """Return the stage of this run that makes what a table reads; None = the table is no artefact, or another run's."""
    return getattr(source, "stage", None) if getattr(source, "run", None) is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line adds to a recipe."""

    out: Path | None = None
    """Run directory; None = ``runs/<recipe>-<time>-<id>``."""
    resume: bool = False
    overwrite: bool = False
    only: str | None = None
    """Run only the stages of this type; None = all."""
    stage: str | None = None
    """Run only this stage; None = all that ``only`` allows."""
    first: str | None = None
    """Begin with this stage; None = with the recipe's first."""
    last: str | None = None
    """End with this stage; None = with the recipe's last."""
    quiet: bool = False
    log: Literal["plain", "json"] = "plain"
    argv: tuple[str, ...] = ()


def select_stages(
    stages: Mapping[str, Any], *, only: str | None = None, stage: str | None = None, first: str | None = None, last: str | None = None
) -> list[str]:
    """Return the names of the stages to run, in order.

    Raises:
        RecipeError: nothing fits.
    """
    order = list(stages)
    for option, name in (("--from", first), ("--until", last)):
        if name is not None and name not in stages:
            raise RecipeError(f"{option}: no stage named {name!r} (there are: {', '.join(order)})")
    within = order[0 if first is None else order.index(first) : len(order) if last is None else order.index(last) + 1]
    names = [name for name in within if (only is None or stages[name].type == only) and (stage is None or name == stage)]
    if not names:
        raise RecipeError("no stage to run: the recipe has " + ", ".join(f"{name} ({config.type})" for name, config in stages.items()))
    return names
