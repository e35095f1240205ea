"""What each algorithm remembers between steps survives kill -9: critics, adapted weights, prompts drawn ahead."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from reasonforge.runs.directory import RunDirectory
from tests.pipelines.micro import MICRO, outcome
from tests.pipelines.processes import forked, rows, wait_for_rows

FIRST_RL_ROW = 14
"""Of the micro recipe's rows; the stage saves after its steps 2 and 4, of 6."""

MEMORIES = {
    "ppo": """
        updates_per_step = 2
        advantage = { type = "gae", lam = 0.95 }
        critic = { training = { optimizer = { type = "adamw", lr = 1e-2 } } }
        kl = { coef = 0.05, estimator = "k1", place = "reward", controller = { target = 0.1, horizon = 50 } }
    """,
    "dapo": """
        updates_per_step = 2
        surrogate = { type = "clip", eps_low = 0.2, eps_high = 0.28 }
        aggregation = "token_mean"
        dynamic_sampling = { max_batches = 3 }
    """,
}


def write_recipe(name: str, folder: Path) -> Path:
    """Write the micro recipe with an algorithm in its ``rl`` stage."""
    recipe = folder / f"{name}.toml"
    settings = "\n".join(line.strip() for line in MEMORIES[name].splitlines())
    recipe.write_text(MICRO.replace("group_size = 8\n", f"group_size = 8\n{settings}\n"))
    return recipe


@pytest.mark.slow
@pytest.mark.parametrize(("name", "column"), [("ppo", "kl_coef"), ("dapo", "sampling/batches")])
def test_a_run_killed_while_it_learns_is_the_undisturbed_run(tmp_path: Path, name: str, column: str) -> None:
    recipe, log = write_recipe(name, tmp_path), tmp_path / "log"
    assert forked("run", recipe, "--out", tmp_path / "undisturbed", log=log).wait() == 0, log.read_text()
    learning = [row for row in RunDirectory.read(tmp_path / "undisturbed").metric_rows() if row["stage"] == "rl" and row["step"]]
    found = [row[column] for row in learning]
    assert len(set(found)) > 1, "nothing to remember"
    run = tmp_path / "killed"
    process = forked("run", recipe, "--out", run, log=log)
    killed_at = []
    for target in (FIRST_RL_ROW, FIRST_RL_ROW + 3):
        wait_for_rows(process, run, target)
        process.send(signal.SIGKILL)
        process.wait()
        killed_at.append(rows(run))
        process = forked("run", "--resume", "--out", run, log=log)
    assert process.wait() == 0, log.read_text()
    assert all(FIRST_RL_ROW <= row < FIRST_RL_ROW + 6 for row in killed_at), killed_at
    assert outcome(run) == outcome(tmp_path / "undisturbed")
    assert len(RunDirectory.read(run).info.attempts) == 3
