"""The symbolic tier: what is equal is proved equal, what is not is told apart, and neither is ever guessed."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from reasonforge.verify.points import sample_points
from reasonforge.verify.symbolic import MAX_DEPTH, MAX_NODES, equal
from reasonforge.verify.tree import Apply, Name, Node, Number
from tests.verify.formulas import Expression, Formula, Trees, apply, power_of_sum, to_node, tree, value

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


ALMOST: list[tuple[str, Formula, Formula]] = [
    ("a sign", lambda m: m.abs(m.x), lambda m: m.x),
    ("a root of a square", lambda m: m.root(m.x**6, 6), lambda m: m.x),
    ("a power with a half in it", lambda m: (m.x**2) ** m.rational(3, 2), lambda m: m.x**3),
    ("a logarithm of a product", lambda m: m.ln(m.x * m.y), lambda m: m.ln(m.x) + m.ln(m.y)),
    ("a root of a product", lambda m: m.sqrt(m.x * m.y), lambda m: m.sqrt(m.x) * m.sqrt(m.y)),
    ("a root of a quotient", lambda m: m.sqrt(m.x / m.y), lambda m: m.sqrt(m.x) / m.sqrt(m.y)),
    ("roots of negative numbers", lambda m: m.sqrt(-2) * m.sqrt(-3), lambda m: m.sqrt(6)),
    ("a logarithm of a negative number", lambda m: m.ln(-1) + m.ln(-1), lambda m: m.ln(1)),
    ("a logarithm of an exponential", lambda m: m.ln(m.exp(m.i * m.x)), lambda m: m.i * m.x),
    ("an arc of a sine", lambda m: m.asin(m.sin(m.x)), lambda m: m.x),
    ("an arc of a cosine", lambda m: m.acos(m.cos(m.x)), lambda m: m.x),
    ("an arc of a tangent", lambda m: m.atan(m.tan(m.x)), lambda m: m.x),
    ("a step", lambda m: m.floor(m.x), lambda m: m.x),
    ("a step downwards", lambda m: m.ceil(m.x), lambda m: m.floor(m.x) + 1),
    ("an even power of a real exponent", lambda m: (-1) ** (2 * m.n + 0 * m.x), lambda m: m.rational(1, 1)),
    ("the principal root", lambda m: m.rational(-4, 1) ** m.rational(1, 4), lambda m: m.sqrt(2)),
    ("an exponent of an exponent", lambda m: m.x ** (m.x**2), lambda m: (m.x**m.x) ** 2),
]


@pytest.mark.parametrize(("left", "right"), [row[1:] for row in ALMOST], ids=[row[0] for row in ALMOST])
def test_what_is_equal_for_some_values_only_is_not_equal(left: Formula, right: Formula) -> None:
    assert equal(tree(left), tree(right)) is not True
    assert equal(tree(right), tree(left)) is not True


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
    ("0^0 and 0", tree(lambda m: m.rational(0, 1) ** 0), tree(lambda m: m.rational(0, 1))),
    ("0^0 and 1", tree(lambda m: m.rational(0, 1) ** 0), tree(lambda m: m.rational(1, 1))),
    ("0^x", tree(lambda m: 0**m.x), tree(lambda m: m.rational(0, 1))),
    ("1/(1/0)", tree(lambda m: 1 / (1 / m.rational(0, 1))), tree(lambda m: m.rational(0, 1))),
    ("0 times 1/0", tree(lambda m: 0 * m.rational(0, 1) ** -1), tree(lambda m: m.rational(0, 1))),
    ("1/(x-x)", tree(lambda m: 1 / (m.x - m.x)), tree(lambda m: 1 / (m.y - m.y))),
    ("0/(x-x)", tree(lambda m: 0 / (m.x - m.x)), tree(lambda m: m.rational(0, 1))),
    ("tan 90 degrees", tree(lambda m: m.tan(m.degrees(90))), tree(lambda m: m.tan(m.degrees(270)))),
    ("1/tan 90 degrees", tree(lambda m: 1 / m.tan(m.pi / 2)), tree(lambda m: m.rational(0, 1))),
    ("ln 0", tree(lambda m: m.ln(0)), tree(lambda m: 2 * m.ln(0))),
    ("(-1)!", tree(lambda m: m.factorial(-1)), tree(lambda m: m.factorial(-2))),
    ("oo - oo", tree(lambda m: m.oo - m.oo), tree(lambda m: m.rational(0, 1))),
    ("1/oo", tree(lambda m: 1 / m.oo), tree(lambda m: m.rational(0, 1))),
    ("powers of powers", tree(lambda m: ((m.sqrt(2) ** 1999) ** 1999) ** 1999), tree(lambda m: m.sqrt(2))),
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


def identity(draw: random.Random) -> tuple[Formula, Formula]:
    """Draw an identity by hand-made rules: two ways to write one thing, with random parts."""
    f, g, h = (random_part(draw) for _ in range(3))
    small, other = draw.sample(range(2, 12), 2)
    rules: list[tuple[Formula, Formula]] = [
        (lambda m: f(m) * (g(m) + h(m)), lambda m: h(m) * f(m) + f(m) * g(m)),
        (lambda m: (f(m) + g(m)) ** 2, lambda m: g(m) ** 2 + 2 * f(m) * g(m) + f(m) ** 2),
        (lambda m: f(m) ** 2 - g(m) ** 2, lambda m: (f(m) - g(m)) * (g(m) + f(m))),
        (lambda m: f(m) ** 3 - g(m) ** 3, lambda m: (f(m) - g(m)) * (f(m) ** 2 + f(m) * g(m) + g(m) ** 2)),
        (lambda m: f(m) / m.sqrt(small), lambda m: f(m) * m.sqrt(small) / small),
        (lambda m: f(m) / (m.sqrt(small) + m.sqrt(other)), lambda m: f(m) * (m.sqrt(small) - m.sqrt(other)) / (small - other)),
        (lambda m: f(m) / (m.x**2 + small) + g(m), lambda m: (f(m) + g(m) * (m.x**2 + small)) / (small + m.x**2)),
        (lambda m: m.sin(2 * f(m)), lambda m: 2 * m.cos(f(m)) * m.sin(f(m))),
        (lambda m: m.cos(2 * f(m)), lambda m: 1 - 2 * m.sin(f(m)) ** 2),
        (lambda m: m.sin(f(m) + g(m)), lambda m: m.sin(f(m)) * m.cos(g(m)) + m.sin(g(m)) * m.cos(f(m))),
        (lambda m: g(m) * m.cos(f(m)) ** 2, lambda m: g(m) - g(m) * m.sin(f(m)) ** 2),
        (lambda m: m.exp(f(m) + g(m)), lambda m: m.exp(g(m)) * m.exp(f(m))),
        (lambda m: f(m) * m.ln(small * other), lambda m: f(m) * m.ln(small) + f(m) * m.ln(other)),
        (lambda m: g(m) + m.ln(small**3), lambda m: 3 * m.ln(small) + g(m)),
        (lambda m: m.sqrt(f(m) ** 2) + g(m), lambda m: g(m) + m.abs(f(m))),
        (lambda m: small ** (m.n + 2) * f(m), lambda m: f(m) * small**2 * small**m.n),
    ]
    return draw.choice(rules)


def random_part(draw: random.Random, depth: int = 2) -> Formula:
    if depth == 0 or draw.random() < 0.3:
        top, bottom = draw.randint(1, 9), draw.randint(1, 4)
        leaves: list[Formula] = [lambda m: m.x, lambda m: m.y, lambda m: m.rational(top, bottom), lambda m: top * m.x]
        return draw.choice(leaves)
    f, g = random_part(draw, depth - 1), random_part(draw, depth - 1)
    whole = draw.randint(2, 5)
    return draw.choice([lambda m: f(m) + g(m), lambda m: f(m) - whole * g(m), lambda m: f(m) * g(m), lambda m: f(m) + whole])


def of_both(draw: random.Random) -> tuple[Formula, Formula]:
    (left, right), (more_left, more_right) = identity(draw), identity(draw)
    return (lambda m: left(m) + more_left(m)), (lambda m: more_right(m) + right(m))


SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_identity_is_proved(seed: int) -> None:
    left, right = identity(random.Random(seed))
    for point in POINTS:
        assert value(left, point) == pytest.approx(value(right, point), rel=1e-7, abs=1e-7)
    assert equal(tree(left), tree(right)) is True


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_identity_with_a_small_flaw_is_refuted(seed: int) -> None:
    draw = random.Random(1_000 + seed)
    left, right = identity(draw)
    share = m.rational(1, draw.randint(10, 10**6))
    flawed = draw.choice([tree(right), tree(lambda m: 2 * right(m))])
    flawed = draw.choice([apply("add", Expression(flawed), share), apply("mul", Expression(flawed), 1 + share)]).node
    assert equal(tree(left), flawed) is False
    assert equal(flawed, tree(left)) is False


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sum_of_two_random_identities_is_never_refuted(seed: int) -> None:
    left, right = of_both(random.Random(2_000 + seed))
    assert equal(tree(left), tree(right)) is not False


def mistake(draw: random.Random) -> tuple[Formula, Formula]:
    """Draw what people and models write for equal; by luck it may be (a zero, a part that is never negative)."""
    f, g = random_part(draw), random_part(draw)
    rules: list[tuple[Formula, Formula]] = [
        (lambda m: (f(m) + g(m)) ** 2, lambda m: f(m) ** 2 + g(m) ** 2),
        (lambda m: m.sqrt(f(m) ** 2 + g(m) ** 2), lambda m: m.abs(f(m)) + m.abs(g(m))),
        (lambda m: m.sqrt(f(m) ** 2), f),
        (lambda m: m.abs(f(m) + g(m)), lambda m: m.abs(f(m)) + m.abs(g(m))),
        (lambda m: m.abs(f(m)) * m.abs(g(m)), lambda m: f(m) * g(m)),
        (lambda m: 1 / (f(m) ** 2 + 1 + g(m) ** 2), lambda m: 1 / (f(m) ** 2 + 1) + 1 / (g(m) ** 2 + 1)),
        (lambda m: m.sin(f(m) + g(m)), lambda m: m.sin(f(m)) + m.sin(g(m))),
        (lambda m: m.sin(f(m)) ** 2 + m.cos(g(m)) ** 2, lambda m: m.rational(1, 1)),
        (lambda m: m.exp(f(m) * g(m)), lambda m: m.exp(f(m)) * m.exp(g(m))),
        (lambda m: m.ln(f(m) ** 2), lambda m: 2 * m.ln(f(m))),
        (lambda m: (f(m) - g(m)) ** 3, lambda m: (g(m) - f(m)) ** 3),
        (lambda m: m.asin(m.sin(f(m))), f),
    ]
    return draw.choice(rules)


def same_value(left: Formula, right: Formula, point: dict[str, float]) -> bool:
    try:
        return value(left, point) == pytest.approx(value(right, point), rel=1e-7, abs=1e-7)
    except (ValueError, OverflowError, ZeroDivisionError):
        return True  # no value to compare


@pytest.mark.parametrize("seed", range(80))
def test_a_random_mistake_passes_only_where_its_values_agree(seed: int) -> None:
    left, right = mistake(random.Random(3_000 + seed))
    if not all(same_value(left, right, point) for point in POINTS):
        assert equal(tree(left), tree(right)) is not True
    elif equal(tree(left), tree(right)) is True:
        assert same_value(left, right, {"x": -4.1, "y": 5.3})


def test_a_small_power_of_a_sum_is_expanded() -> None:
    assert equal(power_of_sum(2, names="abc"), power_of_sum(2, names="abc", expanded=True)) is True
