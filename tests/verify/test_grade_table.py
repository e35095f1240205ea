"""The tables in docs/verification.md are what the grader does."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def grade_table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("grade_table", ROOT / "benchmarks" / "grade_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_page_are_what_the_grader_does() -> None:
    page = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
    assert grade_table().rendered(page) == page, "run python benchmarks/grade_table.py"


def test_the_page_shows_answers_that_only_other_profiles_accept() -> None:
    rows = list(grade_table().case_rows())
    assert any(row[2] == "-" and "yes" in row[3:] for row in rows)
    assert not any(row[2] == "yes" and "-" in row[3:5] for row in rows)
