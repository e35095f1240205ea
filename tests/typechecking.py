"""The checker behind every shape annotation during tests."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintException

# The numeric tower of PEP 484: ``eps: float`` takes 10 as well as 10.0, as pyright and everybody who writes a call expect.
_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Any) -> Any:
    """Return the function with its arguments and result checked, except those whose hint cannot be checked while running.

    These are protocols that are not ``runtime_checkable``, and ``Self``, which needs the whole class where jaxtyping hands over methods.
    """
    try:
        return _beartype(function)
    except BeartypeDecorHintException:
        if not isinstance(function, FunctionType):
            raise
    hints = dict(function.__annotations__)
    function.__annotations__ = {name: hint for name, hint in hints.items() if _is_checkable(function, name, hint)}
    return _beartype(function)


def _is_checkable(function: FunctionType, name: str, hint: Any) -> bool:
    function.__annotations__ = {name: hint}
    try:
        _beartype(function)
    except BeartypeDecorHintException:
        return False
    return True
