"""The data of a recipe's stages, read and rendered as the stages would, before anything is trained. Torch-free."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Document, Message, Problem
from reasonforge.corpus.packing.manifest import Manifest
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.prompts import asked_problems
from reasonforge.models.config import DecoderConfig
from reasonforge.models.hf_config import INDEX_NAME, WEIGHTS_NAME, load_config, read_json_object
from reasonforge.pipelines.config import Recipe, Stage, maker_of, reward_models_of, tables_of
from reasonforge.pipelines.start import data_seed, decoder_config, make_tokenizer, problems_of
from reasonforge.rewards.config import AccuracyReward, OverlongPenalty
from reasonforge.runs.files import read_json
from reasonforge.stages.judge.config import EndpointJudge, FolderJudge, JudgeConfig, JudgeModel
from reasonforge.stages.preference.config import PreferenceConfig
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.pretrain.shards import ShardSteps
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.curriculum import open_pools
from reasonforge.stages.rl.scoring import ScoredStage, stage_scorer
from reasonforge.stages.sample.config import SampleConfig
from reasonforge.stages.sample.problems import problems_to_sample
from reasonforge.stages.sft.config import SFTConfig
from reasonforge.tasks.config import LabelledSource, PairSource, RolloutSource, ShardsSource
from reasonforge.tasks.pairs import load_labelled, load_pairs
from reasonforge.tasks.rollouts import load_groups
from reasonforge.tasks.sources import load_demonstrations, load_documents
from reasonforge.tasks.streams import Demonstration, ProblemStream
from reasonforge.text.layout import Layout, build_layout
from reasonforge.text.render import render_example, render_prompt
from reasonforge.text.tokenizer import Tokenizer

_SCORE = "score.weight"
"""The tensor that makes a checkpoint a reward model or a critic."""

_HEAD = 256
"""Items rendered or graded of what is too long, or endless, to look at whole."""

Checked = tuple[str, str, str]
"""(who reads it, data table, what was found)."""


class CheckedRecipe(NamedTuple):
    """A recipe that can run."""

    tokenizer: Tokenizer
    shape: DecoderConfig
    data: list[Checked]
    notes: list[str]
    """What can run, but cannot mean what it says."""


def check_recipe(recipe: Recipe, names: Sequence[str]) -> CheckedRecipe:
    """Make the tokenizer and read what the stages of these names read.

    Raises:
        DataError: data or model cannot be read, a prompt does not fit, or gold answers are not graded correct.
        RecipeError: the settings cannot work together.
    """
    _check_shards(recipe, names)
    tokenizer = make_tokenizer(recipe)
    shape = decoder_config(recipe, tokenizer)
    check = DataCheck(recipe, tokenizer, build_layout(recipe.template, tokenizer), shape)
    data = [row for name in names for row in check.stage(name, recipe.stages[name])]
    return CheckedRecipe(tokenizer, shape, data, check.notes)


def _check_shards(recipe: Recipe, names: Sequence[str]) -> None:
    """Refuse folders of shards that are not there. Before the tokenizer is read, which often comes with them: this says what makes both."""
    for table in dict.fromkeys(table for name in names for table in tables_of(recipe.stages[name])):
        source = recipe.data[table]
        if isinstance(source, ShardsSource):
            for folder in [*source.path, *(path for shards in source.sources.values() for path in shards.path)]:
                Manifest.read(folder.expanduser())


class DataCheck:
    """Reads what stages read and refuses what they would refuse, in the same words."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer, layout: Layout, shape: DecoderConfig) -> None:
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._layout = layout
        self._context = shape.max_positions
        self.notes: list[str] = []
        # Several stages read one table; its files are parsed once.
        self._problems = cache(lambda table: problems_of(recipe, table))

    def stage(self, name: str, stage: Stage) -> Iterator[Checked]:
        """Check every data table that a stage reads.

        Raises:
            DataError: data cannot be read, does not fit the context, or its reference answers are not graded correct.
            RecipeError: a task holds too few problems, or SFT would read an endless stream.
        """
        for where, model in reward_models_of(stage, name):
            if model not in self._recipe.stages and not Path(model).expanduser().is_dir():
                raise RecipeError(f"{where}: {model!r} is neither an earlier reward_model stage nor a folder")
            if model not in self._recipe.stages:
                _check_scores(where, Path(model).expanduser())
        if isinstance(stage, JudgeConfig):
            yield f"{name}.judge", "", self._judge(name, stage.judge)
        for table in tables_of(stage):
            if (waits := self._waits(table)) is not None:
                yield name, table, waits
            elif isinstance(source := self._recipe.data[table], RolloutSource):
                yield name, table, self._rollouts(source)
            else:
                yield name, table, _CHECKS[stage.type](self, name, stage, table)
        evaluation = stage.gate and stage.gate.evaluation if isinstance(stage, PretrainConfig) else getattr(stage, "evaluation", None)
        if evaluation is not None:
            where = f"{name}.gate" if isinstance(stage, PretrainConfig) else f"{name}.evaluation"
            yield where, evaluation.data, self._waits(evaluation.data) or self._evaluation(evaluation)

    def _waits(self, table: str) -> str | None:
        """Say that a table holds what a stage of this run will leave; None = it can be read now."""
        maker = maker_of(self._recipe.data[table])
        return None if maker is None else f"what {maker} leaves, read when that is there"

    def _rl(self, name: str, stage: RLConfig, table: str) -> str:
        problems = self._problems(table)
        pools = open_pools(problems, stage.curriculum, seed=0)  # refuses a curriculum that would have an empty stage
        # A list is rendered whole before the first step; a stream step by step.
        read = problems if isinstance(problems, list) else _head(problems)
        lengths = self._lengths(read, (problem.messages for problem in read))
        prompts = self._described(lengths, stage.sampling.max_new_tokens)
        self.notes += _beyond_the_context(name, stage, room=self._context - min(lengths))
        curriculum = f", curriculum of {len(pools)} stages" if stage.curriculum is not None else ""
        return f"{prompts}, {_check_rewards(stage, read[:_HEAD])}{curriculum}"

    def _sample(self, name: str, stage: SampleConfig, table: str) -> str:
        read = problems_to_sample(self._problems(table), stage, name=name)
        prompts = self._prompts(read, (problem.messages for problem in read), stage.sampling.max_new_tokens)
        return f"{prompts}, {_check_rewards(stage, read[:_HEAD])}" if stage.rewards else prompts

    def _preference(self, name: str, stage: PreferenceConfig, table: str) -> str:
        if stage.iterations is None:
            return self._judged(name, stage, table)
        problems = self._problems(table)
        read = problems if isinstance(problems, list) else _head(problems)
        prompts = self._prompts(read, (problem.messages for problem in read), stage.iterations.sampling.max_new_tokens)
        return f"{prompts}, {_check_rewards(stage.iterations.as_sampling(table), read[:_HEAD])}"

    def _judged(self, name: str, stage: Stage, table: str) -> str:
        """Read the preferred pairs or labelled responses of a file."""
        source = self._recipe.data[table]
        if isinstance(source, LabelledSource):
            return f"{len(load_labelled(source))} labelled responses"
        assert isinstance(source, PairSource)
        return f"{len(load_pairs(source, Path()))} pairs"

    def _judge(self, name: str, judge: JudgeModel) -> str:
        """Say who compares; nobody is asked before the run."""
        if isinstance(judge, EndpointJudge):
            key = "with" if os.environ.get(judge.api_key_env, "").strip() else "without"
            return f"{judge.name} at {judge.url}, {key} a key, not asked now"
        if isinstance(judge, FolderJudge):
            folder = judge.path.expanduser()
            if not folder.is_dir():
                raise RecipeError(f"{name}.judge.path: no folder {judge.path}. Name the Hugging Face folder of the model that judges.")
            _check_language_model(f"{name}.judge.path", folder)
        return f"the model in {judge.path}" if isinstance(judge, FolderJudge) else "the policy itself"

    def _rollouts(self, source: RolloutSource) -> str:
        """Read what another run left: its tokens must be this tokenizer's."""
        groups = load_groups(source, Path(), tokenizer=self._tokenizer.fingerprint)
        return f"{sum(len(group.rollouts) for group in groups)} completions of {len({group.problem.id for group in groups})} problems"

    def _evaluation(self, config: EvaluationConfig) -> str:
        problems = self._problems(config.data)
        read = problems[: config.num_problems] if isinstance(problems, list) else _head(problems, config.num_problems)
        return self._prompts(read, asked_problems(read, config), config.max_new_tokens)

    def _prompts(self, problems: Sequence[Problem], asked: Iterable[Sequence[Message]], max_new_tokens: int) -> str:
        return self._described(self._lengths(problems, asked), max_new_tokens)

    def _lengths(self, problems: Sequence[Problem], asked: Iterable[Sequence[Message]]) -> list[int]:
        """Return the length of every prompt; refuse what the context cannot hold."""
        lengths = [len(render_prompt(messages, self._tokenizer, self._layout)) for messages in asked]
        if too_long := sum(length >= self._context for length in lengths):
            worst = max(range(len(lengths)), key=lengths.__getitem__)
            raise DataError(
                f"{problems[worst].source}: {too_long} of {len(problems)} prompts do not fit the context of {self._context} tokens "
                f"(problem {problems[worst].id} has {lengths[worst]}). Filter them out or use a model with a longer context."
            )
        return lengths

    def _described(self, lengths: Sequence[int], max_new_tokens: int) -> str:
        room = self._context - max(lengths)
        short = f", room for {room} of {max_new_tokens} new tokens behind the longest" if room < max_new_tokens else ""
        return f"{len(lengths)} prompts of {_span(lengths)}{short}"

    def _texts(self, name: str, stage: PretrainConfig, table: str) -> str:
        source, seed = self._recipe.data[table], data_seed(self._recipe, table)
        if isinstance(source, ShardsSource):
            return ShardSteps(stage, source, self._tokenizer, max_context=self._context, seed=seed, where=name).described()
        items = load_documents(source, seed=seed) if stage.content == "documents" else load_demonstrations(source, seed=seed)
        if isinstance(items, list):
            # Long documents are cut at the context, and what is left of one token has nothing to predict.
            lengths = [len(self._tokens(item)) for item in items[:_HEAD]]
            if max(lengths) < 2 and all(len(self._tokens(item)) < 2 for item in items[_HEAD:]):
                raise DataError(f"{name}: none of {len(items)} documents has two tokens, so there is nothing to predict")
            return f"{len(items)} documents, the first {len(lengths)} of {_span(lengths)}, {self._longer(lengths)} cut at {self._context}"
        lengths = [len(self._tokens(items[i])) for i in range(_HEAD)]
        if max(lengths) > self._context:
            raise DataError(
                f"{name}: a document has {max(lengths)} tokens, the model's context {self._context}: "
                "raise max_positions or lower the levels"
            )
        return f"{len(lengths)} documents of {_span(lengths)}"

    def _tokens(self, item: Document | Demonstration) -> list[int]:
        if isinstance(item, Document):
            return [*self._tokenizer.encode(item.text), *self._tokenizer.stop_ids[:1]]
        return self._example(item)

    def _examples(self, name: str, stage: SFTConfig, table: str) -> str:
        source = self._recipe.data[table]
        items = load_demonstrations(source, seed=data_seed(self._recipe, table))
        count = len(items) if isinstance(items, list) else getattr(source, "count", None)
        if count is None:
            raise RecipeError(f"{name}: data {table!r} is an endless stream and has no epochs: give it a count")
        lengths = [len(self._example(items[i])) for i in range(min(count, _HEAD))]
        if min(lengths) > self._context and all(len(self._example(items[i])) > self._context for i in range(len(lengths), count)):
            raise DataError(f"{name}: none of {count} examples fits the context of {self._context} tokens")
        return f"{count} examples, the first {len(lengths)} of {_span(lengths)}, {self._longer(lengths)} too long and dropped"

    def _example(self, item: Demonstration) -> list[int]:
        messages = [*item.problem.messages, Message("assistant", item.completion)]
        return render_example(messages, self._tokenizer, self._layout).token_ids

    def _longer(self, lengths: Sequence[int]) -> int:
        return sum(length > self._context for length in lengths)


