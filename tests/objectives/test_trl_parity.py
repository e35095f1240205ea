"""The same tensors through TRL's own loss code and through ours.

TRL's ``_compute_loss`` runs on a stand-in trainer: its settings, and a model whose answer is the log-probabilities of the test.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reasonforge.core.rollouts import TrainingSample
from reasonforge.objectives.advantages import group_normalized
from reasonforge.objectives.preference import dpo, mean_token_log_ratios, sequence_log_ratios
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.tensors.batch import PolicyBatch, TokenScores
from tests.objectives.policy import Choices, Tokens, loss, random_tokens
from tests.stages.policies import rl_config

pytest.importorskip("trl", reason="TRL is not installed; it is the oracle here")

MAX_TOKENS = 9


def accelerator() -> SimpleNamespace:
    def same(value: Any, **_: Any) -> Any:
        return value

    return SimpleNamespace(num_processes=1, gather=same, gather_for_metrics=same, reduce=same, device=torch.device("cpu"))


def metrics() -> defaultdict[str, defaultdict[str, list[float]]]:
    return defaultdict(lambda: defaultdict(list))


@dataclass(frozen=True, kw_only=True)
class TrlSettings:
    """What TRL needs to be told to mean the same."""

    loss_type: str
    level: str = "token"
    epsilon_low: float = 0.2
    epsilon_high: float = 0.2
    delta: float | None = None


def trl_grpo_loss(settings: TrlSettings, tokens: Tokens, *, beta: float) -> Tensor:
    from trl.trainer.grpo_trainer import GRPOTrainer

    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (tokens.logprobs, torch.zeros_like(tokens.logprobs), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=settings.level,
        loss_type=settings.loss_type,
        beta=beta,
        epsilon_low=settings.epsilon_low,
        epsilon_high=settings.epsilon_high,
        args=SimpleNamespace(use_bias_correction_kl=False, delta=settings.delta, steps_per_generation=1),
        use_vllm=False,
        vllm_importance_sampling_correction=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=MAX_TOKENS,
        accelerator=accelerator(),
        _entropy_bonus_enabled=False,
        _metrics=metrics(),
    )
    prompts = torch.zeros(len(tokens.mask), 1, dtype=torch.int64)
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": torch.ones_like(prompts),
        "completion_ids": torch.zeros(tokens.mask.shape, dtype=torch.int64),
        "completion_mask": tokens.mask.int(),
        "advantages": tokens.advantages,
        "old_per_token_logps": tokens.old_logprobs,
        "ref_per_token_logps": tokens.ref_logprobs,
        "num_items_in_batch": tokens.mask.sum(),
    }
    return GRPOTrainer._compute_loss(trainer, None, inputs)  # pyright: ignore[reportArgumentType]


PAIRS = {
    "grpo": (TrlSettings(loss_type="grpo"), Choices()),
    "bnpo": (TrlSettings(loss_type="bnpo"), Choices(aggregation="token_mean")),
    "dr_grpo": (TrlSettings(loss_type="dr_grpo"), Choices(aggregation="constant_length", max_tokens=MAX_TOKENS)),
    "dapo": (TrlSettings(loss_type="dapo", epsilon_high=0.28), Choices(eps_high=0.28, aggregation="token_mean")),
    "cispo": (
        TrlSettings(loss_type="cispo", epsilon_high=1.28),
        Choices(surrogate="cispo", eps_low=None, eps_high=0.28, aggregation="token_mean"),
    ),
    "gspo": (
        TrlSettings(loss_type="grpo", level="sequence", epsilon_low=0.03, epsilon_high=0.04),
        Choices(ratio="sequence", eps_low=0.03, eps_high=0.04),
    ),
}


def stage_loss(choices: Choices, tokens: Tokens) -> Tensor:
    """The same through the loss of the RL stage, as a recipe spells it."""
    surrogate = {"type": choices.surrogate, "eps_low": choices.eps_low, "eps_high": choices.eps_high}
    config = rl_config(
        {
            "ratio": choices.ratio,
            "surrogate": surrogate,
            "aggregation": choices.aggregation,
            "kl": {"coef": choices.kl_coef} if choices.kl_coef else None,
            "sampling": {"max_new_tokens": choices.max_tokens},
        }
    )
    samples = [TrainingSample(token_ids=np.zeros(len(row), np.int32), loss_mask=row.numpy()) for row in tokens.mask]
    zeros = torch.zeros(tokens.mask.shape, dtype=torch.int64)
    batch = PolicyBatch(
        inputs=zeros,
        targets=zeros,
        loss_mask=tokens.mask,
        loss_weights=torch.from_numpy(sample_weights(samples, config)).double()[:, None] * tokens.mask,
        positions=zeros,
        segments=tokens.mask.long(),
        samples=torch.arange(len(samples))[:, None] * tokens.mask,
        num_samples=len(samples),
        advantages=tokens.advantages[:, None] * tokens.mask,
        sampler_logprobs=tokens.old_logprobs,
        old_logprobs=tokens.old_logprobs,
        ref_logprobs=tokens.ref_logprobs if choices.kl_coef else None,
    )
    scores = TokenScores(logprobs=tokens.logprobs, entropy=torch.zeros_like(tokens.logprobs))
    return PolicyObjective(config, num_tokens=int(tokens.mask.sum()))(scores, batch).loss


ROADS = {"objectives": loss, "stage": stage_loss}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("name", PAIRS)
def test_policy_losses_and_gradients_are_trls(name: str, beta: float, road: str) -> None:
    """Where the definitions differ, the settings are chosen so that they meet.

    - ``cispo``: TRL's ``epsilon_high`` is the bound itself (1.28), ours its distance from 1 (0.28, as in the paper).
    - ``dapo``, ``cispo``: TRL divides by the tokens of the generation batch, scaled to one accumulation window; with one window that is
      the optimizer step, over which we count.
    - ``bnpo``: TRL divides by the tokens of the micro-batch; here the micro-batch is the step.
    - ``gspo``: TRL has no such loss type; it is ``grpo`` with ``importance_sampling_level="sequence"``.
    """
    settings, choices = PAIRS[name]
    choices = Choices(**{**vars(choices), "kl_coef": beta})
    tokens, tokens_for_trl = random_tokens().fresh(), random_tokens().fresh()
    ours, theirs = ROADS[road](choices, tokens), trl_grpo_loss(settings, tokens_for_trl, beta=beta)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    (our_gradient,) = torch.autograd.grad(ours, tokens.logprobs)
    (their_gradient,) = torch.autograd.grad(theirs, tokens_for_trl.logprobs)
    torch.testing.assert_close(our_gradient, their_gradient, rtol=0, atol=1e-6)
    assert our_gradient.abs().max() > 1e-3


def test_the_stand_in_really_runs_trls_code() -> None:
    """A wrong setting on their side must be noticed: with TRL's default cap of 0.2 every CISPO weight, 1 included, is cut to 0.2."""
    tokens = random_tokens()
    ours = loss(PAIRS["cispo"][1], tokens)
    theirs = trl_grpo_loss(TrlSettings(loss_type="cispo", epsilon_high=0.2), tokens, beta=0.0)
    assert abs(float(ours - theirs)) > 0.01


