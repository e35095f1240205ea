"""A micro recipe, the command line over it, and one finished run that tests may look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from reasonforge.cli.main import main
from tests.pipelines.micro import MICRO


class Called(NamedTuple):
    """What a call of the command line came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture(scope="session", autouse=True)
def _on_the_cpu() -> None:
    """Bit-exactness is promised for one machine's CPU; forked children could not use a GPU that the parent has touched either."""
    patch = pytest.MonkeyPatch()
    patch.setattr("torch.cuda.is_available", lambda: False)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call ``reasonforge`` in this process."""

    def run(*arguments: str | Path) -> Called:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Called(code, out, err)

    return run


@pytest.fixture
def micro(tmp_path: Path) -> Path:
    """The recipe as a file."""
    path = tmp_path / "micro.toml"
    path.write_text(MICRO)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the whole micro recipe that nothing disturbed. Look, do not touch."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "micro.toml").write_text(MICRO)
    assert main(["run", str(folder / "micro.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"