_CHECKS: dict[str, Callable[..., str]] = {
    "pretrain": DataCheck._texts,
    "sft": DataCheck._examples,
    "rl": DataCheck._rl,
    "sample": DataCheck._sample,
    "reward_model": DataCheck._judged,
    "preference": DataCheck._preference,
    "eval": lambda check, name, stage, table: check._evaluation(stage),
}
"""By type of stage: (check, its name, its settings, data table) -> what was found in a table that is no artefact."""


def _head(stream: ProblemStream, count: int = _HEAD) -> list[Problem]:
    return [stream[i] for i in range(count)]


def _span(lengths: Sequence[int]) -> str:
    return f"{min(lengths)} to {max(lengths)} tokens"


def _beyond_the_context(name: str, stage: RLConfig, *, room: int) -> Iterator[str]:
    """Say which limits no completion can reach.

    Args:
        name: of the stage.
        stage: its settings.
        room: tokens behind the shortest prompt.
    """
    longest = stage.sampling.max_new_tokens
    if longest > 2 * room:  # by how much less says nothing: the default is meant for any model
        yield f"stages.{name}.sampling.max_new_tokens is {longest}, but the model's context ends a completion at {room} tokens or sooner"
    for part, reward in stage.rewards.items():
        begins = (reward.max_tokens or longest) - reward.cache_tokens if isinstance(reward, OverlongPenalty) else 0
        if begins >= min(room, longest):
            yield f"stages.{name}.rewards.{part} begins behind {begins} tokens, but no completion is longer than {min(room, longest)}"


