"""Where problems and documents come from: the recipe sections. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from reasonforge.config.base import Section
from reasonforge.core.records import ProblemKind
from reasonforge.tasks.benchmarks.load import get_benchmark
from reasonforge.tasks.reasoning_gym_defects import REFUSED
from reasonforge.tasks.registry import get_task


class DocumentMixture(Section):
    """How a task's documents for pre-training are written."""

    think_share: float = Field(default=0.5, ge=0, le=1)
    """Share of documents that think before they answer; the others answer at once."""
    step_noise: float = Field(default=0.0, ge=0, le=1)
    """Probability that a step of a thinking document is wrong and is gone on from."""


class TaskSource(Section):
    """Problems of a procedural task: made as they are asked for, the same for the same seed on every machine."""

    type: Literal["task"] = "task"
    task: str
    """Name of the task."""
    levels: tuple[int, int] | None = None
    """Easiest and hardest level, both included; each level is equally likely. None = all levels of the task."""
    language: Literal["en", "zh"] | None = None
    """Only problems in this language. None = all that the task speaks, drawn evenly."""
    split: Literal["train", "test", "all"] = "all"
    """``train`` and ``test`` never share a problem, nor its translation, whatever the seeds: a hash decides (one in ten is for testing)."""
    count: int | None = Field(default=None, gt=0, le=200_000)
    """That many different problems. None = an endless stream, in which prompts may come again."""
    seed: int | None = Field(default=None, ge=0)
    """Fixes the problems whatever the run's seed is, as an evaluation wants. None = derived from the run's seed."""
    documents: DocumentMixture = DocumentMixture()
    """How ``pretrain`` reads this source; other stages do not look at it."""

    @model_validator(mode="after")
    def _fits_the_task(self) -> Self:
        task = get_task(self.task)
        low, high = self.levels or task.levels
        if not task.levels[0] <= low <= high <= task.levels[1]:
            raise ValueError(f"levels [{low}, {high}]: {self.task} has levels {task.levels[0]} to {task.levels[1]}, easiest first")
        if self.language is not None and self.language not in task.languages:
            raise ValueError(f"language {self.language!r}: {self.task} speaks {' and '.join(task.languages)}")
        if self.documents.step_noise and not task.step_noise:
            raise ValueError(f"documents.step_noise has no effect: {self.task} writes no wrong steps")
        if self.documents.step_noise and not self.documents.think_share:
            raise ValueError("documents.step_noise has no effect: with think_share 0 no document has steps")
        return self


class FieldMap(Section):
    """Which column of a file holds what."""

    question: str = "question"
    answer: str = "answer"
    solution: str | None = None
    """Worked solution. None = there is none (``gsm8k`` answers bring their own)."""
    id: str | None = None
    """None = the id is the hash of the question."""
    difficulty: str | None = None
    """Column of whole numbers. None = the source states no level."""
    meta: tuple[str, ...] = ()
    """Columns kept as they are: ``tests`` of problems that a program answers, and whatever a reward function of yours reads."""
    text: str = "text"
    """Text of a document, for pre-training."""


