"""What each grading profile accepts. ``strict`` is for rewards; the others follow published evaluations, with what those let pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from reasonforge.verify.structures import Tolerance

Profile = Literal["strict", "deepseek-math", "qwen-math", "prm800k", "bbh", "mcq"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The choices of one profile."""

    one_declaration: bool = True
    """True: two different boxes, an answer taken back after the box and thinking that never ends are not correct."""
    last_number: bool = False
    """True: where nothing is declared, the last number of the text is the answer. A reward must not pay for that."""
    units_agree: bool = True
    """True: where both sides name a unit, the units must be the same."""
    percent_agrees: bool = True
    """True: a percentage only equals a percentage. False: the sign is dropped."""
    finished_numbers: bool = True
    """True: where the reference is a number, arithmetic that is left to the reader (3 + 2 for 5) is not an answer."""
    last_of_chain: bool = False
    """True: of 1 + 1 = 2 the right side is the answer."""
    loose_brackets: bool = False
    """True: (1, 2) is also 1, 2 and a column of both."""
    tolerance: Tolerance = field(default_factory=Tolerance)
    symbolic: bool = True
    form: Literal["math", "exact", "letter"] = "math"


RULES: dict[Profile, Rules] = {
    "strict": Rules(),
    # Both forgive a factor of 100 between percentages and numbers, and so take 2500 for 25.
    "deepseek-math": Rules(
        one_declaration=False, last_number=True, units_agree=False, percent_agrees=False, finished_numbers=False, last_of_chain=True,
        loose_brackets=True, tolerance=Tolerance(absolute=1e-3, percent_factor=True),
    ),
    "qwen-math": Rules(
        one_declaration=False, last_number=True, units_agree=False, percent_agrees=False, finished_numbers=False, last_of_chain=True,
        loose_brackets=True, tolerance=Tolerance(relative=1e-4, percent_factor=True),
    ),
    "prm800k": Rules(one_declaration=False, units_agree=False, percent_agrees=False, finished_numbers=False),
    "bbh": Rules(one_declaration=False, form="exact", symbolic=False),
    "mcq": Rules(one_declaration=False, form="letter", symbolic=False),
}  # fmt: skip
