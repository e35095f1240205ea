"""Rows of the threat list that concern the sandbox as a whole: its pipes, its pool, its runs one after another, its own failures."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Backend, Call, Limits, Profile, Program, RunResult, Sandbox, SandboxUnavailable
from tests.sandbox.attacks import ATTACKS, PRELUDE
from tests.sandbox.attacks_judge import achieved, as_program, warm_up
from tests.sandbox.soak import kill_parent, kill_worker
from tests.sandbox.victims import PREFIX, Scene, adopted_orphans, descendants, eventually

BRIEF = Limits(wall_seconds=1.0, cpu_seconds=0.9, memory_mb=512)
QUICK = Limits(wall_seconds=10.0, cpu_seconds=5.0, memory_mb=512)


def timed(sandbox: Sandbox, program: Program) -> tuple[RunResult, float]:
    start = time.monotonic()
    return sandbox.run(program), time.monotonic() - start


def test_row_57_a_program_that_never_reads_its_stdin_holds_nobody_up(sandbox: Sandbox) -> None:
    result, seconds = timed(sandbox, Program(code="print('done')", stdin="x" * 10_000_000, limits=QUICK))
    assert (result.status, result.stdout) == ("ok", "done\n")
    assert seconds < 8


def test_row_57_a_long_stdin_arrives_whole(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(code="import sys; print(len(sys.stdin.read()))", stdin="x" * 3_000_000, limits=QUICK))
    assert (result.status, result.stdout) == ("ok", "3000000\n")


def test_row_58_closing_its_outputs_does_not_hide_a_sleeper(sandbox: Sandbox) -> None:
    code = "import os, time\nfor descriptor in range(0, 64):\n    try: os.close(descriptor)\n    except OSError: pass\ntime.sleep(20)"
    result, seconds = timed(sandbox, Program(code=code, limits=BRIEF))
    assert result.status == "timeout"
    assert seconds < 8


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.write(1, bytes(range(256)) * 10); os.write(2, bytes(range(256)) * 10)",
        "import os; os.write(1, b'\\xff\\xfe\\x00\\x00\\xed\\xa0\\x80' * 100)",
        "print('\\x1b[2J\\x1b]0;title\\x07\\r\\rwrong\\rright\\x00')",
        "import sys; sys.set_int_max_str_digits(0); sys.stdout.write(str(10**30000))",
        "import sys; sys.stdout.buffer.write('\\u4e00'.encode() * 30000)",
    ],
)
def test_row_59_output_is_always_text_that_can_be_stored(sandbox: Sandbox, code: str) -> None:
    result = sandbox.run(Program(code=code, limits=QUICK))
    assert result.status in ("ok", "output_limit")
    assert json.loads(json.dumps([result.stdout, result.stderr])) == [result.stdout, result.stderr]
    result.stdout.encode()
    result.stderr.encode()


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import sys\n    sys.set_int_max_str_digits(0)\n    return 10**100000",
        "def f(): return float('nan')",
        "def f(): return [float('inf'), -float('inf')]",
        "def f():\n    x = []\n    x.append(x)\n    return x",
        "def f():\n    x = []\n    for _ in range(100000): x = [x]\n    return x",
        "def f(): return 'x' * 50_000_000",
        "def f(): return list(range(3_000_000))",
        "def f(): return {object(): 1}",
        "def f(): return '\\ud800'",
        "class Liar(dict):\n    def items(self): raise SystemExit(0)\ndef f(): return Liar(a=1)",
        'class Liar(int):\n    def __repr__(self): return \'1], "status": "ok"\'\ndef f(): return Liar(3)',
        "class Liar(str):\n    def __str__(self): return 'x'\n    def encode(self, *a): raise KeyboardInterrupt\ndef f(): return Liar()",
        "def f(): return lambda: 1",
    ],
    ids=range(13),
)
def test_row_59_no_returned_value_upsets_the_parent(sandbox: Sandbox, source: str) -> None:
    result, seconds = timed(
        sandbox, Program(code=source + "\ndef g(): return 7", calls=(Call(function="f"), Call(function="g")), limits=QUICK)
    )
    assert result.status != "infra", result.reason
    assert seconds < 12
    json.dumps([value.value for value in result.values], allow_nan=False)
    assert sandbox.run(Program(code="def g(): return 7", calls=(Call(function="g"),), limits=QUICK)).values[0].value == 7


@pytest.mark.parametrize(
    ("source", "statuses"),
    [
        ("print(1)\x00", {"error"}),
        ("\ufeffprint(1)", {"ok", "error"}),
        ("x = 1\n" * 100_000 + "#" * 4_500_000, {"ok", "error", "timeout", "memory"}),
        ("(" * 10_000 + ")" * 10_000, {"error", "memory", "signal"}),
        ("x = " + "-" * 500_000 + "1", {"error", "memory", "signal"}),
        ("x = '\ud800'", {"error"}),
        ("# -*- coding: no-such-coding -*-\nprint(1)", {"ok", "error"}),
        ("def", {"error"}),
        ("", {"ok"}),
        ("import" + " " * 1_000_000 + "os", {"ok"}),
    ],
    ids=range(10),
)
def test_row_60_source_that_does_not_compile_is_the_programs_own_fault(sandbox: Sandbox, source: str, statuses: set[str]) -> None:
    result, seconds = timed(sandbox, Program(code=source, limits=Limits(wall_seconds=6, cpu_seconds=4)))
    assert result.status in statuses, result
    assert seconds < 10


LEAVES_FILES = """
for place in places():
    try: open(f"{place}/of-a-neighbour", "w").write("x")
    except OSError: pass
