"""Which decisions hold in a round: those about domains that a round has found by then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from reasonforge.corpus.loop.asked import domain_of
from reasonforge.corpus.loop.units import AUTHORS, DOMAINS, LABELS
from reasonforge.corpus.pages import write_table
from reasonforge.corpus.roles import unit_of
from reasonforge.corpus.units import Receipt, Store, execute, file_input

SAID = {"forum.org/threads": "math", "later.org/q": "math", "gone.org/a": "not_math"}


def labelled(root: Path, *rounds: set[str]) -> tuple[dict[str, str], dict[str, str], Receipt]:
    """Do the unit of the last of these rounds, each with the domains that it found; return labels, authors and receipt."""
    names = sorted({"forum.org", "later.org", "gone.org"})
    inputs = []
    for number, found in enumerate(rounds):
        path = root / f"{number}-{DOMAINS}"
        write_table(path, pl.DataFrame({"name": names, "mathematical": [name in found for name in names]}))
        inputs.append(file_input(path))
    settings = {"key": "host", "labels": SAID, "authors": dict.fromkeys(SAID, "ann")}
    store = Store(root / "corpus")
    unit = unit_of("annotate", "reasonforge.corpus.loop.units:label", {"domains": inputs}, settings=settings)
    receipt = execute(unit, store)
    labels, authors = (json.loads(store.output(receipt, name).read_bytes()) for name in (LABELS, AUTHORS))
    return labels, authors, receipt


def test_a_decision_about_a_domain_that_nobody_has_found_waits(tmp_path: Path) -> None:
    labels, authors, receipt = labelled(tmp_path, {"forum.org"})
    assert labels == {"forum.org/threads": "math"}
    assert authors == {"forum.org/threads": "ann"}
    assert (receipt.counts.taken, receipt.counts.kept, receipt.counts.dropped) == (3, 1, {"other_domain": 2})


def test_a_domain_that_an_earlier_round_found_may_be_decided_later(tmp_path: Path) -> None:
    labels, _, _ = labelled(tmp_path, {"forum.org", "gone.org"}, {"later.org"})
    assert labels == SAID


@pytest.mark.parametrize(
    ("host", "key", "domain"),
    [
        ("a.forum.org", "host", "a.forum.org"),
        ("a.forum.org", "domain", "forum.org"),
        ("forum.org", "domain", "forum.org"),
        ("alice.github.io", "domain", "alice.github.io"),  # github.io is no domain that anybody registers
        ("hmrc.gov.uk", "domain", "hmrc.gov.uk"),
        ("192.0.2.7", "domain", "192.0.2.7"),
    ],
)
def test_a_domain_is_a_host_or_what_is_registered(host: str, key: Literal["host", "domain"], domain: str) -> None:
    assert domain_of(host, key=key) == domain
