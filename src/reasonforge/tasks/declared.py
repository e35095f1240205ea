"""From a completion to a verdict on the one answer that it declares and stands by; what an answer may look like is each task's own."""

from __future__ import annotations

from collections.abc import Callable

from reasonforge.core.records import Verdict
from reasonforge.verify.cleaning import strip_dressing
from reasonforge.verify.extract import MAX_TEXT_CHARS, answer_section, find_answer
from reasonforge.verify.retraction import second_thoughts

MAX_ANSWER_CHARS = 2_000
"""Longer answers are refused unread."""

_QUOTES = ('""', "''", "“”", "‘’")


def judge_declared(text: str, judge: Callable[[str], Verdict], *, longest: int = MAX_ANSWER_CHARS) -> Verdict:
    """Find the declared answer and judge it. A right one that the completion takes back, denies or puts beside another is wrong.

    Args:
        text: the completion.
        judge: judges an answer of at most ``longest`` characters. Two answers with one prediction say the same.
        longest: how many characters of an answer are read.
    """
    if len(text) > MAX_TEXT_CHARS:
        return Verdict(status="error", reason=f"completion of {len(text)} characters")
    section = answer_section(text)
    found = None if section is None else find_answer(section)
    if found is None:
        return Verdict(status="no_answer", reason="thinking does not end" if section is None else "no answer block, box or answer phrase")
    if len(found.answer) > longest:
        return Verdict(status="no_answer", reason=f"answer of {len(found.answer)} characters")
    verdict = judge(found.answer)
    if not verdict.correct:
        return verdict
    prediction = verdict.prediction or ""
    doubt = second_thoughts(found, prediction, lambda other: len(other) <= longest and judge(other).prediction == prediction)
    return Verdict(status="wrong", prediction=prediction, reason=doubt) if doubt else verdict


def undressed(answer: str) -> str:
    """Return an answer without its LaTeX and Markdown dressing and without the quotation marks around the whole of it.

    >>> undressed('**"cat, dog"**.'), undressed("'a', 'b'")
    ('cat, dog', "'a', 'b'")
    """
    text = strip_dressing(answer)
    for opening, closing in _QUOTES:
        inside = text[1:-1]
        if len(text) > 2 and text[0] == opening and text[-1] == closing and opening not in inside and closing not in inside:
            return inside.strip()
    return text
