"""A model that answers questions: what whoever asks one needs to know of it. Behind it is a server or a model on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from reasonforge.core.errors import UnavailableError
from reasonforge.core.records import Message
from reasonforge.core.rollouts import SamplingParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered."""

    text: str
    """Thinking that a server returns apart stands in front, between ``<think>`` tags."""
    truncated: bool
    """It ran into the length limit."""
    num_tokens: int | None
    """As the model's own tokenizer counts them; None = the server does not say."""


@dataclass(slots=True, kw_only=True)
class Usage:
    """What was used so far, failed tries included where the server told."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **counts: int) -> None:
        """Count."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


class Refused(UnavailableError):
    """The model will refuse every question: wrong key, wrong address."""


class ChatModel(Protocol):
    """Answers conversations. Safe to use from several threads."""

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        ...

    @property
    def cost(self) -> float:
        """The price of it, in the currency of the settings; 0 where there is no price."""
        ...

    def ask(self, messages: Sequence[Message], params: SamplingParams, *, seed: int) -> Answer:
        """Return one answer.

        Raises:
            UnavailableError: there is none, after all tries; the line says why.
        """
        ...

    def ask_all(
        self, questions: Iterable[tuple[Any, Sequence[Message], int]], params: SamplingParams, *, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Any, Answer | UnavailableError]]:
        """Ask many questions (name, messages, seed) side by side and yield (name, answer or what went wrong) as they come.

        Once ``stop`` says so nothing more is asked, and what has not been answered is left out.
        """
        ...
