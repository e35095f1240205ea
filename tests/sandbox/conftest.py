"""One sandbox of each kind that this machine allows; the others are skipped, with what this machine lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Backend, Sandbox
from reasonforge.sandbox.start import what_is_missing
from reasonforge.verify import pool
from tests.sandbox.attack_table import ABSENT, Table
from tests.sandbox.attacks import Attack

BACKENDS: tuple[Backend, ...] = ("namespace", "landlock")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of ``make attacks``."""
    group = parser.getgroup("attacks")
    group.addoption("--attack-table", action="store_true", help="print what each row of the threat list came to")
    group.addoption("--attack-page", type=Path, help="print that table and write it as a Markdown page")


def pytest_configure(config: pytest.Config) -> None:
    """Collect outcomes where the table is wanted; only the process that reports sees all of them."""
    page = config.getoption("--attack-page", None)
    if (page or config.getoption("--attack-table", False)) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(page), "attack-table")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note at each test which row of the threat list it is about, and where it runs."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        attack = parameters.get("attack")
        if isinstance(attack, Attack):
            what = "proof" if "_without_" in item.name else "block" if "_session_" in item.name else "program"
            item.user_properties += [("row", attack.row), ("attack", str(attack)), ("what", what)]
        elif named := re.match(r"test_row_(\d+)_", item.name):
            item.user_properties.append(("row", int(named[1])))
        if backend := parameters.get("backend"):
            item.user_properties.append(("backend", backend))


@pytest.fixture(autouse=True)
def _no_waiting_graders() -> None:
    """End the workers that tests of the grader have left waiting in this process: tests of the sandbox count processes."""
    if isinstance(pool._default, pool.WorkerPool):
        pool._default.close()
        pool._default = None  # the next that grades starts its own


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """A backend that this machine has. One that it has and that does not work is a failure, never a skip."""
    missing = what_is_missing(request.param)
    if missing:
        pytest.skip(f"the {request.param} sandbox is {ABSENT}: {missing}")
    return request.param


@pytest.fixture(scope="module")
def sandbox(backend: Backend) -> Iterator[Sandbox]:
    """An open sandbox of two workers, shared by the tests of a module."""
    with open_sandbox(backend, workers=2) as opened:
        assert opened.backend == backend
        yield opened
