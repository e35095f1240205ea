"""``docs/papers.md`` leads somewhere."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| .+ \| `([\w.]+)` \| `(test_\w+)` \| (\S+) \|$", (ROOT / "docs" / "papers.md").read_text(encoding="utf-8"), re.MULTILINE
)
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("objectives", "evaluation", "rewards", "stages")
    for path in (ROOT / "tests" / folder).glob("test_*.py")
)


def test_the_table_is_read() -> None:
    assert len(ROWS) > 40


@pytest.mark.parametrize("function", sorted({row[0] for row in ROWS}))
def test_every_function_exists(function: str) -> None:
    module_name, name = function.rsplit(".", 1)
    package = "reasonforge" if function.startswith(("evaluation.", "rewards.", "stages.")) else "reasonforge.objectives"
    assert callable(getattr(importlib.import_module(f"{package}.{module_name}"), name))


@pytest.mark.parametrize("test", sorted({row[1] for row in ROWS}))
def test_every_test_exists(test: str) -> None:
    assert f"def {test}(" in SOURCES
