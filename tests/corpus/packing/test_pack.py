from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pytest
import xxhash
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from reasonforge.core.errors import DataError, StorageError
from reasonforge.corpus.packing import encode
from reasonforge.corpus.packing.documents import Cut, Text, cut
from reasonforge.corpus.packing.manifest import MANIFEST, Manifest, token_type
from reasonforge.corpus.packing.units import PackInput, plan_pack, publish
from reasonforge.corpus.pool import InProcess, ProcessPool, quarantine, run_all
from reasonforge.corpus.reasons import CONTAMINATED
from reasonforge.corpus.units import Counts, Receipt, Store, execute, file_input, total
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import SpecialTokens, characters
from tests.corpus.packing.made import EOS, letters, lines, packed, pairs


def table(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    parquet.write_table(arrow.Table.from_pylist(list(rows)), path)
    return path


def receipts_of(folder: Path, given: PackInput, tokenizer: Tokenizer | None = None) -> list[Receipt]:
    (tokenizer or letters()).save(folder / "tokenizer")
    return run_all(plan_pack([given], folder / "tokenizer"), Store(folder / "units"), InProcess())


def texts_in(shards: Path, tokenizer: Tokenizer) -> list[str]:
    """Read the documents back with nothing but NumPy and the manifest."""
    manifest = json.loads((shards / MANIFEST).read_text())
    kind = {"uint16": "<u2", "uint32": "<u4"}[manifest["dtype"]]
    found = []
    for shard in manifest["shards"]:
        tokens = np.fromfile(shards / f"{shard['name']}.bin", kind)
        ends = np.fromfile(shards / f"{shard['name']}.idx", "<u8")
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            assert tokens[int(end) - 1] == manifest["eos_id"]
            found.append(tokenizer.decode(tokens[int(start) : int(end) - 1].tolist()))
    return found


def test_documents_lie_end_to_end_each_closed(tmp_path: Path) -> None:
    tokenizer = letters()
    shards, manifest = packed(tmp_path, [["ab", "c"]], tokenizer)
    a, b, c = tokenizer.encode("abc")
    eos = tokenizer.eos_id
    assert (shards / "shard-00000.bin").read_bytes() == np.array([a, b, eos, c, eos], "<u2").tobytes()
    assert (shards / "shard-00000.idx").read_bytes() == np.array([3, 5], "<u8").tobytes()
    assert (manifest.num_tokens, manifest.num_documents, manifest.num_characters) == (5, 2, 3)


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=12), min_size=1, max_size=3))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, files: list[list[str]]) -> None:
    kept = [text for texts in files for text in texts if text.strip()]
    folder = tmp_path_factory.mktemp("texts")
    if not kept:
        with pytest.raises(DataError, match="no document to pack"):
            packed(folder, files, pairs())
        return
    shards, _ = packed(folder, files, pairs())
    assert texts_in(shards, pairs()) == kept


def test_text_that_looks_like_a_control_token_stays_text(tmp_path: Path) -> None:
    shards, manifest = packed(tmp_path, [[f"the end {EOS} is not here"]], pairs())
    tokens = np.fromfile(shards / "shard-00000.bin", "<u2")
    assert (tokens == manifest.eos_id).sum() == 1
    assert tokens[-1] == manifest.eos_id
    assert texts_in(shards, pairs()) == [f"the end {EOS} is not here"]


def test_a_document_that_the_tokenizer_refuses_is_counted_and_takes_no_other_with_it(tmp_path: Path) -> None:
    _, manifest = packed(tmp_path, [["one", "日本", "two", "", "   "]])
    assert manifest.num_documents == 2
    assert manifest.dropped == {"empty_document": 2, "not_encodable": 1}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"other": "x"}, "missing_field"),
        ({"text": 5}, "missing_field"),
        ({"text": None}, "missing_field"),
        ({"text": "\u3000\n"}, "empty_document"),
        ({"text": "\ud800"}, "not_encodable"),
        ({"text": "", "id": ["no", "id"]}, "empty_document"),
    ],
)
def test_a_row_without_usable_text_is_dropped_for_a_reason(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    path = lines(tmp_path / "a.jsonl", [{"text": "fine"}, row])
    (receipt,) = receipts_of(tmp_path, PackInput(file=file_input(path)))
    assert receipt.counts.taken == 2
    assert receipt.counts.dropped == {reason: 1}


def test_a_broken_line_costs_that_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "fine"}\n{"text": \n[1, 2]\n{"text": "too"}\n{"text": "cut')
    (receipt,) = receipts_of(tmp_path, PackInput(file=file_input(path)))
    assert (receipt.counts.taken, receipt.counts.kept, receipt.counts.dropped) == (5, 2, {"bad_row": 3})


def test_a_file_without_the_column_is_refused_by_its_name(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"body": "fine"}])
    with pytest.raises(DataError, match=r"a\.jsonl: no row has a column 'text'"):
        receipts_of(tmp_path, PackInput(file=file_input(path)))
    path = table(tmp_path / "a.parquet", [{"body": "fine"}])
    with pytest.raises(DataError, match=r"a\.parquet: no row has a column 'text'"):
        receipts_of(tmp_path, PackInput(file=file_input(path)))


