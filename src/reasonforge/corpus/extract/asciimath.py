r"""AsciiMath as LaTeX: a small recursive parser over a table of words, bounded in depth and linear in the text.

The grammar is AsciiMath's own: an expression is a row of intermediates, ``I/I`` a fraction, ``S_S^S`` scripts on a simple expression; a
bracketed argument of a unary or binary word, a fraction or a script loses its brackets. Words not in the table are read letter by letter.
"""

from __future__ import annotations

import re

from reasonforge.corpus.extract.symbols import symbols, text_in_formula

_MAX_DEPTH = 60
_MAX_LOOKAHEAD = 200_000
"""Tokens looked at, in one formula, to tell a matrix from brackets."""


def _pairs(text: str) -> dict[str, str]:
    return {name: "\\" + command for name, command in (entry.split() for entry in text.split(";"))}


_SAME = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "varphi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega sum prod int oint lim min max sup inf sin cos tan sec csc cot arcsin "
    "arccos arctan sinh cosh "
    "tanh log ln exp det dim gcd ker hom arg deg times div circ oplus otimes odot cdot cdots ldots vdots ddots pm mp in notin "
    "subset supset subseteq "
    "supseteq cup cap equiv cong approx propto sim prec succ forall exists neg top bot vdash models rightarrow leftarrow "
    "leftrightarrow Rightarrow "
    "Leftarrow Leftrightarrow uparrow downarrow mapsto to partial nabla infty aleph hbar ell therefore because angle quad prime "
    "setminus star ast "
    "langle rangle lfloor rfloor lceil rceil emptyset wedge vee bigwedge bigvee bigcup bigcap triangle square diamond perp parallel mod"
)
_SYMBOLS = {word: f"\\{word}" for word in _SAME.split()} | _pairs(
    "** ast;*** star;// /;\\\\ setminus;xx times;-: div;@ circ;o+ oplus;ox otimes;o. odot;^^ wedge;^^^ bigwedge;vv vee;vvv bigvee;"
    "nn cap;nnn bigcap;uu cup;"
    "uuu bigcup;!= neq;ne neq;<= leq;le leq;lt lt;gt gt;>= geq;ge geq;-< prec;>- succ;!in notin;sub subset;sup supset;sube "
    "subseteq;supe supseteq;"
    "-= equiv;~= cong;~~ approx;prop propto;not neg;=> implies;<=> iff;iff iff;AA forall;EE exists;_|_ bot;TT top;|-- vdash;|== models;"
    "+- pm;-+ mp;O/ emptyset;oo infty;del partial;grad nabla;... ldots;:. therefore;:' because;/_ angle;/_\\ triangle;'|: {|};-> "
    "to;>-> rightarrowtail;"
    "->> twoheadrightarrow;|-> mapsto;larr leftarrow;rarr rightarrow;harr leftrightarrow;uarr uparrow;darr downarrow;lArr "
    "Leftarrow;rArr Rightarrow;"
    "hArr Leftrightarrow;CC mathbb{C};NN mathbb{N};QQ mathbb{Q};RR mathbb{R};ZZ mathbb{Z};dx ,dx;dy ,dy;dz ,dz;dt ,dt;"
    "lcm operatorname{lcm};lub operatorname{lub};glb operatorname{glb};qquad qquad;bowtie bowtie"
)
_SYMBOLS |= {"*": "\\cdot", "//": "/", "dx": "dx", "dy": "dy", "dz": "dz", "dt": "dt", "lt": "<", "gt": ">", "mod": "\\bmod", "'": "'"}
_SYMBOLS |= {"if": "\\text{if }", "or": "\\text{ or }", "and": "\\text{ and }"}
_UNARY = {
    "sqrt": "\\sqrt{%s}", "abs": "\\left|%s\\right|", "norm": "\\left\\|%s\\right\\|", "floor": "\\lfloor %s\\rfloor",
    "ceil": "\\lceil %s\\rceil",
    "hat": "\\hat{%s}", "bar": "\\overline{%s}", "overline": "\\overline{%s}", "vec": "\\vec{%s}", "tilde": "\\tilde{%s}",
    "dot": "\\dot{%s}", "ddot": "\\ddot{%s}",
    "ul": "\\underline{%s}", "underline": "\\underline{%s}", "ubrace": "\\underbrace{%s}", "underbrace": "\\underbrace{%s}",
    "obrace": "\\overbrace{%s}",
    "overbrace": "\\overbrace{%s}", "bb": "\\mathbf{%s}", "mathbf": "\\mathbf{%s}", "bbb": "\\mathbb{%s}", "mathbb": "\\mathbb{%s}",
    "cc": "\\mathcal{%s}",
    "mathcal": "\\mathcal{%s}", "tt": "\\mathtt{%s}", "fr": "\\mathfrak{%s}", "mathfrak": "\\mathfrak{%s}", "sf": "\\mathsf{%s}",
    "cancel": "\\cancel{%s}",
}  # fmt: skip
_BINARY = {
    "frac": "\\frac{%s}{%s}",
    "root": "\\sqrt[%s]{%s}",
    "stackrel": "\\overset{%s}{%s}",
    "overset": "\\overset{%s}{%s}",
    "underset": "\\underset{%s}{%s}",
}
_LEFT = {"(": "(", "[": "[", "{": "\\{", "(:": "\\langle ", "<<": "\\langle ", "{:": "."}
_RIGHT = {")": ")", "]": "]", "}": "\\}", ":)": "\\rangle ", ">>": "\\rangle ", ":}": "."}
_TEXTS = frozenset(("text", "mbox"))

