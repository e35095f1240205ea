"""The symbolic tier: what is equal is proved equal, what is not is told apart, and neither is ever guessed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from reasonforge.verify.points import sample_points
from reasonforge.verify.symbolic import MAX_DEPTH, MAX_NODES, equal
from reasonforge.verify.tree import Apply, Name, Node, Number
from tests.verify.formulas import Formula, Trees, apply, power_of_sum, to_node, tree, value

POINTS = [{"x": 0.7, "y": 1.9, "n": 3.3, "k": 1.4}, {"x": -1.3, "y": 0.6, "n": 5.1, "k": 2.2}, {"x": 2.6, "y": -0.8, "n": 4.7, "k": 0.9}]
m = Trees()


def exact(value: Fraction | int) -> Any:
    return m.rational(Fraction(value).numerator, Fraction(value).denominator)


TRUE: list[tuple[Formula, Formula]] = [
    (lambda m: m.sqrt(8), lambda m: 2 * m.sqrt(2)),
    (lambda m: 1 / (1 + m.sqrt(2)), lambda m: m.sqrt(2) - 1),
    (lambda m: m.sqrt(3 + 2 * m.sqrt(2)), lambda m: 1 + m.sqrt(2)),
    (lambda m: m.sqrt(5 + 2 * m.sqrt(6)), lambda m: m.sqrt(2) + m.sqrt(3)),
    (lambda m: m.root(2 + m.sqrt(5), 3) + m.root(2 - m.sqrt(5), 3), lambda m: m.rational(1, 1)),
    (lambda m: m.root(-8, 3), lambda m: m.rational(-2, 1)),
    (lambda m: m.root(m.x**3, 3), lambda m: m.x),
    (lambda m: m.sqrt(m.x**2), lambda m: m.abs(m.x)),
    (lambda m: (m.x + m.y) ** 2, lambda m: m.x**2 + 2 * m.x * m.y + m.y**2),
    (lambda m: (m.x**2 - 1) / (m.x - 1), lambda m: m.x + 1),
    (lambda m: 1 / m.x + 1 / m.y, lambda m: (m.x + m.y) / (m.x * m.y)),
    (lambda m: m.sin(m.x) ** 2 + m.cos(m.x) ** 2, lambda m: m.rational(1, 1)),
    (lambda m: m.sin(2 * m.x), lambda m: 2 * m.sin(m.x) * m.cos(m.x)),
    (lambda m: m.sin(m.x) ** 4 + m.cos(m.x) ** 4, lambda m: (3 + m.cos(4 * m.x)) / 4),
    (lambda m: m.tan(m.x), lambda m: m.sin(m.x) / m.cos(m.x)),
    (lambda m: m.sec(m.x) ** 2, lambda m: 1 + m.tan(m.x) ** 2),
    (lambda m: m.csc(m.x) ** 2, lambda m: 1 + m.cot(m.x) ** 2),
    (lambda m: m.cosh(m.x) ** 2 - m.sinh(m.x) ** 2, lambda m: m.rational(1, 1)),
    (lambda m: m.cos(m.pi / 7) * m.cos(2 * m.pi / 7) * m.cos(3 * m.pi / 7), lambda m: m.rational(1, 8)),
    (lambda m: m.cos(m.pi / 5), lambda m: (1 + m.sqrt(5)) / 4),
    (lambda m: m.sin(m.degrees(75)), lambda m: (m.sqrt(6) + m.sqrt(2)) / 4),
    (lambda m: m.atan(1), lambda m: m.pi / 4),
    (lambda m: m.atan(m.rational(1, 2)) + m.atan(m.rational(1, 3)), lambda m: m.pi / 4),
    (lambda m: 4 * m.atan(m.rational(1, 5)) - m.atan(m.rational(1, 239)), lambda m: m.pi / 4),
    (lambda m: m.ln(6), lambda m: m.ln(2) + m.ln(3)),
    (lambda m: m.log(8, 2), lambda m: m.rational(3, 1)),
    (lambda m: m.log(9, 4), lambda m: m.log(3, 2)),
    (lambda m: m.exp(m.x) * m.exp(m.y), lambda m: m.e ** (m.x + m.y)),
    (lambda m: m.e ** (m.i * m.pi), lambda m: m.rational(-1, 1)),
    (lambda m: (1 + m.i) ** 8, lambda m: m.rational(16, 1)),
    (lambda m: 1 / (2 + m.i), lambda m: (2 - m.i) / 5),
    (lambda m: m.factorial(m.n + 1), lambda m: (m.n + 1) * m.factorial(m.n)),
    (lambda m: m.binomial(m.n, 2), lambda m: m.n * (m.n - 1) / 2),
    (lambda m: 2 ** (m.n + 1), lambda m: 2 * 2**m.n),
    (lambda m: 4**m.n, lambda m: 2 ** (2 * m.n)),
]

FALSE: list[tuple[Formula, Formula]] = [
    (lambda m: m.sqrt(2) + m.sqrt(3), lambda m: m.sqrt(5)),
    (lambda m: m.sqrt(m.x**2), lambda m: m.x),
    (lambda m: m.sqrt(m.x + m.y), lambda m: m.sqrt(m.x) + m.sqrt(m.y)),
    (lambda m: (m.x + m.y) ** 2, lambda m: m.x**2 + m.y**2),
    (lambda m: m.sin(2 * m.x), lambda m: 2 * m.sin(m.x)),
    (lambda m: m.ln(m.x + m.y), lambda m: m.ln(m.x) + m.ln(m.y)),
    (lambda m: m.ln(m.x**2), lambda m: 2 * m.ln(m.x)),
    (lambda m: m.x**m.y, lambda m: m.y**m.x),
    (lambda m: m.x * m.y, lambda m: m.x + m.y),
    (lambda m: 2 * m.pi, lambda m: m.rational(44, 7)),
    (lambda m: m.e**m.pi - m.pi, lambda m: m.rational(20, 1)),
    (lambda m: m.atan(2) + m.atan(3), lambda m: -m.pi / 4),
    (lambda m: m.cos(m.pi / 7), lambda m: m.rational(9, 10)),
    (lambda m: (1 + m.i) ** 7, lambda m: 8 + 8 * m.i),
    (lambda m: m.binomial(m.n, 2), lambda m: m.n * (m.n + 1) / 2),
    (lambda m: m.x, lambda m: m.y),
    (lambda m: m.x, lambda m: m.rational(1, 1)),
]


@pytest.mark.parametrize(("left", "right"), TRUE)
def test_an_identity_is_proved(left: Formula, right: Formula) -> None:
    assert equal(tree(left), tree(right)) is True
    assert equal(tree(right), tree(left)) is True


@pytest.mark.parametrize(("left", "right"), TRUE)
def test_each_true_row_agrees_in_plain_complex_numbers(left: Formula, right: Formula) -> None:
    for point in POINTS:
        assert value(left, point) == pytest.approx(value(right, point), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("left", "right"), FALSE)
def test_a_false_identity_is_refuted(left: Formula, right: Formula) -> None:
    assert equal(tree(left), tree(right)) is False
    assert equal(tree(right), tree(left)) is False


@pytest.mark.parametrize(("left", "right"), FALSE)
def test_each_false_row_differs_in_plain_complex_numbers(left: Formula, right: Formula) -> None:
    assert any(abs(value(left, point) - value(right, point)) > 1e-6 for point in POINTS)


@pytest.mark.parametrize("digits", [20, 60, 110])
def test_pi_is_not_its_first_digits(digits: int) -> None:
    first = "31415926535897932384626433832795028841971693993751058209749445923078164062862089986280348253421170679821480865132823"
    assert equal(Name("pi"), Number(Fraction(int(first[: digits + 1]), 10**digits))) is False


@pytest.mark.parametrize("zeros", [30, 400])
def test_a_tiny_term_makes_a_difference(zeros: int) -> None:
    tiny = exact(Fraction(1, 10**zeros))
    assert equal(tree(lambda m: m.sin(m.x) ** 2 + m.cos(m.x) ** 2), tree(lambda m: 1 + tiny)) is False
    assert equal(tree(lambda m: m.sqrt(2)), tree(lambda m: m.sqrt(2) + tiny)) is False


def test_a_term_smaller_than_a_thousand_digits_is_never_taken_for_zero() -> None:
    assert equal(tree(lambda m: m.sqrt(2) + m.exp(exact(-3000))), tree(lambda m: m.sqrt(2))) is not True


def test_polynomials_that_agree_at_the_points_of_comparison_are_still_told_apart() -> None:
    product = exact(1)
    for point in sample_points(["x"]):
        product = product * (m.x - exact(point["x"]))
    assert equal(tree(lambda m: m.x + product), Name("x")) is not True


HEAVY: list[tuple[Node, Node, bool]] = [
    (tree(lambda m: m.sum(m.k**2, m.k, 1, m.n)), tree(lambda m: m.n * (m.n + 1) * (2 * m.n + 1) / 6), True),
    (tree(lambda m: m.sum(1 / m.k**2, m.k, 1, m.oo)), tree(lambda m: m.pi**2 / 6), True),
    (tree(lambda m: m.sum(1 / m.k**2, m.k, 1, m.oo)), tree(lambda m: m.pi**2 / 7), False),
    (tree(lambda m: m.product(m.k, m.k, 1, 6)), tree(lambda m: m.rational(720, 1)), True),
    (tree(lambda m: m.integral(m.x**2, m.x, 0, 1)), tree(lambda m: m.rational(1, 3)), True),
    (tree(lambda m: m.integral(1 / (1 + m.x**2), m.x, 0, 1)), tree(lambda m: m.pi / 4), True),
    (tree(lambda m: m.integral(1 / (1 + m.x**2), m.x, 0, 1)), tree(lambda m: m.pi / 5), False),
    (tree(lambda m: m.limit(m.sin(m.x) / m.x, m.x, 0)), tree(lambda m: m.rational(1, 1)), True),
]


@pytest.mark.parametrize(("left", "right", "truth"), HEAVY)
def test_sums_products_integrals_and_limits_are_worked_out(left: Node, right: Node, truth: bool) -> None:
    assert equal(left, right) is truth


def test_infinity_equals_only_itself() -> None:
    oo = Name("oo")
    assert equal(oo, Name("oo")) is True
    assert equal(oo, Apply("neg", (oo,))) is False
    assert equal(oo, to_node(5)) is False


UNDECIDABLE: list[tuple[str, Node, Node]] = [
    ("tower", tree(lambda m: apply("pow", 9, apply("pow", 9, apply("pow", 9, 9)))), tree(lambda m: m.rational(1, 1))),
    ("factorial of a factorial", tree(lambda m: m.factorial(m.factorial(m.factorial(9)))), tree(lambda m: m.rational(1, 1))),
    ("0/0", tree(lambda m: (m.x - m.x) / (m.y - m.y)), tree(lambda m: m.rational(1, 1))),
    ("1/0", tree(lambda m: 1 / m.rational(0, 1)), tree(lambda m: m.rational(1, 1))),
    ("0^0", tree(lambda m: m.rational(0, 1) ** 0), tree(lambda m: m.rational(0, 1))),
    ("unknown operator", tree(lambda m: apply("frobnicate", 1)), tree(lambda m: m.rational(1, 1))),
]


@pytest.mark.parametrize(("left", "right"), [row[1:] for row in UNDECIDABLE], ids=[row[0] for row in UNDECIDABLE])
def test_what_has_no_value_that_can_be_computed_is_never_equal_to_a_number(left: Node, right: Node) -> None:
    assert equal(left, right) is not True


def test_huge_powers_are_told_apart_without_being_written_out() -> None:
    tower = [apply("pow", 2, apply("pow", 2, exponent)).node for exponent in (40, 41)]
    assert equal(*tower) is False


def test_trees_beyond_the_limits_are_not_judged() -> None:
    deep: Node = Name("x")
    for _ in range(MAX_DEPTH + 1):
        deep = Apply("root", (deep, to_node(2)))
    wide = Apply("add", (Name("x"),) * MAX_NODES)
    assert equal(deep, Name("x")) is None
    assert equal(wide, Name("x")) is None


def test_a_small_power_of_a_sum_is_expanded() -> None:
    assert equal(power_of_sum(2, names="abc"), power_of_sum(2, names="abc", expanded=True)) is True
