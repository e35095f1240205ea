"""DPO on pairs drawn once and on fresh pairs, beside fine-tuning on the same kinds of samples: one checkpoint, equal rollouts.

.venv/bin/python benchmarks/algorithms/preference.py [--seeds 5] [--out runs/preference]
"""

from __future__ import annotations

from experiment import TOY, arguments, compare, keep

METHODS = ("rft", "dpo", "online_rft", "dpo_online")

if __name__ == "__main__":
    _, compared = compare("preference", [TOY / "algorithms" / f"{name}.toml" for name in METHODS], arguments(__doc__, seeds=5))
    keep("preference", compared)
