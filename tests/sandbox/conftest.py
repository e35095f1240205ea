"""One sandbox of each kind that this machine allows; the others are skipped, with what this machine lacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Backend, Sandbox
from reasonforge.sandbox.start import _missing

BACKENDS: tuple[Backend, ...] = ("namespace", "landlock")


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """A backend that this machine has. One that it has and that does not work is a failure, never a skip."""
    missing = _missing(request.param)
    if missing:
        pytest.skip(f"the {request.param} sandbox is not available here: {missing}")
    return request.param


@pytest.fixture(scope="module")
def sandbox(backend: Backend) -> Iterator[Sandbox]:
    """An open sandbox of two workers, shared by the tests of a module."""
    with open_sandbox(backend, workers=2) as opened:
        assert opened.backend == backend
        yield opened
