"""Worked examples to put before a question. They stand in ``shots.toml``, where they read as they will be shown."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from reasonforge.core.records import ProblemKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A question and a response worth imitating."""

    question: str
    response: str
    answer: str
    kind: ProblemKind = "math"


@cache
def shot_sets() -> dict[str, tuple[Shot, ...]]:
    """Return all sets by name: ``pot`` and ``tir`` serve every English problem, ``pot_zh`` and ``tir_zh`` every Chinese one."""
    text = (resources.files("reasonforge.tasks") / "shots.toml").read_text(encoding="utf-8")
    return {
        name: tuple(Shot(**{key: value.strip("\n") for key, value in shot.items()}) for shot in shots)
        for name, shots in tomllib.loads(text).items()
    }
