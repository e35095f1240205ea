"""Judging what is no mathematics: the letters of a choice, and texts that must be repeated exactly."""

from __future__ import annotations

import re
from functools import lru_cache

from reasonforge.core.records import Verdict
from reasonforge.verify.answers import choice_letter, normal_text, without_lead
from reasonforge.verify.cleaning import plain_characters, strip_dressing
from reasonforge.verify.extract import MAX_ANSWER_CHARS, Found, find_answer
from reasonforge.verify.retraction import is_denied, is_taken_back

_BBH_LEAD = re.compile(r"answer is:?\s*", re.IGNORECASE)
_NEXT_QUESTION = re.compile(r"\n\s*\n\s*(?:Q|Question|Problem)\s*:")
_LETTER_PHRASE = re.compile(
    r"(?:answer|choice|option|选|答案)\s*(?:is|are|:|：|为|是)?\s*[:：]?\s*[(（\[*$]{0,4}(?:\\text\{)?\(?([A-J](?:\s*[,、]?\s*[A-J])*)(?![A-Za-z])"
)
_LONE_LETTER = re.compile(r"(?<![A-Za-z])\(?([A-J])\)?(?![A-Za-z'])")
_CONNECTIVE = r"(?:\\text\s?\{\s{0,2})?(?:or|and|maybe|possibly|perhaps|或者?|和|还是)(?![A-Za-z])"
_MARKS = r"[\s$()\[\]*{},./;、|&-]{0,8}"
_SAME_BREATH = re.compile(rf"{_MARKS}(?:{_CONNECTIVE}{_MARKS}){{0,2}}[A-J](?![A-Za-z'])")
_LETTER_BESIDE = re.compile(rf"(?<![A-Za-z])([A-J])(?![A-Za-z']){_MARKS}(?:{_CONNECTIVE}{_MARKS}){{0,2}}\Z")
_OR_LETTER = re.compile(
    rf"{_MARKS}(?:\\text\s?\{{\s{{0,2}})?(?:or|maybe|possibly|perhaps|alternatively|或者?|还是)(?![A-Za-z]){_MARKS}"
    rf"(?:{_CONNECTIVE}{_MARKS}){{0,2}}([A-J])(?![A-Za-z'])",
    re.IGNORECASE,
)
_LETTER_ENDS = r"(?<![A-Za-z'])([A-J])[\s)$*}]{0,6}(?:[.。!！?？\n]|\Z)"
_AND_LETTER = re.compile(rf"[\s$)}}*.]{{0,6}}(?:[,，、/&|]|(?<=[.])|and\b|和|与)[\s$(*]{{0,6}}(?:[A-J][.)\s]{{1,4}}){{0,9}}{_LETTER_ENDS}")
# "Wait, it is D.", and not "no, D is too large".
_REVISED_LETTER = re.compile(
    r"(?:\A|[\n.!?。！？,，;—–-])[\s$}*)]{0,6}"
    r"(?i:wait|no|hold on|actually|correction|alternatively|on second thought|更正|等等|不对)(?![A-Za-z])"
    rf"[^\n.。]{{0,60}}?{_LETTER_ENDS}"
)
_LETTERS_OF_CHOICES = frozenset("ABCDEFGHIJ")
_BETWEEN_LETTERS = frozenset({"and", "or", "also", "no", "not", "maybe", "then", "wait"})
# "B, not D" and "C 选项" are one choice.
_NOT_OTHER = re.compile(r"(?:,\s{1,3}not\s[\s(]{0,3}[A-J][\s).]{0,3}|\s{0,2}选?项)\Z")
_LETTERS = re.compile(r"\W*([A-J](?:(?:[\s,、;]*|\s(?:and|&)\s|和|与)[A-J])*)(?![A-Za-z])(?P<words>.*)", re.DOTALL)


