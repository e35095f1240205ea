"""Content markup as LaTeX."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from reasonforge.corpus.extract.mathml import to_latex

A, B, X, N = "<ci>a</ci>", "<ci>b</ci>", "<ci>x</ci>", "<ci>n</ci>"


def apply(operator: str, *operands: str) -> str:
    return f"<apply><{operator}/>{''.join(operands)}</apply>"


def latex(markup: str) -> str:
    body = HTMLTree.parse(f"<math>{markup}</math>").body
    assert body is not None
    return to_latex(body.query_selector("math")).replace(" ", "")


CASES = [
    (apply("plus", apply("power", X, "<cn>2</cn>"), apply("times", "<cn>5</cn>", X), "<cn>6</cn>"), "x^{2}+5x+6"),
    (apply("eq", apply("divide", A, B), apply("root", X)), r"\frac{a}{b}=\sqrt{x}"),
    (apply("times", apply("plus", A, B), X), "(a+b)x"),
    (apply("minus", A, apply("minus", B, X)), "a-(b-x)"),
    (apply("minus", A), "-a"),
    (apply("plus", A, apply("minus", B)), "a-b"),
    (apply("power", apply("plus", A, B), N), "(a+b)^{n}"),
    (apply("power", apply("divide", A, B), N), r"\left(\frac{a}{b}\right)^{n}"),
    (apply("root", "<degree><cn>3</cn></degree>", X), r"\sqrt[3]{x}"),
    (apply("sin", X), r"\sin(x)"),
    (apply("exp", X), "e^{x}"),
    (apply("abs", X), "|x|"),
    (apply("factorial", apply("plus", N, "<cn>1</cn>")), "(n+1)!"),
    (apply("log", "<logbase><cn>2</cn></logbase>", X), r"\log_{2}x"),
    (apply("times", "<cn>2</cn>", "<cn>3</cn>"), r"2\cdot3"),
    ("<apply><ci>f</ci><ci>x</ci><pi/></apply>", r"f(x,\pi)"),
    (apply("sum", "<bvar><ci>n</ci></bvar><lowlimit><cn>1</cn></lowlimit><uplimit><infinity/></uplimit>", apply("divide", X, N)),
     r"\sum_{n=1}^{\infty}\frac{x}{n}"),
    (apply("int", "<bvar><ci>x</ci></bvar><lowlimit><cn>0</cn></lowlimit><uplimit><cn>1</cn></uplimit>", X), r"\int_{0}^{1}x\,dx"),
    (apply("diff", "<bvar><ci>x</ci></bvar>", A), r"\frac{d}{dx}a"),
    (apply("limit", "<bvar><ci>x</ci></bvar><lowlimit><cn>0</cn></lowlimit>", A), r"\lim_{x\to0}a"),
    (apply("in", X, "<reals/>"), r"x\in\mathbb{R}"),
    (apply("and", apply("lt", A, B), apply("lt", B, X)), r"(a<b)\land(b<x)"),
    (f"<vector>{A}{B}</vector>", r"\begin{pmatrix}a\\b\end{pmatrix}"),
    (f"<matrix><matrixrow>{A}{B}</matrixrow><matrixrow>{X}{N}</matrixrow></matrix>", r"\begin{pmatrix}a&b\\x&n\end{pmatrix}"),
    (f"<set>{A}{B}</set>", r"\{a,b\}"),
    (f'<interval closure="open-closed">{A}{B}</interval>', "(a,b]"),
    (f"<piecewise><piece>{A}{apply('lt', X, N)}</piece><otherwise>{B}</otherwise></piecewise>",
     r"\begin{cases}a&x<n\\b&\text{otherwise}\end{cases}"),
    ('<cn type="rational">1<sep/>2</cn>', r"\frac{1}{2}"),
    ('<cn type="e-notation">3<sep/>8</cn>', r"3\times10^{8}"),
    (apply("times", "<ci>speed</ci>", apply("minus", B)), r"\mathrm{speed}(-b)"),
    (apply("mean", X), r"\operatorname{mean}(x)"),
]  # fmt: skip


@pytest.mark.parametrize(("markup", "expected"), CASES)
def test_formula(markup: str, expected: str) -> None:
    assert latex(markup) == expected


@pytest.mark.parametrize(("markup", "expected"), CASES)
def test_a_prefix_leaves_empty_elements_open_and_changes_nothing(markup: str, expected: str) -> None:
    prefixed = markup.replace("</", "\0").replace("<", "<m:").replace("\0", "</m:")
    body = HTMLTree.parse(f"<m:math>{prefixed}</m:math>").body
    assert body is not None
    if "sep" not in markup:
        assert to_latex(body.query_selector("m\\:math")).replace(" ", "") == expected


def test_prescripts_with_a_prefix() -> None:
    scripts = "<m:none/><m:mn>2</m:mn><m:mprescripts/><m:mn>6</m:mn><m:mn>14</m:mn>"
    body = HTMLTree.parse(f"<m:math><m:mmultiscripts><m:mi>C</m:mi>{scripts}</m:mmultiscripts></m:math>").body
    assert body is not None
    assert to_latex(body.query_selector("m\\:math")) == "{}_{6}^{14}C^{2}"


def test_nesting_and_size_are_bounded() -> None:
    assert len(latex("<apply><plus/>" * 2_000 + X)) < 2_000
    assert latex("<apply><plus/>" + X * 30_000 + "</apply>").count("x") <= 20_000
    assert len(latex("<m:none>" * 2_000 + X)) < 2_000


TREES = st.recursive(
    st.sampled_from([A, X, "<cn>2</cn>", "<pi/>", "<bvar><ci>t</ci></bvar>", "<degree><cn>3</cn></degree>", "", "<cn>-1</cn>"]),
    lambda inner: st.builds(
        lambda name, parts: apply(name, *parts),
        st.sampled_from(
            ["plus", "minus", "times", "divide", "power", "root", "sum", "int", "eq", "abs", "diff", "limit", "log", "ci", "and"]
        ),
        st.lists(inner, max_size=4),
    ),
    max_leaves=20,
)


@given(TREES)
def test_any_tree_gives_balanced_braces(markup: str) -> None:
    result = latex(markup).replace("\\{", "").replace("\\}", "")
    assert result.count("{") == result.count("}")
    assert result.count("\\left") == result.count("\\right")
