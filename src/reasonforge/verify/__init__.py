"""Judging an answer: where it stands in a completion, what it says, whether it equals the reference. Exact and bounded, no evaluation."""

from reasonforge.core.records import Verdict
from reasonforge.verify.grade import Profile, grade

__all__ = ["Profile", "Verdict", "grade"]
