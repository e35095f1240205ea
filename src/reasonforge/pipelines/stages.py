"""How each type of stage is run: what it is given and what it is asked to do. A new type adds one function and one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasonforge.core.records import Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.evaluate import Evaluator
from reasonforge.evaluation.reward_models import load_reward_model
from reasonforge.pipelines.config import EvalConfig, Recipe
from reasonforge.pipelines.start import data_seed, problems_of, source_of
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.judge.config import JudgeConfig
from reasonforge.stages.judge.run import run_judge
from reasonforge.stages.label_steps.config import LabelStepsConfig
from reasonforge.stages.label_steps.run import run_label_steps
from reasonforge.stages.preference.config import PreferenceConfig
from reasonforge.stages.preference.run import run_preference
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.pretrain.run import run_pretrain
from reasonforge.stages.reward_model.config import RewardModelConfig
from reasonforge.stages.reward_model.run import run_reward_model
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.run import run_rl
from reasonforge.stages.sample.config import SampleConfig
from reasonforge.stages.sample.run import run_sample
from reasonforge.stages.select.config import SelectConfig
from reasonforge.stages.select.run import run_select
from reasonforge.stages.sft.config import SFTConfig
from reasonforge.stages.sft.run import run_sft
from reasonforge.tasks.config import DataSource, PairSource, RolloutSource
from reasonforge.tasks.streams import ProblemStream


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    """What a stage is run with."""

    recipe: Recipe
    bundle: Bundle
    """The policy as it stands, or that of the stage's ``start``; a training stage changes it in place."""
    context: StageContext

    def source(self, table: str) -> DataSource:
        """Return a data table; artefacts of this run know its folder."""
        return source_of(self.recipe, table, self.context.run.path)

    def data_seed(self, table: str) -> int:
        """Return the seed of a data table."""
        return data_seed(self.recipe, table)

    def problems(self, table: str) -> list[Problem] | ProblemStream:
        """Return the problems of a data table."""
        return problems_of(self.recipe, table, self.context.run.path)

    def model_dir(self, stage: str) -> Path:
        """Return the folder of the model that an earlier stage of this run left."""
        return self.context.run.model_dir(stage)

    def reward_model_dir(self, name: str) -> Path:
        """Return the folder of a reward model: an earlier stage's of this run, or the one that the name is the path of."""
        return self.model_dir(name) if name in self.recipe.stages else Path(name).expanduser()

    def evaluator(self, config: EvaluationConfig) -> Evaluator:
        """Return what measures a model as a section says."""
        pool = self.problems(config.data)
        size = min(config.num_problems, len(pool)) if isinstance(pool, list) else config.num_problems
        problems = [pool[i] for i in range(size)]
        seed = derive_seed(self.recipe.seed, "evaluation", config.data)
        bundle = self.bundle
        scored_by = None if config.reward_model is None else self.reward_model_dir(config.reward_model)
        return Evaluator(
            config,
            problems,
            tokenizer=bundle.tokenizer,
            layout=bundle.layout,
            seed=seed,
            max_context=bundle.max_context,
            reward_model=None if scored_by is None else load_reward_model(scored_by, bundle.tokenizer, device=bundle.device),
        )


def _pretrain(stage: PretrainConfig, at: StageRun) -> None:
    evaluator = at.evaluator(stage.gate.evaluation) if stage.gate is not None else None
    run_pretrain(stage, at.bundle, at.source(stage.data), evaluator, at.context, data_seed=at.data_seed(stage.data))


def _sft(stage: SFTConfig, at: StageRun) -> None:
    run_sft(stage, at.bundle, [(at.source(table), at.data_seed(table)) for table in stage.data], at.context)


def _rl(stage: RLConfig, at: StageRun) -> None:
    evaluator = at.evaluator(stage.evaluation) if stage.evaluation is not None else None
    run_rl(stage, at.bundle, at.problems(stage.data), evaluator, at.context, model_dir=at.reward_model_dir)


def _sample(stage: SampleConfig, at: StageRun) -> str:
    return run_sample(stage, at.bundle, at.problems(stage.data), at.context)


def _select(stage: SelectConfig, at: StageRun) -> str:
    return run_select(stage, at.source(stage.data), at.context)


def _reward_model(stage: RewardModelConfig, at: StageRun) -> None:
    start = None if stage.start is None else at.reward_model_dir(stage.start)
    run_reward_model(stage, at.bundle, at.source(stage.data), at.context, start=start)


def _label_steps(stage: LabelStepsConfig, at: StageRun) -> str:
    source = at.source(stage.data)
    assert isinstance(source, RolloutSource)  # the recipe was checked
    return run_label_steps(stage, at.bundle, source, at.context)


def _judge(stage: JudgeConfig, at: StageRun) -> str:
    source = at.source(stage.data)
    assert isinstance(source, RolloutSource)  # the recipe was checked
    return run_judge(stage, source, at.bundle, at.context)


def _preference(stage: PreferenceConfig, at: StageRun) -> None:
    if stage.iterations is not None:
        run_preference(stage, at.bundle, at.context, problems=at.problems(stage.data))
        return
    source = at.source(stage.data)
    assert isinstance(source, RolloutSource | PairSource)  # the recipe was checked
    run_preference(stage, at.bundle, at.context, source=source)


def _evaluate(stage: EvalConfig, at: StageRun) -> str:
    evaluator = at.evaluator(stage)
    found = evaluator.evaluate(at.bundle.sampler())
    at.context.run.write_evaluation(at.context.name, found.groups, {**found.metrics, "pass@1_ci": found.pass1_interval})
    at.context.log.metrics(1, {f"eval/{metric}": value for metric, value in found.metrics.items()})
    return f"{evaluator.num_problems} problems, {stage.samples} samples each"


RUN_STAGE: dict[str, Callable[[Any, StageRun], str | None]] = {
    "pretrain": _pretrain,
    "sft": _sft,
    "rl": _rl,
    "sample": _sample,
    "select": _select,
    "reward_model": _reward_model,
    "label_steps": _label_steps,
    "judge": _judge,
    "preference": _preference,
    "eval": _evaluate,
}
"""By type: does the whole stage, and returns what to say of it; None = it is done."""

UNITS = {"eval": "evaluation", "judge": "file", "label_steps": "batch", "sample": "file", "select": "selection"}
"""What a step of a stage is called, where it is not a step."""
