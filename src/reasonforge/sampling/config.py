"""How completions are drawn, as a recipe says it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reasonforge.config.base import Section
from reasonforge.core.rollouts import SamplingParams
from reasonforge.sandbox.config import SandboxConfig


class ToolConfig(Section):
    """Programs in a completion are run as they are written, and what they print is appended (tool-integrated reasoning)."""

    max_calls: int = Field(default=4, gt=0)
    """A completion that wants the tool more often ends there."""
    wall_seconds: float = Field(default=5.0, gt=0)
    """Longest run of one program, in seconds."""
    memory_mb: int = Field(default=1024, gt=0)
    """Memory of a conversation's interpreter, in MiB."""
    max_output_chars: int = Field(default=100, ge=8)
    """Longer outputs, and longer errors, lose their middle."""
    sandbox: SandboxConfig = SandboxConfig()
    """Where programs run."""


class SamplingConfig(Section):
    """How tokens are drawn and when a completion ends."""

    max_new_tokens: int = Field(default=64, gt=0)
    """Longest completion in tokens; the model's context may end it earlier."""
    temperature: float = Field(default=1.0, ge=0)
    """Divides the logits; 0 = greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Keep the most likely tokens up to this mass; 1 = off."""
    top_k: int = Field(default=0, ge=0)
    """Keep this many of the most likely tokens; 0 = off."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the sampler's matrix products. float32 agrees with a float32 learner to 1e-5; bfloat16 is faster and differs by about 1e-2
    (watch sampler_gap/mean)."""
    max_slots: int = Field(default=128, gt=0)
    """Completions decoded at once. It sets memory (the cache) and speed; completions are the same whatever it is."""
    stop: tuple[str, ...] = ()
    """A completion ends at the token that completes one of these strings."""
    tools: ToolConfig | None = None
    """Run the programs that the model writes. None = they are text like any other."""

    def params(self, *, stop_token_ids: tuple[int, ...] = ()) -> SamplingParams:
        """Return what a sampler takes; ``stop_token_ids`` come from the tokenizer."""
        return SamplingParams(
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            stop_token_ids=stop_token_ids,
            stop_strings=self.stop,
        )
