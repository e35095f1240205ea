"""Checkpoint folders: the round trip, and everything that can be wrong with one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from reasonforge.core.errors import DataError, StorageError
from reasonforge.models.decoder import Decoder
from reasonforge.models.hf import INDEX_NAME, WEIGHTS_NAME, load_folder, save_folder
from tests.models.build import SHAPES, decoder

TIED, UNTIED = SHAPES["qwen3"], SHAPES["llama"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tied Qwen3 checkpoint."""
    save_folder(decoder(TIED), tmp_path / "model")
    return tmp_path / "model"


def _rewrite(folder: Path, change: Callable[[dict[str, Tensor]], object], *, name: str = WEIGHTS_NAME) -> None:
    tensors = {key: tensor.clone() for key, tensor in load_file(folder / name).items()}
    change(tensors)
    save_file(tensors, folder / name, metadata={"format": "pt"})


def _set(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _refusal(folder: Path) -> str:
    with pytest.raises(DataError) as refusal:
        load_folder(folder)
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(str(folder))
    return message


def _same(first: Decoder, second: Decoder) -> bool:
    theirs = dict(second.named_parameters())
    return all(torch.equal(parameter, theirs[name]) for name, parameter in first.named_parameters())


# -- the round trip


@pytest.mark.parametrize("name", SHAPES)
def test_saved_then_loaded_is_the_same_decoder(name: str, tmp_path: Path) -> None:
    model = decoder(SHAPES[name])
    for limit in (10**9, 5_000):
        save_folder(model, tmp_path / str(limit), max_shard_bytes=limit)
        loaded = load_folder(tmp_path / str(limit))
        assert loaded.config == model.config
        assert _same(model, loaded)
    assert (tmp_path / "5000" / INDEX_NAME).exists()
    assert not (tmp_path / "5000" / WEIGHTS_NAME).exists()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_on_disk_is_float32_in_memory(dtype: torch.dtype, tmp_path: Path) -> None:
    model = decoder(TIED)
    save_folder(model, tmp_path / "model", dtype=dtype)
    loaded = load_folder(tmp_path / "model")
    assert {tensor.dtype for tensor in load_file(tmp_path / "model" / WEIGHTS_NAME).values()} == {dtype}
    assert json.loads((tmp_path / "model" / "config.json").read_text())["torch_dtype"] == str(dtype).removeprefix("torch.")
    for name, parameter in loaded.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, dict(model.named_parameters())[name].to(dtype).float())


def test_a_head_that_equals_the_tied_embedding_is_accepted(folder: Path) -> None:
    _rewrite(folder, lambda tensors: tensors.update({"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}))
    assert _same(load_folder(folder), decoder(TIED))


def test_names_without_the_prefix_and_old_rotary_buffers_are_understood(folder: Path) -> None:
    def strip(tensors: dict[str, Tensor]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("model.")] = tensors.pop(name)
        tensors["layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)

    _rewrite(folder, strip)
    assert _same(load_folder(folder), decoder(TIED))


# -- weights that do not fit their config.json


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("model.norm.weight"), ["model.norm.weight", "no file holds it"]),
        (lambda t: t.update({"model.layers.0.mlp.experts.weight": torch.ones(2)}), ["mlp.experts.weight", "unexpected"]),
        (lambda t: t.update({"model.layers.0.mlp.up_proj.bias": torch.ones(48)}), ["up_proj.bias", "unexpected"]),
        (lambda t: t.update({"model.norm.weight": torch.ones(31)}), ["model.norm.weight", "[31]", "[32]"]),
        (lambda t: t.update({"model.norm.weight": torch.ones(32, 1)}), ["model.norm.weight", "[32, 1]"]),
        (lambda t: t.update({"model.norm.weight": torch.ones(32, dtype=torch.int8)}), ["model.norm.weight", "I8"]),
        (lambda t: t["model.layers.1.mlp.up_proj.weight"].view(-1)[5].fill_(float("nan")), ["layers.1.mlp.up_proj", "not finite"]),
        (lambda t: t["model.embed_tokens.weight"].view(-1)[5].fill_(float("inf")), ["embed_tokens", "not finite"]),
        (lambda t: t.update({"norm.weight": torch.ones(32)}), ["norm.weight", "twice"]),
        (lambda t: t.update({"lm_head.weight": torch.ones(50, 32)}), ["lm_head.weight", "tie_word_embeddings"]),
        (lambda t: t.update({"lm_head.weight": torch.ones(49, 32)}), ["lm_head.weight", "tie_word_embeddings"]),
        (lambda t: t.clear(), ["model.layers.1.input_layernorm.weight", "no file holds it"]),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder: Path, change: Callable[[dict[str, Tensor]], object], words: list[str]) -> None:
    _rewrite(folder, change)
    message = _refusal(folder)
    assert all(word in message for word in words), message


def test_an_untied_model_without_a_head_is_refused(tmp_path: Path) -> None:
    save_folder(decoder(UNTIED), tmp_path / "model")
    _rewrite(tmp_path / "model", lambda tensors: tensors.pop("lm_head.weight"))
    message = _refusal(tmp_path / "model")
    assert "lm_head.weight" in message
    assert "tie_word_embeddings" in message


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 60_000}, {"vocab_size": 16_000_000, "hidden_size": 16_000_000}])
def test_a_config_far_larger_than_its_weights_allocates_nothing(folder: Path, changes: dict[str, int]) -> None:
    _set(folder, **changes)
    assert "config.json asks for" in _refusal(folder)


