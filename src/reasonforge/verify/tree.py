"""The form in which an answer is understood: a small tree. The parser makes it, exact rules and the symbolic tier read it.

Nothing in it is code, and it crosses process borders as nested lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Number:
    """An exact rational. ``is_decimal`` = it was written with a decimal point, so it may be rounded."""

    value: Fraction
    is_decimal: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A variable or a constant: ``x``, ``x_1``, ``pi``, ``e``, ``i``, ``oo``, ``%`` (one hundredth, said as a percentage)."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator on parts.

    Arithmetic: add mul neg div pow root(radicand, degree) abs factorial binomial(n, k) floor ceil log(x, base) ln exp
    sin cos tan cot sec csc asin acos atan sinh cosh tanh degrees(x).
    Structures: tuple list set union minus(set, set) interval(low, high, Name of "oo"|"oc"|"co"|"cc": which ends are open/closed)
    matrix(rows as tuple) equation(left, right) relation(Name of "<" "<=" ">" ">=" "!=", left, right) both either (relations)
    member(x, set) pm(x, y: x plus or minus y) ratio(parts) base(digits, base).
    """

    op: str
    args: tuple[Node, ...]


Node: TypeAlias = Number | Name | Apply


def to_lists(node: Node) -> Any:
    """Return a tree as JSON-able lists."""
    if isinstance(node, Number):
        return ["n", str(node.value.numerator), str(node.value.denominator), node.is_decimal]
    if isinstance(node, Name):
        return ["v", node.name]
    return ["a", node.op, *(to_lists(part) for part in node.args)]


def from_lists(lists: Any) -> Node:
    """Return the tree of ``to_lists``."""
    if lists[0] == "n":
        return Number(Fraction(int(lists[1]), int(lists[2])), bool(lists[3]))
    if lists[0] == "v":
        return Name(lists[1])
    return Apply(lists[1], tuple(from_lists(part) for part in lists[2:]))
