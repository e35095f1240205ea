"""What honest programs come to, and how the ends of others are told apart."""

from __future__ import annotations

import pytest

from reasonforge.sandbox.protocol import Call, Limits, Program, Sandbox, SandboxUnavailable


def test_output_errors_and_exit_codes_come_back(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(code="import sys\nprint(input())\nprint('oh', file=sys.stderr)\nsys.exit(3)", stdin="in\n"))
    assert (result.status, result.stdout, result.stderr, result.exit_code) == ("error", "in\n", "oh\n", 3)


def test_an_exception_is_an_error_with_a_traceback_that_begins_in_the_program(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(code="def f():\n    return 1 / 0\nf()"))
    assert (result.status, result.exit_code) == ("error", 1)
    lines = result.stderr.splitlines()
    assert lines[1] == '  File "<program>", line 3, in <module>'
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_exit_code_zero_by_any_name_is_ok(sandbox: Sandbox) -> None:
    for code in ("import sys; sys.exit()", "raise SystemExit(0)", "import os; os._exit(0)"):
        assert sandbox.run(Program(code=code)).status == "ok"


def test_threads_and_exit_handlers_finish_before_the_program_does(sandbox: Sandbox) -> None:
    code = """
import atexit, threading, time
atexit.register(print, "handler")
threading.Thread(target=lambda: (time.sleep(0.05), print("thread"))).start()
print("main")
"""
    assert sandbox.run(Program(code=code)).stdout == "main\nthread\nhandler\n"


def test_wall_time_and_cpu_time_are_limits_of_their_own(sandbox: Sandbox) -> None:
    slept = sandbox.run(Program(code="import time; print('a', flush=True); time.sleep(60)", limits=Limits(wall_seconds=0.5)))
    assert (slept.status, slept.stdout, slept.reason) == ("timeout", "a\n", "more than 0.5 s")
    spun = sandbox.run(Program(code="while True: pass", limits=Limits(wall_seconds=30, cpu_seconds=0.3)))
    assert (spun.status, spun.reason) == ("timeout", "more than 0.3 s of CPU time")


def test_memory_is_counted_on_top_of_the_warm_interpreter(sandbox: Sandbox) -> None:
    for prelude in ("", "import numpy, sympy\n"):
        assert sandbox.run(Program(code=f"{prelude}x = bytearray(150 << 20)", limits=Limits(memory_mb=256))).status == "ok"
        beyond = sandbox.run(Program(code=f"{prelude}x = bytearray(300 << 20)", limits=Limits(memory_mb=256)))
        assert (beyond.status, beyond.stderr) == ("memory", "MemoryError\n")


def test_a_memory_error_that_the_program_handles_is_no_failure(sandbox: Sandbox) -> None:
    code = "try:\n    bytearray(1 << 40)\nexcept MemoryError:\n    print('small then')"
    result = sandbox.run(Program(code=code))
    assert (result.status, result.stdout) == ("ok", "small then\n")


def test_too_much_output_ends_the_program_and_keeps_its_beginning(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(code="while True: print('x' * 99)", limits=Limits(output_kb=8)))
    assert (result.status, len(result.stdout), result.truncated) == ("output_limit", 8192, True)


def test_of_the_error_stream_the_end_is_kept(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(code="import sys\nsys.stderr.write('x' * 1_000_000 + 'end')"))
    assert (result.status, len(result.stderr), result.stderr[-4:], result.truncated) == ("ok", 4096, "xend", True)


def test_a_crash_in_native_code_is_a_signal(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(code="import ctypes; ctypes.string_at(0)"))
    assert (result.status, result.signal) == ("signal", 11)


@pytest.mark.parametrize("code", ["(" * 10_000, "x = '\0'", "\ud800", "def", "\ufeffx = 1 +", "-" * 200_000 + "1"])
def test_source_that_cannot_be_compiled_is_the_programs_failure(sandbox: Sandbox, code: str) -> None:
    assert sandbox.run(Program(code=code)).status in {"error", "memory", "signal"}


def test_a_long_standard_input_that_nobody_reads_holds_nothing_up(sandbox: Sandbox) -> None:
    assert sandbox.run(Program(code="print('done')", stdin="x" * 10_000_000)).stdout == "done\n"


def test_a_long_standard_input_is_read_whole(sandbox: Sandbox) -> None:
    code = "import sys\nprint(sum(map(int, sys.stdin.read().split())))"
    assert sandbox.run(Program(code=code, stdin="7\n" * 500_000)).stdout == "3500000\n"


def test_output_that_is_no_text_is_replaced_and_not_refused(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(code="import os; os.write(1, b'\\xff\\x00a')"))
    assert (result.status, result.stdout) == ("ok", "\ufffd\0a")


def test_calls_return_json_and_name_the_type(sandbox: Sandbox) -> None:
    code = """
def same(x): return x
def pair(a, b=2): return (a, b)
def some(): return {3, 1, 2}
class Solution:
    def solve(self, n): return n * n
"""
    calls = (
        Call(function="same", args=([1, {"a": None}],)),
        Call(function="pair", args=(1,), kwargs={"b": True}),
        Call(function="some"),
        Call(function="Solution.solve", args=(12,), method=True),
    )
    values = sandbox.run(Program(code=code, calls=calls)).values
    assert [(value.status, value.value, value.type_name) for value in values] == [
        ("ok", [1, {"a": None}], "list"),
        ("ok", [1, True], "tuple"),
        ("ok", [1, 2, 3], "set"),
        ("ok", 144, "int"),
    ]


