"""The kernel calls that isolate a process and that Python has no name for."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 1, 22, 38, 47, 4
_SECCOMP_MODE_FILTER = 2
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 8, 32, 4096
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522

_CLOSE_RANGE = 436
_LAST_DESCRIPTOR = (1 << 32) - 1
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_VERSION_FLAG = 1
_LANDLOCK_RULE_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _MAKE_SYM, _TRUNCATE = 1 << 7, 1 << 8, 1 << 12, 1 << 14
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16, 6: 16}
"""Landlock ABI -> number of file-system rights it can deny."""
READ = _READ_FILE | _READ_DIR
DEVICE = _READ_FILE | _WRITE_FILE
WRITABLE = READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _TRUNCATE
_FILE_ONLY = _READ_FILE | _WRITE_FILE | _TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(name: str, result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def unshare(flags: int) -> None:
    """Leave namespaces; with ``CLONE_NEWPID`` only the children to come are in the new one."""
    _call("unshare", _libc.unshare(flags))


def join_namespace(descriptor: int, flags: int) -> None:
    """Enter (or, for pid namespaces, put the children to come into) the namespaces of the process behind a pidfd."""
    _call("setns", _libc.setns(descriptor, flags))


def mount_tmpfs(path: str, *, megabytes: int, inodes: int) -> None:
    """Mount a fresh file system in memory, of bounded size and without programs or devices."""
    options = f"size={megabytes}m,nr_inodes={inodes},mode=700".encode()
    _call("mount", _libc.mount(b"tmpfs", path.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options))


def protect_node(path: str) -> None:
    """Mount a device read-only: that stops no write to the device, but does stop a change of the host's own node."""
    flags = _MS_RDONLY | _MS_NOSUID | _MS_NOEXEC | _MS_REMOUNT | _MS_BIND
    _call("mount", _libc.mount(None, path.encode(), None, flags, None))


def close_from(first: int) -> None:
    """Close every descriptor from this one on, however high it is.

    Raises:
        OSError: the kernel cannot (Linux before 5.9): nothing is known to be closed.
    """
    _call("close_range", _libc.syscall(_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(_LAST_DESCRIPTOR), ctypes.c_uint(0)))


def die_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when the thread that forked it is gone."""
    _call("prctl", _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0))


def drop_capabilities() -> None:
    """Give up every capability for good: the program may be root outside, and root may raise its own limits."""
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    none = ctypes.create_string_buffer(bytes(24))
    _call("capset", _libc.syscall(_CAPSET[platform.machine()], header, none))


def load_filter(program: bytes) -> None:
    """Restrict this process to the system calls that a BPF program allows, for ever.

    Raises:
        OSError: the kernel refuses the program, or it is empty.
    """
    if not program or len(program) % 8:
        raise OSError("the seccomp filter is missing or corrupt")

    class FilterProgram(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    instructions = ctypes.create_string_buffer(program, len(program))
    holder = FilterProgram(len(program) // 8, ctypes.cast(instructions, ctypes.c_void_p))
    _call("prctl no_new_privs", _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _call("prctl seccomp", _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(holder), 0, 0))


def landlock_abi() -> int:
    """Return the version of Landlock that this kernel speaks; 0 = none."""
    return max(0, _libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_LANDLOCK_VERSION_FLAG)))


def landlock_ruleset(rules: Iterable[tuple[str, int]]) -> int:
    """Make a ruleset that denies all file access but these paths' rights, all of TCP, and signals and sockets of other domains.

    Returns:
        Its descriptor, for ``landlock_restrict``.
    """
    abi = landlock_abi()
    handled = (1 << _FS_RIGHTS.get(abi, 16)) - 1
    network = 0b11 if abi >= 4 else 0
    scoped = 0b11 if abi >= 6 else 0
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = ctypes.create_string_buffer(struct.pack("=QQQ", handled, network, scoped)[:size], size)
    create = _libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
    ruleset = _call("landlock_create_ruleset", create)
    for path, rights in rules:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            allowed = rights & handled if os.path.isdir(path) else rights & handled & _FILE_ONLY
            rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, descriptor), 12)
            added = _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, ctypes.c_uint(0))
            _call(f"landlock_add_rule {path}", added)
        finally:
            os.close(descriptor)
    return ruleset


def landlock_restrict(ruleset: int) -> None:
    """Put this process under a ruleset, for ever."""
    _call("prctl no_new_privs", _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _call("landlock_restrict_self", _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint(0)))
