"""The measured tables of the pages are those of benchmarks/results."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import ROOT


def test_every_measured_table_is_what_its_benchmark_found() -> None:
    check = [sys.executable, str(ROOT / "benchmarks" / "algorithms" / "tables.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
