"""One answer, read once: its text in normal form, its tree if it is mathematics, its unit, and a key that equal answers share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from reasonforge.verify.approximate import approximate
from reasonforge.verify.cleaning import plain_characters, strip_dressing, strip_fences, without_style
from reasonforge.verify.latex import Parsed, parse_with_unit
from reasonforge.verify.numbers import parse_number
from reasonforge.verify.regions import region_variable
from reasonforge.verify.structures import is_structure, is_total, node_key
from reasonforge.verify.tree import Apply, Name, Node, Number

_SPACED_MARK = re.compile(r"\s*([^\w\s])\s*")
_WORDS_ONLY = re.compile(r"[^\W\d_]{2,}(?:\s[^\W\d_]+)*")
_ARTICLE = re.compile(r"(?:an?|the) (?=[a-z]{3})")
_LEAD = re.compile(r"(?:\\text\{)?\s{0,4}(?:the )?(?:final )?answer(?: is:?|\s?[:：])\s*(?:\})?\s*", re.IGNORECASE)
_ALL_TEXT = re.compile(r"\s*\$?\\(?:text(?:bf|rm|it)?|mbox|mathrm|textnormal)\s?\{([^{}]*)\}\$?\.?\s*")
_NO_SOLUTION = ("no solution", "no solutions", "no real solution", "no real solutions", "no solution exists", "there is no solution")
_NOTHING = frozenset([*_NO_SOLUTION, "empty set", "the empty set", "无解", "空集"])
_EVERYTHING = frozenset(["all real numbers", "all reals", "any real number", "the set of all real numbers", "全体实数", "任意实数"])
_NAMED_IN_WORDS = re.compile(
    r"\s{0,3}\\(?:text|mathrm|mbox)(?:it|rm|bf)?\s?\{\s?([A-Za-z][A-Za-z ]{1,40})\}(?:\\[ ,;])?\s{0,3}=\s{0,3}(?=\S)"
)
_DERIVATIVE = re.compile(
    r"\s{0,3}(?:(?:[A-Za-z](?:'{1,3}|\^ ?\{\\prime\})|[f-hF-H]\^ ?\{?-1\}?)\s?(?:\([a-z]\))?"
    r"|(?:P|E|\\Pr|\\mathbb\s?\{?[PE]\}?)\s?(?:\\left)?[(\[][^()\[\]]{1,24}(?:\\right)?[)\]]|\\frac\{d[a-z]\}\{d[a-z]\})\s{0,3}=\s{0,3}(?=\S)"
)
_REALS = r"(?:\s*\\in\s*(?:\\mathbb\s?\{?R\}?|R))?"
_SET_BUILDER = re.compile(
    rf"\s*\$?(?:\\left)?\\\{{\s*[a-z]{_REALS}\s*(?:\\mid|\\vert|\\middle\||[|｜:])(?![a-z])(.{{1,200}}?)(?:\\right)?\\\}}\$?\s*"
)
_OTHERS = """
not minus negative plus twice double triple thrice half times wrong incorrect invalid false except without opposite inverse reciprocal
factorial squared cubed root percent log sin cos never maybe probably approximately about almost
"""
_OTHER_QUANTITY = frozenset(_OTHERS.split())
"""Words that make a name the name of something else: twice the answer = 5."""
_OHM = re.compile(r"(?<=[0-9}])(?:\\[ ,;]|~|\s){0,3}(?:\\(?:text|mathrm)\s?\{\s?)?(?:\\Omega|Ω|\u2126)\s?\}?\s*(?=\$?\Z)")
_MONEY_BEHIND = re.compile(r"(?<=[0-9}])(?:\\[ ,;]|~|\s){0,3}(?:\\text\s?\{\s?)?([€£¥₹])\s?\}?\s*(?=\$?\Z)")
_RUPEES = re.compile(r"\A\s*(?:\\(?:text|mathrm)\s?\{\s?)?(?:₹|Rs\.?|INR)\s*\}?(?:\\[ ,;]|~|\s){0,3}(?=[0-9])")
_MONEY = {"€": "euros", "£": "pounds", "¥": "yuan", "₹": "rupees"}
_COMBINATIONS = re.compile(r"C_\s?\{?([0-9]{1,3})\}?\s?\^\s?\{?([0-9]{1,3})\}?")
_FORMULAS = re.compile(r"\\\[(.{2,400}?)\\\]|\\\((.{2,400}?)\\\)|\$\$([^$]{2,400})\$\$|\$([^$]{2,400})\$", re.DOTALL)
_MAX_FORMULAS = 24
_MAX_CHAIN = 6
_TO = re.compile(r"([0-9]{1,9}) to ([0-9]{1,9})")
_ROUNDED = re.compile(r"\s{0,3}(?:\\approx(?![a-z])|\\simeq|≈)\s{0,3}")
_SYNONYMS = {"dne": "does not exist", "undefined": "undefined"}
_LETTER = re.compile(r"[(\[]?([A-J])[)\]]?")
_CHOICE = re.compile(r"[(\[{]?\s?([A-Za-z])\s?[)\]}]?(?:$|[.:)](?P<words>.*))", re.DOTALL)
_CHOICE_LEAD = re.compile(
    r"\W{0,3}(?:the )?(?:(?:correct|best|final|right) )?(?:answer is:?|answer:|option|choice|选项|答案是|选)[:：\s]*(?=\W{0,3}[A-Z])",
    re.IGNORECASE,
)
_SECOND_CHOICE = re.compile(r"(?:^|\W)(?:or|and|或|和)\s?[(\[]?[A-Z](?:\W|$)")
_CLOCK = re.compile(r"([0-9]{1,2})(?: ?: ?([0-5][0-9]))? ?(?:(a|p)\.? ?m\.?)?")
_CHINESE_CLOCK = re.compile(r"(上午|早上|凌晨|下午|晚上|傍晚)? ?([0-9]{1,2}) ?(?:: ?([0-5][0-9])|[时点] ?(?:([0-5]?[0-9]) ?分?)?整?)")
_HALF = re.compile(r"[ap]\.? ?m|[上下]午|早上|凌晨|晚上|傍晚", re.IGNORECASE)
_LATE = frozenset(["下午", "晚上", "傍晚"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says."""

    text: str
    """Dressing removed, words in lower case; "" where nothing is left."""
    node: Node | None
    """None = it is read as words only."""
    unit: str
    key: str
    """Equal keys = equal answers, units aside."""
    clock: bool = False
    name: str = ""
    """The variable that the answer gives a value to; "" = it gives a value to none."""


