"""The list of system calls that model-written code may make, assembled into the BPF program that the kernel checks on each call.

An allow-list: what is not named is refused, so a call that a future kernel adds is refused too. The numbers of both
architectures stand here, so nothing but Python is needed where programs run; a test compares them with the kernel's headers.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

Machine = Literal["x86_64", "aarch64"]


class Numbers(NamedTuple):
    """A system call's numbers; None = this architecture has no such call."""

    x86_64: int | None
    aarch64: int | None


ALWAYS: dict[str, Numbers] = {
    "read": Numbers(0, 63),
    "write": Numbers(1, 64),
    "readv": Numbers(19, 65),
    "writev": Numbers(20, 66),
    "pread64": Numbers(17, 67),
    "pwrite64": Numbers(18, 68),
    "preadv": Numbers(295, 69),
    "pwritev": Numbers(296, 70),
    "lseek": Numbers(8, 62),
    "open": Numbers(2, None),
    "openat": Numbers(257, 56),
    "close": Numbers(3, 57),
    "close_range": Numbers(436, 436),
    "dup": Numbers(32, 23),
    "dup2": Numbers(33, None),
    "dup3": Numbers(292, 24),
    "pipe": Numbers(22, None),
    "pipe2": Numbers(293, 59),
    "sendfile": Numbers(40, 71),
    "copy_file_range": Numbers(326, 285),
    "stat": Numbers(4, None),
    "fstat": Numbers(5, 80),
    "lstat": Numbers(6, None),
    "newfstatat": Numbers(262, 79),
    "statx": Numbers(332, 291),
    "access": Numbers(21, None),
    "faccessat": Numbers(269, 48),
    "faccessat2": Numbers(439, 439),
    "readlink": Numbers(89, None),
    "readlinkat": Numbers(267, 78),
    "getcwd": Numbers(79, 17),
    "chdir": Numbers(80, 49),
    "fchdir": Numbers(81, 50),
    "getdents": Numbers(78, None),
    "getdents64": Numbers(217, 61),
    "statfs": Numbers(137, 43),
    "fstatfs": Numbers(138, 44),
    "fsync": Numbers(74, 82),
    "fdatasync": Numbers(75, 83),
    "flock": Numbers(73, 32),
    "ftruncate": Numbers(77, 46),
    "fallocate": Numbers(285, 47),
    "fadvise64": Numbers(221, 223),
    "umask": Numbers(95, 166),
    "poll": Numbers(7, None),
    "ppoll": Numbers(271, 73),
    "select": Numbers(23, None),
    "pselect6": Numbers(270, 72),
    "epoll_create": Numbers(213, None),
    "epoll_create1": Numbers(291, 20),
    "epoll_ctl": Numbers(233, 21),
    "epoll_wait": Numbers(232, None),
    "epoll_pwait": Numbers(281, 22),
    "epoll_pwait2": Numbers(441, 441),
    "eventfd2": Numbers(290, 19),
    "recvfrom": Numbers(45, 207),
    "shutdown": Numbers(48, 210),
    "getsockname": Numbers(51, 204),
    "getpeername": Numbers(52, 205),
    "getsockopt": Numbers(55, 209),
    "brk": Numbers(12, 214),
    "mmap": Numbers(9, 222),
    "munmap": Numbers(11, 215),
    "mremap": Numbers(25, 216),
    "mprotect": Numbers(10, 226),
    "madvise": Numbers(28, 233),
    "membarrier": Numbers(324, 283),
    "rt_sigaction": Numbers(13, 134),
    "rt_sigprocmask": Numbers(14, 135),
    "rt_sigreturn": Numbers(15, 139),
    "rt_sigpending": Numbers(127, 136),
    "rt_sigsuspend": Numbers(130, 133),
    "rt_sigtimedwait": Numbers(128, 137),
    "sigaltstack": Numbers(131, 132),
    "pause": Numbers(34, None),
    "alarm": Numbers(37, None),
    "getitimer": Numbers(36, 102),
    "setitimer": Numbers(38, 103),
    "timer_create": Numbers(222, 107),
    "timer_settime": Numbers(223, 110),
    "timer_gettime": Numbers(224, 108),
    "timer_getoverrun": Numbers(225, 109),
    "timer_delete": Numbers(226, 111),
    "nanosleep": Numbers(35, 101),
    "clock_nanosleep": Numbers(230, 115),
    "clock_gettime": Numbers(228, 113),
    "clock_getres": Numbers(229, 114),
    "gettimeofday": Numbers(96, 169),
    "time": Numbers(201, None),
    "times": Numbers(100, 153),
    "restart_syscall": Numbers(219, 128),
    "futex": Numbers(202, 98),
    "futex_waitv": Numbers(449, 449),
    "set_robust_list": Numbers(273, 99),
    "get_robust_list": Numbers(274, 100),
    "set_tid_address": Numbers(218, 96),
    "rseq": Numbers(334, 293),
    "sched_yield": Numbers(24, 124),
    "sched_getaffinity": Numbers(204, 123),
    "sched_get_priority_max": Numbers(146, 125),
    "sched_get_priority_min": Numbers(147, 126),
    "getcpu": Numbers(309, 168),
    "getpid": Numbers(39, 172),
    "getppid": Numbers(110, 173),
    "gettid": Numbers(186, 178),
    "getuid": Numbers(102, 174),
    "geteuid": Numbers(107, 175),
    "getgid": Numbers(104, 176),
    "getegid": Numbers(108, 177),
    "getgroups": Numbers(115, 158),
    "getresuid": Numbers(118, 148),
    "getresgid": Numbers(120, 150),
    "getpgrp": Numbers(111, None),
    "getpgid": Numbers(121, 155),
    "getsid": Numbers(124, 156),
    "getpriority": Numbers(140, 141),
    "getrlimit": Numbers(97, 163),
    "setrlimit": Numbers(160, 164),
    "getrusage": Numbers(98, 165),
    "capget": Numbers(125, 90),
    "uname": Numbers(63, 160),
    "sysinfo": Numbers(99, 179),
    "getrandom": Numbers(318, 278),
    "exit": Numbers(60, 93),
    "exit_group": Numbers(231, 94),
}
"""Calls that computing, printing and reading need; what they reach is limited by mounts, Landlock and rlimits."""