def _check_rewards(stage: ScoredStage, problems: Sequence[Problem]) -> str:
    with stage_scorer(stage) as scorer:
        failures = scorer.check_gold(problems)
        failed = [failure for failure in failures if failure.verdict.status in ("timeout", "error")]
        if len(failed) > stage.max_failed_share * len(problems):
            raise DataError(
                f"rewards: {len(failed)} of {len(problems)} gold answers cannot be scored; first: problem {failed[0].problem.id}, "
                f"answer {failed[0].problem.answer[:60]!r}: {failed[0].verdict.reason}"
            )
        wrong = [failure for failure in failures if failure not in failed]
        if len(wrong) > stage.max_quarantined_share * len(problems):
            problem, _, verdict = wrong[0]
            raise DataError(
                f"{problem.source}: {len(wrong)} of {len(problems)} gold answers are not graded correct; first: problem {problem.id}, "
                f"answer {problem.answer[:60]!r}: {verdict.reason or verdict.status}"
            )
        if any(isinstance(part, AccuracyReward) and part.weight for part in stage.rewards.values()):
            for problem in islice(problems, 8):
                _, verdict = scorer.score(problem, "")
                if verdict.correct:
                    raise DataError(f"{problem.source}: problem {problem.id}: an empty completion is graded correct")
    left_out = f", {len(failures)} to be left out" if failures else ""
    return f"{len(problems) - len(failures)} gold answers rewarded{left_out}, empty ones not"


