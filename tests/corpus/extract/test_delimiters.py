"""Formulas between delimiters in text, and money."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.extract.page import extract_html

LOADER = "<script src='MathJax.js'></script>"
DECLARED = LOADER + """<script>MathJax.Hub.Config({tex2jax: {inlineMath: [['$','$']]}});</script>"""
WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"


def text_of(body: str, *, head: str = LOADER) -> str:
    extracted = extract_html(f"<html><head>{head}</head><body><article>{WORDS}<p>{body}</p></article></body></html>")
    return extracted.text.split("\n\n", 1)[1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r"a \(x+1\) b", "a $x+1$ b"),
        (r"a \[x+1\] b", "a\n\n$$x+1$$\n\nb"),
        (r"a $$x+1$$, b", "a\n\n$$x+1$$,\n\nb"),
        (r"a \begin{equation}x\end{equation}", "a\n\n$$x$$"),
        (r"\begin{align*}x&amp;=1\\y&amp;=2\end{align*}", r"$$\begin{align*}x&=1\\y&=2\end{align*}$$"),
        (r"a $x^2$ b", "a $x^2$ b"),
        (r"a $x$ b", "a $x$ b"),
        (r"a $x<br>^2$ b", "a $x ^2$ b"),
        (r"a $\text{if $x$ is}$ b", r"a $\text{if \(x\) is}$ b"),
        (r"a \$5 and $x_1$", r"a \$5 and $x_1$"),
        (r"it costs $5 and $x_1$ too", r"it costs \$5 and $x_1$ too"),
        (r"an unclosed \(x and $y", r"an unclosed \(x and $y"),
        (r"[tex]x^2[/tex] b", "$$x^2$$\n\nb"),
        (r"a [itex]x^2[/itex] b", "a $x^2$ b"),
        (r"in <code>$x$</code> and $y_1$", "in `$x$` and $y_1$"),
        (r"a [TEX]x^2[/TEX] b", "a $x^2$ b"),
        (r"a $latex x^{2} &s=2&bg=fff$ b", "a $x^{2}$ b"),
        (r"see $(function(){})$ and $y_1$", r"see \$(function(){})\$ and $y_1$"),
    ],
)
def test_on_a_page_with_mathjax(body: str, expected: str) -> None:
    assert text_of(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r"a \(x_1\) and \(n\) b", "a $x_1$ and $n$ b"),
        (r"a \[\frac{1}{2}\] b", "a\n\n$$\\frac{1}{2}$$\n\nb"),
        (r"a [tex]x^2[/tex] and [latex]\pi[/latex] b", r"a $x^2$ and $\pi$ b"),
        (r"a $latex e^x$ for $5", r"a $e^x$ for \$5"),
    ],
)
def test_what_only_a_formula_holds_needs_no_set_up(body: str, expected: str) -> None:
    assert text_of(body, head="") == expected


@pytest.mark.parametrize(
    "body",
    [
        r"match \(foo\|bar\) or \([^a]*\)",
        r"sed s/\([a-z]*\)_\1/x/",
        r"the list \[1\] and \(see foo_bar below\)",
        "[math]mathematics is fun for everybody[/math]",
        r"\(x_{1\) is not closed",
        "$latexwords cost $5",
    ],
)
def test_other_brackets_stay_what_they_are(body: str) -> None:
    assert text_of(body, head="") == body


def test_in_code_nothing_is_a_formula() -> None:
    assert text_of(r"take <code>\(x_1\)</code> or \(x_2\)", head="") == r"take `\(x_1\)` or $x_2$"
    assert text_of(r"</p><pre>\(x_1\)</pre><p>or \(x_2\)") == "```\n\\(x_1\\)\n```\n\nor $x_2$"


ASCII = "<script src='mathjax/input/asciimath.js'></script>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("for `sin theta <= 1/2` b", r"for $\sin \theta \leq \frac{1}{2}$ b"),
        ("run `git log` or `x^2`", "run `git log` or $x^{2}$"),
        ("say `in the end` or `sum and product`", "say `in the end` or `sum and product`"),
    ],
)
def test_words_between_backticks(body: str, expected: str) -> None:
    assert text_of(body, head=ASCII) == expected


@pytest.mark.parametrize("body", [r"a \(x+1\) b", "a $x$ b", "a $$b$$ c", r"only \alpha here, and $5 to $6"])
def test_without_set_up_or_commands_nothing_is_a_formula(body: str) -> None:
    assert text_of(body, head="") == body


def test_commands_are_as_good_as_a_set_up() -> None:
    assert text_of(r"as $\alpha$ and $\beta$ and $n$", head="") == r"as $\alpha$ and $\beta$ and $n$"


def test_a_declared_dollar_takes_a_number() -> None:
    assert text_of("take $7$ of them", head=DECLARED) == "take $7$ of them"
    assert text_of("take $7$ of them and $x^2$") == r"take \$7\$ of them and $x^2$"


AMOUNTS = st.sampled_from(["5", "1,200", "3.50", "20", "1.2 million", "100k", "7/hour"])
JOINS = st.sampled_from([" to $", " and $", "-$", "/$", ", then $", " or US$"])


@given(st.lists(st.tuples(AMOUNTS, JOINS), min_size=1, max_size=4), AMOUNTS, st.sampled_from([LOADER, DECLARED]))
def test_amounts_of_money_are_no_formula(amounts: list[tuple[str, str]], last: str, head: str) -> None:
    sentence = "It went from $" + "".join(amount + join for amount, join in amounts) + last + " in a year."
    assert text_of(sentence, head=head) == sentence


def test_a_formula_never_spans_paragraphs() -> None:
    assert text_of(r"the price is $x</p><p>and later $y_1 ends", head=DECLARED).count("$") == 2
    assert "$$" not in text_of(r"the price is $x</p><p>and later $y_1 ends", head=DECLARED)


def test_a_number_between_chinese_characters_is_a_formula() -> None:
    assert text_of("根为$1$和$2$。共有$10$种情况", head=DECLARED) == "根为$1$和$2$。共有$10$种情况"
