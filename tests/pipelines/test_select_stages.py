from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from reasonforge.core.errors import RecipeError
from reasonforge.pipelines.config import select_stages
from tests.pipelines.conftest import Call

STAGES = {name: SimpleNamespace(type=kind) for name, kind in (("pre", "pretrain"), ("base", "eval"), ("rl", "rl"), ("final", "eval"))}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["pre", "base", "rl", "final"]),
        ({"first": "rl"}, ["rl", "final"]),
        ({"last": "base"}, ["pre", "base"]),
        ({"first": "base", "last": "rl"}, ["base", "rl"]),
        ({"first": "rl", "only": "eval"}, ["final"]),
        ({"stage": "rl", "only": None}, ["rl"]),
    ],
)
def test_the_stages_from_one_until_another_are_chosen(asked: dict[str, str], names: list[str]) -> None:
    assert select_stages(STAGES, **asked) == names


@pytest.mark.parametrize(("asked", "option"), [({"first": "sft"}, "--from"), ({"last": "sft"}, "--until")])
def test_a_stage_that_is_not_there_is_named_with_its_option(asked: dict[str, str], option: str) -> None:
    with pytest.raises(RecipeError, match=rf"{option}: no stage named 'sft' \(there are: pre, base, rl, final\)"):
        select_stages(STAGES, **asked)


def test_an_end_before_the_beginning_leaves_nothing() -> None:
    with pytest.raises(RecipeError, match="no stage to run"):
        select_stages(STAGES, first="final", last="pre")


def test_a_dry_run_plans_the_part_that_was_asked_for(micro: Path, call: Call) -> None:
    code, said, _ = call("run", micro, "--from", "base", "--until", "rl", "--dry-run")
    assert code == 0
    assert "rollouts" in said
    assert "documents" not in said
