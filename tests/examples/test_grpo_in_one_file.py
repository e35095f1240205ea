"""The one-file example stays short and learns."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "grpo_in_one_file.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example, imported from its file."""
    spec = importlib.util.spec_from_file_location("grpo_in_one_file", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_it_fits_on_a_few_screens() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 250


def test_it_learns_from_reward_alone(example: ModuleType) -> None:
    settings = example.Settings(steps=45, prompts_per_step=8, operands=2, learning_rate=3e-3)
    rewards = example.train(settings, report_every=0)
    assert np.mean(rewards[:5]) < 0.2
    assert np.mean(rewards[-5:]) > 0.8


def test_the_same_seed_learns_the_same(example: ModuleType) -> None:
    settings = example.Settings(steps=2, prompts_per_step=4, operands=2)
    assert example.train(settings, report_every=0) == example.train(settings, report_every=0)


def test_a_guess_earns_only_if_it_is_exactly_the_digit_and_the_end(example: ModuleType) -> None:
    for text, earned in (("5.", 1.0), ("5", 0.0), ("4.", 0.0), (".", 0.0), ("55", 0.0)):
        assert example.reward_of((8, 7), example.encode(text)) == earned


@pytest.mark.slow
def test_the_defaults_keep_their_promise(example: ModuleType) -> None:
    rewards = example.train(example.Settings(), report_every=0)
    assert np.mean(rewards[-10:]) > 0.9
