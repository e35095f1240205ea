"""Are two expressions different? Their values at rational points, in enough digits to be sure of a yes; a no proves nothing.

Only worker processes import this: mpmath works on what a model wrote.
Functions are functions of real variables with complex principal values, but an odd root of a negative number is the real one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from mpmath import mp

from reasonforge.verify.tree import Apply, Name, Node, Number

CONSTANTS = frozenset({"pi", "e", "i", "oo"})
MAX_LOG_SIZE = 10**18
"""Values beyond e^(10^18) are not computed: the exponent itself would no longer be a small number."""
MAX_FACTORIAL = 10**12
_POINTS = (
    (1, (1,)), (1, (1,)), (1, (-1,)), (1, (1, -1)), (5, (1, -1)), (Fraction(1, 5), (1, -1)),
)  # fmt: skip
"""Size and signs of each point's coordinates. To the left of zero roots, logarithms and absolute values show their branches."""
_SEED = 20_240_405


class Inconclusive(Exception):
    """No value that can be relied on: undefined, too large, or on the edge of a step or a branch cut."""


def names_of(*nodes: Node) -> list[str]:
    """Return the free variables of these trees, sorted."""
    found: set[str] = set()
    rest = list(nodes)
    while rest:
        node = rest.pop()
        if isinstance(node, Apply):
            rest.extend(node.args)
        elif isinstance(node, Name) and node.name not in CONSTANTS:
            found.add(node.name)
    return sorted(found)


def sample_points(names: list[str]) -> Iterator[dict[str, Fraction]]:
    """Yield the points at which expressions are compared: positive, negative, then of mixed signs. The same for every call."""
    draw = random.Random(_SEED)
    for scale, signs in _POINTS if names else _POINTS[:1]:
        yield {name: scale * Fraction(draw.randint(40, 400), 97) * draw.choice(signs) for name in names}


def rational(node: Node) -> Fraction | None:
    """Return the exact value of plain arithmetic on rationals; None for anything else."""
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Apply) or node.op not in ("add", "mul", "neg", "div"):
        return None
    parts = [rational(part) for part in node.args]
    if any(part is None for part in parts) or not parts:
        return None
    total = parts[0]
    assert total is not None
    if node.op == "neg":
        return -total
    for part in parts[1:]:
        assert part is not None
        if node.op == "div":
            if part == 0:
                return None
            total /= part
        else:
            total = total + part if node.op == "add" else total * part
    return total


