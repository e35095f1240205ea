"""DeepSeekMath's figure 5 in miniature: RFT, online RFT, GRPO with outcome and with process supervision, one checkpoint, equal rollouts.

.venv/bin/python benchmarks/algorithms/figure5.py [--seeds 5] [--out runs/figure5]
"""

from __future__ import annotations

from experiment import TOY, arguments, compare, keep

METHODS = ("rft", "online_rft", "grpo", "grpo_ps")

if __name__ == "__main__":
    _, compared = compare("figure5", [TOY / "algorithms" / f"{name}.toml" for name in METHODS], arguments(__doc__, seeds=5))
    keep("figure5", compared)
