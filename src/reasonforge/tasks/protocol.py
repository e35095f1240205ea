"""What every procedural problem family offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from reasonforge.core.ids import content_id
from reasonforge.core.records import Message, Problem, ProblemKind, Verdict
from reasonforge.core.seeds import derive_seed
from reasonforge.tasks.draws import Draws

Habit = Literal["direct", "think"]
"""How a written completion answers: at once, or after working it out."""

Language = Literal["en", "zh"]

THINK_ANSWER_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
MAX_VERIFIED_CHARS = 100_000
"""Verifiers of symbolic tasks read no longer completion."""


class StepCheck(NamedTuple):
    """One step of a completion, judged by rule (what a process reward may pay for)."""

    end: int
    """Position in the text just after the step's last character."""
    ok: bool
    """Whether it states the true value, in its turn."""


class Task(Protocol):
    """A family of problems. Everything is a pure function of its arguments: same arguments, same bytes, on every machine."""

    @property
    def name(self) -> str:
        """What recipes call it; its problems' source is ``task:<name>``."""
        ...

    @property
    def levels(self) -> tuple[int, int]:
        """Easiest and hardest level, both included."""
        ...

    @property
    def languages(self) -> tuple[Language, ...]:
        """Languages of its problems; each problem is in one."""
        ...

    @property
    def step_noise(self) -> bool:
        """Whether ``completion`` can write wrong steps."""
        ...

    @property
    def joint(self) -> str:
        """What stands between prompt and completion in a document without a chat template."""
        ...

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        ...

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return problem ``index`` of the stream of ``seed``; ``level`` None = drawn evenly from all levels."""
        ...

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge a completion exactly, in bounded time, whatever the text is."""
        ...

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write a completion as a corpus would contain it.

        Args:
            habit: whether the answer comes at once or after steps.
            step_noise: probability that a step is wrong; what follows goes on from the wrong value, the answer too.
        """
        ...

    def alphabet(self) -> str:
        """Return every character that prompts and completions use, sorted; those of the think and answer tags need not be in it."""
        ...

    def special_tokens(self) -> tuple[str, ...]:
        """Return the strings that a character tokenizer should keep whole."""
        ...


def problem_draws(name: str, seed: int, index: int, level: int | None, levels: tuple[int, int]) -> tuple[Draws, int]:
    """Return the draws of one problem and its level."""
    assert level is None or levels[0] <= level <= levels[1], f"{name}: level {level} is outside {levels}"
    draws = Draws(derive_seed(seed, f"task:{name}", index, "any" if level is None else level))
    return draws, draws.between(*levels) if level is None else level


def task_problem(
    name: str,
    prompt: str,
    answer: str,
    *,
    level: int,
    solution: str,
    meta: Mapping[str, object] | None = None,
    language: str = "en",
    kind: ProblemKind = "math",
    content: str | None = None,
) -> Problem:
    """Build a task's problem. Its id is a hash, so the same problem has the same id in every stream, and every split puts it on one side.

    Args:
        content: what is asked, whatever the language: a problem and its translation have one id. None = the prompt.
    """
    source = f"task:{name}"
    return Problem(
        id=content_id([source, prompt if content is None else content]),
        messages=(Message("user", prompt),),
        answer=answer,
        kind=kind,
        source=source,
        language=language,
        difficulty=level,
        solution=solution,
        meta=meta or {},
    )
