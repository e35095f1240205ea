from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.errors import DataError, StorageError, UnavailableError
from reasonforge.corpus.pool import QUARANTINE, InProcess, ProcessPool, quarantined, run_all, share
from reasonforge.corpus.units import Counts, Store, digest_of
from tests.corpus.probes import unit_of


@pytest.mark.parametrize("executor", [InProcess(), ProcessPool(1), ProcessPool(3)], ids=["here", "one", "three"])
def test_the_bytes_do_not_depend_on_who_works(tmp_path: Path, executor: InProcess | ProcessPool) -> None:
    units = [unit_of("items", count=n) for n in (5, 1, 3, 2, 4)]
    receipts = run_all(units, Store(tmp_path), executor)
    assert [receipt.key for receipt in receipts] == [unit.key for unit in units]
    assert digest_of(receipts) == "2f00cabfab3802eef2a2bfb2db6ae095"
    assert [receipt.counts.kept for receipt in receipts] == [5, 1, 3, 2, 4]


@pytest.mark.parametrize("deed", ["kill", "abort", "memory"])
def test_an_item_that_kills_is_left_out_and_nothing_else_is(tmp_path: Path, deed: str) -> None:
    store, unit = Store(tmp_path), unit_of("items", count=4, at=[1, 3], deed=deed)
    (receipt,) = run_all([unit], store, ProcessPool(1))
    assert receipt.counts == Counts(taken=4, kept=2, dropped={"kills_worker": 2})
    assert store.output(receipt, "items.txt").read_text() == "item-0\nitem-2"
    assert quarantined(store, unit) == {"item-1", "item-3"}


@pytest.mark.parametrize("prefix", ["x" * 5000, "\ud800 lone", "line\nbreak\0", "数学"])
def test_whatever_an_item_is_called_it_kills_no_more_than_twice(tmp_path: Path, prefix: str) -> None:
    store, unit = Store(tmp_path), unit_of("items", count=3, at=[1], deed="kill", prefix=prefix)
    (receipt,) = run_all([unit], store, ProcessPool(1))
    assert receipt.counts == Counts(taken=3, kept=2, dropped={"kills_worker": 1})
    assert len((tmp_path / QUARANTINE).read_text().splitlines()) == 1


def test_the_kind_of_an_error_comes_back_from_a_worker(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="not installed"):
        run_all([unit_of("unavailable")], Store(tmp_path), ProcessPool(1))
    with pytest.raises(StorageError, match="No space left"):
        run_all([unit_of("full_disk")], Store(tmp_path), ProcessPool(1))


def test_an_item_without_end_is_ended_by_its_processor_time(tmp_path: Path) -> None:
    (receipt,) = run_all([unit_of("items", count=3, at=[1], deed="spin")], Store(tmp_path), ProcessPool(1, item_cpu_seconds=0.3))
    assert receipt.counts.dropped == {"kills_worker": 1}


def test_a_worker_that_was_shot_once_costs_no_item(tmp_path: Path) -> None:
    (receipt,) = run_all([unit_of("once", marker=str(tmp_path / "shot"))], Store(tmp_path / "corpus"), ProcessPool(1))
    assert receipt.counts == Counts(taken=1, kept=1)
    assert not (tmp_path / "corpus" / QUARANTINE).exists()


def test_a_worker_that_dies_between_items_again_and_again_ends_the_run_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"its worker died 3 times \(SIGKILL\)"):
        run_all([unit_of("dies_before_items")], Store(tmp_path), ProcessPool(1))


def test_an_error_of_a_unit_keeps_its_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^page.warc: broken\. Replace it\.$"):
        run_all([unit_of("fails", data=True)], Store(tmp_path), ProcessPool(1))


def test_a_bug_in_a_worker_brings_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        run_all([unit_of("fails")], Store(tmp_path), ProcessPool(1))