_WORDS = sorted({*_SYMBOLS, *_UNARY, *_BINARY, *_LEFT, *_RIGHT, *_TEXTS, "/", "_", "^", "|"}, key=len, reverse=True)
_TOKEN = re.compile(r"\s+|" + "|".join(map(re.escape, _WORDS)) + r"|\d+(?:\.\d+)?|\"[^\"]*\"|.", re.DOTALL)
_NAME = re.compile(r"[A-Za-z]{2,}")
_PHRASES = frozenset(("if", "or", "and", "in", "not", "to", "sub", "sup", "dot", "star", "text", "cap", "cup", "bar", "hat"))
_SIGNS = re.compile(r"[-+*/^_=<>|()\[\]{}\d]")
_TEXT_ARGUMENT = re.compile(r"\s*(?:\(([^()]*)\)|\[([^\[\]]*)\]|\{([^{}]*)\})")


def to_latex(source: str) -> str:
    r"""Return AsciiMath as LaTeX.

    >>> to_latex("sum_(i=1)^n i^3=((n(n+1))/2)^2")
    '\\sum_{i=1}^{n}i^{3}=\\left(\\frac{n(n+1)}{2}\\right)^{2}'
    """
    return re.sub(r"(\\[A-Za-z]+) +(?=[}_^)\],]|$)", r"\1", _Parser(source).row(())).strip()


def is_formula(source: str) -> bool:
    """Return whether words between backticks are those of AsciiMath, with signs or numbers among them.

    >>> is_formula("sin theta <= 1/2"), is_formula("git log"), is_formula("in the end")
    (True, False, False)
    """
    names = [name for name in _NAME.findall(source) if name not in _PHRASES]
    known = _SYMBOLS.keys() | _UNARY.keys() | _BINARY.keys()
    return bool(names) and _SIGNS.search(source) is not None and all(name in known for name in names)


