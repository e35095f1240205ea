"""Hugging Face folders in and out: safetensors weights and their ``config.json``, whole or sharded.

Nothing in a folder runs: pickled weights and remote code are refused. What is read is checked against the shape before it is allocated.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from reasonforge.core.errors import DataError
from reasonforge.core.files import fsync_dir, storage_errors
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.models.hf_config import (
    CONFIG_NAME,
    INDEX_NAME,
    WEIGHTS_NAME,
    config_to_json,
    load_config,
    read_json_object,
    scalar_config_of,
    scores_of_config,
    special_ids,
)
from reasonforge.models.scalar import ScalarModel

GENERATION_NAME = "generation_config.json"

_HEAD, _SCORE = "lm_head.weight", "score.weight"
_READABLE = {"F32", "F16", "BF16"}

Model = TypeVar("Model", bound=nn.Module)


def load_folder(path: str | Path) -> Decoder:
    """Read a Llama, Mistral, Qwen2 or Qwen3 checkpoint into a decoder with float32 parameters on the CPU.

    Raises:
        DataError: anything missing, unexpected, cut, corrupt, mis-shaped or not finite; one line that names file and tensor.
    """
    folder = Path(path)
    config = load_config(folder)
    files = _tensor_files(folder)
    if _SCORE in files:
        raise DataError(f"{folder}: holds a reward model or a critic ({_SCORE}), which writes no text. Give a language model's folder.")
    decoder = _filled(lambda: Decoder(config), files, config, folder)
    _check_tied_head(files, decoder)
    return decoder


def load_scalar_folder(path: str | Path) -> tuple[ScalarModel, dict[str, Any]]:
    """Read a sequence classifier with one label into a scalar model with float32 parameters on the CPU.

    Returns:
        The model, and what ``save_scalar_folder`` was told of its scores; empty for a folder of others.

    Raises:
        DataError: as ``load_folder`` does, and for a language model, or a classifier of several labels.
    """
    folder = Path(path)
    config = load_config(folder).model_copy(update={"tie_embeddings": True})
    files = _tensor_files(folder)
    if _SCORE not in files:
        raise DataError(f"{folder}: holds no {_SCORE}: this is no reward model. Give the folder that a reward_model stage wrote.")
    model = _filled(lambda: ScalarModel(config), files, config, folder)
    return model, scores_of_config(read_json_object(folder / CONFIG_NAME), where=str(folder / CONFIG_NAME))


def save_folder(
    decoder: Decoder,
    path: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    eos_ids: Sequence[int] = (),
    bos_id: int | None = None,
    pad_id: int | None = None,
    write_more: Callable[[Path], object] | None = None,
    max_shard_bytes: int = 5_000_000_000,
) -> None:
    """Write a checkpoint folder that transformers and other engines load. It appears whole or not at all.

    An earlier checkpoint at ``path`` is replaced; any other folder with content is left alone.

    Args:
        dtype: of the weights on disk: float32, bfloat16 or float16.
        write_more: called with the folder before it becomes visible, to add files: ``tokenizer.save``.
        max_shard_bytes: weights beyond this are split into several files with an index.

    Raises:
        DataError: no Hugging Face family has this shape, or ``path`` holds something else.
        StorageError: the disk refused.
    """
    config = config_to_json(decoder.config, dtype=_dtype_name(dtype), eos_ids=eos_ids, bos_id=bos_id, pad_id=pad_id)
    generation = special_ids(eos_ids=eos_ids, bos_id=bos_id, pad_id=pad_id)

    def write(folder: Path) -> None:
        if write_more is not None:
            write_more(folder)
        _write_json(folder / GENERATION_NAME, generation)

    _write_folder(decoder, Path(path), config, dtype=dtype, write_more=write, max_shard_bytes=max_shard_bytes)


def save_scalar_folder(
    model: ScalarModel,
    path: str | Path,
    *,
    scores: Mapping[str, Any],
    dtype: torch.dtype = torch.float32,
    eos_ids: Sequence[int] = (),
    bos_id: int | None = None,
    pad_id: int | None = None,
    write_more: Callable[[Path], object] | None = None,
    max_shard_bytes: int = 5_000_000_000,
) -> None:
    """Write a reward model or critic as a sequence classifier with one label, which transformers loads; whole or not at all.

    transformers scores a text at its last token that is no ``pad_id``; ``ScalarModel.values`` has that number at the token after.

    Args:
        scores: JSON-able; what the scores mean and how to read them. Kept in ``config.json`` for ``load_scalar_folder``.
        dtype: of the weights on disk: float32, bfloat16 or float16.
        pad_id: transformers needs it to score several texts at once.
        write_more: called with the folder before it becomes visible, to add files: ``tokenizer.save``.
        max_shard_bytes: weights beyond this are split into several files with an index.

    Raises:
        DataError: no Hugging Face family has this shape, or ``path`` holds something else.
        StorageError: the disk refused.
    """
    base = config_to_json(model.decoder.config, dtype=_dtype_name(dtype), eos_ids=eos_ids, bos_id=bos_id, pad_id=pad_id)
    config = scalar_config_of(base, scores)
    _write_folder(model, Path(path), config, dtype=dtype, write_more=write_more, max_shard_bytes=max_shard_bytes)


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _write_folder(
    model: nn.Module,
    target: Path,
    config: Mapping[str, Any],
    *,
    dtype: torch.dtype,
    write_more: Callable[[Path], object] | None,
    max_shard_bytes: int,
) -> None:
    tensors = {_their_name(name): parameter.detach().to("cpu", dtype).contiguous() for name, parameter in model.named_parameters()}
    with storage_errors(target), _replaced_folder(target) as folder:
        if write_more is not None:
            write_more(folder)
        _write_json(folder / CONFIG_NAME, config)
        _write_tensors(folder, tensors, max_shard_bytes)


def _filled(make: Callable[[], Model], files: Mapping[str, Path], config: DecoderConfig, folder: Path) -> Model:
    """Return a model with the weights of a folder, once names and shapes were found to be right."""
    _check_names(files, make, config, folder)
    model = make()
    parameters = {_files_name(name): parameter for name, parameter in model.named_parameters()}
    for file in sorted(set(files.values())):
        with _opened(file) as weights:
            for stored_name in sorted(weights.keys()):
                name = _own_name(stored_name)
                if name in parameters:
                    _read_into(parameters[name].data, weights, stored_name, file)
    return model


def _own_name(stored: str) -> str:
    """The name of a stored tensor without the prefix that some files have and others lack: a decoder's own name."""
    return stored if stored.endswith((_HEAD, _SCORE)) else stored.removeprefix("model.")


