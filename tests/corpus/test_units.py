from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError, StorageError
from reasonforge.corpus.pages import write_table
from reasonforge.corpus.units import Counts, Input, Needs, Receipt, Store, Unit, digest_of, execute, file_input, item_name, total
from tests.corpus.probes import unit_of


def test_a_unit_is_done_once(tmp_path: Path) -> None:
    store, unit = Store(tmp_path), unit_of("items", count=3)
    first = execute(unit, store)
    written = (store.output(first, "items.txt").stat().st_mtime_ns, store.output(first, "items.txt").read_text())
    assert written[1] == "item-0\nitem-1\nitem-2"
    assert execute(unit, store) == first
    assert store.output(first, "items.txt").stat().st_mtime_ns == written[0]


def test_a_receipt_says_what_came_in_and_out_and_survives_the_disk(tmp_path: Path) -> None:
    store, unit = Store(tmp_path), unit_of("items", count=3)
    receipt = execute(unit, store)
    assert receipt.counts == Counts(taken=3, kept=3)
    assert store.receipt(unit) == receipt
    assert Receipt.from_json(receipt.to_json(), tmp_path) == receipt


@pytest.mark.parametrize(
    "other",
    [
        unit_of("items", count=4),
        unit_of("items", count=3, version=2),
        unit_of("items", count=3, stage="other"),
        unit_of("shouts", count=3),
        unit_of("items", count=3, inputs=(Input("a", "1"),)),
    ],
)
def test_whatever_goes_in_is_in_the_key(other: Unit) -> None:
    assert other.key != unit_of("items", count=3).key


def test_where_an_input_lies_is_not_in_the_key() -> None:
    assert unit_of("shouts", inputs=(Input("here", "1"),)).key == unit_of("shouts", inputs=(Input("there", "1"),)).key


def test_what_a_unit_needs_is_neither_in_its_key_nor_in_its_receipt(tmp_path: Path) -> None:
    unit = unit_of("items", count=3)
    hungry = replace(unit, needs=Needs(cpus=4, memory_bytes=1 << 40))
    assert hungry.key == unit.key
    assert execute(hungry, Store(tmp_path / "a")).to_json() == execute(unit, Store(tmp_path / "b")).to_json()


def test_the_order_of_settings_is_not_in_the_key() -> None:
    assert unit_of("items", count=3, at=[1]).key == unit_of("items", at=[1], count=3).key


@pytest.mark.parametrize("data", [False, True])
def test_a_unit_that_fails_leaves_nothing(tmp_path: Path, data: bool) -> None:
    store, unit = Store(tmp_path), unit_of("fails", data=data)
    with pytest.raises(DataError if data else RuntimeError):
        execute(unit, store)
    assert store.receipt(unit) is None
    assert list((tmp_path / "probe").iterdir()) == []


def test_a_lost_item_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="1 are lost"):
        execute(unit_of("loses_one"), Store(tmp_path))


def test_of_two_workers_the_first_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, unit = Store(tmp_path), unit_of("items", count=3)
    receipt = execute(unit, store)
    # The other looked before the first had finished.
    seen = iter([None])
    look = store.receipt
    monkeypatch.setattr(store, "receipt", lambda unit: next(seen) if next_is_left(seen) else look(unit))
    assert execute(unit, store) == receipt
    assert [path.name for path in (tmp_path / "probe").iterdir()] == [unit.key]


def next_is_left(values: object) -> bool:
    return values.__length_hint__() > 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("harm", ["missing", "cut", "receipt"])
def test_a_damaged_unit_is_named_with_what_to_do(tmp_path: Path, harm: str) -> None:
    store, unit = Store(tmp_path), unit_of("items", count=3)
    output = store.output(execute(unit, store), "items.txt")
    match harm:
        case "missing":
            output.unlink()
        case "cut":
            output.write_text("item")
        case _:
            (output.parent / "receipt.json").write_text("{}")
    with pytest.raises(DataError, match=rf"{unit.key}.*delete .* and the unit is done again"):
        store.receipt(unit)


def test_a_folder_without_a_receipt_is_named_with_what_to_do(tmp_path: Path) -> None:
    store, unit = Store(tmp_path), unit_of("items", count=1)
    (execute_folder := store.folder(unit)).mkdir(parents=True)
    (execute_folder / "items.txt").touch()
    with pytest.raises(DataError, match=r"has no receipt\.json: delete it, and the unit is done again"):
        execute(unit, store)


def test_a_full_disk_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No space left on device; free some space"):
        execute(unit_of("full_disk"), Store(tmp_path))


def test_a_table_that_cannot_be_written_is_a_matter_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"pages\.parquet: cannot write"):
        write_table(tmp_path / "missing" / "pages.parquet", pl.DataFrame({"id": ["a"]}))


@given(st.text(st.characters(), max_size=2000), st.text(st.characters(), max_size=2000))
def test_the_name_of_an_item_is_short_plain_and_its_own(first: str, second: str) -> None:
    assert item_name(first).isascii()
    assert len(item_name(first)) <= 512
    assert (item_name(first) == item_name(second)) == (first == second)


def test_an_output_is_an_input_and_the_folder_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("words")
    store = Store(tmp_path / "corpus")
    first = execute(unit_of("shouts", inputs=(file_input(tmp_path / "source.txt"),)), store)
    unit = unit_of("shouts", stage="again", inputs=(store.input(first, "0.txt"),))
    assert unit.inputs[0].path == f"probe/{first.key}/0.txt"
    (tmp_path / "corpus").rename(tmp_path / "moved")
    second = execute(unit, Store(tmp_path / "moved"))
    assert (tmp_path / "moved" / "again" / second.key / "0.txt").read_text() == "WORDS"


def test_an_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.warc: cannot read"):
        file_input(tmp_path / "gone.warc")


def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "probe").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="cannot write"):
        execute(unit_of("items", count=1), Store(tmp_path))


def test_the_digest_of_a_corpus_does_not_depend_on_the_order_of_work(tmp_path: Path) -> None:
    receipts = [execute(unit_of("items", count=n), Store(tmp_path)) for n in range(1, 4)]
    assert digest_of(receipts) == digest_of(reversed(receipts))
    assert digest_of(receipts) != digest_of(receipts[:2])


counts = st.builds(
    Counts,
    taken=st.integers(0, 9),
    kept=st.integers(0, 9),
    dropped=st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)),
    noted=st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)),
)


@given(counts, counts, counts)
def test_counts_add_up_in_any_order(a: Counts, b: Counts, c: Counts) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert (a + b).dropped.get("a", 0) == a.dropped.get("a", 0) + b.dropped.get("a", 0)


def test_the_total_is_over_all_receipts(tmp_path: Path) -> None:
    assert total(execute(unit_of("items", count=n), Store(tmp_path)) for n in (1, 2)) == Counts(taken=3, kept=3)
