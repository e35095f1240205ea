"""All procedural tasks by name."""

from __future__ import annotations

import difflib

from reasonforge.core.errors import RecipeError
from reasonforge.tasks.bracket_arithmetic import BracketArithmetic
from reasonforge.tasks.ciphers import Cipher
from reasonforge.tasks.code_output import CodeInput, CodeOutput
from reasonforge.tasks.cryptarithms import Cryptarithm
from reasonforge.tasks.dates import DateArithmetic
from reasonforge.tasks.digit_shift import DigitShift
from reasonforge.tasks.equations import Fractions, LinearEquation
from reasonforge.tasks.grid_paths import GridPath
from reasonforge.tasks.knights_and_knaves import KnightsAndKnaves
from reasonforge.tasks.labelled_arithmetic import LabelledArithmetic
from reasonforge.tasks.modular_chain import ModularChain
from reasonforge.tasks.number_facts import BaseConversion, ChainSum, GcdLcm
from reasonforge.tasks.number_games import Countdown, Game24
from reasonforge.tasks.protocol import Task
from reasonforge.tasks.satisfiability import Satisfiability
from reasonforge.tasks.sequences import Sorting, StringReversal
from reasonforge.tasks.sudoku4 import Sudoku4
from reasonforge.tasks.tool_arithmetic import ToolArithmetic
from reasonforge.tasks.word_problems import WordProblems
from reasonforge.tasks.written_arithmetic import WrittenArithmetic
from reasonforge.tasks.zebra import Zebra

_FAMILIES: tuple[Task, ...] = (
    LabelledArithmetic(),
    WrittenArithmetic(),
    DigitShift(),
    BracketArithmetic(),
    ModularChain(),
    ToolArithmetic(),
    ChainSum(),
    GcdLcm(),
    BaseConversion(),
    Fractions(),
    LinearEquation(),
    Sorting(),
    StringReversal(),
    DateArithmetic(),
    CodeOutput(),
    CodeInput(),
    Cipher(),
    Countdown(),
    Game24(),
    WordProblems(),
    GridPath(),
    Sudoku4(),
    Satisfiability(),
    Cryptarithm(),
    KnightsAndKnaves(),
    Zebra(),
)
_TASKS: dict[str, Task] = {task.name: task for task in _FAMILIES}


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, easiest family first."""
    return tuple(_TASKS)


def get_task(name: str) -> Task:
    """Return a task.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in _TASKS:
        close = difflib.get_close_matches(name, _TASKS, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(_TASKS)}."
        raise RecipeError(f"no task named {name!r}. {hint}")
    return _TASKS[name]
