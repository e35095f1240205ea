"""How problems are asked in an evaluation: as they stand, in a style with worked examples, or by a text of the user's. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.tasks.benchmarks.isabelle import require_isabelle
from reasonforge.tasks.prompts import render_benchmark_prompt

QUESTION_FIELD = "{question}"
_MAX_PROMPT_BYTES = 1 << 20


def asked_problems(problems: Sequence[Problem], config: EvaluationConfig) -> list[tuple[Message, ...]]:
    """Return the conversation that the model is given for each problem.

    Raises:
        DataError: the prompt file cannot be read or has no ``{question}``, or there are not so many worked examples.
        UnavailableError: proofs are asked for, and nothing here can check them.
    """
    require_isabelle(problems)
    if config.prompt_file is None:
        return [render_benchmark_prompt(problem, config.style, config.shots, joined=config.joined) for problem in problems]
    text = _read_prompt(config.prompt_file.expanduser())
    return [
        (
            *(message for message in problem.messages if message.role == "system"),
            Message("user", text.replace(QUESTION_FIELD, problem.question)),
        )
        for problem in problems
    ]


def _read_prompt(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_PROMPT_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8") from None
    if text.count(QUESTION_FIELD) != 1:
        raise DataError(f"{path}: must contain {QUESTION_FIELD} once, where the question goes")
    return text