def test_a_parquet_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", [{"text": "fine"}])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        receipts_of(tmp_path, PackInput(file=file_input(path)))


def test_masks_say_which_documents_go_on(tmp_path: Path) -> None:
    pages = table(tmp_path / "pages.parquet", [{"id": name, "text": name * 3, "other": 1} for name in "abcdef"])
    given = PackInput(
        file=file_input(pages),
        keep=file_input(table(tmp_path / "keep.parquet", [{"id": name, "score": 1} for name in "abcd"])),
        drop=(
            file_input(table(tmp_path / "urls.parquet", [{"id": "b", "reason": "duplicate"}])),
            file_input(table(tmp_path / "near.parquet", [{"id": "c", "reason": "near"}])),
        ),
    )
    receipts = receipts_of(tmp_path, given)
    publish(receipts, Store(tmp_path / "units"), tmp_path / "out", source="pages")
    assert texts_in(tmp_path / "out", letters()) == ["aaa", "ddd"]
    assert total(receipts).dropped == {"masked": 2, "not_selected": 2}


def test_decontamination_drops_documents_and_cuts_spans(tmp_path: Path) -> None:
    pages = table(tmp_path / "pages.parquet", [{"id": name, "text": "0123456789"} for name in "abcd"])
    actions = table(
        tmp_path / "actions.parquet",
        [
            {"id": "a", "action": "drop_doc", "start": 0, "end": 0},
            {"id": "b", "action": "excise", "start": 6, "end": 8},
            {"id": "b", "action": "drop_segment", "start": 1, "end": 3},
            {"id": "c", "action": "drop_segment", "start": 0, "end": 10},
        ],
    )
    receipts = receipts_of(tmp_path, PackInput(file=file_input(pages), actions=file_input(actions)))
    publish(receipts, Store(tmp_path / "units"), tmp_path / "out", source="pages")
    assert texts_in(tmp_path / "out", letters()) == ["034589", "0123456789"]
    assert total(receipts).dropped == {"contaminated": 2}


@given(st.text("abc ", min_size=1, max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5))
def test_what_is_left_is_what_no_span_covers(text: str, ends: list[tuple[int, int]]) -> None:
    spans = tuple((min(pair), max(pair)) for pair in ends)
    by_character = "".join(c for i, c in enumerate(text) if not any(start <= i < end for start, end in spans)).strip()
    assert (cut(text, Cut(False, spans)) or "") == by_character


def test_a_mask_without_ids_is_refused(tmp_path: Path) -> None:
    mask = file_input(table(tmp_path / "drop.parquet", [{"id": "b"}]))
    given = PackInput(file=file_input(lines(tmp_path / "a.jsonl", ["fine"])), drop=(mask,))
    with pytest.raises(DataError, match="document 0 has no 'id'"):
        receipts_of(tmp_path, given)


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    files = [[f"document {i} of file {n}" for i in range(20 + n)] for n in range(4)]
    alone, manifest = packed(tmp_path / "one", files)
    shared, same = packed(tmp_path / "many", files, executor=ProcessPool(3))
    assert manifest == same
    assert {path.name: path.read_bytes() for path in alone.iterdir()} == {path.name: path.read_bytes() for path in shared.iterdir()}


def test_the_bytes_do_not_depend_on_the_size_of_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"number {i} " * (1 + i % 7) for i in range(50)]
    _, manifest = packed(tmp_path / "large", [texts])
    monkeypatch.setattr(encode, "_BATCH_DOCUMENTS", 3)
    monkeypatch.setattr(encode, "_BATCH_CHARACTERS", 60)
    _, same = packed(tmp_path / "small", [texts])
    assert manifest == same