def _files_name(name: str) -> str:
    """A parameter's name in the form of ``_own_name``: without the prefix of the decoder within a scalar model."""
    return name.removeprefix("decoder.")


def _their_name(name: str) -> str:
    return name if name in (_HEAD, _SCORE) else f"model.{_files_name(name)}"


def _tensor_files(folder: Path) -> dict[str, Path]:
    """Return the file of each tensor, under the decoder's names."""
    single, index = folder / WEIGHTS_NAME, folder / INDEX_NAME
    if single.exists():
        places = [(name, single) for name in _stored_names(single)]
    elif index.exists():
        places = _indexed_files(folder, index)
    else:
        pickled = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for file in folder.glob(pattern))
        if pickled:
            raise DataError(
                f"{folder / pickled[0]}: pickled weights run code when they are read and are refused. "
                "Convert the model to safetensors elsewhere (transformers: from_pretrained, then save_pretrained)."
            )
        raise DataError(f"{folder}: no {WEIGHTS_NAME} and no {INDEX_NAME}. Give a folder with safetensors weights.")
    files: dict[str, Path] = {}
    for stored_name, file in places:
        # Old Llama checkpoints carry their rotary frequencies, which follow from config.json.
        if stored_name.endswith("rotary_emb.inv_freq"):
            continue
        name = _own_name(stored_name)
        if name in files:
            raise DataError(f"{file}: {stored_name}: this tensor is stored twice, with and without the prefix 'model.'")
        files[name] = file
    return files


def _indexed_files(folder: Path, index: Path) -> list[tuple[str, Path]]:
    weight_map = read_json_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise DataError(f"{index}: weight_map: must map tensor names to files")
    shards: dict[str, set[str]] = {}
    for name, shard in weight_map.items():
        # A bare file name and nothing else: an index must not be able to point outside its folder.
        if not isinstance(shard, str) or not shard.endswith(".safetensors") or set(shard) & set("/\\:\0"):
            raise DataError(f"{index}: weight_map: {name[:80]}: must name a .safetensors file of this folder, names {str(shard)[:80]!r}")
        shards.setdefault(shard, set()).add(name)
    places = []
    for shard, names in sorted(shards.items()):
        stored = _stored_names(folder / shard)
        for name in sorted(names ^ stored):
            problem = "the index says it is in this file, but it is not" if name in names else "in this file, but not in the index"
            raise DataError(f"{folder / shard}: {name[:80]}: {problem}. Download or copy the checkpoint again.")
        places += [(name, folder / shard) for name in sorted(stored)]
    return places


