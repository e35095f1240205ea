"""The attacks: bounded programs that try to get out, to stay, to use up the machine, or to read what is not theirs.

Each one says ``HELD`` or ``BREACH`` for what it can see itself; what it does to the world is judged from outside (:mod:`victims`).
A program that is wrong in itself says ``BROKEN`` or ends with an error that is not in ``ends``: no attack holds by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reasonforge.sandbox.protocol import Backend, Limits, Profile, RunStatus

PRELUDE = '''
import ctypes, errno, glob, mmap, os, resource, signal, socket, stat, sys, threading, time
ARM = os.uname().machine != "x86_64"

def breach(*what): os.write(1, ("BREACH " + " ".join(map(str, what)) + "\\n").encode("utf-8", "replace")[:2000])
def held(*what): os.write(1, ("HELD " + " ".join(map(str, what)) + "\\n").encode("utf-8", "replace")[:2000])
def attempt(label, action):
    """A breach if it works and does not come to False."""
    try:
        got = action()
    except (NameError, SyntaxError, TypeError) as error:
        os.write(1, f"BROKEN {label}: {error!r}\\n".encode())
    except BaseException as error:
        held(label, type(error).__name__, error)
    else:
        held(label, repr(got)) if got is False else breach(label, repr(got)[:200])
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def syscall(x86, arm, *arguments):
    words = [argument if isinstance(argument, (ctypes.Array, bytes)) else ctypes.c_long(argument) for argument in arguments]
    return checked(libc.syscall(ctypes.c_long(arm if ARM else x86), *words))
def refused(label, action):
    """A breach unless the call is refused outright: another error means that the kernel has looked at the arguments."""
    try:
        got = action()
    except OSError as error:
        held(label, error) if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS) else breach(label, error)
    else:
        breach(label, got)
def show(path, count=4096):
    """Print what a file says; whether it is a secret is judged outside."""
    try:
        with open(path, "rb") as stream:
            os.write(1, b"READ " + stream.read(count) + b"\\n")
    except OSError as error:
        held(path, error)
def places():
    """Folders where something may be left."""
    usual = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/box", "/", "/dev", "/proc")
    for path in dict.fromkeys(map(os.path.realpath, (os.getcwd(), os.path.expanduser("~"), *usual, os.environ.get("TMPDIR", "/tmp")))):
        if os.path.isdir(path):
            yield path
'''
"""Stands before each attack, after the constants of the scene."""

MIB = 1 << 20
QUICK = Limits(wall_seconds=10.0, cpu_seconds=5.0, memory_mb=512, output_kb=64, files_mb=16, max_files=256)
BRIEF = Limits(wall_seconds=0.5, cpu_seconds=0.4, memory_mb=512, output_kb=64, files_mb=16, max_files=256)
"""For programs that never end."""
NARROW = Limits(wall_seconds=10.0, cpu_seconds=5.0, memory_mb=256, output_kb=64, files_mb=16, max_files=256)
"""For programs that use up memory."""
WIDE = Limits(wall_seconds=10.0, cpu_seconds=5.0, memory_mb=8192, output_kb=64, files_mb=128, max_files=1024)
"""Limits that stop none of the attacks on memory, threads and files."""
_CONTAINERS = "containers and hardened kernels refuse it"


Proof = Literal["unprotected", "bare", "looser", "session", "end", "none"]
"""How it is shown that the test would fail if the defence were missing. The attack gets through ...

