"""Which backends work on this machine, found out by trying them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reasonforge.sandbox.protocol import Backend, SandboxUnavailable
from reasonforge.sandbox.start import facts, start_tested

SAFE_BACKENDS: tuple[Literal["namespace", "landlock"], ...] = ("namespace", "landlock")
"""Strongest first."""
MEND: dict[Backend, str] = {
    "namespace": (
        "apt install bubblewrap | in a container: allow user namespaces (docker run --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined ...) | on Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    ),
    "landlock": "a kernel from Linux 6.12 on with Landlock enabled (lsm=landlock,... on its command line)",
}
"""What makes a backend work where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What trying a backend came to."""

    backend: Backend
    available: bool
    reason: str
    """Why not; empty = it works."""
    facts: Mapping[str, str]
    hint: str = ""
    """What would make it work; empty = nothing needs to."""


def probe() -> list[Probe]:
    """Start each backend's worker, test it, end it. Takes about a second; ``unsafe-subprocess`` is only described."""
    found: list[Probe] = []
    for backend in SAFE_BACKENDS:
        try:
            start_tested(backend, workers=1).close()
            reason = ""
        except SandboxUnavailable as error:
            reason = str(error)
        found.append(
            Probe(backend=backend, available=not reason, reason=reason, facts=facts(backend), hint=MEND[backend] if reason else "")
        )
    refused = unsafe_refusal(i_understand=False)
    return [*found, Probe(backend="unsafe-subprocess", available=not refused, reason=refused, facts={"protection": "none"})]


def unsafe_refusal(*, i_understand: bool) -> str:
    """Say why the unprotected backend is refused here; empty = it is not."""
    if i_understand:
        return ""
    if os.geteuid() == 0:
        where = "as root"
    elif os.environ.get("CI", "").lower() not in ("", "0", "false"):
        where = "in an automatic build (CI is set)"
    else:
        return ""
    return f"unsafe-subprocess protects nothing and is refused {where} unless i_understand=true is set too"
