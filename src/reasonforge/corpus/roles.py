"""Inputs of units by role: a unit has one flat list of inputs, its function wants to know which of them are pages and which are masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reasonforge.corpus.units import Input, Needs, Unit, Work


def unit_of(
    stage: str,
    function: str,
    inputs: Mapping[str, Sequence[Input]],
    *,
    settings: Mapping[str, Any] | None = None,
    version: int = 1,
    needs: Needs | None = None,
) -> Unit:
    """Return a unit whose inputs have roles: their names become a setting, and :func:`roles` gives them back."""
    names = [role for role, given in inputs.items() for _ in given]
    flat = tuple(entry for given in inputs.values() for entry in given)
    settings = {**(settings or {}), "roles": names}
    return Unit(stage=stage, function=function, version=version, settings=settings, inputs=flat, needs=needs or Needs())


def roles(work: Work) -> dict[str, list[str]]:
    """Return the inputs of a unit by role, in order; a role that no input has is missing."""
    found: dict[str, list[str]] = {}
    for role, path in zip(work.settings["roles"], work.inputs, strict=True):
        found.setdefault(role, []).append(path)
    return found
