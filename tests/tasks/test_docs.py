"""The documentation shows what the code does, docstring examples hold, and nothing heavy is imported."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import reasonforge.tasks
import reasonforge.verify
from reasonforge.tasks.registry import task_names
from reasonforge.tasks.samples import render_sample, render_table, updated

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"
MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (reasonforge.tasks, reasonforge.verify)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", task_names())
def test_the_page_shows_the_sample_that_the_command_writes(name: str) -> None:
    assert f"\n## {name}\n\n{render_sample(name)}" in PAGE.read_text(encoding="utf-8")


def test_the_page_shows_the_table_that_the_command_writes() -> None:
    assert f"\n{render_table()}\n" in PAGE.read_text(encoding="utf-8")


def test_bringing_the_page_up_to_date_keeps_its_prose() -> None:
    page = PAGE.read_text(encoding="utf-8")
    stale = page.replace("| [sorting](#sorting)", "| [order](#order)").replace("\n~~~\nquestion", "\n~~~\nold question")
    assert stale != page
    assert updated(stale) == page


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_torch_is_not_imported() -> None:
    code = f"import sys, {', '.join(MODULES)}; assert not {{'torch', 'pyarrow'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
