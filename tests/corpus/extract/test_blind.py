"""The pages by other authors load and their truths are sound.

What the extractor makes of the blind ones is measured by ``benchmarks/corpus/formulas.py`` alone; of the second ones it is held here.
"""

from __future__ import annotations

import pytest
from resiliparse.parse.html import HTMLTree

from reasonforge.corpus.extract.page import extract_html
from tests.corpus.extract.truth import BLIND, FIXTURES, SECOND, Fixture, folded, load_developed, load_fixtures, micro, score

SECOND_PAGES, BLIND_PAGES = load_fixtures(SECOND), load_fixtures(BLIND)
PAGES = SECOND_PAGES + BLIND_PAGES
NOT_READ = {"embed_iframe_noscript": 2, "hobby_subsup_fraction_tables": 1}
"""Formulas that are left out deliberately: in a frame or ``noscript``, and a fraction drawn by a table."""


def by_name(fixture: Fixture) -> str:
    return fixture.name


def test_there_are_pages_enough_and_of_many_carriers() -> None:
    assert len(SECOND_PAGES) >= 24
    assert len({page.carrier for page in SECOND_PAGES}) >= 15
    for folder in (SECOND, BLIND):
        assert {path.stem for path in folder.glob("*.html")} == {path.stem for path in folder.glob("*.json")}


def test_no_page_is_one_of_the_others() -> None:
    assert not {page.html for page in SECOND_PAGES} & {page.html for page in load_fixtures(FIXTURES)}
    assert not {page.html for page in BLIND_PAGES} & {page.html for page in load_developed()}


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_truths_are_sound(page: Fixture) -> None:
    assert len(page.kept) >= 3
    assert page.removed
    assert page.formulas
    assert len({folded(formula) for formula in page.formulas}) == len(page.formulas)
    for formula in page.formulas:
        assert len(folded(formula)) > 1
        assert formula.replace("\\{", "").count("{") == formula.replace("\\}", "").count("}")
    title = HTMLTree.parse(page.html).title
    assert title
    assert page.title in " ".join(title.split())


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_sentences_stand_on_the_page(page: Fixture) -> None:
    body = HTMLTree.parse(page.html).body
    assert body is not None
    words = " ".join(f"{body.text} {body.html}".replace("\\$", "$").split())
    assert [part for part in page.kept + page.removed if part not in words] == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_the_truth_itself_scores_full(page: Fixture) -> None:
    result = score(page, "\n".join((*page.formulas, *page.kept)))
    assert (result.missing, result.lost, result.leaked) == ((), (), ())


@pytest.mark.parametrize("page", SECOND_PAGES, ids=by_name)
def test_of_the_second_pages_sentences_and_formulas_are_kept(page: Fixture) -> None:
    result = score(page, extract_html(page.html).text)
    assert result.lost == ()
    assert len(result.missing) == NOT_READ.get(page.name, 0)


def test_boilerplate_of_the_second_pages_goes() -> None:
    scores = [score(page, extract_html(page.html).text) for page in SECOND_PAGES]
    assert sum(len(one.leaked) for one in scores) <= 0.05 * sum(len(page.removed) for page in SECOND_PAGES)
    assert micro(scores) >= 0.98
