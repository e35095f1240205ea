"""The system-call filter allows what is named and nothing else; a small machine here runs it as the kernel does."""

from __future__ import annotations

import errno
import platform
import re
import shutil
import struct
import subprocess
from typing import Literal

import pytest

from reasonforge.sandbox.inside import kernel
from reasonforge.sandbox.seccomp import ALWAYS, FILTERED, METADATA, MISSING, PROGRAMS, SIGNALS, WRITING, Machine, build_filter

ARCH: dict[Machine, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES: tuple[Machine, ...] = ("x86_64", "aarch64")
ALLOW, KILL, REFUSE, MISSES = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
TABLES = {**ALWAYS, **FILTERED, **METADATA, **MISSING, **PROGRAMS, **SIGNALS, **WRITING}


def answer(program: bytes, number: int, *arguments: int, arch: int) -> int:
    """Run a filter on one call."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    accumulator, position = 0, 0
    instructions = list(struct.iter_unpack("=HBBI", program))
    while True:
        code, if_true, if_false, value = instructions[position]
        position += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            position += if_true if holds else if_false


def full(machine: Machine = "x86_64", **changes: bool) -> bytes:
    return build_filter(machine, **{"writing": False, "host_files": False, "signals": False, "programs": False, **changes})


def number(name: str, machine: Machine) -> int:
    found = getattr(TABLES[name], machine)
    assert found is not None
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_gets_the_answer_of_its_name(machine: Machine) -> None:
    program = full(machine, writing=True)
    allowed = {getattr(numbers, machine) for numbers in {**ALWAYS, **WRITING, **METADATA}.values()}
    special = {getattr(numbers, machine) for numbers in {**FILTERED, **MISSING}.values()}
    for each in range(1024):
        if each not in special:
            assert answer(program, each, arch=ARCH[machine]) == (ALLOW if each in allowed else REFUSE)


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architectures_calls_kill(machine: Machine) -> None:
    other: Literal["x86_64", "aarch64"] = "aarch64" if machine == "x86_64" else "x86_64"
    assert answer(full(machine), number("read", machine), arch=ARCH[other]) == KILL
    assert answer(full(machine), number("read", machine) | 0x40000000, arch=ARCH[machine]) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_may_be_made_and_processes_and_namespaces_may_not(machine: Machine) -> None:
    clone, arch = number("clone", machine), ARCH[machine]
    thread, new_user, child = 0x3D0F00, 0x10000000, 17
    assert answer(full(machine), clone, thread, arch=arch) == ALLOW
    assert answer(full(machine), clone, child, arch=arch) == REFUSE
    assert answer(full(machine), clone, thread | new_user, arch=arch) == REFUSE
    assert answer(full(machine, programs=True), clone, child, arch=arch) == ALLOW
    assert answer(full(machine, programs=True), clone, child | new_user, arch=arch) == REFUSE
    assert answer(full(machine), number("clone3", machine), arch=arch) == MISSES


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "fine", "refused"),
    [
        ("ioctl", (0, 0x5401), (0, 0x5412)),  # TCGETS; TIOCSTI
        ("prctl", (15,), (1,)),  # PR_SET_NAME; PR_SET_PDEATHSIG
        ("fcntl", (0, 3), (0, 8)),  # F_GETFL; F_SETOWN
        ("prlimit64", (0,), (77,)),
        ("sendto", (3, 0, 0, 0, 0), (3, 0, 0, 0, 1 << 40)),
        ("sendto", (3, 0, 0, 0, 0), (3, 0, 0, 0, 1)),
        ("socketpair", (1, 1 | 0o2000000), (1, 2)),  # stream; datagram
        ("socketpair", (1, 1), (16, 1)),  # local; netlink
    ],
)
def test_arguments_decide(machine: Machine, name: str, fine: tuple[int, ...], refused: tuple[int, ...]) -> None:
    assert answer(full(machine), number(name, machine), *fine, arch=ARCH[machine]) == ALLOW
    assert answer(full(machine), number(name, machine), *refused, arch=ARCH[machine]) == REFUSE


def test_what_landlock_does_not_check_is_refused_where_host_files_are_in_reach() -> None:
    arch = ARCH["x86_64"]
    assert answer(full(writing=True, host_files=True), number("chmod", "x86_64"), arch=arch) == REFUSE
    assert answer(full(writing=True), number("chmod", "x86_64"), arch=arch) == ALLOW


def test_signals_and_programs_need_leave() -> None:
    arch = ARCH["x86_64"]
    assert answer(full(), number("kill", "x86_64"), arch=arch) == REFUSE
    assert answer(full(signals=True), number("kill", "x86_64"), arch=arch) == ALLOW
    assert answer(full(signals=True), number("execve", "x86_64"), arch=arch) == REFUSE
    assert answer(full(programs=True), number("execve", "x86_64"), arch=arch) == ALLOW


@pytest.mark.parametrize(("machine", "header"), [("x86_64", "asm/unistd_64.h"), ("aarch64", "asm-generic/unistd.h")])
def test_the_numbers_are_the_kernels(machine: Machine, header: str) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to read the kernel's headers with")
    defined_there = ("BITS_PER_LONG=64", "ARCH_WANT_RENAMEAT", "ARCH_WANT_NEW_STAT", "ARCH_WANT_SET_GET_RLIMIT", "ARCH_WANT_SYS_CLONE3")
    wanted = [f"-D__{name}" for name in defined_there]
    command = [compiler, "-E", "-dM", *(wanted if machine == "aarch64" else []), "-"]
    read = subprocess.run(command, input=f"#include <{header}>\n", capture_output=True, text=True, check=False)
    if read.returncode:
        pytest.skip(f"no kernel header {header} here")
    defined = dict(re.findall(r"#define (__NR\w+) (\S+)", read.stdout))

    def resolved(name: str) -> int | None:
        value = defined.get(f"__NR_{name}")
        while value is not None and not value.isdigit():
            value = defined.get(value)
        return None if value is None else int(value)

    known = [name for name in TABLES if resolved(name) is not None]
    assert len(known) > 100
    assert {name: getattr(TABLES[name], machine) for name in known} == {name: resolved(name) for name in known}


@pytest.mark.parametrize("program", [b"", b"\0" * 7])
def test_a_filter_that_is_missing_or_cut_is_refused_before_the_kernel_sees_it(program: bytes) -> None:
    with pytest.raises(OSError, match="missing or corrupt"):
        kernel.load_filter(program)


def test_this_machine_has_a_filter() -> None:
    assert platform.machine() in ARCH
