"""The command line over a stand-in for the pipelines: what the verbs hand down is what these tests look at."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reasonforge.cli.main import main
from tests.config.schema import Recipe

RECIPE = 'name = "a"\n[stages.rl]\ntype = "rl"\ngroup_size = 8\n[stages.s]\ntype = "sft"\n'


@dataclass(frozen=True, kw_only=True)
class Options:
    """Stands for the pipelines' ``RunOptions``."""

    out: Path | None = None
    resume: bool = False
    overwrite: bool = False
    only: str | None = None
    stage: str | None = None
    first: str | None = None
    last: str | None = None
    quiet: bool = False
    log: str = "plain"
    argv: tuple[str, ...] = ()


@dataclass
class Pipelines:
    """Remembers what it was asked to do."""

    loaded: Any = None
    options: Any = None
    planned: Any = None
    act: Callable[[], int] = lambda: 0
    """What happens when it runs: return an exit code or raise."""

    def run_recipe(self, loaded: Any, options: Any) -> int:
        self.loaded, self.options = loaded, options
        return self.act()

    def dry_run(self, loaded: Any, options: Any, *, console: Any) -> int:
        self.loaded, self.planned = loaded, options
        return self.act()


@pytest.fixture
def pipelines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipelines:
    """Put the stand-in under the command line, in a folder that holds ``x.toml``."""
    monkeypatch.chdir(tmp_path)
    Path("x.toml").write_text(RECIPE)
    stand_in = Pipelines()
    contents: dict[str, dict[str, Any]] = {
        "config": {"Recipe": Recipe, "RunOptions": Options},
        "plan": {"dry_run": stand_in.dry_run},
        "run": {"run_recipe": stand_in.run_recipe},
    }
    for name, attributes in contents.items():
        module = types.ModuleType(f"reasonforge.pipelines.{name}")
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return stand_in


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call ``reasonforge`` in this process; return exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
