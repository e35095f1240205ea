"""Values of Python that come out of a sandbox as JSON, and how they are compared outside it.

What a hostile program returns is turned into plain builtins before anything is compared, so no ``__eq__`` of its own is ever asked.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_DEPTH = 60
_MAX_HASHED = 10_000
"""Items of a set or dict: numbers can be chosen so that all hash alike, and then the work is quadratic."""

HARNESS = """
def _reasonforge_plain(value, depth=0):
    if depth > 50:
        return {"other": "nested too deeply"}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if int(value).bit_length() < 8000 else {"int": hex(value)}
    if isinstance(value, float):
        return float(value) if value - value == 0 else {"float": repr(float(value))}
    if isinstance(value, complex):
        return {"complex": [_reasonforge_plain(value.real), _reasonforge_plain(value.imag)]}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": value.hex()}
    if isinstance(value, tuple):
        return {"tuple": [_reasonforge_plain(item, depth + 1) for item in value]}
    if isinstance(value, list):
        return [_reasonforge_plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return {"set": [_reasonforge_plain(item, depth + 1) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_reasonforge_plain(k, depth + 1), _reasonforge_plain(v, depth + 1)] for k, v in value.items()]}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return _reasonforge_plain(value.item(), depth + 1)
    return {"other": type(value).__name__}
"""
"""Source that writes any value as tagged JSON; :func:`decoded` reads it. It runs after the program, inside the sandbox."""


class Unequal:
    """A value that is no plain data: equal to nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self._name}>"


