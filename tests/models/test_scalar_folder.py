"""Folders of reward models: the round trip, parity with transformers, refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

os.environ["HF_HUB_OFFLINE"] = "1"
transformers = pytest.importorskip("transformers")

from reasonforge.core.errors import DataError  # noqa: E402
from reasonforge.models.hf import WEIGHTS_NAME, load_folder, load_scalar_folder, save_folder, save_scalar_folder  # noqa: E402
from reasonforge.models.scalar import ScalarModel  # noqa: E402
from tests.models.build import SHAPES, batch, decoder, token_ids  # noqa: E402

SCORES = {"kind": "process", "sees": "all", "steps": {"type": "newline"}}
PAD, END = 0, 1


def scalar_model(name: str = "qwen3") -> ScalarModel:
    model = ScalarModel.from_decoder(decoder(SHAPES[name]))
    with torch.no_grad():
        model.score.weight.normal_(0, 1, generator=torch.Generator().manual_seed(3))
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_scalar_folder(scalar_model(), tmp_path / "model", scores=SCORES)
    return tmp_path / "model"


def _set(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _refusal(folder: Path) -> str:
    with pytest.raises(DataError) as refusal:
        load_scalar_folder(folder)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("name", SHAPES)
def test_saved_then_loaded_is_the_same_model(name: str, tmp_path: Path) -> None:
    model = scalar_model(name)
    save_scalar_folder(model, tmp_path / "model", scores=SCORES, max_shard_bytes=5_000)
    loaded, scores = load_scalar_folder(tmp_path / "model")
    assert scores == SCORES
    assert loaded.decoder.config == model.decoder.config
    theirs = dict(loaded.named_parameters())
    assert theirs.keys() == dict(model.named_parameters()).keys()
    assert all(torch.equal(parameter, theirs[name]) for name, parameter in model.named_parameters())


@pytest.mark.parametrize("name", SHAPES)
def test_transformers_scores_what_we_score_after_the_last_token(name: str, tmp_path: Path) -> None:
    ours = scalar_model(name)
    save_scalar_folder(ours, tmp_path / "model", scores=SCORES, pad_id=PAD)
    theirs, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "model", output_loading_info=True, dtype=torch.float32
    )
    assert not any(report.values()), report
    assert theirs.config.num_labels == 1
    rows = [token_ids(length, seed=length).clamp(min=1) for length in (5, 12, 9)]
    closed = batch([[torch.cat([row, torch.tensor([END])])] for row in rows])
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
    with torch.no_grad():
        expected = theirs(padded, attention_mask=(padded != PAD).long()).logits[:, 0]
        values = ours.values(closed)
    # The closing token is the target at the last token's position.
    found = torch.stack([values[i, len(row) - 1] for i, row in enumerate(rows)])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("family", ["Llama", "Mistral", "Qwen2", "Qwen3"])
def test_their_classifier_gives_their_scores_here(family: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    settings |= {"num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64, "sliding_window": None}
    config = getattr(transformers, f"{family}Config")(**settings, num_labels=1, pad_token_id=PAD)
    theirs = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    theirs.save_pretrained(tmp_path)
    ours, scores = load_scalar_folder(tmp_path)
    assert scores == {}
    row = token_ids(11).clamp(min=1)
    with torch.no_grad():
        torch.testing.assert_close(ours.values(batch([[row]]))[0, -1:], theirs(row[None]).logits[0], atol=1e-5, rtol=1e-4)


def test_an_untied_policys_output_head_stays_behind() -> None:
    assert not any("lm_head" in name for name, _ in scalar_model("llama").named_parameters())


def test_values_are_float32_in_any_compute_dtype() -> None:
    row = batch([[token_ids(6)]])
    assert scalar_model().values(row, dtype=torch.bfloat16).dtype == torch.float32


def test_a_language_model_is_no_reward_model(tmp_path: Path) -> None:
    save_folder(decoder(SHAPES["qwen3"]), tmp_path / "model")
    assert "this is no reward model" in _refusal(tmp_path / "model")


def test_a_reward_model_writes_no_text(folder: Path) -> None:
    with pytest.raises(DataError, match="holds a reward model or a critic"):
        load_folder(folder)


def test_a_classifier_of_several_labels_is_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS_NAME)
    tensors["score.weight"] = tensors["score.weight"].repeat(3, 1)
    save_file(tensors, folder / WEIGHTS_NAME, metadata={"format": "pt"})
    assert "score.weight: has shape [3, 32], but config.json asks for [1, 32]" in _refusal(folder)


@pytest.mark.parametrize("damaged", ["text", {"scores": 3}, {}])
def test_damaged_scores_are_refused_by_file_and_key(damaged: object, folder: Path) -> None:
    _set(folder, reasonforge=damaged)
    assert "config.json: reasonforge.scores: must be an object" in _refusal(folder)


def test_an_unknown_tensor_is_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS_NAME)
    save_file(tensors | {"score.bias": torch.zeros(1)}, folder / WEIGHTS_NAME, metadata={"format": "pt"})
    assert "score.bias: unexpected tensor" in _refusal(folder)
