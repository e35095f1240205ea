"""What is handed to a pool of graders: plain text, so that it crosses process borders as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from reasonforge.core.records import ProblemKind, Verdict

if TYPE_CHECKING:
    from reasonforge.verify.grade import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeItem:
    """One completion to judge; the fields are the arguments of ``verify.grade.grade``."""

    gold: str
    text: str
    profile: Profile = "strict"
    question: str = ""
    kind: ProblemKind = "math"
    language: str | None = None
    """None = not known."""

    def to_json(self) -> bytes:
        """Return the item as a request to a worker. Lone surrogates survive: JSON writes them as escapes."""
        return json.dumps({"do": "grade", **asdict(self)}).encode()


def verdict_to_json(verdict: Verdict) -> dict[str, str | None]:
    """Return a verdict as a reply."""
    return {"status": verdict.status, "prediction": verdict.prediction, "reason": verdict.reason}
