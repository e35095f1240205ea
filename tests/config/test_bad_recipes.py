"""Every way a recipe goes wrong is told in one line: where, what, what to do. The lines here are what users read, to the letter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reasonforge.config.files import MAX_BYTES
from reasonforge.config.loader import load_recipe
from reasonforge.core.errors import RecipeError
from tests.config.conftest import Load
from tests.config.schema import Recipe

RL = 'name = "a"\n[stages.rl]\ntype = "rl"\ngroup_size = 8\n'
OPTIMIZER = RL + "[stages.rl.optimizer]\n"

SETTINGS = {
    "name = 'a'\n[stages.rl]\ntype = 'rl'\ngroup_sizee = 3\ngroup_size = 2": (
        "x.toml:4: stages.rl.group_sizee: no such setting. Did you mean stages.rl.group_size?"
    ),
    RL + "lr = 1e-3": "x.toml:5: stages.rl.lr: no such setting. Did you mean stages.<name>.optimizer.lr?",
    RL + "zzz = 1": "x.toml:5: stages.rl.zzz: no such setting. This table has: type, group_size, steps, loss, optimizer",
    RL + 'loss = "tokens"': 'x.toml:5: stages.rl.loss: must be one of token, sequence; got the text "tokens". Did you mean token?',
    RL + "steps = 0": "x.toml:5: stages.rl.steps: must be greater than 0; got 0",
    RL + 'steps = "10"': 'x.toml:5: stages.rl.steps: expected a whole number; got the text "10"',
    RL + "steps = 1.5": "x.toml:5: stages.rl.steps: expected a whole number; got 1.5",
    RL + "steps = true": "x.toml:5: stages.rl.steps: expected a whole number; got true",
    RL + "steps = 2001-01-01": 'x.toml:5: stages.rl.steps: expected a whole number; got the text "2001-01-01"',
    OPTIMIZER + "lr = -1": "x.toml:6: stages.rl.optimizer.lr: must be greater than 0; got -1",
    OPTIMIZER + "lr = nan": "x.toml:6: stages.rl.optimizer.lr: must be a finite number; got NaN",
    OPTIMIZER + "lr = inf": "x.toml:6: stages.rl.optimizer.lr: must be a finite number; got Infinity",
    OPTIMIZER + 'lr = "1e-3"': 'x.toml:6: stages.rl.optimizer.lr: expected a number; got the text "1e-3"',
    OPTIMIZER + 'fused = "yes"': 'x.toml:6: stages.rl.optimizer.fused: expected true or false; got the text "yes"',
    OPTIMIZER + "fused = 1": "x.toml:6: stages.rl.optimizer.fused: expected true or false; got 1",
    OPTIMIZER + "betas = 0.9": "x.toml:6: stages.rl.optimizer.betas: expected a list (a number each); got 0.9",
    OPTIMIZER + "betas = [0.9]": "x.toml:6: stages.rl.optimizer.betas[1]: must be set: a number",
    OPTIMIZER + "betas = [0.9,\n'x']": 'x.toml:7: stages.rl.optimizer.betas[1]: expected a number; got the text "x"',
    OPTIMIZER + "schedule = 1": "x.toml:6: stages.rl.optimizer.schedule: expected a table; got 1",
    OPTIMIZER + "schedule.type = 'cosin'": (
        'x.toml:6: stages.rl.optimizer.schedule.type: there is no type "cosin". Choices: cosine, linear. Did you mean cosine?'
    ),
    OPTIMIZER + "schedule.floor = 2": "x.toml:6: stages.rl.optimizer.schedule.floor: must be at most 1; got 2",
    OPTIMIZER + "schedule = {type = 'cosine', warmup_steps = 2}": (
        "x.toml:6: stages.rl.optimizer.schedule.warmup_steps: no such setting. It belongs to type linear"
    ),
    "name = 'a'\n[stages.rl]\ntype = 'rl'\n": "x.toml:2: stages.rl.group_size: must be set: a whole number (Completions per prompt, G)",
    "name = 'a'\n[stages.rl]\nsteps = 3\n": "x.toml:2: stages.rl: needs a type. Choices: rl, sft",
    "name = 'a'\n[stages.rl]\ntype = 'rl'\ngroup_size = 1": "x.toml:2: stages.rl: group_size 1 has no baseline: use at least 2",
    "name = 'a'\n[stages.all]\ntype = 'sft'": "x.toml:2: stages.all: this name means every stage, choose another",
    "name = 'a'\n[stages.s]\ntype = 'sft'\nepochs = 'x'": (
        'x.toml:4: stages.s.epochs: expected a whole number or a list (a whole number each); got the text "x"'
    ),
    "name = 'a'\nstages = 1": "x.toml:2: stages: expected a table of names; got 1",
    "name = 'a'\nstages = [1]": "x.toml:2: stages: expected a table of names; got a list",
    "name = 3": "x.toml:1: name: expected text; got 3",
    "name = 'A B'": 'x.toml:1: name: must fit the pattern ^[a-z0-9-]+$; got the text "A B"',
    "name = 'a'\nstops = ['a', 'b', 'c']": "x.toml:2: stops: needs at most 2 elements; got a list",
    "name = 'a'\n\"sta.ges\" = 1": 'x.toml:2: "sta.ges": no such setting. Did you mean stages?',
    "# nothing but a comment": "x.toml: name: must be set: text",
}


@pytest.mark.parametrize(("text", "line"), SETTINGS.items())
def test_a_wrong_setting_is_told_in_one_line(load: Load, text: str, line: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        load(text)
    assert str(refusal.value) == line
    assert refusal.value.exit_code == 2


FILES: dict[str | bytes, str] = {
    b"": "x.toml: the file is empty",
    b"  \n\n": "x.toml: the file is empty",
    b"name = 'a'\nname = 'b'\n": "x.toml:2:11: not valid TOML: this key is set twice",
    b"[a]\n[a]\n": "x.toml:2:3: not valid TOML: this table appears twice",
    b"name: 'a'\n": 'x.toml:1:5: not valid TOML: expected "=" after the key. TOML writes key = value',
    b"name = a\n": 'x.toml:1:8: not valid TOML: not a value. Text needs quotes: key = "text"; yes and no are true and false',
    b"lr = 1 e\n": "x.toml:1:8: not valid TOML: something follows the value. One key = value per line; text needs quotes",
    b"[1, 2]\n": "x.toml:1:3: not valid TOML: expected ']' at the end of a table declaration",
    b"a = [1\n": "x.toml:end of file: not valid TOML: a bracket is never closed",
    b"name = 'caf\xe9'\n": "x.toml:1: not UTF-8 (byte 0xe9). Save it as UTF-8",
    "name = 'a'".encode("utf-16"): "x.toml: this is UTF-16. Save it as UTF-8",
    b"a = " + b"[" * 20_000: "x.toml: brackets are nested too deeply",
    b"a = " + b"9" * 5000: "x.toml: not valid TOML: a number of too many digits",
    b"a." * 100 + b"a = 1": "x.toml: not valid TOML: a key has more than 64 parts",
    b"#" * (MAX_BYTES + 1): "x.toml: larger than 1 MB, which no recipe is. Is this the right file?",
}


@pytest.mark.parametrize(("content", "line"), FILES.items(), ids=[line[:40] for line in FILES.values()])
def test_a_broken_file_is_told_in_one_line(load: Load, content: bytes, line: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        load(content)
    assert str(refusal.value) == line


OVERRIDES = {
    ("--seed",): "command line: --seed: needs a value, as in --seed 1 or --seed true",
    ("--seed", "--name", "x"): "command line: --seed: needs a value, as in --seed 1 or --seed true",
    ("--sed", "1"): "command line: sed: no such setting. Did you mean seed?",
    ("--seed", "x"): 'command line: seed: expected a whole number; got the text "x"',
    ("--stages.rl.steps=-1",): "command line: stages.rl.steps: must be greater than 0; got -1",
    ("--seed", "1\nname = 2"): 'command line: seed: expected a whole number; got the text "1\\nname = 2"',
    ("--a..b", "1"): "command line: --a..b: not a setting's name. Write --key.path value",
    ("seed", "1"): "command line: seed: expected a setting, --key.path value",
    ("--stops", "1", "--stops.x", "2"): ("command line: --stops.x: --stops already has a value that is no table. Leave one of them out"),
    ("--stops.0", "x"): (
        "command line: stops: expected a list (text each); got a table. "
        "A list is set whole: write it in a file and name that behind the recipe"
    ),
    ("--stages.new.steps", "1"): "command line: stages.new: needs a type. Choices: rl, sft",
    ("--path", "\udc80"): "command line: --path: the value is not UTF-8",
}


@pytest.mark.parametrize(("overrides", "line"), OVERRIDES.items())
def test_a_wrong_override_is_told_in_one_line(load: Load, overrides: tuple[str, ...], line: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        load(RL, *overrides)
    assert str(refusal.value) == line


def test_a_circle_of_bases_is_shown_as_a_chain(load: Load) -> None:
    with pytest.raises(RecipeError) as refusal:
        load('extends = "b.toml"\n', b_toml='seed = 1\nextends = ["./x.toml"]\n')
    assert str(refusal.value) == "b.toml:2: extends: goes in a circle: x.toml -> b.toml -> x.toml"


@pytest.mark.parametrize(
    ("extends", "line"),
    [
        ('"bas.toml"', "x.toml:1: extends: bas.toml: no such file. Did you mean base.toml?"),
        ('"broken.toml"', "x.toml:1: extends: broken.toml:2:6: not valid TOML: this key is set twice"),
        ("3", "x.toml:1: extends: expected the name of a file, or a list of names"),
        ("[3]", "x.toml:1: extends: expected the name of a file, or a list of names"),
    ],
)
def test_a_wrong_base_points_at_the_file_that_names_it(load: Load, extends: str, line: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        load(f"extends = {extends}\n", base_toml="seed = 1\n", broken_toml="a = 1\na = 2\n")
    assert str(refusal.value) == line


def test_a_missing_file_suggests_its_sibling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes/grpo.toml").touch()
    for wrong in ("recipes/grop.toml", "recipes/grpo"):
        with pytest.raises(RecipeError) as refusal:
            load_recipe(Recipe, [Path(wrong)])
        assert str(refusal.value) == f"{wrong}: no such file. Did you mean recipes/grpo.toml?"
    with pytest.raises(RecipeError) as refusal:
        load_recipe(Recipe, [Path("recipes")])
    assert str(refusal.value) == "recipes: this is a folder, not a recipe. It holds grpo.toml"


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(Recipe, [Path("a\0b")])
    with pytest.raises(RecipeError, match="cannot be read: File name too long"):
        load_recipe(Recipe, [Path("a" * 300)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "secret.toml").touch(mode=0)
    with pytest.raises(RecipeError, match=r"^secret\.toml: cannot be read: Permission denied$"):
        load(RL, overlays=("secret.toml",))


def test_all_problems_are_told_at_once_up_to_ten_lines(load: Load) -> None:
    with pytest.raises(RecipeError) as refusal:
        load("nam = 1\nsed = 2\n[stages.a]\ntype = 'x'\n")
    assert str(refusal.value).splitlines() == [
        "x.toml: name: must be set: text",
        'x.toml:4: stages.a.type: there is no type "x". Choices: rl, sft',
        "x.toml:1: nam: no such setting. Did you mean name?",
        "x.toml:2: sed: no such setting. Did you mean seed?",
    ]
    with pytest.raises(RecipeError) as refusal:
        load("name = 'a'\n" + "".join(f"wrong{i} = 1\n" for i in range(30)))
    lines = str(refusal.value).splitlines()
    assert len(lines) == 10
    assert lines[-1] == "x.toml: and 21 more problems like these"


def test_a_long_value_is_shown_short_and_on_one_line(load: Load) -> None:
    with pytest.raises(RecipeError) as refusal:
        load("name = 'a'\nseed = '''" + "line\n" * 100 + "'''")
    assert len(str(refusal.value)) < 140
    assert "\n" not in str(refusal.value)


def test_a_problem_names_the_file_that_caused_it(load: Load) -> None:
    with pytest.raises(RecipeError, match=r"^over\.toml:3: stages\.rl\.steps: must be greater than 0; got -3$"):
        load(RL, overlays=("over.toml",), over_toml="# overlay\n[stages.rl]\nsteps = -3\n")