"""
LEAVES = """
try: checked(libc.shmget(0x51CB, 4096, 0o1666))
except OSError: pass
"""
LISTENS = """
try:
    server = socket.socket(socket.AF_UNIX)
    server.bind("\\0" + NAME)
    server.listen()
except OSError: pass
time.sleep(1.2)
held("waited")
"""
LOOKS = """
for place in places():
    attempt(place, lambda: open(f"{place}/of-a-neighbour").read())
attempt("shm", lambda: checked(libc.shmget(0x51CB, 4096, 0o666)))
for pid in range(2, 400):
    try: os.kill(pid, 0)
    except OSError: continue
    if pid != os.getpid(): breach("can signal", pid)
"""
CONNECTS = """
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0" + NAME))
held("looked")
"""


def two_at_once(sandbox: Sandbox, leaves: str, looks: str) -> list[RunResult]:
    name = f"NAME = 'of-a-neighbour-{os.getpid()}'\n"
    programs = [name + PRELUDE + leaves, name + PRELUDE + "time.sleep(0.4)\n" + looks]
    return sandbox.run_many([Program(code=code, profile="files", limits=QUICK) for code in programs])


def test_row_67_two_runs_at_once_see_nothing_of_each_other(sandbox: Sandbox) -> None:
    first, second = two_at_once(sandbox, LEAVES_FILES + LEAVES + LISTENS, LOOKS + CONNECTS)
    assert (first.status, first.stdout) == ("ok", "HELD waited\n")
    assert second.status == "ok"
    assert "BREACH" not in second.stdout
    assert "HELD looked" in second.stdout


def test_row_67_two_conversations_in_one_worker_see_nothing_of_each_other(backend: Backend) -> None:
    name = f"NAME = 'of-a-neighbour-{os.getpid()}'\n"
    with open_sandbox(backend, workers=1) as sandbox, sandbox.session(QUICK) as first, sandbox.session(QUICK) as second:
        # The processes of both live on between their blocks.
        second.run("secret = 1")
        said = first.run(name + PRELUDE + LEAVES_FILES + LEAVES + LISTENS.replace("time.sleep(1.2)\n", "")).stdout
        assert said == "HELD waited\n"
        seen = second.run(name + PRELUDE + LOOKS + CONNECTS).stdout
        assert "BREACH" not in seen
        assert "HELD looked" in seen
        assert second.run("secret").stdout == "1\n"


def test_row_67_without_a_sandbox_two_runs_do_see_each_other() -> None:
    with open_sandbox("unsafe-subprocess", workers=2, i_understand=True) as unprotected:
        _, second = two_at_once(unprotected, LISTENS, CONNECTS)
    assert "BREACH abstract" in second.stdout


PROBE = """
import hashlib, os, random, sys
import numpy
print(random.random(), numpy.random.rand(), hash("x"), sorted(os.environ), len(sys.path), sys.getrecursionlimit(), os.listdir("."))
"""


@pytest.mark.parametrize(
    "ending",
    [
        "import ctypes; ctypes.string_at(0)",
        "while True: pass",
        "x = [0] * 10**9",
        "import os; os._exit(3)",
        "raise SystemExit('no')",
        "while True: print('y' * 10000)",
    ],
)
def test_row_68_after_a_bad_end_the_next_run_is_as_on_a_fresh_worker(sandbox: Sandbox, ending: str) -> None:
    fresh = sandbox.run(Program(code=PROBE, limits=QUICK))
    assert fresh.status == "ok", fresh
    sandbox.run_many([Program(code=f"import numpy\n{ending}", limits=BRIEF)] * 2)
    assert [result.stdout for result in sandbox.run_many([Program(code=PROBE, limits=QUICK)] * 2)] == [fresh.stdout] * 2


PATCH = """
import builtins, json, math, sys
import numpy
builtins.len = lambda x: 0
math.sqrt = lambda x: 0
numpy.sum = lambda x: 0
json.dumps = lambda *a, **k: '"forged"'
sys.modules['random'] = math
"""
PATCHED = "import json, math, numpy, random\nprint(len([1, 2]), math.sqrt(4), numpy.sum([1, 2]), json.dumps([1]), random.__name__)"


def test_row_69_what_a_run_patches_is_whole_in_the_next(sandbox: Sandbox) -> None:
    sandbox.run_many([Program(code=PATCH, limits=QUICK)] * 4)
    for result in sandbox.run_many([Program(code=PATCHED, limits=QUICK)] * 4):
        assert result.stdout == "2 2.0 3 [1] random\n"


def test_row_69_what_a_block_patches_is_seen_in_its_own_session(sandbox: Sandbox) -> None:
    with sandbox.session(QUICK) as session:
        # Without len() even an import of the next block does not end.
        session.run(PATCH.replace("builtins.len = lambda x: 0\n", ""))
        assert session.run(PATCHED).stdout == '2 0 0 "forged" math\n'


def test_row_70_a_file_named_like_a_module_of_the_runner_does_not_shadow_it(sandbox: Sandbox) -> None:
    planted = {f"{name}.py": "raise SystemExit('planted')" for name in ("json", "candidate", "reasonforge", "ctypes", "signal", "resource")}
    result = sandbox.run(
        Program(code="def f(): return 5", calls=(Call(function="f"),), files=planted, profile="files", limits=QUICK),
    )
    assert (result.status, [value.value for value in result.values]) == ("ok", [5])


@pytest.mark.parametrize(
    "tamper",
    [
        "import sys; sys.modules.clear()",
        "import json; json.dumps = lambda *a, **k: '[{}]'; json.JSONEncoder = None",
        "import os; os.write = os.read = os.close = lambda *a: 0",
        "import builtins; builtins.isinstance = lambda *a: True; builtins.type = lambda *a: int; builtins.len = lambda x: 0",
        "import builtins, sys; sys.meta_path.clear(); sys.path.clear(); builtins.__import__ = None",
        """
