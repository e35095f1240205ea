from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.packing import reader
from reasonforge.corpus.packing.manifest import MANIFEST
from reasonforge.corpus.packing.reader import Shards, Windows
from tests.corpus.packing.made import letters, packed, pairs

FILES = [["abc", "de", "f"], ["ghijklmn"], ["o", "p", "qrstu", "vwxyz0123"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight documents in three shards."""
    return packed(tmp_path_factory.mktemp("made"), FILES)[0]


@pytest.fixture(scope="module")
def stream() -> list[int]:
    """The same tokens, by encoding alone."""
    tokenizer = letters()
    assert tokenizer.eos_id is not None
    return [token for texts in FILES for text in texts for token in [*tokenizer.encode(text), tokenizer.eos_id]]


@given(st.data())
@settings(deadline=None)
def test_any_range_of_tokens_is_that_range_of_the_stream(folder: Path, stream: list[int], data: st.DataObject) -> None:
    shards = Shards(folder)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(stream))] * 2)))
    assert shards.tokens(start, stop).tolist() == stream[start:stop]
    ends = [at + 1 for at, token in enumerate(stream) if token == shards.eos_id]
    assert shards.document_ends(start, stop).tolist() == [end for end in ends if start < end <= stop]


def test_documents_are_found_by_number(folder: Path) -> None:
    shards, tokenizer = Shards(folder), letters()
    texts = [text for texts in FILES for text in texts]
    assert [tokenizer.decode(shards.document(i)[:-1].tolist()) for i in range(shards.num_documents)] == texts
    with pytest.raises(IndexError):
        shards.document(len(texts))


def test_several_folders_are_read_as_one(folder: Path, stream: list[int]) -> None:
    both = Shards([folder, folder])
    assert both.tokens(0, both.num_tokens).tolist() == stream * 2
    assert both.num_documents == 2 * Shards(folder).num_documents


def test_a_range_outside_is_refused(folder: Path, stream: list[int]) -> None:
    for start, stop in ((-1, 2), (0, len(stream) + 1), (3, 2)):
        with pytest.raises(IndexError):
            Shards(folder).tokens(start, stop)


@pytest.mark.parametrize("seq_len", [1, 2, 5, 7, 30])
def test_an_epoch_predicts_every_token_but_the_first_and_the_rest_once(folder: Path, stream: list[int], seq_len: int) -> None:
    windows = Windows(Shards(folder), seq_len=seq_len, seed=1)
    assert len(windows) == (len(stream) - 1) // seq_len
    predicted: Counter[int] = Counter()
    for place in range(len(windows)):
        index = windows.index(0, place)
        assert windows.read(index).tokens.tolist() == stream[index * seq_len : (index + 1) * seq_len + 1]
        predicted.update(range(index * seq_len + 1, (index + 1) * seq_len + 1))
    assert predicted == Counter(range(1, len(windows) * seq_len + 1))


def test_every_epoch_has_an_order_of_its_own_and_the_seed_decides_it(folder: Path) -> None:
    def orders(seed: int) -> list[tuple[int, ...]]:
        windows = Windows(Shards(folder), seq_len=1, seed=seed)
        return [tuple(windows.index(epoch, place) for place in range(len(windows))) for epoch in range(4)]

    assert len({*orders(0), *orders(1)}) == 8
    assert orders(0) == orders(0)


@given(index=st.integers(0, 3))
@settings(deadline=None)
def test_the_pieces_of_a_window_are_its_tokens_parted_behind_every_end(folder: Path, index: int) -> None:
    shards = Shards(folder)
    window = Windows(shards, seq_len=8, seed=0).read(index)
    pieces = window.documents()
    assert np.concatenate(pieces).tolist() == window.tokens.tolist()
    assert all(piece[-1] == shards.eos_id for piece in pieces[:-1])
    assert all(shards.eos_id not in piece[:-1] for piece in pieces)
    assert all(len(piece) for piece in pieces)


def test_a_source_shorter_than_a_window_is_refused(folder: Path, stream: list[int]) -> None:
    assert len(Windows(Shards(folder), seq_len=len(stream) - 1, seed=0)) == 1
    with pytest.raises(DataError, match=f"{len(stream)} tokens are less than one window of {len(stream) + 1}"):
        Windows(Shards(folder), seq_len=len(stream), seed=0)


def test_more_shards_than_files_may_be_open_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_OPEN_FILES", 3)
    files = [[f"file {i}"] for i in range(12)]
    shards = Shards(packed(tmp_path, files)[0])
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(2):
        found = letters().decode(shards.tokens(0, shards.num_tokens).tolist()).split("<eos>")
        assert found == [*(texts[0] for texts in files), ""]
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert after - before <= 3


def _cut_tokens(folder: Path) -> None:
    path = folder / "shard-00001.bin"
    path.write_bytes(path.read_bytes()[:-2])


def _cut_index(folder: Path) -> None:
    path = folder / "shard-00001.idx"
    path.write_bytes(path.read_bytes()[:-8])


def _other_index(folder: Path) -> None:
    (folder / "shard-00001.idx").write_bytes(np.array([8], "<u8").tobytes())


def _ends_out_of_order(folder: Path) -> None:
    path = folder / "shard-00000.idx"
    ends = np.fromfile(path, "<u8")
    ends[1] += 1 << 40
    path.write_bytes(ends.tobytes())


def _no_tokens(folder: Path) -> None:
    (folder / "shard-00002.bin").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_cut_tokens, r"shard-00001\.bin: has 16 bytes, its manifest says 18"),
        (_cut_index, r"shard-00001\.idx: has 0 bytes, its manifest says 8"),
        (_other_index, r"shard-00001\.idx: its last document ends at token 8 of 9"),
        (_ends_out_of_order, r"shard-00000\.idx: its documents do not end one after the other"),
        (_no_tokens, r"shard-00002\.bin: cannot read: No such file"),
    ],
)
def test_files_that_cannot_be_what_was_packed_are_refused_when_they_are_opened(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    shards = packed(tmp_path, FILES)[0]
    for path in shards.iterdir():  # its files are links to the units'
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    spoil(shards)
    with pytest.raises(DataError, match=message):
        Shards(shards)


@pytest.mark.parametrize("name", ["shard-00000.bin", "shard-00002.idx"])
def test_a_changed_byte_is_found_by_the_full_check_and_not_by_opening(tmp_path: Path, name: str) -> None:
    shards = packed(tmp_path, FILES)[0]
    Shards(shards).verify()
    content = bytearray((shards / name).read_bytes())
    content[0] ^= 1
    (shards / name).unlink()
    (shards / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: its bytes are not those that were packed"):
        Shards(shards).verify()


def test_an_id_that_the_model_has_no_row_for_is_not_handed_to_training(tmp_path: Path) -> None:
    shards = packed(tmp_path, FILES)[0]
    content = bytearray((shards / "shard-00001.bin").read_bytes())
    content[5] ^= 0x40
    (shards / "shard-00001.bin").unlink()
    (shards / "shard-00001.bin").write_bytes(content)
    opened = Shards(shards)
    assert opened.num_tokens == opened.tokens(0, 9).size + 9 + opened.tokens(18, opened.num_tokens).size
    with pytest.raises(DataError, match=r"shard-00001\.bin: id \d+ is outside its vocabulary of 41 ids"):
        opened.tokens(0, opened.num_tokens)


def _rewritten(shards: Path, tokens: Any, ends: Any) -> None:
    """Change a shard and its digests in the manifest alike: what no digest shows."""
    content = json.loads((shards / MANIFEST).read_text())
    for suffix, array in (("bin", np.array(tokens, "<u2")), ("idx", np.array(ends, "<u8"))):
        path = shards / f"shard-00000.{suffix}"
        path.unlink()
        path.write_bytes(array.tobytes())
        content["shards"][0][f"{suffix}_xxh3"] = xxhash.xxh3_128_hexdigest(array.tobytes())
    (shards / MANIFEST).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("tokens", "ends", "message"),
    [
        ([1, 500, 40, 2, 40], [3, 5], "id 500 is outside its vocabulary"),
        ([1, 2, 3, 2, 40], [3, 5], "do not end where its index says"),
        ([1, 40, 40, 2, 40], [3, 5], "3 tokens close a document, its index has 2"),
    ],
)
def test_the_full_check_knows_what_tokens_and_ends_must_be(tmp_path: Path, tokens: list[int], ends: list[int], message: str) -> None:
    shards = packed(tmp_path, [["ab", "c"]])[0]
    assert Shards(shards).eos_id == 40
    _rewritten(shards, tokens, ends)
    with pytest.raises(DataError, match=message):
        Shards(shards).verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 9}, "version 9, this program reads 1"),
        ({"format": "tar"}, "not a manifest of shards"),
        ({"num_tokens": 7}, "do not add up"),
        ({"dtype": "uint32"}, "does not go with a vocabulary"),
        ({"dtype": "float16"}, "does not go with a vocabulary"),
        ({"eos_id": 41}, "outside the vocabulary"),
        ({"vocab_size": -1}, "no whole number"),
        ({"vocab_size": "many"}, "no whole number"),
        ({"shards": [{"name": "../x", "num_tokens": 5, "num_documents": 2, "bin_xxh3": "", "idx_xxh3": ""}]}, "no file name"),
        ({"shards": [{"name": "x", "num_tokens": 5, "num_documents": 2, "bin_xxh3": [], "idx_xxh3": ""}]}, "digest is no text"),
        ({"shards": 5}, "broken manifest"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    shards = packed(tmp_path, [["ab", "c"]])[0]
    path = shards / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message) as refusal:
        Shards(shards)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_is_no_folder_of_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        Shards(tmp_path / "none")
    with pytest.raises(DataError, match=r"holds no manifest\.json"):
        Shards(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        Shards(tmp_path)


def test_folders_of_two_tokenizers_are_not_read_as_one(tmp_path: Path, folder: Path) -> None:
    other = packed(tmp_path, [["ab"]], pairs())[0]
    with pytest.raises(DataError, match="packed by another tokenizer"):
        Shards([folder, other])
