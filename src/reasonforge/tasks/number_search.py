"""Exhaustive, exact search for an expression that uses every given number once; fast for four or five numbers."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

from reasonforge.tasks.expressions import Expression, Operation

Ratio = tuple[int, int]
"""(top, bottom) in lowest terms, bottom above zero: as exact as Fraction and several times faster."""


@lru_cache(maxsize=4_096)
def make_target(numbers: tuple[int, ...], target: int, *, operators: str) -> Expression | None:
    """Return the first such expression in a fixed order, or None when there is none.

    Every subset's reachable values are built once, from the values of its two parts. Brackets are thereby all tried.

    >>> make_target((3, 3, 8, 8), 24, operators="+-*") is None, make_target((3, 3, 8, 8), 24, operators="+-*/") is None
    (True, False)
    """
    full = (1 << len(numbers)) - 1
    one_way = "".join(operator for operator in operators if operator in "-/")
    reachable: list[dict[Ratio, Expression]] = [{} for _ in range(full + 1)]
    for position, number in enumerate(numbers):
        reachable[1 << position][number, 1] = number
    for subset in range(1, full + 1):
        part = (subset - 1) & subset
        while part:
            for left, left_tree in reachable[part].items():
                for right, right_tree in reachable[subset ^ part].items():
                    # Both orders of a split come by, so sums and products need only one of them.
                    _join(reachable[subset], operators if part > subset ^ part else one_way, left, right, left_tree, right_tree)
            part = (part - 1) & subset
    return reachable[full].get((target, 1))


def _join(found: dict[Ratio, Expression], operators: str, left: Ratio, right: Ratio, left_tree: Expression, right_tree: Expression) -> None:
    """Add what the operators make of two values; the first expression of a value stays."""
    (a, b), (c, d) = left, right
    for operator in operators:
        if operator == "+":
            top, bottom = a * d + c * b, b * d
        elif operator == "-":
            top, bottom = a * d - c * b, b * d
        elif operator == "*":
            top, bottom = a * c, b * d
        elif c == 0:
            continue
        else:
            top, bottom = (a * d, b * c) if c > 0 else (-a * d, -b * c)
        shared = gcd(top, bottom)
        value = (top // shared, bottom // shared)
        if value not in found:
            found[value] = Operation(operator, left_tree, right_tree)