def _check_scores(where: str, folder: Path) -> None:
    """Refuse a folder whose head is a vocabulary before hours are spent on what comes before it."""
    content = read_json(folder / "config.json")
    heads = content.get("architectures") if isinstance(content, Mapping) else None
    if not isinstance(heads, list) or not any(str(head).endswith("ForSequenceClassification") for head in heads):
        raise RecipeError(f"{where}: {folder} holds no reward model: its config.json names no sequence classifier")
    load_config(folder)  # refuses a shape that no decoder here has
    if _SCORE not in _tensor_names(folder):
        raise RecipeError(f"{where}: {folder} holds no {_SCORE}: this is no reward model. Give the folder that a reward_model stage wrote.")


def _check_language_model(where: str, folder: Path) -> None:
    """Refuse a folder that holds no model, or one that writes no text."""
    load_config(folder)
    if _SCORE in _tensor_names(folder):
        raise RecipeError(
            f"{where}: {folder} holds a reward model or a critic ({_SCORE}), which writes no text. Give a language model's folder."
        )


def _tensor_names(folder: Path) -> set[str]:
    """Return the names of a checkpoint's tensors, read from headers alone."""
    weights, index = folder / WEIGHTS_NAME, folder / INDEX_NAME
    if not weights.exists() and index.exists():
        return set(read_json_object(index).get("weight_map") or ())
    if not weights.exists():
        raise DataError(f"{folder}: no {WEIGHTS_NAME} and no {INDEX_NAME}. Give a folder with safetensors weights.")
    try:
        with safe_open(weights, framework="np") as opened:
            return set(opened.keys())
    except (SafetensorError, OSError) as error:
        raise DataError(f"{weights}: not a whole safetensors file ({' '.join(str(error).split())}). Download or copy it again.") from None
