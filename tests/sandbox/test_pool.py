"""Workers are shared, replaced and ended; their own failures are told from the programs'."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reasonforge.sandbox.flavours import flavour_of
from reasonforge.sandbox.messages import call_results
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.pool import PoolSandbox
from reasonforge.sandbox.protocol import Backend, Call, CallResult, Limits, Program, SandboxUnavailable

ONE = Program(code="print(1)")


def living_processes() -> dict[int, int]:
    """Every process that is not a zombie (an orphan's end waits for whoever adopted it), with its parent."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(folder.name)] = int(fields[1])
    return parents


def processes_of(parent: int) -> list[int]:
    """Every process below this one that is not a zombie."""
    parents = living_processes()
    below, found = {parent}, []
    while new := [pid for pid, above in parents.items() if above in below and pid not in below]:
        below.update(new)
        found += new
    return found


def kill_forkservers() -> None:
    for pid in processes_of(os.getpid()):
        # The end of the first may already have ended the others.
        with contextlib.suppress(OSError):
            if b"inside.zygote" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def test_results_come_in_the_order_of_the_programs(sandbox: PoolSandbox) -> None:
    programs = [Program(code=f"import time; time.sleep({0.05 * (5 - n)}); print({n})") for n in range(6)]
    assert [result.stdout for result in sandbox.run_many(programs)] == [f"{n}\n" for n in range(6)]


def test_programs_wait_for_a_free_worker_from_any_thread(sandbox: PoolSandbox) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda n=n: found.append(sandbox.run(Program(code=f"print({n})")).stdout)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, found)) == list(range(12))


def test_two_workers_work_at_once(sandbox: PoolSandbox) -> None:
    sleeping = Program(code="import time\nstart = time.monotonic()\ntime.sleep(0.3)\nprint(start, time.monotonic())")

    def overlap() -> bool:
        starts, ends = zip(*(map(float, result.stdout.split()) for result in sandbox.run_many([sleeping, sleeping])), strict=True)
        return max(starts) < min(ends)

    # A busy machine may start the second late, and the first time a worker has to start.
    assert any(overlap() for _ in range(10))


def test_a_worker_that_dies_is_replaced_and_the_program_tried_again(backend: Backend) -> None:
    with open_sandbox(backend, workers=1) as sandbox:
        sandbox.run(ONE)
        kill_forkservers()
        assert sandbox.run(ONE).stdout == "1\n"


def test_a_worker_that_dies_twice_is_nobodys_wrong_answer(backend: Backend) -> None:
    with open_sandbox(backend, workers=1) as sandbox:
        stop = threading.Event()

        def kill_all() -> None:
            while not stop.is_set():
                kill_forkservers()
                time.sleep(0.02)

        killer = threading.Thread(target=kill_all)
        killer.start()
        try:
            result = sandbox.run(Program(code="import time; time.sleep(3)"))
        finally:
            stop.set()
            killer.join()
        assert result.status == "infra"
        assert sandbox.run(ONE).stdout == "1\n"


