"""From what people and models type to plain ASCII mathematics: full-width forms, dashes, spaces, LaTeX dressing. Linear in its input."""

from __future__ import annotations

import re

# Not NFKC: it would turn the power 5² into 52 and the fraction 1½ into 11⁄2.
_CHARACTERS: dict[int, str | None] = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_CHARACTERS |= {ord(mark): "-" for mark in "−–‒‐‑﹣"}
_CHARACTERS |= {ord(mark): "/" for mark in "⁄∕"}
_CHARACTERS |= {ord(mark): " " for mark in "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t\r\n\v\f"}
_CHARACTERS |= {ord(mark): "*" for mark in "×·⋅∙"}
_CHARACTERS |= {ord(mark): "%" for mark in "﹪٪"}
_CHARACTERS |= {ord("。"): ".", ord("、"): ",", ord("“"): '"', ord("”"): '"', ord("°"): " degrees", ord("÷"): "/", ord("¢"): " cents"}
# Invisible: zero-width marks, direction marks, byte order mark, soft hyphen.
_CHARACTERS |= dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF, 0xAD])
_VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
_CHARACTERS |= {ord(mark): f" {top}/{bottom}" for mark, (top, bottom) in _VULGAR.items()}

# Commands that change how an answer looks and not what it says.
_DRESSING = re.compile(
    r"\\(?:left|right|big|Big|bigg|Bigg|displaystyle|textstyle|bf|rm|it|large|Large|LARGE|huge)(?![A-Za-z])\*?"
    r"|\\(?:text)?color\s?\{[A-Za-z0-9!]{1,20}\}"
)
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm|sf)?|math(?:bf|it|rm|sf)|boldsymbol|operatorname|mbox|hbox|emph)\s*\{([^{}]*)\}")
# The same around more than one level of braces can hold: \boldsymbol{\frac{1}{2}}.
_STYLE = re.compile(
    r"\\(?:(?P<words>text(?:bf|rm|it)?|math(?:rm|sf))|mathbf|boldsymbol|bm|(?:text)?color\s?\{[A-Za-z0-9!]{1,20}\}"
    r"|(?:displaystyle|bf)(?=\s?\{))\s?\{"
)
_UPRIGHT = r"\{\s?\\(?:text|mathrm)\{([A-Za-z ]{1,20})\}\s?\}"
_UNIT_FRACTION = re.compile(rf"\\[dt]?frac\s?{_UPRIGHT}\s?{_UPRIGHT}")
_ORDINAL = re.compile(r"(?<=[0-9]) ?(?:\^ ?\{? ?)?(?:st|nd|rd|th)(?![A-Za-z])(?: ?\})?")
_POWER_AFTER_TEXT = re.compile(r" +\^")
_SPACES = re.compile(r"\\[,;:>\s]|\\q?quad(?![A-Za-z])")
_FRACTIONS = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_DEGREES = re.compile(r"\^\s*(?:\\circ(?![A-Za-z])|\{\s*\\circ\s*\})|\\degrees?(?![A-Za-z])")
_RUNS_OF_SPACES = re.compile(r"\s+")
_MATH_FENCES = (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$"), ("**", "**"), ("__", "__"), ("`", "`"), ('"', '"'))


def plain_characters(text: str) -> str:
    """Return the text in ASCII where Unicode has a look-alike: full-width forms, dashes, spaces, vulgar fractions; invisible marks go.

    >>> plain_characters("１８")
    '18'
    """
    return text if text.isascii() else text.translate(_CHARACTERS)


def strip_dressing(text: str) -> str:
    """Return a short answer without its LaTeX and Markdown dressing; what it says stays.

    >>> strip_dressing("$\\\\dfrac{3}{4}\\\\text{ cm}$.")
    '\\\\frac{3}{4} cm'
    """
    text = plain_characters(text).strip().replace("\\$", "USD ")
    # Plain numbers, the usual case, are done here.
    if text.isascii() and (text.isdigit() or text.isalpha()):
        return text
    text = strip_fences(text)
    if "\\" in text:
        text = without_style(text)
        text = text.replace("\\!", "").replace("\\%", "%").replace("\\times", "*").replace("\\cdot", "*")
        text = _UNIT_FRACTION.sub(r"\\text{ \1/\2}", text)
        text = _DEGREES.sub(" degrees", text)
        text = _DRESSING.sub("", text)
        for _ in range(2):  # \text{\textbf{5}}
            text = _TEXT.sub(r" \1 ", text)
        text = _SPACES.sub(" ", text)
        text = _POWER_AFTER_TEXT.sub("^", text)
        text = _FRACTIONS.sub(r"\\frac", text)
    # A tie between words is a space; at the front ~5 says "about 5".
    text = text[:1] + text[1:].replace("{,}", ",").replace("{:}", ":").replace("~", " ")
    text = _RUNS_OF_SPACES.sub(" ", text).strip()
    # The 5th is number 5.
    text = _ORDINAL.sub("", text)
    return strip_fences(text)


def without_style(text: str, *, words: bool = True) -> str:
    r"""Return the text without a command that colours or thickens the whole of it; also without ``\text`` where words may be bared."""
    style = _STYLE.match(text)
    if style is None or not text.endswith("}") or (style["words"] and not words):
        return text
    depth = 0
    for position in range(style.end() - 1, len(text)):
        mark = text[position]
        if mark in "{}" and text[position - 1] != "\\":
            depth += 1 if mark == "{" else -1
            if not depth:
                return text[style.end() : -1].strip() if position == len(text) - 1 else text
    return text


def _strip_full_stop(text: str) -> str:
    """Remove one mark that ends a sentence. Two are an ellipsis (0.33...), and ``!`` is a factorial: those say something."""
    text = text.strip()
    if text[-2:] in ("\\,", "\\;", "\\:", "\\!"):  # a space of LaTeX
        return text[:-2].rstrip()
    if text and text[-1] in ".,;:" and text[-2:-1] not in (".", ",", ";", ":"):
        text = text[:-1].rstrip()
    return text


def strip_fences(text: str) -> str:
    """Return the text without the pairs of mathematics or emphasis marks around the whole of it, at most four deep."""
    for _ in range(4):
        before = text
        text = _strip_full_stop(text)
        for opening, closing in _MATH_FENCES:
            if len(text) > len(opening) + len(closing) - 1 and text.startswith(opening) and text.endswith(closing):
                inside = text[len(opening) : -len(closing)].strip()
                if inside and opening not in inside and closing not in inside:
                    text = inside
        if text == before:
            break
    return text
