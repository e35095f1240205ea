"""The fixture pages: formulas kept, words kept, boilerplate gone."""

from __future__ import annotations

import re

import pytest

from reasonforge.corpus.extract.page import extract_html
from tests.corpus.extract.truth import Fixture, folded, load_fixtures, macro, micro, score

FIXTURES = load_fixtures()
FORMULA = re.compile(r"(?<!\\)\$\$(.+?)(?<!\\)\$\$|(?<![\\$])\$([^$\n]+?)(?<!\\)\$", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
pytestmark = pytest.mark.filterwarnings("error")


def formulas_in(text: str) -> list[str]:
    """Read the formulas of an extracted text back, by the rule that it is written by."""
    return [folded(display or inline) for display, inline in FORMULA.findall(CODE.sub("", text))]


def by_name(fixture: Fixture) -> str:
    return fixture.name


def test_there_are_forty_pages_of_fifteen_carriers() -> None:
    assert len(FIXTURES) >= 40
    assert len({fixture.carrier for fixture in FIXTURES}) >= 15


@pytest.mark.parametrize("fixture", FIXTURES, ids=by_name)
def test_every_formula_is_found(fixture: Fixture) -> None:
    assert score(fixture, extract_html(fixture.html).text).missing == ()


@pytest.mark.parametrize("fixture", FIXTURES, ids=by_name)
def test_the_main_content_stays_and_the_rest_goes(fixture: Fixture) -> None:
    result = score(fixture, extract_html(fixture.html).text)
    assert (result.lost, result.leaked) == ((), ())


@pytest.mark.parametrize("fixture", [one for one in FIXTURES if one.carrier not in ("subsup", "unicode")], ids=by_name)
def test_the_delimited_formulas_are_the_true_ones_and_no_others(fixture: Fixture) -> None:
    extracted = extract_html(fixture.html)
    found = formulas_in(extracted.text) if extracted.num_formulas else []
    assert set(found) == {folded(formula) for formula in fixture.formulas}
    assert len(found) == extracted.num_formulas


@pytest.mark.parametrize("fixture", FIXTURES, ids=by_name)
def test_the_title_is_read(fixture: Fixture) -> None:
    assert extract_html(fixture.html).title.startswith(fixture.title)


def test_recall_over_all_pages() -> None:
    scores = [score(fixture, extract_html(fixture.html).text) for fixture in FIXTURES]
    assert micro(scores) >= 0.95
    assert macro(scores) >= 0.95


def test_the_measure_sees_a_missing_formula_and_a_lost_sentence() -> None:
    fixture = next(one for one in FIXTURES if one.name == "blog_katex")
    empty = score(fixture, "")
    assert (empty.num_found, len(empty.missing), len(empty.lost)) == (0, len(fixture.formulas), len(fixture.kept))


@pytest.mark.parametrize("fixture", FIXTURES, ids=by_name)
def test_the_same_page_is_the_same_text(fixture: Fixture) -> None:
    assert extract_html(fixture.html) == extract_html(fixture.html)