def test_a_unit_named_twice_is_done_once(tmp_path: Path) -> None:
    unit = unit_of("items", count=1)
    done = []
    receipts = run_all([unit, unit], Store(tmp_path), ProcessPool(2), done.append)
    assert [receipt.key for receipt in receipts] == [unit.key, unit.key]
    assert len(done) == 1


def test_a_quarantine_whose_last_line_was_cut_is_read(tmp_path: Path) -> None:
    unit = unit_of("items", count=3)
    (tmp_path / QUARANTINE).write_text(f'{{"key": "{unit.key}", "stage": "probe", "item": "item-0"}}\n{{"key": "{unit.key}", "ite')
    assert quarantined(Store(tmp_path), unit) == {"item-0"}
    (receipt,) = run_all([unit], Store(tmp_path), InProcess())
    assert receipt.counts.kept == 2


@pytest.mark.parametrize("world_size", [1, 2, 7])
def test_every_unit_is_of_exactly_one_rank(world_size: int) -> None:
    units = [unit_of("items", count=n) for n in range(50)]
    shares = [share(units, rank, world_size) for rank in range(world_size)]
    assert sorted(unit.key for part in shares for unit in part) == sorted(unit.key for unit in units)
    assert all(shares)


def test_workers_end_with_their_parent_even_by_kill(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = (
        "from pathlib import Path\n"
        "from reasonforge.corpus.pool import ProcessPool, run_all\n"
        "from reasonforge.corpus.units import Store\n"
        "from tests.corpus.probes import unit_of\n"
        "if __name__ == '__main__':\n"
        f"    run_all([unit_of('slow', pid={str(pid)!r})], Store(Path({str(tmp_path)!r})), ProcessPool(1))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = tmp_path / "parent.py"
    script.write_text(program)
    parent = subprocess.Popen([sys.executable, str(script)], env=environment, cwd=Path(__file__).parents[2])
    wait_until(lambda: pid.exists() and pid.read_text() != "")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not Path(f"/proc/{pid.read_text()}").exists())


def test_a_worker_that_begins_after_its_parents_end_ends_at_once(tmp_path: Path) -> None:
    program = "from reasonforge.corpus.pool import work; work(0, 0, -1, '.')"
    assert subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, timeout=60).returncode == 1


def wait_until(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_workers_that_are_kept_do_the_next_units_too(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with ProcessPool(1) as pool:
        (first,) = run_all([unit_of("pid", number=1)], store, pool)
        (second,) = run_all([unit_of("pid", number=2)], store, pool)
    (third,) = run_all([unit_of("pid", number=3)], store, pool)
    pids = [store.output(receipt, "pid.txt").read_text() for receipt in (first, second, third)]
    assert pids[0] == pids[1] != pids[2]


def test_a_kept_worker_that_died_while_it_waited_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with ProcessPool(1) as pool:
        (first,) = run_all([unit_of("pid", number=1)], store, pool)
        os.kill(int(store.output(first, "pid.txt").read_text()), signal.SIGKILL)
        (second,) = run_all([unit_of("pid", number=2)], store, pool)
    assert second.counts == Counts(taken=1, kept=1)


def test_who_stops_in_the_middle_leaves_no_worker_with_an_old_unit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with ProcessPool(2) as pool:
        doing = pool.run([unit_of("items", count=n) for n in range(1, 9)], store)
        assert isinstance(doing, Generator)
        next(doing)
        doing.close()
        receipts = run_all([unit_of("items", count=n) for n in (5, 1, 3, 2, 4)], store, pool)
    assert digest_of(receipts) == "2f00cabfab3802eef2a2bfb2db6ae095"


def test_ctrl_c_while_a_worker_starts_leaves_it_silent_and_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real = subprocess.Popen

    def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        process = real[bytes](command, **options)
        for _ in range(20):  # from its first instruction on, and while it imports
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        return process

    monkeypatch.setattr(subprocess, "Popen", start)
    (receipt,) = run_all([unit_of("items", count=2)], Store(tmp_path), ProcessPool(1))
    assert receipt.counts.kept == 2
    assert capfd.readouterr().err == ""
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
