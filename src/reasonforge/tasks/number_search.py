"""Exhaustive, exact search for an expression that uses every given number once; fast for four or five numbers."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

from reasonforge.tasks.expressions import Expression, Operation

Ratio = tuple[int, int]
"""(top, bottom) in lowest terms, bottom above zero: as exact as Fraction and several times faster."""


@lru_cache(maxsize=4_096)
def make_target(numbers: tuple[int, ...], target: int, *, operators: str) -> Expression | None:
    """Return the first expression, in a fixed order, that has the target's value (not 0), or None when there is none.

    The reachable values of every subset are built once, from the values of its two parts, so all bracketings are tried. For the
    whole set nothing is built: what one part lacks to the target is looked up in the other.

    >>> make_target((3, 3, 8, 8), 24, operators="+-*") is None, make_target((3, 3, 8, 8), 24, operators="+-*/") is None
    (True, False)
    """
    assert target != 0
    assert len(numbers) > 1
    full = (1 << len(numbers)) - 1
    reachable: list[dict[Ratio, Expression]] = [{} for _ in range(full + 1)]
    for position, number in enumerate(numbers):
        reachable[1 << position][number, 1] = number
    for subset in range(1, full):
        for part in _proper_parts(subset):
            _join_all(reachable[subset], reachable[part], reachable[subset ^ part], operators)
    for part in _proper_parts(full):
        others = reachable[full ^ part]
        for left, left_tree in reachable[part].items():
            for operator in operators:
                right = _missing(left, operator, (target, 1))
                if right in others:
                    return Operation(operator, left_tree, others[right])
    return None


def _proper_parts(subset: int) -> list[int]:
    """Return the non-empty proper subsets of a bit set; a part and its rest both occur, so both orders of an operation are tried."""
    parts, part = [], (subset - 1) & subset
    while part:
        parts.append(part)
        part = (part - 1) & subset
    return parts


def _join_all(found: dict[Ratio, Expression], lefts: dict[Ratio, Expression], rights: dict[Ratio, Expression], operators: str) -> None:
    """Add every value that an operator makes of a left and a right one; the first expression of a value stays."""
    for left, left_tree in lefts.items():
        for right, right_tree in rights.items():
            for operator in operators:
                value = _joined(left, operator, right)
                if value is not None and value not in found:
                    found[value] = Operation(operator, left_tree, right_tree)


def _joined(left: Ratio, operator: str, right: Ratio) -> Ratio | None:
    """Return ``left operator right`` in lowest terms; None for a division by zero."""
    (a, b), (c, d) = left, right
    match operator:
        case "+":
            top, bottom = a * d + c * b, b * d
        case "-":
            top, bottom = a * d - c * b, b * d
        case "*":
            top, bottom = a * c, b * d
        case _ if c == 0:
            return None
        case _:
            top, bottom = (a * d, b * c) if c > 0 else (-a * d, -b * c)
    shared = gcd(top, bottom)
    return top // shared, bottom // shared


def _missing(left: Ratio, operator: str, target: Ratio) -> Ratio | None:
    """Return the right value for which ``left operator right`` is the target (not 0); None where there is none."""
    if operator == "+":
        return _joined(target, "-", left)
    if operator == "-":
        return _joined(left, "-", target)
    if left[0] == 0:
        return None
    return _joined(target, "/", left) if operator == "*" else _joined(left, "/", target)
