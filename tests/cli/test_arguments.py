"""Options belong to the verb, every other ``--name`` to the recipe."""

from __future__ import annotations

import pytest

from reasonforge.cli.arguments import check_names, split_settings
from reasonforge.core.errors import RecipeError

OPTIONS = {"--out": True, "--seed": True, "--quiet": False, "-q": False, "-h": False}


@pytest.mark.parametrize(
    ("typed", "own", "settings"),
    [
        (["a.toml", "b.toml"], ["a.toml", "b.toml"], []),
        (["--rl.lr", "1e-5", "a.toml"], ["a.toml"], ["--rl.lr", "1e-5"]),
        (["a.toml", "--rl.lr=1e-5", "b.toml"], ["a.toml", "b.toml"], ["--rl.lr=1e-5"]),
        (["--rl.lr", "-1", "--seed", "-1"], ["--seed", "-1"], ["--rl.lr", "-1"]),
        (["--quiet", "--rl.x", "-h", "a.toml"], ["--quiet", "a.toml"], ["--rl.x", "-h"]),
        (["--rl.x", "--quiet"], ["--quiet"], ["--rl.x"]),
        (["--out", "--rl.x", "a.toml"], ["--out", "--rl.x", "a.toml"], []),
        (["--out=a", "b.toml"], ["--out=a", "b.toml"], []),
        (["-q", "a.toml", "--", "--odd.toml"], ["-q", "a.toml", "--", "--odd.toml"], []),
        (["--rl.text", ""], [], ["--rl.text", ""]),
    ],
)
def test_settings_are_parted_from_options_wherever_they_stand(typed: list[str], own: list[str], settings: list[str]) -> None:
    assert split_settings(typed, OPTIONS) == (own, settings)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--sed", "--sed: no such option. Did you mean --seed?"),
        ("--quite", "--quite: no such option. Did you mean --quiet?"),
        ("--nam=x", "--nam: no such option. Did you mean --name?"),
        ("--zzzzz", "--zzzzz: no such option. Settings of a stage are written --stages.NAME.KEY value."),
    ],
)
def test_a_misspelt_option_suggests_the_right_one(typed: str, message: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        check_names([typed, "1"], options=OPTIONS, keys=["name", "seed", "stages"])
    assert str(refusal.value) == message


def test_dotted_settings_and_top_level_keys_pass() -> None:
    check_names(["--name", "--x", "--rl.lr=1"], options=OPTIONS, keys=["name", "x"])
