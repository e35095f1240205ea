r"""The tokens of an answer: numbers, names, commands and marks, with everything that only changes the looks left out."""

from __future__ import annotations

import re
from typing import NamedTuple

from reasonforge.verify.cleaning import plain_characters, strip_fences

MAX_CHARS = 1_000
MAX_TOKENS = 600
_MAX_DIGITS = 400

_SYMBOLS: dict[int, str] = {
    ord(mark): text
    for mark, text in {
        "√": "\\sqrt ", "∛": "\\sqrt[3]", "π": "\\pi ", "∞": "\\infty ", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ",
        "⩽": "\\le ", "⩾": "\\ge ",
        "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "∅": "\\emptyset ",
        "Ø": "\\emptyset ", "±": "\\pm ", "∓": "\\mp ", "≈": "\\approx ",
        "∖": "\\setminus ", "ℝ": "\\mathbb{R}", "θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ", "γ": "\\gamma ", "λ": "\\lambda ",
        "′": "'", "或": " or ", "和": " and ", "且": " and ", "∠": "\\angle ", "△": "\\triangle ",
    }.items()
}  # fmt: skip
_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ", "0123456789-n")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ]+")
_SUBS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SUBSCRIPT = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")

_TOKEN = re.compile(
    r"\\(?P<text>text(?:bf|it|rm|sf|normal)?|mbox|hbox|mathrm|textup)\s{0,4}\{(?P<content>[^{}]{0,200})\}"
    r"|\\(?P<environment>begin|end)\s{0,4}\{(?P<name>[a-z]{1,12}\*?)\}(?:\{[lcr|]{1,20}\})?"
    r"|\\(?P<command>[A-Za-z]+)|\\(?P<symbol>.)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"|(?P<letters>[A-Za-z]+)"
    r"|(?P<cjk>[\u4e00-\u9fff]+)"
    r"|(?P<relation><=|>=|!=|==)"
    r"|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
_DRESSING = """
left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr displaystyle textstyle scriptstyle quad qquad limits nolimits boldsymbol mathbf
mathit mathsf bf rm it middle bm mathop operatorname mathrm text hspace
"""
_SKIPPED = frozenset(_DRESSING.split())
_OPERATORS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=",
    "ne": "!=", "neq": "!=", "lt": "<", "gt": ">", "cup": "cup", "bigcup": "cup", "setminus": "setminus", "backslash": "setminus",
    "in": "in", "pm": "pm", "lbrace": "\\{", "rbrace": "\\}", "lbrack": "[", "rbrack": "]", "lparen": "(", "rparen": ")",
    "vert": "|", "lvert": "|", "rvert": "|", "mid": "|", "degree": "degrees", "degrees": "degrees", "colon": ":",
    "langle": "(", "rangle": ")", "land": "and", "lor": "or",
    "vee": "or", "wedge": "and",
}  # fmt: skip
_SYMBOL_OPERATORS = {"{": "\\{", "}": "\\}", "%": "%", "\\": "\\\\"}
FUNCTIONS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "asin": "asin", "acos": "acos", "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "ln": "ln", "log": "log", "lg": "log",
    "exp": "exp", "tg": "tan", "ctg": "cot",
}  # fmt: skip
_WORD_COMMANDS = frozenset(["pi", "sqrt", "infty", "infinity", "oo", "emptyset"])
CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yuan", "USD": "dollar", "RMB": "yuan"}
# Only marks that look like grouping: three digits, nothing odd before or after.
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_THIN_THOUSANDS = re.compile(r"(?<=[0-9]) ?(?:,\s?\\!|\{,\}|,\\,|\\,) ?(?=[0-9]{3}(?![0-9]))")
REPEATING = re.compile(r"([0-9]{0,12})\.([0-9]{0,12})\\overline\s{0,2}\{([0-9]{1,12})\}")
_DOTTED = re.compile(r"(?<![0-9.])([0-9]{0,12})\.([0-9]{0,12})\\dot\s?\{?([0-9])\}?(?:([0-9]{0,10})\\dot\s?\{?([0-9])\}?)?(?![0-9])")
_DECIMALS = re.compile(r"\.[0-9]+")


class Token(NamedTuple):
    """A piece of an answer's text."""

    kind: str
    """number, name, word, op, command, text, begin, end."""
    value: str
    spaced: bool


class RefusedError(Exception):
    """The text is not in the language that this parser reads."""


