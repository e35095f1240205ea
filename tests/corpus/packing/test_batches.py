"""Small files that become one shard together."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from reasonforge.core.errors import DataError
from reasonforge.corpus.packing import encode
from reasonforge.corpus.packing.batches import batches, tokens_by_size
from reasonforge.corpus.packing.reader import Shards
from reasonforge.corpus.packing.units import PackInput, num_files, plan_pack, publish
from reasonforge.corpus.pool import Executor, InProcess, ProcessPool, quarantine, run_all
from reasonforge.corpus.units import Store, file_input, total
from tests.corpus.packing.made import letters, lines

SIZES = st.lists(st.one_of(st.none(), st.integers(0, 10_000), st.floats(0, 1e12)), max_size=400)


@given(SIZES, st.integers(1, 1_000_000))
def test_every_file_is_in_one_batch_and_the_order_stays(tokens: list[float | None], shard_tokens: int) -> None:
    found = batches(tokens, shard_tokens)
    assert [index for batch in found for index in batch] == list(range(len(tokens)))
    assert all(len(batch) > 0 for batch in found)


@given(SIZES, st.integers(1, 1_000_000))
def test_a_batch_of_several_files_stays_within_the_size_and_no_two_would(tokens: list[float | None], shard_tokens: int) -> None:
    found = batches(tokens, shard_tokens)
    known = sum(number or 0 for number in tokens)
    size = min(shard_tokens, known / 64)
    for batch in found:
        held = [tokens[index] for index in batch]
        assert len(held) == 1 or (None not in held and sum(number or 0 for number in held) <= size * (1 + 1e-9))
    for batch, following in pairwise(found):
        held = [tokens[index] for index in [*batch, following[0]]]
        assert None in held or sum(number or 0 for number in held) >= size * (1 - 1e-9) or len(batch) == 1024


def test_a_crawl_of_many_files_has_few_shards_and_a_small_one_enough_for_many_processes() -> None:
    assert len(batches([300_000.0] * 90_000, 250_000_000)) == 109
    assert len(batches([300_000.0] * 1_000, 250_000_000)) == 67
    assert len(batches([300_000.0] * 20, 250_000_000)) == 20
    assert len(batches([0] * 90_000, 250_000_000)) == 88


@pytest.mark.parametrize(("name", "tokens"), [("a.jsonl", 250), ("a.jsonl.gz", 1000), ("a.JSONL.ZST", 1000), ("a.parquet", 750)])
def test_tokens_are_guessed_by_size(tmp_path: Path, name: str, tokens: float) -> None:
    (tmp_path / name).write_bytes(bytes(1000))
    assert tokens_by_size(str(tmp_path / name)) == tokens


@pytest.mark.parametrize("path", ["s3://bucket/a.jsonl", "/nowhere/a.jsonl"])
def test_of_what_is_not_here_nothing_is_guessed(path: str) -> None:
    assert tokens_by_size(path) is None


def made(folder: Path, num: int, tokens: float | None) -> list[PackInput]:
    letters().save(folder / "tokenizer")
    files = [lines(folder / f"{i}.jsonl", [f"document {j} of {i}" for j in range(i % 4)] or [" "]) for i in range(num)]
    return [PackInput(file=file_input(path), tokens=tokens) for path in files]


def packed(folder: Path, out: str, given: list[PackInput], executor: Executor | None = None) -> tuple[Shards, int]:
    """Return the shards and how many of them there are."""
    store = Store(folder / f"units of {out}")
    receipts = run_all(plan_pack(given, folder / "tokenizer"), store, executor or InProcess())
    manifest = publish(receipts, store, folder / out, source="made")
    return Shards(folder / out), len(manifest.shards)


def test_the_tokens_of_a_corpus_do_not_depend_on_how_its_files_are_batched(tmp_path: Path) -> None:
    apart, num_apart = packed(tmp_path, "apart", made(tmp_path, 200, None))
    together, num_together = packed(tmp_path, "together", made(tmp_path, 200, 50.0))
    assert (num_apart, num_together) == (150, 67)
    stop = apart.num_tokens
    assert apart.tokens(0, stop).tolist() == together.tokens(0, stop).tolist()
    assert apart.document_ends(0, stop).tolist() == together.document_ends(0, stop).tolist()
    together.verify()


def test_batches_are_the_same_whoever_packs_them(tmp_path: Path) -> None:
    given = made(tmp_path, 130, 50.0)
    packed(tmp_path, "alone", given)
    packed(tmp_path, "shared", given, ProcessPool(2))
    alone, shared = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("alone", "shared"))
    assert alone == shared


def test_a_unit_knows_its_files(tmp_path: Path) -> None:
    given = made(tmp_path, 130, 50.0)
    units = plan_pack(given, tmp_path / "tokenizer")
    paths = [entry.path for unit in units for entry in unit.inputs[1:]]
    assert paths == [entry.file.path for entry in given]
    assert {num_files(unit) for unit in units} == {2}


def batch(folder: Path, *given: PackInput) -> list[PackInput]:
    """Return what becomes one shard: beside a file that is larger by far."""
    letters().save(folder / "tokenizer")
    large = PackInput(file=file_input(lines(folder / "large.jsonl", [{"text": "large", "id": "l"}])), tokens=1e9)
    return [large, *(replace(entry, tokens=1.0) for entry in given)]


def test_tables_speak_of_their_own_file_alone(tmp_path: Path) -> None:
    def keep(name: str, *ids: str) -> PackInput:
        path = lines(tmp_path / f"{name}.jsonl", [{"text": f"{name} {identity}", "id": identity} for identity in "xyz"])
        table = tmp_path / f"{name}.parquet"
        parquet.write_table(arrow.table({"id": list(ids)}), table)
        return PackInput(file=file_input(path), keep=file_input(table))

    whole = PackInput(file=file_input(lines(tmp_path / "c.jsonl", [{"text": "c z", "id": "z"}])))
    shards, num = packed(tmp_path, "out", batch(tmp_path, keep("a", "x"), whole, keep("b", "y", "z")))
    assert num == 2
    texts = [letters().decode(shards.document(index)[:-1].tolist()) for index in range(shards.num_documents)]
    assert texts == ["large", "a x", "c z", "b y", "b z"]


def test_a_document_that_kills_takes_no_other_of_its_number_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_BATCH_CHARACTERS", 4)  # so that documents are watched by name
    a, b = (PackInput(file=file_input(lines(tmp_path / f"{name}.jsonl", [name * 9])), id_field=None) for name in "ab")
    units = plan_pack(batch(tmp_path, a, b), tmp_path / "tokenizer")
    (tmp_path / "units").mkdir()
    quarantine(Store(tmp_path / "units"), units[1], "1:0")
    counts = total(run_all(units, Store(tmp_path / "units"), InProcess()))
    assert (counts.kept, counts.dropped) == (2, {"kills_worker": 1})


def test_only_a_file_without_the_column_is_refused_and_one_without_rows_is_not(tmp_path: Path) -> None:
    table = tmp_path / "none.parquet"
    parquet.write_table(arrow.table({"text": arrow.array([], arrow.string()), "id": arrow.array([], arrow.string())}), table)
    fine, none = PackInput(file=file_input(lines(tmp_path / "fine.jsonl", ["ab"]))), PackInput(file=file_input(table))
    assert packed(tmp_path, "out", batch(tmp_path, fine, none))[0].num_documents == 2
    other = PackInput(file=file_input(lines(tmp_path / "other.jsonl", [{"body": "x"}])))
    with pytest.raises(DataError, match=r"other\.jsonl: no row has a column 'text'"):
        packed(tmp_path, "bad", batch(tmp_path, fine, none, other))


def test_bytes_are_noted_of_what_was_packed(tmp_path: Path) -> None:
    letters().save(tmp_path / "tokenizer")
    given = PackInput(file=file_input(lines(tmp_path / "a.jsonl", ["ab", "求", "c"])))
    (receipt,) = run_all(plan_pack([given], tmp_path / "tokenizer"), Store(tmp_path / "units"), InProcess())
    assert receipt.counts.noted == {"bytes": 3, "characters": 3, "tokens": 5}
