"""Regions of the number line: intervals, unions, inequalities and finite sets as sorted pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reasonforge.verify.approximate import approximate, names_in, variables
from reasonforge.verify.tree import Apply, Name, Node

MAX_PIECES = 300
_REGIONS = frozenset(["interval", "union", "minus", "relation", "both", "either", "member"])


class Piece(NamedTuple):
    """An interval; an end of ``None`` is infinite."""

    low: Node | None
    low_closed: bool
    high: Node | None
    high_closed: bool


def region(node: Node) -> list[Piece] | None:
    """Return the pieces of a region from left to right, touching ones joined; None where it is no region of a line."""
    pieces = _region(node)
    if pieces is None or len(pieces) > MAX_PIECES:
        return None
    kept = [piece for piece in pieces if not _is_void(piece)]
    kept.sort(key=lambda piece: (_place(piece.low, -1), not piece.low_closed))
    joined: list[Piece] = []
    for piece in kept:
        if joined and _touch(joined[-1], piece):
            last = joined.pop()
            if (_place(last.high, 1), last.high_closed) >= (_place(piece.high, 1), piece.high_closed):
                joined.append(last)
            else:
                joined.append(Piece(last.low, last.low_closed, piece.high, piece.high_closed))
        else:
            joined.append(piece)
    return joined


def _region(node: Node) -> list[Piece] | None:
    match node:
        case Apply(op="interval", args=(low, high, Name(name=ends))):
            return _interval(low, high, low_closed=ends[0] == "c", high_closed=ends[1] == "c")
        case Apply(op="tuple", args=(low, high)):
            return _interval(low, high, low_closed=False, high_closed=False)
        case Apply(op="set" | "list", args=points):
            if not all(_is_place(point) for point in points):
                return None
            return [Piece(point, True, point, True) for point in points]
        case Apply(op="union", args=parts):
            regions = [_region(part) for part in parts]
            return None if None in regions else [piece for pieces in regions for piece in pieces or []]
        case Apply(op="minus", args=(whole, Apply(op="set", args=points))):
            pieces = region(whole)
            return None if pieces is None or not all(_is_place(point) for point in points) else _without(pieces, points)
        case Apply(op="member", args=(Name(), inside)):
            return _region(inside)
        case Apply(op="either", args=parts):
            regions = [_region(part) for part in parts]
            return None if None in regions else [piece for pieces in regions for piece in pieces or []]
        case Apply(op="both", args=parts):
            regions = [_region(part) for part in parts]
            pieces = regions[0]
            for other in regions[1:]:
                if pieces is None or other is None or len(pieces) * len(other) > MAX_PIECES:
                    return None
                pieces = [_overlap(one, two) for one in pieces for two in other]
            return pieces
        case Apply(op="relation", args=(Name(name=sign), left, right)):
            return _half_line(sign, left, right)
        case _:
            return None


def _interval(low: Node, high: Node, *, low_closed: bool, high_closed: bool) -> list[Piece] | None:
    low_infinite, high_infinite = infinite_sign(low), infinite_sign(high)
    if low_infinite == 1 or high_infinite == -1:
        return None
    if (low_infinite and low_closed) or (high_infinite and high_closed):
        return None
    if not (low_infinite or _is_place(low)) or not (high_infinite or _is_place(high)):
        return None
    if not low_infinite and not high_infinite and _place(low, -1) > _place(high, 1):
        return None
    return [Piece(None if low_infinite else low, low_closed, None if high_infinite else high, high_closed)]


def _half_line(sign: str, left: Node, right: Node) -> list[Piece] | None:
    if not isinstance(left, Name) or left.name in ("pi", "e", "i", "oo"):
        if not isinstance(right, Name):
            return None
        flipped = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}[sign]
        return _half_line(flipped, right, left)
    infinite = infinite_sign(right)
    if infinite:
        return [Piece(None, False, None, False)] if (infinite == 1) == (sign in ("<", "<=")) else None
    if not _is_place(right):
        return None
    below, above = Piece(None, False, right, sign == "<="), Piece(right, sign == ">=", None, False)
    return [below, above] if sign == "!=" else [below] if sign in ("<", "<=") else [above]


def _without(pieces: list[Piece], points: Sequence[Node]) -> list[Piece]:
    for point in points:
        place = _place(point, 0)
        cut: list[Piece] = []
        for piece in pieces:
            if _place(piece.low, -1) < place < _place(piece.high, 1):
                cut += [Piece(piece.low, piece.low_closed, point, False), Piece(point, False, piece.high, piece.high_closed)]
            else:
                low_closed = piece.low_closed and _place(piece.low, -1) != place
                cut.append(Piece(piece.low, low_closed, piece.high, piece.high_closed and _place(piece.high, 1) != place))
        pieces = cut
    return pieces


def _overlap(one: Piece, two: Piece) -> Piece:
    low = max((_place(piece.low, -1), not piece.low_closed, index) for index, piece in enumerate((one, two)))
    high = min((_place(piece.high, 1), piece.high_closed, index) for index, piece in enumerate((one, two)))
    left, right = (one, two)[low[2]], (one, two)[high[2]]
    return Piece(left.low, left.low_closed, right.high, right.high_closed)


def _touch(left: Piece, right: Piece) -> bool:
    end, start = _place(left.high, 1), _place(right.low, -1)
    return start < end or (start == end and (left.high_closed or right.low_closed))


def _is_void(piece: Piece) -> bool:
    low, high = _place(piece.low, -1), _place(piece.high, 1)
    return low > high or (low == high and not (piece.low_closed and piece.high_closed))


def _place(node: Node | None, infinite: int) -> float:
    """Return where a point lies, rounded to twelve digits so that equal points compare equal."""
    if node is None:
        return infinite * float("inf")
    value = approximate(node, {})
    assert value is not None  # _is_place was asked before
    return float(f"{value.real:.12g}")


def _is_place(node: Node) -> bool:
    if variables(node) or "%" in names_in(node):
        return False
    value = approximate(node, {})
    return value is not None and abs(value.imag) < 1e-12


def infinite_sign(node: Node) -> int:
    """Return 1 for infinity, -1 for minus infinity, 0 for everything else."""
    match node:
        case Name(name="oo"):
            return 1
        case Apply(op="neg", args=(Name(name="oo"),)):
            return -1
        case _:
            return 0


def is_region_like(node: Node) -> bool:
    """Tell whether a tree is an interval, an inequality or a combination of them."""
    return isinstance(node, Apply) and node.op in _REGIONS


def region_variable(node: Node) -> str | None:
    """Return the variable that a region names; None where it names none or several."""
    match node:
        case Apply(op="relation", args=(_, left, right)):
            names = variables(left) | variables(right)
        case Apply(op="both" | "either", args=parts):
            names = {name for part in parts if (name := region_variable(part))}
        case Apply(op="member", args=(Name(name=name), _)):
            names = {name}
        case _:
            return None
    return next(iter(names)) if len(names) == 1 else None
