"""Whether a completion stands by its answer: other declarations, words that deny it in front, words that take it back behind it."""

from __future__ import annotations

import re
from collections.abc import Callable

from reasonforge.verify.answers import normal_text, read_answer
from reasonforge.verify.cleaning import plain_characters
from reasonforge.verify.extract import Found, last_statement
from reasonforge.verify.numbers import parse_number

# A false retraction pays nothing for a right answer, so these words count only where a sentence about the answer would have them:
# people wait for buses, apples, pears 等等 are fruit, and a coin that is not fair is no wrong answer.
_CLAIM = r"(?:equal to )?[\s$*\\({]{0,5}(?:boxed\{|[dt]?frac|sqrt)?-?[0-9]"
_IT_IS = r"(?:it|that|this|(?:the|my) (?:\w{1,10} )?(?:answer|result|value))(?:'s| is| was| equals| must be| should(?: have)? be(?:en)?)"
_SENTENCE_START = r"(?:\A|[\n.!?。！？,，;—–-])[\s$}*)]{0,6}(?:(?:oh|but|ah|um|no)\b,?\s{1,3})?"
_DOUBTED = re.compile(
    rf"{_SENTENCE_START}(?:wait|hold on|hmm+|oops|sorry(?=[,:.!])|correction|(?:edit|update)(?=\s{{0,3}}:)"
    rf"|no(?=[,:.!]\s{{0,3}}(?:(?:wait|sorry|rather|make (?:it|that)|i meant?|{_IT_IS})\b[^.\n0-9]{{0,12}})?{_CLAIM})"
    r"|on (?:second thought|(?:further |closer )?(?:reflection|inspection))"
    r"|let me (?:re(?:-?(?:consider|compute|calculate|think|do|examine|evaluate))?|double))\b"
    r"|\b(?:it|answer|result) (?:might|may|could)(?: also| well| instead)? be(?= [$\\*(]{0,3}-?[0-9]| [$]?\\frac)"
    rf"|\bactually,?\s{{1,3}}(?:{_IT_IS}\s{{1,3}})?{_CLAIM}|\b(?:it|that|answer|result) should(?: have)? be(?:en)? {_CLAIM}"
    rf"|\bbut {_IT_IS} {_CLAIM}|\bfinal(?: \w{{1,10}})?:{_CLAIM}|\bchanged my mind\b"
    r"|\b(?:but|however),? the (?:true|actual|correct|real) \w{1,10} is\b"
    rf"|{_SENTENCE_START}(?:等等|等一下)(?=[，,。！!…\s])|应该是|(?<![对相反])应[为是]|更正|其实[是应]",
    re.IGNORECASE,
)
# One of these is in every match of the pattern above it: most texts are done with them, at a tenth of the cost.
_DOUBT_WORDS = (
    "wait", "hold on", "hmm", "oops", "sorry", "no,", "no.", "no:", "no!", "correction", "edit", "update", "second thought", "reflection",
    "inspection", "final", "my mind", "let me", "might", "may", "could", "actually", "should", "but", "however", "等", "应", "更正", "其实",
)  # fmt: skip
_REVISED = re.compile(
    r"\bactually\b|\bcorrection\b|\bshould(?: have)? be(?:en)?\b|\bbut (?:it|that|the (?:\w{1,10} )?answer) is\b|应该是|更正|其实[是应]",
    re.IGNORECASE,
)
_CONFIRMED = re.compile(
    r"\b(?:correct|right)\b(?! (?:answer|value|result|solution|number|one|choice|side|hand|angle|triangle)s?\b)"
    r"|\b(?:confirm(?:s|ed)?|verified|checks out|matches|consistent|indeed)\b|正确(?!的?(?:答案|结果|值))|没错|符合|成立|✓|✔|✅",
    re.IGNORECASE,
)
_WRONG = r"(?:wrong|incorrect|mistaken|not (?:right|correct|it|the (?:\w{1,10} )?answer)\b)(?! (?:to|only|if|unless|when)\b)"
_SAYS_WRONG = re.compile(
    rf"\b(?:i (?:was|am) (?:wrong|mistaken)|i made an? (?:mistake|error)|i mis(?:read|calculated|counted)|scratch that|just kidding"
    rf"|(?:answer|result) (?:is|was) {_WRONG})"
    rf"|\A\s{{0,6}}[^\n]{{0,40}}?\b(?:that|this|it)(?:'s| is| was) {_WRONG}"
    rf"|\A[\s$}}.*)\]]{{0,6}}(?:(?:is|was|seems|looks|appears)(?: to be)? {_WRONG}|❌|✗|✘"
    rf"|(?:cannot|can't|could not|couldn't|must not) be (?:right|correct|true|the (?:\w{{1,10}} )?answer)\b"
    rf"|(?:is|was) (?:only )?(?:my|a) (?:first|initial) (?:guess|thought|answer)|\?\s{{0,3}}(?:no|not sure)\b|[–—-]\s{{0,3}}no,)"
    rf"|{_SENTENCE_START}oops\b|{_SENTENCE_START}wait[^\n]{{0,40}}?\b(?:that|this|it)(?:'s| is| was) {_WRONG}"
    # Not 甲说得不对: a solution tells who is wrong.
    rf"|(?:{_SENTENCE_START}|答案|结果|[上前]面|刚才|我|这个?)(?:是|算)?(?:不对|错了)(?=[，,。.！!？?：:；…\s]|\Z)",
    re.IGNORECASE,
)
_WRONG_WORDS = (
    "wrong", "incorrect", "mistake", "not", "error", "misread", "miscalculated", "miscounted", "scratch that", "just kidding", "cannot be",
    "can't be", "couldn't be", "first", "initial", "?", "no,", "oops", "❌", "✗", "✘", "不对", "错了",
)  # fmt: skip
_SENTENCE_END = re.compile(r"[\n。！？]|\.(?=\s|$)")
_NUMBER = re.compile(r"-?\\[dt]?frac\{[0-9]{1,30}\}\{[0-9]{1,30}\}|-?[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?(?:/[0-9]{1,30})?")
_OR_NEXT = re.compile(
    r"[\s$.(){}\]*,，;?–—-]{0,8}(?:\\text\{)?\s{0,3}(?:or\b|或者?|还是|(?P<weak>alternatively\b[,:]?|(?:maybe|perhaps)\b))\**\s{0,3}"
    r"(?:(?:maybe|possibly|perhaps|probably|even|else|just|simply|equivalently|is it|it is|it's)\b,?\s{1,3})?"
    r"(?P<other>(?:[^\n.]|\.(?=[0-9])){1,60})",
    re.IGNORECASE,
)
_OR_MORE = re.compile(r"(?:not|more(?! (?:precisely|exactly|simply))|less|so|greater|fewer|higher|lower|above|below|over)\b", re.IGNORECASE)
# What touches a box belongs to it: [box 5]6 and [box 5]^2 are not 5.
_JOINED = re.compile(r"\.?[0-9]|\^(?![{\s]{0,2}(?:\\circ|°|\\prime|'))|\s{0,2}(?:/|\\pm|±|\\cdot|\\times)\s{0,2}[-\\0-9]")
_BOX_JOINED = re.compile(r"(?:[0-9]|[0-9]\s{0,2}(?:[-+*/]|\\cdot|\\times)\s{0,2}|[/^]|\\sqrt)\Z")
_EQUALS_NEXT = re.compile(r"[ \t]{0,2}=[ \t]{0,2}(?P<other>[^\n$=≈]{1,60}?)(?:\$|\\[\])]|\.?\s*(?:\n|\Z))")
_LIST_NEXT = re.compile(
    r"[\s$)\]}]{0,4}(?:,|，|、|;|and\b|&|和|与|及|\||\\l?or\b|\\vee)[\s$\\(]{0,5}(?P<other>-?[0-9][0-9.,/]{0,30})[$)\]]{0,3}\s{0,2}(?:[.。!]?\s*(?:\n|\Z))",
    re.IGNORECASE,
)
_OR_BEFORE = re.compile(
    r"(?:\b(?:either|is|are|be)|=|:)[\s$(]{1,5}(?P<other>-?[0-9][0-9.,/]{0,30})[\s$)]{0,4}(?:\bor|或者?|还是|\\l?or|\\vee)[\s$(]{0,5}\Z",
    re.IGNORECASE,
)
_IF_ELSE = re.compile(r"[\s$})]{0,4}if\b[^.\n]{1,60}\b(?:else|otherwise)\b", re.IGNORECASE)
_ASKED = re.compile(r"[吗么]\s{0,2}[?？]?\s{0,2}\Z")
_OPEN_END = re.compile(r"[ \t$})]{0,4}(?:以上|以下|以内|左右)")
_FENCED_OTHER = re.compile(r"(?:\$([^$\n]{1,60})\$|\\\(([^\n]{1,60}?)\\\))[\s.?!)*]*\Z")
# "more often than not" and "whether or not" deny nothing, and a false denial pays nothing for a right answer.
_NEGATED = re.compile(
    r"(?:\b(?:is|are|was|be|does|do|should|could|would|can|must|it|that|answer|result|value|certainly|definitely)\s{1,3}not\b"
    r"|n't\b|\bcannot\b|\bnever\b|\A\W{0,8}not\b|[:：,，]\s{0,3}not\b|\\neq?|≠|不是|不等于|~~|❌"
    r"|\b(?:wrong|incorrect|mistaken) (?:answer|result|value|solution)(?: (?:is|would be|here is))?)"
    r"(?: (?:be|equal(?: to)?))?[ \t$:*(]{0,4}\n?[ \t$*(]{0,4}\Z",
    re.IGNORECASE,
)
# "I doubt that the answer is", with or without the phrase that extraction has cut off.
_DISOWNED = re.compile(
    r"(?:(?:\b(?:false|untrue|unlikely|doubt|doubtful)|(?:n't|\bnot) (?:think|believe|say|claim|true)"
    r"|\b(?:nobody|no one)(?: \w{1,10}){1,3})"
    r"(?: to (?:say|claim))?(?: (?:that|whether|if))?(?: (?:the|my|this|its))?(?: (?:final|correct|right|true))?"
    r"(?: ?(?:answer|result|value|solution) (?:is|was|equals|would be|could be))?"
    r"|\b(?:except(?: for)?|excluding|other than|(?:all|anything|everything) but)"
    r"|(?:不认为|不觉得|不相信|怀疑|并非)(?:正确)?(?:的?(?:答案|结果)(?:[是为]|等于)?)?)[ \t$*(:：]{0,5}\Z",
    re.IGNORECASE,
)


