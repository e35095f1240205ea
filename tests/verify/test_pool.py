"""The pool: what an item does to its worker costs nobody else anything, whoever asks and from wherever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from reasonforge.core.errors import UnavailableError
from reasonforge.core.records import Verdict
from reasonforge.verify.items import GradeItem
from reasonforge.verify.pool import DeadlineExceeded, GradePool, WorkerFailed, WorkerPool, default_pool
from reasonforge.verify.tree import Apply, Name, Node
from tests.verify.formulas import power_of_sum, tree
from tests.verify.hostile import HANGING as GRADE_HANGING

SIDES = (tree(lambda m: m.sqrt(8)), tree(lambda m: 2 * m.sqrt(2)))
OTHER = tree(lambda m: m.sqrt(5))
HANGING = (power_of_sum(15), power_of_sum(15, expanded=True))
"""Equal, and computer algebra does not get to the end of it."""
SOON = 30.0


def children(of: int | None = None) -> list[psutil.Process]:
    return psutil.Process(of).children(recursive=True)


def keepers(pool: WorkerPool) -> list[psutil.Process]:
    return [psutil.Process(worker.process.pid) for worker in pool._all]


def workers(pool: WorkerPool) -> list[psutil.Process]:
    """Return the processes that look at items: each keeper's child."""
    return [child for keeper in keepers(pool) for child in keeper.children()]


def until(fact: Callable[[], bool], *, seconds: float = SOON) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fact():
            return True
        time.sleep(0.01)
    return fact()


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(1, deadline_seconds=0.5) as pool:
        pool.start()
        yield pool


def right(pool: WorkerPool) -> bool:
    return pool.symbolic_equal(*SIDES) is True and pool.symbolic_equal(SIDES[0], OTHER) is False


def test_a_pool_computes_what_the_tier_computes(pool: WorkerPool) -> None:
    assert right(pool)
    assert pool.symbolic_equal(tree(lambda m: 1 / m.rational(0, 1)), OTHER) is None


def test_nothing_is_started_before_the_first_item() -> None:
    before = len(children())
    with WorkerPool(2):
        assert len(children()) == before


def test_an_item_that_hangs_is_a_deadline_exceeded_and_the_next_is_right(pool: WorkerPool) -> None:
    for _ in range(2):
        with pytest.raises(DeadlineExceeded, match=r"0\.5 s"):
            pool.symbolic_equal(*HANGING)
        assert right(pool)


def test_a_hanging_worker_is_killed_at_its_deadline(pool: WorkerPool) -> None:
    (before,) = workers(pool)
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        pool.symbolic_equal(*HANGING)
    assert 0.5 <= time.monotonic() - start < 5.0
    assert not before.is_running()


def test_waiting_for_a_worker_does_not_count_towards_the_deadline(pool: WorkerPool) -> None:
    found: list[object] = []

    def ask(left: Node, right: Node) -> None:
        try:
            found.append(pool.symbolic_equal(left, right))
        except DeadlineExceeded:
            found.append("timeout")

    hanging = [threading.Thread(target=ask, args=HANGING) for _ in range(3)]
    for thread in hanging:
        thread.start()
    assert right(pool)
    for thread in hanging:
        thread.join()
    assert found == ["timeout"] * 3


def test_memory_is_limited_and_the_next_item_is_right() -> None:
    with WorkerPool(1, deadline_seconds=60.0, memory_mb=128) as pool:
        with pytest.raises(WorkerFailed, match="memory"):
            pool.symbolic_equal(*HANGING)
        assert right(pool)


def test_a_worker_killed_while_idle_is_replaced_unseen(pool: WorkerPool) -> None:
    for process in workers(pool):
        process.kill()
    assert right(pool)


def test_a_keeper_killed_while_idle_is_replaced_unseen(pool: WorkerPool) -> None:
    for process in keepers(pool):
        process.kill()
    assert right(pool)


def test_a_worker_leaves_with_its_keeper(pool: WorkerPool) -> None:
    (worker,) = workers(pool)
    for process in keepers(pool):
        process.kill()
    assert until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_a_keeper_killed_in_the_middle_of_a_batch_loses_no_answer() -> None:
    with GradePool(1, deadline_seconds=1.0) as pool:
        pool.start()
        (keeper,) = keepers(pool._pool)
        threading.Timer(0.3, keeper.kill).start()
        verdicts = pool.grade_many([GRADE_HANGING, *(item(str(number), True) for number in range(40))])
        assert not keeper.is_running()
    assert [verdict.status for verdict in verdicts] == ["timeout"] + ["correct"] * 40


