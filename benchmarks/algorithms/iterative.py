"""Iterative GRPO with a trained reward model, three rounds, against one long run of as many steps (DeepSeekMath, Algorithm 1 and figure 6).

.venv/bin/python benchmarks/algorithms/iterative.py [--seeds 5] [--out runs/iterative]
"""

from __future__ import annotations

from experiment import TOY, arguments, compare, keep

RECIPES = tuple(TOY / "experiments" / f"{name}.toml" for name in ("iterative", "reference_reset", "one_long_run"))

if __name__ == "__main__":
    _, compared = compare("iterative", RECIPES, arguments(__doc__, seeds=5))
    keep("iterative", compared)
