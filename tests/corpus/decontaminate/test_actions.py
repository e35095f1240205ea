from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.decontaminate.actions import Cut, cuts_of
from reasonforge.corpus.decontaminate.config import DropDoc, DropSegment, Excise
from reasonforge.corpus.decontaminate.find import find_hits
from reasonforge.corpus.hashing import grams, spans
from tests.corpus.decontaminate.test_find import TEN, index

SHORT = "what is half of nine"
INDEX = index(TEN, SHORT)


def left(page: str, action: DropDoc | DropSegment | Excise) -> str | None:
    """Return a page after decontamination; None = it is dropped."""
    cuts = cuts_of(page, find_hits([page], INDEX), action, n=10)
    if any(cut.action == "drop_doc" for cut in cuts):
        assert cuts == [Cut("drop_doc", 0, len(page))]
        return None
    for cut in reversed(cuts):
        page = page[: cut.start] + page[cut.end :]
    return page


@pytest.mark.parametrize("action", [DropDoc(), DropSegment(), Excise()])
def test_a_clean_page_stays_as_it_is(action: DropDoc | DropSegment | Excise) -> None:
    assert left("clean text\n\nand more", action) == "clean text\n\nand more"
    assert left("", action) == ""


def test_drop_doc_drops_the_page() -> None:
    assert left(f"clean\n\n{TEN}\n\nclean", DropDoc()) is None


def test_drop_segment_cuts_the_paragraph_with_the_hit_and_nothing_else() -> None:
    assert left(f"first\n\nsee {TEN} there\n\nlast", DropSegment()) == "first\n\nlast"


def test_a_hit_across_a_blank_line_takes_both_paragraphs() -> None:
    page = "first\n\n" + TEN.replace("five", "five\n\n") + "\n\nlast\n\nvery last"
    assert left(page, DropSegment()) == "first\n\nlast\n\nvery last"


@pytest.mark.parametrize(("clean", "dropped"), [(2, False), (1, False), (0, True)])
def test_a_page_goes_if_more_than_half_of_its_paragraphs_would(clean: int, dropped: bool) -> None:
    page = "\n\n".join([TEN, *["clean"] * clean])
    assert (left(page, DropSegment()) is None) == dropped


def test_paragraphs_without_words_do_not_count() -> None:
    assert left(f"{TEN}\n\n***\n\n---\n\n!", DropSegment()) is None


def test_a_short_benchmark_text_costs_its_paragraph_and_by_option_the_page() -> None:
    page = f"first\n\n{SHORT}\n\nlast\n\nvery last"
    assert left(page, DropSegment()) == "first\n\nlast\n\nvery last"
    assert left(page, DropSegment(short_drops_page=True)) is None


def test_excise_cuts_the_hit_with_its_window_and_no_word_in_two() -> None:
    page = f"alpha beta gamma {TEN} delta epsilon zeta"
    assert left(page, Excise(window=0)) == "alpha beta gamma  delta epsilon zeta"
    assert left(page, Excise(window=3)) == "alpha beta  epsilon zeta"
    assert left(page, Excise(window=9)) == "alpha  zeta"


def test_two_windows_that_overlap_are_one_cut() -> None:
    page = f"alpha beta {TEN} gamma {TEN} delta omega"
    cuts = cuts_of(page, find_hits([page], INDEX), Excise(window=4), n=10)
    assert len(cuts) == 1
    assert left(page, Excise(window=4)) == "alpha  omega"


@pytest.mark.parametrize("window", range(0, 60, 7))
def test_the_borders_of_excise_are_those_that_comparing_all_words_finds(window: int) -> None:
    page = " \n".join([f"Straße İnhalt {TEN} gamma", "求和 x", f"{TEN} und weiter", "omega"] * 3) + 20 * " clean"
    expected = []
    for hit in (hits := find_hits([page], INDEX)):
        start, end = max(hit.start - window, 0), min(hit.end + window, len(page))
        for word in spans(page):
            start = word.start if word.start < start < word.end else start
            end = word.end if word.start < end < word.end else end
        expected.append((start, end))
    found = [(cut.start, cut.end) for cut in cuts_of(page, hits, Excise(window=window), n=10)]
    assert set(range(len(page))) - {at for cut in found for at in range(*cut)} == (
        set(range(len(page))) - {at for stretch in expected for at in range(*stretch)}
    )


def test_excise_drops_a_page_of_which_nothing_is_left() -> None:
    assert left(f"a {TEN} b.", Excise(window=200)) is None


@given(
    st.lists(st.sampled_from([TEN, SHORT, "clean", "İé", "more words", "\n\n", "!"]), max_size=8).map(" ".join),
    st.sampled_from([DropSegment(short_drops_page=True), DropSegment(max_share=1.0), Excise(window=0), Excise(window=7)]),
)
def test_what_is_left_comes_from_the_page_in_order_without_the_hits(page: str, action: DropSegment | Excise) -> None:
    hits = find_hits([page], INDEX)
    cuts = cuts_of(page, hits, action, n=10)
    assert all(before.end < after.start for before, after in pairwise(cuts))
    assert all(any(cut.start <= hit.start and hit.end <= cut.end for cut in cuts) for hit in hits)
    rest = left(page, action)
    if rest is not None and hits:
        words, kept = iter(grams(page)), grams(rest)
        assert all(word in words for word in kept)