def grade_letters(gold: str, section: str, found: Found | None, *, guess: bool) -> Verdict:
    """Judge an answer whose reference is one letter or several; ``guess`` takes the last letter where none is declared."""
    reference = letters_of(gold)
    if reference is None:
        reference = choice_letter(gold)
    if reference is None:
        return _grade_words(gold, found)
    prediction = None if found is None else _choice(found.answer)
    if prediction is None and guess:
        prediction = _guessed_letters(section)
    if prediction is None:
        if found is None:
            return Verdict(status="no_answer", reason="no choice is declared")
        words = normal_text(found.answer[:MAX_ANSWER_CHARS]) or "?"
        return Verdict(status="wrong", prediction=words, reason="the answer names no single choice")
    offered = None if found is None else _OR_LETTER.match(found.after) or _AND_LETTER.match(found.after)
    if offered is not None and offered.group(1).upper() != prediction:
        return Verdict(status="wrong", prediction=prediction, reason="the words after the answer offer another")
    if found is not None and not guess and prediction == reference:
        others = {_choice(other) for other in found.others}
        if others - {prediction}:
            return Verdict(status="wrong", prediction=prediction, reason="two different answers are declared")
        if is_denied(found):
            return Verdict(status="wrong", prediction=prediction, reason="the words before the answer deny it")
        later = {match.group(1) for phrase in (_LETTER_PHRASE, _REVISED_LETTER) for match in phrase.finditer(found.after)}
        if later - {prediction} or is_taken_back(found.after, "", lambda _: True):
            return Verdict(status="wrong", prediction=prediction, reason="the words after the answer take it back")
    return Verdict(status="correct" if prediction == reference else "wrong", prediction=prediction)


def _grade_words(gold: str, found: Found | None) -> Verdict:
    """Compare a choice whose reference is no letter by its words."""
    if found is None:
        return Verdict(status="no_answer", reason="no choice is declared")
    prediction = normal_text(found.answer[:MAX_ANSWER_CHARS])
    if not prediction:
        return Verdict(status="no_answer", reason="the answer is empty")
    return Verdict(status="correct" if prediction == normal_text(gold) else "wrong", prediction=prediction)


def _choice(raw: str) -> str | None:
    if len(raw) > MAX_ANSWER_CHARS:
        return None
    raw = _NOT_OTHER.sub("", raw)
    letter = choice_letter(raw)
    words = re.findall(r"[A-Za-z]+", raw)
    if letter and len(words) > 1 and {word.lower() for word in words if word not in _LETTERS_OF_CHOICES} <= _BETWEEN_LETTERS:
        letter = None  # A. B. C. D.
    return letter or letters_of(raw)


def letters_of(raw: str) -> str | None:
    """Return the capitals of a choice in order (``["B", "D"]`` is BD); None where anything else stands beside them."""
    match = _LETTERS.fullmatch(without_lead(strip_dressing(raw[:MAX_ANSWER_CHARS])))
    if match is None or re.search(r"\w", match.group("words")):
        return None
    letters = re.sub(r"[^A-J]", "", match.group(1))
    # AA names nothing, and A, B as well as BA name two.
    return "".join(sorted(letters)) if len(set(letters)) == len(letters) else None


def _guessed_letters(section: str) -> str | None:
    """Return the letter after the last phrase of choosing; else the last capital that stands alone."""
    section = plain_characters(section[-20_000:])
    last = None
    for match in _LETTER_PHRASE.finditer(section):
        last = match
    if last is not None:
        return None if _SAME_BREATH.match(section, last.end()) else letters_of(last.group(1))
    for match in _LONE_LETTER.finditer(section):
        # "A" at the start of a sentence and "I" are words.
        if match.group(1) not in "AI" or match.group().startswith("(") or match.group().endswith(")"):
            last = match
    if last is None:
        return None
    beside = _LETTER_BESIDE.search(section, max(0, last.start() - 60), last.start())
    return None if beside is not None and beside.group(1) != last.group(1) else last.group(1)


def grade_exact(gold: str, section: str) -> Verdict:
    """Compare what follows "the answer is" letter by letter."""
    section = _NEXT_QUESTION.split(section[-200_000:], maxsplit=1)[0]
    parts = _BBH_LEAD.split(section)
    if len(parts) > 1:
        answer = parts[-1].split("\n", maxsplit=1)[0]
    elif (found := find_answer(section)) is not None:
        answer = found.answer
    else:
        return Verdict(status="no_answer", reason='no "the answer is"')
    prediction = exact_text(answer[:MAX_ANSWER_CHARS])
    if not prediction:
        return Verdict(status="no_answer", reason="the answer is empty")
    return Verdict(status="correct" if prediction == exact_text(gold) else "wrong", prediction=prediction)


@lru_cache(maxsize=4_096)
def exact_text(raw: str) -> str:
    """Return an answer as BIG-Bench Hard compares it: one full stop and the words behind a letter taken off, the rest as it stands."""
    text = " ".join(raw.split()).strip("*` ")
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    letter = re.fullmatch(r"\(?([A-Z])\)(?: .*)?|([A-Z])", text)
    return f"({letter.group(1) or letter.group(2)})" if letter else text