@lru_cache(maxsize=65_536)
def read_answer(raw: str, *, thousands: bool = True) -> Answer:
    """Return what an answer says. Pure and bounded; never raises."""
    if (lead := _LEAD.match(raw)) and lead.end() < len(raw):
        raw = raw[lead.end() :]
    if "{" in raw:
        raw = without_style(raw, words=False)
    if "=" in raw and (named := _name_in_words(raw) or _DERIVATIVE.match(raw)):
        raw = raw[named.end() :]
    raw = _with_sign_as_word(raw)
    if "\\}" in raw and (condition := _SET_BUILDER.fullmatch(raw)):
        inside = parse_with_unit(condition.group(1), thousands=thousands)
        if inside is not None and isinstance(inside.node, Apply) and inside.node.op in ("relation", "both", "either"):
            return _of_tree(normal_text(raw), inside.node, "")
    number = parse_number(raw) if thousands else None
    if number is not None:
        node: Node = Number(number.value, "." in raw)
        if number.percent:
            node = Apply("mul", (node, Name("%")))
        if number.unit == "degree":
            node = Apply("degrees", (node,))
        return Answer(normal_text(raw), node, number.unit, str(number), name=_named(raw) if "=" in raw else "")
    text = normal_text(raw)
    if text in _NOTHING:
        return Answer(text, Apply("set", ()), "", "{}")
    if text in _EVERYTHING:
        return _of_tree(text, Apply("interval", (Apply("neg", (Name("oo"),)), Name("oo"), Name("oo"))), "")
    if ratio := _TO.fullmatch(strip_dressing(raw)):
        return _of_tree(text, Apply("ratio", tuple(Number(Fraction(int(part))) for part in ratio.groups())), "")
    if "≈" in raw or "\\approx" in raw or "\\simeq" in raw:
        exact, rounded = halves_of_rounding(raw)
        return read_answer(exact) if rounded else Answer(text, None, "", text)
    if (clock := _clock(raw)) is not None:
        return Answer(text, None, "", clock, clock=True)
    parsed = parse_with_unit(raw, thousands=thousands)
    if parsed is None and (whole := _ALL_TEXT.fullmatch(raw)):
        # \text{A, C} is a list; words in it stay words.
        parsed = parse_with_unit(whole.group(1), thousands=thousands)
        if parsed is not None and not (isinstance(parsed.node, Apply) and parsed.node.op == "list"):
            parsed = None
    if "=" in raw and (last := _last_of_chain(raw, thousands=thousands)) is not None:
        return _of_tree(text, last.node, last.unit)
    if parsed is None:
        return Answer(text, None, "", text)
    match parsed.node:
        case Apply(op="list", args=(first, *others)) if " or " in raw and {node_key(other) for other in others} == {node_key(first)}:
            return _of_tree(text, first, parsed.unit)  # 1/4 or 0.25
        case _:
            pass
    return _of_tree(text, _as_product(parsed.node, raw), parsed.unit)


