"""A session remembers, prints what a notebook prints, and ends with what it breaks."""

from __future__ import annotations

import time

from reasonforge.sandbox.protocol import Limits, Sandbox

COUNTER = """
import threading
n = 0
def count():
    global n
    while True: n += 1
threading.Thread(target=count, daemon=True).start()
"""


def test_what_a_block_defines_the_next_one_sees(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        assert session.run("x = 20\ndef f(y):\n    return x + y").stdout == ""
        assert session.run("print(f(1))\nf(22)").stdout == "21\n42\n"


def test_the_value_of_the_last_expression_is_printed(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        assert session.run("1 + 1").stdout == "2\n"
        assert session.run("x = 3\nx").stdout == "3\n"
        assert session.run("'text'").stdout == "'text'\n"
        assert session.run("None").stdout == ""
        assert session.run("3\nx = 4").stdout == ""
        assert session.run("").stdout == ""


def test_an_exception_leaves_the_session_alive(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.run("kept = 'yes'")
        failed = session.run("boom")
        assert (failed.status, failed.stderr.splitlines()[-1]) == ("error", "NameError: name 'boom' is not defined")
        assert session.run("kept =").status == "error"
        assert session.alive
        assert session.run("kept").stdout == "'yes'\n"


def test_a_block_over_its_limits_ends_the_session(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.run("x = 1")
        late = session.run("while True: pass", limits=Limits(cpu_seconds=0.3))
        assert (late.status, session.alive) == ("timeout", False)
        after = session.run("x")
        assert (after.status, after.reason) == ("error", "the session has ended")


def test_limits_hold_for_each_block_and_not_for_their_sum(sandbox: Sandbox) -> None:
    limits = Limits(cpu_seconds=0.4)
    with sandbox.session(limits) as session:
        spin = "import time\nend = time.process_time() + 0.15\nwhile time.process_time() < end: pass"
        assert [session.run(spin).status for _ in range(4)] == ["ok"] * 4


def test_a_block_that_ends_the_process_ends_the_session(sandbox: Sandbox) -> None:
    for code, status in (
        ("import os; os._exit(0)", "ok"),
        ("raise SystemExit(2)", "error"),
        ("import ctypes; ctypes.string_at(0)", "signal"),
    ):
        with sandbox.session() as session:
            session.run("x = 1")
            assert (session.run(code).status, session.alive) == (status, False)


def test_output_beyond_the_limit_ends_the_session(sandbox: Sandbox) -> None:
    with sandbox.session(Limits(output_kb=4)) as session:
        result = session.run("while True: print('xxxxxxxx')")
        assert (result.status, len(result.stdout), session.alive) == ("output_limit", 4096, False)


def test_a_block_that_says_too_much_at_its_end_leaves_nothing_for_the_next(sandbox: Sandbox) -> None:
    with sandbox.session(Limits(output_kb=4)) as session:
        result = session.run("import os\nos.write(1, b'x' * 60_000)")
        assert (result.status, result.reason, len(result.stdout)) == ("output_limit", "more output than allowed", 4096)
        assert not session.alive


def test_the_error_streams_end_is_kept_whatever_came_before(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        for size in (100, 4096, 65_536, 65_537, 300_001):
            result = session.run(f"import sys\nsys.stderr.write('x' * {size} + 'end')\nNone")
            assert (result.stderr[-4:], len(result.stderr)) == ("xend", min(4096, size + 3))


def test_the_output_limit_is_per_block(sandbox: Sandbox) -> None:
    with sandbox.session(Limits(output_kb=4)) as session:
        assert [len(session.run("print('x' * 2999)").stdout) for _ in range(4)] == [3000] * 4


def test_nothing_of_a_session_runs_between_its_blocks(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.run(COUNTER)
        before = int(session.run("n").stdout)
        time.sleep(0.5)
        after = int(session.run("n").stdout)
        session.run("import time; time.sleep(0.5)")
        during = int(session.run("n").stdout)
        assert after - before < (during - after) / 4


def test_sessions_do_not_see_each_other(sandbox: Sandbox) -> None:
    with sandbox.session() as first, sandbox.session() as second:
        first.run("x = 1\nopen('note', 'w').write('x')")
        assert second.run("x").status == "error"
        assert second.run("import os; os.listdir('.')").stdout == "[]\n"
        assert first.run("x, open('note').read()").stdout == "(1, 'x')\n"


def test_many_sessions_live_at_once(sandbox: Sandbox) -> None:
    sessions = [sandbox.session() for _ in range(20)]
    for number, session in enumerate(sessions):
        session.run(f"mine = {number}")
    assert [session.run("mine").stdout for session in sessions] == [f"{number}\n" for number in range(20)]
    for session in sessions:
        session.close()
        session.close()
    assert not any(session.alive for session in sessions)


def test_a_long_block_arrives_whole(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.run("pass")
        assert session.run(f"text = '{'y' * 1_000_000}'\nlen(text)").stdout == "1000000\n"


def test_memory_is_the_sessions_whatever_a_block_asks_for(sandbox: Sandbox) -> None:
    with sandbox.session(Limits(memory_mb=128)) as session:
        session.run("x = 1")
        assert session.run("y = bytearray(400 << 20)", limits=Limits(memory_mb=4096)).status == "memory"
        assert session.run("x").stdout == "1\n"
