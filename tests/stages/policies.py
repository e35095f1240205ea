"""The algorithms of the papers, as a recipe writes them."""

from __future__ import annotations

from typing import Any

from reasonforge.stages.rl.config import RLConfig

Settings = dict[str, Any]

PRESETS: dict[str, Settings] = {
    "grpo": {},
    "grpo_kl": {"kl": {"coef": 0.04}},
    "r1": {"surrogate": {"type": "clip", "eps_low": 10, "eps_high": 10}, "kl": {"coef": 0.001}},
    "dapo": {"surrogate": {"type": "clip", "eps_low": 0.2, "eps_high": 0.28}, "aggregation": "token_mean"},
    "dapo_groups": {"surrogate": {"type": "clip", "eps_low": 0.2, "eps_high": 0.28}, "aggregation": "group_token_mean"},
    "dr_grpo": {"advantage": {"type": "centred"}, "aggregation": "constant_length"},
    "gspo": {"ratio": "sequence", "surrogate": {"type": "clip", "eps_low": 3e-4, "eps_high": 4e-4}},
    "cispo": {"surrogate": {"type": "cispo", "eps_high": 0.28}, "aggregation": "token_mean"},
    "dual_clip": {"surrogate": {"type": "clip", "dual_clip": 3.0}, "aggregation": "token_mean"},
    "rloo": {"advantage": {"type": "leave_one_out"}, "surrogate": {"type": "reinforce"}, "aggregation": "sequence_mean_token_sum"},
    "online_rft": {"advantage": {"type": "reward"}, "surrogate": {"type": "reinforce"}},
    "kl_in_reward": {"kl": {"coef": 0.01, "estimator": "k1", "place": "reward"}},
    "kl_weighted": {"kl": {"coef": 0.04, "importance_weighted": True}},
}
"""Everything but the sizes; one entry per choice that some recipe makes."""


def rl_config(settings: Settings, **more: Any) -> RLConfig:
    """Return a stage's settings; sizes are small unless given."""
    sizes = {"data": "d", "steps": 1, "prompts_per_step": 1, "group_size": 4, "sampling": {"max_new_tokens": 8}}
    return RLConfig.model_validate(sizes | settings | more)
