"""Formulas and how pages carry them."""

from __future__ import annotations

import itertools
from random import Random
from urllib.parse import unquote

import pytest
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # a module in C

from reasonforge.corpus.synthetic import formula
from reasonforge.corpus.synthetic.carriers import CARRIERS, TEXT
from reasonforge.corpus.synthetic.grammar import Grammar


def drawn(count: int = 200) -> list[formula.Formula]:
    rng = Random(7)
    return [formula.draw(rng) for _ in range(count)]


def test_the_braces_of_every_formula_match() -> None:
    for made in drawn():
        depth = 0
        for character in made.latex.replace(r"\{", "").replace(r"\}", ""):
            depth += (character == "{") - (character == "}")
            assert depth >= 0
        assert depth == 0


def test_every_formula_is_one_element_of_mathml() -> None:
    for made in drawn():
        etree.fromstring(f'<math xmlns="http://www.w3.org/1998/Math/MathML">{made.mathml}</math>')


def test_a_fraction_is_the_same_in_three_notations() -> None:
    made = formula.frac(formula.number(1), formula.power(formula.variable("x"), formula.number(2)))
    assert made == formula.Formula(r"\frac{1}{x^{2}}", "<mfrac><mn>1</mn><msup><mi>x</mi><mn>2</mn></msup></mfrac>", "(1)/(x^2)")


@pytest.mark.parametrize("name", ["dollars", "brackets", "script", "katex", "wiki", "codecogs"])
def test_a_carrier_that_has_the_latex_has_all_of_it(name: str) -> None:
    from html import unescape

    for made in drawn(50):
        page = unquote(unescape(CARRIERS[name].render(made, False)))
        assert made.latex in page


def test_spoken_formulas_have_no_signs_left() -> None:
    for made in drawn(100):
        said = CARRIERS["spoken"].render(made, False)
        assert not set("^=+*()") & set(said), said


def test_text_has_formulas_between_dollars() -> None:
    made = formula.number(3)
    assert (TEXT.render(made, False), TEXT.render(made, True)) == ("$3$", "$$3$$")


def test_a_paragraph_never_repeats_a_template_at_once() -> None:
    grammar = Grammar({"s": ["a", "b", "c"]})
    words = grammar.paragraph(Random(0), "s", 300).split(" ")
    assert all(left != right for left, right in itertools.pairwise(words))


def test_a_slot_is_filled_anew_each_time() -> None:
    numbers = iter(range(10))
    assert Grammar({"s": ["{k} and {k}"]}).draw(Random(0), "s", {"k": lambda: str(next(numbers))}) == "0 and 1"
