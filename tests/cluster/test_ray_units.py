from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.corpus.pool import InProcess, ProcessPool, quarantined, run_all
from reasonforge.corpus.units import Counts, Needs, Store, digest_of
from tests.corpus.probes import unit_of
from tests.corpus.victims import command_of, living_in, named, start, wait_until

ray = pytest.importorskip("ray", reason="Ray is not installed")

from reasonforge.cluster.ray_units import RayExecutor, _asked  # noqa: E402


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayExecutor]:
    """Ray on this machine, with two processors."""
    with pytest.MonkeyPatch.context() as patch:
        # Not by Ray's ``runtime_env``: with one it starts its workers through a shell and does not quote the path of Python.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]))
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield RayExecutor()
        ray.shutdown()


def test_a_cluster_writes_the_bytes_of_one_process(tmp_path: Path, cluster: RayExecutor) -> None:
    units = [unit_of("items", count=n) for n in range(1, 6)]
    far = run_all(units, Store(tmp_path / "far"), cluster)
    near = run_all(units, Store(tmp_path / "near"), InProcess())
    assert digest_of(far) == digest_of(near)
    assert [receipt.to_json() for receipt in far] == [receipt.to_json() for receipt in near]


def test_what_one_executor_began_another_finishes(tmp_path: Path, cluster: RayExecutor) -> None:
    units = [unit_of("items", count=n) for n in range(1, 5)]
    store = Store(tmp_path)
    run_all(units[:2], store, cluster)
    stamps = {unit.key: store.folder(unit).stat().st_mtime_ns for unit in units[:2]}
    run_all(units, store, ProcessPool(2))
    assert {unit.key: store.folder(unit).stat().st_mtime_ns for unit in units[:2]} == stamps


def test_a_worker_of_ray_keeps_its_process_from_task_to_task(tmp_path: Path, cluster: RayExecutor) -> None:
    store = Store(tmp_path)
    receipts = run_all([unit_of("pid", number=number) for number in range(8)], store, cluster)
    assert len({store.output(receipt, "pid.txt").read_text() for receipt in receipts}) <= 3  # two processors, and one worker to spare


def test_a_task_asks_for_what_its_unit_needs() -> None:
    machines = [{"CPU": 8.0, "memory": 5e9}, {"CPU": 16.0, "memory": 1e9}, {"memory": 9e9}]
    unit = unit_of("items")
    assert _asked(unit, 1.0, machines) == {"num_cpus": 1.0, "memory": 0}
    assert _asked(unit, 0.5, machines) == {"num_cpus": 0.5, "memory": 0}
    training = replace(unit, needs=Needs(cpus=4, memory_bytes=2_000_000_000))
    assert _asked(training, 1.0, machines) == {"num_cpus": 4.0, "memory": 2_000_000_000}


def test_what_no_machine_has_is_not_waited_for(tmp_path: Path, cluster: RayExecutor) -> None:
    (receipt,) = run_all([replace(unit_of("items", count=2), needs=Needs(cpus=512, memory_bytes=1 << 60))], Store(tmp_path), cluster)
    assert receipt.counts.kept == 2


def test_an_item_that_kills_is_left_out_on_a_cluster_too(tmp_path: Path, cluster: RayExecutor) -> None:
    store, unit = Store(tmp_path), unit_of("items", count=4, at=[1], deed="kill")
    (receipt,) = run_all([unit], store, cluster)
    assert receipt.counts == Counts(taken=4, kept=3, dropped={"kills_worker": 1})
    assert quarantined(store, unit) == {"item-1"}


def test_an_error_of_a_unit_keeps_its_words_on_the_way(tmp_path: Path, cluster: RayExecutor) -> None:
    with pytest.raises(DataError, match=r"^page.warc: broken\. Replace it\.$"):
        run_all([unit_of("fails", data=True)], Store(tmp_path), cluster)


def test_a_unit_that_a_cluster_loses_is_done_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: RayExecutor
) -> None:
    get, tries = ray.get, []

    def lose(reference: object, *, times: int) -> object:
        tries.append(reference)
        if len(tries) <= times:
            raise ray.exceptions.OutOfMemoryError("the machine had no memory left")
        return get(reference)

    monkeypatch.setattr(ray, "get", lambda reference: lose(reference, times=2))
    (receipt,) = run_all([unit_of("items", count=2)], Store(tmp_path), cluster)
    assert (receipt.counts.kept, len(tries)) == (2, 3)
    tries.clear()
    monkeypatch.setattr(ray, "get", lambda reference: lose(reference, times=99))
    with pytest.raises(UnavailableError, match="lost with its worker 4 times: the machine had no memory left"):
        run_all([unit_of("items", count=3)], Store(tmp_path), cluster)


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(ConnectionError("nobody there\nmore")))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(UnavailableError, match=r"^Ray: no cluster at ray://nowhere: nobody there$"):
        run_all([unit_of("items", count=1)], Store(tmp_path), RayExecutor("ray://nowhere"))
    monkeypatch.delenv("RAY_AUTH_MODE")
    with pytest.raises(UnavailableError, match=r"nobody there\. If it asks for a token: RAY_AUTH_MODE=token$"):
        run_all([unit_of("items", count=1)], Store(tmp_path), RayExecutor("ray://nowhere"))


ALONE = """
import sys
from pathlib import Path
from reasonforge.cluster.ray_units import RayExecutor
from reasonforge.corpus.pool import run_all
from reasonforge.corpus.units import Store
from tests.corpus.probes import unit_of

receipts = run_all([unit_of("items", count=2)], Store(Path(sys.argv[1])), RayExecutor())
print(receipts[0].counts.kept)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes as Linux shows them")
def test_a_cluster_of_its_own_says_nothing_and_is_gone_when_the_program_ends(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ended = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / "corpus")],
        env={**environment, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "2\n", "")
    assert wait_until(lambda: not living_in(tmp_path), 30.0), list(map(command_of, living_in(tmp_path)))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes as Linux shows them")
def test_a_program_that_is_killed_leaves_nothing_that_works_of_its_own_cluster(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    program = ALONE.replace('"items", count=2', f'"slow", pid={str(started)!r}')
    with start(["-c", program, str(tmp_path / "corpus")], tmp_path) as driver:
        try:
            assert wait_until(started.exists, 120.0)
        finally:
            driver.kill()
    # Ray's agents notice it minutes later, and do nothing meanwhile.
    busy = ("raylet/raylet", "gcs_server", "ray::_do", "reasonforge")
    try:
        assert wait_until(lambda: not any(named(living_in(tmp_path), name) for name in busy), 30.0), list(
            map(command_of, living_in(tmp_path))
        )
    finally:
        for pid in living_in(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_machine_that_cannot_start_a_cluster_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(NotADirectoryError(20, "Not a directory", "/home/.ray")))
    with pytest.raises(UnavailableError, match=r"^Ray: none can be started on this machine: .*Not a directory: '/home/.ray'$"):
        run_all([unit_of("items", count=1)], Store(tmp_path), RayExecutor())


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_one_line_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray was asked"))
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(UnavailableError, match=rf"^Ray: no cluster at {address}: Connection refused$"):
            run_all([unit_of("items", count=1)], Store(tmp_path), RayExecutor())
