"""AsciiMath as LaTeX."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.extract.asciimath import to_latex


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x^2+1", "x^{2}+1"),
        ("a/b", r"\frac{a}{b}"),
        ("(a+b)/(c+d)", r"\frac{a+b}{c+d}"),
        ("sqrt(x+1)", r"\sqrt{x+1}"),
        ("root(3)(x)", r"\sqrt[3]{x}"),
        ("x_(n+1)^2", "x_{n+1}^{2}"),
        ("lim_(x->oo) f(x)", r"\lim_{x\to\infty}f(x)"),
        ("int_0^1 f(x)dx", r"\int_{0}^{1}f(x)dx"),
        ("alpha<=beta", r"\alpha\leq\beta"),
        ("a in RR", r"a\in\mathbb{R}"),
        ("A nn B sube A", r"A\capB\subseteqA"),
        ("[[a,b],[c,d]]", r"\begin{bmatrix}a&b\\c&d\end{bmatrix}"),
        ("((1,2),(3,4))", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
        ("{(x,x>=0),(-x,x<0):}", r"\begin{cases}x&x\geq0\\-x&x<0\end{cases}"),
        ("|x|", r"\left|x\right|"),
        ("vec v*hat x", r"\vec{v}\cdot\hat{x}"),
        ("bbb(Z)", r"\mathbb{Z}"),
        ('"area"=pi r^2', r"\text{area}=\pir^{2}"),
        ("text(if )x", r"\text{if}x"),
        ("f'(x)", "f'(x)"),
        ("(a,b]", "(a,b]"),
        ("((a/b))^2", r"\left(\left(\frac{a}{b}\right)\right)^{2}"),
        ("3.14 xx 2", r"3.14\times2"),
    ],
)
def test_formula(source: str, expected: str) -> None:
    assert to_latex(source).replace(" ", "") == expected


def test_a_letter_after_a_command_is_parted_from_it() -> None:
    assert to_latex("pi r") == r"\pi r"


@pytest.mark.parametrize("mark", ["(", "[", "{", "|", "/", "^", "_", "sqrt", "frac", "[[a,", "((a),", "{:", "|(", "|a[", "[[|"])
def test_long_runs_of_openers_end(mark: str) -> None:
    assert isinstance(to_latex(mark * 5000), str)


@given(st.text(alphabet="ab(){}[]|/^_,:;<>=+-*\\ \"'sqrt1.α", max_size=60))
def test_any_text_gives_a_string(source: str) -> None:
    assert isinstance(to_latex(source), str)
