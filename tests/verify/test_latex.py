"""What the parser reads, what it refuses, and that it is bounded."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.verify.latex import parse_answer, parse_with_unit
from reasonforge.verify.tokens import MAX_CHARS
from reasonforge.verify.tree import Apply, Name, Node, Number, from_lists, to_lists


def n(value: int | str) -> Number:
    return Number(Fraction(value))


X, Y = Name("x"), Name("y")
TREES: dict[str, Node] = {
    "5": n(5),
    "0.5": Number(Fraction(1, 2), is_decimal=True),
    "\\frac12": n("1/2"),
    "\\frac{3}{4}": n("3/4"),
    "2\\frac{1}{3}": n("7/3"),
    "0.\\overline{3}": n("1/3"),
    "1.2\\overline{3}": n("37/30"),
    "12,\\!345": n(12345),
    "x": X,
    "x+y": Apply("add", (X, Y)),
    "x-y": Apply("add", (X, Apply("neg", (Y,)))),
    "xy": Apply("mul", (X, Y)),
    "xy^2": Apply("mul", (X, Apply("pow", (Y, n(2))))),
    "AB": Name("AB"),
    "x_1": Name("x_1"),
    "x^2": Apply("pow", (X, n(2))),
    "x^{-2}": Apply("pow", (X, n(-2))),
    "x²": Apply("pow", (X, n(2))),
    "2^3^2": Apply("pow", (n(2), Apply("pow", (n(3), n(2))))),
    "\\sqrt2": Apply("root", (n(2), n(2))),
    "√10": Apply("root", (n(10), n(2))),
    "\\sqrt[3]{x}": Apply("root", (X, n(3))),
    "|x|": Apply("abs", (X,)),
    "5!": Apply("factorial", (n(5),)),
    "\\binom{5}{2}": Apply("binomial", (n(5), n(2))),
    "\\log_2 8": Apply("log", (n(8), n(2))),
    "\\sin^{-1} x": Apply("asin", (X,)),
    "\\sin^2 x": Apply("pow", (Apply("sin", (X,)), n(2))),
    "\\sin 2x": Apply("sin", (Apply("mul", (n(2), X)),)),
    "90^\\circ": Apply("degrees", (n(90),)),
    "50\\%": Apply("mul", (n(50), Name("%"))),
    "4210_{7}": Apply("base", (n(4210), n(7))),
    "(1,2)": Apply("tuple", (n(1), n(2))),
    "(1,200)": Apply("tuple", (n(1), n(200))),
    "1, 2": Apply("list", (n(1), n(2))),
    "1 \\text{ and } 2": Apply("list", (n(1), n(2))),
    "\\{1,2\\}": Apply("set", (n(1), n(2))),
    "\\emptyset": Apply("set", ()),
    "(0,1]": Apply("interval", (n(0), n(1), Name("oc"))),
    "[0,\\infty)": Apply("interval", (n(0), Name("oo"), Name("co"))),
    "x=5": Apply("equation", (X, n(5))),
    "x \\le 5": Apply("relation", (Name("<="), X, n(5))),
    "1<x<3": Apply("both", (Apply("relation", (Name("<"), n(1), X)), Apply("relation", (Name("<"), X, n(3))))),
    "x \\in [0,1]": Apply("member", (X, Apply("interval", (n(0), n(1), Name("cc"))))),
    "1 \\pm x": Apply("pm", (n(1), X)),
    "2:3": Apply("ratio", (n(2), n(3))),
    "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}": Apply("matrix", (Apply("tuple", (n(1), n(2))), Apply("tuple", (n(3), n(4))))),
    "\\lfloor x \\rfloor": Apply("floor", (X,)),
    "1-5\\mathrm{i}": Apply("add", (n(1), Apply("neg", (Apply("mul", (n(5), Name("i"))),)))),
}  # fmt: skip

REFUSED = [
    "", " ", "5 or more", "\\ge 5", "=5", "5=", "1=2=5", "a=b=c", "1 2", "5 5", "1,,2", ",1", "(1", "1)", "[1,2", "(1,2,3]", "{1",
    "x^", "x_", "\\frac{1}",
    "\\frac{1}{0}", "5/0", "\\sqrt", "\\sqrt[3]", "2\\frac{5}{3}", "--5", "1 - - 2 - -", "5!!!!!!!!!", "1 \\mp 2 \\mp", "\\int x",
    "\\sum_{i} i", "\\begin{pmatrix} 1 & 2 \\\\ 3 \\end{pmatrix}",
    "\\begin{cases} 1 \\end{cases}", "\\begin{pmatrix} 1 \\end{bmatrix}", "\\text{even}", "even number", "hello", "≈5", "~5", "5...",
    "\\ldots", "1, 2, \\ldots, 9", "import os", "f'(x)", "x'", "5?", "#5", "@", "\x00",
    "\\unknown{5}", "\\href{x}", "1.2.3", "\\{x : x > 0\\}", "x := 5", "&", "\\\\", "5 \\boxed", "<5>",
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), TREES.items())
def test_answers_are_read_as_trees(text: str, tree: Node) -> None:
    assert parse_answer(text) == tree
    assert parse_answer(f"${text}$.") == tree


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_understood_is_refused(text: str) -> None:
    assert parse_answer(text) is None


@pytest.mark.parametrize(
    ("text", "unit"),
    [("5\\sqrt2 cm", "cm"), ("99\\pi\\text{ square inches}", "square inch"), ("\\$2\\sqrt{2}", "dollar"),
     ("3x \\text{ metres}", "m"), ("450 \\mathrm{~m}", "m"), ("x", "")],
)  # fmt: skip
def test_units_are_kept_apart_from_the_tree(text: str, unit: str) -> None:
    parsed = parse_with_unit(text)
    assert parsed is not None
    assert parsed.unit == unit


@given(st.recursive(
    st.one_of(st.integers(-99, 99).map(str), st.sampled_from(["x", "y", "\\pi", "0.5"])),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"\\frac{{{pair[0]}}}{{{pair[1]}}}"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]})({pair[1]})"),
        inner.map(lambda text: f"\\sqrt{{{text}}}"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]})+{pair[1]}"),
        inner.map(lambda text: f"({text})^{{2}}"),
    ), max_leaves=6,
))  # fmt: skip
def test_trees_cross_process_borders_unchanged(text: str) -> None:
    tree = parse_answer(text)
    if tree is not None:
        assert from_lists(to_lists(tree)) == tree


@given(st.text(max_size=200))
def test_any_text_is_a_tree_or_none(text: str) -> None:
    parse_answer(text)


@pytest.mark.parametrize(
    "text",
    ["(" * 400, "(" * 450 + "1" + ")" * 450, "{" * 900, "\\sqrt{" * 150, "\\frac{1}{" * 100, "2^" * 400 + "2", "-" * 900 + "5",
     "5" + "!" * 900, "5" + "%" * 900, "|" * 900, "x" + "_x" * 400,
     "\\sin " * 180 + "x", "1" * 1000, "1," * 450 + "1", "x" * 300 + "y", "\\text{" * 150, "1+" * 450 + "1", "(1,2)" * 180, "[" * 900,
     "\\{" * 450, "\\begin{pmatrix}" * 60, "1" * MAX_CHARS + "1"],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_hostile_answers_are_refused_or_read_in_no_time(text: str) -> None:
    start = time.process_time()
    parse_answer(text)
    assert time.process_time() - start < 0.5