class FileSource(Section):
    """Problems or documents in JSON Lines (``.jsonl``, ``.jsonl.gz``) or Parquet (``.parquet``) files."""

    type: Literal["file"] = "file"
    path: tuple[Path, ...] = Field(default=..., min_length=1)
    """One file or several, read in this order; ``~`` is your home directory."""
    name: str | None = None
    """Name of the data set in records and reports. None = the first file's folder and name."""
    fields: FieldMap = FieldMap()
    """Which column holds what."""
    answer_format: Literal["plain", "gsm8k", "boxed"] = "plain"
    """What the answer column holds: the answer; GSM8K's worked text with ``#### N`` at its end; a text with the answer in its last box."""
    solution_ending: Literal["boxed", "hashes"] = "boxed"
    """How a ``gsm8k`` solution states its answer once read: ``\\boxed{N}`` or ``#### N``."""
    keep_calculator_marks: bool = False
    """Keep GSM8K's ``<<16-3=13>>`` marks in solutions."""
    kind: ProblemKind = "math"
    """Which rules judge the answers."""
    language: str = "en"
    """Language of the questions."""
    limit: int | None = Field(default=None, gt=0)
    """Take only so many rows, after shuffling. None = all."""
    shuffle_seed: int | None = Field(default=None, ge=0)
    """Order of the rows, the same in every run. None = the files' order."""
    duplicates: Literal["refuse", "drop"] = "refuse"
    """What becomes of rows with an id that came before."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_path_is_a_list_of_one(cls, value: Any) -> Any:
        return _as_paths(value)

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        if self.answer_format != "gsm8k":
            for name in ("solution_ending", "keep_calculator_marks"):
                # Not ``model_fields_set``: a run stores its recipe with all defaults written out, and reads it again.
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} has no effect with answer_format {self.answer_format!r}: it is about gsm8k answers")
        elif self.fields.solution is not None:
            raise ValueError("fields.solution has no effect with answer_format 'gsm8k': the answer column brings the solution")
        return self

    @property
    def source_name(self) -> str:
        """Return the data set's name."""
        return _name_of(self.path[0]) if self.name is None else self.name


class BenchmarkSource(Section):
    """A public benchmark in the files it is published in: its columns, kinds of answers and splits are known."""

    type: Literal["benchmark"] = "benchmark"
    name: str
    """Name of the benchmark; ``docs/benchmarks.md`` lists them."""
    path: Path
    """Its file, or the folder in which its files lie; ``~`` is your home directory."""
    split: str | None = None
    """Which of the folder's files (of MBPP and PubMedQA: which rows). None = the split that scores are given for; ``all`` = every row."""
    limit: int | None = Field(default=None, gt=0)
    """Take only so many rows, after shuffling. None = all."""
    shuffle_seed: int | None = Field(default=None, ge=0)
    """Order of the rows, the same in every run. None = the files' order."""

    @field_validator("name")
    @classmethod
    def _is_known(cls, value: str) -> str:
        return get_benchmark(value).name


