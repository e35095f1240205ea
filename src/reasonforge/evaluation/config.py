"""What to evaluate and how. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.sampling.config import ToolConfig
from reasonforge.sandbox.config import SandboxConfig
from reasonforge.tasks.prompts import JOINED_STOP, Style
from reasonforge.verify.grade import Profile


class BudgetConfig(Section):
    """Budget forcing: how long the model must and may think before it answers."""

    max_thinking_tokens: int | None = Field(default=None, gt=0)
    """Thinking is ended here, and the model answers. None = only ``max_new_tokens`` ends it."""
    min_thinking_tokens: int = Field(default=0, ge=0)
    """A model that ends its thinking earlier is made to go on."""
    extensions: int = Field(default=0, ge=0)
    """So many times it is made to go on in any case."""
    continuation: str = "Wait"
    """What is written in place of the end of thinking to make it go on."""
    end_of_thinking: str = Field(default="</think>", min_length=1)
    """What ends thinking."""
    answer_opening: str = ""
    """Written after thinking that was cut, e.g. ``"\\nFinal Answer:"``."""

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.max_thinking_tokens is None and not self.min_thinking_tokens and not self.extensions:
            raise ValueError("budget has no effect: set max_thinking_tokens, min_thinking_tokens or extensions")
        if (self.min_thinking_tokens or self.extensions) and not self.continuation:
            raise ValueError("continuation is empty: a model that has ended goes on only after some text")
        if self.max_thinking_tokens is not None and self.min_thinking_tokens > self.max_thinking_tokens:
            raise ValueError(f"min_thinking_tokens {self.min_thinking_tokens} exceeds max_thinking_tokens {self.max_thinking_tokens}")
        return self


class EvaluationConfig(Section):
    """Held-out problems, samples per problem, how they are drawn and judged."""

    data: str
    """Name of a table under ``data``."""
    num_problems: int = Field(default=128, gt=0)
    """Taken from the start of the data, the same ones every time."""
    samples: int = Field(default=16, gt=0)
    """Completions per problem, k of pass@k and maj@k."""
    temperature: float = Field(default=1.0, ge=0)
    """0 = greedy (then ``samples`` must be 1)."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=64, gt=0)
    stop: tuple[str, ...] = ()
    """A completion ends at the token that completes one of these strings: what follows the last example of a few-shot prompt, say."""
    style: Style = "question"
    """How problems are asked. ``question``: as the data has them. ``cot``: reason step by step. ``pot``: write a program, whose output is
    the answer. ``tir``: reason and run programs in turn."""
    shots: int = Field(default=0, ge=0)
    """Worked examples before the question."""
    joined: bool = False
    """Worked examples and question are one text, for base models: those have learned to forget what stands before the end of a turn. The
    completion ends where the model begins a question of its own. False = the examples are earlier turns of the conversation."""
    prompt_file: Path | None = None
    """A text file with ``{question}`` in it: how problems are asked instead of a style. None = as ``style`` says."""
    tools: ToolConfig | None = None
    """Run the programs that the model writes. None = they are text like any other (``tir`` runs them all the same)."""
    budget: BudgetConfig | None = None
    """Budget forcing. None = the model thinks as long as it likes."""
    profile: Profile = "strict"
    """Which rules find and compare answers: ``strict`` is that of rewards, the others reproduce published figures."""
    sandbox: SandboxConfig = SandboxConfig()
    """Where programs run that are answers themselves (``pot``, code problems)."""
    reward_model: str | None = None
    """Name of an earlier ``reward_model`` stage, or a folder with such a model: it scores every sample, and best@k (the sample it likes
    best) and weighted@k (votes that weigh what it says) are measured beside maj@k. None = samples are not scored."""
    skill_prefix: str | None = None
    """Also measure ``step_skill``: greedy accuracy when the completion is made to begin with this text. None = do not."""
    format: Literal["think_answer", "boxed"] = "think_answer"
    """Which form ``format`` counts."""
    ties: Literal["expected", "first", "last"] = "expected"
    """How a tied majority vote is credited: its expectation, or the tied answer that was seen first or came up last."""
    ks: tuple[int, ...] = ()
    """Sizes k of pass@k and maj@k, none beyond ``samples``. Empty = ``samples``; pass@1 is always measured."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.temperature == 0 and self.samples != 1:
            raise ValueError("temperature 0 draws the same completion each time: set samples to 1")
        if self.prompt_file is not None and (self.style != "question" or self.shots):
            raise ValueError("prompt_file says how problems are asked, and so do style and shots: leave one of them out")
        if self.joined and not self.shots:
            raise ValueError("joined has no effect without worked examples: set shots")
        if self.tools is not None and self.style == "pot":
            raise ValueError("style 'pot' writes one program, which is judged by its output: for programs that run on the way use 'tir'")
        if wrong := [k for k in self.ks if not 1 <= k <= self.samples]:
            raise ValueError(f"ks: {wrong[0]} is not between 1 and the {self.samples} samples")
        if self.budget is not None and self.tool_config is not None:
            raise ValueError("budget and tools cannot be combined: both decide where a completion goes on")
        if self.budget is not None and (self.budget.max_thinking_tokens or 0) >= self.max_new_tokens:
            raise ValueError(f"budget.max_thinking_tokens must leave room for an answer: max_new_tokens is {self.max_new_tokens}")
        return self

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """What ends a completion besides the model's own end of text."""
        return (*self.stop, JOINED_STOP) if self.joined else self.stop

    @property
    def tool_config(self) -> ToolConfig | None:
        """How programs of completions are run; None = they are not."""
        return ToolConfig() if self.tools is None and self.style == "tir" else self.tools