def test_only_documents_longer_than_a_batch_are_watched_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_BATCH_CHARACTERS", 20)
    path = lines(tmp_path / "a.jsonl", [{"id": name, "text": "word " * size} for name, size in (("s", 1), ("l", 9), ("t", 2), ("u", 1))])
    letters().save(tmp_path / "tokenizer")
    (unit,) = plan_pack([PackInput(file=file_input(path))], tmp_path / "tokenizer")
    store = Store(tmp_path)
    quarantine(store, unit, "s")  # shares its batch with nobody to blame: it stays
    quarantine(store, unit, "l")
    (receipt,) = run_all([unit], store, InProcess())
    assert (receipt.counts.kept, receipt.counts.dropped) == (3, {"kills_worker": 1})


def test_a_file_without_a_document_makes_no_shard(tmp_path: Path) -> None:
    shards, manifest = packed(tmp_path, [["ab"], [" "], ["c"]])
    assert [shard.name for shard in manifest.shards] == ["shard-00000", "shard-00001"]
    assert texts_in(shards, letters()) == ["ab", "c"]


def test_nothing_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"made: no document to pack \(2 empty_document\)"):
        packed(tmp_path, [["", " "]])


def test_the_manifest_names_the_digest_of_every_file(tmp_path: Path) -> None:
    shards, manifest = packed(tmp_path, [["ab"], ["c"]])
    for shard in manifest.shards:
        assert xxhash.xxh3_128_hexdigest((shards / f"{shard.name}.bin").read_bytes()) == shard.bin_xxh3
        assert xxhash.xxh3_128_hexdigest((shards / f"{shard.name}.idx").read_bytes()) == shard.idx_xxh3
    assert Manifest.read(shards) == manifest


def test_shards_that_are_there_are_left_as_they_are_and_others_refused(tmp_path: Path) -> None:
    shards, manifest = packed(tmp_path, [["ab"]])
    before = os.stat(shards / "shard-00000.bin").st_mtime_ns
    assert packed(tmp_path, [["ab"]])[1] == manifest
    assert os.stat(shards / "shard-00000.bin").st_mtime_ns == before
    with pytest.raises(DataError, match="holds something else"):
        packed(tmp_path, [["abc"]])


def test_shards_of_another_plan_give_way_once_the_new_ones_are_whole(tmp_path: Path) -> None:
    shards, before = packed(tmp_path, [["ab"]])
    store = Store(tmp_path / "units")
    given = PackInput(file=file_input(lines(tmp_path / "new.jsonl", ["cd", "ef"])))
    receipts = receipts_of(tmp_path, given)
    assert Manifest.read(shards) == before
    manifest = publish(receipts, store, shards, source="made", replace=True)
    assert Manifest.read(shards) == manifest != before
    assert texts_in(shards, letters()) == ["cd", "ef"]
    assert [path.name for path in tmp_path.glob(".tmp-*")] == []
    nothing = receipts_of(tmp_path, PackInput(file=file_input(lines(tmp_path / "nothing.jsonl", [" "]))))
    with pytest.raises(DataError, match="no document to pack"):
        publish(nothing, store, shards, source="made", replace=True)
    assert Manifest.read(shards) == manifest


def test_what_is_no_folder_of_shards_gives_way_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "thesis.txt").write_text("do not remove")
    receipts = receipts_of(tmp_path, PackInput(file=file_input(lines(tmp_path / "new.jsonl", ["cd"]))))
    with pytest.raises(DataError, match="holds something else"):
        publish(receipts, Store(tmp_path / "units"), tmp_path / "shards", source="made", replace=True)
    assert (tmp_path / "shards" / "thesis.txt").exists()


def test_an_export_beside_shards_is_not_lost_with_them(tmp_path: Path) -> None:
    shards, before = packed(tmp_path, [["ab"]])
    (shards / "megatron.bin").write_text("an export")
    receipts = receipts_of(tmp_path, PackInput(file=file_input(lines(tmp_path / "new.jsonl", ["cd"]))))
    with pytest.raises(DataError, match=r"holds megatron\.bin, which packing did not write: move it away"):
        publish(receipts, Store(tmp_path / "units"), shards, source="made", replace=True)
    assert Manifest.read(shards) == before
    (shards / "megatron.bin").rename(tmp_path / "megatron.bin")
    assert Manifest.read(shards) != publish(receipts, Store(tmp_path / "units"), shards, source="made", replace=True)


