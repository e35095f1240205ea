"""Which warm interpreter a program starts from."""

from __future__ import annotations

import re
from typing import Literal

Flavour = Literal["bare", "sci"]
_IMPORT = re.compile(r"^[ \t;]*(?:from|import)[ \t]+([^\n#]+)", re.MULTILINE)
_HEAVY = re.compile(r"\b(?:numpy|sympy|scipy|mpmath|pandas|networkx|matplotlib)\b")


def flavour_of(code: str) -> Flavour:
    """Return ``sci`` where a program seems to import numpy, sympy or what stands on them.

    A guess for speed and nothing else: the other flavour runs the program too. It reads lines and does not parse,
    because Python's parser can be made to crash, and this is the trainer's own process.
    """
    if _HEAVY.search(code) is None:
        return "bare"
    return "sci" if any(_HEAVY.search(match[1]) for match in _IMPORT.finditer(code)) else "bare"
