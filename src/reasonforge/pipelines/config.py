"""A whole recipe. Torch-free: ``--help`` and ``--dry-run`` read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.core.errors import RecipeError
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.models.config import DecoderShape
from reasonforge.runs.reader import stage_name
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.sft.config import SFTConfig
from reasonforge.tasks.benchmarks.load import get_benchmark
from reasonforge.tasks.config import BenchmarkSource, DataSource
from reasonforge.text.config import TemplateConfig, TokenizerConfig

START = "start"
"""Under this name a run keeps the model it begins with, beside those of its stages."""


class EvalConfig(EvaluationConfig):
    """Evaluate the model as it stands at this point of the pipeline."""

    type: Literal["eval"] = "eval"


Stage = Annotated[PretrainConfig | SFTConfig | RLConfig | EvalConfig, Field(discriminator="type")]


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
            source = self.data[stage.data]
            if not isinstance(stage, EvalConfig) and isinstance(source, BenchmarkSource) and get_benchmark(source.name).never_train:
                raise ValueError(f"stages.{name}.data: {source.name} carries a canary, which asks that no model be trained on it")
        return self

    def data_names(self) -> Iterator[tuple[str, str]]:
        """Yield (where, name) of every reference to a data table."""
        if isinstance(self.model, FreshModel) and self.model.tokenizer_data is not None:
            yield "model.tokenizer_data", self.model.tokenizer_data
        for name, stage in self.stages.items():
            yield f"stages.{name}.data", stage.data
            if isinstance(stage, PretrainConfig) and stage.gate is not None:
                yield f"stages.{name}.gate.evaluation.data", stage.gate.evaluation.data
            if isinstance(stage, RLConfig) and stage.evaluation is not None:
                yield f"stages.{name}.evaluation.data", stage.evaluation.data


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
    quiet: bool = False
    log: Literal["plain", "json"] = "plain"
    argv: tuple[str, ...] = ()


def select_stages(stages: dict[str, Any], *, only: str | None, stage: str | None) -> list[str]:
    """Return the names of the stages to run, in order.

    Raises:
        RecipeError: nothing fits.
    """
    names = [name for name, config in stages.items() if (only is None or config.type == only) and (stage is None or name == stage)]
    if not names:
        raise RecipeError("no stage to run: the recipe has " + ", ".join(f"{name} ({config.type})" for name, config in stages.items()))
    return names
