"""Reward models of answers and of steps: how well they tell right from wrong, and best-of-16 by them beside a majority.

.venv/bin/python benchmarks/algorithms/reward_models.py [--seeds 3] [--out runs/reward_models]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiment import ROOT, TOY, arguments, keep, metrics, reasonforge

RECIPE = TOY / "experiments" / "reward_models.toml"
STAGES = ("orm", "prm_shepherd", "prm", "orm_after_prm")
MEASURED = ("auc", "solution_auc", "accuracy", "calibration_error", "length_correlation", "pair_accuracy", "pair_accuracy_matched")


def figures(run: Path, seed: int) -> dict[str, Any]:
    """Return what a run says of its reward models."""
    found: dict[str, Any] = {"seed": seed}
    for stage in STAGES:
        row = metrics(run, stage)[-1]
        found[stage] = {name: round(row[f"reward_model/{name}"], 4) for name in MEASURED if f"reward_model/{name}" in row}
        scores = json.loads((run / "evals" / f"best_by_{stage}" / "summary.json").read_text(encoding="utf-8"))
        found[stage] |= {name: scores[name] for name in ("pass@1", "maj@16", "best@16", "weighted@16") if name in scores}
    return found


def main() -> None:
    """Run every seed and report."""
    chosen = arguments(__doc__, seeds=3)
    out = chosen.out or ROOT / "runs" / "reward_models"
    rows = []
    for seed in range(1, chosen.seeds + 1):
        run = out / f"s{seed}"
        done = (run / "summary.json").is_file()
        if not done:
            reasonforge("run", str(RECIPE), "--seed", str(seed), "--out", str(run), "--overwrite", "--quiet")
        rows.append(figures(run, seed))
    keep("reward_models", {"runs": rows})


if __name__ == "__main__":
    main()
