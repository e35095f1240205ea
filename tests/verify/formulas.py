"""One way to write a formula, two ways to read it: as a tree for the grader, and as a plain complex number for the tests' own check."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from reasonforge.verify.tree import Apply, Name, Node, Number

Formula = Callable[[Any], Any]


class Expression:
    """A tree that Python's operators build."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __add__(self, other: object) -> Expression:
        return apply("add", self, other)

    def __radd__(self, other: object) -> Expression:
        return apply("add", other, self)

    def __sub__(self, other: object) -> Expression:
        return apply("add", self, apply("neg", other))

    def __rsub__(self, other: object) -> Expression:
        return apply("add", other, apply("neg", self))

    def __mul__(self, other: object) -> Expression:
        return apply("mul", self, other)

    def __rmul__(self, other: object) -> Expression:
        return apply("mul", other, self)

    def __truediv__(self, other: object) -> Expression:
        return apply("div", self, other)

    def __rtruediv__(self, other: object) -> Expression:
        return apply("div", other, self)

    def __pow__(self, other: object) -> Expression:
        return apply("pow", self, other)

    def __rpow__(self, other: object) -> Expression:
        return apply("pow", other, self)

    def __neg__(self) -> Expression:
        return apply("neg", self)

    def __abs__(self) -> Expression:
        return apply("abs", self)


def to_node(value: object) -> Node:
    if isinstance(value, Expression):
        return value.node
    if isinstance(value, str):
        return Name(value)
    assert isinstance(value, int | Fraction)
    return Number(Fraction(value))


def apply(op: str, *args: object) -> Expression:
    return Expression(Apply(op, tuple(to_node(part) for part in args)))


class Trees:
    """Reads a formula as a tree: every attribute is an operator, a constant or a variable."""

    def __getattr__(self, name: str) -> Any:
        if len(name) == 1 or name in ("pi", "oo"):
            return Expression(Name(name))
        return lambda *args: apply(name, *args)

    def sqrt(self, radicand: object) -> Expression:
        return apply("root", radicand, 2)

    def rational(self, top: int, bottom: int) -> Expression:
        return Expression(Number(Fraction(top, bottom)))


class Values:
    """Reads a formula as a complex number at one point, with nothing but the standard library."""

    pi, e, i = math.pi, math.e, 1j

    def __init__(self, point: Mapping[str, float]) -> None:
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return self._point[name] if len(name) == 1 else getattr(cmath, name)

    ln = staticmethod(cmath.log)
    abs = staticmethod(abs)

    def root(self, radicand: complex, degree: int) -> complex:
        value = complex(radicand)
        if degree % 2 and value.imag == 0 and value.real < 0:
            return -((-value.real) ** (1 / degree))
        return value ** (1 / degree)

    def log(self, value: complex, base: complex) -> complex:
        return cmath.log(value) / cmath.log(base)

    def cot(self, value: complex) -> complex:
        return 1 / cmath.tan(value)

    def sec(self, value: complex) -> complex:
        return 1 / cmath.cos(value)

    def csc(self, value: complex) -> complex:
        return 1 / cmath.sin(value)

    def factorial(self, value: float) -> float:
        return math.gamma(value + 1)

    def binomial(self, n: float, k: float) -> float:
        return self.factorial(n) / self.factorial(k) / self.factorial(n - k)

    def degrees(self, value: float) -> float:
        return math.radians(value)

    def rational(self, top: int, bottom: int) -> float:
        return top / bottom


def tree(formula: Formula) -> Node:
    return to_node(formula(Trees()))


def value(formula: Formula, point: Mapping[str, float]) -> complex:
    return complex(formula(Values(point)))


def power_of_sum(power: int, *, names: str = "abcdefgh", expanded: bool = False) -> Node:
    """Return (a + b + ...)^(2 power), or the same with the square written out.

    The two are equal, and proving it by expansion takes longer than anybody waits once ``power`` is above ten.
    """
    if not expanded:
        return tree(lambda m: apply("add", *names) ** (2 * power))
    squares = [apply("pow", name, 2) for name in names]
    mixed = [apply("mul", 2, one, other) for index, one in enumerate(names) for other in names[index + 1 :]]
    return tree(lambda m: apply("add", *squares, *mixed) ** power)
