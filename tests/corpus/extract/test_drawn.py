"""Formulas of which a page has the drawing alone: read where it is plain, left as characters where it is not."""

from __future__ import annotations

import pytest

from reasonforge.corpus.extract.page import extract_html

WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"
STRUT = '<span class="strut" style="height:0.8em"></span>'
PSTRUT = '<span class="pstrut" style="height:2.7em"></span>'
X = '<span class="mord mathnormal">x</span>'
MAX = '<span class="mop">max</span>'
LINE = '<span class="frac-line" style="border-bottom-width:0.04em"></span>'


def stack(*rows: str, two: bool = False) -> str:
    """Return rows above each other, from below, as KaTeX lays them out; ``two`` where something hangs below the line."""
    inner = "".join(f'<span style="top:-3em">{PSTRUT}<span class="mord">{row}</span></span>' for row in rows)
    below = '<span class="vlist-s">\u200b</span></span><span class="vlist-r"><span class="vlist"><span></span></span>' if two else ""
    kind = "vlist-t vlist-t2" if two else "vlist-t"
    return f'<span class="{kind}"><span class="vlist-r"><span class="vlist" style="height:0.8em">{inner}</span>{below}</span></span>'


def katex(inner: str) -> str:
    return f'<span class="katex"><span class="katex-html" aria-hidden="true"><span class="base">{STRUT}{inner}</span></span></span>'


def scripts(*rows: str, two: bool) -> str:
    return f'<span class="mord">{X}<span class="msupsub">{stack(*rows, two=two)}</span></span>'


def text_of(markup: str) -> str:
    text = extract_html(f"<script src=MathJax.js></script><article>{WORDS}<div>so {markup} holds</div></article>").text
    return text.split("\n\n", 1)[1].strip()


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (f'{X}<span class="mspace"></span><span class="mbin">+</span><span class="mord mathnormal">α</span>', r"x+\alpha"),
        (scripts("2", two=False), "x^{2}"),
        (scripts("i", two=True), "x_{i}"),
        (scripts("i", "2", two=True), "x_{i}^{2}"),
        (f'<span class="mord"><span class="mfrac">{stack("b", LINE, "a", two=True)}</span></span>', r"\frac{a}{b}"),
        (
            f'<span class="mopen">(</span><span class="mfrac">{stack("k", "n", two=True)}</span><span class="mclose">)</span>',
            r"({n \atop k})",
        ),
        (f'<span class="mord sqrt">{stack(X, two=True)}</span>', r"\sqrt{x}"),
        (f'<span class="mop">sin</span>{X}', r"\sin x"),
        (f'<span class="mord accent">{stack(X, "^", two=True)}</span>', r"\hat{x}"),
        (f'<span class="mop op-limits">{stack("i", "∑", "n", two=True)}</span>{X}', r"\sum_{i}^{n}x"),
        (f'<span class="mop op-limits">{stack("x", MAX, two=True)}</span>{X}', r"\max_{x} x"),
        (f'<span class="mopen"><span class="delimsizing size1">(</span></span>{X}<span class="mclose">)</span>', "(x)"),
        (f'<span class="mord">∣</span>{X}<span class="mord">∣</span><span class="mrel">∣</span>{X}', r"|x|\mid x"),
    ],
)
def test_a_plain_drawing_of_katex_is_read(inner: str, expected: str) -> None:
    assert text_of(katex(inner)) == f"so ${expected}$ holds"


@pytest.mark.parametrize(
    ("inner", "characters"),
    [
        (f'<span class="mord accent">{stack("x", "?")}</span>', "x?"),
        (f'<span class="mtable"><span class="col-align-c">{stack("1", "2", "3")}</span></span>', "123"),
        (f'<span class="mord sqrt"><span class="root">{stack("3")}</span>{stack(X)}</span>', "3x"),
        (f'<span class="mop op-limits">{stack("i", "j", "n", two=True)}</span>', "ijn"),
        ("<span>" * 100 + "x" + "</span>" * 100, "x"),
    ],
)
def test_of_another_drawing_the_characters_stay_and_are_no_formula(inner: str, characters: str) -> None:
    assert text_of(katex(inner)) == f"so {characters} holds"


@pytest.mark.parametrize(
    "markup",
    [
        '<mjx-container jax="SVG"><svg><g data-mml-node="math"><use data-c="1D465"></use></g></svg></mjx-container>',
        '<mjx-container jax="CHTML"><mjx-math><mjx-mi><mjx-c class="mjx-c1D465"></mjx-c></mjx-mi></mjx-math></mjx-container>',
        '<mjx-container jax="SVG"><svg><text>x2</text></svg></mjx-container>',
    ],
)
def test_mathjax_without_its_mathml_leaves_nothing(markup: str) -> None:
    assert text_of(markup) == "so holds"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("$a<em>b</em>c$", "$a_b_c$"),
        (r"$\sum<em>{i=1}^n x</em>i$", r"$\sum_{i=1}^n x_i$"),
        ("$a<em>1$ and $b</em>2$", "$a_1$ and $b_2$"),
        (r"\(a<i>1 b</i>2\)", "$a_1 b_2$"),
        ("$$a<i>1 b</i>2$$", "$$a_1 b_2$$"),
        (r"\(a<em>i</em>j\) and \(b<em>i</em>j\)", "$a_i_j$ and $b_i_j$"),
    ],
)
def test_underscores_that_became_emphasis_come_back(markup: str, expected: str) -> None:
    assert " ".join(text_of(markup).split()) == f"so {expected} holds"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("it costs $5 and <em>not</em> $6", "it costs $5 and not $6"),
        ("$5<em>x</em>y and then $6", "$5xy and then $6"),
        ("<em>for $x_1$ in</em> all", "for $x_1$ in all"),
        ("$x_1$ is <i>the</i> root of $y_2$", "$x_1$ is the root of $y_2$"),
        ("$x_1$un<i>believ</i>able$y_2$", "$x_1$unbelievable$y_2$"),
    ],
)
def test_emphasis_of_words_stays_what_it_is(markup: str, expected: str) -> None:
    assert text_of(markup).replace("\\$", "$") == f"so {expected} holds"
