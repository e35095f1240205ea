"""Normal forms: equal exactly when the values are, bounded, and never wrong about what they decide."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reasonforge.verify.algebra import equal_values, normal_form
from reasonforge.verify.approximate import approximate
from reasonforge.verify.latex import parse_answer
from reasonforge.verify.tree import Apply, Name, Node, Number


def decide(left: str, right: str) -> bool | None:
    trees = parse_answer(left), parse_answer(right)
    assert trees[0] is not None
    assert trees[1] is not None
    forms = normal_form(trees[0]), normal_form(trees[1])
    return equal_values(forms[0], forms[1]) if forms[0] and forms[1] else None


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("\\sqrt{12}", "2\\sqrt{3}", True), ("\\sqrt{12}", "3\\sqrt{2}", False), ("\\sqrt2\\sqrt3", "\\sqrt6", True),
        ("\\sqrt2+\\sqrt3", "\\sqrt5", False),
        ("\\frac{1}{\\sqrt2+\\sqrt3+\\sqrt5}", "\\frac{2\\sqrt3+3\\sqrt2-\\sqrt{30}}{12}", True),
        ("(1+\\sqrt2)^2", "3+2\\sqrt2", True), ("\\sqrt[3]{16}", "2\\sqrt[3]{2}", True),
        ("\\sqrt[3]{-8}", "-2", True), ("\\sqrt{-4}", "2i", True), ("i^3", "-i", True), ("\\frac{1}{1+i}", "\\frac{1-i}{2}", True),
        ("(1+i)^{10}", "32i", True), ("e^{i\\pi}", "-1", True),
        ("\\pi^2", "\\pi\\cdot\\pi", True), ("\\pi", "\\frac{22}{7}", False), ("\\pi", "e", False),
        ("\\frac{x^2-1}{x-1}", "x+1", True), ("\\frac{1}{x}+\\frac{1}{y}", "\\frac{x+y}{xy}", True),
        ("(x+y)^3", "x^3+3x^2y+3xy^2+y^3", True), ("(x+y)^3", "x^3+y^3", False), ("\\sqrt{4x}", "2\\sqrt{x}", True),
        ("x^{3/2}", "x\\sqrt{x}", True), ("\\sqrt{x^2}", "x", None), ("2^{x+1}", "2\\cdot 2^x", None),
        ("\\sin x", "\\sin(x)", True), ("\\sin 30^\\circ", "\\sin\\frac{\\pi}{6}", True), ("\\sin 30^\\circ", "\\sin 30", None),
        ("\\sqrt{3+2\\sqrt2}", "1+\\sqrt2", None), ("2^{2005}", "2\\cdot2^{2004}", True), ("2^{2005}", "97", False),
        ("10!", "3628800", True), ("\\binom{6}{2}", "15", True), ("9^{9^{9}}", "1", None), ("0.1+0.2", "0.3", True), ("x^0", "1", True),
    ],
)  # fmt: skip
def test_the_normal_form_decides_or_says_that_it_cannot(left: str, right: str, expected: bool | None) -> None:
    assert decide(left, right) is expected
    assert decide(right, left) is expected


LEAVES = st.one_of(
    st.integers(-6, 6).map(lambda value: Number(Fraction(value))),
    st.fractions(min_value=-4, max_value=4, max_denominator=6).map(Number),
    st.sampled_from([Name("x"), Name("y"), Name("pi"), Name("i")]),
    st.sampled_from([2, 3, 6, 8, 12]).map(lambda value: Apply("root", (Number(Fraction(value)), Number(Fraction(2))))),
)
EXPRESSIONS: st.SearchStrategy[Node] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda parts: Apply("add", parts)),
        st.tuples(inner, inner).map(lambda parts: Apply("mul", parts)),
        inner.map(lambda part: Apply("neg", (part,))),
        st.tuples(inner, st.integers(-2, 3).map(lambda power: Number(Fraction(power)))).map(lambda parts: Apply("pow", parts)),
    ),
    max_leaves=8,
)
POINT = {"x": 0.7310585786, "y": 1.9106332362}


@given(EXPRESSIONS, EXPRESSIONS)
def test_what_is_decided_agrees_with_floating_point(left: Node, right: Node) -> None:
    forms = normal_form(left), normal_form(right)
    values = approximate(left, POINT), approximate(right, POINT)
    assume(None not in forms and None not in values)
    assert forms[0] is not None
    assert forms[1] is not None
    assert values[0] is not None
    assert values[1] is not None
    near = abs(values[0] - values[1]) <= 1e-9 * max(1.0, abs(values[0]), abs(values[1]))
    decided = equal_values(forms[0], forms[1])
    if decided:
        assert near
    elif decided is False and not near:
        assert forms[0].key() != forms[1].key()


@given(EXPRESSIONS)
def test_a_value_minus_itself_is_zero_and_over_itself_is_one(node: Node) -> None:
    value = normal_form(node)
    assume(value is not None and value.top)
    difference = normal_form(Apply("add", (node, Apply("neg", (node,)))))
    quotient = normal_form(Apply("mul", (node, Apply("pow", (node, Number(Fraction(-1)))))))
    assert difference is None or difference.key() == "0"
    one = normal_form(Number(Fraction(1)))
    assert quotient is None or one is None or equal_values(quotient, one)


@pytest.mark.parametrize(
    "text",
    ["(a+b+c+d+e+f+g+h)^{30}", "((a+b+c+d)^{20}+1)^{20}",
     "\\frac{1}{\\sqrt2+\\sqrt3+\\sqrt5+\\sqrt7+\\sqrt{11}+\\sqrt{13}+\\sqrt{17}}", "9^{9^{9}}", "200!^{200}", "1.0001^{10^{12}}",
     "\\binom{999}{500}",
     "\\sqrt{" + "9" * 300 + "}", "2^{2^{40}}", "((9!)!)!", "(x+1)^{64}(y+1)^{64}", "3^{100000}", "\\frac{1}{3^{100000}}", "(1/2)^{99999}"],
)  # fmt: skip
def test_nothing_is_computed_beyond_the_limits(text: str) -> None:
    node = parse_answer(text)
    assert node is not None
    start = time.process_time()
    normal_form(node)
    assert time.process_time() - start < 1.0
