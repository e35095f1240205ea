"""What goes into a sandbox and what comes out of it. Plain data: it crosses process borders as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from reasonforge.core.errors import UnavailableError

Profile = Literal["pure", "files", "tool", "shell"]
Backend = Literal["namespace", "landlock", "unsafe-subprocess"]
RunStatus = Literal["ok", "error", "signal", "timeout", "memory", "output_limit", "infra"]
CallStatus = Literal["ok", "error", "timeout"]


class SandboxUnavailable(UnavailableError):
    """No safe way to run model-written code was found; the message says what was probed, why it failed and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use. A session's CPU and wall limits hold for each block; memory holds for the whole session."""

    wall_seconds: float = 5.0
    cpu_seconds: float = 4.0
    memory_mb: int = 1024
    output_kb: int = 64
    """Of stdout; the run is killed beyond. Of stderr the last 4 KiB are kept."""
    files_mb: int = 64
    max_files: int = 256
    call_seconds: float | None = None
    """CPU deadline of each call; None = only the run's own limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call into the program: ``function(*args, **kwargs)``. Arguments and value are JSON (tuples and sets come back as lists)."""

    function: str
    """Name defined by the program, dots allowed (``Solution().solve`` is written ``Solution.solve`` with ``method=True``)."""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    method: bool = False
    """True = the first part of ``function`` is a class to be made without arguments before each call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What a call came to. ``value`` is the JSON value it returned; it is stated by hostile code and compared outside."""

    status: CallStatus
    value: Any = None
    type_name: str = ""
    """Name of the returned value's Python type (``tuple``, ``set``, ``bool`` ...): JSON alone cannot tell a tuple from a list."""
    error: str = ""
    """Type and message of the exception, at most 300 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Python source to run once, and what to do with it."""

    code: str
    stdin: str = ""
    calls: tuple[Call, ...] = ()
    """Made in order after ``code`` has run; a call that raises does not end the run."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Relative path -> text, present in the working directory; needs a profile other than ``pure``."""
    limits: Limits = Limits()
    profile: Profile = "pure"
    seed: int = 0
    """``random`` and ``numpy.random`` start from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run came to. ``infra`` says nothing about the program: the sandbox itself failed, and the sample must be masked."""

    status: RunStatus
    stdout: str = ""
    stderr: str = ""
    values: tuple[CallResult, ...] = ()
    """One per call; shorter than ``calls`` when the program ended early."""
    exit_code: int | None = None
    signal: int | None = None
    truncated: bool = False
    """Output beyond the limit was dropped."""
    reason: str = ""
    cpu_ms: float = 0.0
    wall_ms: float = 0.0
    max_rss_mb: float = 0.0


class Session(Protocol):
    """One conversation's interpreter: what a block defines, the next block sees. A block that ends the process ends the session."""

    def run(self, code: str, *, limits: Limits | None = None) -> RunResult:
        """Run one block; the value of its last expression is printed, as in a notebook."""
        ...

    @property
    def alive(self) -> bool:
        """False once the interpreter is gone. Further blocks come back with ``error``, or with ``infra`` where the sandbox has lost it."""
        ...

    def close(self) -> None:
        """End the interpreter and everything it started."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Sandbox(Protocol):
    """Runs programs. Safe to call from several threads."""

    @property
    def backend(self) -> Backend:
        """Which isolation is in force."""
        ...

    def run(self, program: Program) -> RunResult:
        """Run one program. Never raises because of what the program does."""
        ...

    def run_many(self, programs: Sequence[Program]) -> list[RunResult]:
        """Run programs side by side on all workers; results in the order of the programs."""
        ...

    def session(self, limits: Limits = Limits()) -> Session:
        """Open a session of profile ``tool``."""
        ...

    def close(self) -> None:
        """End all workers; nothing of them is left."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
