"""Carriers one by one, where the fixture pages leave a question open."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reasonforge.corpus.extract.carriers import CARRIERS
from reasonforge.corpus.extract.carriers.images import latex_in_address
from reasonforge.corpus.extract.formulas import tidy
from reasonforge.corpus.extract.page import extract_html

PAGE = Path(__file__).parents[3] / "docs" / "stages" / "corpus.md"
WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"


@pytest.mark.parametrize(
    ("address", "latex"),
    [
        ("https://latex.codecogs.com/gif.latex?a+b", "a+b"),
        ("https://latex.codecogs.com/gif.latex?a&space;=&space;b", "a = b"),
        ("https://latex.codecogs.com/svg.latex?%5Cfrac%7Ba%7D%7Bb%7D", r"\frac{a}{b}"),
        ("//s0.wp.com/latex.php?latex=a+%2B+b&bg=fff&fg=000&s=0", "a + b"),
        ("/cgi-bin/mimetex.cgi?x^2", "x^2"),
        ("https://s0.wp.com/latex.php?latex=%5Csum_%7Bn+%5Cleq+x%7D+a&bg=fff", r"\sum_{n \leq x} a"),
        ("https://www.zhihu.com/equation?tex=x%5E2", "x^2"),
        ("https://chart.googleapis.com/chart?cht=tx&chl=x%5E2", "x^2"),
        ("https://latex.codecogs.com/gif.latex?\\begin{matrix}a&b\\end{matrix}", r"\begin{matrix}a&b\end{matrix}"),
        ("https://example.org/photo.jpg?size=3", ""),
        ("https://example.org/photo.jpg", ""),
    ],
)
def test_formula_in_an_address(address: str, latex: str) -> None:
    assert latex_in_address(address) == latex


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"{\displaystyle x^2}", "x^2"),
        (r"{\displaystyle x}+{y}", r"{\displaystyle x}+{y}"),
        (r"\displaystyle x", "x"),
        ("$x$", "x"),
        (r"\(x\)", "x"),
        ("$a$ and $b$", r"\(a\) and \(b\)"),
        ("x % note\n+ y", "x + y"),
        ("x % note y", r"x \% note y"),
        ("x % note\n+ y % z", r"x + y \% z"),
        ("x %", "x"),
        ("a &lt; b &amp;lt; c &amp; d", "a < b < c & d"),
        ("a & b; c", "a & b; c"),
        (r"5\% x", r"5\% x"),
        ("% <![CDATA[\nx<y %]]>", "x<y"),
        (r"\begin{equation}x\label{a}\end{equation}", "x"),
        (r"\begin{align}x\end{align}", r"\begin{align}x\end{align}"),
        (r"\dpi{120} \bg_white x", "x"),
        ("{}", ""),
        ("", ""),
    ],
)
def test_a_formula_is_tidied(source: str, expected: str) -> None:
    assert tidy(source) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ('<math alttext="x squared plus one"><msup><mi>x</mi><mn>2</mn></msup></math>', "$x^{2}$"),
        ('<math alttext="x^{2}"><mi>q</mi></math>', "$x^{2}$"),
        ('<math display="block"><mi>x</mi><mo>=</mo><mn>1</mn></math>', "$$x=1$$"),
        ('<mjx-container><mjx-math data-latex="x^2"></mjx-math></mjx-container>', "$x^2$"),
        ('<span class="katex-error" title="no">\\foo{x}</span>', r"$\foo{x}$"),
        ('<div class="math">Mathematics for everybody</div>', "Mathematics for everybody"),
        ('<img class="latex" alt="a photo of latex gloves" src="g.png">', "a photo of latex gloves"),
        ('<img src="photo.png" alt="x^2">', "x^2"),
        (
            '<mjx-container class="MathJax"><mjx-assistive-mml><math><mi>x</mi></math></mjx-assistive-mml></mjx-container> and '
            '<script type="math/tex">y</script>',
            "$x$ and $y$",
        ),
        (
            '<span class="MathJax" data-mathml="<math><mi>x</mi></math>">x</span> and <span class="MathJax">y</span> <script '
            'type="math/tex">y</script>',
            "$x$ and $y$",
        ),
        ('<span class="MathJax" data-mathml="<math><mi>y</mi></math>">y</span> <script type="math/tex">y</script>', "$y$"),
        ('<span role="math" aria-label="x^2"><svg></svg></span>', "$x^2$"),
        (r'<svg role="img" aria-label="\frac{a}{b}"><path/></svg>', r"$\frac{a}{b}$"),
        (r"<img role=img aria-label='\frac{a}{b}' src=x.png><svg></svg>", r"$\frac{a}{b}$"),
        ('so <svg aria-label="arrow_back"></svg> and <span aria-label="x^2">words</span>', "so and words"),
        (r'<img class="equation_image" alt="LaTeX: \sum_k k" src="/x.png">', r"$\sum_k k$"),
        (r'<img alt="LaTeX: \text{a}_k" src="/equation_images/%255Ctext%257Ba%257D?scale=1">', r"$\text{a}_k$"),
        (
            '<img class="Wirisformula" alt="n over k" data-mathml="«math»«mfrac»«mi»n«/mi»«mi mathvariant=¨bold¨»k«/mi»«/mfrac»'
            "«mo»§#8804;«/mo»"
            '«/math»">',
            r"$\frac{n}{\mathbf{k}}\leq$",
        ),
        (r'<div class="math"><span class="eqno">(1)<a>¶</a></span>\[K_t = P_t\]</div>', "$$K_t = P_t$$ (1)"),
        (r'<div class="math"><span class="eqno">(2)</span>no formula but words</div>', "no formula but words (2)"),
        ("<math><mi mathvariant=normal>∣</mi><mi>x</mi><mi mathvariant=normal>∣</mi></math>", "$|x|$"),
        ("<math><mo>∣</mo><mi>x</mi><mo>∣</mo><mo>=</mo><mo>∥</mo><mi>y</mi><mo>∥</mo></math>", r"$|x|=\| y\|$"),
        ("<math><mi>a</mi><mo>∣</mo><mi>b</mi></math>", r"$a\mid b$"),
        ('<span class="MathJax_Preview">x2</span><script type="math/tex">x^2</script>', "$x^2$"),
        ('<script type="math/mml"><math><mfrac><mi>a</mi><mi>b</mi></mfrac></math></script>', r"$\frac{a}{b}$"),
        ('<span class="price" data-value="20">twenty</span>', "twenty"),
        ('<span class="ql-formula" data-value="x^2">drawn</span>', "$x^2$"),
        ("<m:math><m:mi>x</m:mi><m:mo>=</m:mo><m:mn>1</m:mn></m:math>", "$x=1$"),
        ("<P>X<SUP>2</SUP></P>", "X^{2}"),
    ],
)
def test_markup(markup: str, expected: str) -> None:
    text = extract_html(f"<article>{WORDS}<div>{markup}</div></article>").text
    assert text.split("\n\n", 1)[1].strip() == expected


def test_the_documentation_lists_the_carriers_in_their_order() -> None:
    section = PAGE.read_text(encoding="utf-8").split("\n## Carriers\n")[1].split("\n## ")[0]
    modules = [convert.__module__.rsplit(".", 1)[-1] for convert in CARRIERS]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(dict.fromkeys(modules))
