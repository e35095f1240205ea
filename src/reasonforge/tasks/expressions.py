"""Arithmetic expressions: read them with bounds, evaluate them exactly, write them with the fewest brackets. Never executed as code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from reasonforge.verify.cleaning import plain_characters

MAX_EXPRESSION_CHARS = 300
MAX_TOKENS = 80
MAX_DEPTH = 24
MAX_DIGITS = 9

_LATEX = (("\\left", ""), ("\\right", ""), ("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"), ("\\,", ""), ("\\ ", ""), ("$", ""))
_TOKEN = re.compile(r"\s*(?:([0-9]+)|(\\[dt]?frac)|([-+*/(){}\[\]xX:]))")
_ALIASES = {"x": "*", "X": "*", ":": "/", "[": "(", "]": ")"}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}


class ExpressionError(ValueError):
    """The text is no expression within the bounds; the message says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Two expressions joined by ``+``, ``-``, ``*`` or ``/``."""

    operator: str
    left: Expression
    right: Expression


Expression = int | Operation
"""A number or an operation. Read from text it has at most ``MAX_TOKENS`` nodes, so recursion over it is bounded."""


def parse_expression(text: str) -> Expression:
    """Read an expression over whole numbers: ``+ - * / ( )``, their Unicode signs, ``\\times``, ``\\div`` and ``\\frac{a}{b}``.

    Raises:
        ExpressionError: anything else, or too long, too deep, too large.

    >>> evaluate(parse_expression("(1+2)*\\\\frac{8}{3}"))
    Fraction(8, 1)
    """
    if len(text) > MAX_EXPRESSION_CHARS:
        raise ExpressionError(f"expression of {len(text)} characters")
    text = plain_characters(text)
    for latex, sign in _LATEX:
        text = text.replace(latex, sign)
    reader = _Reader(_tokens(text.strip()))
    expression = reader.sum(0)
    if reader.next is not None:
        raise ExpressionError(f"{reader.next!r} is not expected there")
    return expression


def evaluate(expression: Expression) -> Fraction | None:
    """Return the exact value; None where something is divided by zero."""
    if isinstance(expression, int):
        return Fraction(expression)
    left, right = evaluate(expression.left), evaluate(expression.right)
    if left is None or right is None or (expression.operator == "/" and right == 0):
        return None
    match expression.operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right


def numbers_in(expression: Expression) -> list[int]:
    """Return the numbers of an expression from left to right."""
    if isinstance(expression, int):
        return [expression]
    return numbers_in(expression.left) + numbers_in(expression.right)


def write(expression: Expression) -> str:
    """Return the expression as text with the fewest brackets that keep its tree; negative numbers are bracketed after an operator.

    >>> write(Operation("-", 5, Operation("-", 3, 1)))
    '5 - (3 - 1)'
    """
    if isinstance(expression, int):
        return str(expression)
    rank = _PRECEDENCE[expression.operator]
    left, right = write(expression.left), write(expression.right)
    if isinstance(expression.left, Operation) and _PRECEDENCE[expression.left.operator] < rank:
        left = f"({left})"
    # An equal rank on the right keeps its brackets, also where they change no value: the tree is what is written.
    if (isinstance(expression.right, Operation) and _PRECEDENCE[expression.right.operator] <= rank) or right.startswith("-"):
        right = f"({right})"
    return f"{left} {expression.operator} {right}"


def reduction_steps(expression: Expression) -> list[tuple[str, str]]:
    """Return the steps that reduce an expression to a number: (the operation done, the expression after it), innermost left first.

    >>> reduction_steps(Operation("*", Operation("+", 1, 2), 4))
    [('1 + 2 = 3', '3 * 4'), ('3 * 4 = 12', '12')]
    """
    steps = []
    while isinstance(expression, Operation):
        expression, done = _reduce_once(expression)
        steps.append((done, write(expression)))
    return steps


def _reduce_once(expression: Operation) -> tuple[Expression, str]:
    if isinstance(expression.left, Operation):
        left, done = _reduce_once(expression.left)
        return Operation(expression.operator, left, expression.right), done
    if isinstance(expression.right, Operation):
        right, done = _reduce_once(expression.right)
        return Operation(expression.operator, expression.left, right), done
    value = evaluate(expression)
    if value is None or value.denominator != 1:
        raise ExpressionError(f"{write(expression)} is not a whole number")
    return int(value), f"{write(expression)} = {value}"


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"{text[position : position + 12]!r} is no arithmetic")
        number, fraction, sign = match.groups()
        if number and len(number) > MAX_DIGITS:
            raise ExpressionError(f"number of {len(number)} digits")
        tokens.append(number or ("frac" if fraction else _ALIASES.get(sign, sign)))
        if len(tokens) > MAX_TOKENS:
            raise ExpressionError(f"more than {MAX_TOKENS} numbers and signs")
        position = match.end()
    return tokens


class _Reader:
    """Recursive descent: sum of products of (negated) numbers, brackets and fractions."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self, wanted: str | None = None) -> str:
        token = self.next
        if token is None or (wanted is not None and token != wanted):
            raise ExpressionError(f"{wanted or 'a number'!s} is missing")
        self._position += 1
        return token

    def sum(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"brackets more than {MAX_DEPTH} deep")
        expression = self._product(depth)
        while self.next in ("+", "-"):
            expression = Operation(self._take(), expression, self._product(depth))
        return expression

    def _product(self, depth: int) -> Expression:
        expression = self._atom(depth)
        while self.next in ("*", "/"):
            expression = Operation(self._take(), expression, self._atom(depth))
        return expression

    def _atom(self, depth: int) -> Expression:
        token = self._take()
        if token.isdigit():
            return int(token)
        if token == "-":
            if depth > MAX_DEPTH:
                raise ExpressionError("too many signs")
            operand = self._atom(depth + 1)
            return -operand if isinstance(operand, int) else Operation("-", 0, operand)
        if token == "(":
            expression = self.sum(depth + 1)
            self._take(")")
            return expression
        if token == "frac":
            return Operation("/", self._braced(depth), self._braced(depth))
        raise ExpressionError(f"{token!r} is not expected there")

    def _braced(self, depth: int) -> Expression:
        self._take("{")
        expression = self.sum(depth + 1)
        self._take("}")
        return expression
