"""Content markup: what a formula means (``<apply><plus/>...``) written as LaTeX; the usual operators, others as functions by their name."""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.extract.mathml.nodes import name_of
from reasonforge.corpus.extract.mathml.walk import Walk
from reasonforge.corpus.extract.symbols import FUNCTIONS, symbols
from reasonforge.corpus.extract.tree import children

_RELATIONS = {
    "eq": "=", "neq": "\\neq ", "lt": "<", "gt": ">", "leq": "\\leq ", "geq": "\\geq ", "equivalent": "\\equiv ", "approx": "\\approx ",
    "implies": "\\implies ", "in": "\\in ", "notin": "\\notin ", "subset": "\\subseteq ", "prsubset": "\\subset ",
    "notsubset": "\\nsubseteq ", "notprsubset": "\\not\\subset ", "factorof": "|", "tendsto": "\\to ",
}  # fmt: skip
_SUMS = {"plus": "+", "minus": "-", "union": "\\cup ", "intersect": "\\cap ", "setdiff": "\\setminus ", "and": "\\land ", "or": "\\lor ",
         "xor": "\\oplus "}  # fmt: skip
_PRODUCTS = {"times": "", "compose": "\\circ ", "cartesianproduct": "\\times ", "scalarproduct": "\\cdot ", "vectorproduct": "\\times ",
             "outerproduct": "\\otimes ", "rem": "\\bmod "}  # fmt: skip
_WRAPPED = {"abs": ("|", "|"), "floor": ("\\lfloor ", "\\rfloor "), "ceiling": ("\\lceil ", "\\rceil "), "card": ("|", "|"),
            "conjugate": ("\\overline{", "}"), "transpose": ("", "^{T}"), "factorial": ("", "!")}  # fmt: skip
_BIG = {"sum": "\\sum", "product": "\\prod", "int": "\\int"}
_QUANTIFIERS = {"forall": "\\forall ", "exists": "\\exists "}
_NAMES = {"real": "\\Re", "imaginary": "\\Im", "determinant": "\\det", "grad": "\\nabla ", "divergence": "\\nabla\\cdot ",
          "curl": "\\nabla\\times ", "laplacian": "\\nabla^{2}", "not": "\\neg "}  # fmt: skip
CONSTANTS = {
    "pi": "\\pi ", "exponentiale": "e", "imaginaryi": "i", "infinity": "\\infty ", "eulergamma": "\\gamma ", "emptyset": "\\emptyset ",
    "reals": "\\mathbb{R}", "integers": "\\mathbb{Z}", "rationals": "\\mathbb{Q}", "naturalnumbers": "\\mathbb{N}",
    "complexes": "\\mathbb{C}", "primes": "\\mathbb{P}", "true": "\\text{true}", "false": "\\text{false}", "notanumber": "\\text{NaN}",
}  # fmt: skip
_QUALIFIERS = frozenset({"bvar", "lowlimit", "uplimit", "interval", "condition", "domainofapplication", "degree", "logbase", "momentabout"})
_ATOM, _PRODUCT, _SUM, _RELATION = 3, 2, 1, 0
"""How tightly something holds together: what is looser than its place asks for stands in parentheses."""