``unprotected``: in the backend ``unsafe-subprocess``; ``bare``: in a plain process; ``looser``: in the same sandbox with the limits
``looser``; ``session``: from one block of a conversation to the next. ``end``: it never ends well by itself, and its end is demanded.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One bounded program. Rows are those of the threat list in SECURITY.md."""

    row: int
    name: str
    code: str
    then: str = ""
    """A second program, run after the first, in which a leftover of the first is looked for."""
    profile: Profile = "files"
    limits: Limits = QUICK
    ends: tuple[RunStatus, ...] = ("ok", "signal")
    """How the run may end when the sandbox held."""
    unstopped_by: tuple[Backend, ...] = ()
    """Backends whose documentation says that they do not stop it."""
    within: float | None = None
    """Seconds in which the run must end, where that is less than its wall limit."""
    proof: Proof = "unprotected"
    looser: Limits | None = None
    why: str = ""
    """With ``proof="none"``: why not. With another: which machines refuse the attack by themselves, so that it proves nothing there."""

    def __str__(self) -> str:
        return f"{self.row} {self.name} ({self.profile})"


ROWS: dict[int, str] = {
    1: "fork bomb",
    2: "thread bomb",
    3: "memory bomb",
    4: "shared anonymous memory",
    5: "memory in memfds",
    6: "memory in many children",
    7: "filling the disk with files",
    8: "one huge or sparse file",
    9: "using up the inodes",
    10: "using up the file descriptors",
    11: "endless loop",
    12: "endless loops in many processes",
    13: "endless standard output",
    14: "endless standard error",
    15: "one endless operation inside the interpreter",
    16: "ignoring every signal",
    17: "deep recursion, deep C stack",
    18: "a list or text of billions",
    19: "a daemon that outlives its run",
    20: "an orphan that holds standard output open",
    21: "starting other programs",
    22: "killing another process of the same user",
    23: "signalling the parent",
    24: "signalling everybody",
    25: "reading command lines and environments in /proc",
    26: "tracing another process",
    27: "writing to its own read-only pages",
    28: "reading another process's memory",
    29: "rescheduling itself and others",
    30: "reading a private file of the host",
    31: "reading a file that everybody may read",
    32: "reading the password files",
    33: "secrets in the environment",
    34: "overwriting the expected output",
    35: "deleting the tests",
    36: "settling in the installed packages",
    37: "symbolic links to a secret",
    38: "hard links to a secret",
    39: "other roots, by /proc and chroot",
    40: "climbing out of the working folder",
    41: "files left for the next run",
    42: "shared memory left for the next run",
    43: "inherited descriptors",
    44: "typing into the terminal",
    45: "making devices",
    46: "TCP to a service of the host",
    47: "UDP to a service of the host",
    48: "unix sockets of the host",
    49: "listening on a port",
    50: "raw, packet, netlink and vsock sockets",
    51: "new namespaces, and an administrator's calls",
    52: "io_uring",
    53: "bpf, userfaultfd, perf events",
    54: "the kernel's key rings",
    55: "personality (no address randomisation)",
    56: "another table of system calls",
    57: "never reading a long standard input",
    58: "closing its outputs and sleeping on",
    59: "output that is no text, values that are no JSON",
    60: "source that does not compile, or compiles for ever",
    61: "an answer that is a program",
    62: "an answer that is a tower of powers",
    63: "an answer that is a huge factorial",
    64: "an answer nested ten thousand deep",
    65: "an answer that equals everything",
    66: "an answer that names every option",
    67: "two runs at once looking for each other",
    68: "a bad end that harms the next run",
    69: "patched modules that reach the next run",
    70: "modules named like the runner's",
    71: "tampering with modules against the protocol",
    72: "searching memory for other runs",
    73: "forged frames of the protocol",
    74: "thousands of runs: processes, descriptors, mounts, memory",
    75: "SIGKILL of the forkserver",
    76: "SIGKILL of the parent",
    77: "sleeping beyond the wall, behind timers",
    78: "CPU time spread over threads",
    79: "core dumps",
    80: "time zone and language of the host",
    81: "the number of cores of the host",
    82: "numbers that print otherwise elsewhere",
    83: "accelerators and disks",
    84: "huge tracebacks",
    85: "endless work at exit",
    86: "switches of the interpreter",
    87: "a crash in native code",
    88: "C stack overflow in parsers",
    89: "a kernel with an older Landlock",
    90: "a missing or corrupt filter",
}
"""The threat list: what each row tries. Rows that are one program each stand below; the others are functions ``test_row_<number>_...``."""


_FORKS = """
import random
children = []
for _ in range({count}):
    try:
        child = os.fork()
    except OSError as error:
        held("fork", error)
        break
    if child == 0:
        {child}
        os._exit(0)
    children.append(child)
if children:
    breach(len(children), "forks")
{end}
"""
_FILL = """
total, errors = 0, []
for place in places():
    for number in range(16):
        try:
            descriptor = os.open(f"{place}/fill-{number}", os.O_CREAT | os.O_WRONLY, 0o600)
        except OSError as error:
            errors.append(error)
            break
        try:
            for _ in range(10):
                total += os.write(descriptor, b"x" * 1048576)
        except OSError as error:
            errors.append(error)
        os.close(descriptor)
        if total > 40 << 20:
            break
breach("wrote", total >> 20, "MiB") if total > 40 << 20 else held("wrote", total >> 20, "MiB", errors[:1])
for place in places():
    for path in glob.glob(f"{place}/fill-*"):
        os.unlink(path)
"""
_INODES = """
made = 0
error = None
for place in places():
    for number in range(600 - made):
        try:
            os.close(os.open(f"{place}/inode-{number}", os.O_CREAT | os.O_WRONLY, 0o600))
            made += 1
        except OSError as refused:
            error = refused
            break
breach("made", made, "files") if made > 500 else held("made", made, "files", error)
for place in places():
    for path in glob.glob(f"{place}/inode-*"):
        os.unlink(path)
"""

RESOURCES = [
    Attack(row=1, name="fork bomb", code=_FORKS.format(count=150, child="time.sleep(1)", end="")),
    Attack(
        row=2,
        name="thread bomb",
        proof="looser",
        looser=WIDE,
        why="the kernel counts an ordinary user's threads as well",
        code="""
