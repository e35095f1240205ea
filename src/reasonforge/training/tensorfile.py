"""Tensors to a safetensors file and back.

Written here rather than by the safetensors package: the bytes are hashed while they go to disk (a second reading of a large
checkpoint is saved), tensors leave the accelerator one at a time, a full disk is an ``OSError``, and tied tensors stay tied.
Reading is the package's job: it checks the header.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reasonforge.core.errors import DataError
from reasonforge.core.files import WrittenFile, write_durable

_DTYPES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.uint64: "U64",
    torch.complex64: "C64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.uint32: "U32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int16: "I16",
    torch.uint16: "U16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}

_ALIASES = "aliases"


def num_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Return about how large the file of these tensors is (tied ones counted once, 200 bytes of header each)."""
    stored, _ = _untied(tensors)
    return sum(tensor.numel() * tensor.element_size() + 200 for tensor in stored.values()) + 1024


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> WrittenFile:
    """Write a new file durably; any layout, device and dtype, tied tensors once. The values are those at the time of the call."""
    stored, aliases = _untied(tensors)
    # Widest type first: every tensor then starts at a multiple of its element size, as readers that map the file need.
    names = sorted(stored, key=lambda name: (-stored[name].element_size(), name))
    header: dict[str, object] = {}
    if aliases:
        header["__metadata__"] = {_ALIASES: json.dumps(aliases)}
    offset = 0
    for name in names:
        tensor = stored[name]
        if tensor.dtype not in _DTYPES:
            raise ValueError(f"{name}: the safetensors format has no {tensor.dtype}")
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return write_durable(path, _chunks(encoded, [stored[name] for name in names]))


def read_tensors(path: Path, *, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Read all tensors of a file; tied ones come back as one tensor under several names."""
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        aliases = json.loads(metadata.get(_ALIASES, "{}"))
        return tensors | {name: tensors[target] for name, target in aliases.items()}
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a readable safetensors file: {' '.join(str(error).split())}") from error


def _untied(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return each distinct tensor once, and ``{other name: stored name}`` for the names that mean the same memory."""
    stored: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.device, tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.is_neg(), tensor.is_conj())
        # Empty tensors all have address 0 and nothing to share.
        if tensor.numel() and key in seen:
            aliases[name] = seen[key]
        else:
            stored[name] = tensor
            seen[key] = name
    return stored, aliases


def _chunks(header: bytes, tensors: list[Tensor]) -> Iterator[bytes | memoryview]:
    yield len(header).to_bytes(8, "little")
    yield header
    for tensor in tensors:
        if tensor.numel():
            flat = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
            yield flat.view(torch.uint8).numpy().data
