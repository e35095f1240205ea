"""Each verb hands the right recipe and the right options down."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reasonforge
from reasonforge.cli.main import STAGES_WITHOUT_VERB
from reasonforge.cli.recipe_verbs import RECIPE_VERBS
from reasonforge.pipelines.stages import RUN_STAGE
from tests.cli.conftest import RECIPE, Pipelines
from tests.config.schema import Recipe
from tests.runs.fabricate import new_run

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(("verb", "only"), [("run", None), ("pretrain", "pretrain"), ("sft", "sft"), ("rl", "rl"), ("eval", "eval")])
def test_each_recipe_verb_runs_the_stages_of_its_kind(call: Call, pipelines: Pipelines, verb: str, only: str | None) -> None:
    code, _, errors = call(verb, "x.toml")
    assert (code, errors) == (0, "")
    assert pipelines.options.only == only
    assert pipelines.options.argv == ("reasonforge", verb, "x.toml")


def test_options_and_settings_reach_the_run_in_any_order(call: Call, pipelines: Pipelines) -> None:
    Path("over.toml").write_text("[stages.rl]\nsteps = 7\n")
    arguments = "--stages.rl.group_size 4 x.toml --out runs/o --seed 5 over.toml --quiet --log json --overwrite --stage rl --name=b"
    code, _, errors = call("rl", *arguments.split())
    assert (code, errors) == (0, "")
    options, recipe = pipelines.options, pipelines.loaded.recipe
    assert (options.out, options.overwrite, options.quiet, options.log, options.stage) == (Path("runs/o"), True, True, "json", "rl")
    assert (recipe.seed, recipe.name, recipe.stages["rl"].group_size, recipe.stages["rl"].steps) == (5, "b", 4, 7)
    assert pipelines.loaded.origins["seed"] == "command line"


def test_a_dry_run_plans_and_does_not_run(call: Call, pipelines: Pipelines) -> None:
    code, _, _ = call("rl", "x.toml", "--dry-run", "--stage", "rl", "--out", "o")
    assert code == 0
    planned = pipelines.planned
    assert (planned.only, planned.stage, planned.out) == ("rl", "rl", Path("o"))
    assert planned.argv == ("reasonforge", "rl", "x.toml", "--dry-run", "--stage", "rl", "--out", "o")
    assert pipelines.options is None


def test_resume_without_a_recipe_reads_the_one_in_the_run_folder(call: Call, pipelines: Pipelines) -> None:
    assert call("run", "x.toml", "--seed", "3")[0] == 0
    run = Path("runs/a")
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "recipe.toml").write_text(RECIPE)
    (run / "recipe.resolved.json").write_text(json.dumps(pipelines.loaded.resolved))
    code, _, errors = call("run", "--resume", "--out", "runs/a")
    assert (code, errors) == (0, "")
    assert pipelines.options.resume
    assert pipelines.loaded.recipe.seed == 3
    assert pipelines.loaded.text == RECIPE


def test_model_replaces_the_model_table(call: Call, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch) -> None:
    class WithModel(Recipe):
        model: dict[str, str]

    monkeypatch.setattr(sys.modules["reasonforge.pipelines.config"], "Recipe", WithModel)
    monkeypatch.setenv("HOME", "/home/somebody")
    Path("x.toml").write_text(RECIPE + "[model]\ntype = 'fresh'\nshape = 'small'\n")
    assert call("rl", "x.toml", "--model", "~/m")[0] == 0
    assert pipelines.loaded.recipe.model == {"type": "folder", "path": "/home/somebody/m"}


def test_a_run_stands_for_its_final_model(call: Call, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch) -> None:
    class WithModel(Recipe):
        model: dict[str, str]

    monkeypatch.setattr(sys.modules["reasonforge.pipelines.config"], "Recipe", WithModel)
    Path("x.toml").write_text(RECIPE + "[model]\ntype = 'fresh'\nshape = 'small'\n")
    with new_run(Path("runs/a")):
        Path("runs/a/final").mkdir()
    assert call("rl", "x.toml", "--model", "runs/a")[0] == 0
    assert pipelines.loaded.recipe.model["path"] == "runs/a/final"


@pytest.mark.parametrize("out", ["~/runs/x", "--out=~/runs/x"])
def test_a_home_folder_is_expanded(call: Call, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    call("rl", "x.toml", *([out] if out.startswith("--") else ["--out", out]))
    assert pipelines.options.out == Path("/home/somebody/runs/x")


def test_the_exit_code_of_a_run_is_the_exit_code_of_the_program(call: Call, pipelines: Pipelines) -> None:
    pipelines.act = lambda: 3
    assert call("run", "x.toml")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("rl", "no recipe given. For example: reasonforge rl recipes/toy/r1_zero.toml"),
        ("rl y.toml", "y.toml: no such file. Did you mean x.toml?"),
        ("rl x.toml --sed 1", "--sed: no such option. Did you mean --seed?"),
        ("rl x.toml --seed z", "Invalid value for '--seed'"),
        ("rl x.toml --seed -1", "Invalid value for '--seed'"),
        ("rl x.toml --log xml", "Invalid value for '--log'"),
        ("rl x.toml --out", "Option '--out' requires an argument."),
        ("rl x.toml --resume", "--resume: which run? Name its folder with --out DIR"),
        ("rl x.toml --resume --overwrite --out o", "--resume continues a run and --overwrite replaces it: choose one"),
        ("rl x.toml --stages.rl.step 1", "command line: stages.rl.step: no such setting. Did you mean stages.rl.steps?"),
        ("rl x.toml --stages.rll.steps 1", "command line: stages.rll: needs a type. Choices: "),
        ("rl x.toml --stages.rl.steps", "command line: --stages.rl.steps: needs a value"),
        ("lr x.toml", "No such command 'lr'."),
        (
            "preference x.toml",
            "preference is a type of stage and no verb. Run one stage of a recipe with: reasonforge run RECIPE --stage ",
        ),
        ("shw", "No such command 'shw'. Did you mean 'show'?"),
        ("show", "Missing argument 'RUN'."),
        ("doctor --dep", "No such option"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(call: Call, pipelines: Pipelines, arguments: str, line: str) -> None:
    code, out, errors = call(*arguments.split())
    assert (code, out) == (2, "")
    assert errors.startswith(f"error: {line}")
    assert errors.count("\n") == 1


def test_every_problem_of_a_recipe_has_its_own_error_line(call: Call, pipelines: Pipelines) -> None:
    Path("x.toml").write_text("nam = 1\n")
    code, _, errors = call("run", "x.toml")
    assert code == 2
    assert errors.splitlines() == ["error: x.toml: name: must be set: text", "error: x.toml:1: nam: no such setting. Did you mean name?"]


def test_a_misspelt_stage_points_at_the_one_that_was_meant(call: Call, pipelines: Pipelines) -> None:
    assert call("rl", "x.toml", "--stages.rll.steps", "1")[2].endswith("Did you mean stages.rl?\n")


def test_every_type_of_stage_is_a_verb_or_points_at_run() -> None:
    assert {*STAGES_WITHOUT_VERB, *RECIPE_VERBS} == {*RUN_STAGE, "run"}


def test_the_version_is_the_packages_version(call: Call) -> None:
    assert call("--version") == (0, f"reasonforge {reasonforge.__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_verb_and_where_to_start(call: Call, arguments: list[str]) -> None:
    code, out, _ = call(*arguments)
    assert code == 0
    assert all(f" {verb} " in out for verb in ("run", "pretrain", "sft", "rl", "eval", "show", "report", "doctor"))
    assert "recipes/toy/r1_zero.toml --dry-run" in out


@pytest.mark.parametrize("verb", ["run", "pretrain", "sft", "rl", "eval", "show", "report", "doctor"])
def test_the_help_of_each_verb_has_an_example_that_calls_it(call: Call, verb: str) -> None:
    code, out, _ = call(verb, "--help")
    assert code == 0
    assert f"Example:  reasonforge {verb}" in out


def test_settings_lists_the_keys_of_the_stages_that_the_verb_runs(call: Call, pipelines: Pipelines) -> None:
    code, out, _ = call("rl", "--settings")
    assert code == 0
    assert "stages.<name>.group_size  (a whole number, > 0; required)" in out
    assert "Completions per prompt, G. At least two." in out
    assert 'stages.<name>.type = "rl":' in out
    assert "epochs" not in out
    assert "stages.<name>.epochs" in call("run", "--settings")[1]


def test_settings_of_a_name_lists_only_what_begins_with_it(call: Call, pipelines: Pipelines) -> None:
    code, out, _ = call("run", "--settings", "stages.rl.group_size")
    assert code == 0
    assert [line for line in out.splitlines() if line[0] != " "] == ["stages.<name>.group_size  (a whole number, > 0; required)"]
    code, _, err = call("run", "--settings", "stages.rl.groups")
    assert (code, err) == (2, "error: --settings stages.rl.groups: no setting begins like this. --settings alone lists all\n")


def test_show_and_report_hand_their_folders_to_the_report_floor(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def write_report(runs: list[Path], output: Path | None) -> Path:
        asked.append((runs, output))
        return output or runs[0] / "report.html"

    show, page = types.ModuleType("show"), types.ModuleType("page")
    vars(show)["summarise"] = lambda run: f"summary of {run}"
    vars(page)["write_report"] = write_report
    monkeypatch.setitem(sys.modules, "reasonforge.report.show", show)
    monkeypatch.setitem(sys.modules, "reasonforge.report.page", page)
    assert call("show", "runs/a") == (0, "summary of runs/a\n", "")
    assert call("report", "runs/a", "runs/b", "-o", "c.html") == (0, "c.html\n", "")
    assert call("report", "runs/a")[1] == "runs/a/report.html\n"
    assert asked == [([Path("runs/a"), Path("runs/b")], Path("c.html")), ([Path("runs/a")], None)]
