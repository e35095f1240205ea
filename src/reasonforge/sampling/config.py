"""How completions are drawn, as a recipe says it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reasonforge.config.base import Section
from reasonforge.core.rollouts import SamplingParams


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
