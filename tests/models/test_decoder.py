"""What the decoder computes in training: rows, padding, packing, dtypes, gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reasonforge.models import attention
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.tensors.batch import TokenBatch
from tests.models.build import SHAPES, batch, decoder, token_ids

QWEN3 = SHAPES["qwen3"]


@pytest.fixture(params=["plain", "fused"])
def both_kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with batched products and again with torch's own attention."""
    if request.param == "fused":
        monkeypatch.setattr(attention, "PLAIN_ATTENTION_MAX_POSITIONS", {})


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("packed", [False, True])
def test_plain_and_fused_attention_agree(name: str, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = decoder(SHAPES[name])
    rows = batch([[token_ids(7), token_ids(9, seed=1)], [token_ids(12, seed=2)]] if packed else [[token_ids(13)], [token_ids(16, seed=1)]])
    plain = model.hidden_states(rows)
    monkeypatch.setattr(attention, "PLAIN_ATTENTION_MAX_POSITIONS", {})
    fused = model.hidden_states(rows)
    torch.testing.assert_close(plain[rows.loss_mask], fused[rows.loss_mask], atol=1e-5, rtol=0)


@pytest.mark.usefixtures("both_kernels")
def test_padding_and_neighbours_have_no_influence() -> None:
    model, sample = decoder(QWEN3), token_ids(9)
    alone = model.hidden_states(batch([[sample]]))[0]
    for padding, neighbour in ((0, token_ids(14, seed=1)), (7, token_ids(20, seed=2))):
        together = model.hidden_states(batch([[neighbour], [sample]], padding=padding))[1, :9]
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.usefixtures("both_kernels")
def test_packed_rows_give_what_padded_rows_give() -> None:
    model = decoder(QWEN3)
    first, second, third = token_ids(5), token_ids(8, seed=1), token_ids(6, seed=2)
    padded = model.hidden_states(batch([[first], [second], [third]]))
    packed = model.hidden_states(batch([[first, second], [third]], num_positions=17))
    torch.testing.assert_close(packed[0, :5], padded[0, :5], atol=1e-5, rtol=0)
    torch.testing.assert_close(packed[0, 5:13], padded[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(packed[1, :6], padded[2, :6], atol=1e-5, rtol=0)
    assert torch.isfinite(packed).all(), "padding of a packed row must not be NaN: its gradient would spread"


def test_no_token_sees_its_future() -> None:
    model, ids = decoder(QWEN3), token_ids(2, 12)
    changed = ids.clone()
    changed[:, 8:] = (changed[:, 8:] + 1) % QWEN3.vocab_size
    before, after = model.hidden_states(batch(ids[:, None])), model.hidden_states(batch(changed[:, None]))
    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.allclose(before[:, 8:], after[:, 8:])


def test_only_differences_of_positions_matter() -> None:
    model, rows = decoder(QWEN3), batch([[token_ids(10)]])
    shifted = TokenBatch(**{name: getattr(rows, name) for name in rows.__dataclass_fields__} | {"positions": rows.positions + 37})
    torch.testing.assert_close(model.hidden_states(shifted), model.hidden_states(rows), atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", SHAPES)
def test_bfloat16_stays_close(name: str) -> None:
    model, rows = decoder(SHAPES[name]), batch([[token_ids(20)], [token_ids(31, seed=1)]])
    exact, rounded = model.hidden_states(rows), model.hidden_states(rows, dtype=torch.bfloat16)
    assert rounded.dtype == torch.bfloat16
    error = (rounded.float() - exact)[rows.loss_mask].norm() / exact[rows.loss_mask].norm()
    assert error < 0.03


def test_parameters_stay_float32_and_get_float32_gradients_in_bfloat16() -> None:
    model = decoder(QWEN3)
    model.hidden_states(batch([[token_ids(6)]]), dtype=torch.bfloat16).float().square().sum().backward()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(parameter.grad is not None and parameter.grad.dtype == torch.float32 for parameter in model.parameters())


def test_logits_are_the_head_applied_to_hidden_states() -> None:
    for name in ("qwen3", "llama"):
        model, rows = decoder(SHAPES[name]), batch([[token_ids(6)]])
        head = model.embed_tokens.weight if SHAPES[name].tie_embeddings else dict(model.named_parameters())["lm_head.weight"]
        torch.testing.assert_close(model.logits(rows), torch.einsum("btd,vd->btv", model.hidden_states(rows), head))


# -- gradients


def _slope(value: Callable[[], Tensor], parameter: Tensor, direction: Tensor, step: float = 1e-5) -> float:
    """Differentiate by central differences."""
    with torch.no_grad():
        start = parameter.clone()
        ends = []
        for sign in (1, -1):
            parameter.copy_(start + sign * step * direction)
            ends.append(value().item())
        parameter.copy_(start)
    return (ends[0] - ends[1]) / (2 * step)


@pytest.mark.usefixtures("both_kernels")
@pytest.mark.parametrize("name", ["qwen3 wide heads, untied, yarn", "llama biases, linear, one kv head"])
@pytest.mark.parametrize("packed", [False, True])
def test_gradients_are_finite_differences(name: str, packed: bool) -> None:
    model = decoder(SHAPES[name]).double()
    generator = torch.Generator().manual_seed(5)
    rows = batch([[token_ids(4), token_ids(3, seed=1)], [token_ids(5, seed=2)]] if packed else [[token_ids(6)], [token_ids(4, seed=1)]])
    mixture = (
        torch.randn(*rows.inputs.shape, model.config.hidden_size, generator=generator, dtype=torch.float64) * rows.loss_mask[..., None]
    )

    def value() -> Tensor:
        hidden = model.hidden_states(rows, dtype=torch.float64)
        return (hidden * mixture).sum() + (hidden @ model.head_weight.T).square().mean()

    value().backward()
    for parameter_name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        assert parameter.grad is not None
        expected = _slope(value, parameter.data, direction)
        assert (parameter.grad * direction).sum().item() == pytest.approx(expected, rel=1e-6, abs=1e-7), parameter_name


def test_padding_carries_no_gradient() -> None:
    model = decoder(SHAPES["llama"])
    rows = batch([[token_ids(5)], [token_ids(9, seed=1)]], padding=49)
    assert 49 not in rows.inputs[rows.loss_mask]
    (model.hidden_states(rows)[rows.loss_mask]).square().sum().backward()
    assert model.embed_tokens.weight.grad is not None
    assert not model.embed_tokens.weight.grad[49].any()


def test_inference_first_does_not_spoil_training() -> None:
    config = QWEN3.model_copy(update={"rope_theta": 12_345.0})  # a theta of its own: nothing is cached from other tests
    model, rows = decoder(config), batch([[token_ids(6)]])
    with torch.inference_mode():
        inferred = model.hidden_states(rows)
    trained = model.hidden_states(rows)
    trained.sum().backward()
    assert torch.equal(inferred, trained.detach())


# -- fresh parameters


def test_a_seed_gives_the_same_parameters_again() -> None:
    def weights(seed: int) -> Tensor:
        model = Decoder(QWEN3)
        model.reset_parameters(seed)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_building_a_decoder_draws_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    Decoder(QWEN3).reset_parameters(0)
    assert torch.equal(torch.get_rng_state(), before)


def test_fresh_parameters_have_the_stated_spread() -> None:
    config = DecoderConfig(vocab_size=200, hidden_size=128, num_layers=2, num_heads=4, num_kv_heads=2, tie_embeddings=False, mlp_bias=True)
    model = Decoder(config)
    model.reset_parameters(0)
    parameters = dict(model.named_parameters())
    spread = {
        "embed_tokens.weight": config.embedding_std,
        "lm_head.weight": 128**-0.5,
        "layers.1.self_attn.k_proj.weight": 128**-0.5,
        "layers.0.mlp.down_proj.weight": 256**-0.5 / 2,  # two layers add four terms to the residual stream
        "layers.0.self_attn.o_proj.weight": 128**-0.5 / 2,
    }
    for name, std in spread.items():
        assert parameters[name].std().item() == pytest.approx(std, rel=0.03), name
    assert (parameters["layers.0.self_attn.q_norm.weight"] == 1).all()
    assert (parameters["norm.weight"] == 1).all()
    assert not parameters["layers.0.mlp.up_proj.bias"].any()


def test_a_tied_decoder_has_no_head_parameter() -> None:
    names = dict(Decoder(QWEN3).named_parameters())
    assert "lm_head.weight" not in names
    assert Decoder(QWEN3).head_weight.shape == names["embed_tokens.weight"].shape
