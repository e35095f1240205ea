"""Our safetensors files are safetensors files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from reasonforge.core.errors import DataError
from reasonforge.training.tensorfile import _DTYPES, num_bytes, read_tensors, write_tensors


def same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.contiguous().view(torch.uint8).equal(b.contiguous().view(torch.uint8))


def of_every_dtype() -> dict[str, Tensor]:
    noise = torch.randn(4, 6)
    return {str(dtype): noise.mul(100).to(dtype) for dtype in _DTYPES}


def test_every_dtype_comes_back_bit_for_bit(tmp_path: Path) -> None:
    tensors = of_every_dtype()
    write_tensors(tmp_path / "x", tensors)
    loaded = read_tensors(tmp_path / "x")
    assert loaded.keys() == tensors.keys()
    assert all(same(loaded[name], tensor) for name, tensor in tensors.items())


def test_the_reference_library_reads_the_same(tmp_path: Path) -> None:
    tensors = of_every_dtype()
    write_tensors(tmp_path / "x", tensors)
    theirs = load_file(tmp_path / "x")
    assert theirs.keys() == tensors.keys()
    assert all(same(theirs[name], tensor) for name, tensor in tensors.items())


def test_awkward_layouts_come_back_equal(tmp_path: Path) -> None:
    grid = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "empty too": torch.zeros(0, 3),
        "transposed": grid.T,
        "strided": grid[::2, 1::3],
        "view": grid[1],
        "expanded": torch.ones(1, 3).expand(5, 3),
        "parameter": torch.nn.Parameter(grid * 2),
        "NaN and infinity": torch.tensor([float("nan"), float("inf"), -0.0]),
        "näme": torch.ones(1),
    }
    write_tensors(tmp_path / "x", tensors)
    loaded = read_tensors(tmp_path / "x")
    for name, tensor in tensors.items():
        torch.testing.assert_close(loaded[name], tensor.detach(), rtol=0, atol=0, equal_nan=True)
        assert loaded[name].is_contiguous()


def test_tied_tensors_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    shared = torch.randn(1000)
    written = write_tensors(tmp_path / "x", {"embed": shared, "head": shared, "other": shared.clone()})
    assert written.size < 2 * 4000 + 500
    loaded = read_tensors(tmp_path / "x")
    assert loaded["head"] is loaded["embed"]
    assert loaded["other"].data_ptr() != loaded["embed"].data_ptr()
    torch.testing.assert_close(loaded["head"], shared)


def test_changing_a_loaded_tensor_does_not_change_the_file(tmp_path: Path) -> None:
    # Tensors are mapped from the file, so this is not a matter of course.
    write_tensors(tmp_path / "x", {"x": torch.zeros(100_000)})
    loaded = read_tensors(tmp_path / "x")["x"]
    loaded.add_(1)
    assert float(read_tensors(tmp_path / "x")["x"].sum()) == 0
    (tmp_path / "x").unlink()
    assert float(loaded.sum()) == 100_000


def test_nothing_can_be_stored(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x", {})
    assert read_tensors(tmp_path / "x") == {}


def test_size_and_hash_are_those_of_the_file(tmp_path: Path) -> None:
    tensors = of_every_dtype()
    written = write_tensors(tmp_path / "x", tensors)
    data = (tmp_path / "x").read_bytes()
    assert written == (len(data), hashlib.sha256(data).hexdigest())
    assert len(data) <= num_bytes(tensors) <= len(data) + 5000


def test_the_same_tensors_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    tensors = of_every_dtype()
    first = write_tensors(tmp_path / "x", tensors)
    assert write_tensors(tmp_path / "y", dict(reversed(tensors.items()))) == first


def test_tensors_start_at_a_multiple_of_their_element_size(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x", {"byte": torch.ones(3, dtype=torch.uint8), "half": torch.ones(1).half(), "wide": torch.ones(1).double()})
    data = (tmp_path / "x").read_bytes()
    header_end = 8 + int.from_bytes(data[:8], "little")
    assert header_end % 8 == 0
    assert data[header_end:] == torch.ones(1).double().numpy().tobytes() + torch.ones(1).half().numpy().tobytes() + b"\1\1\1"


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x", {})
    with pytest.raises(FileExistsError):
        write_tensors(tmp_path / "x", {})


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}extra", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match="not a readable safetensors file"):
        read_tensors(tmp_path / "x")


def test_a_dtype_without_a_name_in_the_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x: the safetensors format has no torch\.complex128"):
        write_tensors(tmp_path / "x", {"x": torch.ones(1, dtype=torch.complex128)})
