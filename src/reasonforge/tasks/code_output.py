"""What a short program prints, and for which input it prints that.

The language is our own and tiny: a program is drawn as a tree and run by the few lines below.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, NumberFamily, Texts, holds, read_number, unreadable

Values = dict[str, int]
Operand = str | int
Trace = list[str] | None
"""Where a run writes down what it did; None = nowhere."""

_NAMES = "abc"
_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {"+": operators.add, "-": operators.sub, "*": operators.mul, "%": operators.mod}
_MAX_VALUE = 9_999
_INPUTS = 100
_MAX_RIGHT_INPUTS = 4
_RULES: Texts = {
    "en": '"repeat n:" runs its indented line n times; % is the remainder, never negative.',
    "zh": "“repeat n:”表示把缩进的那一行执行 n 次；% 取余数，结果总是非负。",
}
_PROGRAM_TEXTS = "".join([*_RULES.values(), _NAMES, "+-*%<>=:", "if else repeat print"])


@dataclass(frozen=True, slots=True)
class Assign:
    """``name = left operator right``."""

    name: str
    left: Operand
    operator: str
    right: Operand

    def lines(self) -> list[str]:
        """Return it as the program shows it."""
        return [f"{self.name} = {self.left} {self.operator} {self.right}"]

    def run(self, values: Values, trace: Trace) -> None:
        """Change the values and write down what was done."""
        left, right = _value(self.left, values), _value(self.right, values)
        values[self.name] = _OPERATIONS[self.operator](left, right)
        if trace is not None:
            trace.append(f"{self.name} = {left} {self.operator} {right} = {values[self.name]}")


@dataclass(frozen=True, slots=True)
class Choose:
    """One of two assignments, by a comparison."""

    left: str
    relation: str
    right: Operand
    then: Assign
    otherwise: Assign

    def lines(self) -> list[str]:
        """Return it as the program shows it."""
        return [f"if {self.left} {self.relation} {self.right}:", *_indented(self.then), "else:", *_indented(self.otherwise)]

    def run(self, values: Values, trace: Trace) -> None:
        """Run the branch that is taken."""
        left, right = values[self.left], _value(self.right, values)
        taken = left < right if self.relation == "<" else left > right
        if trace is not None:
            trace.append(f"{left} {self.relation} {right}: {'if' if taken else 'else'}")
        (self.then if taken else self.otherwise).run(values, trace)


@dataclass(frozen=True, slots=True)
class Repeat:
    """An assignment, several times."""

    times: int
    body: Assign

    def lines(self) -> list[str]:
        """Return it as the program shows it."""
        return [f"repeat {self.times}:", *_indented(self.body)]

    def run(self, values: Values, trace: Trace) -> None:
        """Run the body that many times."""
        for _ in range(self.times):
            self.body.run(values, trace)


Statement = Assign | Choose | Repeat


@dataclass(frozen=True, slots=True)
class _Code:
    """A program: where its names start, its statements, which name it prints."""

    starts: Values
    statements: tuple[Statement, ...]
    printed: str
    asked: str
    """The name whose start can be made the program's input."""

    def lines(self, *, asked: bool = False) -> list[str]:
        lines = [f"{name} = {'input' if asked and name == self.asked else value}" for name, value in self.starts.items()]
        return [*lines, *(line for statement in self.statements for line in statement.lines()), f"print {self.printed}"]

    def run(self, given: int | None = None, *, trace: Trace = None, without: int | None = None) -> int | None:
        """Return what is printed; None where a value on the way becomes too large.

        Args:
            given: the input; None = every name starts as drawn.
            trace: where to write down what is done.
            without: place of a statement to leave out.
        """
        values = dict(self.starts)
        if given is not None:
            values[self.asked] = given
        for place, statement in enumerate(self.statements):
            if place != without:
                statement.run(values, trace)
            if max(map(abs, values.values())) > _MAX_VALUE:
                return None
        return values[self.printed]

    def num_that_matter(self, given: int | None = None) -> int:
        """Count the statements without which something else would be printed."""
        printed = self.run(given)
        others = [self.run(given, without=place) for place in range(len(self.statements))]
        return sum(other != printed for other in others)