def applied(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``apply``."""
    return _apply(walk, element, depth)[0]


def constant(walk: Walk, element: Any, depth: int) -> str:
    """Return an empty element that stands for a number or a set."""
    return CONSTANTS[name_of(element)]


def literal(walk: Walk, element: Any, depth: int) -> str:
    """Return a ``ci``, ``cn`` or ``csymbol``."""
    nodes = walk.children(element)
    inner = [node for node in nodes if name_of(node) != "sep"]
    if inner:
        return "".join(walk.latex(node, depth) for node in inner)
    parts = " ".join(node.value or node.text or "" for node in children(element)).split()
    if nodes and len(parts) == 2:
        kind = element.getattr("type")
        if kind == "e-notation":
            return f"{parts[0]} \\times 10^{{{parts[1]}}}"
        return f"\\frac{{{parts[0]}}}{{{parts[1]}}}" if kind == "rational" else f"{parts[0]}+{parts[1]}i"
    text = "".join(parts)
    if len(text) > 1 and text.isascii() and text.isalpha():
        return f"\\{text} " if text in FUNCTIONS else f"\\mathrm{{{text}}}"
    return symbols(text)


def several(walk: Walk, element: Any, depth: int) -> str:
    """Return a ``set``, ``list``, ``vector`` or ``interval``."""
    name = name_of(element)
    parts = [walk.latex(node, depth).strip() for node in walk.children(element)]
    if name == "vector":
        return "\\begin{pmatrix} " + " \\\\ ".join(parts) + " \\end{pmatrix}"
    closure = element.getattr("closure") or "closed"
    left = "(" if closure in ("open", "open-closed") else "["
    right = ")" if closure in ("open", "closed-open") else "]"
    left, right = {"set": ("\\{", "\\}"), "list": ("(", ")")}.get(name, (left, right))
    return left + ",".join(parts) + right


def matrix(walk: Walk, element: Any, depth: int) -> str:
    """Return a ``matrix``."""
    rows = (" & ".join(walk.latex(cell, depth).strip() for cell in walk.children(row)) for row in walk.children(element))
    return "\\begin{pmatrix} " + " \\\\ ".join(rows) + " \\end{pmatrix}"


def piecewise(walk: Walk, element: Any, depth: int) -> str:
    """Return a ``piecewise``."""
    rows = []
    for piece in walk.children(element):
        parts = [walk.latex(node, depth).strip() for node in walk.children(piece)]
        rows.append(" & ".join(parts) if name_of(piece) == "piece" else f"{''.join(parts)} & \\text{{otherwise}}")
    return "\\begin{cases} " + " \\\\ ".join(rows) + " \\end{cases}"


def _apply(walk: Walk, element: Any, depth: int) -> tuple[str, int]:
    nodes = walk.children(element)
    if not nodes:
        return "", _ATOM
    operator, name = nodes[0], name_of(nodes[0])
    qualifiers = {name_of(node): node for node in nodes[1:] if name_of(node) in _QUALIFIERS}
    operands = [node for node in nodes[1:] if name_of(node) not in _QUALIFIERS]

    def operand(index: int, least: int = _RELATION) -> str:
        return _held(walk, operands[index], depth, least) if index < len(operands) else ""

    def qualifier(kind: str) -> str:
        node = qualifiers.get(kind)
        return "".join(walk.latex(inner, depth) for inner in walk.children(node)).strip() if node is not None else ""

    if name in _RELATIONS:
        return _RELATIONS[name].join(operand(index, _SUM) for index in range(len(operands))), _RELATION
    if name in _SUMS:
        if len(operands) == 1:
            return _SUMS[name] + operand(0, _PRODUCT), _SUM
        parts = [operand(index, _SUM if index == 0 or name == "plus" else _PRODUCT) for index in range(len(operands))]
        return _SUMS[name].join(parts).replace("+-", "-"), _SUM
    if name in _PRODUCTS:
        parts = [operand(index, _PRODUCT) for index in range(len(operands))]
        digits = any(part[:1].isdigit() for part in parts[1:])
        return ((_PRODUCTS[name] or ("\\cdot " if digits else "")).join(parts)), _PRODUCT
    if name in _WRAPPED:
        left, right = _WRAPPED[name]
        return left + operand(0, _RELATION if left else _ATOM) + right, _ATOM
    if name == "divide":
        return f"\\frac{{{operand(0).strip()}}}{{{operand(1).strip()}}}", _ATOM
    if name == "power":
        base = operand(0, _ATOM).strip()
        base = f"\\left({base}\\right)" if base.startswith("\\frac") else base
        return f"{base}^{{{operand(1).strip()}}}", _PRODUCT
    if name == "root":
        degree = qualifier("degree")
        return f"\\sqrt{f'[{degree}]' if degree not in ('', '2') else ''}{{{operand(0).strip()}}}", _ATOM
    if name == "exp":
        return f"e^{{{operand(0).strip()}}}", _PRODUCT
    if name in ("log", "ln") and (base := qualifier("logbase")):
        return f"\\log_{{{base}}} {operand(0, _ATOM)}", _PRODUCT
    if name in ("diff", "partialdiff"):
        sign = "d" if name == "diff" else "\\partial "
        return f"\\frac{{{sign}}}{{{sign}{qualifier('bvar')}}}{operand(0, _PRODUCT)}", _PRODUCT
    if name == "limit":
        return (
            f"\\lim_{{{qualifier('condition') or qualifier('bvar') + chr(92) + 'to ' + qualifier('lowlimit')}}} {operand(0, _PRODUCT)}",
            _PRODUCT,
        )
    if name in _BIG:
        return _big(name, qualifier, operand(0, _PRODUCT)), _SUM
    if name in _QUANTIFIERS:
        return f"{_QUANTIFIERS[name]}{qualifier('bvar')}:{operand(0)}", _RELATION
    if name in FUNCTIONS or name in _NAMES:
        function = _NAMES.get(name) or f"\\{name}"
    elif name in ("ci", "csymbol", "apply"):
        function = _held(walk, operator, depth, _ATOM).strip()
    else:
        function = f"\\operatorname{{{name}}}"
    return f"{function}({','.join(operand(index).strip() for index in range(len(operands)))})", _ATOM


def _big(name: str, qualifier: Any, body: str) -> str:
    variable, lower, upper = qualifier("bvar"), qualifier("lowlimit"), qualifier("uplimit")
    if name == "int":
        limits = (f"_{{{lower}}}" if lower else "") + (f"^{{{upper}}}" if upper else "")
        return f"\\int{limits or ' '}{body}\\,d{variable}" if variable else f"\\int{limits or ' '}{body}"
    below = qualifier("condition") or (f"{variable}={lower}" if variable and lower else variable or lower)
    return _BIG[name] + (f"_{{{below}}}" if below else "") + (f"^{{{upper}}}" if upper else "") + f" {body}"


def _held(walk: Walk, node: Any, depth: int, least: int) -> str:
    """Return an operand, in parentheses where its place asks for more than it holds together."""
    if name_of(node) != "apply":
        latex = walk.latex(node, depth)
        return f"({latex})" if least > _SUM and latex.startswith("-") else latex
    latex, bound = walk.measured(node, depth, _apply)
    return f"\\left({latex}\\right)" if bound < least and "\\frac" in latex else f"({latex})" if bound < least else latex