import gc, types
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing.__name__ in ("dumps", "_dumps", "encode"):
        thing.__code__ = (lambda *a, **k: "0").__code__
""",
    ],
)
def test_row_71_tampering_with_modules_can_only_spoil_the_programs_own_values(sandbox: Sandbox, tamper: str) -> None:
    result = sandbox.run(Program(code=tamper + "\ndef f(x): return x + 1", calls=(Call(function="f", args=(1,)),), limits=BRIEF))
    assert result.status != "infra", result.reason
    assert all(value.value in (2, 0, None, {}, [{}]) for value in result.values)
    assert sandbox.run(Program(code="def f(x): return x + 1", calls=(Call(function="f", args=(1,)),), limits=QUICK)).values[0].value == 2


SCAN = """
WANTED = PREFIX.encode()
def readable(address):
    # The kernel says EFAULT for what is not mapped.
    return libc.write(pipe[1], ctypes.c_void_p(address), 1) == 1 and os.read(pipe[0], 1)
libc.write.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
pipe = os.pipe()
libc.malloc.restype = ctypes.c_void_p
anchors = [id(object()), id([]), id(b"x" * 600), id(b"x" * 300000), id(sys.modules), libc.malloc(64)]
around = range(-(12 << 20), 12 << 20, 4096)
pages = sorted({page for anchor in anchors for offset in around if (page := (anchor & ~0xFFF) + offset) > 0})
found, block, previous = set(), b"", None
for page in pages:
    if not readable(page):
        continue
    block = (block[-64:] if previous == page - 4096 else b"") + ctypes.string_at(page, 4096)
    previous = page
    at = block.find(WANTED)
    while at >= 0:
        found.add(block[at : at + len(WANTED) + 24])
        at = block.find(WANTED, at + 1)