class CodeOutput(NumberFamily):
    """The worked solution is the trace of the program."""

    name = "code_output"
    levels = (1, 6)
    kind = "logic"
    description = "What a short program prints, from level 2 with branches, from level 3 with loops; the level counts its statements."
    _question: ClassVar[Texts] = {
        "en": "What does this program print? {rules}\n{program}",
        "zh": "这个程序输出什么？{rules}\n{program}",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw a program in which most statements matter to what it prints."""
        while True:
            program = _drawn_program(draws, level)
            trace: list[str] = []
            printed = program.run(trace=trace)
            if printed is not None and program.num_that_matter() > level // 2:
                break
        text = "\n".join(program.lines())
        question = self._question[language].format(rules=_RULES[language], program=text)
        return Drawn(question=question, content=text, answer=str(printed), steps=trace)

    def texts(self) -> str:
        """Return the characters of questions, programs and traces."""
        return "".join([*self._question.values(), _PROGRAM_TEXTS])


class CodeInput(Family):
    """The program is run for all hundred inputs when it is drawn, so the verifier knows every right one."""

    name = "code_input"
    levels = (1, 6)
    kind = "logic"
    description = "With which input, 0 to 99, a short program prints a given number; the level counts its statements, as in code_output."
    form: ClassVar[Texts] = {"en": "one such input", "zh": "一个这样的输入值"}
    _question: ClassVar[Texts] = {
        "en": "For which input from 0 to 99 does this program print {printed}? {rules}\n{program}",
        "zh": "输入 0 到 99 中的哪个整数，这个程序会输出 {printed}？{rules}\n{program}",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw a program and an input that few others can stand for."""
        while True:
            program, given = _drawn_program(draws, level), draws.below(_INPUTS)
            printed = program.run(given)
            if printed is None or program.num_that_matter(given) <= level // 2:
                continue
            right = [number for number in range(_INPUTS) if program.run(number) == printed]
            if len(right) <= _MAX_RIGHT_INPUTS:
                break
        steps = [f"{program.asked} = {given}"]
        program.run(given, trace=steps)
        text = "\n".join(program.lines(asked=True))
        question = self._question[language].format(printed=printed, rules=_RULES[language], program=text)
        return Drawn(question=question, content=f"{printed} {text}", answer=str(given), steps=steps, meta={"right": right})

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Look the number up among those that print what was asked."""
        number = read_number(answer)
        if number is None:
            return unreadable("a number")
        if number not in map(str, range(_INPUTS)):
            return holds(number, "is not a whole number from 0 to 99")
        return holds(number, None if int(number) in problem.meta["right"] else "the program prints something else")

    def texts(self) -> str:
        """Return the characters of questions, programs and traces."""
        return "".join([*self._question.values(), _PROGRAM_TEXTS, "input"])


def _drawn_program(draws: Draws, level: int) -> _Code:
    starts = {name: draws.between(1, 12) for name in _NAMES}
    statements = tuple(_drawn_statement(draws, level) for _ in range(level))
    printed = draws.choice(sorted({name for statement in statements for name in _written(statement)}))
    return _Code(starts, statements, printed, asked=draws.choice(_NAMES))


def _drawn_statement(draws: Draws, level: int) -> Statement:
    shape = draws.below(min(level, 3))
    if shape == 0:
        return _drawn_assignment(draws)
    if shape == 1:
        right: Operand = draws.choice(_NAMES) if draws.chance(0.5) else draws.between(1, 20)
        return Choose(draws.choice(_NAMES), draws.choice("<>"), right, _drawn_assignment(draws), _drawn_assignment(draws))
    return Repeat(draws.between(2, 4), _drawn_assignment(draws, loop=True))


def _drawn_assignment(draws: Draws, *, loop: bool = False) -> Assign:
    name, operator = draws.choice(_NAMES), draws.choice("+-*" if loop else "+-*%")
    # In a loop the name stands on both sides, otherwise the second time would change nothing.
    left = name if loop else draws.choice(_NAMES)
    others = [other for other in _NAMES if other != left]  # "a - a" hides what comes before
    right: Operand = draws.choice(others) if operator in "+-" and draws.chance(0.6) else draws.between(2, 9 if operator == "%" else 5)
    return Assign(name, left, operator, right)


def _written(statement: Statement) -> set[str]:
    match statement:
        case Assign():
            return {statement.name}
        case Choose():
            return {statement.then.name, statement.otherwise.name}
        case Repeat():
            return {statement.body.name}


def _value(operand: Operand, values: Values) -> int:
    return operand if isinstance(operand, int) else values[operand]


def _indented(statement: Assign) -> list[str]:
    return ["  " + line for line in statement.lines()]
