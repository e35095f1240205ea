"""Which decisions hold in a round: those about domains that the loop has found by then."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from reasonforge.corpus.loop.units import AUTHORS, DOMAINS, LABELS, is_in_domain
from reasonforge.corpus.pages import write_table
from reasonforge.corpus.roles import unit_of
from reasonforge.corpus.units import Receipt, Store, execute, file_input

SAID = {"forum.org/threads": "math", "later.org/q": "math", "gone.org/a": "not_math"}


def labelled(root: Path, *, earlier: dict[str, str] | None = None) -> tuple[dict[str, str], dict[str, str], Receipt]:
    """Do the unit of a round that found forum.org, and looked at later.org in vain; return labels, authors and receipt."""
    domains, store = root / DOMAINS, Store(root / "corpus")
    write_table(domains, pl.DataFrame({"name": ["forum.org", "later.org"], "mathematical": [True, False]}))
    inputs = {"domains": [file_input(domains)]}
    if earlier is not None:
        (root / LABELS).write_text(json.dumps(earlier))
        inputs["labels"] = [file_input(root / LABELS)]
    settings = {"key": "host", "labels": SAID, "authors": dict.fromkeys(SAID, "ann")}
    receipt = execute(unit_of("annotate", "reasonforge.corpus.loop.units:label", inputs, settings=settings), store)
    labels, authors = (json.loads(store.output(receipt, name).read_bytes()) for name in (LABELS, AUTHORS))
    return labels, authors, receipt


def test_a_decision_about_a_domain_that_nobody_has_found_waits(tmp_path: Path) -> None:
    labels, authors, receipt = labelled(tmp_path)
    assert labels == {"forum.org/threads": "math"}
    assert authors == {"forum.org/threads": "ann"}
    assert (receipt.counts.taken, receipt.counts.kept, receipt.counts.dropped) == (3, 1, {"other_domain": 2})


def test_what_held_before_holds_on_as_it_is_said_now(tmp_path: Path) -> None:
    labels, _, _ = labelled(tmp_path, earlier={"gone.org/a": "math"})
    assert labels == {"forum.org/threads": "math", "gone.org/a": "not_math"}


@pytest.mark.parametrize(
    ("host", "key", "found"),
    [
        ("forum.org", "host", True),
        ("a.forum.org", "host", False),
        ("a.forum.org", "domain", True),
        ("forum.org", "domain", True),
        ("aforum.org", "domain", False),
        ("org", "domain", False),
    ],
)
def test_a_host_belongs_to_its_domain(host: str, key: str, *, found: bool) -> None:
    assert is_in_domain(host, {"forum.org"}, key=key) is found
