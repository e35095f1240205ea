"""Where code that a model wrote runs: isolated, limited, killed when late; the verdict on it is always computed outside."""

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Call, Limits, Program, RunResult, Sandbox, SandboxUnavailable, Session

__all__ = ["Call", "Limits", "Program", "RunResult", "Sandbox", "SandboxUnavailable", "Session", "open_sandbox"]
