"""Opens a sandbox: the strongest that this machine allows, tested before it is trusted; or says why there is none."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Literal, get_args

from reasonforge.sandbox.pool import PoolSandbox
from reasonforge.sandbox.probe import MEND, SAFE_BACKENDS, UNSAFE_REFUSAL
from reasonforge.sandbox.protocol import Backend, SandboxUnavailable
from reasonforge.sandbox.start import start_tested

_BANNER = "WARNING: model-written code runs UNPROTECTED, as this user, with full access to files and network (unsafe-subprocess)."
_RED, _PLAIN = "\033[1;37;41m", "\033[0m"
_warned = False


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
        i_understand: needed beside ``unsafe-subprocess``.

    Raises:
        ValueError: there is no such backend.
        SandboxUnavailable: the backend does not work here; the message says what was tried, why it failed and how to mend it.
    """
    if backend not in (names := ("auto", *get_args(Backend))):
        raise ValueError(f"backend {backend!r} is not one of {', '.join(names)}")
    if backend == "unsafe-subprocess":
        if not i_understand:
            raise SandboxUnavailable(UNSAFE_REFUSAL)
        _warn_once()
        return start_tested(backend, workers=workers)
    reasons: dict[Backend, str] = {}
    for candidate in SAFE_BACKENDS if backend == "auto" else (backend,):
        try:
            return start_tested(candidate, workers=workers)
        except SandboxUnavailable as error:
            reasons[candidate] = str(error)
    raise SandboxUnavailable(refusal(reasons))


def refusal(reasons: Mapping[Backend, str]) -> str:
    """Word in one line why nothing safe was found and what mends it. ``reasonforge doctor`` says the rest."""
    tried = "; ".join(f"{backend}: {reason}" for backend, reason in reasons.items())
    mend = " or ".join(MEND[backend][0] for backend in reasons)
    return f"sandbox: no safe place for model-written code here ({tried}). {mend[:1].upper()}{mend[1:]}; `reasonforge doctor` says more"


def _warn_once() -> None:
    """Say, once in this process, what it means to run without protection."""
    global _warned
    if not _warned:
        _warned = True
        print(f"{_RED}{_BANNER}{_PLAIN}", file=sys.stderr, flush=True)