threads = []
try:
    for _ in range(400):
        thread = threading.Thread(target=time.sleep, args=(0.5,), daemon=True)
        thread.start()
        threads.append(thread)
except (RuntimeError, MemoryError) as error:
    held(len(threads), "threads", error)
else:
    breach(len(threads), "threads")
""",
        ends=("ok", "signal", "error", "memory"),
    ),
    Attack(
        row=3,
        name="memory bomb",
        proof="looser",
        looser=WIDE,
        limits=NARROW,
        code="""
pieces = []
try:
    for _ in range(40):
        pieces.append(b"x" * (32 << 20))
        if len(pieces) > 10:
            breach(len(pieces) * 32, "MiB")
            break
except MemoryError:
    count = len(pieces)
    pieces.clear()
    held(count * 32, "MiB")
""",
        ends=("ok", "memory"),
    ),
    Attack(
        row=4,
        name="shared anonymous memory",
        proof="looser",
        looser=WIDE,
        limits=NARROW,
        code="""
pieces = []
try:
    for _ in range(24):
        piece = mmap.mmap(-1, 32 << 20)
        for page in range(0, 32 << 20, 4096):
            piece[page] = 1
        pieces.append(piece)
        if len(pieces) > 10:
            breach(len(pieces) * 32, "MiB")
            break
except (OSError, MemoryError, ValueError) as error:
    held(len(pieces) * 32, "MiB", error)
""",
        ends=("ok", "memory"),
    ),
    Attack(
        row=5,
        name="memory in memfds",
        limits=NARROW,
        code="""
descriptors, total, error = [], 0, None
for _ in range(60):
    try:
        descriptors.append(os.memfd_create("m"))
        for _ in range(20):
            total += os.write(descriptors[-1], b"x" * 1048576)
    except (OSError, MemoryError) as refusal:
        error = refusal
    if total > 320 << 20:
        breach(total >> 20, "MiB")
        break
else:
    held(total >> 20, "MiB", error)
""",
        ends=("ok", "memory"),
    ),
    Attack(
        row=6,
        name="memory in many children",
        code=_FORKS.format(count=8, child="piece = b'x' * (50 << 20); time.sleep(1)", end=""),
        ends=("ok", "memory"),
    ),
    Attack(row=7, name="filling the disk with files", proof="looser", looser=WIDE, code=_FILL, unstopped_by=("landlock",)),
    Attack(
        row=7,
        name="filling the disk with files",
        proof="none",
        why="the same program gets through in profile files where its limits allow it",
        code=_FILL,
        profile="pure",
    ),
    Attack(
        row=8,
        name="one huge file",
        proof="looser",
        looser=WIDE,
        code="""
for place in places():
    path = f"{place}/huge"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        held(place, error)
        continue
    total = 0
    try:
        while total < 64 << 20:
            total += os.write(descriptor, b"x" * 1048576)
        breach(place, total >> 20, "MiB in one file")
    except OSError as error:
        breach(place, total) if total > 40 << 20 else held(place, total, error)
    try:
        os.ftruncate(descriptor, 1 << 40)
        breach(place, "a file of one TiB")
    except OSError as error:
        held(place, error)
    os.close(descriptor)
    os.unlink(path)
""",
    ),
    Attack(row=9, name="many empty files", proof="looser", looser=WIDE, code=_INODES, unstopped_by=("landlock",)),
    Attack(
        row=9,
        name="many empty files",
        proof="none",
        why="the same program gets through in profile files where its limits allow it",
        code=_INODES,
        profile="pure",
    ),
    Attack(
        row=10,
        name="descriptor bomb",
        proof="bare",
        why="some machines allow no process so many",
        code="""
descriptors = []
try:
    for _ in range(2000):
        descriptors.append(os.dup(1))
    failed = None
except OSError as error:
    failed = error
for descriptor in descriptors:
    os.close(descriptor)
held(len(descriptors), failed) if failed else breach(len(descriptors), "descriptors")
""",
    ),
    Attack(row=11, name="spin", proof="end", code="while True: pass", limits=BRIEF, ends=("timeout",)),
    Attack(
        row=12,
        name="spin in eight processes",
        code=_FORKS.format(count=8, child="end = time.time() + 2\n        while time.time() < end: pass", end=""),
    ),
    Attack(row=13, name="endless stdout", proof="end", code="while True: os.write(1, b'y' * 65536)", ends=("output_limit",)),
    Attack(row=13, name="endless stdout by print", proof="end", code="while True: print('y' * 1000)", ends=("output_limit",)),
    Attack(
        row=14,
        name="endless stderr",
        proof="end",
        code="while True: os.write(2, b'y' * 65536)",
        limits=BRIEF,
        ends=("timeout", "output_limit"),
    ),
    Attack(
        row=15, name="one endless number operation", proof="end", code="9 ** 9 ** 9 ** 9", limits=BRIEF, ends=("timeout", "memory", "error")
    ),
    Attack(
        row=15,
        name="one endless regular expression",
        proof="end",
        code="import re; re.match('(a+)+$', 'a' * 60 + 'b')",
        limits=BRIEF,
        ends=("timeout",),
    ),
    Attack(
        row=16,
        name="sleeper that ignores every signal it can",
        proof="end",
        code="""
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
end = time.monotonic() + 20
while time.monotonic() < end:
    time.sleep(1)
