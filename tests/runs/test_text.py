from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reasonforge.runs.reader import RunReader
from reasonforge.runs.text import program_name
from tests.runs.fabricate import write_run


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a Python whose console scripts PATH does not have, below the working directory."""
    folder = tmp_path / "my env" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    return folder


def script(folder: Path) -> Path:
    path = folder / "reasonforge"
    path.touch(mode=0o755)
    return path


def test_a_program_on_path_is_called_by_its_name(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(environment)
    monkeypatch.setenv("PATH", str(environment))
    assert program_name() == "reasonforge"


def test_a_program_beside_python_is_called_by_the_shorter_path(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = script(environment)
    assert program_name() == "'my env/bin/reasonforge'"
    monkeypatch.chdir("/usr/share")
    assert program_name() == f"'{path}'"


def test_without_a_script_the_package_is_called(environment: Path) -> None:
    assert program_name() == "python -m reasonforge"


def test_the_command_to_resume_can_be_pasted(environment: Path) -> None:
    script(environment)
    assert RunReader(write_run(environment / "r", steps=1)).resume_command.startswith("'my env/bin/reasonforge' run --resume --out '")
