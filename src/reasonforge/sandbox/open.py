"""Opens a sandbox: the strongest that this machine allows, tested before it is trusted; or says why there is none."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Literal

from reasonforge.sandbox.pool import PoolSandbox
from reasonforge.sandbox.probe import MEND, SAFE_BACKENDS, unsafe_refusal
from reasonforge.sandbox.protocol import Backend, SandboxUnavailable
from reasonforge.sandbox.start import start_tested

_BANNER = "WARNING: model-written code runs UNPROTECTED, as this user, with full access to files and network (unsafe-subprocess)."
_RED, _PLAIN = "\033[1;37;41m", "\033[0m"


def open_sandbox(
    backend: Literal["auto", "namespace", "landlock", "unsafe-subprocess"] = "auto",
    *,
    workers: int | None = None,
    i_understand: bool = False,
) -> PoolSandbox:
    """Open a sandbox.

    Args:
        backend: ``auto`` takes ``namespace``, else ``landlock``, and never anything weaker.
        workers: programs run at once; None = one per core, less one for the trainer.
        i_understand: needed beside ``unsafe-subprocess`` as root and in automatic builds.

    Raises:
        SandboxUnavailable: the backend does not work here; the message says what was tried, why it failed and how to mend it.
    """
    if backend == "unsafe-subprocess":
        refused = unsafe_refusal(i_understand=i_understand)
        if refused:
            raise SandboxUnavailable(refused)
        print(f"{_RED}{_BANNER}{_PLAIN}", file=sys.stderr, flush=True)
        return start_tested(backend, workers=workers)
    reasons: dict[Backend, str] = {}
    for candidate in SAFE_BACKENDS if backend == "auto" else (backend,):
        try:
            return start_tested(candidate, workers=workers)
        except SandboxUnavailable as error:
            reasons[candidate] = str(error)
    raise SandboxUnavailable(refusal(reasons))


def refusal(reasons: Mapping[Backend, str]) -> str:
    """Word why nothing safe was found, what mends it, and what it would take to do without."""
    lines = ["no safe way to run model-written code was found."]
    lines += [f"  {backend:9}: {reason}" for backend, reason in reasons.items()]
    lines.append("Fix one of:")
    lines += [f"  {backend:9}: {MEND[backend]}" for backend in reasons]
    lines.append("To run it UNPROTECTED, as this user, with full access to your files and network:")
    lines.append("  sandbox.backend=unsafe-subprocess sandbox.i_understand=true")
    return "\n".join(lines)