def _stored_names(file: Path) -> set[str]:
    with _opened(file) as weights:
        return set(weights.keys())


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a safetensors file (memory-mapped; its header is checked against its size), and blame it for what goes wrong."""
    try:
        with safe_open(file, framework="pt") as weights:
            yield weights
    except FileNotFoundError:
        raise DataError(f"{file}: no such file. Download or copy the checkpoint again.") from None
    except (SafetensorError, OSError) as error:
        detail = " ".join(str(error).split())
        raise DataError(f"{file}: not a whole safetensors file ({detail}). Download or copy it again.") from None


def _check_names(files: Mapping[str, Path], make: Callable[[], nn.Module], config: DecoderConfig, folder: Path) -> None:
    """Refuse missing and unexpected tensors and wrong shapes before anything of the config's size is allocated."""
    # First the last layer alone: a corrupt number of layers must not build a million modules.
    last = f"layers.{config.num_layers - 1}.input_layernorm.weight"
    expected = {}
    if last in files:
        with torch.device("meta"):
            expected = {_files_name(name): list(parameter.shape) for name, parameter in make().named_parameters()}
    for name in expected or [last]:
        if name not in files:
            advice = " (set tie_word_embeddings to true if the head is the embedding)" if name == _HEAD else ""
            raise DataError(f"{folder}: {_their_name(name)}: {CONFIG_NAME} asks for this tensor, but no file holds it{advice}")
    for name, file in files.items():
        if name not in expected and name != _HEAD:
            raise DataError(f"{file}: {_their_name(name)}: unexpected tensor; {CONFIG_NAME} describes a model without it")
    for file in sorted(set(files.values())):
        with _opened(file) as weights:
            for stored_name in weights.keys():  # noqa: SIM118 (not a mapping)
                _check_slice(weights.get_slice(stored_name), expected.get(_own_name(stored_name)), f"{file}: {stored_name}")


def _check_slice(stored: Any, shape: list[int] | None, where: str) -> None:
    if shape is None:  # a head beside tied embeddings, compared later; or rotary frequencies
        return
    if stored.get_shape() != shape:
        raise DataError(f"{where}: has shape {stored.get_shape()}, but {CONFIG_NAME} asks for {shape}")
    if stored.get_dtype() not in _READABLE:
        raise DataError(f"{where}: has type {stored.get_dtype()}; only F32, F16 and BF16 weights are read")


def _read_into(parameter: Tensor, weights: Any, stored_name: str, file: Path) -> None:
    tensor = weights.get_tensor(stored_name)
    if not bool(torch.isfinite(tensor).all()):
        raise DataError(
            f"{file}: {stored_name}: holds values that are not finite. The training that wrote it went wrong, or the file is damaged."
        )
    parameter.copy_(tensor)


def _check_tied_head(files: Mapping[str, Path], decoder: Decoder) -> None:
    """A tied checkpoint may carry the head as well, but then it must be the embedding."""
    if decoder.lm_head is not None or _HEAD not in files:
        return
    with _opened(files[_HEAD]) as weights:
        head = weights.get_tensor(_HEAD)
        embedding = decoder.embed_tokens.weight.data
        if head.shape != embedding.shape or not torch.equal(head.float(), embedding):
            raise DataError(
                f"{files[_HEAD]}: {_HEAD}: differs from the embedding it is tied to. Set tie_word_embeddings to false in {CONFIG_NAME}."
            )


def _write_tensors(folder: Path, tensors: Mapping[str, Tensor], max_shard_bytes: int) -> None:
    shards = _shards(tensors, max_shard_bytes)
    if len(shards) == 1:
        _write_shard(folder / WEIGHTS_NAME, shards[0])
        return
    weight_map = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        _write_shard(folder / name, shard)
        weight_map |= dict.fromkeys(shard, name)
    total = sum(map(_num_bytes, tensors.values()))
    _write_json(folder / INDEX_NAME, {"metadata": {"total_size": total}, "weight_map": weight_map})


def _shards(tensors: Mapping[str, Tensor], max_shard_bytes: int) -> list[dict[str, Tensor]]:
    """Fill files in order; a tensor larger than the limit gets a file of its own."""
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + _num_bytes(tensor) > max_shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += _num_bytes(tensor)
    return shards


def _num_bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _write_shard(file: Path, tensors: dict[str, Tensor]) -> None:
    try:
        # Without this metadata transformers refuses the file.
        save_file(tensors, file, metadata={"format": "pt"})
    except SafetensorError as error:  # how the library reports a full disk
        raise OSError(str(error)) from error


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _replaced_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``target`` that takes its place, durably, if the block succeeds."""
    if target.exists() and not (target / CONFIG_NAME).exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target}: is there already and is no checkpoint folder. Choose another path.")
    target.parent.mkdir(parents=True, exist_ok=True)
    unique = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    temporary, replaced = (target.with_name(f".{kind}-{target.name}-{unique}") for kind in ("tmp", "old"))
    try:
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        fsync_dir(temporary)
        if target.exists():
            # A folder with content cannot be renamed over. Between the two renames a kill leaves the old one under its hidden name.
            target.rename(replaced)
        try:
            temporary.rename(target)
        except OSError:
            with suppress(OSError):
                replaced.rename(target)
            raise
        fsync_dir(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(replaced, ignore_errors=True)
