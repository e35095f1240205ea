"""Every test runs single-threaded, from the same seeds, with the shapes in signatures checked."""

from __future__ import annotations

import importlib
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from jaxtyping import install_import_hook

# Before torch is imported: two cores shared by several workers lose more to switching than threads gain.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # so that every test, wherever it lies, can say ``from tests.oracle import cases``
    sys.path.insert(0, str(ROOT))

CHECKED = ["reasonforge.objectives", "reasonforge.tensors", "reasonforge.models"]
assert not any(name.startswith(tuple(CHECKED)) for name in sys.modules), "imported before the hook: their shapes would go unchecked"
importlib.import_module("tests.typechecking")  # jaxtyping looks it up by name and imports only the first part of it
install_import_hook(CHECKED, "tests.typechecking.check")

# The same examples on every run, and no deadline: a busy machine is not a failure.
hypothesis.settings.register_profile("reasonforge", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("reasonforge")


THOROUGH = (
    "cli/test_corpus",
    "cli/test_eval_verbs.py",
    "cli/test_start_up.py",
    "cluster/",
    "corpus/",
    "evaluation/test_grade_file.py",
    "examples/",
    "pipelines/test_disk_full.py",
    "pipelines/test_judge_stage.py",
    "pipelines/test_likelihood_stages.py",
    "pipelines/test_resume.py",
    "pipelines/test_rewards.py",
    "pipelines/test_sampling_stages.py",
    "pipelines/test_tools.py",
    "report/test_browser.py",
    "report/test_compare_page.py",
    "report/test_evaluation_page.py",
    "runs/test_console.py",
    "sandbox/",
    "stages/test_bandit.py",
    "tasks/test_benchmark_isabelle.py",
    "tasks/test_families.py",
    "tasks/test_real_data.py",
    "tasks/test_reasoning_gym.py",
    "tasks/test_streams.py",
    "verify/test_golds.py",
    "verify/test_hostile.py",
    "verify/test_pool.py",
    "verify/test_ray.py",
    "verify/test_symbolic.py",
)
"""Most of the time of all tests, for parts that few changes touch."""


def _is_thorough(path: Path) -> bool:
    return path.is_relative_to(ROOT / "tests") and path.relative_to(ROOT / "tests").as_posix().startswith(THOROUGH)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the files that ``make test-fast`` leaves out: that takes seconds."""
    left_out = "not thorough" in str(config.getoption("markexpr")) and collection_path.suffix == ".py" and _is_thorough(collection_path)
    return True if left_out else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what ``make test-fast`` leaves out."""
    for item in items:
        if _is_thorough(item.path):
            item.add_marker("thorough")


@pytest.fixture(autouse=True)
def _same_seeds() -> None:
    """Seed what a test may draw from. Torch only if somebody has loaded it: half of the tests never do."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.manual_seed(0)
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium; skips, and says why, where it or playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()