def tokenize(text: str, *, thousands: bool) -> list[Token]:
    """Return the tokens of a text.

    Raises:
        RefusedError: it is too long, or holds what no answer does.
    """
    if len(text) > MAX_CHARS:
        raise RefusedError
    text = strip_fences(plain_characters(text).strip())
    if not text.isascii():
        text = _SUPERSCRIPT.sub(lambda match: "^{" + match.group().translate(_POWERS) + "}", text.translate(_SYMBOLS))
        text = _SUBSCRIPT.sub(lambda match: "_{" + match.group().translate(_SUBS) + "}", text)
    text = _THIN_THOUSANDS.sub("", text)
    if "\\dot" in text:  # 0.1 with dots over the first and last figure of what repeats
        text = _DOTTED.sub(lambda match: "{}.{}\\overline{{{}}}".format(*match.groups("")[:2], "".join(match.groups("")[2:])), text)
    if len(text) > MAX_CHARS:
        raise RefusedError
    tokens = _tokens(text, thousands=thousands)
    if not tokens or len(tokens) > MAX_TOKENS:
        raise RefusedError
    return tokens


def _tokens(text: str, *, thousands: bool) -> list[Token]:
    grouped = {match.start(): match for match in _THOUSANDS.finditer(text)} if "," in text and thousands else {}
    repeating = {match.start(): match for match in REPEATING.finditer(text)} if "overline" in text else {}
    tokens: list[Token] = []
    brackets = 0
    spaced = False
    position, end = 0, len(text)
    while position < end:
        if position in repeating:
            match = repeating[position]
            tokens.append(Token("repeating", match.group(), spaced))
            position, spaced = match.end(), False
            continue
        # Inside brackets (1,200) is a pair, but nobody writes the number 000.
        if (match := grouped.get(position)) is not None and (not brackets or ",0" in match.group()):
            position = match.end()
            digits = match.group().replace(",", "")
            if decimals := _DECIMALS.match(text, position):
                digits, position = digits + decimals.group(), decimals.end()
            tokens.append(Token("number", digits, spaced))
            spaced = False
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise RefusedError
        position = match.end()
        kind = match.lastgroup
        if kind == "space":
            spaced = True
            continue
        token = _token(match, spaced)
        if token is None:
            # \, \! \left and the like also separate.
            spaced = spaced or match.group("symbol") is not None
            continue
        if token.kind == "op":
            brackets += (token.value in ("(", "[", "\\{")) - (token.value in (")", "]", "\\}"))
        tokens.append(token)
        spaced = False
    return tokens


def _token(match: re.Match[str], spaced: bool) -> Token | None:
    """Return the token of a match; None for what only changes the looks."""
    if match.group("text"):
        content = match.group("content").strip(" ~")
        if content in ("and", "or"):
            return Token("op", content, spaced)
        if len(content) == 1 and content in "ei" and match.group("text") != "text":
            return Token("name", content, spaced)  # an upright e or i is the constant
        return Token("text", content, True) if content else None
    if match.group("environment"):
        return Token(match.group("environment"), match.group("name").rstrip("*"), spaced)
    if command := match.group("command"):
        if command in _SKIPPED:
            return None
        if command in _OPERATORS:
            return Token("op", _OPERATORS[command], spaced)
        return Token("command", command, spaced)
    if symbol := match.group("symbol"):
        if symbol in _SYMBOL_OPERATORS:
            return Token("op", _SYMBOL_OPERATORS[symbol], spaced)
        if symbol == "$":
            return Token("op", "$", spaced)
        if symbol in ",;:! ()[]":
            return None
        if symbol == "|":
            raise RefusedError  # a norm
        raise RefusedError
    if number := match.group("number"):
        if len(number) > _MAX_DIGITS:
            raise RefusedError
        return Token("number", number, spaced)
    if letters := match.group("letters"):
        if letters in ("and", "or"):
            return Token("op", letters, spaced)
        if letters in ("degree", "degrees"):
            return Token("op", "degrees", spaced)
        if letters in FUNCTIONS or letters in _WORD_COMMANDS:
            return Token("command", letters, spaced)
        if letters in CURRENCIES:
            return Token("op", letters, spaced)
        # A run of capitals names a segment or an angle.
        return Token("name" if len(letters) == 1 or letters.isupper() else "word", letters, spaced)
    if cjk := match.group("cjk"):
        return Token("text", cjk, spaced)
    if relation := match.group("relation"):
        return Token("op", "=" if relation == "==" else relation, spaced)
    other = match.group("other")
    if other == "$":
        return None  # a fence; money is \$ or was read as a number
    if other == "~":
        return None if spaced else Token("other", other, spaced)
    return Token("op" if other in "+-*/^_(){}[]|=<>,;:!%&€£¥" else "other", other, spaced)
