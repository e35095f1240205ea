"""Where programs run, as a recipe says it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class SandboxConfig(Section):
    """Isolation of model-written code."""

    backend: Literal["auto", "namespace", "landlock", "unsafe-subprocess"] = "auto"
    """``auto`` = the strongest that this machine allows, or refusal. ``unsafe-subprocess`` protects nothing; it must be named."""
    workers: int | None = Field(default=None, gt=0)
    """Programs run at once. None = one per core, less one for the trainer."""
    i_understand: bool = False
    """Needed beside ``unsafe-subprocess``: programs then run as this user, with all files and the network."""

    @model_validator(mode="after")
    def _said_on_purpose(self) -> Self:
        if self.backend == "unsafe-subprocess" and not self.i_understand:
            raise ValueError("backend unsafe-subprocess protects nothing and needs i_understand = true beside it")
        if self.i_understand and self.backend != "unsafe-subprocess":
            raise ValueError(f"i_understand has no effect with backend {self.backend}; only unsafe-subprocess needs it")
        return self