breach("slept to the end")
""",
        limits=BRIEF,
        ends=("timeout",),
    ),
    Attack(
        row=17,
        name="deep recursion",
        proof="end",
        code="sys.setrecursionlimit(10**9)\ndef f(n): return [f(n + 1)]\nf(0)",
        limits=BRIEF,
        ends=("error", "signal", "memory", "timeout"),
    ),
    Attack(
        row=17,
        name="deep C stack",
        proof="end",
        code="sys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6): x = [x]\nrepr(x)",
        limits=BRIEF,
        ends=("error", "signal", "memory", "timeout"),
    ),
    Attack(row=18, name="list of a billion", proof="end", code="[0] * 10**9", ends=("error", "memory")),
    Attack(row=18, name="exploding text", proof="end", code="'x' * 10**10", ends=("error", "memory")),
    Attack(
        row=77,
        name="sleep beyond the wall, behind timers",
        proof="end",
        code="""
signal.signal(signal.SIGALRM, lambda *a: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
for _ in range(20): time.sleep(1)
""",
        limits=BRIEF,
        ends=("timeout", "signal"),
    ),
    Attack(
        row=78,
        name="CPU time spread over threads",
        proof="end",
        within=6.0,
        code="""
import hashlib
def work():
    while True: hashlib.pbkdf2_hmac("sha256", b"x", b"y", 200000)
for _ in range(4): threading.Thread(target=work, daemon=True).start()
time.sleep(20)
""",
        limits=Limits(wall_seconds=9.0, cpu_seconds=0.4, memory_mb=512),
        ends=("timeout",),
    ),
    Attack(
        row=79,
        name="core dumps",
        proof="bare",
        why="some machines allow no core files at all",
        code="""
soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
held("core", soft, hard) if hard == 0 else breach("core", soft, hard)
attempt("raise the core limit", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)))
""",
    ),
    Attack(
        row=84,
        name="huge exception",
        proof="end",
        code="def f(n):\n    if n: f(n - 1)\n    raise ValueError('x' * 10**7 + '\\x1b[2J')\nf(300)",
        ends=("error",),
    ),
    Attack(
        row=84,
        name="chain of exceptions",
        proof="end",
        code="""
error = None
for number in range(5000):
    following = ValueError("x" * 1000)
    following.__cause__ = error
    error = following
raise error
""",
        ends=("error", "signal", "timeout", "memory"),
    ),
    Attack(
        row=85,
        name="endless work at exit",
        proof="end",
        code="import atexit\n@atexit.register\ndef never():\n    while True: pass",
        limits=BRIEF,
        ends=("timeout", "ok"),
    ),
    Attack(
        row=85,
        name="objects that revive themselves at exit",
        proof="end",
        code="class Phoenix:\n    def __del__(self):\n        Phoenix()\nx = Phoenix()",
        limits=BRIEF,
        ends=("timeout", "ok", "error", "signal"),
    ),
    Attack(
        row=86,
        name="interpreter switches",
        proof="end",
        code="import faulthandler\nsys.setswitchinterval(1000.0)\nfaulthandler.dump_traceback_later(0.05, exit=True)\ntime.sleep(20)",
        ends=("error", "signal"),
    ),
    Attack(row=87, name="reading address zero", proof="end", code="ctypes.string_at(0)", ends=("signal",)),
    Attack(
        row=88,
        name="nested regular expression",
        proof="end",
        code="import re\nsys.setrecursionlimit(10**8)\nre.compile('(' * 100000 + ')' * 100000)\nheld('compiled')",
        ends=("error", "signal", "memory", "timeout", "ok"),
        limits=BRIEF,
    ),
    Attack(
        row=88,
        name="nested JSON",
        proof="end",
        code="import json\nsys.setrecursionlimit(10**8)\njson.loads('[' * 10**6 + ']' * 10**6)\nheld('parsed')",
        ends=("error", "signal", "memory", "ok"),
    ),
]

PROCESSES = [
    Attack(
        row=19,
        name="daemon that outlives its run",
        code=_FORKS.format(count=1, child="os.setsid()\n        if os.fork() == 0: time.sleep(3)", end=""),
    ),
    Attack(row=20, name="orphan that holds stdout", code=_FORKS.format(count=1, child="time.sleep(3)", end="os._exit(0)")),
    Attack(
        row=21,
        name="spawned sleeper",
        code="""
