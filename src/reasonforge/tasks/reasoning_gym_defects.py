"""What is known to be wrong with tasks of reasoning-gym 0.1.25: those that cannot be used, and scorers that execute the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NO_ORACLE = "it has no reference answer"
_NOT_REPEATABLE = "the same seed does not give the same problems in every process"

REFUSED: Mapping[str, str] = {
    "boxnet": _NO_ORACLE,
    "graph_color": _NO_ORACLE,
    "propositional_logic": _NO_ORACLE,
    "rubiks_cube": _NO_ORACLE,
    "rush_hour": _NO_ORACLE,
    "composite": "it is a mixture; name its tasks as sources of their own",
    "codeio": _NOT_REPEATABLE,
    "isomorphic_strings": _NOT_REPEATABLE,
    "knight_swap": _NOT_REPEATABLE,
    "list_functions": _NOT_REPEATABLE,
    "polynomial_multiplication": _NOT_REPEATABLE,
    "ransom_note": _NOT_REPEATABLE,
    "word_ladder": _NOT_REPEATABLE,
    "coin_flip": "its scorer accepts 0 for every small probability",
    "game_of_life_halting": "its scorer accepts any text where the answer is False",
    "puzzle24": "its scorer does not look at the given numbers; the task game24 does",
}
"""Task -> why no verdict of it can be trusted."""

_MATRIX = r"[-\d\s\[\](),.]*+"
_ARITHMETIC = r"(?:(?!\*\*)[\d\s+\-*/()])*+"
# Possessive, so that a long text costs one pass. A name is one letter or a function that the solutions use; a full stop stands between
# digits only, so there are no attributes.
_FUNCTIONS = "a?sin|a?cos|a?tan|exp|log|ln|sqrt|pi"
_FORMULA = rf"(?:[\s+\-*/^()]|\d++(?:\.\d++)?|(?:{_FUNCTIONS}|[A-Za-z])(?![A-Za-z\d]))*+"

SAFE_ANSWERS: Mapping[str, re.Pattern[str]] = {
    # Their scorers call ``eval`` or sympy's ``parse_expr`` on the answer. A text that runs as code could state any score.
    "binary_matrix": re.compile(_MATRIX),
    "spiral_matrix": re.compile(_MATRIX),
    "n_queens": re.compile(r"[\s\[\],'\"Q_]*"),
    "string_insertion": re.compile(r"[\s\[\],'\"A-Z]*"),
    "countdown": re.compile(_ARITHMETIC),
    "simple_integration": re.compile(_FORMULA),
    "intermediate_integration": re.compile(_FORMULA),
    # ``min(1.0, nan)`` is 1.0 there.
    "complex_arithmetic": re.compile(r"[\d\s+\-*.()eEiIjJ]*"),
}
"""Task -> what an answer must look like as a whole before its scorer sees it."""
