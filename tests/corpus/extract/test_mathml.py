"""MathML as LaTeX, element by element."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from reasonforge.corpus.extract.mathml import to_latex


def latex(inner: str) -> str:
    body = HTMLTree.parse(f"<math>{inner}</math>").body
    assert body is not None
    return to_latex(body.query_selector("math")).replace(" ", "")


def table(*rows: str) -> str:
    return "<mtable>" + "".join("<mtr>" + "".join(f"<mtd><mi>{cell}</mi></mtd>" for cell in row) + "</mtr>" for row in rows) + "</mtable>"


X, Y = "<mi>x</mi>", "<mi>y</mi>"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (f"<mfrac>{X}{Y}</mfrac>", r"\frac{x}{y}"),
        (f'<mfrac bevelled="true">{X}{Y}</mfrac>', "{x}/{y}"),
        (f'<mfrac linethickness="0">{X}{Y}</mfrac>', r"\binom{x}{y}"),
        (f'<mfenced><mfrac linethickness="0">{X}{Y}</mfrac></mfenced>', r"\binom{x}{y}"),
        (f'<mi>a</mi><mo>=</mo><mfrac linethickness="0">{X}{Y}</mfrac>', r"a=\binom{x}{y}"),
        (f'<mo>[</mo><mfrac linethickness="0">{X}{Y}</mfrac><mo>]</mo>', r"[{x\atopy}]"),
        (f'<munder><mo>∑</mo><mfrac linethickness="0">{X}{Y}</mfrac></munder>', r"\sum_{{x\atopy}}"),
        (f'<mo>(</mo><mfrac linethickness="0">{X}{Y}</mfrac><mo>)</mo>', r"\binom{x}{y}"),
        (f"<msqrt>{X}<mo>+</mo>{Y}</msqrt>", r"\sqrt{x+y}"),
        (f"<mroot>{X}<mn>3</mn></mroot>", r"\sqrt[3]{x}"),
        (f"<msub>{X}{Y}</msub>", "x_{y}"),
        (f"<msup><msup>{X}<mn>2</mn></msup><mn>3</mn></msup>", "{x^{2}}^{3}"),
        (f"<msup><mrow><mo>(</mo>{X}<mo>)</mo></mrow><mn>2</mn></msup>", "(x)^{2}"),
        (f"<msubsup>{X}<mn>0</mn><mn>1</mn></msubsup>", "x_{0}^{1}"),
        ("<msup><mi>f</mi><mo>′</mo></msup>", "f'"),
        (f"<munderover><mo>∑</mo><mn>1</mn><mi>n</mi></munderover>{X}", r"\sum_{1}^{n}x"),
        (f"<munder><mo>lim</mo>{X}</munder>", r"\lim_{x}"),
        (f"<mover>{X}<mo>→</mo></mover>", r"\vec{x}"),
        (f"<mover><mrow>{X}{Y}</mrow><mo>^</mo></mover>", r"\widehat{xy}"),
        (f"<munder>{X}<mo>⏟</mo></munder>", r"\underbrace{x}"),
        (f"<mover><mo>=</mo>{X}</mover>", r"\overset{x}{=}"),
        (f"<mover><mo>→</mo>{X}</mover>", r"\xrightarrow{x}"),
        ("<mo>(</mo>" + table("ab", "cd") + "<mo>)</mo>", r"\begin{pmatrix}a&b\\c&d\end{pmatrix}"),
        ("<mo>|</mo>" + table("ab", "cd") + "<mo>|</mo>", r"\begin{vmatrix}a&b\\c&d\end{vmatrix}"),
        ("<mi>A</mi><mo>=</mo><mo>[</mo>" + table("ab") + "<mo>]</mo>" + X, r"A=\begin{bmatrix}a&b\end{bmatrix}x"),
        ("<mrow><mo>{</mo>" + table("ab", "cd") + "</mrow>", r"\begin{cases}a&b\\c&d\end{cases}"),
        (table("ab"), r"\begin{matrix}a&b\end{matrix}"),
        (table("ab").replace("<mtable>", '<mtable columnalign="right left">'), r"\begin{aligned}a&b\end{aligned}"),
        (f"<mfenced>{X}{Y}</mfenced>", "(x,y)"),
        (f'<mfenced open="[" close=")" separators=";">{X}{Y}</mfenced>', "[x;y)"),
        ('<mfenced open="{" close="">' + table("ab") + "</mfenced>", r"\begin{cases}a&b\end{cases}"),
        (f"<mo>(</mo><mfrac>{X}{Y}</mfrac><mo>)</mo>", r"\left(\frac{x}{y}\right)"),
        (f'<mo stretchy="false">(</mo><mfrac>{X}{Y}</mfrac><mo stretchy="false">)</mo>', r"(\frac{x}{y})"),
        (f"<mmultiscripts>{X}<mn>1</mn><mn>2</mn><mprescripts/><mn>3</mn><none/></mmultiscripts>", "{}_{3}x_{1}^{2}"),
        (f'<menclose notation="box">{X}</menclose>', r"\boxed{x}"),
        (f'{X}<mspace width="1em"/>{Y}', r"x\quady"),
        (f"<mstyle displaystyle='true'>{X}</mstyle><mpadded>{Y}</mpadded><mphantom>{Y}</mphantom>", "xy"),
        ("<mtext>if a &amp; b</mtext>", r"\text{ifa\&b}"),
        ('<mi mathvariant="double-struck">Z</mi><mi>ℝ</mi><mi>𝔤</mi>', r"\mathbb{Z}\mathbb{R}\mathfrak{g}"),
        ("<mi>sin</mi><mo>&#x2061;</mo><mi>α</mi>", r"\sin\alpha"),
        ("<mi>foo</mi><mn>1%</mn>", r"\operatorname{foo}1\%"),
        ("<mo>−</mo><mo>≤</mo><mo>&lt;</mo><mo>∈</mo><mo>·</mo>", r"-\leq<\in\cdot"),
        (f"{X}<mo>(</mo><mi>mod</mi><mspace width='0.333em'/><mi>n</mi><mo>)</mo>", r"x\pmod{n}"),
        (f"{X}<mtext>(mod 7)</mtext>", r"x\pmod{7}"),
        (f"<semantics><mrow>{X}</mrow><annotation encoding='StarMath'>zz</annotation></semantics>", "x"),
        ("", ""),
    ],
)
def test_element(markup: str, expected: str) -> None:
    assert latex(markup) == expected


def test_a_letter_after_a_command_is_parted_from_it() -> None:
    body = HTMLTree.parse("<math><mi>α</mi><mi>x</mi></math>").body
    assert body is not None
    assert to_latex(body.query_selector("math")) == r"\alpha x"


def test_nesting_and_size_are_bounded() -> None:
    assert len(latex("<msqrt>" * 2500 + X)) < 2000
    assert latex(X * 50_000).count("x") <= 20_000


ELEMENTS = (
    "mrow",
    "mfrac",
    "msup",
    "msub",
    "munderover",
    "mtable",
    "mtr",
    "mtd",
    "mfenced",
    "mover",
    "mmultiscripts",
    "mroot",
    "semantics",
    "menclose",
)
TREES = st.recursive(
    st.sampled_from([X, "<mo>(</mo>", "<mo>)</mo>", "<mo>{</mo>", "<mn>2</mn>", "<none/>", "<mtext>a{b</mtext>", "<mo>|</mo>", ""]),
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{''.join(parts)}</{name}>", st.sampled_from(ELEMENTS), st.lists(inner, max_size=4)
    ),
    max_leaves=25,
)


@given(TREES)
def test_any_tree_gives_balanced_braces(markup: str) -> None:
    result = latex(markup).replace("\\{", "").replace("\\}", "")
    assert result.count("{") == result.count("}")
    assert result.count("\\left") == result.count("\\right")
