"""What is asked and how an answer is judged. Torch-free and serialisable: these records cross process borders and are what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
ProblemKind = Literal["math", "choice", "code", "logic", "open"]
VerdictStatus = Literal["correct", "wrong", "no_answer", "timeout", "error"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A piece of text to pre-train on."""

    id: str
    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A question with a checkable answer."""

    id: str
    messages: tuple[Message, ...]
    """The conversation up to the point where the model must speak."""
    answer: str
    """The reference answer, as text."""
    kind: ProblemKind = "math"
    source: str
    """``task:<name>`` for procedural problems (their own verifier judges), otherwise the data set's name."""
    language: str = "en"
    difficulty: int | None = None
    """The level the source states; None = the source states none."""
    solution: str | None = None
    """A worked solution to imitate; None = only the answer is known."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able facts that the problem's own verifier needs (the numbers of a countdown, say)."""

    @property
    def question(self) -> str:
        """The text of the last user turn."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a grader found. A timeout or an error is a state of its own, never a silent zero."""

    status: VerdictStatus
    prediction: str | None = None
    """The extracted answer in normal form; None = nothing was extracted. Equal strings = equal answers (majority votes count them)."""
    reason: str = ""

    @property
    def correct(self) -> bool:
        """True only when the answer was found and is right."""
        return self.status == "correct"
