"""What people import from the two packages that are used alone."""

from __future__ import annotations

import reasonforge.sandbox
import reasonforge.verify
from reasonforge.sandbox.open import open_sandbox
from reasonforge.verify.grade import grade


def test_the_grader_and_the_sandbox_are_where_their_packages_say() -> None:
    assert reasonforge.verify.grade is grade
    assert reasonforge.sandbox.open_sandbox is open_sandbox


def test_what_a_package_offers_is_there() -> None:
    for package in (reasonforge.sandbox, reasonforge.verify):
        assert all(hasattr(package, name) for name in package.__all__)
