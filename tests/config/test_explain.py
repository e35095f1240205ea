"""The listing of settings says what the loader accepts."""

from __future__ import annotations

from reasonforge.config.explain import Setting, explain
from tests.config.conftest import Load
from tests.config.schema import Recipe


def find(key: str, variant: str = "") -> Setting:
    return next(setting for setting in explain(Recipe) if (setting.key, setting.variant) == (key, variant))


def test_each_setting_is_listed_with_type_range_default_and_docstring() -> None:
    assert find("stages.<name>.optimizer.lr") == Setting(
        key="stages.<name>.optimizer.lr", type_text="a number, > 0", default="0.001", help="Learning rate. Peak of the schedule."
    )
    assert find("stages.<name>.group_size", "rl").default == "required"
    assert find("path").default == "none"
    assert find("stages.<name>.optimizer.fused").default == "false"
    assert find("stages.<name>.optimizer.betas").default == "[0.9, 0.95]"
    assert find("stages.<name>.optimizer.schedule").type_text == "a table of type cosine, linear"


def test_the_settings_of_a_choice_name_the_type_they_belong_to() -> None:
    assert find("stages.<name>.optimizer.schedule.floor", "cosine").help == "Share of the peak that is left at the end."
    assert find("stages.<name>.optimizer.schedule.warmup_steps", "linear").type_text == "a whole number, >= 0"


def test_every_setting_of_a_loaded_recipe_is_in_the_listing(load: Load) -> None:
    loaded = load('name = "a"\n[stages.x]\ntype = "rl"\ngroup_size = 8\n[stages.y]\ntype = "sft"\n')
    listed = {setting.key for setting in explain(Recipe)}
    assert {key.replace(".x.", ".<name>.").replace(".y.", ".<name>.") for key in loaded.origins} <= listed