WRITING: dict[str, Numbers] = {
    "mkdir": Numbers(83, None),
    "mkdirat": Numbers(258, 34),
    "rmdir": Numbers(84, None),
    "unlink": Numbers(87, None),
    "unlinkat": Numbers(263, 35),
    "rename": Numbers(82, None),
    "renameat": Numbers(264, 38),
    "renameat2": Numbers(316, 276),
    "symlink": Numbers(88, None),
    "symlinkat": Numbers(266, 36),
}
"""Calls that change a folder."""

METADATA: dict[str, Numbers] = {
    "truncate": Numbers(76, 45),
    "chmod": Numbers(90, None),
    "fchmod": Numbers(91, 52),
    "fchmodat": Numbers(268, 53),
    "utime": Numbers(132, None),
    "utimes": Numbers(235, None),
    "utimensat": Numbers(280, 88),
}
"""Calls that Landlock does not check; only where nothing of the host can be written."""

SIGNALS: dict[str, Numbers] = {
    "kill": Numbers(62, 129),
    "tgkill": Numbers(234, 131),
    "tkill": Numbers(200, 130),
}
"""Only where no process outside can be named or reached."""

PROGRAMS: dict[str, Numbers] = {
    "fork": Numbers(57, None),
    "vfork": Numbers(58, None),
    "execve": Numbers(59, 221),
    "execveat": Numbers(322, 281),
    "wait4": Numbers(61, 260),
    "waitid": Numbers(247, 95),
    "setpgid": Numbers(109, 154),
    "setsid": Numbers(112, 157),
    "arch_prctl": Numbers(158, None),
}
"""Calls that start other programs."""

FILTERED: dict[str, Numbers] = {
    "clone": Numbers(56, 220),
    "ioctl": Numbers(16, 29),
    "prctl": Numbers(157, 167),
    "fcntl": Numbers(72, 25),
    "prlimit64": Numbers(302, 261),
    "sendto": Numbers(44, 206),
    "socketpair": Numbers(53, 199),
}
"""Allowed for certain arguments only: see ``_argument_rules``."""

MISSING: dict[str, Numbers] = {
    "clone3": Numbers(435, 435),
}
"""Answered with ENOSYS, so that the C library takes the older call, whose arguments a filter can see."""