# -- broken files


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_cut_file_is_refused(folder: Path, keep: int) -> None:
    file = folder / WEIGHTS_NAME
    file.write_bytes(file.read_bytes()[:keep])
    message = _refusal(folder)
    assert WEIGHTS_NAME in message
    assert "not a whole safetensors file" in message


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 1 << 63) + b"{}",
        struct.pack("<Q", 40) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"nope",
        struct.pack("<Q", 62) + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999]}}'[:62],
        b"\x80\x04\x95" + b"x" * 50,
    ],
    ids=["huge header", "cut header", "list", "no json", "offsets outside", "pickle"],
)
def test_a_corrupt_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / WEIGHTS_NAME).write_bytes(content)
    assert "not a whole safetensors file" in _refusal(folder)


def test_overlapping_tensors_are_refused(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"a": entry, "b": entry}).encode()
    (folder / WEIGHTS_NAME).write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    assert "not a whole safetensors file" in _refusal(folder)


def test_pickled_weights_are_refused_with_advice(folder: Path) -> None:
    (folder / WEIGHTS_NAME).rename(folder / "pytorch_model.bin")
    message = _refusal(folder)
    assert "pytorch_model.bin" in message
    assert "save_pretrained" in message


def test_a_folder_without_weights_and_a_missing_folder_are_refused(folder: Path) -> None:
    (folder / WEIGHTS_NAME).unlink()
    assert WEIGHTS_NAME in _refusal(folder)
    assert "no such file" in _refusal(folder / "nowhere")


# -- sharded folders


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """The same checkpoint in several files."""
    save_folder(decoder(TIED), tmp_path / "model", max_shard_bytes=10_000)
    return tmp_path / "model"


@pytest.mark.parametrize(
    "shard", ["../secret.safetensors", "/etc/passwd", "sub/model.safetensors", "..", "x.bin", "", 7, None, "a\0.safetensors"]
)
def test_an_index_must_not_leave_its_folder(sharded: Path, shard: object) -> None:
    save_file({"model.norm.weight": torch.ones(32)}, sharded.parent / "secret.safetensors")
    index = json.loads((sharded / INDEX_NAME).read_text())
    index["weight_map"]["model.norm.weight"] = shard
    (sharded / INDEX_NAME).write_text(json.dumps(index))
    message = _refusal(sharded)
    assert INDEX_NAME in message
    assert "model.norm.weight" in message


@pytest.mark.parametrize("content", ["{}", '{"weight_map": []}', '{"weight_map": {}}', "[]", "{"])
def test_a_broken_index_is_refused(sharded: Path, content: str) -> None:
    (sharded / INDEX_NAME).write_text(content)
    assert INDEX_NAME in _refusal(sharded)


def test_a_missing_or_swapped_shard_is_refused(sharded: Path) -> None:
    first, second = sorted(sharded.glob("model-*.safetensors"))[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    assert "index" in _refusal(sharded)
    first.write_bytes(content)
    second.unlink()
    assert f"{second.name}: no such file" in _refusal(sharded)


# -- writing


def test_a_failed_write_leaves_the_old_checkpoint_and_nothing_else(folder: Path) -> None:
    def fail(path: Path) -> None:
        (path / "tokenizer.json").write_text("{}")
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left on device"):
        save_folder(decoder(UNTIED), folder, write_more=fail)
    assert _same(load_folder(folder), decoder(TIED))
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_checkpoint_replaces_an_earlier_one_whole(folder: Path) -> None:
    (folder / "leftover").write_text("")
    save_folder(decoder(UNTIED), folder, write_more=lambda path: (path / "tokenizer.json").write_text("{}"))
    assert _same(load_folder(folder), decoder(UNTIED))
    assert {path.name for path in folder.iterdir()} == {"config.json", "generation_config.json", "tokenizer.json", WEIGHTS_NAME}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="no checkpoint folder"):
        save_folder(decoder(TIED), tmp_path)
    (tmp_path / "empty").mkdir()
    save_folder(decoder(TIED), tmp_path / "empty")
    with pytest.raises(DataError, match="no checkpoint folder"):
        save_folder(decoder(TIED), tmp_path / "thesis.tex")


def test_training_after_loading_does_not_touch_the_file(folder: Path) -> None:
    before = (folder / WEIGHTS_NAME).read_bytes()
    model = load_folder(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert (folder / WEIGHTS_NAME).read_bytes() == before