import subprocess
attempt("subprocess", lambda: subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(6)"]).pid)
attempt("posix_spawn", lambda: os.posix_spawn("/bin/sleep", ["sleep", "6"], {}))
attempt("system", lambda: os.system("true") == 0)
""",
    ),
    Attack(
        row=21,
        name="becoming another program",
        code="attempt('exec', lambda: os.execv('/bin/true', ['true']))",
    ),
    Attack(row=22, name="killing another process", code="attempt('kill', lambda: os.kill(VICTIM, signal.SIGKILL))"),
    Attack(
        row=22,
        name="killing by the newer calls",
        why=_CONTAINERS,
        code="""
def pidfd():
    descriptor = os.pidfd_open(VICTIM)
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
attempt("pidfd", pidfd)
attempt("tgkill", lambda: syscall(234, 131, VICTIM, VICTIM, 9))
attempt("sigqueue", lambda: checked(libc.sigqueue(VICTIM, 9, ctypes.c_long(0))))
""",
    ),
    Attack(
        row=23,
        name="signalling the parent",
        code="parent = os.getppid()\nattempt('parent', lambda: os.kill(parent, signal.SIGCONT)) if parent > 0 else held('no parent')",
    ),
    Attack(
        row=24,
        name="signalling everybody",
        proof="none",
        why="it would signal every process of this user",
        # A signal that everybody but the victim ignores. The call succeeds even where it reaches nobody.
        code="""
try: held("called", os.kill(-1, signal.SIGURG))
except OSError as error: held(error)
time.sleep(0.1)
""",
    ),
    Attack(
        row=25,
        name="reading other processes",
        code="""
try: listed = [name for name in os.listdir("/proc") if name.isdigit()]
except OSError as error: listed = held(error) or []
for entry in ["self", "thread-self", str(os.getppid()), "1", str(VICTIM), *listed[:200]]:
    for name in ("cmdline", "environ"):
        show(f"/proc/{entry}/{name}")
""",
    ),
    Attack(row=26, name="tracing another process", why=_CONTAINERS, code="attempt('ptrace', lambda: syscall(101, 117, 16, VICTIM, 0, 0))"),
    Attack(
        row=26, name="seizing another process", why=_CONTAINERS, code="attempt('ptrace', lambda: syscall(101, 117, 0x4206, VICTIM, 0, 0))"
    ),
    Attack(
        row=27,
        name="writing into its own read-only pages",
        why=_CONTAINERS,
        code="""
def write():
    address = ctypes.cast(libc.getpid, ctypes.c_void_p).value
    with open("/proc/self/mem", "r+b", 0) as memory:
        memory.seek(address)
        first = memory.read(1)
        memory.seek(address)
        memory.write(first)
attempt("mem", write)
""",
    ),
    Attack(
        row=28,
        name="reading another process's memory",
        code="""
try:
    with open(f"/proc/{VICTIM}/mem", "rb", 0) as memory:
        memory.seek(ADDRESS)
        os.write(1, memory.read(LENGTH))
except OSError as error:
    held("mem", error)
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
into = ctypes.create_string_buffer(LENGTH)
mine, theirs = Vector(ctypes.addressof(into), LENGTH), Vector(ADDRESS, LENGTH)
attempt("process_vm_readv", lambda: syscall(310, 270, VICTIM, ctypes.addressof(mine), 1, ctypes.addressof(theirs), 1, 0))
os.write(1, into.value)
for parent in {os.getppid(), 1}:
    if parent > 0:
        attempt(f"memory of {parent}", lambda: open(f"/proc/{parent}/mem", "rb", 0).seek(4096))
""",
    ),
    Attack(
        row=29,
        name="rescheduling",
        code="""
attempt("victim's nice", lambda: os.setpriority(os.PRIO_PROCESS, VICTIM, 15))
attempt("victim's affinity", lambda: os.sched_setaffinity(VICTIM, {0}))
attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
attempt("more priority", lambda: os.nice(-5))
""",
    ),
    Attack(
        row=43,
        name="inherited descriptors",
        proof="bare",
        ends=("ok", "signal", "error"),  # as a block it may take from the pipe that its own session reads
        code="""
# Beyond the three streams a run has a pipe for what its calls returned and, in a session, one that its blocks come by.
found = []
for descriptor in range(3, 1024):
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        continue
    if not stat.S_ISFIFO(mode) or descriptor > 4:
        found.append((descriptor, oct(mode)))
    try:
        os.set_blocking(descriptor, False)
        breach("read", os.read(descriptor, 4096))
    except OSError as error:
        held(descriptor, error)
breach(found) if found else held("nothing else")
""",
    ),
    Attack(
        row=73,
        name="forged frames on every descriptor",
        proof="none",
        why="what it forges is looked for in the runs beside it, by a test of its own",
        code="""
import json
frame = json.dumps({"id": 0, "status": "ok", "exit_code": 0, "stdout": PREFIX, "values": [{"status": "ok", "value": 1}]}).encode()
for descriptor in range(3, 1024):
    for forged in (len(frame).to_bytes(4, "little") + frame, len(frame).to_bytes(4, "big") + frame, b"\\xff" * 4, b"\\x00" * 64):
        try:
            os.write(descriptor, forged)
        except OSError:
            pass
held("no more to write to")
""",
        # In a session it spoils its own pipe of results: the block never ends by itself.
        ends=("ok", "signal", "timeout"),
        limits=BRIEF,
    ),
    Attack(
        row=44,
        name="typing into the terminal",
        proof="none",
        why="it would type into the terminal that the tests run in",
        code="""
import fcntl
attempt("tty", lambda: open("/dev/tty", "r+b", 0))
for descriptor in (0, 1, 2):
    attempt(f"TIOCSTI on {descriptor}", lambda: fcntl.ioctl(descriptor, 0x5412, b"x"))
attempt("console", lambda: open("/dev/console", "r+b", 0))
attempt("pty", lambda: os.openpty())
""",
    ),
]

FILES = [
    Attack(row=30, name="reading a private file", code="show(PRIVATE)"),
    Attack(row=31, name="reading a file open to all", code="show(READABLE)\nattempt('list', lambda: os.listdir(FOLDER))"),
    Attack(
        row=32,
        name="reading the password files",
        proof="none",
        why="they are this machine's; rows 30 and 31 make the same calls on canaries",
        code="for path in ('/etc/passwd', '/etc/shadow', '/etc/hostname', '/etc/hosts', '/root/.bashrc'): show(path)",
    ),
    Attack(
        row=33,
        name="secrets of the environment",
        code="""
print(dict(os.environb))
environ = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
number = 0
while environ and environ[number]:
    print(environ[number])
    number += 1
for path in [f"/proc/{VICTIM}/environ", *glob.glob("/proc/*/environ")][:100]: show(path)
held("looked")
""",
    ),
    Attack(row=34, name="writing the expected output", code="attempt('write', lambda: open(EXPECTED, 'w').write('mine'))"),
    Attack(
        row=34,
        name="changing a file without opening it",
        code="""
attempt("truncate", lambda: os.truncate(EXPECTED, 0))
attempt("chmod", lambda: os.chmod(EXPECTED, 0))
attempt("rename", lambda: os.rename(EXPECTED, EXPECTED + "x"))
attempt("new file beside", lambda: open(FOLDER + "/new", "w"))
""",
    ),
    Attack(
        row=35,
        name="deleting the tests",
        code="import shutil\nattempt('rmtree', lambda: shutil.rmtree(TESTS))\nattempt('unlink', lambda: os.unlink(EXPECTED))",
    ),
    Attack(
        row=36,
        name="settling in the installed packages",
        proof="none",
        why="it would change this installation; row 34 makes the same calls on a canary",
        code="""
for folder in [*sys.path, sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)]:
    if os.path.isdir(folder) and os.path.realpath(folder) != os.path.realpath(os.getcwd()):
        path = f"{folder}/settled-by-the-attack-suite.txt"
        attempt(folder, lambda: open(path, "w").close() or os.unlink(path))
