"""What a recipe starts from. Torch-free: a dry run makes the tokenizer and reads the data for real."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from reasonforge.core.records import Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.models.config import DecoderConfig
from reasonforge.models.hf_config import load_config
from reasonforge.pipelines.config import FreshModel, Recipe
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.sft.config import SFTConfig
from reasonforge.tasks.config import TaskSource
from reasonforge.tasks.registry import get_task
from reasonforge.tasks.sources import load_documents, load_problems
from reasonforge.tasks.streams import ProblemStream
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer

_STREAM_TEXTS = 20_000
"""Documents of an endless stream that a tokenizer learns from."""


def data_seed(recipe: Recipe, table: str) -> int:
    """Return the seed of a data table: every stage that reads the table reads the same data."""
    return derive_seed(recipe.seed, "data", table)


def problems_of(recipe: Recipe, table: str) -> list[Problem] | ProblemStream:
    """Return the problems of a data table."""
    return load_problems(recipe.data[table], seed=data_seed(recipe, table))


def make_tokenizer(recipe: Recipe) -> Tokenizer:
    """Return the tokenizer of the recipe's start: the folder's, or one made for the data."""
    model = recipe.model
    if not isinstance(model, FreshModel):
        return Tokenizer.load(model.path)
    first = next(iter(recipe.stages.values()))
    table = model.tokenizer_data or first.data
    source = recipe.data[table]
    if isinstance(model.tokenizer, CharacterTokenizer) and isinstance(source, TaskSource):
        # A task knows its alphabet; a sample of its text could miss a rare character.
        return build_tokenizer(model.tokenizer, alphabet=get_task(source.task).alphabet())
    reads_text = isinstance(first, PretrainConfig) and first.content == "documents" and first.data == table
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