def test_a_forkserver_killed_in_the_middle_costs_one_program_a_second_try(backend: Backend) -> None:
    with open_sandbox(backend, workers=2) as sandbox:
        sandbox.run_many([ONE] * 4)
        killer = threading.Timer(0.3, kill_forkservers)
        killer.start()
        start = time.monotonic()
        results = sandbox.run_many([Program(code="import time; time.sleep(0.6); print(1)")] * 2 + [ONE] * 6)
        killer.join()
        assert [(result.status, result.stdout) for result in results] == [("ok", "1\n")] * 8
        # Twice 0.6 s of sleep, and new workers in between; the machine may be busy.
        assert time.monotonic() - start < 6


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Take all descriptors that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_trainer_without_descriptors_left_is_the_sandboxs_failure_and_passes(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_sandbox(backend, workers=1) as sandbox:
        sandbox.run(ONE)
        with no_descriptors_left():
            result = sandbox.run(ONE)
        assert (result.status, "Too many open files" in result.reason) == ("infra", True)
        assert sandbox.run(ONE).stdout == "1\n"
    assert list(tmp_path.iterdir()) == []


def test_a_session_whose_worker_dies_is_over(backend: Backend) -> None:
    with open_sandbox(backend, workers=1) as sandbox, sandbox.session() as session:
        session.run("x = 1")
        kill_forkservers()
        assert (session.run("x").status, session.alive) == ("infra", False)
        assert sandbox.run(ONE).stdout == "1\n"


def open_many_sessions(count: int, *, backend: Backend, descriptors: str) -> str:
    """Open sessions on one worker in a process of its own, which may have so many descriptors ("soft, hard"); say what came of it."""
    code = f"""
import collections, resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}))
from reasonforge.sandbox.open import open_sandbox
with open_sandbox({backend!r}, workers=1) as sandbox:
    sessions = [sandbox.session() for _ in range({count})]
    print(collections.Counter(session.run(f"mine = {{n}}").status for n, session in enumerate(sessions)))
    print(sum(session.run("mine").stdout == f"{{n}}\\n" for n, session in enumerate(sessions)), all(s.alive for s in sessions))
    print(len(sandbox._slots[0].retired))
    for session in sessions:
        session.close()
    print(len(sandbox._slots[0].retired), any(s.alive for s in sessions))
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_low_soft_limit_of_descriptors_does_not_bound_the_sessions(backend: Backend) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 < hard < 512:
        pytest.skip(f"this machine's hard limit is {hard} descriptors")
    found = open_many_sessions(24, backend=backend, descriptors=f"128, {hard}")
    assert found == "Counter({'ok': 24})\n24 True\n0\n0 False\n"


@pytest.mark.slow
def test_one_worker_keeps_as_many_sessions_as_a_tool_loop_opens(backend: Backend) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 < hard < 2048:
        pytest.skip(f"this machine's hard limit is {hard} descriptors")
    # The last of them fills the worker, which then takes no more.
    assert open_many_sessions(256, backend=backend, descriptors=f"1024, {hard}") == "Counter({'ok': 256})\n256 True\n1\n0 False\n"


def test_where_descriptors_are_few_a_full_worker_makes_room_for_another_and_keeps_its_sessions(backend: Backend) -> None:
    # Each worker has room for 12.
    assert open_many_sessions(14, backend=backend, descriptors="128, 128") == "Counter({'ok': 14})\n14 True\n1\n0 False\n"


def test_a_fork_that_fails_costs_no_other_session_its_life(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    # A forkserver that believes to have room for more sessions than it has.
    start = "import inside.zygote as zygote; zygote._room_for_sessions = lambda: 1000; zygote.main()"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))"
    monkeypatch.setattr(
        "reasonforge.sandbox.worker._python",
        lambda folder: [sys.executable, "-s", "-P", "-B", "-c", f"import sys; sys.path.insert(0, {folder!r}); {limit}; {start}"],
    )
    with open_sandbox(backend, workers=1) as sandbox:
        sessions = [sandbox.session() for _ in range(24)]
        assert [session.run(f"mine = {number}").status for number, session in enumerate(sessions)] == ["ok"] * 24
        assert len(sandbox._slots[0].retired) == 1
        assert [session.run("mine").stdout for session in sessions] == [f"{number}\n" for number in range(24)]


def test_an_owner_without_descriptors_left_loses_no_session(backend: Backend) -> None:
    with open_sandbox(backend, workers=1) as sandbox, sandbox.session() as session:
        session.run("x = 1")
        with no_descriptors_left():
            result = session.run("x = 2")
        assert (result.status, session.alive) == ("infra", True)
        assert session.run("x").stdout == "1\n"


def test_sessions_of_a_worker_that_is_gone_know_it(backend: Backend) -> None:
    with open_sandbox(backend, workers=1) as sandbox:
        first, second = sandbox.session(), sandbox.session()
        first.run("x = 1")
        second.run("x = 1")
        kill_forkservers()
        assert first.run("x").status == "infra"
        assert not second.alive
        # What the sandbox has lost is never a program's error, however often it is asked.
        assert [second.run("x").status for _ in range(2)] == ["infra", "infra"]


def test_sessions_that_nobody_holds_end_and_leave_their_room(backend: Backend) -> None:
    with open_sandbox(backend, workers=1) as sandbox:
        for _ in range(3):
            sandbox.session().run("x = 1")
        sandbox.run(ONE)
        assert sandbox._slots[0].sessions == 0


def test_a_worn_worker_lives_on_for_its_sessions_alone(backend: Backend) -> None:
    with open_sandbox(backend, workers=1) as sandbox:
        sandbox._recycle_after = 3
        session = sandbox.session()
        for number in range(6):
            assert session.run(f"x = {number}").status == "ok"
        assert (session.run("x").stdout, len(sandbox._slots[0].retired)) == ("5\n", 1)
        session.close()
        assert sandbox._slots[0].retired == []


def test_a_wrong_profile_is_a_wrong_request(sandbox: PoolSandbox) -> None:
    with pytest.raises(ValueError, match="profile 'nope' is not one of pure, files, tool, shell"):
        sandbox.run(Program(code="1", profile="nope"))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("limits", [Limits(wall_seconds=0), Limits(cpu_seconds=float("inf")), Limits(output_kb=-1), Limits(call_seconds=0)])
def test_limits_under_which_nothing_can_run_are_a_wrong_request(sandbox: PoolSandbox, limits: Limits) -> None:
    with pytest.raises(ValueError, match="limits: "):
        sandbox.run(Program(code="1", limits=limits))
    with sandbox.session() as session, pytest.raises(ValueError, match="limits: "):
        session.run("1", limits=limits)


def test_workers_are_recycled(backend: Backend) -> None:
    with open_sandbox(backend, workers=1) as sandbox:
        sandbox._recycle_after = 3
        pids = set()
        for _ in range(7):
            with sandbox.slot() as slot:
                pids.add(sandbox.worker(slot, "bare").pid)
            assert sandbox.run(ONE).status == "ok"
        assert len(pids) == 3


def test_nothing_is_left_after_close(backend: Backend) -> None:
    before = set(processes_of(os.getpid()))
    sandbox = open_sandbox(backend, workers=2)
    sandbox.run_many([ONE, Program(code="import numpy")])
    session = sandbox.session()
    session.run("x = 1")
    assert set(processes_of(os.getpid())) - before
    sandbox.close()
    sandbox.close()
    assert set(processes_of(os.getpid())) - before == set()
    with pytest.raises(SandboxUnavailable, match="closed"):
        sandbox.run(ONE)
    session.close()


def test_close_ends_a_program_that_is_running(backend: Backend) -> None:
    sandbox = open_sandbox(backend, workers=1)
    found = []
    program = Program(code="import time; time.sleep(60)", limits=Limits(wall_seconds=60))
    waiting = threading.Thread(target=lambda: found.append(sandbox.run(program)))
    waiting.start()
    time.sleep(0.5)
    start = time.monotonic()
    sandbox.close()
    waiting.join()
    assert time.monotonic() - start < 20
    assert found[0].status == "infra"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_owner_is_killed(backend: Backend, number: signal.Signals, tmp_path: Path) -> None:
    code = f"""
import time
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Program, Limits
sandbox = open_sandbox({backend!r}, workers=2)
sandbox.session().run("x = 1")
print("up", flush=True)
sandbox.run(Program(code="import time; time.sleep(60)", limits=Limits(wall_seconds=60)))
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    time.sleep(0.3)
    below = processes_of(owner.pid)
    assert below
    owner.send_signal(number)
    owner.wait()
    owner.stdout.close()
    # It takes some 20 ms; a busy machine may take longer.
    deadline = time.monotonic() + 5
    while living_processes().keys() & set(below) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert living_processes().keys() & set(below) == set()
    assert list(tmp_path.iterdir()) == []


def test_a_forked_process_starts_workers_of_its_own(backend: Backend) -> None:
    code = f"""
import os
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Program
with open_sandbox({backend!r}, workers=1) as sandbox:
    sandbox.run(Program(code="1"))
    child = os.fork()
    if child == 0:
        print("child", sandbox.run(Program(code="print(1)")).stdout, flush=True)
        sandbox.close()
        os._exit(0)
    os.waitpid(child, 0)
    print("parent", sandbox.run(Program(code="print(2)")).stdout)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["child", "1", "parent", "2"]


def test_a_forkserver_never_holds_what_programs_are_told_or_say(backend: Backend) -> None:
    mark = f"marked-{os.urandom(12).hex()}-"
    # What a program says is put together when it runs, so that its source is not what is found.
    joined = {name: f"{mark[:20]!r} + {mark[20:] + name!r}" for name in ("stdout", "stderr", "value")}
    program = Program(
        code=f"# {mark}code\nimport sys\nprint({joined['stdout']}, input())\nsys.stderr.write({joined['stderr']})\n"
        f"def f(x): return {joined['value']}",
        stdin=f"{mark}stdin",
        calls=(Call(function="f", args=(f"{mark}argument",)),),
        files={"note": f"{mark}file"},
        profile="files",
    )
    others = set(processes_of(os.getpid()))  # workers that tests before this one have left waiting
    with open_sandbox(backend, workers=1) as sandbox:
        result = sandbox.run(program)
        assert (result.stdout, result.stderr) == (f"{mark}stdout {mark}stdin\n", f"{mark}stderr")
        assert [value.value for value in result.values] == [f"{mark}value"]
        with sandbox.session() as session:
            assert session.run(f"'{mark}block'").stdout == f"'{mark}block'\n"
            found = [marked(pid, mark) for pid in processes_of(os.getpid()) if pid not in others and is_python(pid)]
    # Two forkservers, and the session's own process, which shows that the search finds what is there.
    assert sorted(found, key=len) == [set(), set(), {"block"}]


def is_python(pid: int) -> bool:
    return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]


def marked(pid: int, mark: str) -> set[str]:
    """Words that follow a mark anywhere in what a process can write to and read."""
    words: set[str] = set()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if rights.startswith("rw"):
                start, end = (int(part, 16) for part in span.split("-"))
                memory.seek(start)
                words |= {word.decode() for word in re.findall(mark.encode() + rb"(\w+)", memory.read(end - start))}
    return words


@pytest.mark.parametrize(
    ("code", "flavour"),
    [
        ("print(1)", "bare"),
        ("import numpy as np", "sci"),
        ("from sympy.abc import x", "sci"),
        ("import math, sympy", "sci"),
        ("if True:\n    import mpmath", "sci"),
        ("# numpy", "bare"),
        ("print('import numpy')", "bare"),
        ("import numpyish", "bare"),
        ("x = 1; import scipy.stats", "bare"),
        ("(" * 100_000, "bare"),
    ],
)
def test_imports_choose_the_warm_interpreter(code: str, flavour: str) -> None:
    assert flavour_of(code) == flavour


@pytest.mark.parametrize(
    "line",
    [
        b'{"status":"ok","value":NaN,"type":"float"}',
        b'{"status":"ok","value":1e999,"type":"float"}',
        b'{"status":"ok","value":-Infinity,"type":"float"}',
        b'{"status":"ok","type":"float"}',
        b'{"status":"ok","value":' + b"[" * 100 + b"]" * 100 + b',"type":"list"}',
        b'{"status":"ok","value":' + b"[" * 200_000 + b"]" * 200_000 + b',"type":"list"}',
        b'{"status":"ok","value":' + b"9" * 5000 + b',"type":"int"}',
        b'{"status":"fine"}',
        b"[]",
        b"\xff",
        b"print(1)",
    ],
)
def test_what_is_not_strict_json_is_a_failed_call(line: bytes) -> None:
    (result,) = call_results(line + b"\n", most=1)
    assert result.status == "error"
    assert len(result.error) <= 300


def test_more_results_than_calls_are_dropped() -> None:
    line = b'{"status":"ok","value":1,"type":"int"}\n'
    assert call_results(line * 5 + line[:-1], most=2) == (CallResult(status="ok", value=1, type_name="int"),) * 2


def test_half_characters_are_replaced() -> None:
    (result,) = call_results(b'{"status":"ok","value":["\\ud800"],"type":"list"}\n', most=1)
    assert result.value == ["?"]