def test_an_item_whose_worker_is_killed_each_time_is_an_error_and_the_next_is_right() -> None:
    with WorkerPool(1, deadline_seconds=SOON) as pool:
        pool.start()
        done = threading.Event()

        def kill_again_and_again() -> None:
            while not done.is_set():
                for process in workers(pool):
                    # Only one that is at work: one that has just been forked would end before it begins.
                    if process.is_running() and process.cpu_times().user > 0.05:
                        process.kill()
                time.sleep(0.02)

        killer = threading.Thread(target=kill_again_and_again)
        killer.start()
        try:
            with pytest.raises(WorkerFailed, match="signal 9"):
                pool.symbolic_equal(*HANGING)
        finally:
            done.set()
            killer.join()
        assert right(pool)


def test_an_item_that_ends_its_worker_has_one_deadline_for_both_tries() -> None:
    with WorkerPool(1, deadline_seconds=1.5) as pool:
        pool.start()
        (first,) = workers(pool)
        threading.Timer(0.9, first.kill).start()
        start = time.monotonic()
        with pytest.raises(WorkerFailed, match="signal 9"):
            pool.symbolic_equal(*HANGING)
        assert time.monotonic() - start < 0.9 + 1.5
        assert right(pool)


def test_workers_are_recycled() -> None:
    with WorkerPool(1, recycle_after=3) as pool:
        seen = set()
        for _ in range(7):
            assert pool.symbolic_equal(*SIDES) is True
            seen.update(process.pid for process in workers(pool))
        assert len(seen) == 3


def test_recycling_within_a_batch_loses_nothing() -> None:
    with GradePool(1, recycle_after=3) as pool:
        verdicts = pool.grade_many([item(str(number), number % 3 == 0) for number in range(100)])
    assert [verdict.correct for verdict in verdicts] == [number % 3 == 0 for number in range(100)]


def test_a_tree_that_cannot_be_handed_over_is_refused(pool: WorkerPool) -> None:
    deep: Node = Name("x")
    for _ in range(5_000):
        deep = Apply("neg", (deep,))
    with pytest.raises(WorkerFailed, match="handed"):
        pool.symbolic_equal(deep, Name("x"))


def test_a_closed_pool_has_no_processes_no_zombies_and_no_files_open() -> None:
    before, files = len(children()), psutil.Process().num_fds()
    for _ in range(2):
        with WorkerPool(2) as pool:
            with ThreadPoolExecutor(2) as threads:
                assert list(threads.map(lambda _: pool.symbolic_equal(*SIDES), range(4))) == [True] * 4
            assert len(children()) > before
        assert len(children()) == before
        assert psutil.Process().num_fds() == files


def test_kills_leave_no_zombies_and_no_files_open(pool: WorkerPool) -> None:
    (keeper,) = keepers(pool)
    assert right(pool)
    files = keeper.num_fds()
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            pool.symbolic_equal(*HANGING)
    assert len(keeper.children()) == 1
    assert keeper.num_fds() == files


def test_workers_work_for_a_parent_that_ignores_the_end_of_children() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with WorkerPool(1, deadline_seconds=0.5) as pool:
            with pytest.raises(DeadlineExceeded):
                pool.symbolic_equal(*HANGING)
            assert right(pool)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_closed_pool_refuses_work() -> None:
    pool = WorkerPool(1)
    pool.close()
    with pytest.raises(WorkerFailed, match="closed"):
        pool.symbolic_equal(*SIDES)


def test_closing_ends_items_that_are_running() -> None:
    pool = WorkerPool(1, deadline_seconds=SOON)
    pool.start()
    threading.Timer(0.2, pool.close).start()
    with pytest.raises(WorkerFailed, match="closed"):
        pool.symbolic_equal(*HANGING)


@pytest.mark.parametrize("setting", [{"workers": 0}, {"deadline_seconds": 0.0}, {"memory_mb": 1}, {"recycle_after": 0}])
def test_settings_that_cannot_work_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one worker"):
        WorkerPool(**setting)


def test_an_interpreter_that_does_not_know_its_program_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with WorkerPool(1) as pool, pytest.raises(UnavailableError, match=r"sys\.executable"):
        pool.symbolic_equal(*SIDES)


