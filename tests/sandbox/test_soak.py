"""Nothing grows: not after hundreds of runs of every ending, and not after thousands."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Backend
from tests.sandbox.soak import COMPUTING, Size, Soaked, measure, run_mix, soak, temporary_folder
from tests.sandbox.victims import eventually


def test_row_74_some_hundred_runs_leave_nothing(backend: Backend) -> None:
    soaked = soak(backend, runs=50)
    assert (soaked.grown, soaked.wrong) == ([], [])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_row_74_ten_thousand_runs_leave_nothing(backend: Backend) -> None:
    soaked = soak(backend, runs=10_000, mix=COMPUTING)
    assert (soaked.grown, soaked.wrong) == ([], [])


@pytest.mark.parametrize("what", Size._fields)
def test_whatever_grows_is_named(what: str) -> None:
    before = Size(5, 0, 40, 90, 2, 50.0, 80.0)
    after = before._replace(**{what: getattr(before, what) + 17})
    soaked = Soaked(runs=1, seconds=1.0, before=before, after=after, wrong=[])
    assert [line.partition(":")[0] for line in soaked.grown] == [what]


def test_row_74_a_closed_sandbox_leaves_nothing(backend: Backend) -> None:
    with temporary_folder() as folder:
        before = measure()
        with open_sandbox(backend, workers=2) as sandbox:
            run_mix(sandbox, 20)
            session = sandbox.session()
            session.run("open('left', 'w').write('x')")
        assert eventually(lambda: measure().processes <= before.processes, 1.0)
        after = measure()
        assert (after.zombies, after.descriptors, after.mounts) == (before.zombies, before.descriptors, before.mounts)
        assert list(Path(folder).iterdir()) == []
