"""Which backends work on this machine, found out by trying them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reasonforge.sandbox.protocol import Backend, SandboxUnavailable
from reasonforge.sandbox.start import facts, start_tested

SAFE_BACKENDS: tuple[Literal["namespace", "landlock"], ...] = ("namespace", "landlock")
"""Strongest first."""
MEND: dict[Backend, tuple[str, ...]] = {
    "namespace": (
        "install bubblewrap (apt install bubblewrap)",
        "in a container allow user namespaces: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined",
        "on Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    "landlock": ("use a kernel with Landlock (Linux 6.2 or newer, better 6.12, with landlock in its lsm= list)",),
}
"""What makes a backend work where it does not, the simplest first."""
UNSAFE_REFUSAL = "sandbox: unsafe-subprocess protects nothing and is refused unless i_understand=true is set beside it"


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
    """Start each backend's worker, test it, end it. Takes about a second; ``unsafe-subprocess`` is described and never tried."""
    found: list[Probe] = []
    for backend in SAFE_BACKENDS:
        try:
            start_tested(backend, workers=1).close()
            reason = ""
        except SandboxUnavailable as error:
            reason = str(error)
        found.append(
            Probe(
                backend=backend,
                available=not reason,
                reason=reason,
                facts=facts(backend),
                hint=" | ".join(MEND[backend]) if reason else "",
            )
        )
    return [*found, Probe(backend="unsafe-subprocess", available=False, reason=UNSAFE_REFUSAL, facts={"protection": "none"})]
