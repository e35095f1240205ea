"""When two trees say the same: scalars by their normal form, then tuples, sets, intervals, regions of a line, matrices, equations.

What the exact rules cannot decide goes to a judge of scalars that the caller passes in (the symbolic tier).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

from reasonforge.verify.algebra import (
    Sum,
    Value,
    equal_values,
    normal_form,
    proportional,
    sum_text,
)
from reasonforge.verify.approximate import approximate, names_in, variables
from reasonforge.verify.regions import Piece, infinite_sign, is_region_like, region, region_variable
from reasonforge.verify.tree import Apply, Name, Node, Number

_MAX_PAIRS = 2_000
_PRINTED_DIGITS = 12
"""A program prints a float with 15 to 17 significant digits, or fewer where the last are zeros; far fewer were chosen by someone."""
_PRINTED_TOLERANCE = 4e-15
_REFUTE_TOLERANCE = 1e-7

Symbolic: TypeAlias = Callable[[Node, Node], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How near two numbers must be, and whether a factor of 100 is forgiven."""

    absolute: float = 0.0
    relative: float = 0.0
    percent_factor: bool = False

    def accepts(self, gold: float, answer: float) -> bool:
        """Tell whether an answer is near enough to the reference, or to its hundredth or hundredfold."""
        if not (self.absolute or self.relative):
            return False
        targets = (gold, gold / 100, gold * 100) if self.percent_factor else (gold,)
        return any(abs(answer - target) <= max(self.absolute, self.relative * max(abs(answer), abs(target))) for target in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The rules of one comparison."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    loose_brackets: bool = False
    """True: (1, 2), 1, 2 and a column of both are one answer, as some published evaluations have it; in order where the reference is."""
    symbolic: Symbolic | None = None
    """Decides what exact rules cannot; None = such pairs are different."""

    def equal(self, gold: Node, answer: Node) -> bool:
        """Tell whether two trees say the same. Whatever the symbolic judge raises passes through."""
        gold, answer = simplified(gold), simplified(answer)
        if gold == answer:
            return True
        if is_region_like(gold) or is_region_like(answer):
            return self._equal_regions(gold, answer)
        if self.loose_brackets and _op(gold) != _op(answer):
            ordered = _op(gold) in ("tuple", "matrix")
            gold, answer = _loosened(gold), _loosened(answer)
            if ordered and _op(gold) == _op(answer) == "list":
                return self._equal_in_order(_args(gold), _args(answer))
        named, other_named = values_by_name(gold), values_by_name(answer)
        if named is not None and other_named is not None:
            return named.keys() == other_named.keys() and all(self.equal(value, other_named[name]) for name, value in named.items())
        gold, answer = _like_the_other(gold, answer), _like_the_other(answer, gold)
        left, right = _op(gold), _op(answer)
        match left, right:
            case "tuple", "tuple":
                return self._equal_in_order(_args(gold), _args(answer))
            case (("list" | "set"), ("list" | "set")):
                return self._equal_as_sets(gold, answer)
            case "matrix", "matrix":
                return self._equal_in_order(_args(gold), _args(answer))
            case "equation", "equation":
                return self._equal_equations(gold, answer)
            case "equation", _ if right not in _STRUCTURES:
                return _names_one_value(gold) and self.equal(_args(gold)[1], answer)
            case _, "equation" if left not in _STRUCTURES:
                return _names_one_value(answer) and self.equal(gold, _args(answer)[1])
            case "equation", "tuple" | "matrix" | "list" | "set":
                return _names_one_value(gold) and self.equal(_args(gold)[1], answer)
            case "tuple" | "matrix" | "list" | "set", "equation":
                return _names_one_value(answer) and self.equal(gold, _args(answer)[1])
            case "ratio", "ratio":
                return self._equal_ratios(_args(gold), _args(answer))
            case "ratio", _ if right not in _STRUCTURES and len(_args(gold)) == 2:
                return self.equal_scalars(_quotient(*_args(gold)), answer)
            case _, "ratio" if left not in _STRUCTURES and len(_args(answer)) == 2:
                return self.equal_scalars(gold, _quotient(*_args(answer)))
            case "list", _ if right not in _STRUCTURES and len(_args(gold)) == 1:
                return self.equal(_args(gold)[0], answer)
            case _, "list" if left not in _STRUCTURES and len(_args(answer)) == 1:
                return self.equal(gold, _args(answer)[0])
        if left in _STRUCTURES or right in _STRUCTURES:
            return False
        return self.equal_scalars(gold, answer)

    def equal_scalars(self, gold: Node, answer: Node) -> bool:
        """Tell whether two scalars are equal: normal form, then floating point to refute, then the symbolic judge."""
        if _has(gold, "degrees") != _has(answer, "degrees") and (_has_name(gold, "pi") or _has_name(answer, "pi")):
            gold, answer = _radians(gold), _radians(answer)
        if infinite_sign(gold) or infinite_sign(answer):
            return infinite_sign(gold) == infinite_sign(answer)
        left, right = normal_form(gold), normal_form(answer)
        decided = equal_values(left, right) if left is not None and right is not None else None
        if decided:
            return True
        if self._near(gold, answer):
            return True
        if _has(gold, "base") or _has(answer, "base"):
            return node_key(gold) == node_key(answer)
        if decided is False or _refuted(gold, answer) or "%" in names_in(gold) ^ names_in(answer):
            return False
        return self.symbolic is not None and self.symbolic(gold, answer)

    def _near(self, gold: Node, answer: Node) -> bool:
        """Tell whether tolerance, or the digits of a printed float, make two constants equal."""
        long_decimal = _has_long_decimal(gold) or _has_long_decimal(answer)
        if not (long_decimal or self.tolerance.absolute or self.tolerance.relative):
            return False
        if variables(gold) or variables(answer):
            return False
        left, right = approximate(gold, {}), approximate(answer, {})
        if left is None or right is None or abs(left.imag) > 1e-12 or abs(right.imag) > 1e-12:
            return False
        # 0.3333333333333333 is how a program prints a third.
        if long_decimal and abs(left - right) <= _PRINTED_TOLERANCE * max(abs(left), abs(right)):
            return True
        return self.tolerance.accepts(left.real, right.real)

    def _equal_in_order(self, gold: Sequence[Node], answer: Sequence[Node]) -> bool:
        return len(gold) == len(answer) and all(self.equal(left, right) for left, right in zip(gold, answer, strict=True))

    def _equal_as_sets(self, gold: Node, answer: Node) -> bool:
        """Compare members without order: first by key, then what is left pair by pair."""
        left, right = list(_args(gold)), list(_args(answer))
        if "set" in (_op(gold), _op(answer)):
            left, right = _without_repeats(left), _without_repeats(right)
        if len(left) != len(right):
            return False
        keys: dict[str, list[Node]] = {}
        for node in right:
            keys.setdefault(node_key(node), []).append(node)
        unmatched = [node for node in left if not _pop(keys, node_key(node))]
        rest = [node for nodes in keys.values() for node in nodes]
        if len(unmatched) * len(rest) > _MAX_PAIRS:
            return False
        for node in unmatched:
            index = next((index for index, other in enumerate(rest) if self.equal(node, other)), None)
            if index is None:
                return False
            del rest[index]
        return True

    def _equal_equations(self, gold: Node, answer: Node) -> bool:
        left_name, right_name = _assigned(gold), _assigned(answer)
        if left_name is not None and left_name == right_name:
            return self.equal(_args(gold)[1], _args(answer)[1])
        left, right = _standard(gold), _standard(answer)
        if left is not None and right is not None:
            return proportional(left.top, right.top) is not None
        (gold_left, gold_right), (answer_left, answer_right) = _args(gold), _args(answer)
        return self.equal(gold_left, answer_left) and self.equal(gold_right, answer_right)

    def _equal_ratios(self, gold: Sequence[Node], answer: Sequence[Node]) -> bool:
        if len(gold) != len(answer):
            return False
        cross = [
            (Apply("mul", (gold[0], answer[index])), Apply("mul", (answer[0], gold[index])))
            for index in range(1, len(gold))
        ]  # fmt: skip
        if all(normal_form(part) is not None and normal_form(part).top for part in (*gold, *answer)):  # type: ignore[union-attr]
            return all(self.equal_scalars(left, right) for left, right in cross)
        return self._equal_in_order(gold, answer)

    def _equal_regions(self, gold: Node, answer: Node) -> bool:
        names = {name for name in (region_variable(gold), region_variable(answer)) if name}
        left, right = region(gold), region(answer)
        if left is not None and right is not None and len(names) <= 1:
            return len(left) == len(right) and all(self._equal_pieces(one, other) for one, other in zip(left, right, strict=True))
        if _op(gold) == _op(answer) == "relation":
            return _equal_relations(gold, answer)
        if _op(gold) == _op(answer) and _op(gold) in ("both", "either"):
            return self._equal_as_sets(Apply("set", _args(gold)), Apply("set", _args(answer)))
        return False

    def _equal_pieces(self, left: Piece, right: Piece) -> bool:
        if (left.low_closed, left.high_closed) != (right.low_closed, right.high_closed):
            return False
        return self._equal_ends(left.low, right.low) and self._equal_ends(left.high, right.high)

    def _equal_ends(self, left: Node | None, right: Node | None) -> bool:
        if left is None or right is None:
            return left is right
        return self.equal_scalars(left, right)


_STRUCTURES = frozenset(
    ["tuple", "list", "set", "union", "minus", "interval", "matrix", "equation", "relation", "both", "either", "member", "ratio", "base"]
)


def is_structure(node: Node) -> bool:
    """Tell whether a tree is no scalar: a tuple, an equation, a region."""
    return _op(node) in _STRUCTURES


@lru_cache(maxsize=16_384)
def node_key(node: Node) -> str:
    """Return a text that only equal answers share, for grouping; equal answers may still have two."""
    node = simplified(node)
    if is_region_like(node):
        pieces = region(node)
        if pieces is not None:
            return " U ".join(_piece_key(piece) for piece in pieces) or "{}"
    match node:
        case Apply(op="list") if (named := values_by_name(node)) is not None:
            return "; ".join(f"{name} = {node_key(value)}" for name, value in named.items())
        case Apply(op="set" | "list", args=members):
            keys = sorted(node_key(member) for member in members)
            return "{" + "; ".join(dict.fromkeys(keys) if node.op == "set" else keys) + "}"
        case Apply(op="tuple" | "matrix" | "ratio" | "base" as op, args=parts):
            inside = "; ".join(node_key(part) for part in parts)
            return f"({inside})" if op == "tuple" else f"{op}({inside})"
        case Apply(op="equation", args=(left, right)):
            if _names_one_value(node):
                return node_key(right)
            form = _standard(node)
            if form is not None:
                return f"0 = {sum_text(_primitive(form.top))}"
            return f"{node_key(left)} = {node_key(right)}"
        case Apply(op="relation", args=(Name(name=sign), left, right)):
            return f"{node_key(left)} {sign} {node_key(right)}"
        case Apply(op="both" | "either" | "union" | "minus" | "member" | "interval" as op, args=parts):
            return f"{op}({'; '.join(node_key(part) for part in parts)})"
    value = normal_form(node)
    return value.key() if value is not None else _plain_key(node)


@lru_cache(maxsize=16_384)
def simplified(node: Node) -> Node:
    """Return a tree with every plus-or-minus spelled out as two members, and a list of values of one variable as the values."""
    if not isinstance(node, Apply):
        return node
    if node.op in ("list", "set"):
        members = [member for part in node.args for member in _spelled_out(part)]
        names = {_assigned(member) for member in members}
        if len(members) > 1 and len(names) == 1 and None not in names:
            members = [_args(member)[1] for member in members]
            members = [member for part in members for member in _spelled_out(part)]
        return Apply(node.op, tuple(members))
    if _has(node, "pm"):
        if node.op == "equation" and _assigned(node) is not None:
            return Apply("list", tuple(_spelled_out(node.args[1])))
        spelled = _spelled_out(node)
        return Apply("list", tuple(spelled)) if len(spelled) > 1 else node
    return node


def _spelled_out(node: Node) -> list[Node]:
    """Return the plus reading and the minus reading; the tree itself where there is no plus-or-minus."""
    if not _has(node, "pm"):
        return [node]
    readings = [_with_sign(node, sign) for sign in (1, -1)]
    return readings


def _with_sign(node: Node, sign: int) -> Node:
    if not isinstance(node, Apply):
        return node
    parts = tuple(_with_sign(part, sign) for part in node.args)
    if node.op == "pm":
        return Apply("add", (parts[0], parts[1] if sign > 0 else Apply("neg", (parts[1],))))
    return Apply(node.op, parts)


def _names_one_value(node: Node) -> bool:
    """Tell whether an equation gives a value to a name that its right side does not use (x = 4, f(x) = 2x, AB = 5)."""
    left, right = _args(node)
    if isinstance(left, Apply) and left.op == "tuple":
        # (x, y) = (3, 4)
        return all(isinstance(part, Name) for part in left.args) and not variables(left) & variables(right)
    if isinstance(left, Name):
        return left.name not in ("pi", "e", "i", "oo", "%") and left.name not in variables(right)
    match left:
        case Apply(op="mul", args=(Name(name=function), Name(name=argument))):
            return function in "fghpqFGHPQyr" and argument not in ("pi", "e", "i") and function not in variables(right)
        case Apply(op="mul", args=(Name(name=function), Number())):
            return function in "fghpqFGHPQ" and function not in variables(right)
        case _:
            return False


def _assigned(node: Node) -> str | None:
    """Return the name on the left of an equation that gives it a value."""
    match node:
        case Apply(op="equation", args=(Name(name=name), right)) if name not in variables(right):
            return name
        case _:
            return None


def values_by_name(node: Node) -> dict[str, Node] | None:
    """Return the values of x = 3, y = 4 by name, in order of the names; None where two have one letter (x_1 = 3, x_2 = 4)."""
    if _op(node) != "list" or len(_args(node)) < 2:
        return None
    values = {name: _args(part)[1] for part in _args(node) if (name := _assigned(part)) is not None}
    letters = {name.partition("_")[0] for name in values}
    return dict(sorted(values.items())) if len(letters) == len(values) == len(_args(node)) else None


def _like_the_other(node: Node, other: Node) -> Node:
    """Return x = 3, y = 4 as the tuple (3, 4); a list beside it is in the order of its names."""
    if (named := values_by_name(node)) is not None:
        return Apply("tuple", tuple(named.values()))
    return Apply("tuple", _args(node)) if _op(node) == "list" and values_by_name(other) is not None else node


def _quotient(top: Node, bottom: Node) -> Node:
    return Apply("mul", (top, Apply("pow", (bottom, Number(Fraction(-1))))))


def is_total(node: Node | None) -> bool:
    """Tell whether a tree is what a question asks the value of: a + b, m / n, |AB|, BC^2. -x, |x|, a - b and xy hide another answer."""
    match node:
        case Name():
            return _is_quantity(node)
        case Apply(op="add", args=parts):
            return all(_is_quantity(part) for part in parts)
        case Apply(op="mul", args=(top, Apply(op="pow", args=(bottom, Number(value=power))))):
            return power == -1 and _is_quantity(top) and _is_quantity(bottom)
        case Apply(op="abs", args=(Name(name=name),)):
            return _is_segment(name)
        case Apply(op="pow", args=(Name(name=name), Number(value=power))):
            return power == 2 and _is_segment(name)
        case _:
            return False


def _is_quantity(node: Node) -> bool:
    return isinstance(node, Name) and node.name not in ("pi", "e", "i", "oo", "%")


def _is_segment(name: str) -> bool:
    return len(name) > 1 and name.isalpha() and name.isupper()


def _standard(node: Node) -> Value | None:
    """Return left minus right of an equation; None where it is no equation of sums or holds nothing (x = x)."""
    left, right = _args(node)
    form = normal_form(Apply("add", (left, Apply("neg", (right,)))))
    return form if form is not None and form.top and form.top.keys() != {()} else None


def _primitive(terms: Sum) -> Sum:
    leading = terms[min(terms)]
    return {monomial: coefficient / leading for monomial, coefficient in terms.items()}


def is_unfinished(node: Node | None, gold: Node) -> bool:
    """Tell whether an answer leaves to the reader what a reference of plain numbers has worked out: 3 + 2, \\sqrt{25}, 5^2, but not 3/4.

    For a tuple, list or set of plain numbers this holds for each part. Any other reference (2^{10}, \\sqrt{2}) allows everything.
    """
    if node is None or _has_long_decimal(gold):  # a float that a program printed stands for a root, too
        return False
    if isinstance(gold, Apply) and gold.op in ("tuple", "list", "set", "matrix", "interval"):
        return _all_plain(gold) and any(not _is_finished(leaf) for leaf in _leaves(simplified(node)))
    if isinstance(gold, Number) or (_op(gold) == "mul" and _is_finished(gold)):
        return any(not _is_finished(leaf) for leaf in _leaves(node))
    return _op(gold) == _op(node) == "degrees" and not _is_finished(node)


def _is_mark(node: Node) -> bool:
    """Tell whether a leaf is the note of an interval about its ends, or infinity."""
    return isinstance(node, Name) and node.name in ("oo", "oc", "co", "cc")


def _all_plain(node: Node) -> bool:
    return all(_is_finished(leaf) for leaf in _leaves(node))


def _leaves(node: Node) -> list[Node]:
    """Return the scalars of a structure; of an equation the right side, of an inequality nothing."""
    if not isinstance(node, Apply):
        return [node]
    if node.op == "equation":
        return _leaves(node.args[1])
    if node.op in ("relation", "both", "either"):
        return []
    if node.op == "member":
        return _leaves(node.args[1])
    if node.op in _STRUCTURES:
        return [leaf for part in node.args for leaf in _leaves(part)]
    return [node]


def _is_finished(node: Node) -> bool:
    """Tell whether a scalar is a literal, with a sign, a percent or degree mark, as a fraction of literals or as a * 10^k."""
    match node:
        case Number():
            return True
        case Name():
            return _is_mark(node)
        case Apply(op="neg" | "degrees", args=(part,)):
            return _is_finished(part)
        case Apply(op="pm", args=(left, right)):
            return left == Number(Fraction(0)) and _is_finished(right)
        case Apply(op="add", args=(Number(value=zero), right)) if zero == 0:
            return _is_finished(right)  # one reading of a plus-or-minus
        case Apply(op="pow", args=(Number(value=base), Number(value=power))):
            return base == 10 and power.denominator == 1
        case Apply(op="mul", args=(Number(), Apply(op="pow", args=(Number(value=base), Number(value=power))))):
            return power == -1 or (base == 10 and power.denominator == 1)
        case Apply(op="mul", args=(part, Name(name="%"))):
            return _is_finished(part)
        case _:
            return False


def restates(answer: Node, gold: Node, question: Sequence[Node]) -> bool:
    """Tell whether an answer is a formula of the question, and the reference another form of it: (x + 1)^2 where it is to be expanded."""
    answer, gold = _without_name(answer), _without_name(gold)
    scalars = answer.args if isinstance(answer, Apply) and answer.op == "equation" else _leaves(answer)
    if not is_region_like(answer) and all(_is_finished(leaf) or isinstance(leaf, Name) for leaf in scalars):
        return False
    form = _form(answer)
    return form != _form(gold) and any(_form(_without_name(formula)) == form for formula in question)


def _without_name(node: Node) -> Node:
    return _args(node)[1] if _op(node) == "equation" and _names_one_value(node) else node


def _form(node: Node) -> Node:
    """Return a tree with the parts of sums and products in one order: how it is written, and not what it is worth."""
    if not isinstance(node, Apply):
        return Number(node.value) if isinstance(node, Number) else node
    parts = [_form(part) for part in node.args]
    return Apply(node.op, tuple(sorted(parts, key=repr) if node.op in ("add", "mul", "list", "set") else parts))


def _equal_relations(gold: Node, answer: Node) -> bool:
    """Compare inequalities in several variables as left minus right, up to a positive factor."""
    left, right = _oriented(gold), _oriented(answer)
    if left is None or right is None or left[0] != right[0]:
        return False
    factor = proportional(left[1], right[1])
    return factor is not None and (factor > 0 or left[0] == "!=")


def _oriented(node: Node) -> tuple[str, Sum] | None:
    sign, left, right = _args(node)
    assert isinstance(sign, Name)
    if sign.name in (">", ">="):
        left, right = right, left
    form = normal_form(Apply("add", (left, Apply("neg", (right,)))))
    if form is None or form.opaque or form.bottom != {(): 1} or not form.top:
        return None
    return sign.name.replace(">", "<"), form.top


def _piece_key(piece: Piece) -> str:
    low = "-oo" if piece.low is None else node_key(piece.low)
    high = "oo" if piece.high is None else node_key(piece.high)
    return f"{'[' if piece.low_closed else '('}{low}; {high}{']' if piece.high_closed else ')'}"


# Small questions about trees.


def _op(node: Node) -> str:
    return node.op if isinstance(node, Apply) else ""


def _args(node: Node) -> tuple[Node, ...]:
    return node.args if isinstance(node, Apply) else ()


def _has(node: Node, op: str) -> bool:
    return isinstance(node, Apply) and (node.op == op or any(_has(part, op) for part in node.args))


def _has_name(node: Node, name: str) -> bool:
    return name in names_in(node)


def _radians(node: Node) -> Node:
    if not isinstance(node, Apply):
        return node
    if node.op == "degrees":
        return Apply("mul", (node.args[0], Name("pi"), Number(Fraction(1, 180))))
    return Apply(node.op, tuple(_radians(part) for part in node.args))


def _has_long_decimal(node: Node) -> bool:
    if not isinstance(node, Number):
        return isinstance(node, Apply) and node.op == "neg" and _has_long_decimal(node.args[0])
    if not node.is_decimal or node.value.denominator.bit_length() > 80:
        return False
    shifted = node.value * 10**24
    return shifted.denominator == 1 and len(str(abs(shifted.numerator)).rstrip("0")) >= _PRINTED_DIGITS


def _refuted(gold: Node, answer: Node) -> bool:
    """Tell whether floating point shows two scalars apart at a point where both are defined."""
    names = sorted(variables(gold) | variables(answer))
    if len(names) > 8:
        return False
    for shift in (0.0, 0.37):
        # Positive points only: to the left of zero roots and logarithms have branches on which people agree to disagree.
        point = {name: 0.6180339887 + shift + 0.7548776662 * index for index, name in enumerate(names)}
        left, right = approximate(gold, point), approximate(answer, point)
        if left is not None and right is not None and abs(left - right) > _REFUTE_TOLERANCE * max(1e-3, abs(left), abs(right)):
            return True
    return False


def _without_repeats(nodes: list[Node]) -> list[Node]:
    return list({node_key(node): node for node in nodes}.values())


def _pop(keys: dict[str, list[Node]], key: str) -> bool:
    nodes = keys.get(key)
    if not nodes:
        return False
    nodes.pop()
    return True


def _loosened(node: Node) -> Node:
    """Return tuples, sets, lists and single rows or columns as one kind of thing."""
    match node:
        case Apply(op="list" | "set" | "tuple", args=members):
            return Apply("list", members) if len(members) != 1 else members[0]
        case Apply(op="matrix", args=rows) if all(len(_args(row)) == 1 for row in rows):
            return Apply("list", tuple(_args(row)[0] for row in rows))
        case Apply(op="matrix", args=(Apply(args=cells),)):
            return Apply("list", cells)
        case _:
            return node


def _plain_key(node: Node) -> str:
    if isinstance(node, Number):
        return str(node.value)
    if isinstance(node, Name):
        return node.name
    return f"{node.op}({'; '.join(_plain_key(part) for part in node.args)})"