class Raised:
    """An exception of a name: what a test that expects one compares."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Raised) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<raised {self.name}>"


def encoded(value: Any) -> Any:
    """Write plain data as tagged JSON: what stands in a suite as ``expected``.

    >>> encoded((1, {2: "x"}))
    {'tuple': [1, {'dict': [[2, 'x']]}]}
    """
    match value:
        case float() if not math.isfinite(value):
            return {"float": repr(value)}
        case None | bool() | str() | int() | float():
            return value
        case Raised():
            return {"raised": value.name}
        case complex():
            return {"complex": [encoded(value.real), encoded(value.imag)]}
        case bytes():
            return {"bytes": value.hex()}
        case tuple():
            return {"tuple": [encoded(item) for item in value]}
        case list():
            return [encoded(item) for item in value]
        case set() | frozenset():
            return {"set": sorted((encoded(item) for item in value), key=repr)}
        case dict():
            return {"dict": [[encoded(key), encoded(item)] for key, item in value.items()]}
        case range():
            return {"range": [value.start, value.stop, value.step]}
    raise TypeError(f"{type(value).__name__} is no plain data")


def decoded(value: Any, depth: int = 0) -> Any:
    """Read tagged JSON as plain builtins.

    Raises:
        ValueError: it is none, is nested too deeply, or is a set or dict of too many items.
        TypeError: a set or key that cannot be one.
        OverflowError: a number that cannot be a complex one.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [decoded(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError("not tagged")
    ((tag, content),) = value.items()
    if isinstance(content, list):
        return _decoded_items(tag, content, depth)
    if not isinstance(content, str):
        raise ValueError("neither text nor a list")
    match tag:
        case "float" if content in ("nan", "inf", "-inf"):
            return float(content)
        case "int":
            return int(content, 16)
        case "bytes":
            return bytes.fromhex(content)
        case "raised":
            return Raised(content)
        case "other":
            return Unequal(content)
    raise ValueError(f"no tag {tag[:20]!r}")


def _decoded_items(tag: str, content: list[Any], depth: int) -> Any:
    if tag in ("set", "dict") and len(content) > _MAX_HASHED:
        raise ValueError(f"a {tag} of {len(content)} items")
    match tag:
        case "tuple":
            return tuple(decoded(item, depth + 1) for item in content)
        case "set":
            return frozenset(decoded(item, depth + 1) for item in content)
        case "dict":
            return {decoded(key, depth + 1): decoded(item, depth + 1) for key, item in content}
        case "range" if all(isinstance(part, int) for part in content) and len(content) == 3:
            return range(content[0], content[1], content[2])
        case "complex" if len(content) == 2:
            return complex(*(decoded(part, depth + 1) for part in content))
    raise ValueError(f"no tag {tag[:20]!r}")


def same_python(expected: Any, found: Any, *, rel: float = 0.0, abs: float = 0.0) -> bool:
    """Tell whether two plain values are equal as ``==`` says; numbers up to the tolerances, in lists and tuples too."""
    if rel == abs == 0.0:
        return bool(expected == found)
    if isinstance(expected, list | tuple):
        same_kind = type(expected) is type(found) and len(expected) == len(found)
        return same_kind and all(same_python(a, b, rel=rel, abs=abs) for a, b in zip(expected, found))
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return _close(expected, found, rel=rel, abs=abs)
    return bool(expected == found)


def same_json(expected: Any, found: Any, *, tolerance: float, in_any_order: bool = False) -> bool:
    """Tell whether two JSON values are equal by rules that a reward can trust.

    A truth value only equals a truth value, 2 equals 2.0, a number with a fraction on either side is compared up to the tolerance
    (absolute or relative), text must be the same text. JSON has one kind of list, so a tuple equals a list.

    Args:
        in_any_order: the top level is a set: its elements may stand in any order.

    >>> same_json([1, 2.0], [1.0, 2], tolerance=0), same_json(True, 1, tolerance=0), same_json("1", 1, tolerance=0)
    (True, False, False)
    """
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        both_whole = isinstance(expected, int) and isinstance(found, int)
        return expected == found if both_whole else _close(expected, found, rel=tolerance, abs=tolerance)
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        if len(expected) != len(found):
            return False
        left, right = (sorted(expected, key=_order), sorted(found, key=_order)) if in_any_order else (expected, found)
        return all(same_json(a, b, tolerance=tolerance) for a, b in zip(left, right))
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return expected.keys() == found.keys() and all(same_json(expected[key], found[key], tolerance=tolerance) for key in expected)
    return type(expected) is type(found) and expected == found


def expression_function(number: int, case: Mapping[str, Any], *, entry_point: str) -> tuple[str, str]:
    """Return name and source of the function that works out a case's expression inside the sandbox."""
    name = f"_reasonforge_case_{number}"
    lines = [f"candidate = {entry_point}"] if entry_point and entry_point.isidentifier() and entry_point != "candidate" else []
    lines += str(case.get("before", "")).splitlines()
    answer = f"return _reasonforge_plain({case['expression']})"
    if case.get("catches"):
        lines += ["try:", f"    {answer}", "except BaseException as _reasonforge_error:"]
        lines += [
            f"    if isinstance(_reasonforge_error, {case['catches']}):",
            f"        return {{'raised': {case['catches']!r}}}",
            "    raise",
        ]
    else:
        lines.append(answer)
    return name, f"def {name}():\n" + textwrap.indent("\n".join(lines), "    ")


def weak_function(source: str, *, entry_point: str) -> tuple[str, str]:
    """Return name and source of the function that runs a suite's weak asserts inside the sandbox and hands its argument back."""
    name = "_reasonforge_weak"
    lines = [f"candidate = {entry_point}"] if entry_point and entry_point.isidentifier() and entry_point != "candidate" else []
    body = "\n".join([*lines, source.strip(), "return _reasonforge_nonce"])
    return name, f"def {name}(_reasonforge_nonce):\n" + textwrap.indent(body, "    ")


def _close(left: float, right: float, *, rel: float, abs: float) -> bool:
    try:
        return math.isclose(left, right, rel_tol=rel, abs_tol=abs)
    except OverflowError:  # an integer beyond all floats
        return left == right


def _order(value: Any) -> tuple[str, Any]:
    """Sort key of a set's element: numbers by size, so that what is equal within the tolerance stands in the same place."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", float(value) if math.isfinite(value) and abs(value) < 1e300 else repr(value))  # type: ignore[operator]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ("list", repr(value))
    return (type(value).__name__, repr(value))


def shown(value: Any) -> str:
    """Return a value as people read it, whatever it is."""
    try:
        return repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a {type(value).__name__} too long to show"
