"""Values in floating point: they refute an equality, they never prove one."""

from __future__ import annotations

import cmath
import math

from reasonforge.verify.tree import Apply, Name, Node, Number

_CONSTANTS: dict[str, complex] = {"pi": complex(math.pi), "e": complex(math.e), "i": 1j, "%": complex(0.01)}
_FUNCTIONS = {
    "ln": cmath.log, "exp": cmath.exp, "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "cot": lambda x: 1 / cmath.tan(x),
    "sec": lambda x: 1 / cmath.cos(x), "csc": lambda x: 1 / cmath.sin(x), "asin": cmath.asin, "acos": cmath.acos, "atan": cmath.atan,
    "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh,
}  # fmt: skip


def approximate(node: Node, names: dict[str, float]) -> complex | None:
    """Return the value in floating point at given variables; None where it is not defined, too large or no scalar."""
    try:
        value = _approximate(node, names)
    except (ArithmeticError, ValueError, KeyError, RecursionError, TypeError):
        return None
    return value if cmath.isfinite(value) and abs(value) < 1e300 else None


def variables(node: Node) -> set[str]:
    """Return the names in a tree that are no constants."""
    return names_in(node) - _CONSTANTS.keys() - {"oo"}


def names_in(node: Node) -> set[str]:
    """Return every name in a tree, constants too."""
    if isinstance(node, Name):
        return {node.name}
    return set[str]().union(*(names_in(part) for part in node.args)) if isinstance(node, Apply) else set()


def _approximate(node: Node, names: dict[str, float]) -> complex:
    if isinstance(node, Number):
        return complex(float(node.value))
    if isinstance(node, Name):
        return _CONSTANTS.get(node.name) or complex(names[node.name])
    values = [_approximate(part, names) for part in node.args]
    match node.op:
        case "add":
            return sum(values, start=complex(0))
        case "mul":
            return math.prod(values, start=complex(1))
        case "neg":
            return -values[0]
        case "pow":
            base, exponent = values
            return base**exponent
        case "root":
            base, degree = values
            if base.imag == 0 and base.real < 0 and degree.real % 2 == 1:
                return complex(-((-base.real) ** (1 / degree.real)))
            return base ** (1 / degree)
        case "log":
            return cmath.log(values[0]) / cmath.log(values[1])
        case "degrees":
            return values[0] * math.pi / 180
        case "abs":
            return complex(abs(values[0]))
        case _:
            # An unknown operator is a KeyError: no value.
            return _FUNCTIONS[node.op](values[0])
