"""Help and dry runs answer at once: PyTorch, whose import takes seconds, stays out of them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import sys
from reasonforge.cli.main import main
code = main(sys.argv[1:])
heavy = sorted({"torch", "transformers", "pyarrow", "jinja2", "tokenizers"} & set(sys.modules))
print("loaded:", *heavy, file=sys.stderr)
sys.exit(code)
"""


def loaded_by(*arguments: str, cwd: Path = ROOT) -> tuple[int, set[str]]:
    """Return the exit code and which heavy packages a call of the command line has imported."""
    command = [sys.executable, "-c", PROBE, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    last = done.stderr.rstrip().splitlines()[-1]
    assert last.startswith("loaded:"), done.stderr
    return done.returncode, set(last.split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["rl", "--help"], ["show", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_by(*arguments) == (0, set())


def test_listing_the_settings_does_not_load_torch() -> None:
    code, heavy = loaded_by("rl", "--settings")
    assert (code, "torch" in heavy) == (0, False)


def test_a_dry_run_does_not_load_torch() -> None:
    code, heavy = loaded_by("rl", "recipes/toy/r1_zero.toml", "--dry-run")
    assert (code, "torch" in heavy) == (0, False)


def test_doctor_does_not_load_torch_unless_asked(tmp_path: Path) -> None:
    code, heavy = loaded_by("doctor", cwd=tmp_path)
    assert (code, heavy) == (0, set())


@pytest.mark.parametrize("arguments", [["--help"], ["rl", "recipes/toy/r1_zero.toml", "--dry-run"]], ids=["help", "dry-run"])
def test_the_answer_costs_few_seconds_of_processor_time(arguments: list[str]) -> None:
    """Ten times what it takes: only something heavy on the way to the answer, an import or a whole data set, gets there."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "reasonforge", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5
