"""The blind pages load and their truths are sound. What the extractor makes of them is measured by ``benchmarks/corpus/formulas.py``."""

from __future__ import annotations

import pytest
from resiliparse.parse.html import HTMLTree

from tests.corpus.extract.truth import BLIND, FIXTURES, Fixture, folded, load_fixtures, score

PAGES = load_fixtures(BLIND)


def by_name(fixture: Fixture) -> str:
    return fixture.name


def test_there_are_pages_enough_and_of_many_carriers() -> None:
    assert len(PAGES) >= 24
    assert len({page.carrier for page in PAGES}) >= 15
    assert len(list(BLIND.glob("*.html"))) == len(list(BLIND.glob("*.json"))) == len(PAGES)


def test_no_page_is_one_of_the_others() -> None:
    assert not {page.html for page in PAGES} & {page.html for page in load_fixtures(FIXTURES)}


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
    assert page.title in " ".join(title.split())


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_sentences_stand_on_the_page(page: Fixture) -> None:
    body = HTMLTree.parse(page.html).body
    assert body is not None
    words = " ".join((body.text + " " + body.html).replace("\\$", "$").split())
    assert [part for part in page.kept + page.removed if part not in words] == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_the_truth_itself_scores_full(page: Fixture) -> None:
    result = score(page, "\n".join((*page.formulas, *page.kept)))
    assert (result.missing, result.lost, result.leaked) == ((), (), ())
