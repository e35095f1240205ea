"""Update rules: who is updated by which, against PyTorch, and their state."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from reasonforge.core.errors import DataError
from reasonforge.training.config import AdamW, Muon
from reasonforge.training.optimizer import MuonRule, build_optimizer, orthogonalized
from tests.training.build import decoder


def draw_gradients(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def test_muon_moves_the_matrices_of_the_layers_and_adamw_the_rest() -> None:
    model = decoder()
    muon, adamw = build_optimizer(model, Muon())
    draw_gradients(model, 0)
    for rule in (muon, adamw):
        rule.step(1.0)
    by_muon = {name.removesuffix(".momentum") for name in muon.state()}
    by_adamw = {name.rsplit(".", 1)[0] for name in adamw.state()}
    assert by_muon | by_adamw == set(dict(model.named_parameters()))
    assert not by_muon & by_adamw
    assert by_muon == {name for name, p in model.named_parameters() if "_proj." in name and p.ndim == 2}
    assert "embed_tokens.weight" in by_adamw


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon to compare with")
@pytest.mark.parametrize("shape", [(12, 12), (24, 12), (12, 24)])
def test_muon_is_pytorchs_muon(shape: tuple[int, int]) -> None:
    ours = {f"layers.{i}.weight": nn.Parameter(torch.randn(shape)) for i in range(3)}
    theirs = copy.deepcopy(list(ours.values()))
    rule = MuonRule(ours, Muon(lr=0.02, weight_decay=0.1))
    peer = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for mine, other in zip(ours.values(), theirs):
            mine.grad = torch.randn(shape)
            other.grad = mine.grad.clone()
        rule.step(1.0)
        peer.step()
    for mine, other in zip(ours.values(), theirs):
        # bfloat16 inside: products of a stack round differently from products of one matrix.
        torch.testing.assert_close(mine, other, atol=4e-4, rtol=0)


def test_orthogonalized_keeps_the_singular_vectors_and_flattens_the_values() -> None:
    matrices = torch.randn(2, 8, 20)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    inner = left.mT @ orthogonalized(matrices).float() @ right.mT
    diagonal = inner.diagonal(dim1=-2, dim2=-1)
    assert diagonal.min() > 0.6
    assert diagonal.max() < 1.3
    assert (inner - torch.diag_embed(diagonal)).abs().max() < 0.05


def test_norms_and_biases_do_not_decay() -> None:
    model = decoder()
    (rule,) = build_optimizer(model, AdamW(lr=0.1, weight_decay=0.5))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    rule.step(1.0)
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter, before[name] * (1.0 if parameter.ndim < 2 else 0.95)), name


def test_the_rate_is_the_peak_times_the_fraction() -> None:
    model = decoder()
    (rule,) = build_optimizer(model, AdamW(lr=0.1, weight_decay=0.0, eps=1e-12))
    before = model.norm.weight.clone()
    draw_gradients(model, 0)
    rule.step(0.25)
    # The first step of Adam is the rate, in the direction of the gradient's sign.
    torch.testing.assert_close((model.norm.weight - before).abs(), torch.full_like(before, 0.025))


@pytest.mark.parametrize("config", [AdamW(), Muon()])
def test_state_restored_goes_on_to_the_bit(config: AdamW | Muon) -> None:
    first = decoder()
    rules = build_optimizer(first, config)
    for seed in range(2):
        draw_gradients(first, seed)
        for rule in rules:
            rule.step(1.0)
    second = copy.deepcopy(first)
    restored = build_optimizer(second, config)
    for old, new in zip(rules, restored):
        new.load_state(old.state())
    for model, of in ((first, rules), (second, restored)):
        draw_gradients(model, 7)
        for rule in of:
            rule.step(0.5)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))


@pytest.mark.parametrize("config", [AdamW(), Muon()])
def test_state_of_a_fresh_optimizer_goes_round(config: AdamW | Muon) -> None:
    for rule, fresh in zip(build_optimizer(decoder(), config), build_optimizer(decoder(), config)):
        fresh.load_state(rule.state())
        assert fresh.state().keys() == rule.state().keys()


def test_state_of_another_model_is_refused_by_name() -> None:
    muon, _ = build_optimizer(decoder(), Muon())
    state = muon.state()
    state["layers.9.mlp.up_proj.weight.momentum"] = state.pop("layers.1.mlp.up_proj.weight.momentum")
    with pytest.raises(DataError, match=r"layers\.1\.mlp\.up_proj\.weight\.momentum is missing"):
        muon.load_state(state)
