"""Exact normal forms: rational functions with square roots and other radicals, pi, e and i, in plain integer arithmetic.

A value is a quotient of two sums; a sum maps products of atoms to rational coefficients. Atoms are variables, constants, prime numbers
under a fractional exponent, and whatever else is in the way (sin(x), 2^x, nested roots), which stays opaque.
Without opaque atoms the form decides equality both ways: distinct products of prime roots are linearly independent over the rationals.
With them it only proves equality. Nothing is ever computed beyond the limits below.

Variables stand for positive numbers where a root is split: the square root of 4 x is 2 times that of x.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

from reasonforge.verify.tree import Apply, Name, Node, Number

MAX_TERMS = 200
MAX_BITS = 12_000
"""Below the 4,300 digits up to which the interpreter writes integers."""
_MAX_POWER = 64
_MAX_FACTORIAL = 200
_MAX_RATIONALIZED_ROOTS = 4
_MAX_WORK = 4_000
"""Products of terms in one normal form. Keeps the worst answer at a few milliseconds."""
_TRIAL_LIMIT = 1_000

Exponent: TypeAlias = int | Fraction
Monomial: TypeAlias = tuple[tuple[str, Exponent], ...]
Sum: TypeAlias = dict[Monomial, Fraction]
_ONE: Monomial = ()


class TooLargeError(Exception):
    """A normal form would pass the limits; the caller leaves the pair undecided."""


@dataclass(frozen=True, slots=True)
class Value:
    """A quotient of sums. ``opaque`` = it holds atoms about which the form knows nothing."""

    top: Sum
    bottom: Sum
    opaque: bool

    def key(self) -> str:
        """Return a text that only equal values share. Equal values may still have two, where a common factor hides."""
        if not self.top:
            return "0"
        top = sum_text(self.top)
        return top if self.bottom == {_ONE: 1} else f"({top})/({sum_text(self.bottom)})"


@lru_cache(maxsize=16_384)
def normal_form(node: Node) -> Value | None:
    """Return the normal form of a scalar; None where it is no scalar, divides by zero or passes the limits."""
    try:
        return _Worker().value(node)
    except (TooLargeError, ZeroDivisionError, RecursionError):
        return None


def equal_values(left: Value, right: Value) -> bool | None:
    """Decide left = right; None = the normal form cannot tell."""
    try:
        worker = _Worker()
        difference = _plus(worker.times(left.top, right.bottom), worker.times(right.top, left.bottom), sign=-1)
    except TooLargeError:
        return None
    if not difference:
        return True
    return None if left.opaque or right.opaque else False


def proportional(left: Sum, right: Sum) -> Fraction | None:
    """Return the number f with left = f * right; None where there is none."""
    if not left or left.keys() != right.keys():
        return None
    first = next(iter(right))
    factor = left[first] / right[first]
    return factor if all(left[monomial] == factor * right[monomial] for monomial in right) else None


def sum_text(terms: Sum) -> str:
    """Return the text of a sum, terms in a fixed order."""
    return "+".join(_term_text(monomial, terms[monomial]) for monomial in sorted(terms, key=_monomial_order))


class _Worker:
    """One normal form in the making; counts its own work."""

    def __init__(self) -> None:
        self.work = 0
        self.opaque = False

    def value(self, node: Node) -> Value:
        top, bottom = self.ratio(node)
        return Value(top, bottom, self.opaque)

    def times(self, left: Sum, right: Sum) -> Sum:
        self.work += len(left) * len(right)
        if self.work > _MAX_WORK:
            raise TooLargeError
        if left == {_ONE: 1}:
            return right
        if right == {_ONE: 1}:
            return left
        product: Sum = {}
        for monomial, coefficient in left.items():
            for other, factor in right.items():
                scale, joined = _join(monomial, other)
                _check_size(scaled := coefficient * factor * scale)
                total = product.get(joined, 0) + scaled
                if total:
                    product[joined] = Fraction(total)
                else:
                    product.pop(joined, None)
        if len(product) > MAX_TERMS:
            raise TooLargeError
        return product

    def ratio(self, node: Node) -> tuple[Sum, Sum]:
        """Return numerator and denominator."""
        if isinstance(node, Number):
            _check_size(node.value)
            return _constant(node.value), _constant(Fraction(1))
        if isinstance(node, Name):
            if node.name == "oo":
                raise TooLargeError  # infinity is no number; structures compare it by its name
            return {((node.name, 1),): Fraction(1)}, _constant(Fraction(1))
        arguments = node.args
        match node.op:
            case "add":
                top, bottom = self.ratio(arguments[0])
                for part in arguments[1:]:
                    top, bottom = self._added(top, bottom, *self.ratio(part))
                return top, bottom
            case "mul":
                top, bottom = self.ratio(arguments[0])
                for part in arguments[1:]:
                    other_top, other_bottom = self.ratio(part)
                    top, bottom = self.reduced(self.times(top, other_top), self.times(bottom, other_bottom))
                return top, bottom
            case "neg":
                top, bottom = self.ratio(arguments[0])
                return {monomial: -coefficient for monomial, coefficient in top.items()}, bottom
            case "pow":
                return self._power(arguments[0], arguments[1])
            case "root":
                degree = _whole(arguments[1])
                if degree is None or not 2 <= degree <= _MAX_POWER:
                    return self._opaque(node)
                return self._fractional_power(*self.ratio(arguments[0]), Fraction(1, degree))
            case "abs":
                return self._absolute(node)
            case "factorial":
                size = _whole(arguments[0])
                if size is None or not 0 <= size <= _MAX_FACTORIAL:
                    return self._opaque(node)
                return _constant(Fraction(math.factorial(size))), _constant(Fraction(1))
            case _:
                return self._opaque(node)

    def _added(self, top: Sum, bottom: Sum, other_top: Sum, other_bottom: Sum) -> tuple[Sum, Sum]:
        if bottom == other_bottom:
            return self.reduced(_plus(top, other_top), bottom)
        return self.reduced(_plus(self.times(top, other_bottom), self.times(other_top, bottom)), self.times(bottom, other_bottom))

    def reduced(self, top: Sum, bottom: Sum) -> tuple[Sum, Sum]:
        """Return the quotient with a bottom of 1 where it is one term or holds roots only; else with a primitive bottom."""
        if not bottom:
            raise ZeroDivisionError
        if not top:
            return {}, _constant(Fraction(1))
        for _ in range(_MAX_RATIONALIZED_ROOTS):
            if len(bottom) == 1:
                break
            root = _square_root_atom(bottom)
            if root is None:
                break
            # (a + b r)(a - b r) holds no r.
            conjugate = {term: -factor if any(atom == root for atom, _ in term) else factor for term, factor in bottom.items()}
            top, bottom = self.times(top, conjugate), self.times(bottom, conjugate)
            if not bottom:
                raise ZeroDivisionError
        if len(bottom) == 1:
            ((monomial, coefficient),) = bottom.items()
            scale, inverse = _settled({atom: -exponent for atom, exponent in monomial})
            return self.times(top, {inverse: scale / coefficient}), _constant(Fraction(1))
        leading = bottom[min(bottom, key=_monomial_order)]
        if leading != 1:
            top = {term: factor / leading for term, factor in top.items()}
            bottom = {term: factor / leading for term, factor in bottom.items()}
        factor = proportional(top, bottom)
        return (top, bottom) if factor is None else (_constant(factor), _constant(Fraction(1)))

    def _power(self, base: Node, exponent: Node) -> tuple[Sum, Sum]:
        power = _rational(exponent)
        if power is None:
            exponent_value = self.ratio(exponent)
            if base == Name("e") and exponent_value[1] == {_ONE: 1} and (turn := _half_turns(exponent_value[0])) is not None:
                return turn, _constant(Fraction(1))
            exponent_key = Value(*exponent_value, opaque=False).key()
            base_key = Value(*self.ratio(base), opaque=False).key()
            self.opaque = True
            return {((f"pow[{base_key};{exponent_key}]", 1),): Fraction(1)}, _constant(Fraction(1))
        top, bottom = self.ratio(base)
        if power.denominator != 1:
            return self._fractional_power(top, bottom, power)
        return self._whole_power(top, bottom, int(power))

    def _whole_power(self, top: Sum, bottom: Sum, power: int) -> tuple[Sum, Sum]:
        if power < 0:
            if not top:
                raise ZeroDivisionError
            top, bottom, power = bottom, top, -power
        if not top:
            if power == 0:
                raise ZeroDivisionError  # 0^0
            return {}, _constant(Fraction(1))
        return self.reduced(self._raised(top, power), self._raised(bottom, power))

    def _raised(self, terms: Sum, power: int) -> Sum:
        if terms == {_ONE: 1} or power == 0:
            return _constant(Fraction(1))
        if len(terms) == 1:
            ((monomial, coefficient),) = terms.items()
            if coefficient not in (1, -1) and _bits(coefficient) * power > MAX_BITS:
                raise TooLargeError
            if power > 10**6:
                raise TooLargeError
            scale, clean = _settled({atom: _exponent(exponent * power) for atom, exponent in monomial})
            return {clean: coefficient**power * scale}
        if power > _MAX_POWER:
            raise TooLargeError
        result = _constant(Fraction(1))
        for _ in range(power):
            result = self.times(result, terms)
        return result

    def _fractional_power(self, top: Sum, bottom: Sum, power: Fraction) -> tuple[Sum, Sum]:
        if abs(power) > _MAX_POWER or power.denominator > _MAX_POWER:
            raise TooLargeError
        if power < 0:
            top, bottom, power = bottom, top, -power
            if not bottom:
                raise ZeroDivisionError
        return self.reduced(self._rooted(top, power), self._rooted(bottom, power))

    def _rooted(self, terms: Sum, power: Fraction) -> Sum:
        """Return a sum under a positive fractional exponent."""
        if not terms or terms == {_ONE: 1}:
            return dict(terms)
        content = _content(terms)
        primitive = {monomial: coefficient / content for monomial, coefficient in terms.items()}
        if len(primitive) == 1:
            ((monomial, sign),) = primitive.items()
            names = {atom: exponent for atom, exponent in monomial if not atom[0].isdigit()}
            primes = {atom: exponent for atom, exponent in monomial if atom[0].isdigit()}
            # The root of x^2 is |x|: only first powers of variables are taken apart. A root of a root is, too.
            if "i" not in names and all(exponent == 1 or (atom in ("pi", "e")) for atom, exponent in names.items()):
                atoms = {atom: _exponent(exponent * power) for atom, exponent in (names | primes).items()}
                factor = _root_of_rational(content, power)
                if sign < 0:
                    if power.denominator == 2:
                        factor = self.times(factor, {(("i", 1),): Fraction(1) if power.numerator % 4 == 1 else Fraction(-1)})
                    elif power.denominator % 2:
                        factor = {term: value * (-1) ** power.numerator for term, value in factor.items()}
                    else:
                        return self._nested(terms, power)
                scale, clean = _settled(atoms)
                return self.times(factor, {clean: Fraction(scale)})
            return self._nested(terms, power)
        self.opaque = True
        inside = {(("root" + f"[{sum_text(primitive)}]", _exponent(power)),): Fraction(1)}
        return self.times(_root_of_rational(content, power), inside)

    def _nested(self, terms: Sum, power: Fraction) -> Sum:
        self.opaque = True
        return {((f"root[{sum_text(terms)}]", _exponent(power)),): Fraction(1)}

    def _absolute(self, node: Apply) -> tuple[Sum, Sum]:
        top, bottom = self.ratio(node.args[0])
        if bottom == {_ONE: 1} and not top.keys() - {_ONE}:
            return _constant(abs(top.get(_ONE, Fraction(0)))), bottom
        return self._opaque(node)

    def _opaque(self, node: Apply) -> tuple[Sum, Sum]:
        """Return an atom named after the operator and the normal forms of its parts."""
        if node.op not in _SCALAR_FUNCTIONS:
            raise TooLargeError
        if node.op == "degrees":
            # On its own an angle in degrees is its number; the comparison with radians is made by the caller.
            return self.ratio(node.args[0])
        keys = [Value(*self.ratio(_in_radians(part)), opaque=False).key() for part in node.args]
        if node.op == "binomial" and all(key.isdigit() and len(key) < 4 for key in keys):
            return _constant(Fraction(math.comb(int(keys[0]), int(keys[1])))), _constant(Fraction(1))
        self.opaque = True
        return {((f"{node.op}[{';'.join(keys)}]", 1),): Fraction(1)}, _constant(Fraction(1))


_FUNCTION_NAMES = "root abs factorial binomial floor ceil mod log ln exp sin cos tan cot sec csc asin acos atan sinh cosh tanh degrees"
_SCALAR_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())


def _in_radians(node: Node) -> Node:
    """Return the argument of a function with an angle in degrees as its radians."""
    if isinstance(node, Apply) and node.op == "degrees":
        return Apply("mul", (node.args[0], Name("pi"), Number(Fraction(1, 180))))
    return node


def _constant(value: Fraction) -> Sum:
    return {_ONE: value} if value else {}


def _plus(left: Sum, right: Sum, *, sign: int = 1) -> Sum:
    total = dict(left)
    for monomial, coefficient in right.items():
        value = total.get(monomial, Fraction(0)) + sign * coefficient
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    if len(total) > MAX_TERMS:
        raise TooLargeError
    return total


def _join(left: Monomial, right: Monomial) -> tuple[Fraction, Monomial]:
    """Return the product of two monomials as a rational factor and a monomial."""
    if not left:
        return Fraction(1), right
    if not right:
        return Fraction(1), left
    exponents: dict[str, Exponent] = dict(left)
    for atom, exponent in right:
        exponents[atom] = exponents.get(atom, 0) + exponent
    return _settled(exponents)


def _settled(exponents: dict[str, Exponent]) -> tuple[Fraction, Monomial]:
    """Return factor and monomial with i below the second power and primes under exponents between 0 and 1."""
    scale = Fraction(1)
    settled: dict[str, Exponent] = {}
    for atom, raw in exponents.items():
        exponent = _exponent(raw)
        if atom == "i" and isinstance(exponent, int):
            scale *= -1 if exponent % 4 >= 2 else 1
            exponent %= 2
        elif atom[0].isdigit():
            whole = exponent if isinstance(exponent, int) else math.floor(exponent)
            if abs(whole) * int(atom).bit_length() > MAX_BITS:
                raise TooLargeError
            scale *= Fraction(int(atom)) ** whole
            exponent = _exponent(exponent - whole)
        if exponent:
            settled[atom] = exponent
    return scale, tuple(sorted(settled.items()))


def _exponent(value: Exponent) -> Exponent:
    return value if isinstance(value, int) else int(value) if value.denominator == 1 else value


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _check_size(value: Fraction) -> None:
    if _bits(value) > MAX_BITS:
        raise TooLargeError


def _content(terms: Sum) -> Fraction:
    """Return the positive rational that divides a sum and leaves whole coefficients without a common factor."""
    top = math.gcd(*(coefficient.numerator for coefficient in terms.values()))
    bottom = math.lcm(*(coefficient.denominator for coefficient in terms.values()))
    return Fraction(abs(top), bottom)


def _root_of_rational(value: Fraction, power: Fraction) -> Sum:
    """Return a positive rational under a positive exponent: a rational times roots of primes."""
    exponents: dict[str, Exponent] = {}
    for number, sign in ((value.numerator, 1), (value.denominator, -1)):
        for prime, count in _factors(number):
            exponents[str(prime)] = exponents.get(str(prime), 0) + sign * count * power
    scale, monomial = _settled(exponents)
    return {monomial: scale}


def _factors(number: int) -> Iterable[tuple[int, int]]:
    """Yield primes and their counts by trial division.

    Raises:
        TooLargeError: what is left after small primes may be composite.
    """
    _check_size(Fraction(number))
    for prime in _PRIMES:
        if number == 1:
            return
        count = 0
        while number % prime == 0:
            number //= prime
            count += 1
        if count:
            yield prime, count
    if number == 1:
        return
    if number < _TRIAL_LIMIT**2:
        yield number, 1
        return
    root = math.isqrt(number)
    if root * root == number and root < _TRIAL_LIMIT**2:
        yield root, 2
        return
    raise TooLargeError


_PRIMES = [number for number in range(2, _TRIAL_LIMIT) if all(number % divisor for divisor in range(2, math.isqrt(number) + 1))]


def _square_root_atom(terms: Sum) -> str | None:
    """Return i or the largest prime under a square root where a sum holds no other kind of root of it and no opaque atom."""
    atoms: set[str] = set()
    for term in terms:
        for atom, exponent in term:
            if atom == "i" or (atom[0].isdigit() and exponent == Fraction(1, 2)):
                atoms.add(atom)
            elif atom[0].isdigit():
                return None
    return max(atoms, key=lambda atom: (atom != "i", len(atom), atom), default=None)


def _half_turns(exponent: Sum) -> Sum | None:
    """Return e to the power i pi q for the multiples of a quarter turn; None for other exponents."""
    if set(exponent) != {(("i", 1), ("pi", 1))}:
        return None
    turns = 2 * next(iter(exponent.values()))
    if turns.denominator != 1:
        return None
    sign = Fraction(-1) if turns.numerator % 4 >= 2 else Fraction(1)
    return {(("i", 1),) if turns.numerator % 2 else _ONE: sign}


def _whole(node: Node) -> int | None:
    value = _rational(node)
    return int(value) if value is not None and value.denominator == 1 else None


def _rational(node: Node) -> Fraction | None:
    """Return the rational that an exponent or degree says in digits."""
    match node:
        case Number(value=value):
            return value
        case Apply(op="neg", args=(part,)):
            value = _rational(part)
            return None if value is None else -value
        case Apply(op="mul", args=(Number(value=top), Apply(op="pow", args=(Number(value=bottom), Number(value=power))))):
            return top / bottom if power == -1 and bottom else None
        case _:
            return None


def _monomial_order(monomial: Monomial) -> tuple[int, Monomial]:
    return -len(monomial), monomial


def _term_text(monomial: Monomial, coefficient: Fraction) -> str:
    if not monomial:
        return str(coefficient)
    product = "*".join(_power_text(atom, exponent) for atom, exponent in monomial)
    return product if coefficient == 1 else f"-{product}" if coefficient == -1 else f"{coefficient}*{product}"


def _power_text(atom: str, exponent: Exponent) -> str:
    if exponent == 1:
        return atom
    return f"{atom}^{exponent}" if isinstance(exponent, int) else f"{atom}^({exponent})"
