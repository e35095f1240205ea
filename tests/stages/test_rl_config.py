"""Settings of reinforcement learning that cannot work together, or would have no effect, are refused."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from pydantic import ValidationError

from reasonforge.core.errors import RecipeError
from reasonforge.stages.rl.run import refuse_too_little_room
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


ROOM: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "a completion of full length fits": ({"training": {"max_tokens_per_device": 9}}, 99, None),
    "a short context is the limit": ({"training": {"max_tokens_per_device": 5}}, 5, None),
    "the policy's micro-batch": ({"training": {"max_tokens_per_device": 8}}, 99, r"^training.max_tokens_per_device is 8.* have 9 tokens"),
    "its rows": (
        {"training": {"max_tokens_per_device": 99, "batching": {"type": "pack", "row_tokens": 8}}},
        99,
        r"^training.batching.row_tokens is 8",
    ),
    "the critic's": (GAE | {"critic": {"training": {"max_tokens_per_device": 8}}}, 99, r"^critic.training.max_tokens_per_device is 8"),
    "the value behind a cut completion": (
        {"advantage": {"type": "gae", "bootstrap_truncated": True}, "critic": {"training": {"max_tokens_per_device": 9}}},
        99,
        r"^critic.training.max_tokens_per_device is 9.* have 10 tokens",
    ),
}
"""Completions of at most 8 tokens."""


@pytest.mark.parametrize(("settings", "max_context", "reason"), ROOM.values(), ids=ROOM)
def test_micro_batches_have_room_for_a_completion_of_full_length(settings: dict[str, Any], max_context: int, reason: str | None) -> None:
    with pytest.raises(RecipeError, match=reason) if reason else nullcontext():
        refuse_too_little_room(config(**settings), max_context=max_context)