held("tried", len(sys.path))
""",
    ),
    Attack(
        row=37,
        name="symbolic link to a secret",
        code="""
for name, target in (("link", PRIVATE), ("stdout", READABLE), ("folder", FOLDER)):
    try: os.symlink(target, name)
    except OSError as error: held(error)
for path in ("link", "stdout", "folder/readable.txt", "folder/private.txt"): show(path)
""",
    ),
    Attack(
        row=38,
        name="hard link to a secret",
        why="some machines have the two folders on two file systems",
        code="for path in (PRIVATE, READABLE):\n    attempt('link', lambda: os.link(path, path[-9:]))\n    show(path[-9:])",
    ),
    Attack(
        row=39,
        name="other roots",
        code="""
roots = ("/proc/self/root", "/proc/1/root", "/proc/1/cwd", "/proc/self/cwd/../../..", f"/proc/{VICTIM}/root", f"/proc/{os.getppid()}/root")
for root in roots:
    for path in (PRIVATE, READABLE): show(root + path)
attempt("chroot", lambda: os.chroot("/"))
""",
    ),
    Attack(
        row=40,
        name="climbing out of the working folder",
        code="""
for depth in range(1, 12):
    for path in (PRIVATE, READABLE): show("../" * depth + path.lstrip("/"))
""",
    ),
    Attack(
        row=41,
        name="files left for the next run",
        proof="session",
        code="""