class ReasoningGymSource(Section):
    """Problems of a task of the ``reasoning-gym`` package (an extra); answers that its scorer must see are scored in the sandbox."""

    type: Literal["reasoning_gym"] = "reasoning_gym"
    task: str
    """Name of the task, as ``reasoning_gym.create_dataset`` takes it."""
    count: int = Field(default=500, gt=0, le=100_000)
    """That many different problems."""
    config: dict[str, int | float | str | bool | list[int] | list[float] | list[str]] = Field(default_factory=dict)
    """The task's own settings."""
    split: Literal["train", "test", "all"] = "all"
    """``train`` and ``test`` never share a prompt, whatever the seeds: the hash of the prompt decides (one in ten is a test prompt)."""
    seed: int | None = Field(default=None, ge=0)
    """Fixes the problems whatever the run's seed is. None = derived from the run's seed."""

    @field_validator("task")
    @classmethod
    def _can_be_trusted(cls, value: str) -> str:
        if value in REFUSED:
            raise ValueError(f"reasoning_gym task {value!r} is refused: {REFUSED[value]}")
        return value

    @field_validator("config")
    @classmethod
    def _leaves_seed_and_size(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := {"seed", "size"} & set(value):
            raise ValueError(f"config.{min(taken)}: set seed and count of the source instead")
        return value


class RolloutSource(Section):
    """Completions that a stage drew and graded: of this recipe, or of another run."""

    type: Literal["rollouts"] = "rollouts"
    stage: str
    """A ``sample`` stage, or an ``rl`` stage of a run that keeps all tokens (``run.rollout_tokens = "all"``)."""
    run: Path | None = None
    """Folder of the run it belongs to; ``~`` is your home directory. None = this run, of which it must be an earlier stage."""
    only: Literal["correct", "wrong", "all"] = "all"
    """Which completions to take. Those that could not be graded are never taken: they say nothing."""
    pass_rate: tuple[float, float] | None = None
    """Only problems of which this share of the graded completions is right, bounds included. None = all."""
    distinct: Literal["no", "text", "equations"] = "no"
    """Take only one of a problem's completions with the same text (but for white space), or with the same list of equations (RFT)."""
    max_per_problem: int | None = Field(default=None, gt=0)
    """Take at most so many completions of a problem, after the other filters. None = all."""
    shuffle_seed: int | None = Field(default=None, ge=0)
    """Which completions ``distinct`` and ``max_per_problem`` meet first, the same in every run. None = as they were drawn."""

    @field_validator("pass_rate")
    @classmethod
    def _is_a_band(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        return checked_band(value)


class SelectedSource(Section):
    """The problems that a ``select`` stage chose: of this recipe, or of another run."""

    type: Literal["selected"] = "selected"
    stage: str
    """The ``select`` stage."""
    run: Path | None = None
    """Folder of the run it belongs to; ``~`` is your home directory. None = this run, of which it must be an earlier stage."""
    difficulty: tuple[int, int] | None = None
    """Only problems of these difficulties, bounds included. None = all."""
    limit: int | None = Field(default=None, gt=0)
    """Take only so many problems, after shuffling. None = all."""
    shuffle_seed: int | None = Field(default=None, ge=0)
    """Order of the problems, the same in every run. None = as they were chosen."""


class PairFields(Section):
    """Which column of a file of pairs holds what. A text, or a list of turns with ``role`` and ``content``."""

    prompt: str = "prompt"
    """May be missing where the responses' columns hold whole conversations: all turns but the last are the prompt then."""
    chosen: str = "chosen"
    rejected: str = "rejected"
    margin: str | None = None
    """Column of numbers. None = how much better the chosen one is is not known."""
    id: str | None = None
    """None = the id is the hash of the prompt and both responses."""


class PairSource(Section):
    """Pairs of responses of which one is preferred: from files, or as a ``judge`` stage found them. Exactly one of ``path``, ``stage``."""

    type: Literal["pairs"] = "pairs"
    path: tuple[Path, ...] = ()
    """One file or several (JSON Lines or Parquet), read in this order; ``~`` is your home directory."""
    stage: str | None = None
    """The ``judge`` stage."""
    run: Path | None = None
    """Folder of the run that stage belongs to; ``~`` is your home directory. None = this run, of which it must be an earlier stage."""
    fields: PairFields = PairFields()
    """Which column of the files holds what."""
    limit: int | None = Field(default=None, gt=0)
    """Take only so many pairs, after shuffling. None = all."""
    shuffle_seed: int | None = Field(default=None, ge=0)
    """Order of the pairs, the same in every run. None = as they stand."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_path_is_a_list_of_one(cls, value: Any) -> Any:
        return _as_paths(value)

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if bool(self.path) == (self.stage is not None):
            raise ValueError("pairs come from files (path) or from a judge stage (stage): give one of the two")
        if self.stage is None and self.run is not None:
            raise ValueError("run has no effect with path: it says whose stage is meant")
        if self.stage is not None and self.fields != PairFields():
            raise ValueError("fields has no effect with stage: it is about files")
        return self

    @property
    def source_name(self) -> str:
        """Return the data set's name."""
        return f"judge:{self.stage}" if self.stage is not None else _name_of(self.path[0])


class LabelledFields(Section):
    """Which column of a file of labelled responses holds what. A text, or a list of turns with ``role`` and ``content``."""

    prompt: str = "prompt"
    response: str = "response"
    label: str = "label"
    """Column of booleans, of numbers from 0 (bad) to 1 (good), or of words that ``good`` and ``bad`` explain."""
    id: str | None = None
    """None = the id is the hash of the prompt and the response."""


class LabelledSource(Section):
    """Responses with a label, safe or unsafe say, in JSON Lines or Parquet files."""

    type: Literal["labelled"] = "labelled"
    path: tuple[Path, ...] = Field(default=..., min_length=1)
    """One file or several, read in this order; ``~`` is your home directory."""
    fields: LabelledFields = LabelledFields()
    """Which column holds what."""
    good: tuple[str, ...] = ("safe",)
    """Words of the label column that stand for 1."""
    bad: tuple[str, ...] = ("unsafe",)
    """Words of the label column that stand for 0."""
    limit: int | None = Field(default=None, gt=0)
    """Take only so many rows, after shuffling. None = all."""
    shuffle_seed: int | None = Field(default=None, ge=0)
    """Order of the rows, the same in every run. None = the files' order."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_path_is_a_list_of_one(cls, value: Any) -> Any:
        return _as_paths(value)

    @model_validator(mode="after")
    def _words_mean_one_thing(self) -> Self:
        if both := set(self.good) & set(self.bad):
            raise ValueError(f"good and bad share the word {min(both)!r}")
        return self

    @property
    def source_name(self) -> str:
        """Return the data set's name."""
        return _name_of(self.path[0])


class ShardFolder(Section):
    """One source of a mixture: packed documents and their share."""

    path: tuple[Path, ...] = Field(default=..., min_length=1)
    """Folder that ``reasonforge corpus pack`` wrote, or several that are read as one; ``~`` is your home directory."""
    weight: float = Field(default=..., gt=0)
    """Share of the tokens, in any unit: the shares of all sources need not come to one."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_path_is_a_list_of_one(cls, value: Any) -> Any:
        return _as_paths(value)


class ShardsSource(Section):
    """Packed tokens for pre-training: one source, or several in stated shares. Exactly one of ``path``, ``sources``."""

    type: Literal["shards"] = "shards"
    path: tuple[Path, ...] = ()
    """Folder that ``reasonforge corpus pack`` wrote, or several that are read as one; ``~`` is your home directory."""
    sources: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], ShardFolder] = Field(default_factory=dict)
    """By name: folders and weight. DeepSeekMath (arXiv:2402.03300, 2.3) mixes 56 of mathematics, 4 of AlgebraicStack, 10 of arXiv, 20 of
    code and 10 of natural language."""
    max_epochs: float | None = Field(default=None, gt=0)
    """A run that would read a source more often is refused before it starts. None = it is only said how often."""
    reset_at_documents: bool = False
    """Attention and positions begin anew at every document of a window. False = a window is one stretch of text, as in the papers."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_path_is_a_list_of_one(cls, value: Any) -> Any:
        return _as_paths(value)

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if bool(self.path) == bool(self.sources):
            raise ValueError("shards come from one source (path) or from several with weights (sources): give one of the two")
        return self


def _as_paths(value: Any) -> Any:
    # A tuple: after a validator pydantic no longer knows that a list came from TOML or JSON, where a tuple is written as one.
    return (value,) if isinstance(value, str | Path) else tuple(value) if isinstance(value, list) else value


def _name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name.split('.')[0]}".lstrip("/")


def checked_band(value: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return a band of pass rates as it is.

    Raises:
        ValueError: it is none.
    """
    if value is not None and not 0 <= value[0] <= value[1] <= 1:
        raise ValueError(f"pass_rate [{value[0]:g}, {value[1]:g}]: two shares between 0 and 1, the lower first")
    return value


DataSource = Annotated[
    TaskSource
    | FileSource
    | BenchmarkSource
    | ReasoningGymSource
    | RolloutSource
    | SelectedSource
    | PairSource
    | LabelledSource
    | ShardsSource,
    Field(discriminator="type"),
]
"""A table under ``data`` of a recipe."""