def _as_product(node: Node, raw: str) -> Node:
    """Return an equation whose left side is a product of two names (yx = 5) in a form that no rule takes for a function, as f(x) = 5."""
    match node:
        case Apply(op="equation", args=(Apply(op="mul", args=(Name() as left, Name() as right)), value)) if (
            "(" not in raw.partition("=")[0]
        ):
            return Apply("equation", (Apply("mul", (Number(Fraction(1)), left, right)), value))
        case _:
            return node


def _name_in_words(raw: str) -> re.Match[str] | None:
    """Return the match of a name in words in front of a value (Area = 5); None where the words say that the value is another's."""
    named = _NAMED_IN_WORDS.match(raw)
    return None if named is None or not _OTHER_QUANTITY.isdisjoint(named.group(1).lower().split()) else named


def _with_sign_as_word(raw: str) -> str:
    """Return an answer with the sign of its unit as a word: 12 Ω, 18 €, Rs. 18."""
    if "Omega" in raw or "Ω" in raw or "\u2126" in raw:
        raw = _OHM.sub(r"\\text{ ohm}", raw, count=1)
    if not raw.isascii():
        raw = _MONEY_BEHIND.sub(lambda match: f"\\text{{ {_MONEY[match.group(1)]}}}", raw, count=1)
    if "₹" in raw or "Rs" in raw or "INR" in raw:
        money = _RUPEES.match(raw)
        raw = raw if money is None else f"{raw[money.end() :].rstrip()}\\text{{ rupees}}"
    return raw


@lru_cache(maxsize=1_024)
def formulas_of(question: str) -> tuple[Node, ...]:
    """Return the formulas of a question, and the sides of its equations, as trees; what does not parse is left out."""
    nodes: list[Node] = []
    for match in list(_FORMULAS.finditer(question[-8_000:]))[:_MAX_FORMULAS]:
        formula = next(group for group in match.groups() if group).strip().rstrip(".,;?")
        for part in dict.fromkeys((formula, *(formula.split("=") if formula.count("=") < _MAX_CHAIN else ()))):
            if (node := read_answer(part).node) is not None:
                nodes.append(node)
    return tuple(nodes)


def _of_tree(text: str, node: Node, unit: str) -> Answer:
    return Answer(text, node, unit, node_key(node), name=_name_of(node))


def _last_of_chain(raw: str, *, thousands: bool) -> Parsed | None:
    """Return the last part of a chain of equal things (9 * 2 = 18, x = 6/2 = 3); None where it is not true or says nothing."""
    parts = [normal_text(part) for part in _COMBINATIONS.sub(r"\\binom{\1}{\2}", strip_fences(raw)).split("=")]
    if not 2 <= len(parts) <= _MAX_CHAIN or not all(parts):
        return None
    parsed = [parse_with_unit(part, thousands=thousands) for part in parts]
    nodes = [part.node for part in parsed if part is not None]
    last = parsed[-1]
    # x = 6/2 = 3: the name in front is given the value of all that follows.
    if len(nodes) > 2 and is_total(nodes[0]):
        nodes, parts = nodes[1:], parts[1:]
    # x = x and 5 = 5 say nothing.
    if len(nodes) != len(parts) or len(nodes) < 2 or len(set(parts)) < len(parts) or any(is_structure(node) for node in nodes):
        return None
    return last if len({node_key(node) for node in nodes}) == 1 else None


