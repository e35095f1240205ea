"""``docs/papers.md`` leads somewhere."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| .+ \| `([\w.]+)` \| `(test_\w+)` \| (\S+) \|$", (ROOT / "docs" / "papers.md").read_text(encoding="utf-8"), re.MULTILINE
)
OTHER_FLOORS = ("corpus.", "evaluation.", "rewards.", "stages.")
"""Functions without one of these are of ``objectives``."""
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("corpus", "objectives", "evaluation", "rewards", "stages")
    for path in (ROOT / "tests" / folder).rglob("test_*.py")
)


def test_the_table_is_read() -> None:
    assert len(ROWS) > 40


@pytest.mark.parametrize("function", sorted({row[0] for row in ROWS}))
def test_every_function_exists(function: str) -> None:
    package = "reasonforge" if function.startswith(OTHER_FLOORS) else "reasonforge.objectives"
    assert callable(pkgutil.resolve_name(f"{package}.{function}"))


@pytest.mark.parametrize("test", sorted({row[1] for row in ROWS}))
def test_every_test_exists(test: str) -> None:
    assert f"def {test}(" in SOURCES
