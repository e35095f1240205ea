from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.core.errors import RecipeError
from reasonforge.pipelines.compare_plan import CompareOptions, ComparePlan, plan_comparison, planned_rollouts
from tests.pipelines.micro import MICRO

RLOO = '[stages.rl]\nadvantage = { type = "leave_one_out" }\n'


def write(folder: Path, **overlays: str) -> tuple[Path, ...]:
    """Recipes that extend the micro recipe."""
    (folder / "micro.toml").write_text(MICRO)
    paths = []
    for name, overlay in overlays.items():
        path = folder / f"{name}.toml"
        path.write_text(f'extends = "micro.toml"\n{overlay}')
        paths.append(path)
    return tuple(paths)


def plan(recipes: tuple[Path, ...], **options: object) -> ComparePlan:
    return plan_comparison(CompareOptions(**{"recipes": recipes, "out": Path("out"), **options}))  # type: ignore[arg-type]


def test_the_stages_before_the_first_difference_run_once_and_the_others_begin_with_their_model(tmp_path: Path) -> None:
    found = plan(write(tmp_path, grpo="", rloo=RLOO), num_seeds=2)
    assert found.shared == ("pretrain", "base")
    assert found.start is not None
    assert (found.start.path, found.start.stages) == (Path("out/start"), ("pretrain", "base"))
    assert found.start.arguments[-2:] == ("--until", "base")
    assert [run.name for run in found.runs] == ["grpo-s1", "grpo-s2", "rloo-s1", "rloo-s2"]
    for run in found.runs:
        assert run.stages == ("rl", "final")
        assert run.resolved["model"] == {"type": "folder", "path": "out/start/models/pretrain"}
        assert run.resolved["seed"] == run.seed
    assert [run.resolved["stages"]["rl"]["advantage"]["type"] for run in found.runs[1:3]] == ["group_normalized", "leave_one_out"]


def test_fewer_seeds_take_no_finished_run_off_the_page(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("grpo-s2", "rloo-s3", "rloo-s3-copy", "other-s7", "rloo-s8"):
        (out / name).mkdir(parents=True)
        if name != "rloo-s8":  # this one was never finished
            (out / name / "summary.json").touch()
    found = plan(write(tmp_path, grpo="", rloo=RLOO), num_seeds=1, out=out)
    assert [run.name for run in found.runs] == ["grpo-s1", "grpo-s2", "rloo-s1", "rloo-s3"]
    assert found.seeds == (1, 2, 3)
    assert found.remarks[-1] == "Finished runs of seeds 2, 3 lie in the folder and are counted too."


def test_a_difference_in_a_stages_data_is_a_difference_of_the_stage(tmp_path: Path) -> None:
    found = plan(write(tmp_path, a="", b="[data.corpus]\nlevels = [1, 2]\n"))
    assert (found.shared, found.start) == ((), None)
    assert "share no stage that trains" in found.remarks[0]


def test_different_models_share_nothing_and_the_reader_is_told(tmp_path: Path) -> None:
    found = plan(write(tmp_path, a=RLOO, b="[model.shape]\nhidden_size = 16\n"))
    assert found.shared == ()
    assert "different models" in found.remarks[0]


def test_recipes_that_are_the_same_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nothing to compare"):
        plan(write(tmp_path, a="", b=""))


def test_one_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="two recipes"):
        plan(write(tmp_path, a=""))


def test_recipes_of_one_name_are_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path, a="", b=RLOO)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.toml").write_text(f'extends = "../micro.toml"\n{RLOO}')
    with pytest.raises(RecipeError, match="rename one of the files"):
        plan((first, second, tmp_path / "more" / "a.toml"))


def test_other_numbers_of_rollouts_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"a 96, b 160.*--rollouts N"):
        plan(write(tmp_path, a="", b="[stages.rl]\nsteps = 10\n"))


def test_a_number_of_rollouts_sets_the_steps_of_each_recipe(tmp_path: Path) -> None:
    found = plan(write(tmp_path, a="", b="[stages.rl]\nprompts_per_step = 4\nsteps = 9\n"), rollouts=128)
    assert [run.resolved["stages"]["rl"]["steps"] for run in found.runs[::3]] == [8, 4]
    assert [contender.rollouts for contender in found.contenders] == [128, 128]


def test_a_recipe_that_draws_nothing_has_no_equal_number_of_rollouts(tmp_path: Path) -> None:
    sft = '[data.worked]\ntype = "task"\ntask = "labelled_arithmetic"\nlevels = [1, 1]\nsplit = "train"\ncount = 8\n'
    only_sft = MICRO.replace("[data.corpus]", f"{sft}\n[data.corpus]")
    before, rest = only_sft.split("[stages.rl]")
    tail = rest[rest.index("[stages.final]") :]
    path = tmp_path / "sft.toml"
    path.write_text(f'{before}[stages.tune]\ntype = "sft"\ndata = "worked"\nepochs = 1\nexamples_per_step = 4\n{tail}')
    recipes = (*write(tmp_path, grpo=""), path)
    with pytest.raises(RecipeError, match="sft: --rollouts 96: it draws none"):
        plan(recipes, rollouts=96)
    with pytest.raises(RecipeError, match="different numbers of rollouts"):
        plan(recipes)