def halves_of_rounding(raw: str) -> tuple[str, str]:
    """Return what stands on both sides of "approximately equal" where the right side is the left one, rounded; else twice ""."""
    exact, *rounded = _ROUNDED.split(strip_fences(raw), maxsplit=1)
    if not rounded or not exact.strip() or _ROUNDED.search(rounded[0]):
        return "", ""
    left, right = read_answer(exact), read_answer(rounded[0])
    if left.node is None or not isinstance(right.node, Number) or (isinstance(left.node, Number) and left.node.is_decimal):
        return "", ""
    value = approximate(left.node, {})
    places = len(rounded[0].partition(".")[2].rstrip("$ .}")) if right.node.is_decimal else 0
    near = value is not None and abs(value - float(right.node.value)) <= 10.0**-places
    return (exact, rounded[0]) if near else ("", "")


def _named(raw: str) -> str:
    parsed = parse_with_unit(raw)
    return "" if parsed is None else _name_of(parsed.node)


def _name_of(node: Node) -> str:
    """Return the variable that an equation or an inequality speaks of; "" where it speaks of none, or of several."""
    match node:
        case Apply(op="equation", args=(Name(name=name), _)):
            return name
        case Apply(op="relation" | "both" | "either" | "member"):
            return region_variable(node) or ""
        case _:
            return ""


def normal_text(raw: str) -> str:
    """Return the text that equal wordings share.

    >>> normal_text("\\\\text{No solution}."), normal_text("x +  1")
    ('no solution', 'x+1')
    """
    text = _SPACED_MARK.sub(r"\1", strip_dressing(raw))
    # "Yes" is "yes", but the point A is not the length a.
    if _WORDS_ONLY.fullmatch(text):
        text = text.casefold()
        return _ARTICLE.sub("", _SYNONYMS.get(text, text), count=1)
    return text


def letter_of(text: str) -> str | None:
    """Return the capital that a whole reference consists of, as in (A); None where it is no letter."""
    match = _LETTER.fullmatch(text)
    return match.group(1) if match else None


def choice_letter(raw: str) -> str | None:
    """Return the one letter that a choice names ("(C)", "C. 5"); None where it names none or hedges ("A) or B")."""
    match = _CHOICE.fullmatch(without_lead(strip_dressing(raw)))
    if match is None or _SECOND_CHOICE.search(match.group("words") or ""):
        return None
    return match.group(1).upper()


def without_lead(text: str) -> str:
    """Return a choice without the words in front of its letter: Option C."""
    return text[lead.end() :] if (lead := _CHOICE_LEAD.match(text)) and lead.end() < len(text) else text


def _clock(raw: str) -> str | None:
    """Return a time of day as hours and minutes; 4:30 without a.m. or p.m. is half past four in the morning."""
    text = strip_dressing(plain_characters(raw)).casefold()
    if len(text) > 20:
        return None
    if match := _CLOCK.fullmatch(text):
        hours, minutes, half = int(match.group(1)), match.group(2), match.group(3)
        if (minutes is None and half is None) or hours > (12 if half else 24) or (half and hours == 0):
            return None
        if half:
            hours = hours % 12 + (12 if half == "p" else 0)
        return f"{hours}:{minutes or '00'}"
    if match := _CHINESE_CLOCK.fullmatch(text):
        half, hours, written = match.group(1), int(match.group(2)), match.group(3) or match.group(4)
        minutes = int(written or 0)
        if (half is None and written is None) or hours > 24:
            return None
        if half in _LATE and hours < 12:
            hours += 12
        return f"{hours}:{minutes:02}"
    return None


def same_time(reference: Answer, prediction: Answer) -> bool:
    """Tell whether two times of day agree; a reference without a half of the day (3:45) is answered by both halves."""
    if reference.key == prediction.key:
        return True
    if not (reference.clock and prediction.clock) or _HALF.search(reference.text) or not _HALF.search(prediction.text):
        return False
    (hours, minutes), (other_hours, other_minutes) = reference.key.split(":"), prediction.key.split(":")
    return minutes == other_minutes and int(hours) <= 12 and int(hours) % 12 == int(other_hours) % 12


def without_percent(node: Node) -> Node:
    """Return a tree in which percent signs are dropped: 50 % as 50."""
    if node == Name("%"):
        return Number(Fraction(1))
    return Apply(node.op, tuple(without_percent(part) for part in node.args)) if isinstance(node, Apply) else node
