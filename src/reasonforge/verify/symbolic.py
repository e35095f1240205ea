"""The last tier: are two scalars equal as mathematics? Computer algebra, so it can hang or swell: only in killable workers.

sympy objects are built node by node from the tree. No text is ever parsed or evaluated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from typing import Any

import sympy
from sympy.functions.elementary.trigonometric import TrigonometricFunction

from reasonforge.verify.points import differ, names_of
from reasonforge.verify.tree import Apply, Name, Node, Number

MAX_NODES = 2_000
MAX_DEPTH = 150
MAX_POWER_DIGITS = 2_000
"""Powers of numbers with more digits than this are not written out."""
MAX_EXPONENT = 2_000
MAX_FACTORIAL = 400
_FEW_DIGITS, _MANY_DIGITS = 50, 1_000
_MAX_CASES = 3
_BRANCHING = frozenset({"root", "pow", "abs", "ln", "log"})
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": sympy.Abs, "floor": sympy.floor, "ceil": sympy.ceiling, "ln": sympy.log, "exp": sympy.exp,
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "asin": sympy.asin, "acos": sympy.acos, "atan": sympy.atan, "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh,
}  # fmt: skip
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I}
_NO_VALUE = frozenset([sympy.zoo, sympy.nan, sympy.oo, -sympy.oo])


class TooLarge(ValueError):
    """Writing this out would cost more than an answer is worth."""


class Undefined(ValueError):
    """This has no value: 1/0, 0^0, anything made of infinity. Computer algebra would go on with it: its 1/(1/0) is 0."""


def equal(a: Node, b: Node) -> bool | None:
    """Say whether two scalars are equal; variables are real numbers.

    The rule: *different* needs values that differ at some rational point, far above rounding, the same in two precisions (or an exact
    non-zero difference). *Equal* needs a proof: the difference becomes exactly zero by expansion, over a common denominator, with
    trigonometry written as exponentials, by simplification or by its minimal polynomial. Agreement in any number of digits is no proof:
    pi is not its first 500 digits. Expressions with roots, powers, logarithms or absolute values are proved for each choice of the
    variables' signs. Structures (sets, equations, matrices) have been taken apart before.

    Returns:
        None where neither was shown: too large, undefined, or beyond the means above.
    """
    if max(_size(a), _size(b)) > MAX_NODES or max(_depth(a), _depth(b)) > MAX_DEPTH:
        return None
    if a == b:
        return True
    infinities = (Name("oo"), Apply("neg", (Name("oo"),)))
    if a in infinities or b in infinities:
        return False
    if differ(a, b, digits=_FEW_DIGITS):
        return False
    undecided = False
    for case in _sign_cases(a, b):
        try:
            difference = _build(a, case) - _build(b, case)
        except (ArithmeticError, ValueError, TypeError, NotImplementedError, AttributeError, RecursionError):
            return None
        zero = _is_zero(difference, lambda: differ(a, b, digits=_MANY_DIGITS))
        if zero is False:
            return False
        undecided |= zero is None
    return None if undecided else True


def warm_up() -> None:
    """Load what sympy loads on first use, so that no item pays for it."""
    x = Name("x")
    one, two, three = (Number(Fraction(value)) for value in (1, 2, 3))
    root = Apply("root", (two, two))
    nested = Apply("root", (Apply("add", (three, Apply("mul", (two, root)))), two))
    squares = Apply("add", tuple(Apply("pow", (Apply(name, (x,)), two)) for name in ("sin", "cos")))
    equal(squares, one)
    equal(nested, Apply("add", (one, root)))
    equal(Apply("ln", (Apply("pow", (x, two)),)), Apply("mul", (two, Apply("ln", (Apply("abs", (x,)),)))))


def _size(node: Node) -> int:
    count, stack = 0, [node]
    while stack and count <= MAX_NODES:
        part = stack.pop()
        count += 1
        if isinstance(part, Apply):
            stack.extend(part.args)
    return count


def _depth(node: Node) -> int:
    depth, level = 0, [node]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [part for parent in level if isinstance(parent, Apply) for part in parent.args]
    return depth


def _sign_cases(a: Node, b: Node) -> Iterator[dict[str, Any]]:
    """Yield what each variable becomes: a real symbol, or, where signs matter, a positive symbol and its negative in turn."""
    names = names_of(a, b)
    if len(names) > _MAX_CASES or not _signs_matter(a, b):
        yield {name: sympy.Symbol(name, real=True) for name in names}
        return
    for signs in product((1, -1), repeat=len(names)):
        yield {name: sign * sympy.Symbol(name, positive=True) for name, sign in zip(names, signs, strict=True)}


def _signs_matter(*nodes: Node) -> bool:
    """Say whether there is more than whole powers: those obey their rules for either sign."""
    for node in nodes:
        if not isinstance(node, Apply):
            continue
        whole = node.op == "pow" and len(node.args) == 2 and isinstance(node.args[1], Number) and node.args[1].value.denominator == 1
        if (node.op in _BRANCHING and not whole) or _signs_matter(*node.args):
            return True
    return False


def _is_zero(difference: Any, differs: Callable[[], bool | None]) -> bool | None:
    """Try the proofs from cheap to dear. Each may fail in its own way; that only means that it proved nothing."""
    for proof in (sympy.expand, _numerator, _combinatorial, _logarithms):
        if (found := _tried(proof, difference)) is not None:
            return found
    # Now it gets dear, and answers that differ by very little would pay in vain.
    if differs():
        return False
    constant = not difference.free_symbols
    for proof in (*((_minimal_polynomial, _angle) if constant else ()), _exponentials, sympy.simplify, _denested):
        if (found := _tried(proof, difference)) is not None:
            return found
    return None


def _tried(proof: Callable[[Any], Any], difference: Any) -> bool | None:
    try:
        result = proof(difference)
    except MemoryError:
        raise
    except Exception:  # sympy's own errors are of every kind, assertion errors included
        return None
    if result == 0:
        return True
    return False if result.is_Rational and result != 0 else None


def _numerator(difference: Any) -> Any:
    top, bottom = sympy.fraction(sympy.together(difference))
    top = sympy.expand(top)
    # 0/0 is no proof.
    return top if top != 0 or sympy.expand(bottom) != 0 else difference


def _logarithms(difference: Any) -> Any:
    if not difference.has(sympy.log):
        return difference
    return sympy.expand(sympy.expand_log(sympy.expand_power_base(difference), factor=True))


def _combinatorial(difference: Any) -> Any:
    return sympy.combsimp(difference) if difference.has(sympy.factorial, sympy.binomial) else difference


def _exponentials(difference: Any) -> Any:
    if not difference.has(TrigonometricFunction, sympy.sinh, sympy.cosh, sympy.tanh):
        return difference
    return _numerator(sympy.expand(difference.rewrite(sympy.exp)))


def _minimal_polynomial(difference: Any) -> Any:
    variable = sympy.Dummy()
    return 0 if sympy.minimal_polynomial(difference, variable) == variable else difference


def _angle(difference: Any) -> Any:
    """A sum of inverse functions is zero when its sine is and it is smaller than pi; the values have shown that it is tiny."""
    if not difference.has(sympy.atan, sympy.asin, sympy.acos) or difference.is_real is not True:
        return difference
    sine = sympy.simplify(sympy.expand_trig(sympy.sin(difference)))
    return 0 if sine == 0 and abs(difference.evalf(20)) < 1 else difference


def _denested(difference: Any) -> Any:
    return sympy.radsimp(sympy.sqrtdenest(sympy.simplify(difference)))


def _build(node: Node, variables: dict[str, Any]) -> Any:
    """Return the sympy expression of a scalar tree.

    Raises:
        TooLarge: it would have to write out a huge number.
        Undefined: a part of it has no value.
    """
    if isinstance(node, Number):
        return sympy.Rational(node.value.numerator, node.value.denominator)
    if isinstance(node, Name):
        if node.name not in variables and node.name not in _CONSTANTS:
            raise Undefined
        return variables[node.name] if node.name in variables else _CONSTANTS[node.name]
    value = _build_applied(node, [_build(part, variables) for part in node.args])
    if value in _NO_VALUE:
        raise Undefined
    return value


def _build_applied(node: Apply, args: list[Any]) -> Any:
    first = args[0]
    if node.op in _FUNCTIONS:
        return _FUNCTIONS[node.op](first)
    match node.op:
        case "add":
            return sympy.Add(*args)
        case "mul":
            return sympy.Mul(*args)
        case "neg":
            return -first
        case "div":
            return first / args[1]
        case "pow":
            return _build_power(first, args[1])
        case "root":
            return _build_power(first, 1 / args[1])
        case "log":
            return sympy.log(first) / sympy.log(args[1] if len(args) > 1 else sympy.Integer(10))
        case "degrees":
            return first * sympy.pi / 180
        case "factorial" | "binomial":
            if any(part.is_number and abs(part) > MAX_FACTORIAL for part in args):
                raise TooLarge
            return sympy.factorial(first) if node.op == "factorial" else sympy.binomial(first, args[1])
        case _:
            raise TooLarge


def _build_power(base: Any, exponent: Any) -> Any:
    if base.is_zero and not exponent.is_positive:
        raise Undefined
    if exponent.is_Rational:
        top, bottom = int(exponent.p), int(exponent.q)
        if max(abs(top), bottom) > MAX_EXPONENT or abs(top) * _digits(base) > MAX_POWER_DIGITS:
            raise TooLarge
        if bottom % 2 and bottom > 1 and base.is_real and not base.is_nonnegative:
            # The real root, as at school; sympy's own is the principal one.
            size = -base if base.is_nonpositive else sympy.Abs(base)
            sign = -1 if base.is_negative else sympy.sign(base)
            return sign**top * size**exponent
    elif exponent.is_number and abs(exponent.evalf(20)) > MAX_EXPONENT:
        raise TooLarge
    return base**exponent


def _digits(base: Any) -> float:
    """Return how many digits a number has, behind the point too, where its power would be written out; 0 for what has no fixed value."""
    if base.is_Rational:
        return max(len(bin(base.p)), len(bin(base.q))) * 0.302
    if not base.is_number:
        return 0.0
    # sqrt(2)^1999 is 2^999 sqrt(2), and a power of that is written out again.
    return abs(float(sympy.log(abs(base.evalf(10)), 10).evalf(10)))
