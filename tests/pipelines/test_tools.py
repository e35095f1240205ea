"""The tool recipe: programs of completions are run in pretraining's evaluations, in reinforcement learning and in the final ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from reasonforge.cli.main import main
from reasonforge.runs.files import read_json
from reasonforge.sandbox.probe import probe

TOOLS = Path(__file__).resolve().parents[2] / "recipes" / "toy" / "tools.toml"

# Every document uses the tool, so the form is learned in thirty steps; what stands in a program is then still a guess.
SHORT = [
    "--data.corpus.documents.think_share=1.0",
    "--model.shape.hidden_size=48",
    "--model.shape.num_layers=1",
    "--model.shape.intermediate_size=96",
    "--model.shape.head_dim=16",
    "--stages.pretrain.steps=30",
    "--stages.pretrain.documents_per_step=16",
    "--stages.pretrain.training.schedule.warmup_steps=1",
    "--stages.rl.steps=2",
    "--stages.rl.prompts_per_step=2",
    "--stages.rl.group_size=4",
    *(f"--stages.{name}.{key}" for name in ("base", "without_tool", "final") for key in ("num_problems=4", "samples=2")),
]


@pytest.fixture(scope="module", autouse=True)
def _a_sandbox() -> None:
    found = probe()[:2]
    if not any(backend.available for backend in found):
        pytest.skip("no sandbox works here: " + "; ".join(f"{backend.backend}: {backend.reason}" for backend in found))


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe cut down to seconds, every stage of it."""
    run = tmp_path_factory.mktemp("tools") / "run"
    assert main(["run", str(TOOLS), *SHORT, "--out", str(run), "--quiet"]) == 0
    return run


def rows(run: Path, stage: str) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["stage"] == stage]


def texts(run: Path, stage: str) -> list[str]:
    return [text for file in sorted((run / "rollouts").rglob("*.parquet")) if stage in str(file) for text in _texts(file)]


def _texts(file: Path) -> list[str]:
    return parquet.read_table(file).column("text").to_pylist()


def test_every_stage_of_the_tool_recipe_is_gone_through(short_run: Path) -> None:
    summary = read_json(short_run / "summary.json")
    assert [stage["name"] for stage in summary["stages"]] == ["pretrain", "base", "rl", "without_tool", "final"]
