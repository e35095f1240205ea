"""The strict grader: an answer is right when it says exactly what the reference says. What a reward may trust; nothing is guessed.

Numbers are compared as exact rationals, a percentage only equals a percentage, and where both sides name a unit the units must agree.
A reference that is no number is compared as normalised text, and a choice as its letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from reasonforge.core.records import ProblemKind, Verdict
from reasonforge.verify.cleaning import strip_dressing
from reasonforge.verify.extract import MAX_ANSWER_CHARS, MAX_TEXT_CHARS, answer_section, extract_answer
from reasonforge.verify.numbers import parse_number

_SPACED_MARK = re.compile(r"\s*([^\w\s])\s*")
_WORDS_ONLY = re.compile(r"[^\W\d_]{2,}(?:\s[^\W\d_]+)*")
_CHOICE = re.compile(r"[(\[{]?\s?([A-Za-z])\s?[)\]}]?(?:$|[.:)](?P<words>.*))", re.DOTALL)
_SECOND_CHOICE = re.compile(r"(?:^|\W)(?:or|and|或|和)\s?[(\[]?[A-Z](?:\W|$)")


@dataclass(frozen=True, slots=True)
class _Reference:
    canonical: str
    unit: str


def grade(gold: str, text: str, *, kind: ProblemKind = "math") -> Verdict:
    """Judge a completion against the reference answer. Never raises on any text; linear in its length.

    Returns:
        ``correct`` or ``wrong`` with the prediction in normal form; ``no_answer`` where nothing is declared or thinking never ends;
        ``error`` where no rule can judge: an empty or overlong reference, a kind without rules, a completion beyond the length limit.

    >>> grade("18", "She makes 9 * 2 = 18. #### 18").status, grade("18", "<think>9 * 2</think> \\\\boxed{\\\\$18.00}").prediction
    ('no_answer', '18')
    """
    if kind in ("code", "open"):
        return Verdict(status="error", reason=f"no rule judges problems of kind {kind!r}")
    if len(text) > MAX_TEXT_CHARS:
        return Verdict(status="error", reason=f"completion of {len(text)} characters; at most {MAX_TEXT_CHARS} are read")
    reference = _reference(gold, kind)
    if reference is None:
        return Verdict(status="error", reason=f"the reference answer is empty or longer than {MAX_ANSWER_CHARS} characters")
    answer = extract_answer(text)
    if answer is None:
        unfinished = answer_section(text) is None
        return Verdict(status="no_answer", reason="thinking does not end" if unfinished else "no box, answer block, #### or answer phrase")
    if len(answer) > MAX_ANSWER_CHARS:
        return Verdict(status="no_answer", reason=f"an answer of {len(answer)} characters is no answer")
    prediction = _normal_form(answer, kind, unit=reference.unit)
    if not prediction:
        return Verdict(status="no_answer", reason="the answer is empty")
    return Verdict(status="correct" if prediction == reference.canonical else "wrong", prediction=prediction)


@lru_cache(maxsize=65_536)
def _reference(gold: str, kind: ProblemKind) -> _Reference | None:
    # A cut reference would be equal to whatever begins like it.
    if len(gold) > MAX_ANSWER_CHARS:
        return None
    number = parse_number(gold) if kind != "choice" else None
    canonical = _normal_form(gold, kind, unit="")
    return _Reference(canonical, number.unit if number else "") if canonical else None


def _normal_form(answer: str, kind: ProblemKind, *, unit: str) -> str:
    """Return the text that equal answers share; "" where nothing is left.

    The unit of the reference decides whether a unit belongs to the answer: where it has none, or the answer has none, none does.
    """
    if kind == "choice":
        return _choice(answer) or _normal_text(answer)
    number = parse_number(answer)
    if number is None:
        return _normal_text(answer)
    return f"{number} {number.unit}" if unit and number.unit and number.unit != unit else str(number)


def _normal_text(answer: str) -> str:
    text = _SPACED_MARK.sub(r"\1", strip_dressing(answer))
    # "Yes" is "yes", but the point A is not the length a.
    return text.casefold() if _WORDS_ONLY.fullmatch(text) else text


def _choice(answer: str) -> str | None:
    """Return the one letter that a choice names ("(C)", "C. 5"); None where it names none or hedges ("A) or B")."""
    match = _CHOICE.fullmatch(strip_dressing(answer))
    if match is None or _SECOND_CHOICE.search(match.group("words") or ""):
        return None
    return match.group(1).upper()