def test_many_threads_share_one_pool() -> None:
    def ask(index: int) -> bool | None:
        return pool.symbolic_equal(SIDES[0], SIDES[1] if index % 2 else OTHER)

    with WorkerPool(2) as pool, ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(200))) == [bool(index % 2) for index in range(200)]


def test_the_default_pool_is_one_per_process() -> None:
    assert default_pool() is default_pool()
    assert default_pool().symbolic_equal(*SIDES) is True


def in_child(queue: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    queue.put(default_pool().symbolic_equal(*SIDES))
    queue.put([process.pid for process in children()])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_multiprocessing_child_computes_the_same(method: str) -> None:
    assert default_pool().symbolic_equal(*SIDES) is True
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=in_child, args=(queue,), daemon=True)  # as the workers of a data loader are
    child.start()
    assert queue.get(timeout=SOON) is True
    its_workers = queue.get(timeout=SOON)
    child.join(SOON)
    assert child.exitcode == 0
    assert len(its_workers) >= 2
    assert until(lambda: not any(psutil.pid_exists(pid) for pid in its_workers))
    assert default_pool().symbolic_equal(*SIDES) is True


def test_a_forked_child_starts_workers_of_its_own_while_another_thread_holds_the_pool() -> None:
    with WorkerPool(1, deadline_seconds=2.0) as pool:
        pool.start()

        def hang() -> None:
            with pytest.raises(DeadlineExceeded):
                pool.symbolic_equal(*HANGING)

        holder = threading.Thread(target=hang)
        holder.start()
        assert until(lambda: pool._busy == 1)
        mine = {process.pid for process in workers(pool)}
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = 0 if right(pool) and not mine & {process.pid for process in workers(pool)} else 2
                pool.close()
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        holder.join()
        assert right(pool)


def script(body: str) -> list[str]:
    root = Path(__file__).resolve().parents[2]
    head = f"import sys; sys.path[:0] = [{str(root)!r}, {str(root / 'src')!r}]\n"
    return [sys.executable, "-c", head + textwrap.dedent(body)]


def test_workers_leave_with_a_parent_that_is_killed_while_they_hang() -> None:
    parent = subprocess.Popen(
        script("""
        from reasonforge.verify.pool import WorkerPool
        from tests.verify.test_pool import HANGING
        pool = WorkerPool(1, deadline_seconds=600.0)
        pool.start()
        print("ready", flush=True)
        pool.symbolic_equal(*HANGING)
        """),
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    left = children(parent.pid)
    assert len(left) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert until(lambda: not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left), seconds=1.0)


