from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus.packing import megatron
from reasonforge.corpus.packing.megatron import check_megatron, export_megatron
from reasonforge.corpus.packing.reader import Shards
from reasonforge.text.train import SpecialTokens, characters
from tests.corpus.packing.made import letters, packed

FILES = [["abc", "de", "f"], ["ghijklmn"]]


def sequences_in(prefix: Path) -> tuple[list[list[int]], list[int]]:
    """Read (sequences, borders) field by field, as the format's description has them and nothing of ours."""
    index, data = Path(f"{prefix}.idx").read_bytes(), Path(f"{prefix}.bin").read_bytes()
    at = 0

    def take(layout: str) -> tuple[int, ...]:
        nonlocal at
        values = struct.unpack_from(f"<{layout}", index, at)
        at += struct.calcsize(f"<{layout}")
        return values

    assert bytes(take("9B")) == b"MMIDIDX\x00\x00"
    assert take("Q") == (1,)
    (code,) = take("B")
    (sequences,) = take("Q")
    (borders,) = take("Q")
    lengths, pointers, documents = take(f"{sequences}i"), take(f"{sequences}q"), take(f"{borders}q")
    assert at == len(index)
    letter = {8: "H", 4: "i"}[code]
    found = [list(struct.unpack_from(f"<{length}{letter}", data, begin)) for length, begin in zip(lengths, pointers, strict=True)]
    assert sum(lengths) * struct.calcsize(letter) == len(data)
    return found, list(documents)


@pytest.mark.parametrize("part", [1, 4, 1 << 20])
def test_another_reader_finds_every_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(megatron, "_PART_TOKENS", part)
    monkeypatch.setattr(megatron, "_PART_DOCUMENTS", part)
    shards, tokenizer = Shards(packed(tmp_path, FILES)[0]), letters()
    written = export_megatron(shards, tmp_path / "out" / "all")
    sequences, borders = sequences_in(tmp_path / "out" / "all")
    assert sequences == [[*tokenizer.encode(text), tokenizer.eos_id] for texts in FILES for text in texts]
    assert borders == [0, 1, 2, 3, 4]
    assert (written.num_tokens, written.num_documents) == (shards.num_tokens, 4)


def test_a_large_vocabulary_becomes_signed_32_bits(tmp_path: Path) -> None:
    many = [chr(code) for code in range(0x3400, 0x3400 + 70_000) if not 0xD800 <= code <= 0xDFFF]
    tokenizer = characters(many, special_tokens=SpecialTokens(eos="<eos>"))
    export_megatron(Shards(packed(tmp_path, [[many[-1]]], tokenizer)[0]), tmp_path / "all")
    assert sequences_in(tmp_path / "all")[0] == [[*tokenizer.encode(many[-1]), tokenizer.eos_id]]


def test_files_that_are_there_are_not_written_over(tmp_path: Path) -> None:
    shards = Shards(packed(tmp_path, FILES)[0])
    (tmp_path / "all.idx").write_text("mine")
    with pytest.raises(DataError, match=r"all\.idx: is there already"):
        export_megatron(shards, tmp_path / "all")
    assert (tmp_path / "all.idx").read_text() == "mine"
    assert not (tmp_path / "all.bin").exists()


def test_a_document_longer_than_the_format_can_say_is_refused_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(megatron, "_MAX_LENGTH", 8)
    shards = Shards(packed(tmp_path / "made", FILES)[0])
    with pytest.raises(DataError, match="a document of 9 tokens"):
        export_megatron(shards, tmp_path / "all")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"X", "no index of version 1"),
        (9, b"\x02", "no index of version 1"),
        (17, b"\x07", "no index of version 1"),
        (18, b"\x05", "header asks for"),
        (34, b"\x05", "do not lie where their lengths put them"),
        (34 + 16, b"\x01", "do not lie where their lengths put them"),
        (34 + 48, b"\x01", "out of order"),
        (34 + 48 + 32, b"\x05", "end at sequence 5 of 4"),
    ],
)
def test_a_changed_byte_of_the_index_is_found(tmp_path: Path, at: int, value: bytes, message: str) -> None:
    export_megatron(Shards(packed(tmp_path, FILES)[0]), tmp_path / "all")
    path = tmp_path / "all.idx"
    content = bytearray(path.read_bytes())
    content[at : at + 1] = value
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        check_megatron(tmp_path / "all")


@pytest.mark.parametrize("name", ["shard-00000.bin", "shard-00001.bin", "shard-00000.idx"])
def test_of_damaged_shards_nothing_is_exported(tmp_path: Path, name: str) -> None:
    folder = packed(tmp_path / "made", FILES)[0]
    content = bytearray((folder / name).read_bytes())
    content[0] ^= 1
    (folder / name).unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: its bytes are not those that were packed"):
        export_megatron(Shards(folder), tmp_path / "out" / "all")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_export_is_not_put_among_shards(tmp_path: Path) -> None:
    folder = packed(tmp_path, FILES)[0]
    before = sorted(folder.iterdir())
    with pytest.raises(DataError, match="give it a folder of its own"):
        export_megatron(Shards(folder), folder / "megatron")
    assert sorted(folder.iterdir()) == before


def test_tokens_cut_short_are_found(tmp_path: Path) -> None:
    export_megatron(Shards(packed(tmp_path, FILES)[0]), tmp_path / "all")
    np.fromfile(tmp_path / "all.bin", "<u2")[:-1].tofile(tmp_path / "all.bin")
    with pytest.raises(DataError, match=r"describes 18 tokens, the file beside it has 34 bytes"):
        check_megatron(tmp_path / "all")
    (tmp_path / "all.bin").unlink()
    with pytest.raises(DataError, match="cannot read"):
        check_megatron(tmp_path / "all")
