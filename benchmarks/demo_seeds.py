"""The demo on several seeds: what reinforcement learning changed on held-out problems, and how long the whole run took.

    .venv/bin/python benchmarks/demo_seeds.py [--seeds 0 1 2]

No peer here: the figures are DeepSeekMath's figure 7 in miniature (pass@1 rises, pass@16 hardly moves). Kept in results/demo.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import report

RECIPE = Path(__file__).parents[1] / "recipes" / "toy" / "r1_zero.toml"


def run(seed: int, folder: Path) -> dict[str, float | int]:
    """Run the demo once, in a process of its own; return its figures."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "reasonforge", "run", str(RECIPE), "--seed", str(seed), "--out", str(folder), "--quiet"]
    subprocess.run(command, check=True)
    wall = time.perf_counter() - started
    summary = json.loads((folder / "summary.json").read_text())
    base, final = summary["base"], summary["final"]
    figures = {
        f"{name} {when}": round(scores[name], 4)
        for when, scores in (("before", base), ("after", final))
        for name in base
        if name[-3:] != "_ci"
    }
    return {"seed": seed, "wall_seconds": round(wall, 1), **figures}


def main() -> None:
    """Run every seed and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    rows = []
    print(f"{'seed':>4} {'pass@1':>16} {'pass@16':>16} {'maj@16':>16} {'seconds':>8}")
    with tempfile.TemporaryDirectory() as name:
        for seed in arguments.seeds:
            row = run(seed, Path(name) / str(seed))
            rows.append(row)
            cells = [f"{row[f'{metric} before']:.3f} -> {row[f'{metric} after']:.3f}" for metric in ("pass@1", "pass@16", "maj@16")]
            print(f"{seed:4d} " + " ".join(f"{cell:>16}" for cell in cells) + f" {row['wall_seconds']:8.1f}", flush=True)
    gains = [row["pass@1 after"] - row["pass@1 before"] for row in rows]
    moves = [abs(row["pass@16 after"] - row["pass@16 before"]) for row in rows]
    result = {
        "smallest_gain_of_pass@1": round(min(gains), 4),
        "largest_move_of_pass@16": round(max(moves), 4),
        "longest_run_seconds": max(row["wall_seconds"] for row in rows),
        "runs": rows,
    }
    report("demo", result, packages=("torch", "numpy", "reasonforge"))


if __name__ == "__main__":
    main()