def test_shards_of_another_store_do_not_give_way(tmp_path: Path) -> None:
    shards, before = packed(tmp_path, [["ab"]])
    shutil.rmtree(tmp_path / "units")
    receipts = receipts_of(tmp_path, PackInput(file=file_input(lines(tmp_path / "new.jsonl", ["cd"]))))
    with pytest.raises(DataError, match=r"/shards: is to hold other shards, and this corpus has no units that packed it: move it away"):
        publish(receipts, Store(tmp_path / "units"), shards, source="made", replace=True)
    assert Manifest.read(shards) == before
    assert texts_in(shards, letters()) == ["ab"]


def test_a_shard_that_no_manifest_names_is_not_lost_with_the_others(tmp_path: Path) -> None:
    shards, before = packed(tmp_path, [["ab"]])
    (shards / "shard-00099.bin").write_bytes(b"packed by hand")
    receipts = receipts_of(tmp_path, PackInput(file=file_input(lines(tmp_path / "new.jsonl", ["cd"]))))
    with pytest.raises(DataError, match=r"holds shard-00099\.bin, which packing did not write: move it away"):
        publish(receipts, Store(tmp_path / "units"), shards, source="made", replace=True)
    assert (shards / "shard-00099.bin").read_bytes() == b"packed by hand"
    assert Manifest.read(shards) == before


def test_a_process_reads_a_tokenizer_once_and_another_one_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = []
    for name, tokenizer in (("letters", letters()), ("pairs", pairs())):
        tokenizer.save(tmp_path / name)
        files = [file_input(lines(tmp_path / f"{name}-{number}.jsonl", [f"the sum {number}"])) for number in range(3)]
        units += plan_pack([PackInput(file=file) for file in files], tmp_path / name)
    loaded: list[str] = []
    load = Tokenizer.load
    monkeypatch.setattr(Tokenizer, "load", lambda folder: (loaded.append(folder.name), load(folder))[1])
    receipts = run_all(units, Store(tmp_path / "corpus"), InProcess())
    assert loaded == ["letters", "pairs"]
    assert total(receipts).kept == 6
    assert len({receipt.outputs["shard.bin"].xxh3 for receipt in receipts}) == 6


def test_a_tokenizer_in_the_corpus_folder_moves_with_it(tmp_path: Path) -> None:
    letters().save(tmp_path / "corpus" / "tokenizer")
    given = [PackInput(file=file_input(lines(tmp_path / "corpus" / "new.jsonl", ["cd"]), tmp_path / "corpus"))]
    (unit,) = plan_pack(given, tmp_path / "corpus" / "tokenizer", root=tmp_path / "corpus")
    assert unit.inputs[0].path == "tokenizer"
    assert unit.key == plan_pack(given, tmp_path / "corpus" / "tokenizer")[0].key
    (tmp_path / "corpus").rename(tmp_path / "moved")
    assert execute(unit, Store(tmp_path / "moved")).counts.kept == 1


def test_a_disk_that_refuses_the_new_shards_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards, before = packed(tmp_path, [["ab"]])
    receipts = receipts_of(tmp_path, PackInput(file=file_input(lines(tmp_path / "new.jsonl", ["cd"]))))

    def refuse(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError):
        publish(receipts, Store(tmp_path / "units"), shards, source="made", replace=True)
    assert Manifest.read(shards) == before


@pytest.mark.parametrize("identity", ["x" * 5000, "\ud800", "a\nb\0", "", 7, None, ["a"], "求"])
def test_a_document_is_packed_whatever_its_id_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: object) -> None:
    monkeypatch.setattr(encode, "_BATCH_CHARACTERS", 4)  # so that it is watched by its name
    given = PackInput(file=file_input(lines(tmp_path / "ids.jsonl", [{"text": "a b c d", "id": identity}])))
    pairs().save(tmp_path / "tokenizer")
    (receipt,) = run_all(plan_pack([given], tmp_path / "tokenizer"), Store(tmp_path / "units"), InProcess())
    assert receipt.counts.kept == 1


def test_rows_are_named_by_their_number_where_there_is_no_column_of_ids(tmp_path: Path) -> None:
    actions = table(tmp_path / "actions.parquet", [{"id": "2", "action": "drop_doc", "start": 0, "end": 1}])
    path = lines(tmp_path / "rows.jsonl", [{"text": "a", "id": "2"}, {"no": "text"}, {"text": "b", "id": "0"}, {"text": "c"}])
    (receipt,) = receipts_of(tmp_path, PackInput(file=file_input(path), actions=file_input(actions), id_field=None))
    assert (receipt.counts.kept, receipt.counts.dropped) == (2, {"missing_field": 1, CONTAMINATED: 1})


