"""What a recipe starts from. Torch-free: a dry run makes the tokenizer and reads the data for real."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.models.config import DecoderConfig
from reasonforge.models.hf_config import load_config
from reasonforge.pipelines.config import FreshModel, Recipe, maker_of, tables_of
from reasonforge.runs.reader import RunReader
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.sft.config import SFTConfig
from reasonforge.tasks.config import DataSource, ShardsSource, TaskSource
from reasonforge.tasks.registry import get_task
from reasonforge.tasks.sources import load_documents, load_problems
from reasonforge.tasks.streams import ProblemStream
from reasonforge.text.config import CharacterTokenizer, FolderTokenizer
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer

_STREAM_TEXTS = 20_000
"""Documents of an endless stream that a tokenizer learns from."""


def data_seed(recipe: Recipe, table: str) -> int:
    """Return the seed of a data table: every stage that reads the table reads the same data."""
    return derive_seed(recipe.seed, "data", table)


def source_of(recipe: Recipe, table: str, run: Path | None = None) -> DataSource:
    """Return a data table; one that reads what a stage of this run left says in which folder: ``run``."""
    source = recipe.data[table]
    return source if maker_of(source) is None or run is None else source.model_copy(update={"run": run})


def problems_of(recipe: Recipe, table: str, run: Path | None = None) -> list[Problem] | ProblemStream:
    """Return the problems of a data table; ``run`` is the folder of the run that reads it."""
    return load_problems(source_of(recipe, table, run), seed=data_seed(recipe, table))


def check_needs(recipe: Recipe, names: Sequence[str], run: RunReader | None) -> None:
    """Refuse to run stages that need another one which is neither among them nor done.

    Args:
        recipe: the recipe.
        names: the stages to run.
        run: the run that goes on; None = a new one.

    Raises:
        RecipeError: naming the first such stage.
    """
    done = [] if run is None else [stage.name for stage in run.info.stages if stage.state == "done"]
    for name in names:
        for needed in recipe.needs(name):
            if needed not in names and needed not in done:
                where = "it has not run here" if run is None else f"it is not done in {run.path}"
                raise RecipeError(
                    f"stages.{name} needs stage {needed!r}, and {where}: run it too, or continue a run that has it (--resume)"
                )


def make_tokenizer(recipe: Recipe) -> Tokenizer:
    """Return the tokenizer of the recipe's start: the folder's, or one made for the data."""
    model = recipe.model
    if not isinstance(model, FreshModel):
        return Tokenizer.load(model.path)
    if isinstance(model.tokenizer, FolderTokenizer):
        return Tokenizer.load(Path(model.tokenizer.path).expanduser())
    first = next(iter(recipe.stages.values()))
    table = model.tokenizer_data or tables_of(first)[0]
    source = recipe.data[table]
    if isinstance(source, ShardsSource):
        raise RecipeError(
            f"model.tokenizer: no tokenizer can be learned from data {table!r}, which is packed: "
            'take the one that packed it, model.tokenizer = {type = "folder", path = ...}'
        )
    if isinstance(model.tokenizer, CharacterTokenizer) and isinstance(source, TaskSource):
        # A task knows its alphabet; a sample of its text could miss a rare character.
        return build_tokenizer(model.tokenizer, alphabet=get_task(source.task).alphabet())
    reads_text = isinstance(first, PretrainConfig) and first.content == "documents" and tables_of(first)[0] == table
    return build_tokenizer(model.tokenizer, texts=_document_texts(recipe, table) if reads_text else _problem_texts(recipe, table))


def decoder_config(recipe: Recipe, tokenizer: Tokenizer) -> DecoderConfig:
    """Return the shape of the recipe's start with its vocabulary."""
    model = recipe.model
    if isinstance(model, FreshModel):
        return DecoderConfig(**model.shape.model_dump(), vocab_size=tokenizer.vocab_size)
    config = load_config(model.path)
    tokenizer.check_fits(config.vocab_size)
    return config


def random_start(recipe: Recipe, names: Sequence[str]) -> str | None:
    """Say that the first of the stages would work on random weights; None = it trains them from text, or the model is an existing one."""
    first = recipe.stages[names[0]]
    if not isinstance(recipe.model, FreshModel) or isinstance(first, PretrainConfig | SFTConfig):
        return None
    return f"{names[0]} begins with random weights, since the recipe's model is fresh: name a trained one with --model FOLDER"


def _document_texts(recipe: Recipe, table: str) -> Iterator[str]:
    documents = load_documents(recipe.data[table], seed=data_seed(recipe, table))
    if isinstance(documents, list):
        return (document.text for document in documents)
    return (documents[i].text for i in range(_STREAM_TEXTS))


def _problem_texts(recipe: Recipe, table: str) -> Iterator[str]:
    problems = problems_of(recipe, table)
    chosen = problems if isinstance(problems, list) else (problems[i] for i in range(_STREAM_TEXTS))
    for problem in islice(chosen, None):
        yield problem.question
        yield problem.solution if problem.solution is not None else problem.answer