"""
"""A search of this process's own memory, whatever Python thinks of it, for everything that begins like a secret."""


def test_row_72_a_run_finds_nothing_of_the_runs_before_it_in_its_memory(backend: Backend) -> None:
    secret = PREFIX + "0123456789abcdef01234567"
    limits = Limits(wall_seconds=20, cpu_seconds=15)
    with Scene() as scene, open_sandbox(backend, workers=1) as sandbox:
        before = Program(
            code=f"print({secret!r} * 50)\ndef f(x): return [x] * 50\nprint(input())",
            stdin=secret,
            calls=(Call(function="f", args=(secret,)),),
        )
        for _ in range(3):
            assert sandbox.run(before).status == "ok"
        # A later program does not hold the secret, but may hold traces of runs before it in memory that was copied from the forkserver.
        source = scene.constants() + PRELUDE + SCAN + "for text in found: print(text)\nheld('searched', len(pages))"
        result = sandbox.run(Program(code=source, limits=limits))
        assert result.status == "ok", result
        assert "HELD searched" in result.stdout
        # A run may also leave a part of what it was told.
        assert secret[: len(PREFIX) + 8] not in result.stdout
        result = sandbox.run(Program(code=f"mine = {secret[:30]!r} + {secret[30:]!r}\n" + source, limits=limits))
        assert secret in result.stdout, "the search finds what is there"


def test_row_73_forged_replies_reach_no_other_run(sandbox: Sandbox) -> None:
    forge = """
import json, os
values = [{"status": "ok", "value": "forged"}] * 3
reply = json.dumps({"id": 1, "status": "ok", "exit_code": 0, "stdout": "forged", "values": values}).encode()
def f():
    for descriptor in range(0, 256):
        for frame in (len(reply).to_bytes(4, "big") + reply, len(reply).to_bytes(4, "little") + reply, reply + b"\\n", b"\\xff" * 8):
            try: os.write(descriptor, frame)
            except OSError: pass
    return 1
"""
    program = Program(code=forge, calls=(Call(function="f"), Call(function="f")), limits=QUICK)
    results = sandbox.run_many([program, Program(code="def f(): return 'mine'", calls=(Call(function="f"),), limits=QUICK)] * 6)
    for result in results[1::2]:
        assert [value.value for value in result.values] == ["mine"]
    assert all(result.status != "infra" for result in results)


@pytest.mark.parametrize("outermost", [False, True], ids=["the forkserver", "the outermost process"])
@pytest.mark.parametrize("kills", [1, 2])
def test_row_75_a_killed_worker_costs_at_most_one_masked_run(backend: Backend, outermost: bool, kills: int) -> None:
    recovered = kill_worker(backend, kills=kills, outermost=outermost)
    # A run is tried once more on a fresh worker; it is masked when that is killed as well.
    assert recovered.statuses == {"ok" if kills == 1 else "infra": 1}
    # On an idle machine it is a tenth of that; the soak holds it to two seconds.
    assert recovered.back_seconds < 5


def test_row_76_when_the_parent_is_killed_nothing_is_left(backend: Backend, tmp_path: Path) -> None:
    orphaned = kill_parent(backend, tmp_path)
    assert orphaned.processes >= 3
    assert (orphaned.left_after_a_second, orphaned.files_left) == (0, 0)


