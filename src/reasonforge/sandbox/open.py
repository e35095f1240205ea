"""Opens a sandbox."""

from __future__ import annotations

from reasonforge.sandbox.protocol import Sandbox, SandboxUnavailable


def open_sandbox(backend: str = "auto", *, workers: int | None = None, i_understand: bool = False) -> Sandbox:
    raise SandboxUnavailable("not built yet")
