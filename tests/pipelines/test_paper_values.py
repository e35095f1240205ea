"""The numbers that the papers print are the numbers of the recipes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reasonforge.config.loader import load_recipe
from reasonforge.pipelines.config import Recipe
from tests.stages.policies import CHAIN, METHODS

PAPERS: dict[str, dict[str, Any]] = {
    # DeepSeekMath 4.2: learning rate 1e-6, coefficient 0.04, 64 outputs per question, 1,024 tokens, batches of 1,024, one update
    "grpo": {
        "rl.training.optimizer.lr": 1e-6,
        "rl.kl.coef": 0.04,
        "rl.kl.estimator": "k3",
        "rl.kl.place": "loss",
        "rl.group_size": 64,
        "rl.sampling.max_new_tokens": 1024,
        "rl.prompts_per_step": 1024 / 64,
        "rl.updates_per_step": 1,
        "rl.advantage.type": "group_normalized",
        "rl.advantage.ddof": 0,
        "rl.aggregation": "sequence_mean_token_mean",
    },
    # DeepSeekMath 4.1.3
    "grpo_ps": {"rl.process.reduce": "sum", "rl.process.counted_from": "end", "rl.kl.coef": 0.04, "rl.group_size": 64},
    # DeepSeekMath 4.1.4 and 4.2: 10 % historical data, reward model at 2e-5, two iterations
    "grpo_iterative": {
        "rl.iterations.reward_model.replay_share": 0.1,
        "rl.iterations.reward_model.training.optimizer.lr": 2e-5,
        "orm.training.optimizer.lr": 2e-5,
        "orm.kind": "outcome",
        "rl.kl.coef": 0.04,
        "rl.training.optimizer.lr": 1e-6,
        "rl.group_size": 64,
        "rl.prompts_per_step": 16,
    },
    # DeepSeek-R1 A.3; PPO 6.1; DeepSeekMath Eq. 2
    "ppo": {
        "rl.advantage.lam": 1.0,
        "rl.advantage.gamma": 1.0,
        "rl.advantage.whiten": True,
        "rl.surrogate.eps_low": 0.2,
        "rl.surrogate.eps_high": 0.2,
        "rl.aggregation": "token_mean",
        "rl.kl.estimator": "k1",
        "rl.kl.place": "reward",
        "rl.critic.clip": 0.2,
    },
    "ppo_lambda95": {"rl.advantage.lam": 0.95, "rl.advantage.gamma": 1.0},
    # RFT 3.3: 100 samples at 0.7, different by their equations
    "rft": {"sample.samples": 100, "sample.sampling.temperature": 0.7, "accepted.only": "correct", "accepted.distinct": "equations"},
    "online_rft": {
        "rl.advantage.type": "reward",
        "rl.surrogate.type": "reinforce",
        "rl.aggregation": "sequence_mean_token_mean",
        "rl.kl": None,
    },
    # DeepSeek-R1 B.4.1: 2 to 3 epochs, 5e-5 to 5e-6 by a cosine, 32,768 tokens, batches of 128
    "rejection_sft": {
        "sft.epochs": 2,
        "sft.training.optimizer.lr": 5e-5,
        "sft.training.schedule.type": "cosine",
        "sft.training.schedule.final_fraction": 0.1,
        "sft.examples_per_step": 128,
        "sample.sampling.max_new_tokens": 32_768,
    },
    # DPO, appendix B
    "dpo": {"dpo.beta": 0.1, "dpo.length_normalised": False, "dpo.training.optimizer.lr": 1e-6, "dpo.training.schedule.warmup_steps": 150},
    "dpo_online": {"dpo.beta": 0.1, "dpo.length_normalised": False},
    # DAPO 4.1: 512 prompts x 16, minibatches of 512, 1e-6 with 20 rollout steps of warm-up, 16,384 + 4,096 tokens; 3.1: 0.2 and 0.28
    "dapo": {
        "rl.prompts_per_step": 512,
        "rl.group_size": 16,
        "rl.updates_per_step": 512 * 16 / 512,
        "rl.training.optimizer.lr": 1e-6,
        "rl.training.schedule.type": "constant",
        "rl.training.schedule.warmup_steps": 20 * 16,
        "rl.sampling.max_new_tokens": 16_384 + 4096,
        "rl.sampling.temperature": 1.0,
        "rl.rewards.overlong.cache_tokens": 4096,
        "rl.rewards.accuracy.wrong": -1.0,
        "rl.surrogate.eps_low": 0.2,
        "rl.surrogate.eps_high": 0.28,
        "rl.aggregation": "token_mean",
        "rl.truncated": "mask_keep_in_baseline",
        "rl.kl": None,
    },
    "dapo_as_printed": {"rl.aggregation": "group_token_mean", "rl.surrogate.eps_high": 0.28},
    # Dr.GRPO: batches of 128, 8 per question, 3,000 tokens, 1e-6, no divergence
    "dr_grpo": {
        "rl.group_size": 8,
        "rl.prompts_per_step": 128 / 8,
        "rl.sampling.max_new_tokens": 3000,
        "rl.sampling.temperature": 1.0,
        "rl.training.optimizer.lr": 1e-6,
        "rl.kl": None,
        "rl.advantage.type": "centred",
        "rl.aggregation": "constant_length",
    },
    # GSPO 5.1: 3e-4 and 4e-4, four minibatches
    "gspo": {"rl.ratio": "sequence", "rl.surrogate.eps_low": 3e-4, "rl.surrogate.eps_high": 4e-4, "rl.updates_per_step": 4, "rl.kl": None},
    "gspo_token": {"rl.ratio": "sequence_token", "rl.surrogate.eps_low": 3e-4, "rl.surrogate.eps_high": 4e-4, "rl.updates_per_step": 4},
    "cispo": {"rl.surrogate.type": "cispo", "rl.surrogate.eps_low": None, "rl.aggregation": "token_mean", "rl.kl": None},
    "rloo": {
        "rl.advantage.type": "leave_one_out",
        "rl.group_size": 4,
        "rl.aggregation": "sequence_mean_token_sum",
        "rl.kl.estimator": "k1",
        "rl.kl.place": "reward",
    },
    "reinforce_pp": {
        "rl.advantage.type": "batch_whitened",
        "rl.advantage.baseline": "none",
        "rl.surrogate.eps_low": 0.2,
        "rl.surrogate.eps_high": 0.2,
        "rl.aggregation": "token_mean",
        "rl.kl.estimator": "k1",
        "rl.kl.place": "reward",
    },
    "reinforce_pp_baseline": {"rl.advantage.type": "batch_whitened", "rl.advantage.baseline": "group"},
    # DeepSeek-R1 2.1: 3e-6, 0.001, 16 outputs, temperature 1; 32 questions a step, 8,192 outputs a rollout in 16 minibatches; the reference
    # every 400 steps of 512 outputs; 10,400 such steps; 32,768 tokens until step 8,200, then 65,536
    "r1_zero": {
        "rl.training.optimizer.lr": 3e-6,
        "rl.kl.coef": 0.001,
        "rl.group_size": 16,
        "rl.sampling.temperature": 1.0,
        "rl.prompts_per_step": 8192 / 16,
        "rl.updates_per_step": 16,
        "rl.reference_refresh_every": 400 / 16,
        "rl.steps": 10_400 / 16,
        "rl.sampling.max_new_tokens": 65_536,
        "rl.context.lengths": (32_768,),
        "rl.context.at_steps": (8200 // 16,),
    },
    # DeepSeek-R1 3.2.1: clip 10, language consistency
    "r1": {
        "rl.surrogate.eps_low": 10,
        "rl.surrogate.eps_high": 10,
        "rl.training.optimizer.lr": 3e-6,
        "rl.kl.coef": 0.001,
        "rl.group_size": 16,
        "rl.sampling.max_new_tokens": 32_768,
        "rl.rewards.language.type": "language",
        "rl.context": None,
    },
    # Ye et al.: c = 3
    "dual_clip": {"rl.surrogate.dual_clip": 3.0},
    # DeepSeek-V3.2, 3.1
    "grpo_unbiased_kl": {"rl.kl.importance_weighted": True, "rl.kl.estimator": "k3"},
    "curriculum2": {"rl.curriculum.levels": ((1, 3), (4, 5))},
    "curriculum5": {"rl.curriculum.levels": ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5))},
    # DeepScaleR: 8K, 16K, 24K
    "progressive_context": {"rl.context.lengths": (8192, 16_384), "rl.sampling.max_new_tokens": 24_576},
    # LIMR: score above 0.6
    "limr": {"select.learning_impact.min_score": 0.6},
}


def test_every_method_has_its_papers_values() -> None:
    assert PAPERS.keys() == METHODS.keys()


@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_says_what_its_paper_says(name: str) -> None:
    recipe = load_recipe(Recipe, [CHAIN, METHODS[name]]).recipe
    for key, printed in PAPERS[name].items():
        first, *path = key.split(".")
        value: Any = recipe.stages.get(first) or recipe.data[first]
        for part in path:
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        assert value == printed, key


@pytest.mark.parametrize("name", METHODS)
def test_every_number_of_a_recipe_has_its_source_behind_it_or_is_called_ours(name: str) -> None:
    for number, line in enumerate(METHODS[name].read_text(encoding="utf-8").splitlines(), 1):
        if re.search(r"= .*[0-9]", line) and not line.startswith(("#", "extends")):
            assert "#" in line, f"{METHODS[name].name}:{number}: {line}"
