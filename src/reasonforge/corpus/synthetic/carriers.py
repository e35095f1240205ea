"""The ways in which pages carry formulas."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from reasonforge.corpus.synthetic.formula import Formula

_XMLNS = 'xmlns="http://www.w3.org/1998/Math/MathML"'


class Carrier(NamedTuple):
    """How formulas stand in the HTML of a page."""

    name: str
    render: Callable[[Formula, bool], str]
    """Formula and whether it stands in a line of its own -> HTML."""
    head: str = ""
    """What the page loads for it."""
    is_text: bool = False
    """No formula is left: the words are the text."""


def _delimited(inline: tuple[str, str], display: tuple[str, str]) -> Callable[[Formula, bool], str]:
    def render(formula: Formula, alone: bool) -> str:
        left, right = display if alone else inline
        return left + escape(formula.latex, quote=False) + right

    return render


def _script(formula: Formula, alone: bool) -> str:
    mode = "; mode=display" if alone else ""
    return f'<span class="MathJax_Preview"></span><script type="math/tex{mode}">{formula.latex}</script>'


def _mathml(formula: Formula, alone: bool) -> str:
    return f"<math {_XMLNS}{' display=' + chr(34) + 'block' + chr(34) if alone else ''}>{formula.mathml}</math>"


def _annotated(formula: Formula) -> str:
    note = f'<annotation encoding="application/x-tex">{escape(formula.latex)}</annotation>'
    return f"<math {_XMLNS}><semantics><mrow>{formula.mathml}</mrow>{note}</semantics></math>"


def _katex(formula: Formula, alone: bool) -> str:
    drawn = f'<span class="base"><span class="mord mathnormal">{escape(formula.plain)}</span></span>'
    seen = f'<span class="katex-html" aria-hidden="true">{drawn}</span>'
    inner = f'<span class="katex"><span class="katex-mathml">{_annotated(formula)}</span>{seen}</span>'
    return f'<span class="katex-display">{inner}</span>' if alone else inner


def _wiki(formula: Formula, alone: bool) -> str:
    kind = "display" if alone else "inline"
    alt = escape(f"{{\\displaystyle {formula.latex}}}")
    tree = f'<span class="mwe-math-mathml-{kind} mwe-math-mathml-a11y" style="display: none;">{_annotated(formula)}</span>'
    picture = f'<img src="https://render.example/svg/{len(alt):04x}" class="mwe-math-fallback-image-{kind}" aria-hidden="true" alt="{alt}">'
    return f'<span class="mwe-math-element">{tree}{picture}</span>'


def _codecogs(formula: Formula, alone: bool) -> str:
    kind = "gif" if not alone else "svg"
    return f'<img src="https://latex.codecogs.com/{kind}.latex?{quote(formula.latex, safe="")}" title="{escape(formula.latex)}" />'


def _plain(formula: Formula, alone: bool) -> str:
    text = escape(formula.plain, quote=False)
    return f"<code>{text}</code>" if alone else text


_SAID = {
    " == ": " is congruent to ",
    "^2": " squared",
    "^3": " cubed",
    "^": " to the ",
    " = ": " is ",
    " + ": " plus ",
    " - ": " minus ",
    "*": " times ",
    ")/(": " over ",
    "(": " ",
    ")": " ",
    " < ": " is less than ",
    " <= ": " is at most ",
    "_": " ",
}
_SAID_ZH = {
    " == ": "同余于",
    "^2": "的平方",
    "^3": "的立方",
    "^": "的几次方即",
    " = ": "等于",
    " + ": "加",
    " - ": "减",
    "*": "乘",
    ")/(": "除以",
    "(": "",
    ")": "",
    " < ": "小于",
    " <= ": "不大于",
    "_": "",
    "sqrt": "根号",
}


def _said(words: dict[str, str]) -> Callable[[Formula, bool], str]:
    def render(formula: Formula, alone: bool) -> str:
        text = formula.plain
        for sign, word in words.items():
            text = text.replace(sign, word)
        return " ".join(text.split())

    return render


def _text(formula: Formula, alone: bool) -> str:
    return f"$${formula.latex}$$" if alone else f"${formula.latex}$"


_MATHJAX2 = (
    '<script type="text/x-mathjax-config">MathJax.Hub.Config({tex2jax: {inlineMath: [["$","$"],["\\\\(","\\\\)"]]}});</script>'
    '<script src="https://cdn.mathjax.example/mathjax/2.7.7/MathJax.js?config=TeX-AMS_HTML"></script>'
)
_MATHJAX3 = '<script id="MathJax-script" async src="https://cdn.jsdelivr.example/npm/mathjax@3/es5/tex-mml-chtml.js"></script>'

CARRIERS = {
    carrier.name: carrier
    for carrier in (
        Carrier("dollars", _delimited(("$", "$"), ("$$", "$$")), _MATHJAX2),
        Carrier("brackets", _delimited(("\\(", "\\)"), ("\\[", "\\]")), _MATHJAX3),
        Carrier("script", _script, _MATHJAX2),
        Carrier("mathml", _mathml),
        Carrier("katex", _katex, '<link rel="stylesheet" href="https://cdn.jsdelivr.example/npm/katex@0.16/dist/katex.min.css">'),
        Carrier("wiki", _wiki),
        Carrier("codecogs", _codecogs),
        Carrier("plain", _plain, is_text=True),
        Carrier("spoken", _said(_SAID), is_text=True),
        Carrier("spoken_zh", _said(_SAID_ZH), is_text=True),
    )
}
"""By name."""

TEXT = Carrier("text", _text)
"""No HTML: formulas between dollars, as extraction leaves them."""