def second_thoughts(found: Found, prediction_text: str, same: Callable[[str], bool]) -> str:
    """Return why an answer does not stand; "" where it stands.

    Args:
        found: the declaration and what surrounds it.
        prediction_text: the answer in normal form.
        same: tells whether a text says the same as the answer.
    """
    if found.others and not all(same(other) for other in set(found.others)):
        return "two different answers are declared"
    if is_denied(found):
        return "the words before the answer deny it"
    after = found.after
    if _ASKED.search(found.answer):
        return "the answer is asked, not declared"
    if (match := _OR_BEFORE.search(found.before)) and not same(match.group("other")):
        return "the words before the answer offer another"
    if found.place == "box" and (_JOINED.match(after) or _BOX_JOINED.search(found.before)):
        return "the box is part of a larger formula"
    if not after or after.isspace():
        return ""
    if (
        found.place == "box"
        and (match := _EQUALS_NEXT.match(after))
        and parse_number(other := match.group("other").strip()) is not None
        and parse_number(found.answer) is not None
        and not same(other)
    ):
        return "the box is said to equal something else"
    if (match := _LIST_NEXT.match(after)) and not same(match.group("other").rstrip(".,")):
        return "the words after the answer offer another"
    if _IF_ELSE.match(after):
        return "the answer is declared for one case only"
    if match := _OR_NEXT.match(after):
        other = match.group("other").strip(" $*}")
        fenced = _FENCED_OTHER.match(match.group("other"))
        if fenced and "approx" not in (formula := fenced.group(1) or fenced.group(2)) and read_answer(formula).node is not None:
            if not same(formula):
                return "the words after the answer offer another"
            other = formula
        first = _first_words(other)
        # "or six" is a number, the first word of "or one half" is none.
        whole = not match.group("weak") or first == other.rstrip(" .,;:!?)")
        numeral = whole and parse_number(first) is not None and (first == other or any(mark.isdigit() for mark in first))
        if _OR_MORE.match(other) or (numeral and not same(first)):
            return "the words after the answer offer another"
    if _OPEN_END.match(after):
        return "the words after the answer leave its end open"
    statement = last_statement(after)
    if statement is not None and not same(statement) and read_answer(statement).node is not None:
        return "another answer is declared after it"
    return "the words after the answer take it back" if is_taken_back(after, prediction_text, same) else ""