for place in places():
    try:
        with open(f"{place}/left-behind", "w") as stream: stream.write("left for the next run")
    except OSError as error:
        held(error)
held("tried")
""",
        then="""
for place in places():
    attempt(place, lambda: open(f"{place}/left-behind").read())
held("looked")
""",
    ),
    Attack(
        row=41,
        name="files left for the next run, hidden in a subfolder and a moved working folder",
        proof="session",
        code="""
try:
    os.makedirs("a/b")
    open("a/b/left-behind", "w").write("left")
    os.chdir("a")
except OSError as error:
    held(error)
held("tried")
""",
        then="""
found = []
for place in (os.getcwd(), "/tmp", "/dev/shm"):
    for folder, _, names in os.walk(place):
        found.extend(os.path.join(folder, name) for name in names if name == "left-behind")
breach(found) if found else held("nothing")
""",
    ),
    Attack(
        row=41,
        name="a folder that is hard to remove",
        proof="session",
        code="""
top = os.getcwd()
def build():
    for name in ("..1", "..2", "..3", "a", "\\n", "\\udcff", "-rf", "x" * 250):
        os.mkdir(name)
        for inner in ("..1", "..2", "b"):
            os.mkdir(f"{name}/{inner}")
            open(f"{name}/{inner}/left-behind", "w").close()
    for _ in range(300):
        os.mkdir("d" * 200, 0o700)
        os.chdir("d" * 200)
try: build()
except OSError as error: held(error)
os.chdir(top)
held("built")
""",
        then="""
attempt("..1", lambda: os.listdir("..1"))
held(os.listdir("."))
""",
        limits=Limits(wall_seconds=10.0, cpu_seconds=5.0, memory_mb=512, files_mb=16, max_files=2000),
    ),
    Attack(
        row=41,
        name="a folder of names and rights that upset removal",
        proof="session",
        code="""
try:
    for number in range(1, 40): open(f"..{number}", "w").close()
    os.makedirs("sub/deeper/deepest")
    os.mkdir("closed", 0)
    os.symlink("/", "root")
    os.symlink("sub", "sub/deeper/loop")
except OSError as error: held(error)
held("built")
""",
        then="held(os.listdir('.'))\nattempt('sub', lambda: os.listdir('sub'))",
    ),
    Attack(
        row=42,
        name="shared memory left for the next run",
        code="""
libc.shmat.restype = ctypes.c_void_p
def leave():
    key = checked(libc.shmget(KEY, 4096, 0o1666))
    address = libc.shmat(key, None, 0)
    ctypes.memmove(address, b"left", 4)
    return key
try: held("left", leave())
except OSError as error: held(error)
""",
        then="""
libc.shmat.restype = ctypes.c_void_p
def find():
    key = checked(libc.shmget(KEY, 4096, 0o666))
    address = libc.shmat(key, None, 0)
    left = ctypes.string_at(address, 4) == b"left"
    libc.shmctl(key, 0, None)
    return left
attempt("shm", find)
""",
    ),
    Attack(
        row=42,
        name="other memory left for the next run",
        code="""
for label, call in (("semget", lambda: checked(libc.semget(KEY, 1, 0o1666))), ("msgget", lambda: checked(libc.msgget(KEY, 0o1666)))):
    try: held(label, call())
    except OSError as error: held(label, error)
try: open(f"/dev/shm/left-behind-{KEY}", "wb").write(b"left")
except OSError as error: held(error)
""",
        then="""
def found(get, remove):
    remove(checked(get()))
    return True
attempt("semget", lambda: found(lambda: libc.semget(KEY, 1, 0o666), lambda key: libc.semctl(key, 0, 0)))
attempt("msgget", lambda: found(lambda: libc.msgget(KEY, 0o666), lambda key: libc.msgctl(key, 0, None)))
attempt("posix", lambda: os.unlink(f"/dev/shm/left-behind-{KEY}"))
""",
    ),
    Attack(
        row=45,
        name="making a device",
        why="an ordinary user may not",
        code="""
attempt("block", lambda: os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)))
attempt("character", lambda: os.mknod("memory", stat.S_IFCHR | 0o600, os.makedev(1, 1)))
""",
    ),
    Attack(
        row=83,
        name="accelerators and disks",
        proof="none",
        why="it would open this machine's devices",
        code="""
