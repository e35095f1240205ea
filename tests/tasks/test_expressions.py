"""Reading, evaluating and writing expressions: round trips, a second evaluator, bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.tasks.expressions import (
    MAX_DEPTH,
    Expression,
    ExpressionError,
    Operation,
    evaluate,
    numbers_in,
    parse_expression,
    write,
)

from .arithmetic_oracle import exact_value

trees = st.recursive(
    st.integers(0, 99),
    lambda inner: st.builds(Operation, st.sampled_from("+-*/"), inner, inner),
    max_leaves=10,
)


@given(trees)
def test_what_is_written_reads_back_as_the_same_tree(tree: Expression) -> None:
    assert parse_expression(write(tree)) == tree


@given(trees)
def test_values_equal_a_second_evaluation(tree: Expression) -> None:
    value = evaluate(tree)
    try:
        assert exact_value(write(tree)) == value
    except ZeroDivisionError:
        assert value is None


@given(st.text(alphabet="0123456789+-*/() x\\frac{}", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = parse_expression(text)
    except ExpressionError:
        return
    assert parse_expression(write(expression)) is not None
    assert all(isinstance(number, int) for number in numbers_in(expression))


@pytest.mark.parametrize(
    ("text", "value"),
    [("-3", -3), ("2*-3", -6), ("-(1+2)", -3), ("--3", 3), ("2-(-3)", 5), ("8/2/2", 2), ("8-2-2", 4), ("2+3*4", 14), ("６÷３", 2)],
)
def test_precedence_and_signs(text: str, value: int) -> None:
    assert evaluate(parse_expression(text)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a number is missing"),
        ("1+", "a number is missing"),
        ("(1", r"\) is missing"),
        ("1)", "not expected"),
        ("1 2", "not expected"),
        ("2**3", "not expected"),
        ("*2", "not expected"),
        ("1.5", "no arithmetic"),
        ("a", "no arithmetic"),
        ("1;2", "no arithmetic"),
        ("1234567890", "number of 10 digits"),
        ("(" * (MAX_DEPTH + 2) + "1" + ")" * (MAX_DEPTH + 2), "deep"),
        ("-" * 60 + "1", "too many signs"),
        ("1+" * 60 + "1", "more than"),
        ("1" * 400, "400 characters"),
        ("\\frac12", "{ is missing"),
        ("²", "no arithmetic"),
    ],
)
def test_refusals_say_why(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        parse_expression(text)