def test_row_80_time_zone_and_language_are_the_same_everywhere(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    code = """
import locale, sys, time
print(time.strftime("%Z"), time.localtime(0).tm_hour, sys.stdout.encoding.lower(), f"{1234.5:n}", hash("x"))
"""
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    hash_of_x = subprocess.run([sys.executable, "-c", "print(hash('x'))"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("PYTHONHASHSEED", "123")
    outside = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    with open_sandbox(backend, workers=1) as sandbox:
        words = sandbox.run(Program(code=code, limits=QUICK)).stdout.split()
    assert outside[:2] == ["CST", "8"]
    assert words == ["UTC", "0", "utf-8", "1234.5", hash_of_x]


def output_of(sandbox: Sandbox, code: str) -> str:
    result = sandbox.run(Program(code=code, limits=QUICK))
    assert result.status == "ok", result
    return result.stdout


def test_row_81_the_number_of_cores_is_the_same_on_every_machine(backend: Backend) -> None:
    code = "import os\nprint(os.cpu_count(), len(os.sched_getaffinity(0)))"
    cores = os.sched_getaffinity(0)
    outputs = set()
    try:
        for allowed in (cores, {min(cores)}):
            os.sched_setaffinity(0, allowed)
            with open_sandbox(backend, workers=1) as sandbox:
                outputs.add(output_of(sandbox, code))
    finally:
        os.sched_setaffinity(0, cores)
    assert outputs == {"1 1\n"}


def test_row_82_numbers_print_the_same_on_every_backend(sandbox: Sandbox) -> None:
    code = """
import math, random
import numpy as np
print([random.random() for _ in range(3)], np.random.rand(3).tolist(), math.exp(1.1), 0.1 + 0.2, 1e22, hash("text"), {"b", "a", "c"})
print(np.float32(0.1), np.linspace(0, 1, 7), (np.arange(12.0).reshape(3, 4) @ np.arange(4.0)).tolist())
"""
    with open_sandbox("unsafe-subprocess", workers=1, i_understand=True) as unprotected:
        assert output_of(sandbox, code) == output_of(unprotected, code)


def test_a_block_that_crashes_ends_its_session_and_no_other(sandbox: Sandbox) -> None:
    with sandbox.session() as first, sandbox.session() as second:
        second.run("x = 41")
        assert first.run("import ctypes; ctypes.string_at(0)").status == "signal"
        assert not first.alive
        assert first.run("print(1)").status == "error"
        assert second.run("print(x + 1)").stdout == "42\n"


def test_a_session_keeps_nothing_for_the_next_one(sandbox: Sandbox) -> None:
    warm_up(sandbox)
    with Scene() as scene, adopted_orphans():
        before = len(descendants(os.getpid()))
        with sandbox.session() as session:
            session.run("import builtins\nbuiltins.left = 1\nopen('left', 'w').write('x')")
        with sandbox.session() as session:
            result = session.run("import builtins, os\nprint(hasattr(builtins, 'left'), os.path.exists('left'))")
        assert result.stdout == "False False\n"
        assert eventually(lambda: len(descendants(os.getpid())) <= before, 1.0)
        assert scene.harm() == []


@pytest.mark.parametrize("backend", ["landlock"], indirect=True)
@pytest.mark.parametrize("abi", [3, 5])
def test_row_89_where_landlock_knows_less_the_filter_of_system_calls_carries_it(
    backend: Backend, abi: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def old_kernel(folder: str) -> list[str]:
        pretend = f"import inside.kernel; inside.kernel.landlock_abi = lambda: {abi}"
        start = f"import sys; sys.path.insert(0, {folder!r}); {pretend}; from inside.zygote import main; main()"
        return [sys.executable, "-s", "-P", "-B", "-c", start]

    monkeypatch.setattr("reasonforge.sandbox.worker._python", old_kernel)
    monkeypatch.setattr("reasonforge.sandbox.start._landlock_abi", lambda: abi)
    attacks = [attack for attack in ATTACKS if attack.row in (22, 23, 24, 26, 28, 29, 46, 47, 48, 49, 50)]
    assert len(attacks) >= 13
    with open_sandbox(backend, workers=1) as sandbox, Scene() as scene, adopted_orphans():
        output_of(sandbox, "pass")
        for attack in attacks:
            assert achieved(as_program(sandbox), attack, scene) == [], str(attack)


@pytest.mark.parametrize(
    "corrupt",
    [b"", b"\x00" * 24, b"\x06\x00\x00\x00\x00\x00\xff", b"\x06\x00\x00\x00\x00\x00\xff\x7f", b"\xff" * 800],
    ids=["missing", "zeros", "cut", "allowing everything", "noise"],
)
def test_row_90_with_a_corrupt_filter_no_sandbox_opens(backend: Backend, corrupt: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.sandbox.worker.filters", lambda *_, **__: {name: corrupt for name in ("pure", "files", "shell")})
    with pytest.raises(SandboxUnavailable):
        open_sandbox(backend, workers=1).close()


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos._exit(70)",
        "import os\nos.write(2, b'setting up failed: OSError')\nos._exit(70)",
        "import os\nfor descriptor in range(64):\n    try: os.close(descriptor)\n    except OSError: pass\nos._exit(1)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nimport time; time.sleep(20)",
        "import os\nos.write(3, b'infra' * 1000)\nos._exit(0)",
        "import os\nos.write(3, b'\\x00' * 100000)",
        "import os\nfor _ in range(40): os.write(3, b'R' * 65536)",
        "import os\nfor n in range(60): os.dup(3)",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))\nx = [0] * 10**7",
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\nopen('/dev/null')",
        "import os\nos.chdir('/')\nos.umask(0o777)",
        "import sys\nsys.stdout.write('\\ud800')",
        "raise BaseException",
        "raise GeneratorExit",
        "class E(BaseException):\n    def __str__(self): raise self\nraise E",
        "import threading\nthreading.Thread(target=lambda: 1 / 0).start()\nraise KeyboardInterrupt",
    ],
    ids=range(17),
)
@pytest.mark.parametrize("profile", ["pure", "files"])
def test_no_program_passes_for_a_failure_of_the_sandbox(sandbox: Sandbox, code: str, profile: Profile) -> None:
    result = sandbox.run(Program(code=code, profile=profile, limits=BRIEF))
    assert result.status != "infra", result.reason


OPEN = """
import os
found = []
for descriptor in range(LAST):
    try: os.fstat(descriptor)
    except OSError: continue
    found.append(descriptor)
print(found)
"""


def test_no_descriptor_reaches_a_program_however_high_it_is(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 < hard <= 5000:
        pytest.skip(f"this machine's hard limit is {hard} descriptors")
    high = [5000, 5001, min(hard, 20_000) - 1] if hard > 0 else [5000, 5001, 19_999]
    # As in a forkserver that has some thousand sessions open: ends of pipes above every number that could be guessed.
    pipes = f"resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard)); [os.dup2(os.pipe()[1], number) for number in {high}]"
    crowd = f"import os, resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; {pipes}"
    monkeypatch.setattr(
        "reasonforge.sandbox.worker._python",
        lambda folder: [
            *(sys.executable, "-s", "-P", "-B", "-c"),
            f"import sys; sys.path.insert(0, {folder!r}); {crowd}; from inside.zygote import main; main()",
        ],
    )
    code = OPEN.replace("LAST", str(max(high) + 1))
    with open_sandbox(backend, workers=1) as sandbox:
        assert output_of(sandbox, code) == "[0, 1, 2, 3, 4]\n"
        with sandbox.session(QUICK) as session:
            assert session.run(code).stdout == "[0, 1, 2, 3, 4]\n"


def test_a_signal_to_its_process_group_reaches_nobody_else(sandbox: Sandbox) -> None:
    code = "import os\ntry: os.kill(0, 9)\nexcept OSError: pass"
    with sandbox.session(QUICK) as one, sandbox.session(QUICK) as other:
        assert (one.run("x = 1").status, other.run("x = 2").status) == ("ok", "ok")
        for _ in range(3):
            assert sandbox.run(Program(code=code, limits=QUICK)).status in ("ok", "signal")
        assert one.run(code).status in ("ok", "signal")
        assert other.run("x").stdout == "2\n"


def test_what_a_program_sets_on_its_standard_input_the_next_one_does_not_find(backend: Backend) -> None:
    leave = "import fcntl, os\nfcntl.fcntl(0, fcntl.F_SETFL, os.O_APPEND)\nfcntl.flock(0, fcntl.LOCK_EX)"
    look = "import fcntl, os\nprint(fcntl.fcntl(0, fcntl.F_GETFL) & os.O_APPEND)\nfcntl.flock(os.open('/dev/null', 0), fcntl.LOCK_EX)"
    with open_sandbox(backend, workers=1) as sandbox:
        assert output_of(sandbox, leave) == ""
        assert output_of(sandbox, look) == "0\n"


def test_a_session_that_forges_the_end_of_its_block_spoils_only_itself(sandbox: Sandbox) -> None:
    forge = "import os\nfor _ in range(50): os.write(3, b'Dok\\n')\nwhile True: pass"
    with sandbox.session(BRIEF) as forging, sandbox.session(QUICK) as honest:
        assert honest.run("x = 1").status == "ok"
        forging.run(forge)
        start = time.monotonic()
        assert honest.run("x + 1").stdout == "2\n"
        assert time.monotonic() - start < 8
        for _ in range(3):
            forging.run("print('mine')")
        assert honest.run("x + 2").stdout == "3\n"
