"""Whether a completion stands by its answer: other declarations, words that deny it in front, words that take it back behind it."""

from __future__ import annotations

import re
from collections.abc import Callable

from reasonforge.verify.answers import normal_text, read_answer
from reasonforge.verify.cleaning import plain_characters
from reasonforge.verify.extract import Found, last_statement
from reasonforge.verify.numbers import parse_number

TAKEN_BACK = re.compile(
    r"\b(?:wait|hold on|hmm+|oops|sorry|correction|on second thought|scratch that|let me (?:re|double)|i (?:was|am) wrong|i made)\b"
    r"|(?:^|[.!?]\s{1,4})no[,:.]|\bactually,?\s{1,3}(?:it|that|this|the (?:answer|result)|\$|\\|-?[0-9])"
    r"|\b(?:that|this|it|answer|result)(?:'s| is| was) (?:wrong|incorrect|mistaken|not)\b|\b(?:it|that|answer|result) should(?: have)? be"
    r"|不对|错了|等等|等一下|应该是|更正|其实[是应]",
    re.IGNORECASE,
)
SAYS_WRONG = re.compile(
    r"\b(?:i (?:was|am) wrong|i made (?:a|an) (?:mistake|error))\b"
    r"|\b(?:is|was|that's|it's) (?:wrong|incorrect|mistaken|not (?:right|correct|it))\b"
    r"|\b(?:oops|scratch that)\b|不对|错了",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?(?:/[0-9]{1,30})?")
_OR_NEXT = re.compile(r"[\s$.)}\]*,]{0,6}(?:\\text\{)?\s{0,3}(?:or|或)\b\s{0,3}(?P<other>[^\n.]{1,60})", re.IGNORECASE)
_OR_MORE = re.compile(r"(?:more|less|so|greater|fewer|higher|lower|above|below|over)\b", re.IGNORECASE)
NEGATED = re.compile(r"(?:\bnot|n't|\\neq?|≠|不是|\bnever)(?: be)?[\s$:*(]{0,4}\Z", re.IGNORECASE)


def second_thoughts(found: Found, prediction_text: str, same: Callable[[str], bool]) -> str:
    """Return why an answer does not stand; "" where it stands.

    Args:
        found: the declaration and what surrounds it.
        prediction_text: the answer in normal form.
        same: tells whether a text says the same as the answer.
    """
    if found.others and not all(same(other) for other in set(found.others)):
        return "two different answers are declared"
    if NEGATED.search(found.before):
        return "the words before the answer deny it"
    after = found.after
    if not after or after.isspace():
        return ""
    if match := _OR_NEXT.match(after):
        other = match.group("other").strip(" $*}")
        if _OR_MORE.match(other) or (parse_number(_first_words(other)) is not None and not same(_first_words(other))):
            return "the words after the answer offer another"
    statement = last_statement(after)
    if statement is not None and not same(statement) and read_answer(statement).node is not None:
        return "another answer is declared after it"
    match = TAKEN_BACK.search(after)
    if match is None:
        return ""
    numbers = [number.group().rstrip(",") for number in _NUMBER.finditer(plain_characters(after[match.start() :]))]
    if numbers:
        ends_with_it = same(numbers[-1]) or (prediction_text and normal_text(after[match.start() :][-200:]).endswith(prediction_text))
        return "" if ends_with_it else "the words after the answer take it back"
    return "the words after the answer take it back" if SAYS_WRONG.search(after) else ""


def _first_words(text: str) -> str:
    return text.split(" ", maxsplit=1)[0].rstrip(",;:!?$")