class _Parser:
    def __init__(self, source: str) -> None:
        self.lookahead = _MAX_LOOKAHEAD
        self.tokens: list[str] = []
        position = 0
        while position < len(source) and (found := _TOKEN.match(source, position)):
            token, position = found[0], found.end()
            if token in _TEXTS and (words := _TEXT_ARGUMENT.match(source, position)):
                self.tokens.append(f'"{words[1] or words[2] or words[3] or ""}"')
                position = words.end()
            elif not token.isspace():
                self.tokens.append(token)
        self.at = 0
        self.depth = 0
        self.lone_bars: set[int] = set()
        """Positions behind bars that no other closes."""

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def row(self, stops: tuple[str, ...] | frozenset[str]) -> str:
        """Return everything up to a closing bracket."""
        parts = []
        while (token := self.peek()) and token not in stops:
            before = self.at
            parts.append(self.fraction())
            if self.at == before:  # a token that starts nothing: a stray bracket
                parts.append(symbols(self.take()))
        return "".join(parts)

    def fraction(self) -> str:
        above, bare = self.scripted()
        if self.peek() != "/" or self.at + 1 >= len(self.tokens):
            return above
        self.take()
        _, below = self.scripted()
        return f"\\frac{{{bare}}}{{{below}}}"

    def scripted(self) -> tuple[str, str]:
        """Return a simple expression with its scripts, and the same without the brackets around all of it."""
        full, bare = self.simple()
        scripts = ""
        for mark in "_^":
            if self.peek() == mark:
                self.take()
                scripts += f"{mark}{{{self.simple()[1].strip()}}}"
        return (full.rstrip() + scripts if scripts else full), (full.rstrip() + scripts if scripts else bare.strip())

    def simple(self) -> tuple[str, str]:
        """Return a simple expression, and the same without its brackets."""
        token = self.peek()
        if not token or token in _RIGHT or self.depth > _MAX_DEPTH:
            text = symbols(self.take()) if token and token not in _RIGHT else ""
            return text, text
        self.depth += 1
        try:
            self.take()
            if token in _LEFT:
                return self.bracketed(token)
            if token == "|":
                return self.bars()
            if token in _UNARY:
                text = _UNARY[token].replace("%s", self.simple()[1].strip())
            elif token in _BINARY:
                first, second = self.simple()[1].strip(), self.simple()[1].strip()
                above, between, below = _BINARY[token].split("%s")
                text = above + first + between + second + below
            elif token[0] == '"':
                text = text_in_formula(token.strip('"'))
            elif token in _SYMBOLS:
                command = _SYMBOLS[token]
                text = command + " " if command[-1].isalpha() and command[0] == "\\" else command
            else:
                text = symbols(token)
            return text, text
        finally:
            self.depth -= 1

    def bracketed(self, left: str) -> tuple[str, str]:
        if left in ("(", "[", "{", "{:") and self.peek() in ("[", "(") and (matrix := self.matrix(left)):
            return matrix, matrix
        inner = self.row(frozenset(_RIGHT))
        right = self.take()
        opening, closing = _LEFT[left], _RIGHT.get(right, "")
        if opening == "." and closing == ".":
            return inner, inner
        tall = any(command in inner for command in ("\\frac", "\\sum", "\\int", "\\begin", "\\prod"))
        if tall or "." in (opening, closing):
            return f"\\left{opening}{inner}\\right{closing or '.'}", inner
        return opening + inner + closing, inner

    def bars(self) -> tuple[str, str]:
        start = self.at
        if start not in self.lone_bars:
            inner = self.row(frozenset((*_RIGHT, "|")))
            if self.peek() == "|":
                self.take()
                return f"\\left|{inner}\\right|", f"\\left|{inner}\\right|"
            self.at = start
            self.lone_bars.add(start)  # else every bar that is open around it would double the work
        return "|", "|"

    def matrix(self, left: str) -> str:
        """Return ``[[a,b],[c,d]]`` as a matrix; empty, and nothing read, where the brackets hold no rows."""
        if self.lookahead <= 0:
            return ""
        end = self.at
        level = 0
        rows: list[list[tuple[int, int]]] = []
        opening = self.peek()
        closing = ")" if opening == "(" else "]"
        start = end
        while end < len(self.tokens):
            token = self.tokens[end]
            self.lookahead -= 1
            if token in _LEFT:
                level += 1
                if level == 1:
                    if token != opening:
                        return ""
                    rows.append([])
                    start = end + 1
            elif token in _RIGHT:
                if level == 0:
                    break
                if level == 1:
                    if token != closing:
                        return ""
                    rows[-1].append((start, end))
                level -= 1
            elif token == "," and level == 1:
                rows[-1].append((start, end))
                start = end + 1
            elif level == 0 and token != ",":
                return ""
            end += 1
        if end >= len(self.tokens) or len(rows) < (1 if opening == "[" and left == "[" else 2) or len({len(row) for row in rows}) != 1:
            return ""
        right = self.tokens[end]
        cells = [[self.between(*cell) for cell in row] for row in rows]
        self.at = end + 1
        name = {("(", ")"): "pmatrix", ("[", "]"): "bmatrix", ("{", "}"): "Bmatrix", ("{", ":}"): "cases"}.get((left, right), "matrix")
        return f"\\begin{{{name}}} " + " \\\\ ".join(" & ".join(row) for row in cells) + f" \\end{{{name}}}"

    def between(self, start: int, end: int) -> str:
        """Return some tokens as an expression of their own."""
        inner = _Parser("")
        inner.tokens, inner.depth, inner.lookahead = self.tokens[start:end], self.depth + 1, self.lookahead
        text = inner.row(()).strip() if inner.depth <= _MAX_DEPTH else ""
        self.lookahead = inner.lookahead
        return text
