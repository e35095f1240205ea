"""Formulas in three notations at once: LaTeX, presentation MathML, and what people type who know neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from random import Random
from typing import NamedTuple


class Formula(NamedTuple):
    """One formula."""

    latex: str
    mathml: str
    """Inside of a ``<math>``; one element."""
    plain: str
    """As typed into a forum without an editor."""


_GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "theta": "θ",
    "lambda": "λ",
    "mu": "μ",
    "sigma": "σ",
    "phi": "φ",
}


def number(value: int) -> Formula:
    """Return a number."""
    return Formula(str(value), f"<mn>{value}</mn>", str(value))


def variable(name: str) -> Formula:
    """Return a letter, or a Greek one by its name."""
    if name in _GREEK:
        return Formula("\\" + name, f"<mi>{_GREEK[name]}</mi>", name)
    return Formula(name, f"<mi>{name}</mi>", name)


def row(*parts: Formula) -> Formula:
    """Return parts side by side."""
    return Formula(
        " ".join(part.latex for part in parts), f"<mrow>{''.join(p.mathml for p in parts)}</mrow>", "".join(p.plain for p in parts)
    )


def operator(latex: str, sign: str, plain: str) -> Formula:
    """Return a sign between two terms."""
    return Formula(latex, f"<mo>{escape(sign)}</mo>", plain)


PLUS, MINUS, EQUALS = operator("+", "+", " + "), operator("-", "−", " - "), operator("=", "=", " = ")
LESS, AT_MOST, TIMES = operator("<", "<", " < "), operator(r"\leq", "≤", " <= "), operator(r"\cdot", "⋅", "*")
ELEMENT, ARROW, SUBSET = operator(r"\in", "∈", " in "), operator(r"\to", "→", " -> "), operator(r"\subset", "⊂", " subset of ")
CONGRUENT = operator(r"\equiv", "≡", " == ")


def frac(top: Formula, bottom: Formula) -> Formula:
    """Return a fraction."""
    return Formula(
        rf"\frac{{{top.latex}}}{{{bottom.latex}}}", f"<mfrac>{top.mathml}{bottom.mathml}</mfrac>", f"({top.plain})/({bottom.plain})"
    )


def power(base: Formula, exponent: Formula) -> Formula:
    """Return a power."""
    return Formula(f"{base.latex}^{{{exponent.latex}}}", f"<msup>{base.mathml}{exponent.mathml}</msup>", f"{base.plain}^{exponent.plain}")


def index(base: Formula, below: Formula) -> Formula:
    """Return a letter with an index."""
    return Formula(f"{base.latex}_{{{below.latex}}}", f"<msub>{base.mathml}{below.mathml}</msub>", f"{base.plain}_{below.plain}")


def root(inside: Formula) -> Formula:
    """Return a square root."""
    return Formula(rf"\sqrt{{{inside.latex}}}", f"<msqrt>{inside.mathml}</msqrt>", f"sqrt({inside.plain})")


def applied(function: str, argument: Formula) -> Formula:
    """Return a function of something; names of several letters are LaTeX commands."""
    latex = f"\\{function}" if len(function) > 1 else function
    return Formula(
        f"{latex}({argument.latex})",
        f"<mrow><mi>{function}</mi><mo>(</mo>{argument.mathml}<mo>)</mo></mrow>",
        f"{function}({argument.plain})",
    )


def big(latex: str, sign: str, plain: str, low: Formula, high: Formula, body: Formula) -> Formula:
    """Return a sum, product or integral with its limits."""
    return Formula(
        f"{latex}_{{{low.latex}}}^{{{high.latex}}} {body.latex}",
        f"<mrow><munderover><mo>{sign}</mo>{low.mathml}{high.mathml}</munderover>{body.mathml}</mrow>",
        f"{plain} from {low.plain} to {high.plain} of {body.plain}",
    )


def _term(rng: Random, letter: Formula) -> Formula:
    kind = rng.random()
    if kind < 0.3:
        return letter
    if kind < 0.6:
        return row(number(rng.randint(2, 15)), letter)
    if kind < 0.85:
        return power(letter, number(rng.randint(2, 7)))
    return number(rng.randint(1, 60))


def polynomial(rng: Random, letters: str = "xyzntab") -> Formula:
    """Return two or three terms."""
    letter = variable(rng.choice(letters))
    parts = [row(number(rng.randint(2, 12)), power(letter, number(rng.randint(2, 5))))]
    for _ in range(rng.randint(1, 2)):
        parts += [rng.choice((PLUS, MINUS)), _term(rng, letter)]
    return row(*parts)


def _equation(rng: Random) -> Formula:
    return row(polynomial(rng), EQUALS, number(rng.randint(0, 90)))


def _quotient(rng: Random) -> Formula:
    return frac(polynomial(rng), row(variable(rng.choice("xyt")), rng.choice((PLUS, MINUS)), number(rng.randint(1, 30))))


def _integral(rng: Random) -> Formula:
    letter = variable(rng.choice("xtu"))
    body = row(
        rng.choice((power(letter, number(rng.randint(2, 8))), applied(rng.choice(("sin", "cos", "exp", "ln")), letter))),
        variable("d"),
        letter,
    )
    return big(r"\int", "∫", "int", number(rng.randint(0, 3)), rng.choice((number(rng.randint(4, 20)), variable("a"), variable("b"))), body)


def _sum(rng: Random) -> Formula:
    k = variable(rng.choice("kij"))
    body = rng.choice((power(k, number(rng.randint(2, 5))), index(variable("a"), k), frac(number(1), power(k, number(rng.randint(1, 4))))))
    return big(r"\sum", "∑", "sum", row(k, EQUALS, number(rng.randint(0, 2))), variable(rng.choice("nmN")), body)


def _limit(rng: Random) -> Formula:
    letter = variable(rng.choice("xnh"))
    low = row(letter, ARROW, rng.choice((number(rng.randint(0, 5)), Formula(r"\infty", "<mi>∞</mi>", "infinity"))))
    body = frac(applied(rng.choice(("sin", "ln", "f", "g")), letter), letter)
    return Formula(
        rf"\lim_{{{low.latex}}} {body.latex}",
        f"<mrow><munder><mo>lim</mo>{low.mathml}</munder>{body.mathml}</mrow>",
        f"lim {low.plain} {body.plain}",
    )


def _congruence(rng: Random) -> Formula:
    return row(
        power(variable(rng.choice("axb")), variable(rng.choice("pkn"))),
        CONGRUENT,
        number(rng.randint(1, 20)),
        Formula(rf"\pmod{{{(m := rng.randint(3, 97))}}}", f"<mtext>(mod {m})</mtext>", f" (mod {m})"),
    )


def _root(rng: Random) -> Formula:
    return row(variable(rng.choice("xyrd")), EQUALS, root(polynomial(rng)))


def _inequality(rng: Random) -> Formula:
    name = rng.choice(tuple(_GREEK))
    return row(number(0), LESS, index(variable(name), variable(rng.choice("nki"))), AT_MOST, frac(number(1), variable(rng.choice("nkm"))))


def _derivative(rng: Random) -> Formula:
    f, x = variable(rng.choice("fgyu")), variable(rng.choice("xt"))
    return row(frac(row(variable("d"), f), row(variable("d"), x)), EQUALS, polynomial(rng, x.latex))


def _membership(rng: Random) -> Formula:
    field = rng.choice("RCQZN")
    double = Formula(rf"\mathbb{{{field}}}", f'<mi mathvariant="double-struck">{field}</mi>', field)
    return row(variable(rng.choice("xyzv")), ELEMENT, power(double, variable(rng.choice("nmk"))))


def _map(rng: Random) -> Formula:
    return row(variable(rng.choice("fgh")), operator(":", ":", ": "), variable(rng.choice("XAVG")), ARROW, variable(rng.choice("YBWH")))


def _binomial(rng: Random) -> Formula:
    n, k = rng.randint(4, 30), rng.randint(2, 9)
    return row(
        Formula(rf"\binom{{{n}}}{{{k}}}", f'<mfrac linethickness="0"><mn>{n}</mn><mn>{k}</mn></mfrac>', f"C({n},{k})"),
        EQUALS,
        frac(number(n), number(k)),
        TIMES,
        number(rng.randint(2, 99)),
    )


def _probability(rng: Random) -> Formula:
    return row(applied("P", variable(rng.choice("ABXE"))), EQUALS, frac(number(rng.randint(1, 12)), number(rng.randint(13, 60))))


def _matrix(rng: Random) -> Formula:
    a, b, c, d = (rng.randint(-9, 9) for _ in range(4))
    cells = f"<mtr><mtd><mn>{a}</mn></mtd><mtd><mn>{b}</mn></mtd></mtr><mtr><mtd><mn>{c}</mn></mtd><mtd><mn>{d}</mn></mtd></mtr>"
    return Formula(
        rf"\begin{{pmatrix}} {a} & {b} \\ {c} & {d} \end{{pmatrix}}",
        f"<mrow><mo>(</mo><mtable>{cells}</mtable><mo>)</mo></mrow>",
        f"[[{a},{b}],[{c},{d}]]",
    )


Maker = Callable[[Random], Formula]

SCHOOL: Sequence[Maker] = (polynomial, _equation, _quotient, _root, _probability)
"""What pupils write."""
HIGHER: Sequence[Maker] = (
    polynomial,
    _equation,
    _quotient,
    _integral,
    _sum,
    _limit,
    _congruence,
    _root,
    _inequality,
    _derivative,
    _membership,
    _map,
    _binomial,
    _probability,
    _matrix,
)
"""What books write."""


def draw(rng: Random, makers: Sequence[Maker] = HIGHER) -> Formula:
    """Return a random formula."""
    return makers[int(rng.random() * len(makers))](rng)
