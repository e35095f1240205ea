"""What flows from stage to stage: a decoder with the text it speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from reasonforge.core.errors import DataError
from reasonforge.core.records import Problem
from reasonforge.models.decoder import Decoder
from reasonforge.sampling.local import LocalSampler
from reasonforge.text.layout import Layout
from reasonforge.text.render import render_prompt
from reasonforge.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A decoder, its tokenizer, and how conversations are laid out for it."""

    decoder: Decoder
    tokenizer: Tokenizer
    layout: Layout
    threads: int = 1
    """Cores to use where work splits into parts that do not wait for each other; results do not depend on it."""

    @property
    def device(self) -> torch.device:
        """Where the decoder lies."""
        return next(self.decoder.parameters()).device

    @property
    def max_context(self) -> int:
        """Longest sequence in tokens."""
        return self.decoder.config.max_positions

    def sampler(self, dtype: Literal["float32", "bfloat16"] = "float32", max_slots: int = 128) -> LocalSampler:
        """Return a sampler of the decoder as it stands."""
        return LocalSampler(
            self.decoder,
            max_slots=max_slots,
            max_context=self.max_context,
            dtype=dtype,
            decode=self.tokenizer.decode,
            threads=self.threads,
        )

    def prompts(self, problems: Sequence[Problem]) -> list[tuple[int, ...]]:
        """Render the problems' prompts.

        Raises:
            DataError: a prompt leaves no room for a single new token; the line counts them and shows the longest.
        """
        prompts = [tuple(render_prompt(problem.messages, self.tokenizer, self.layout)) for problem in problems]
        too_long = [i for i, prompt in enumerate(prompts) if len(prompt) >= self.max_context]
        if too_long:
            worst = max(too_long, key=lambda i: len(prompts[i]))
            raise DataError(
                f"{problems[worst].source}: {len(too_long)} of {len(prompts)} prompts do not fit the context of {self.max_context} tokens "
                f"(problem {problems[worst].id} has {len(prompts[worst])}). Filter them out or use a model with a longer context."
            )
        return prompts