allowed = {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr"}
for path in [*glob.glob("/dev/nvidia*"), *glob.glob("/dev/dri/*"), *glob.glob("/dev/sd*"), *glob.glob("/dev/vd*"), *glob.glob("/dev/nvme*"),
             "/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-uvm", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun"]:
    attempt(path, lambda: os.open(path, os.O_RDONLY))
held("tried")
""",
    ),
    Attack(
        row=70,
        name="modules named like the runner's",
        proof="bare",
        code="""
import importlib
for name in ("json", "candidate", "reasonforge", "runner", "zygote", "protocol", "sitecustomize", "struct", "encodings"):
    try: open(name + ".py", "w").write("print('BREACH a planted module was imported')\\n")
    except OSError as error: held(error)
sys.modules.pop("json", None)
import json
held(json.__file__)
""",
        then="import json\nheld(json.__file__)",
    ),
]

NETWORK = [
    Attack(
        row=46,
        name="TCP to a loopback service",
        code="attempt('tcp', lambda: socket.create_connection(('127.0.0.1', TCP), 1).recv(7))",
    ),
    Attack(
        row=47,
        name="UDP to a loopback service",
        code="attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', UDP)))",
    ),
    Attack(
        row=48,
        name="unix sockets",
        code="""
def reach(address):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(1)
    client.connect(address)
    return client.recv(7)
attempt("abstract", lambda: reach("\\0" + ABSTRACT))
attempt("path", lambda: reach(SOCKET))
""",
    ),
    Attack(
        row=49,
        name="listening",
        code="""
def listen():
    server = socket.socket()
    server.bind(("0.0.0.0", 0))
    server.listen()
attempt("listen", listen)
""",
    ),
    Attack(
        row=50,
        name="raw, packet and netlink sockets",
        code="""
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("alg", lambda: socket.socket(38, socket.SOCK_SEQPACKET))
""",
    ),
]

KERNEL = [
    Attack(
        row=51,
        name="new namespaces",
        why=_CONTAINERS,
        code="""
attempt("clone", lambda: syscall(56, 220, 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0))
refused("clone3", lambda: syscall(435, 435, 0, 0))
attempt("mount", lambda: syscall(272, 97, 0x00020000))
attempt("user", lambda: syscall(272, 97, 0x10000000))
""",
    ),
    Attack(
        row=52,
        name="io_uring",
        why=_CONTAINERS,
        code="attempt('io_uring', lambda: syscall(425, 425, 8, ctypes.create_string_buffer(256)))",
    ),
    Attack(
        row=53,
        name="bpf, userfaultfd, perf events",
        why=_CONTAINERS,
        code="""
def words(*numbers):
    return ctypes.create_string_buffer(b"".join(number.to_bytes(4, "little") for number in numbers), 128)
attempt("bpf", lambda: syscall(321, 280, 0, words(1, 4, 4, 1), 128))
attempt("userfaultfd", lambda: syscall(323, 282, 1))
attempt("perf", lambda: syscall(298, 241, words(1, 128), 0, -1, -1, 0))
""",
    ),
    Attack(
        row=54,
        name="the kernel's key rings",
        why=_CONTAINERS,
        code="""
attempt("keyctl", lambda: syscall(250, 219, 0, -3, 1, 0, 0))
attempt("add_key", lambda: syscall(248, 217, b"user", b"attack", b"x", 1, -2))
""",
    ),
    Attack(row=55, name="personality", why=_CONTAINERS, code="attempt('personality', lambda: syscall(135, 92, 0x0040000))"),
    Attack(
        row=56,
        name="another system call table",
        why=_CONTAINERS,
        code="""
attempt("x32", lambda: syscall(0x40000000 | 39, 0x40000000 | 172))
attempt("x32 fork", lambda: syscall(0x40000000 | 57, 0x40000000 | 220) or os._exit(0))
""",
    ),
    Attack(
        row=56,
        name="the calls of 32-bit programs",
        why=_CONTAINERS,
        code="""
if ARM:
    held("no such table")
else:
    # mov eax, 20 (getpid); int 0x80; ret
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    def get():
        pid = call()
        return pid > 0 and pid
    attempt("int 0x80", get)
""",
    ),
    Attack(
        row=51,
        name="calls that only an administrator needs",
        proof="none",
        why="one of the calls might do what it says",
        code="""
# Every argument is one that the kernel would refuse by another error: nothing happens even where nothing protects.
calls = {"reboot": (169, 142), "init_module": (175, 105), "open_by_handle_at": (304, 265), "pivot_root": (155, 41), "setns": (308, 268),
         "fsopen": (430, 430), "open_tree": (428, 428), "move_mount": (429, 429), "process_madvise": (440, 440)}
for label, (x86, arm) in calls.items():
    refused(label, lambda: syscall(x86, arm, 0, 0, 0, 0, 0))
refused("syslog", lambda: syscall(103, 116, 10, 0, 0))
refused("mount", lambda: checked(libc.mount(b"none", b"/", b"no-such-file-system", 0, None)))
""",
    ),
]

SECTIONS: dict[str, list[Attack]] = {"resources": RESOURCES, "processes": PROCESSES, "files": FILES, "network": NETWORK, "kernel": KERNEL}
ATTACKS = [attack for section in SECTIONS.values() for attack in section]
