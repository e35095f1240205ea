"""Unicode characters of mathematics as LaTeX commands."""

from __future__ import annotations

import re
import unicodedata


def _table(text: str) -> dict[str, str]:
    pairs = (entry.split() for entry in text.split(";"))
    return {char: "\\" + name for char, name in pairs}


_GREEK = _table(
    "α alpha;β beta;γ gamma;δ delta;ε varepsilon;ϵ epsilon;ζ zeta;η eta;θ theta;ϑ vartheta;ι iota;κ kappa;ϰ varkappa;λ lambda;μ "
    "mu;µ mu;ν nu;"
    "ξ xi;π pi;ϖ varpi;ρ rho;ϱ varrho;σ sigma;ς varsigma;τ tau;υ upsilon;φ varphi;ϕ phi;χ chi;ψ psi;ω omega;Γ Gamma;Δ Delta;Θ "
    "Theta;Λ Lambda;"
    "Ξ Xi;Π Pi;Σ Sigma;Υ Upsilon;Φ Phi;Ψ Psi;Ω Omega"
)
_LETTERS = _table(
    "∂ partial;∇ nabla;∞ infty;ℏ hbar;ℓ ell;ℜ Re;ℑ Im;ℵ aleph;ℶ beth;℘ wp;∅ emptyset;⌀ varnothing;∀ forall;∃ exists;∄ nexists;¬ "
    "neg;⊤ top;⊥ perp;"
    "∠ angle;∡ measuredangle;△ triangle;□ square;◊ lozenge;♯ sharp;♭ flat;♮ natural;… ldots;⋯ cdots;⋮ vdots;⋱ ddots;′ prime;″ prime\\prime;"
    "‴ prime\\prime\\prime;° circ;† dagger;‡ ddagger;§ S;∆ Delta;Å mathring{A};∎ blacksquare;■ blacksquare;★ star;ı imath;ȷ jmath;"
    "‖ |;∥ |;"
    "∦ nparallel;∤ nmid"
)
_OPERATORS = _table(
    "± pm;∓ mp;× times;÷ div;⋅ cdot;· cdot;∗ ast;⋆ star;∘ circ;• bullet;⊕ oplus;⊖ ominus;⊗ otimes;⊘ oslash;⊙ odot;∧ wedge;∨ vee;∩ "
    "cap;∪ cup;"
    "⊓ sqcap;⊔ sqcup;⊎ uplus;∖ setminus;≀ wr;⋄ diamond;⋉ ltimes;⋊ rtimes;⊞ boxplus;⊠ boxtimes;≤ leq;≥ geq;⩽ leqslant;⩾ geqslant;≦ "
    "leqq;≧ geqq;"
    "≪ ll;≫ gg;≠ neq;≡ equiv;≢ not\\equiv;≈ approx;≅ cong;≃ simeq;∼ sim;≁ nsim;∝ propto;≍ asymp;≐ doteq;≜ triangleq;≔ coloneqq;≺ "
    "prec;≻ succ;"
    "⪯ preceq;⪰ succeq;≼ preceq;≽ succeq;∈ in;∉ notin;∋ ni;⊂ subset;⊃ supset;⊆ subseteq;⊇ supseteq;⊄ not\\subset;⊈ nsubseteq;⊊ subsetneq;"
    "⊏ sqsubset;⊐ sqsupset;⊢ vdash;⊣ dashv;⊨ models;⊩ Vdash;⊲ triangleleft;⊳ triangleright;⊴ trianglelefteq;∴ therefore;∵ because;"
    "≲ lesssim;"
    "≳ gtrsim;⌊ lfloor;⌋ rfloor;⌈ lceil;⌉ rceil;⟨ langle;⟩ rangle;〈 langle;〉 rangle;⟦ llbracket;⟧ rrbracket"
)
_ARROWS = _table(
    "→ to;← leftarrow;↔ leftrightarrow;⇒ Rightarrow;⇐ Leftarrow;⇔ Leftrightarrow;↦ mapsto;⟶ longrightarrow;⟵ longleftarrow;⟷ "
    "longleftrightarrow;"
    "⟹ implies;⟸ impliedby;⟺ iff;⟼ longmapsto;↪ hookrightarrow;↩ hookleftarrow;↠ twoheadrightarrow;↣ rightarrowtail;⇝ "
    "rightsquigarrow;↑ uparrow;"
    "↓ downarrow;↕ updownarrow;⇑ Uparrow;⇓ Downarrow;↗ nearrow;↘ searrow;↙ swarrow;↖ nwarrow;⇌ rightleftharpoons;⇀ rightharpoonup;"
    "↛ nrightarrow"
)
BIG = _table(
    "∑ sum;∏ prod;∐ coprod;∫ int;∬ iint;∭ iiint;∮ oint;∯ oiint;⋃ bigcup;⋂ bigcap;⋁ bigvee;⋀ bigwedge;⨁ bigoplus;⨂ bigotimes;⨀ "
    "bigodot;⨆ bigsqcup"
)
"""Operators that carry limits."""

