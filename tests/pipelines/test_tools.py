"""The tool recipe: programs of completions are run, in evaluations and in reinforcement learning, and the policy learns to write them."""

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
from reasonforge.text.fences import CALL, RETURN

TOOLS = Path(__file__).resolve().parents[2] / "recipes" / "toy" / "tools.toml"

# Every document uses the tool, so the form is learned in a few steps; what stands in a program is then still a guess.
SHORT = [
    "--data.corpus.documents.think_share=1.0",
    "--model.shape.hidden_size=48",
    "--model.shape.num_layers=1",
    "--model.shape.intermediate_size=96",
    "--model.shape.head_dim=16",
    "--stages.pretrain.steps=24",
    "--stages.pretrain.documents_per_step=12",
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


def figures(run: Path, stage: str) -> dict[str, Any]:
    """Return what an evaluation logged."""
    (row,) = (row for row in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) if row["stage"] == stage)
    return row


def test_every_stage_of_the_tool_recipe_is_gone_through(short_run: Path) -> None:
    summary = read_json(short_run / "summary.json")
    assert [stage["name"] for stage in summary["stages"]] == ["pretrain", "base", "rl", "without_tool", "final"]


def test_programs_are_run_in_the_evaluations_that_have_the_tool(short_run: Path) -> None:
    assert "eval/tool_calls" not in figures(short_run, "without_tool")
    assert figures(short_run, "base")["eval/tool_calls"] > 0
    assert figures(short_run, "final")["eval/tool_calls"] > 0


def test_programs_are_run_in_reinforcement_learning_and_their_output_is_not_the_policys(short_run: Path) -> None:
    table = parquet.read_table(short_run / "rollouts" / "rl" / "step-000001.parquet").to_pylist()
    called = [row for row in table if CALL in row["completion"].rpartition(RETURN)[0]]
    assert called
    for row in called:
        # What was drawn has a probability below one; what the sandbox wrote has none.
        assert 0.0 in row["logprobs"]


@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_the_policy_learns_to_use_the_tool(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "reasonforge", "run", str(TOOLS), "--out", str(run), "--quiet"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    base, alone, final = (figures(run, stage) for stage in ("base", "without_tool", "final"))
    assert final["eval/pass@1"] - base["eval/pass@1"] >= 0.5
    assert final["eval/pass@1"] >= 0.9
    assert final["eval/tool_calls"] >= 0.9
    assert alone["eval/pass@1"] <= 0.05