def test_a_tokenizer_that_changed_after_the_plan_is_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", ["ab"])
    letters().save(tmp_path / "tokenizer")
    units = plan_pack([PackInput(file=file_input(path))], tmp_path / "tokenizer")
    pairs().save(tmp_path / "tokenizer")
    with pytest.raises(DataError, match="has changed since"):
        run_all(units, Store(tmp_path / "units"), InProcess())


def test_another_tokenizer_is_another_unit_and_the_files_names_do_not_matter(tmp_path: Path) -> None:
    letters().save(tmp_path / "one")
    letters().save(tmp_path / "same")
    pairs().save(tmp_path / "other")
    a, b = (PackInput(file=file_input(lines(tmp_path / f"{name}.jsonl", ["ab"]))) for name in "ab")
    (key,) = {unit.key for where in ("one", "same") for given in (a, b) for unit in plan_pack([given], tmp_path / where)}
    assert plan_pack([a], tmp_path / "other")[0].key != key


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    characters("ab", special_tokens=SpecialTokens()).save(tmp_path / "tokenizer")
    with pytest.raises(DataError, match="has no end-of-document token"):
        plan_pack([], tmp_path / "tokenizer")


@pytest.mark.parametrize("make", [letters, pairs])
def test_a_tokenizer_has_one_digest_wherever_it_lies(tmp_path: Path, make: Any) -> None:
    made = make()
    made.save(tmp_path / "a")
    loaded = Tokenizer.load(tmp_path / "a")
    loaded.save(tmp_path / "b")
    assert made.encoding_sha256 == loaded.encoding_sha256 == Tokenizer.load(tmp_path / "b").encoding_sha256


def test_a_large_vocabulary_takes_four_bytes_a_token(tmp_path: Path) -> None:
    letters_of_many = [chr(code) for code in range(0x3400, 0x3400 + 70_000) if not 0xD800 <= code <= 0xDFFF]
    tokenizer = characters(letters_of_many, special_tokens=SpecialTokens(eos="<eos>"))
    last = letters_of_many[-1]
    shards, manifest = packed(tmp_path, [[last]], tokenizer)
    assert manifest.dtype == "uint32"
    assert np.fromfile(shards / "shard-00000.bin", "<u4").tolist() == [*tokenizer.encode(last), tokenizer.eos_id]
    assert tokenizer.encode(last)[0] > 65_535


@pytest.mark.parametrize("size", [0, 2**31 + 1])
def test_a_vocabulary_that_no_type_holds_is_refused(size: int) -> None:
    with pytest.raises(DataError, match=f"vocabulary of {size} ids"):
        token_type(size)


def test_memory_does_not_grow_with_the_number_of_documents(tmp_path: Path) -> None:
    """Batches are let go of as they are written: of many documents no more than two batches are alive."""
    alive = 0
    most = 0

    class Counted(str):
        def __init__(self, text: str) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    counts = Counts()
    texts = (Text("x", Counted("word " * 10)) for _ in range(12_000))
    written = sum(len(batch.lengths) for batch in encode.encode_documents(texts, letters(), counts))
    assert written == counts.kept == 12_000
    assert most < 3 * 1024


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_every_kind_of_file_packs_to_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    _, plain = packed(tmp_path / "plain", [["one", "two"]])
    path = tmp_path / f"a.{suffix}"
    content = b'{"doc": {"text": "one"}}\n{"doc": {"text": "two"}}\n'
    if suffix == "parquet":
        table(path, [{"doc": {"text": "one"}}, {"doc": {"text": "two"}}])
    else:
        compress = {"jsonl": bytes, "jsonl.gz": gzip.compress, "jsonl.zst": zstandard.ZstdCompressor().compress}[suffix]
        path.write_bytes(compress(content))
    receipts = receipts_of(tmp_path, PackInput(file=file_input(path), text_field="doc.text"))
    found = publish(receipts, Store(tmp_path / "units"), tmp_path / "out", source="made")
    assert found.shards == plain.shards


@pytest.mark.parametrize("suffix", ["jsonl.gz", "jsonl.zst"])
def test_a_compressed_file_cut_short_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    content = "".join(json.dumps({"text": f"document {i}"}) + "\n" for i in range(200)).encode()
    compress = gzip.compress if suffix.endswith("gz") else zstandard.ZstdCompressor().compress
    path.write_bytes(compress(content)[:-30])
    with pytest.raises(DataError, match="the file is cut"):
        receipts_of(tmp_path, PackInput(file=file_input(path)))
