"""What a classifier may take for negatives, row by row of the table."""

from __future__ import annotations

import polars as pl
import pytest

from reasonforge.corpus.loop.negatives import fit_as_negatives


@pytest.mark.parametrize(
    ("label", "was_selected", "fits"),
    [
        ("math", True, False),
        ("math", False, False),
        ("not_math", True, True),
        ("not_math", False, True),
        ("skip", True, False),
        ("skip", False, True),
        (None, True, False),
        (None, False, True),
    ],
)
def test_a_page_is_a_negative_as_people_say_and_else_if_it_was_not_selected(label: str | None, was_selected: bool, fits: bool) -> None:
    pages = pl.DataFrame({"id": ["mine", "other"]})
    selected = pl.Series("id", ["mine", "third"] if was_selected else ["third"])
    labels = pl.Series("label", [label, None], dtype=pl.String)
    assert fit_as_negatives(pages, selected=selected, labels=labels).to_list() == [fits, True]


def test_of_no_pages_none_fits() -> None:
    empty = pl.Series([], dtype=pl.String)
    assert fit_as_negatives(pl.DataFrame({"id": empty}), selected=empty, labels=empty).to_list() == []