def is_denied(found: Found) -> bool:
    """Tell whether the words in front of an answer deny it."""
    return _NEGATED.search(found.before) is not None or _DISOWNED.search(found.before) is not None


def is_taken_back(after: str, prediction_text: str, same: Callable[[str], bool]) -> bool:
    """Tell whether the words after an answer take it back: they call it wrong, or doubt it and do not come back to it."""
    lowered = after.lower()
    doubt = _DOUBTED.search(after) if any(word in lowered for word in _DOUBT_WORDS) else None
    wrong = _SAYS_WRONG.search(after) if any(word in lowered for word in _WRONG_WORDS) else None
    if doubt is None and wrong is None:
        return False
    start = min(match.start() for match in (doubt, wrong) if match)
    rest = plain_characters(after[start:])
    if wrong is None:
        revised = [_SENTENCE_END.split(rest[match.start() :], maxsplit=1)[0] for match in _REVISED.finditer(rest)]
        if not any((last := _last_number(sentence)) is not None and not same(last) for sentence in revised) and _CONFIRMED.search(rest):
            return False
    last = _last_number(rest)
    if last is None:
        return wrong is not None
    return not (same(last) or _ends_with(normal_text(after[start:][-200:]), prediction_text))


def _ends_with(text: str, prediction: str) -> bool:
    """Tell whether a text ends with an answer that is not the tail of another: 16 does not end with 6."""
    return bool(prediction) and re.search(rf"(?<![\w.,/^-]){re.escape(prediction)}\Z", text) is not None


def _last_number(text: str) -> str | None:
    numbers = _NUMBER.findall(text)
    return numbers[-1].rstrip(",") if numbers else None


def _first_words(text: str) -> str:
    return text.split(" ", maxsplit=1)[0].rstrip(",;:!?$)")
