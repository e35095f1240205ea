"""PPO with lambda 0.95 and 1, and GRPO, on completions of more than a hundred tokens (DeepSeek-R1, appendix A.3, in miniature).

    .venv/bin/python benchmarks/algorithms/ppo_lambda.py [--seeds 3] [--out runs/ppo_lambda]

Peak memory stands beside accuracy: PPO has a second model and its optimizer.
"""

from __future__ import annotations

from experiment import TOY, arguments, compare, keep

METHODS = ("ppo_lambda95", "ppo", "grpo")

if __name__ == "__main__":
    _, compared = compare("ppo_lambda", [TOY / "long" / f"{name}.toml" for name in METHODS], arguments(__doc__, seeds=3))
    keep("ppo_lambda", compared)
