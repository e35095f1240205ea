"""Folders go both ways between transformers and this package, and both compute the same logits and gradients."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"
transformers = pytest.importorskip("transformers")

from reasonforge.models.hf import load_folder, save_folder  # noqa: E402
from tests.models.build import SHAPES, VOCAB, batch, decoder, token_ids  # noqa: E402

LENGTH = 40

_COMMON: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
_YARN = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 16}

THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"rms_norm_eps": 1e-5}),
    "llama tied, llama3": ("Llama", {"tie_word_embeddings": True, "rope_parameters": _LLAMA3}),
    "llama biases, linear": (
        "Llama",
        {"attention_bias": True, "mlp_bias": True, "rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}},
    ),
    "llama wide heads": ("Llama", {"head_dim": 16}),
    "mistral without window": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {}),
    "qwen2 tied, yarn": ("Qwen2", {"tie_word_embeddings": True, "rope_parameters": _YARN}),
    "qwen3": ("Qwen3", {"head_dim": 16}),
    "qwen3 tied, biases, yarn": (
        "Qwen3",
        {
            "head_dim": 8,
            "attention_bias": True,
            "tie_word_embeddings": True,
            "rope_parameters": _YARN | {"beta_fast": 8.0, "attention_factor": 1.3},
        },
    ),
}


def _their_model(name: str) -> Any:
    family, settings = THEIRS[name]
    config = getattr(transformers, f"{family}Config")(**_COMMON | settings)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, 0.3, generator=generator)
    return model


@pytest.mark.parametrize("name", THEIRS)
def test_their_folder_gives_their_logits_here(name: str, tmp_path: Path) -> None:
    theirs, ids = _their_model(name), token_ids(2, LENGTH)
    theirs.save_pretrained(tmp_path)
    ours = load_folder(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(batch(ids[:, None])), theirs(ids).logits, atol=1e-4, rtol=1e-5)


def test_their_sharded_folder_loads(tmp_path: Path) -> None:
    theirs, ids = _their_model("qwen3"), token_ids(1, 9)
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    with torch.no_grad():
        torch.testing.assert_close(load_folder(tmp_path).logits(batch(ids[:, None])), theirs(ids).logits, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("sharded", [False, True])
def test_our_folder_gives_our_logits_there(name: str, sharded: bool, tmp_path: Path) -> None:
    ours, ids = decoder(SHAPES[name]), token_ids(2, LENGTH)
    save_folder(ours, tmp_path / "model", eos_ids=[3], bos_id=1, pad_id=0, max_shard_bytes=20_000 if sharded else 10**9)
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True, dtype=torch.float32)
    assert not any(report.values()), report
    assert (theirs.generation_config.eos_token_id, theirs.generation_config.bos_token_id, theirs.generation_config.pad_token_id) == (
        3,
        1,
        0,
    )
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, ours.logits(batch(ids[:, None])), atol=1e-4, rtol=1e-5)


def test_gradients_are_those_of_transformers(tmp_path: Path) -> None:
    theirs, ids = _their_model("qwen3 tied, biases, yarn"), token_ids(2, 12)
    theirs.save_pretrained(tmp_path)
    ours = load_folder(tmp_path)
    mixture = torch.randn(2, 12, VOCAB)
    (theirs(ids).logits * mixture).sum().backward()
    (ours.logits(batch(ids[:, None])) * mixture).sum().backward()
    expected = {name.removeprefix("model."): parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        scale = expected[name].abs().max().item()
        torch.testing.assert_close(
            parameter.grad, expected[name], atol=1e-5 * scale, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