ESCAPES = {
    "%": "\\%",
    "#": "\\#",
    "&": "\\&",
    "_": "\\_",
    "$": "\\$",
    "{": "\\{",
    "}": "\\}",
    "\\": "\\backslash",
    "~": "\\sim",
    "^": "\\wedge",
}
MINUS = {"−": "-", "–": "-", "‐": "-", "‑": "-", "﹣": "-", "∕": "/", "⁄": "/", "∶": ":", "∣": "|", "＝": "=", "＋": "+"}
INVISIBLE = dict.fromkeys("\u2061\u2062\u2063\u2064\u200b\u200c\u200d\u2060\ufeff", "")
SPACES = {
    "\u00a0": "\\ ",
    "\u2003": "\\quad",
    "\u2002": "\\enspace",
    "\u2009": "\\,",
    "\u200a": "",
    "\u2005": "\\:",
    "\u205f": "\\:",
    "\u2004": "\\;",
}
PRIMES = {"′": "'", "″": "''", "‴": "'''", "'": "'"}

_COMMANDS = {**_GREEK, **_LETTERS, **_OPERATORS, **_ARROWS, **BIG, **ESCAPES, **MINUS, **INVISIBLE, **SPACES}
_LETTERLIKE = {"ℝ": "\\mathbb{R}", "ℂ": "\\mathbb{C}", "ℕ": "\\mathbb{N}", "ℤ": "\\mathbb{Z}", "ℚ": "\\mathbb{Q}", "ℙ": "\\mathbb{P}",
    "ℍ": "\\mathbb{H}",
               "ℒ": "\\mathcal{L}", "ℋ": "\\mathcal{H}", "ℬ": "\\mathcal{B}", "ℰ": "\\mathcal{E}", "ℱ": "\\mathcal{F}", "ℐ": "\\mathcal{I}",
               "ℳ": "\\mathcal{M}", "ℛ": "\\mathcal{R}", "ℭ": "\\mathfrak{C}", "ℨ": "\\mathfrak{Z}", "ℎ": "h", "ⅆ": "d", "ⅇ": "e",
               "ⅈ": "i", "ⅅ": "D"}  # fmt: skip
_STYLES = (("DOUBLE-STRUCK", "\\mathbb"), ("FRAKTUR", "\\mathfrak"), ("SCRIPT", "\\mathcal"), ("SANS-SERIF", "\\mathsf"), ("MONOSPACE",
    "\\mathtt"),
           ("BOLD", "\\mathbf"))  # fmt: skip
VARIANTS = {"bold": "\\mathbf", "double-struck": "\\mathbb", "script": "\\mathcal", "fraktur": "\\mathfrak", "sans-serif": "\\mathsf",
            "monospace": "\\mathtt", "bold-italic": "\\boldsymbol", "bold-fraktur": "\\mathfrak", "bold-script": "\\mathcal"}  # fmt: skip
"""``mathvariant`` of MathML."""

FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "coth",
        "log",
        "ln",
        "lg",
        "exp",
        "det",
        "dim",
        "ker",
        "deg",
        "gcd",
        "hom",
        "arg",
        "min",
        "max",
        "sup",
        "inf",
        "lim",
        "limsup",
        "liminf",
        "Pr",
    ]
)
LIMITS = frozenset(["min", "max", "sup", "inf", "lim", "limsup", "liminf", "det", "gcd", "Pr"])
"""Functions whose lower index stands below."""

_SPECIAL = re.compile(r"[^A-Za-z0-9+=\-*/.,:;!?()\[\]|<>'\" ]")


def symbol(char: str) -> str:
    r"""Return one character as LaTeX; a command ends with a space, so that a letter may follow.

    >>> symbol("α"), symbol("−"), symbol("𝔽"), symbol("水")
    ('\\alpha ', '-', '\\mathbb{F}', '水')
    """
    command = _COMMANDS.get(char)
    if command is not None:
        return command + " " if command[-1:].isalpha() and command[0] == "\\" else command
    if char in _LETTERLIKE:
        return _LETTERLIKE[char]
    if "\U0001d400" <= char <= "\U0001d7ff":
        plain = symbol(unicodedata.normalize("NFKC", char)).strip()
        name = unicodedata.name(char, "")
        style = next((command for mark, command in _STYLES if mark in name), None)
        return f"{style}{{{plain}}}" if style else plain + " " if plain[:1] == "\\" else plain
    return char


def symbols(text: str) -> str:
    """Return characters as LaTeX."""
    return _SPECIAL.sub(lambda found: symbol(found[0]), text)


_TEXT_ESCAPE = str.maketrans({"\\": r"\textbackslash ", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "&": r"\&", "_": r"\_",
    "$": r"\$", "^": r"\^{}", "~": " ", "\u00a0": " "})  # fmt: skip


def text_in_formula(text: str) -> str:
    r"""Return words of a formula as ``\text{...}``."""
    return f"\\text{{{text.translate(_TEXT_ESCAPE)}}}"