def test_figures_of_different_evaluations_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="b: its last evaluation"):
        plan(write(tmp_path, a="", b=f"{RLOO}[stages.final]\nsamples = 8\n"))


def test_without_an_evaluation_at_the_end_there_is_nothing_to_compare(tmp_path: Path) -> None:
    recipe = MICRO[: MICRO.index("[stages.final]")]
    paths = []
    for name, more in (("a", ""), ("b", "updates_per_step = 2\n")):
        paths.append(tmp_path / f"{name}.toml")
        paths[-1].write_text(recipe.replace("group_size = 8\n", f"group_size = 8\n{more}"))
    with pytest.raises(RecipeError, match="no eval stage"):
        plan(tuple(paths))
    assert [contender.evaluation for contender in plan(tuple(paths), metric="reward").contenders] == [None, None]


def test_settings_of_the_command_line_hold_for_every_recipe(tmp_path: Path) -> None:
    found = plan(write(tmp_path, a="", b=RLOO), settings=("--stages.rl.steps", "3", "--stages.pretrain.steps=5"))
    assert found.start is not None
    assert found.start.resolved["stages"]["pretrain"]["steps"] == 5
    assert {run.resolved["stages"]["rl"]["steps"] for run in found.runs} == {3}


def test_a_base_lies_under_every_recipe(tmp_path: Path) -> None:
    (base,) = write(tmp_path, a="")
    overlays = []
    for name, text in (("rloo", RLOO), ("dr", '[stages.rl]\nadvantage = { type = "centred" }\n')):
        overlays.append(tmp_path / f"{name}.toml")
        overlays[-1].write_text(text)
    found = plan(tuple(overlays), base=(base,), num_seeds=1)
    assert [run.resolved["stages"]["rl"]["advantage"]["type"] for run in found.runs] == ["leave_one_out", "centred"]
    assert found.runs[0].arguments[:2] == (str(base), str(overlays[0]))


def test_a_stage_that_names_the_shared_model_begins_with_what_its_run_starts_from(tmp_path: Path) -> None:
    found = plan(write(tmp_path, a='[stages.rl]\nstart = "pretrain"\n', b=f'{RLOO}start = "pretrain"\n'), num_seeds=1)
    assert found.shared == ("pretrain", "base")
    assert {run.resolved["stages"]["rl"]["start"] for run in found.runs} == {"start"}


def test_a_hostile_file_name_names_a_harmless_folder(tmp_path: Path) -> None:
    (tmp_path / "micro.toml").write_text(MICRO)
    paths = [tmp_path / "<img src=x onerror=window.PWNED=1>.toml", tmp_path / "..%2f\x1b[31m&.toml"]
    for path, text in zip(paths, ("", RLOO), strict=True):
        path.write_text(f'extends = "micro.toml"\n{text}')
    found = plan(tuple(paths), num_seeds=1)
    assert [run.name for run in found.runs] == ["img-src-x-onerror-window.PWNED-1-s1", "2f-s1"]
    assert found.contenders[0].label == "<img src=x onerror=window.PWNED=1>"


def test_names_in_other_scripts_name_different_folders(tmp_path: Path) -> None:
    first, second = plan(write(tmp_path, **{"α β": "", "γ": RLOO}), num_seeds=1).runs
    assert first.path != second.path
    assert (first.name + second.name).isascii()


@pytest.mark.parametrize(
    ("stage", "count"),
    [
        ({"type": "rl", "steps": 5, "prompts_per_step": 4, "group_size": 8}, 160),
        ({"type": "rl", "steps": 5, "prompts_per_step": 4, "group_size": 8, "rollout_budget": 100}, 128),
        ({"type": "rl", "steps": 5, "prompts_per_step": 4, "group_size": 8, "dynamic_sampling": {"max_batches": 10}}, None),
        ({"type": "sample", "num_problems": 10, "samples": 8}, 80),
        ({"type": "sample", "num_problems": None, "samples": 8}, None),
        ({"type": "preference", "iterations": {"rounds": 8, "prompts": 60, "group_size": 16}}, 7680),
        ({"type": "preference", "iterations": None}, 0),
        ({"type": "sft"}, 0),
        ({"type": "eval", "num_problems": 8, "samples": 4}, 0),
    ],
)
def test_rollouts_are_counted_before_they_are_drawn(stage: dict[str, object], count: int | None) -> None:
    assert planned_rollouts(stage) == count
