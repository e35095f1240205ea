"""Every recipe of an algorithm from graded groups to the loss's gradient, against the same in plain Python.

The groups have all that happens: a tool's tokens in the middle, a completion that was cut, one that could not be graded, a group without
signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reasonforge.core.records import VerdictStatus
from reasonforge.core.rollouts import PolicySample, RolloutGroup
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.credit import assign_credit
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.stages.rl.samples import to_policy_samples
from reasonforge.tensors.batch import PolicyBatch, TokenScores
from reasonforge.tensors.collate import collate, pack
from tests.stages import plain
from tests.stages.graded import PROMPT, group, member
from tests.stages.plain import Draw, Row
from tests.stages.policies import ALGORITHMS, Settings, algorithm, rl_config

MAX_TOKENS = 9
START = len(PROMPT)
CLIP: dict[str, Any] = {"type": "clip", "eps_low": 0.1, "eps_high": 0.15, "dual_clip": 2.0}
OTHERS: dict[str, Settings] = {
    "a dual clip beside the denominators of a group": {"base": "dapo_as_printed", "surrogate": CLIP},
    "an unbiased divergence beside a ratio of sequences": {
        "base": "gspo",
        "kl": {"coef": 0.3, "estimator": "k3", "place": "loss", "importance_weighted": True, "controller": None},
    },
    "a discount and short memory": {
        "base": "ppo",
        "advantage": {"type": "gae", "gamma": 0.9, "lam": 0.7, "whiten": True, "bootstrap_truncated": False},
    },
    "completions that were cut are as if never drawn": {"base": "grpo_ps", "truncated": "mask_drop_from_baseline"},
    "they are in the baseline alone": {"base": "reinforce_pp_baseline", "truncated": "mask_keep_in_baseline"},
}
"""Where axes meet as no recipe has them."""


def settings_of(name: str) -> Settings:
    if name in ALGORITHMS:
        return algorithm(name)
    changes = dict(OTHERS[name])
    return algorithm(changes.pop("base")) | changes


class Scene:
    """Graded groups with numbers of all models, for both roads."""

    def __init__(self, *, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.members = [self._member(number, i) for number in range(3) for i in range(4)]
        self.masks = [np.asarray(m.rollout.completion.mask) for m in self.members]
        self.ref, self.sampler, self.old, self.new, self.values = (
            [self.rng.normal(-1.5 if k < 4 else 0.0, 0.4, len(mask)).astype(np.float32) for mask in self.masks] for k in range(5)
        )

    def _member(self, number: int, i: int) -> Any:
        length = int(self.rng.integers(2, MAX_TOKENS))
        mask = np.ones(length, np.bool_)
        if i == 1:  # a tool spoke: in the middle, and last of all where the completion is long
            mask[1 : 1 + (length > 2)] = False
            mask[-1] = length < 5
        right = float(number < 2 and i in (0, 1))
        ends = sorted({int(end) for end in self.rng.integers(0, length, 3)})
        steps = [(end, float(self.rng.integers(0, 2))) for end in ends] if i != 2 else []
        share = sum(value for _, value in steps) / max(len(steps), 1)
        failed = number == 1 and i == 3
        status: VerdictStatus = "timeout" if failed else "correct" if right else "wrong"
        parts = {} if failed else {"accuracy": right, "steps": share}
        total = 0.0 if failed else right + share
        finish = "length" if number == 0 and i == 3 else "stop"
        return member(
            total, length=length, mask=mask.tolist(), finish=finish, status=status, parts=parts, steps=steps if not failed else ()
        )

    def groups(self) -> list[RolloutGroup]:
        return [group(*self.members[start : start + 4]) for start in range(0, 12, 4)]

    def draws(self, settings: Settings) -> list[Draw]:
        by_step = settings["process"] is not None
        return [
            Draw(
                group=i // 4,
                outcome=m.reward.parts.get("accuracy", 0.0) if by_step else m.reward.total,
                sampler=self.sampler[i][mask].tolist(),
                ref=self.ref[i][mask].tolist(),
                values=self.values[i][mask].tolist(),
                steps=[(int(mask[: end + 1].sum()), value) for end, value in m.reward.steps],
                is_cut=m.rollout.completion.finish_reason == "length",
                has_failed=m.verdict.status == "timeout",
            )
            for i, (m, mask) in enumerate(zip(self.members, self.masks))
        ]

    def samples(self) -> list[PolicySample]:
        def whole(rows: Sequence[np.ndarray]) -> list[np.ndarray]:
            return [np.concatenate([np.zeros(START, np.float32), row * mask]) for row, mask in zip(rows, self.masks)]

        given = zip(to_policy_samples(self.groups()), whole(self.ref), whole(self.sampler), whole(self.values))
        return [replace(sample, ref_logprobs=ref, sampler_logprobs=own, values=values) for sample, ref, own, values in given]


def by_plain_python(settings: Settings, scene: Scene) -> tuple[float, list[list[float]]]:
    draws = scene.draws(settings)
    is_stale = settings["surrogate"]["type"] != "reinforce"
    rows = []
    for i, (draw, found) in enumerate(zip(draws, plain.advantages(settings, draws))):
        keep = scene.masks[i] & draw.is_learned(settings)
        new, old, ref = (values[i][keep].tolist() for values in (scene.new, scene.old if is_stale else scene.new, scene.ref))
        rows.append(Row(group=draw.group, advantages=found if keep.any() else [], new=new, old=old, ref=ref))
    return plain.loss(settings, rows, max_tokens=MAX_TOKENS), plain.gradient(settings, rows, max_tokens=MAX_TOKENS)


def by_the_stage(config: RLConfig, scene: Scene, *, packed: bool) -> tuple[float, list[list[float]]]:
    samples = scene.samples()
    step_parts = {"steps"} if config.process is not None else frozenset()
    kl_coef = config.kl.coef if config.kl is not None else 0.0
    learned = assign_credit(scene.groups(), samples, config, kl_coef=kl_coef, step_parts=step_parts).samples

    def laid_out(rows: Sequence[np.ndarray]) -> PolicyBatch:
        filled = [replace(s, old_logprobs=np.concatenate([np.zeros(START, np.float32), row])) for s, row in zip(learned, rows)]
        weights = sample_weights(filled, config)
        batch = pack(filled, weights, row_tokens=40) if packed else collate(filled, weights)
        assert isinstance(batch, PolicyBatch)
        return batch

    batch, current = laid_out(scene.old), laid_out(scene.new).old_logprobs
    assert current is not None
    doubles = {name: getattr(batch, name).double() for name in ("advantages", "old_logprobs", "ref_logprobs", "loss_weights")}
    if config.surrogate.type == "reinforce":
        doubles["old_logprobs"] = None
    logprobs = current.double().requires_grad_()
    objective = PolicyObjective(config, num_tokens=int(batch.loss_mask.sum()))
    loss = objective(TokenScores(logprobs=logprobs, entropy=torch.zeros_like(logprobs)), replace(batch, **doubles)).loss
    (slope,) = torch.autograd.grad(loss, logprobs)
    assert slope[~batch.loss_mask].eq(0).all()
    return loss.item(), [slope[batch.loss_mask & (batch.samples == i)].tolist() for i in range(len(samples))]


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("name", [*ALGORITHMS, *OTHERS])
def test_loss_and_gradient_are_those_of_plain_python(name: str, packed: bool) -> None:
    settings, scene = settings_of(name), Scene()
    config = rl_config(settings, sampling={"max_new_tokens": MAX_TOKENS}, prompts_per_step=3)
    expected, slopes = by_plain_python(settings, scene)
    loss, found = by_the_stage(config, scene, packed=packed)
    # Advantages and weights are float32 in the stage.
    assert loss == pytest.approx(expected, abs=2e-6)
    assert [len(row) for row in found] == [len(row) for row in slopes]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(slopes), rtol=0, atol=2e-6)
    assert np.abs(np.concatenate(found)).max() > 1e-3
