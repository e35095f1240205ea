"""Recipes of evaluations alone: what stands side by side is not called before and after."""

from __future__ import annotations

from pathlib import Path

from reasonforge.runs.files import read_json
from tests.pipelines.conftest import Call

TWO = """
name = "two"

[model]
type = "folder"
path = "{model}"

[data.first]
type = "task"
task = "labelled_arithmetic"
levels = [1, 1]
split = "test"
count = 2

[data.second]
type = "task"
task = "labelled_arithmetic"
levels = [2, 2]
split = "test"
count = 2

[stages.first]
type = "eval"
data = "first"
samples = 2
max_new_tokens = 6

[stages.second]
type = "eval"
data = "second"
samples = 2
max_new_tokens = 6
"""


def test_two_data_sets_are_not_before_and_after(finished: Path, tmp_path: Path, call: Call) -> None:
    recipe = tmp_path / "two.toml"
    recipe.write_text(TWO.replace("{model}", str(finished / "final")))
    found = call("eval", recipe, "--out", tmp_path / "run")
    assert found.code == 0, found.err
    assert "before" not in found.out + found.err
    summary = read_json(tmp_path / "run" / "summary.json")
    assert summary["base"] is None
    # Nothing was trained, so nothing is said of what training did.
    assert summary["notes"] == []


def test_every_evaluation_has_its_line(finished: Path, tmp_path: Path, call: Call) -> None:
    recipe = tmp_path / "two.toml"
    recipe.write_text(TWO.replace("{model}", str(finished / "final")))
    found = call("eval", recipe, "--out", tmp_path / "run")
    table = (found.out + found.err).partition("evaluations\n")[2].splitlines()
    assert [line.split()[0] for line in table[1:3]] == ["first", "second"]


def test_a_prompt_that_does_not_fit_as_it_is_asked_is_refused_before_the_run(finished: Path, tmp_path: Path, call: Call) -> None:
    recipe, prompt = tmp_path / "two.toml", tmp_path / "prompt.txt"
    prompt.write_text("1" * 30 + "{question}")
    asked = f'max_new_tokens = 6\nprompt_file = "{prompt}"'
    recipe.write_text(TWO.replace("{model}", str(finished / "final")).replace("max_new_tokens = 6", asked))
    found = call("eval", recipe, "--out", tmp_path / "run", "--dry-run")
    assert found.code == 65
    assert "2 of 2 prompts do not fit the context of 24 tokens" in found.err
