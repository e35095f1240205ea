"""What the experiments on algorithms share: one comparison by ``reasonforge compare``, kept as ``benchmarks/results/NAME.json``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOY = ROOT / "recipes" / "toy"
sys.path.insert(0, str(ROOT / "benchmarks"))

from common import report


def arguments(doc: str | None, *, seeds: int) -> argparse.Namespace:
    """Return the command line: how many seeds, where the runs lie, how many at a time."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--out", type=Path, default=None, help="folder of the runs; the same one again goes on where it stopped")
    parser.add_argument("--parallel", type=int, default=2)
    return parser.parse_args()


def compare(name: str, recipes: Sequence[Path], chosen: argparse.Namespace, *options: str) -> tuple[Path, dict[str, Any]]:
    """Run the recipes side by side; return the folder of the runs and what came of them.

    Args:
        name: of the experiment.
        recipes: what is compared.
        chosen: the command line.
        options: for ``reasonforge compare``.
    """
    out = chosen.out or ROOT / "runs" / name
    sizes = ["--seeds", str(chosen.seeds), "--parallel", str(chosen.parallel), "--out", str(out)]
    reasonforge("compare", *map(str, recipes), *sizes, *options)
    return out, json.loads((out / "compare.json").read_text(encoding="utf-8"))


def keep(name: str, result: Mapping[str, Any]) -> None:
    """Store an experiment's figures."""
    report(name, result, packages=("torch", "numpy"))


def reasonforge(*arguments: str) -> None:
    """Run one command of the package in a process of its own."""
    subprocess.run([sys.executable, "-m", "reasonforge", *arguments], cwd=ROOT, check=True)


def metrics(run: Path, stage: str) -> list[dict[str, Any]]:
    """Return the rows that a stage of a run has logged."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row["stage"] == stage]
