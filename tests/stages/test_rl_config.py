"""Settings of reinforcement learning that cannot work together, or would have no effect, are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.stages.graded import config

GAE: dict[str, Any] = {"advantage": {"type": "gae"}, "critic": {}}
STEPS: dict[str, Any] = {"rewards": {"steps": {"type": "steps"}}}
K1: dict[str, Any] = {"coef": 0.1, "estimator": "k1", "place": "reward"}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "gae without a critic": ({"advantage": {"type": "gae"}}, "gae needs a critic"),
    "a critic without gae": ({"critic": {}}, "nothing else uses one"),
    "a critic that warms up to the end": (GAE | {"critic": {"warmup_steps": 1}}, "leaves none of 1 steps"),
    "a bootstrap of what is masked": (
        {"advantage": {"type": "gae", "bootstrap_truncated": True}, "critic": {}, "truncated": "mask_keep_in_baseline"},
        "bootstrap_truncated has no effect",
    ),
    "a critic saved on its own": (GAE | {"critic": {"training": {"checkpoint_every": 7}}}, "checkpoint_every has no effect"),
    "process supervision without steps": ({"process": {}}, "no part of rewards pays steps"),
    "process supervision by a part of no weight": (
        {"process": {}, "rewards": {"accuracy": {"type": "accuracy"}, "steps": {"type": "steps", "weight": 0.0}}},
        "no part of rewards pays steps",
    ),
    "process supervision with a critic": (GAE | STEPS | {"process": {}}, "process normalises steps within a group"),
    "process supervision against the others of a group": (
        STEPS | {"process": {}, "advantage": {"type": "leave_one_out"}},
        "process normalises steps within a group",
    ),
    "one ratio per completion where tokens differ: a critic": (GAE | {"ratio": "sequence"}, "use sequence_token"),
    "one ratio per completion where tokens differ: steps": (STEPS | {"process": {}, "ratio": "sequence"}, "use sequence_token"),
    "one ratio per completion where tokens differ: a divergence": (
        {"advantage": {"type": "batch_whitened"}, "kl": K1, "ratio": "sequence"},
        "use sequence_token",
    ),
    "minibatches that split the groups of a mean over groups": (
        {"aggregation": "group_token_mean", "prompts_per_step": 3, "updates_per_step": 2},
        "needs whole groups in a minibatch",
    ),
    "reinforce with a ratio": ({"surrogate": {"type": "reinforce"}, "ratio": "sequence_token"}, "reinforce has no ratio"),
    "a group of one with a group baseline": ({"group_size": 1, "advantage": {"type": "batch_whitened", "baseline": "group"}}, "at least 2"),
    "dynamic sampling of single completions": (GAE | {"group_size": 1, "dynamic_sampling": {}}, "a group of 1 never holds both"),
    "a budget that is never reached": ({"rollout_budget": 5}, "draw at most 4"),
    "an importance correction that corrects nothing": ({"importance": {"token_cap": None}}, "nothing would be corrected"),
    "a band without one": ({"importance": {"sequence_band": [1.5, 2.0]}}, "low <= 1 <= high"),
}


@pytest.mark.parametrize(("settings", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_effect_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        config(**settings)


ACCEPTED: dict[str, dict[str, Any]] = {
    "a critic needs no group": GAE | {"group_size": 1},
    "nor does whitening over the batch": {"group_size": 1, "advantage": {"type": "batch_whitened"}},
    "one ratio per completion with the same advantage at every token": {"advantage": {"type": "batch_whitened"}, "ratio": "sequence"},
    "a budget that dynamic sampling may reach": {"rollout_budget": 40, "dynamic_sampling": {}},
    "process supervision by a reward model": {"process": {}, "rewards": {"prm": {"type": "reward_model", "model": "prm"}}},
}


@pytest.mark.parametrize("settings", ACCEPTED.values(), ids=ACCEPTED)
def test_what_has_an_effect_is_accepted(settings: dict[str, Any]) -> None:
    config(**settings)
