from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import reasonforge.objectives

MODULES = [f"reasonforge.objectives.{module.name}" for module in pkgutil.iter_modules(reasonforge.objectives.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run_as_printed(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, extraglobs={"torch": importlib.import_module("torch")}).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_an_objective_reads_no_configuration(name: str) -> None:
    module = importlib.import_module(name)
    imported = {getattr(value, "__module__", "") for value in vars(module).values()}
    assert not any("config" in str(origin) for origin in imported if str(origin).startswith("reasonforge"))
