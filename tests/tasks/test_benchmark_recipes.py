"""Recipes of published evaluations: they load, ask for all of a benchmark, and have as many examples as they ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reasonforge.cli.main import main
from reasonforge.config.loader import load_recipe
from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Message, Problem
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.models.hf import save_folder
from reasonforge.pipelines.config import EvalConfig, Recipe
from reasonforge.tasks.benchmarks.load import get_benchmark
from reasonforge.tasks.config import BenchmarkSource
from reasonforge.tasks.prompts import render_benchmark_prompt
from tests.tasks.test_benchmarks import FORMS, PROGRAMS, write_lines
from tests.text.samples import bpe

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes" / "evaluation").glob("*.toml"))
recipes = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


def stages(path: Path) -> list[tuple[EvalConfig, BenchmarkSource]]:
    recipe = load_recipe(Recipe, [path]).recipe
    found = []
    for stage in recipe.stages.values():
        source = recipe.data[stage.data]
        assert isinstance(stage, EvalConfig)
        assert isinstance(source, BenchmarkSource)
        found.append((stage, source))
    return found


def test_six_recipes_ship() -> None:
    assert len(RECIPES) == 6


@recipes
def test_every_problem_of_a_benchmark_is_asked(path: Path) -> None:
    for stage, source in stages(path):
        assert stage.num_problems == get_benchmark(source.name).rows


@recipes
def test_there_are_as_many_examples_as_a_recipe_asks_for(path: Path) -> None:
    for stage, source in stages(path):
        benchmark = get_benchmark(source.name)
        problem = Problem(
            id="p",
            messages=(Message("user", "?"),),
            answer="1",
            kind=benchmark.kind,
            source=benchmark.name,
            language=benchmark.language,
            meta={"shots": benchmark.shots},
        )
        assert len(render_benchmark_prompt(problem, stage.style, stage.shots)) == 2 * stage.shots + 1


@recipes
def test_the_profile_is_that_of_the_published_figures_or_stated_with_them(path: Path) -> None:
    for stage, source in stages(path):
        assert stage.profile in {get_benchmark(source.name).profile, "qwen-math"}


@pytest.mark.parametrize("name", ["bbh", "gpqa"])
def test_no_recipe_trains_on_a_benchmark_with_a_canary(name: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'''name = "r"
model = {{ type = "folder", path = "m" }}
data = {{ train = {{ type = "benchmark", name = "{name}", path = "d" }} }}
stages = {{ rl = {{ type = "rl", data = "train", steps = 1, prompts_per_step = 1, group_size = 2, sampling = {{}} }} }}
'''
    )
    with pytest.raises(RecipeError, match=f"{name} carries a canary"):
        load_recipe(Recipe, [recipe])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a few weights with a chat template and a long context."""
    folder, tokenizer = tmp_path_factory.mktemp("model"), bpe()
    shape = DecoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        num_layers=1,
        num_heads=1,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=16,
        max_positions=40_000,
    )
    decoder = Decoder(shape)
    decoder.reset_parameters(0)
    save_folder(
        decoder,
        folder,
        dtype=torch.float32,
        eos_ids=tokenizer.stop_ids,
        bos_id=tokenizer.bos_id,
        pad_id=tokenizer.pad_id,
        write_more=tokenizer.save,
    )
    return folder


@recipes
def test_a_recipe_runs_dry_on_a_model_and_files_of_the_published_forms(
    path: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = {name: row for name, row, _, _ in [*FORMS, *PROGRAMS]}
    paths = []
    for name, source in load_recipe(Recipe, [path]).recipe.data.items():
        assert isinstance(source, BenchmarkSource)
        paths.append(f"--data.{name}.path={write_lines(tmp_path / f'{name}.jsonl', published[source.name])}")
    assert main(["eval", str(path), f"--model.path={model}", *paths, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert all(f"{stage.data} " in said for stage, _ in stages(path))