def test_a_call_that_fails_does_not_end_the_others(sandbox: Sandbox) -> None:
    code = "def f(x):\n    if x == 1: raise KeyError('k')\n    if x == 2: return float('nan')\n    if x == 3: return object()\n    return x"
    calls = tuple(Call(function="f", args=(x,)) for x in range(5))
    values = sandbox.run(Program(code=code, calls=(*calls, Call(function="g")))).values
    assert [value.status for value in values] == ["ok", "error", "error", "error", "ok", "error"]
    assert values[1].error == "KeyError: 'k'"
    assert values[5].error == "NameError: name 'g' is not defined"


def test_a_call_has_its_own_cpu_deadline(sandbox: Sandbox) -> None:
    code = "def f(x):\n    while x: pass\n    return 'quick'"
    limits = Limits(cpu_seconds=4, call_seconds=0.2)
    values = sandbox.run(Program(code=code, calls=tuple(Call(function="f", args=(x,)) for x in (0, 1, 0)), limits=limits)).values
    assert [value.status for value in values] == ["ok", "timeout", "ok"]


def test_calls_before_a_crash_are_kept(sandbox: Sandbox) -> None:
    code = "import os\ndef f(x):\n    if x == 2: os._exit(9)\n    return x"
    result = sandbox.run(Program(code=code, calls=tuple(Call(function="f", args=(x,)) for x in range(5))))
    assert (result.status, [value.value for value in result.values]) == ("error", [0, 1])


def test_no_calls_are_made_into_a_program_that_failed(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(code="def f(): return 1\nraise ValueError", calls=(Call(function="f"),)))
    assert (result.status, result.values) == ("error", ())


def test_files_are_there_and_can_be_imported(sandbox: Sandbox) -> None:
    code = "import tool\nprint(tool.x, open('data/in.txt').read())\nopen('out.txt', 'w').write('written')\nprint(open('out.txt').read())"
    program = Program(code=code, files={"tool.py": "x = 5", "data/in.txt": "text"}, profile="files")
    assert sandbox.run(program).stdout == "5 text\nwritten\n"


@pytest.mark.parametrize("name", ["/abs", "../up", "a/../../b", "", "n\0l"])
def test_files_stay_inside_the_programs_folder(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        sandbox.run(Program(code="", files={name: "x"}, profile="files"))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": "x", "a/b": "x"}, "a program.s file and a folder"),
        ({"a": "x", "./a": "x"}, "two files"),
        ({"n" * 256: "x"}, "at most 255 bytes"),
        ({f"{n}": "" for n in range(9)}, "max_files 8"),
        ({"d/e/f/g/h/i/j/k/l": ""}, "max_files 8"),
        ({"big": "x" * (1 << 20) + "x"}, "files_mb 1"),
    ],
    ids=["file and folder", "twice", "long name", "many", "deep", "big"],
)
def test_files_that_could_not_be_written_are_the_callers_mistake(sandbox: Sandbox, files: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sandbox.run(Program(code="", files=files, profile="files", limits=Limits(max_files=8, files_mb=1)))


def test_files_up_to_the_limit_are_written(sandbox: Sandbox) -> None:
    files = {f"{n}": "x" * (1 << 17) for n in range(8)}
    code = "import os\nprint(sum(os.path.getsize(name) for name in os.listdir('.')))"
    assert sandbox.run(Program(code=code, files=files, profile="files", limits=Limits(max_files=8, files_mb=1))).stdout == "1048576\n"


def test_a_pure_program_has_no_files(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="other than pure"):
        sandbox.run(Program(code="", files={"a": "x"}))
    assert "Error" in sandbox.run(Program(code="open('a', 'w')")).stderr


def test_limits_must_be_positive(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="wall_seconds"):
        sandbox.run(Program(code="", limits=Limits(wall_seconds=0)))


def test_the_same_seed_draws_the_same_numbers(sandbox: Sandbox) -> None:
    code = "import random, numpy\nprint(random.random(), numpy.random.rand(), list({'a', 'b', 'c', 'd'}))"
    first, again, other = (sandbox.run(Program(code=code, seed=seed)).stdout for seed in (1, 1, 2))
    assert first == again != other


def test_asyncio_and_threads_work(sandbox: Sandbox) -> None:
    code = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
async def main():
    await asyncio.sleep(0.001)
    return 7
with ThreadPoolExecutor(4) as pool:
    print(asyncio.run(main()), sum(pool.map(lambda x: x * x, range(10))))
"""
    result = sandbox.run(Program(code=code))
    assert (result.stdout, result.stderr) == ("7 285\n", "")


def test_the_scientific_packages_work(sandbox: Sandbox) -> None:
    code = """
import numpy as np
from sympy import symbols, solve, Rational, latex
x = symbols("x")
print(solve(x**2 - 2, x), Rational(1, 3) + Rational(1, 6), latex(x**2), np.linalg.det(np.eye(3)))
"""
    assert sandbox.run(Program(code=code)).stdout == "[-sqrt(2), sqrt(2)] 1/2 x^{2} 1.0\n"


def test_starting_programs_is_refused_where_it_cannot_be_bounded(sandbox: Sandbox) -> None:
    import os

    if sandbox.backend == "namespace" and os.geteuid() != 0:
        result = sandbox.run(Program(code="import subprocess\nprint(subprocess.run(['true']).returncode)", profile="shell"))
        assert result.stdout == "0\n"
    else:
        with pytest.raises(SandboxUnavailable, match="profile shell"):
            sandbox.run(Program(code="", profile="shell"))
