"""What the elements of a formula are called and hold."""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.extract.tree import children

SILENT = frozenset({"annotation", "annotation-xml", "mprescripts", "none", "maligngroup", "malignmark", "script", "style", "template"})
"""Elements that are no part of what is read."""

_OPERATORS = (
    "plus minus times divide power root eq neq lt gt leq geq equivalent approx implies in notin subset prsubset notsubset notprsubset "
    "factorof tendsto union intersect setdiff and or xor not compose cartesianproduct scalarproduct vectorproduct outerproduct rem "
    "abs floor ceiling card conjugate transpose factorial sum product int forall exists real imaginary determinant grad divergence curl "
    "laplacian exp log ln diff partialdiff limit sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh min max gcd lcm arg inverse "
    "mean sdev variance quotient pi exponentiale imaginaryi infinity eulergamma emptyset reals integers rationals naturalnumbers "
    "complexes primes true false notanumber"
)
EMPTY = frozenset({"mprescripts", "none", "mspace", "maligngroup", "malignmark", "sep", *_OPERATORS.split()})
"""Elements that hold nothing: what a parser puts into them stands behind them."""


def name_of(node: Any) -> str:
    """Return an element's name without prefix, lower case; empty for anything that is no element."""
    name = node.tag or ""
    return "" if name[:1] in ("#", "!", "?") else name.rsplit(":", 1)[-1].lower()


def text_of(element: Any) -> str:
    """Return the characters of an element, blanks in order."""
    return " ".join((element.text or "").split())


def only_table(node: Any) -> Any | None:
    """Return the table that is all there is in a node, or None."""
    for _ in range(8):
        if name_of(node) == "mtable":
            return node
        if name_of(node) not in ("mrow", "mstyle", "mpadded", "mtd", "math", "semantics"):
            return None
        inner = [child for child in children(node) if name_of(child) and name_of(child) not in SILENT]
        if len(inner) != 1:
            return None
        node = inner[0]
    return None
