"""The plain form that recipes are held against gives the printed values of the worked examples itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracle import Case, case, cases
from tests.stages import plain
from tests.stages.plain import Draw, Row
from tests.stages.policies import Settings

AGGREGATIONS = {
    "seq-mean-token-mean": "sequence_mean_token_mean",
    "token-mean": "token_mean",
    "const": "constant_length",
    "seq-mean-token-sum": "sequence_mean_token_sum",
}
GAE = [example for example in cases("gae_ppo") if "lambda" in example.inputs and not example.id.startswith("kl")]
NO_KL: Settings = {"kl": None, "process": None, "truncated": "keep"}


def settings_of(example: Case) -> Settings:
    given = example.inputs
    clip = {"type": "clip", "eps_low": given["eps_low"], "eps_high": given["eps_high"], "dual_clip": given["dual_clip_c"]}
    penalty = {"coef": given["beta_k3"], "place": "loss", "importance_weighted": False}
    return {
        "surrogate": {"type": "cispo", "eps_high": given["eps_high"]} if given["loss"] == "cispo" else clip,
        "ratio": given["ratio"],
        "aggregation": AGGREGATIONS[given["aggregation"]],
        "kl": penalty if given["beta_k3"] else None,
    }


@pytest.mark.parametrize("example", cases("policy_losses"), ids=lambda example: example.id)
def test_losses_and_gradients(example: Case) -> None:
    given, settings, limit = example.inputs, settings_of(example), example.inputs["L_max"] or 8
    lengths = [sum(map(bool, mask)) for mask in given["mask"]]
    new, old, ref = ([row[:length] for row, length in zip(given[f"logp_{of}"], lengths)] for of in ("new", "old", "ref"))
    columns = zip(given["advantages"], lengths, new, old, ref)
    rows = [Row(group=0, advantages=[advantage] * length, new=n, old=o, ref=r) for advantage, length, n, o, r in columns]
    assert plain.loss(settings, rows, max_tokens=limit) == pytest.approx(example.expected["loss_to_minimise"], abs=1e-10)
    slopes = np.concatenate(plain.gradient(settings, rows, max_tokens=limit))
    printed = np.concatenate([row[:length] for row, length in zip(example.expected["grad_loss_wrt_logp_new"], lengths)])
    np.testing.assert_allclose(slopes, printed, rtol=0, atol=1e-8)


def drawn(outcome: float, length: int, **more: Any) -> Draw:
    zeros = [0.0] * length
    return Draw(**{"group": 0, "outcome": outcome, "sampler": zeros, "ref": zeros, "values": zeros} | more)


@pytest.mark.parametrize("example", GAE, ids=lambda example: example.id)
def test_a_critics_advantages(example: Case) -> None:
    settings = NO_KL | {"advantage": {"type": "gae", "gamma": example.inputs["gamma"], "lam": example.inputs["lambda"]}}
    found = plain.advantages(settings, [drawn(example.inputs["rewards"][-1], 5, values=example.inputs["values"])])
    np.testing.assert_allclose(found, [example.expected["whitened_sample_std_eps1e-8"]], rtol=0, atol=1e-8)


def test_a_divergence_in_the_reward() -> None:
    shaping, example = case("gae_ppo", "kl_shaping").inputs, case("gae_ppo", "kl_in_reward_beta0.1_g1.0_l0.95")
    settings = NO_KL | {"advantage": {"type": "gae", "gamma": 1.0, "lam": 0.95}, "kl": {"coef": shaping["beta"], "place": "reward"}}
    models = {"values": example.inputs["values"], "sampler": shaping["logp_policy"], "ref": shaping["logp_ref"]}
    found = plain.advantages(settings, [drawn(shaping["rewards"][-1], 5, **models)])
    np.testing.assert_allclose(found, [example.expected["whitened_sample_std_eps1e-8"]], rtol=0, atol=1e-8)


@pytest.mark.parametrize("ddof", [0, 1])
def test_process_supervision(ddof: int) -> None:
    example = case("advantage_process", "three_outputs")
    given = zip(*(example.inputs[key] for key in ("lens", "step_end", "step_rewards")))
    draws = [drawn(0.0, length, steps=[(end + 1, value) for end, value in zip(ends, values)]) for length, ends, values in given]
    settings = NO_KL | {"advantage": {"type": "group_normalized", "ddof": ddof, "std_floor": 1e-4, "eps": 0.0}, "process": {}}
    found = plain.advantages(settings, draws)
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(example.expected[f"token_advantages_ddof{ddof}"]), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("baseline", "name"), [("none", "reinforce_pp"), ("group", "reinforce_pp_baseline")])
def test_whitening_over_the_batch(baseline: str, name: str) -> None:
    example = case("reinforce_pp", "2x4")
    draws = [drawn(reward, 1, group=number) for number, rewards in enumerate(example.inputs["rewards"]) for reward in rewards]
    found = plain.advantages(NO_KL | {"advantage": {"type": "batch_whitened", "baseline": baseline}}, draws)
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(example.expected[name]), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("kind", "name"), [("group_normalized", "grpo_std_ddof0"), ("centred", "dr_grpo"), ("leave_one_out", "rloo")])
def test_comparisons_within_a_group(kind: str, name: str) -> None:
    example = case("advantage_group", "real_valued")
    settings = NO_KL | {"advantage": {"type": kind, "ddof": 0, "std_floor": 1e-4, "eps": 0.0}}
    found = plain.advantages(settings, [drawn(reward, 1) for reward in example.inputs["rewards"]])
    np.testing.assert_allclose(np.concatenate(found), example.expected[name], rtol=0, atol=1e-8)
