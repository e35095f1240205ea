"""What a finished run suggests to type is parsed, and means this run."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from reasonforge.config.loader import load_recipe
from reasonforge.pipelines.config import Recipe
from reasonforge.pipelines.findings import next_commands
from reasonforge.runs.files import read_json
from reasonforge.runs.reader import RunReader
from reasonforge.runs.text import program_name
from tests.pipelines.conftest import Call


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished run in a folder whose name a shell would take apart."""
    shutil.copytree(finished, tmp_path / "a run; of mine")
    return tmp_path / "a run; of mine"


@pytest.fixture
def loaded(micro: Path) -> Recipe:
    return load_recipe(Recipe, [micro]).recipe


def arguments(command: str) -> list[str]:
    program = shlex.split(program_name())
    words = shlex.split(command)
    assert words[: len(program)] == program
    return words[len(program) :]


def test_what_is_suggested_shows_and_measures_the_run(
    call: Call, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: Recipe
) -> None:
    monkeypatch.chdir(tmp_path)
    show, evaluate = next_commands(RunReader(run), loaded)
    assert arguments(show) == ["show", str(run)]
    assert call(*arguments(show)).code == 0
    assert arguments(evaluate) == ["eval", str(run / "recipe.toml"), "--stage", "final", "--model", str(run / "final")]
    measured = call(*arguments(evaluate), "--out", "again")
    assert measured.code == 0, measured.err
    assert read_json(Path("again/summary.json"))["final"] == read_json(run / "summary.json")["final"]


def test_a_run_that_trained_nothing_suggests_no_evaluation(run: Path, loaded: Recipe) -> None:
    shutil.rmtree(run / "final")
    assert [arguments(command)[0] for command in next_commands(RunReader(run), loaded)] == ["show"]


def edit_settings(run: Path, **changes: object) -> None:
    path = run / "recipe.resolved.json"
    path.write_text(json.dumps(read_json(path) | changes))


def test_another_seed_is_part_of_the_suggestion(run: Path, loaded: Recipe) -> None:
    edit_settings(run, seed=9)
    assert arguments(next_commands(RunReader(run), loaded)[1])[-4:] == ["--seed", "9", "--model", str(run / "final")]


def test_a_kept_recipe_that_says_less_than_the_run_was_given_is_not_suggested(run: Path, loaded: Recipe) -> None:
    data = read_json(run / "recipe.resolved.json")["data"]
    edit_settings(run, data=data | {"heldout": data["heldout"] | {"count": 5}})
    assert len(next_commands(RunReader(run), loaded)) == 1


def test_a_kept_recipe_that_builds_on_a_file_elsewhere_is_not_suggested(run: Path, loaded: Recipe) -> None:
    recipe = run / "recipe.toml"
    recipe.write_text('extends = "elsewhere.toml"\n' + recipe.read_text())
    assert len(next_commands(RunReader(run), loaded)) == 1