_AUDIT_ARCH: dict[Machine, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH = 0, 4
"""Offsets in the kernel's ``struct seccomp_data``; arguments follow at 16, eight bytes each, low half first."""

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080
"""Every flag that makes a namespace (time, mount, cgroup, uts, ipc, user, pid, net)."""
_TERMINAL_QUESTIONS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS (isatty), TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
_NAMING = (15, 16, 0x53564D41)
"""PR_SET_NAME, PR_GET_NAME, PR_SET_VMA (the C library names its memory)."""
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
"""Descriptors, flags and locks; not F_SETOWN, which sends signals, and not F_SETPIPE_SZ, which takes memory."""

_Instruction = tuple[int, int, int, int]


def _low(argument: int) -> int:
    return 16 + 8 * argument


def _high(argument: int) -> int:
    return 20 + 8 * argument


def _errno(code: int) -> _Instruction:
    return (_RETURN, 0, 0, _ERRNO | code)


_RETURN_ALLOW: _Instruction = (_RETURN, 0, 0, _ALLOW)
_RETURN_REFUSED = _errno(errno.EPERM)


def _one_of(offset: int, values: tuple[int, ...]) -> list[_Instruction]:
    """Allow when the loaded half of an argument is one of the values, else refuse."""
    tests: list[_Instruction] = [(_JUMP_EQUAL, len(values) - position, 0, value) for position, value in enumerate(values)]
    return [(_LOAD, 0, 0, offset), *tests, _RETURN_REFUSED, _RETURN_ALLOW]


def _argument_rules(*, programs: bool) -> dict[str, list[_Instruction]]:
    """Return, per filtered call, the instructions that decide on its arguments. Each ends in a return."""
    new_process: list[_Instruction] = [(_LOAD, 0, 0, _low(0)), (_JUMP_ANY_BIT, 2, 0, _CLONE_NEW)]
    if programs:
        new_process += [_RETURN_ALLOW, _RETURN_REFUSED, _RETURN_REFUSED]
    else:
        new_process += [(_JUMP_ANY_BIT, 0, 1, _CLONE_THREAD), _RETURN_ALLOW, _RETURN_REFUSED]
    return {
        "clone": new_process,
        "ioctl": _one_of(_low(1), _TERMINAL_QUESTIONS),
        "prctl": _one_of(_low(0), _NAMING),
        "fcntl": _one_of(_low(1), _FCNTL),
        # Only a process's own limits.
        "prlimit64": _one_of(_low(0), (0,)),
        # Only to the other end of a pair: no address, in either half of the pointer.
        "sendto": [
            (_LOAD, 0, 0, _low(4)),
            (_JUMP_EQUAL, 0, 3, 0),
            (_LOAD, 0, 0, _high(4)),
            (_JUMP_EQUAL, 0, 1, 0),
            _RETURN_ALLOW,
            _RETURN_REFUSED,
        ],
        # AF_UNIX and SOCK_STREAM (with or without CLOEXEC and NONBLOCK): asyncio wakes itself with such a pair.
        "socketpair": [
            (_LOAD, 0, 0, _low(0)),
            (_JUMP_EQUAL, 0, 6, 1),
            (_LOAD, 0, 0, _low(1)),
            (_JUMP_EQUAL, 3, 0, 1),
            (_JUMP_EQUAL, 2, 0, 1 | 0o2000000),
            (_JUMP_EQUAL, 1, 0, 1 | 0o4000),
            (_JUMP_EQUAL, 0, 1, 1 | 0o2004000),
            _RETURN_ALLOW,
            _RETURN_REFUSED,
        ],
    }


def build_filter(machine: Machine, *, writing: bool, host_files: bool, signals: bool, programs: bool) -> bytes:
    """Assemble the filter.

    Args:
        machine: architecture it will run on.
        writing: the program has a folder of its own.
        host_files: folders of the host are in reach of calls that Landlock does not check, so these are refused.
        signals: no process outside can be signalled, so the calls may be made.
        programs: the program may start others.
    """
    allowed = dict(ALWAYS)
    if writing:
        allowed |= WRITING if host_files else WRITING | METADATA
    if signals:
        allowed |= SIGNALS
    if programs:
        allowed |= PROGRAMS
    numbers = sorted(number for name in allowed if (number := _number(allowed[name], machine)) is not None)
    code: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_GREATER_EQUAL, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for first, last in _ranges(numbers):
        # At or above first, and not at or above the number after last.
        code += [(_JUMP_GREATER_EQUAL, 0, 2, first), (_JUMP_GREATER_EQUAL, 1, 0, last + 1), _RETURN_ALLOW]
    for name, rule in _argument_rules(programs=programs).items():
        number = _number(FILTERED[name], machine)
        assert number is not None
        code += [(_JUMP_EQUAL, 0, len(rule), number), *rule]
    for numbers_missing in MISSING.values():
        number = _number(numbers_missing, machine)
        assert number is not None
        code += [(_JUMP_EQUAL, 0, 1, number), _errno(errno.ENOSYS)]
    code.append(_RETURN_REFUSED)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _number(numbers: Numbers, machine: Machine) -> int | None:
    return numbers.x86_64 if machine == "x86_64" else numbers.aarch64


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Merge neighbours: ``[1, 2, 3, 7]`` -> ``(1, 3), (7, 7)``."""
    start = previous = numbers[0]
    for number in numbers[1:]:
        if number > previous + 1:
            yield start, previous
            start = number
        previous = number
    yield start, previous
