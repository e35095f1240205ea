"""What a recipe means: defaults, bases, overlays, overrides, and where each value came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from reasonforge.config.base import Section
from reasonforge.config.loader import load_recipe, reload_recipe
from reasonforge.core.errors import RecipeError
from tests.config.conftest import Load
from tests.config.schema import SFT, Cosine, Linear, Recipe

MINIMAL = 'name = "a"\n'
RL = MINIMAL + '[stages.rl]\ntype = "rl"\ngroup_size = 8\n'


def test_a_recipe_knows_the_line_of_each_value_and_calls_the_rest_default(load: Load) -> None:
    loaded = load(RL, "--stages.rl.steps", "20")
    assert loaded.origins["name"] == "x.toml:1"
    assert loaded.origins["stages.rl.group_size"] == "x.toml:4"
    assert loaded.origins["stages.rl.steps"] == "command line"
    assert loaded.origins["stages.rl.optimizer.lr"] == "default"
    assert loaded.text == RL
    assert loaded.files == (Path("x.toml"),)


def test_resolved_names_every_setting_and_gives_the_same_recipe_again(load: Load) -> None:
    loaded = load(RL)
    resolved = json.loads(json.dumps(loaded.resolved))
    assert Recipe.model_validate_json(json.dumps(resolved), strict=True) == loaded.recipe
    assert resolved["stages"]["rl"]["optimizer"]["schedule"] == {"type": "cosine", "floor": 0.1}
    assert "stages.rl.optimizer.schedule.floor" in loaded.origins


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf" + RL.encode(), RL.replace("\n", "\r\n").encode(), RL.replace("type", "\ttype").encode()])
def test_a_byte_order_mark_windows_line_ends_and_tabs_change_nothing(load: Load, text: bytes) -> None:
    loaded = load(text)
    assert loaded.recipe == load(RL).recipe
    assert loaded.origins["stages.rl.group_size"] == "x.toml:4"


def test_bases_lie_below_the_file_in_the_order_it_names_them(load: Load) -> None:
    loaded = load(
        'extends = ["one.toml", "two.toml"]\nname = "a"\n',
        one_toml="seed = 1\n[stages.s]\ntype = 'sft'\nepochs = 3\n",
        two_toml="name = 'two'\nseed = 2\n",
    )
    assert (loaded.recipe.name, loaded.recipe.seed) == ("a", 2)
    assert loaded.origins["seed"] == "two.toml:2"
    assert loaded.origins["stages.s.epochs"] == "one.toml:4"
    assert [path.name for path in loaded.files] == ["one.toml", "two.toml", "x.toml"]
    assert loaded.text.startswith("extends")


def test_a_base_is_looked_up_beside_the_file_that_names_it(load: Load, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "middle.toml").write_text('extends = "base.toml"\nseed = 5\n')
    (tmp_path / "deep" / "base.toml").write_text('name = "from-base"\n')
    loaded = load('extends = "deep/middle.toml"\n')
    assert (loaded.recipe.name, loaded.recipe.seed) == ("from-base", 5)
    assert loaded.origins["name"] == "deep/base.toml:1"


def test_the_same_base_twice_is_no_circle(load: Load) -> None:
    diamond = {
        "left_toml": 'extends = "base.toml"\nseed = 1\n',
        "right_toml": 'extends = "base.toml"\n',
        "base_toml": 'name = "b"\nseed = 9\n',
    }
    assert load('extends = ["left.toml", "right.toml"]\n', **diamond).recipe.seed == 9


def test_overlays_merge_tables_and_replace_everything_else(load: Load) -> None:
    loaded = load(
        RL + "optimizer = {lr = 0.5, betas = [0.1, 0.2]}\n",
        overlays=("over.toml",),
        over_toml="[stages.rl.optimizer]\nbetas = [0.3, 0.4]\n",
    )
    optimizer = loaded.resolved["stages"]["rl"]["optimizer"]
    assert (optimizer["lr"], optimizer["betas"]) == (0.5, [0.3, 0.4])
    assert loaded.origins["stages.rl.optimizer.lr"] == "x.toml:5"
    assert loaded.origins["stages.rl.optimizer.betas"] == "over.toml:2"


@pytest.mark.parametrize("how", ["overlay", "command line"])
def test_a_table_whose_type_changes_keeps_no_key_of_the_old_type(load: Load, how: str) -> None:
    text = MINIMAL + '[stages.s]\ntype = "sft"\nepochs = 3\n[stages.s.optimizer.schedule]\ntype = "linear"\nwarmup_steps = 4\n'
    if how == "overlay":
        loaded = load(text, overlays=("over.toml",), over_toml='[stages.s.optimizer.schedule]\ntype = "cosine"\n')
    else:
        loaded = load(text, "--stages.s.optimizer.schedule.type", "cosine")
    stage = loaded.recipe.stages["s"]
    assert isinstance(stage, SFT)
    assert stage.optimizer.schedule == Cosine()
    assert stage.epochs == 3
    assert loaded.origins["stages.s.optimizer.schedule.floor"] == "default"


def test_the_order_of_a_new_type_and_its_settings_on_the_command_line_does_not_matter(load: Load) -> None:
    schedule = ["--stages.rl.optimizer.schedule.warmup_steps=3", "--stages.rl.optimizer.schedule.type=linear"]
    forwards, backwards = load(RL, *schedule), load(RL, *reversed(schedule))
    assert forwards.recipe == backwards.recipe
    assert forwards.resolved["stages"]["rl"]["optimizer"]["schedule"] == Linear(warmup_steps=3).model_dump()


def test_a_setting_of_the_table_that_stands_there_by_default_needs_no_type(load: Load) -> None:
    loaded = load(RL, "--stages.rl.optimizer.schedule.floor", "0.5")
    assert loaded.resolved["stages"]["rl"]["optimizer"]["schedule"] == {"type": "cosine", "floor": 0.5}


def test_tables_of_names_keep_the_order_of_the_file_and_put_new_names_last(load: Load) -> None:
    stages = "".join(f'[stages.{name}]\ntype = "sft"\n' for name in ("zeta", "alpha", "mid"))
    loaded = load(MINIMAL + stages, "--stages.alpha.epochs", "2", "--stages.new.type", "sft")
    assert list(loaded.recipe.stages) == ["zeta", "alpha", "mid", "new"]


@pytest.mark.parametrize(
    ("override", "key", "expected"),
    [
        (["--seed", "7"], "seed", 7),
        (["--seed=7"], "seed", 7),
        (["--seed", "-7"], "seed", -7),
        (["--seed", "1e3"], "seed", 1000),
        (["--seed", "1", "--seed", "2"], "seed", 2),
        (["--stops", '["</a>", "b"]'], "stops", ["</a>", "b"]),
        (["--stages.s", "{type = 'sft', epochs = [1, 2]}"], "stages", {"s": {"type": "sft", "epochs": [1, 2], "optimizer": None}}),
        (["--name", "007"], "name", "007"),
        (["--name", "true"], "name", "true"),
        (["--name", '"quoted"'], "name", "quoted"),
        (["--path", "/a b/c"], "path", "/a b/c"),
    ],
)
def test_an_override_is_read_as_toml_and_as_plain_text_where_text_is_wanted(
    load: Load, override: list[str], key: str, expected: object
) -> None:
    found = load(MINIMAL, *override).resolved[key]
    if isinstance(expected, dict):
        found["s"]["optimizer"] = None
    assert found == expected


def test_none_empties_an_optional_setting_because_toml_has_no_null(load: Load) -> None:
    loaded = load(RL + 'optimizer = {max_grad_norm = "none"}\n')
    assert loaded.resolved["stages"]["rl"]["optimizer"]["max_grad_norm"] is None
    assert loaded.origins["stages.rl.optimizer.max_grad_norm"] == "x.toml:5"


def test_a_whole_float_is_a_count(load: Load) -> None:
    assert load("name = 'a'\nseed = 1e6\n").recipe.seed == 1_000_000


def test_a_stored_recipe_loads_again_with_everything_that_lay_on_top_of_it(load: Load) -> None:
    first = load(RL + 'optimizer = {max_grad_norm = "none"}\n', "--stages.rl.steps", "99")
    Path("resolved.json").write_text(json.dumps(first.resolved))
    again = reload_recipe(Recipe, Path("resolved.json"), Path("x.toml"))
    assert again.recipe == first.recipe
    assert again.text == first.text
    more = reload_recipe(Recipe, Path("resolved.json"), Path("x.toml"), ["--stages.rl.steps", "100"])
    assert more.resolved["stages"]["rl"]["steps"] == 100
    assert more.origins["stages.rl.steps"] == "command line"


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 5000])
def test_a_broken_stored_recipe_is_one_line(load: Load, text: str) -> None:
    load(RL)
    Path("resolved.json").write_text(text)
    with pytest.raises(RecipeError, match=r"^resolved\.json: .*$"):
        reload_recipe(Recipe, Path("resolved.json"), Path("x.toml"))


def test_no_file_is_no_recipe() -> None:
    with pytest.raises(RecipeError, match="no recipe given"):
        load_recipe(Recipe, [])


def test_none_is_no_file_of_that_name(load: Load) -> None:
    assert load(MINIMAL, "--path", "none").recipe.path is None


class WithFile(Section):
    type: Literal["file"] = "file"
    path: Path


class WithoutFile(Section):
    type: Literal["human"] = "human"
    path: Path | None = None
    words: tuple[str | None, ...] = ()


class Tables(Section):
    tables: dict[str, Annotated[WithFile | WithoutFile, Field(discriminator="type")]]


def test_whether_none_is_a_file_is_said_by_the_type_of_its_table(tmp_path: Path) -> None:
    tables = 'a = {type = "human", path = "none", words = ["none", "b"]}\nb = {type = "file", path = "none"}\n'
    (tmp_path / "x.toml").write_text(f"[tables]\n{tables}")
    found = load_recipe(Tables, [tmp_path / "x.toml"]).resolved["tables"]
    assert found["a"] == {"type": "human", "path": None, "words": [None, "b"]}
    assert found["b"]["path"] == "none"


def test_none_is_a_text_where_a_setting_needs_one(load: Load) -> None:
    assert load(MINIMAL, "--name", "none").recipe.name == "none"


TWO_STAGES = RL + '[stages.old]\ntype = "sft"\nepochs = 3\n'


@pytest.mark.parametrize("how", ["overlay", "base", "command line"])
def test_none_drops_an_inherited_table_under_a_name(load: Load, how: str) -> None:
    drop = '[stages]\nold = "none"\n'
    match how:
        case "overlay":
            loaded = load(TWO_STAGES, overlays=("drop.toml",), drop_toml=drop)
        case "base":
            loaded = load(f'extends = "below.toml"\n{drop}', below_toml=TWO_STAGES)
        case _:
            loaded = load(TWO_STAGES, "--stages.old", "none")
    assert list(loaded.recipe.stages) == ["rl"]
    assert loaded.resolved == load(RL).resolved
    assert not any(key.startswith("stages.old") for key in loaded.origins)
    assert loaded.origins["stages.rl.group_size"].endswith(".toml:4")


def test_a_dropped_name_can_be_given_anew_without_anything_of_the_old_table(load: Load) -> None:
    loaded = load(
        TWO_STAGES, overlays=("drop.toml", "anew.toml"), drop_toml='stages.old = "none"\n', anew_toml='stages.old = {type = "sft"}\n'
    )
    assert loaded.recipe.stages["old"] == SFT()
    assert loaded.origins["stages.old.epochs"] == "default"


@pytest.mark.parametrize(
    ("name", "hint"), [("odl", "(there are: rl, old). Did you mean old?"), ("x", "(there are: rl, old)")], ids=["close", "unknown"]
)
def test_dropping_what_is_not_there_is_told_in_one_line(load: Load, name: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(TWO_STAGES, f"--stages.{name}", "none")
    assert str(caught.value) == f"command line: stages.{name}: there is nothing of this name to drop {hint}"


def test_a_text_in_the_place_of_a_table_is_still_refused(load: Load) -> None:
    with pytest.raises(RecipeError, match=r'command line: stages\.old: expected a table; got the text "nothing"'):
        load(TWO_STAGES, "--stages.old", "nothing")
