"""A recipe that is given to another kind's verb: told in a line, and only where there is no doubt."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from reasonforge.cli.main import main
from reasonforge.config.kinds import KINDS, Kind
from reasonforge.config.loader import load_recipe
from reasonforge.core.errors import RecipeError
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.pipelines.config import Recipe

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SCHEMAS: tuple[type[BaseModel], ...] = (Recipe, CorpusRecipe)
STAGES, CORPUS = KINDS

CORPUS_RECIPE = "toy/corpus.toml"
STAGE_RECIPES = ("toy/r1_zero.toml", "toy/corpus_comparison/clean.toml", "evaluation/r1.toml", "pretrain/math_mixture.toml")


def refused(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize(("kind", "schema", "other"), [(STAGES, Recipe, CorpusRecipe), (CORPUS, CorpusRecipe, Recipe)])
def test_a_kind_is_told_by_what_its_recipes_must_have_and_others_do_not_know(
    kind: Kind, schema: type[BaseModel], other: type[BaseModel]
) -> None:
    assert kind.keys == {name for name, field in schema.model_fields.items() if field.is_required() and name != "name"}
    assert not kind.keys & other.model_fields.keys()


@pytest.mark.parametrize("verb", ["run", "pretrain", "sft", "rl", "sample", "eval"])
def test_a_corpus_recipe_that_is_given_to_a_verb_of_stages_is_told_its_own_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(RECIPES / CORPUS_RECIPE)
    said = refused([verb, path, "--dry-run"], capsys)
    assert said.count("\n") == 0
    assert said.startswith("error: ")
    assert said.endswith(f"corpus.toml: this is a corpus recipe: reasonforge corpus run {said.split()[1].removesuffix(':')}")


def test_compare_tells_it_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = refused(
        ["compare", *[str(RECIPES / name) for name in (CORPUS_RECIPE, STAGE_RECIPES[0])], "--out", str(tmp_path), "--dry-run"], capsys
    )
    assert "corpus.toml: this is a corpus recipe: reasonforge corpus run" in said
    assert said.count("\n") == 0


@pytest.mark.parametrize("name", STAGE_RECIPES)
def test_a_recipe_of_stages_that_is_given_to_the_corpus_is_told_its_own_verb(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(["corpus", "run", str(RECIPES / name), "--dry-run"], capsys)
    assert f"{Path(name).name}: this is a recipe of stages: reasonforge run " in said
    assert said.count("\n") == 0


def test_what_is_told_can_be_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my corpus.toml"
    path.write_text("[rounds]\nthreshold = 0.5\n")
    said = refused(["run", str(path)], capsys)
    assert shlex.split(said.partition("recipe: ")[2]) == ["reasonforge", "corpus", "run", str(path)]


@pytest.mark.parametrize("text", ["[rounds]\n[stages]\n", 'name = "a"\n', "[classifier]\ndim = 3\n"])
def test_a_recipe_of_both_kinds_or_of_none_is_not_guessed_at(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    for schema in SCHEMAS:
        with pytest.raises(RecipeError) as error:
            load_recipe(schema, [path])
        assert "this is" not in str(error.value)


def test_a_setting_on_the_command_line_does_not_make_a_recipe_another(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(Recipe, [RECIPES / STAGE_RECIPES[0]], ["--rounds.max_rounds=2"])
    assert "command line: rounds: no such setting" in str(error.value)