def differ(a: Node, b: Node, *, digits: int) -> bool | None:
    """Say whether two scalar trees have clearly different values at some point.

    Computed in ``digits`` and in more digits: the difference must be far above rounding and the same both times.

    Returns:
        True: they differ. False: at every point that could be computed they agree. None: no point could be computed.
    """
    seen = False
    for point in sample_points(names_of(a, b)):
        try:
            low, _ = _difference(a, b, point, digits=digits)
            high, size = _difference(a, b, point, digits=digits + 30)
        except (Inconclusive, ArithmeticError, ValueError, TypeError, RecursionError):
            continue
        seen = True
        with mp.workdps(digits + 30):
            gap = abs(high)
            if gap > size * mp.mpf(10) ** (-digits // 2) and abs(low - high) <= gap * mp.mpf(10) ** -6:
                return True
    return False if seen else None


def _difference(a: Node, b: Node, point: Mapping[str, Fraction], *, digits: int) -> tuple[Any, Any]:
    with mp.workdps(digits):
        values = {name: _exact(value) for name, value in point.items()}
        left, right = _value(a, values), _value(b, values)
        size = max(abs(left), abs(right))
        if not mp.isfinite(size):
            raise Inconclusive("not finite")
        return left - right, size


def _exact(value: Fraction) -> Any:
    return mp.mpf(value.numerator) / value.denominator


def _value(node: Node, values: Mapping[str, Any]) -> Any:
    if isinstance(node, Number):
        return _exact(node.value)
    if isinstance(node, Name):
        if node.name in values:
            return values[node.name]
        if node.name in ("pi", "e"):
            return +(mp.pi if node.name == "pi" else mp.e)
        if node.name == "i":
            return mp.mpc(0, 1)
        raise Inconclusive(f"{node.name} has no value")
    if node.op == "pow" and len(node.args) == 2:
        return _power(_value(node.args[0], values), _value(node.args[1], values), rational(node.args[1]))
    if node.op == "root" and len(node.args) == 2:
        degree = rational(node.args[1])
        exponent = 1 / degree if degree else None
        return _power(_value(node.args[0], values), 1 / _value(node.args[1], values), exponent)
    return _apply(node.op, [_value(part, values) for part in node.args])


def _apply(op: str, args: list[Any]) -> Any:
    first = args[0]
    match op:
        case "add":
            return mp.fsum(args)
        case "mul":
            return mp.fprod(args)
        case "neg":
            return -first
        case "div":
            return first / args[1]
        case "abs":
            return abs(first)
        case "degrees":
            return first * mp.pi / 180
        case "exp":
            return _power(+mp.e, first, None)
        case "ln":
            return mp.log(_off_cut(first))
        case "log":
            return mp.log(_off_cut(first)) / mp.log(_off_cut(args[1] if len(args) > 1 else mp.mpf(10)))
        case "factorial":
            return _factorial(first)
        case "binomial":
            return _factorial(first) / (_factorial(args[1]) * _factorial(first - args[1]))
        case "floor" | "ceil":
            return mp.floor(_off_step(first)) if op == "floor" else mp.ceil(_off_step(first))
        case "asin" | "acos":
            return _inverse(op, first)
        case "sin" | "cos" | "tan" | "cot" | "sec" | "csc" | "atan" | "sinh" | "cosh" | "tanh":
            if abs(first) > MAX_LOG_SIZE:
                raise Inconclusive("argument too large")
            return getattr(mp, op)(first)
        case _:
            raise Inconclusive(f"{op} has no value")


def _is_real(value: Any) -> bool:
    return mp.im(value) == 0


def _power(base: Any, exponent: Any, exact: Fraction | None) -> Any:
    """Raise to a power; ``exact`` is the exponent where it is rational: only then is an odd root of a negative number real."""
    if base == 0:
        if mp.re(exponent) <= 0:
            raise Inconclusive("0 to a power that is not positive")
        return mp.mpf(0)
    if abs(exponent) * (abs(mp.log(abs(base))) + 4) > MAX_LOG_SIZE:
        raise Inconclusive("too large")
    if exact is not None and exact.denominator == 1:
        return base**exact.numerator
    if exact is not None and exact.denominator % 2 and _is_real(base) and mp.re(base) < 0:
        return (-1 if exact.numerator % 2 else 1) * mp.power(-mp.re(base), exponent)
    return mp.power(_off_cut(base), exponent)


def _off_cut(value: Any) -> Any:
    """Refuse a value that rounding may have pushed to either side of the negative axis, where roots and logarithms jump."""
    if not _is_real(value) and mp.re(value) < 0 and abs(mp.im(value)) < abs(value) * mp.mpf(10) ** -20:
        raise Inconclusive("on a branch cut")
    return mp.re(value) if _is_real(value) else value


def _off_step(value: Any) -> Any:
    if not _is_real(value):
        raise Inconclusive("not real")
    value = mp.re(value)
    if abs(value) > mp.mpf(10) ** 20 or (value != mp.nint(value) and abs(value - mp.nint(value)) < mp.mpf(10) ** -20):
        raise Inconclusive("on a step")
    return value


def _inverse(op: str, value: Any) -> Any:
    # Rounding decides on which side of 1 a value such as 2/sqrt(4) lies, and there the function jumps into the complex plane.
    if value != 1 and value != -1 and abs(abs(value) - 1) < mp.mpf(10) ** -20:
        raise Inconclusive("on a branch point")
    return mp.asin(value) if op == "asin" else mp.acos(value)


def _factorial(value: Any) -> Any:
    if abs(value) > MAX_FACTORIAL:
        raise Inconclusive("factorial too large")
    if _is_real(value) and mp.re(value) < 0 and abs(mp.re(value) - mp.nint(mp.re(value))) < mp.mpf(10) ** -20:
        raise Inconclusive("factorial of a negative integer")
    return mp.factorial(value)
