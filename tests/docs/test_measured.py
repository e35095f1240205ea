"""The measured tables of the pages are those of benchmarks/results."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

SCRIPTS = [ROOT / "benchmarks" / folder / "tables.py" for folder in ("algorithms", "corpus")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.parent.name)
def test_every_measured_table_is_what_its_benchmark_found(script: Path) -> None:
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_with_a_measured_table_is_checked() -> None:
    with_tables = {path.relative_to(ROOT).as_posix() for path in PAGES if "<!-- measured: " in path.read_text(encoding="utf-8")}
    checked = {page for script in SCRIPTS for page in re.findall(r'"(docs/[\w/]+\.md)"', script.read_text(encoding="utf-8"))}
    assert with_tables <= checked