def test_an_interrupt_from_the_terminal_ends_a_call_at_once_and_leaves_nothing() -> None:
    program = subprocess.Popen(
        script("""
        import signal
        from reasonforge.verify.pool import GradePool
        from tests.verify.hostile import HANGING
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background has it ignored
        with GradePool(2, deadline_seconds=600.0) as pool:
            pool.start()
            print("ready", flush=True)
            pool.grade_many([HANGING] * 64)
        """),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"ready\n"
    assert until(lambda: len(children(program.pid)) == 4)
    left = children(program.pid)
    os.killpg(program.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, errors = program.communicate(timeout=SOON)
    assert program.returncode == -signal.SIGINT
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)


def test_grading_one_answer_on_the_command_line_ends_at_once_without_noise() -> None:
    body = r"""
    from reasonforge.verify.grade import grade
    print(grade(r"\sin(x)^2", r"\boxed{1-\cos(x)^2}").status)
    """
    done = subprocess.run(script(body), capture_output=True, timeout=SOON, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"correct\n", b"")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_workers_hold_no_file_of_their_parent() -> None:
    readable, writable = os.pipe()
    os.set_inheritable(writable, True)
    try:
        name = os.readlink(f"/proc/self/fd/{writable}")
        with WorkerPool(1) as pool:
            pool.start()
            held = set()
            for process in (*keepers(pool), *workers(pool)):
                for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
                    with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                        held.add(os.readlink(descriptor))
        assert held
        assert name not in held
    finally:
        os.close(readable)
        os.close(writable)


def test_a_program_that_forgets_to_close_its_pool_ends_cleanly() -> None:
    done = subprocess.run(
        script("""
        from reasonforge.verify.pool import default_pool
        from tests.verify.formulas import tree
        print(default_pool().symbolic_equal(tree(lambda m: m.sqrt(8)), tree(lambda m: 2 * m.sqrt(2))))
        """),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"True\n", b"")


def test_importing_the_pool_loads_no_computer_algebra() -> None:
    body = "import reasonforge.verify.pool\nprint(sorted({'sympy', 'mpmath', 'torch', 'asyncio'} & set(sys.modules)))"
    assert subprocess.run(script(body), capture_output=True, timeout=60, check=True).stdout == b"[]\n"


def item(answer: str, right: bool, **fields: str) -> GradeItem:
    return GradeItem(gold=answer if right else "x", text=rf"So it is \boxed{{{answer}}}.", **fields)  # type: ignore[arg-type]


def test_a_grade_pool_returns_verdicts_in_order() -> None:
    items = [item(str(number), number % 3 == 0) for number in range(300)]
    with GradePool(2) as pool:
        verdicts = pool.grade_many(items)
    assert [verdict.correct for verdict in verdicts] == [number % 3 == 0 for number in range(300)]
    assert [verdict.prediction for verdict in verdicts] == [str(number) for number in range(300)]


def test_long_and_short_items_cross_in_one_batch() -> None:
    items = [GradeItem(gold="5", text="so " * (60_000 if number % 3 == 0 else 1) + rf"\boxed{{{number}}}") for number in range(60)]
    with GradePool(1) as pool:
        assert [verdict.prediction for verdict in pool.grade_many(items)] == [str(number) for number in range(60)]


def test_no_items_are_no_verdicts() -> None:
    before = len(children())
    with GradePool(2) as pool:
        assert pool.grade_many([]) == []
        assert len(children()) == before


def test_an_item_crosses_unchanged() -> None:
    odd = "\ud800 \x00 \u202e １２ \\boxed{１２}"
    with GradePool(1) as pool:
        assert pool.grade(GradeItem(gold="12", text=odd)).status == "correct"
    assert json.loads(GradeItem(gold="12", text=odd).to_json())["text"] == odd


def test_what_the_grader_cannot_take_is_an_error_not_a_zero() -> None:
    with GradePool(1) as pool:
        assert pool.grade(GradeItem(gold=None, text="5")).status == "error"  # type: ignore[arg-type]
        assert pool.grade(item("5", True)).status == "correct"


def test_asyncio_grades_side_by_side_without_holding_the_loop() -> None:
    async def all_of_them(pool: GradePool) -> list[Verdict]:
        return await asyncio.gather(*(pool.agrade(item(str(number), number % 2 == 0)) for number in range(100)))

    with GradePool(2) as pool:
        assert [verdict.correct for verdict in asyncio.run(all_of_them(pool))] == [number % 2 == 0 for number in range(100)]
        # A second loop, as a notebook or a test has it.
        assert len(asyncio.run(all_of_them(pool))) == 100


def test_an_event_loop_that_is_held_up_costs_no_item_its_verdict() -> None:
    async def lag(pool: GradePool) -> list[Verdict]:
        waiting = [asyncio.ensure_future(pool.agrade(item(str(number), True))) for number in range(20)]
        await asyncio.sleep(0)
        time.sleep(0.6)
        return await asyncio.gather(*waiting)

    with GradePool(1, deadline_seconds=0.3) as pool:
        pool.start()
        assert all(verdict.correct for verdict in asyncio.run(lag(pool)))


def test_a_forked_child_can_await_verdicts_of_its_parents_pool() -> None:
    with GradePool(1) as pool:
        assert asyncio.run(pool.agrade(item("5", True))).correct
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = 0 if asyncio.run(pool.agrade(item("6", True))).correct else 2
                pool.close()
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        assert asyncio.run(pool.agrade(item("7", True))).correct


def test_a_worker_sees_no_more_of_the_environment_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_TOKEN", "not for workers")
    with WorkerPool(1) as pool:
        pool.start()
        (keeper,) = keepers(pool)
        assert "CANARY_TOKEN" not in keeper.environ()


def test_an_interrupted_call_does_not_answer_the_next_one() -> None:
    with WorkerPool(1, deadline_seconds=SOON) as pool:
        pool.start()

        def interrupt(number: int, frame: object) -> None:
            raise InterruptedError

        before = signal.signal(signal.SIGUSR1, interrupt)
        try:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            with pytest.raises(InterruptedError):
                pool.symbolic_equal(*HANGING)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert right(pool)
