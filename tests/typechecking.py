"""The checker behind every shape annotation during tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception

# The numeric tower of PEP 484: ``eps: float`` takes 10 as well as 10.0, as pyright and everybody who writes a call expect.
_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its arguments and result checked."""
    try:
        return _beartype(function)
    except BeartypeDecorHintPep673Exception:
        return function  # ``-> Self`` needs the whole class, and jaxtyping hands its methods over one by one
