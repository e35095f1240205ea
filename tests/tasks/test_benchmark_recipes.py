"""Recipes of published evaluations: they load, ask for all of a benchmark, and have as many examples as they ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.config.loader import load_recipe
from reasonforge.core.records import Message, Problem
from reasonforge.pipelines.config import EvalConfig, Recipe
from reasonforge.tasks.benchmarks.load import get_benchmark
from reasonforge.tasks.config import BenchmarkSource
from reasonforge.tasks.prompts import render_benchmark_prompt

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