def test_normalised_advantages_are_trls() -> None:
    from trl.trainer.utils import nanstd

    rewards = torch.rand(12)
    grouped = rewards.view(3, 4)
    theirs = ((grouped - grouped.mean(1, keepdim=True)) / (nanstd(grouped, dim=1)[:, None] + 1e-4)).flatten()
    ours = group_normalized(rewards, torch.arange(12) // 4, ddof=1, eps=1e-4, std_floor=0.0)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def trl_dpo_loss(loss_type: str, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, *, beta: float) -> Tensor:
    """Rows: the chosen completions, then the rejected ones; one prompt token before each."""
    from trl.trainer.dpo_trainer import DPOTrainer

    def model(scores: Tensor) -> Any:
        blank = torch.zeros_like(scores)
        outputs = SimpleNamespace(log_probs=scores * mask, entropy=blank, mean_logits=blank, is_top1=blank.bool(), aux_loss=None)
        return lambda **_: outputs

    completion_mask = torch.nn.functional.pad(mask.int(), (1, 0))
    ref_sums = (ref_logprobs * mask).sum(1).chunk(2)
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=accelerator(),
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=[loss_type],
        loss_weights=[1.0],
        beta=beta,
        use_weighting=False,
        _metrics=metrics(),
        _total_train_tokens=0,
        _tp_size=1,
    )
    inputs = {
        "input_ids": torch.zeros_like(completion_mask),
        "attention_mask": torch.ones_like(completion_mask),
        "completion_mask": completion_mask,
        "ref_chosen_logps": ref_sums[0],
        "ref_rejected_logps": ref_sums[1],
    }
    return DPOTrainer._compute_loss(trainer, model(logprobs), inputs, False)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("loss_type", "log_ratios"), [("sigmoid", sequence_log_ratios), ("sigmoid_norm", mean_token_log_ratios)])
def test_dpo_loss_and_gradient_are_trls(loss_type: str, log_ratios) -> None:
    """TRL calls the length-normalised form ``sigmoid_norm``."""
    tokens = random_tokens(6, 5)
    results = []
    for ours in (True, False):
        logprobs = tokens.logprobs.clone().requires_grad_()
        if ours:
            samples = torch.arange(6)[:, None].expand(6, 5)
            ratios = log_ratios(logprobs, tokens.ref_logprobs, loss_mask=tokens.mask, samples=samples, num_samples=6)
            value = dpo(ratios[:3], ratios[3:], beta=0.1).loss.mean()
        else:
            value = trl_dpo_loss(loss_type, logprobs, tokens.ref_logprobs, tokens.mask, beta=0.1)
        results.append((value.detach(), torch.autograd.grad(value, logprobs)[0]))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=1e-6)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=1e-6)
