"""Numbers worked out elsewhere: each file in ``oracles/`` says from which equation, and by which two ways they were computed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "oracles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One worked example."""

    id: str
    inputs: dict[str, Any]
    expected: dict[str, Any]
    tolerance: float
    """Largest absolute difference, in float64."""


def cases(name: str, *, prefix: str = "") -> list[Case]:
    """Return the cases of ``oracles/<name>.json`` whose id starts with ``prefix``; at least one, so that no test is empty."""
    content = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = [
        Case(id=case["id"], inputs=case["inputs"], expected=case["expected"], tolerance=content["abs_tolerance"])
        for case in content["cases"]
        if case["id"].startswith(prefix)
    ]
    assert found, f"oracle {name} has no case starting with {prefix!r}"
    return found


def case(name: str, case_id: str) -> Case:
    """Return one case."""
    return next(found for found in cases(name) if found.id == case_id)
