"""What a short program prints. The language is our own and tiny: it is drawn as a tree and run by the few lines below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Language, NumberFamily, Texts

Values = dict[str, int]
Operand = str | int

_NAMES = "abc"
_MAX_VALUE = 9_999


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

    def run(self, values: Values, trace: list[str]) -> None:
        """Change the values and write down what was done."""
        left, right = _value(self.left, values), _value(self.right, values)
        values[self.name] = {"+": left + right, "-": left - right, "*": left * right, "%": left % max(right, 1)}[self.operator]
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

    def run(self, values: Values, trace: list[str]) -> None:
        """Run the branch that is taken."""
        left, right = values[self.left], _value(self.right, values)
        taken = left < right if self.relation == "<" else left > right
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

    def run(self, values: Values, trace: list[str]) -> None:
        """Run the body that many times."""
        for _ in range(self.times):
            self.body.run(values, trace)


Statement = Assign | Choose | Repeat


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
    _rules: ClassVar[Texts] = {
        "en": '"repeat n:" runs its indented line n times; % is the remainder, never negative.',
        "zh": "“repeat n:”把缩进的一行执行 n 次；% 是非负余数。",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw programs until the values on the way stay small."""
        while True:
            starts = {name: draws.between(1, 12) for name in _NAMES}
            statements = [_drawn_statement(draws, level) for _ in range(level)]
            printed = draws.choice(sorted({name for statement in statements for name in _written(statement)}))
            values, trace = dict(starts), []
            for statement in statements:
                statement.run(values, trace)
                if max(map(abs, values.values())) > _MAX_VALUE:
                    break
            else:
                break
        lines = [f"{name} = {value}" for name, value in starts.items()]
        lines += [line for statement in statements for line in statement.lines()]
        question = self._question[language].format(rules=self._rules[language], program="\n".join([*lines, f"print {printed}"]))
        return Drawn(question=question, answer=str(values[printed]), steps=trace)

    def texts(self) -> str:
        """Return the characters of questions, programs and traces."""
        return "".join([*self._question.values(), *self._rules.values(), _NAMES, "+-*%<>=:", "if else repeat print"])


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
    right: Operand = draws.choice(_NAMES) if operator in "+-" and draws.chance(0.6) else draws.between(2, 9 if operator == "%" else 5)
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
