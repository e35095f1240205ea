"""Turns the asserts of a test suite into calls whose results are compared outside the program's process.

``assert f(3) == 9`` becomes the expression ``f(3)``, worked out in the sandbox, and the value 9, which never enters it.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from reasonforge.tasks.values import Raised, encoded

_MAX_POWER_BITS = 10_000
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_BUILDERS: dict[str, Callable[..., Any]] = {"tuple": tuple, "list": list, "set": set, "frozenset": frozenset, "dict": dict, "range": range}
_MAX_ITEMS = 100_000
_WRAPPERS = {"bool", "int", "float", "str", "list", "tuple", "set", "frozenset", "dict", "sorted", "len", "round", "abs"}
"""Put around a call they make nothing easier: who passes could have returned that value."""
_MAKERS = {"list", "tuple", "set", "frozenset", "dict", "range", "float", "int", "str", "bytes", "complex", "deepcopy", "copy.deepcopy"}
"""Make the values that a function is called with."""
_UNITTEST = {"assertEqual", "assertEquals", "assertTrue", "assertFalse", "assertIsNone", "assertIs", "assertListEqual", "assertTupleEqual"}
_UNITTEST |= {"assertDictEqual", "assertSetEqual", "assertCountEqual", "assertAlmostEqual", "assertIn"}


class Converted(NamedTuple):
    """What became of a suite's asserts."""

    cases: list[dict[str, Any]]
    """JSON cases of a ``calls`` suite, in the order of the source."""
    rest: str
    """Source of the asserts that cannot be checked from outside (loops, comparisons of two computed values); "" = none."""


class _NotConstantError(Exception):
    pass


def asserts_to_calls(source: str) -> Converted:
    """Convert the asserts of a source: at the top level, in ``check(candidate)``, in ``test_*`` functions, in ``unittest`` classes.

    A statement before an assert that the assert depends on goes along with its expression. An assert converts when what it compares with is
    a constant (arithmetic on constants included) by ``==``, ``is``, ``in``, ``abs(..) < eps``, ``math.isclose``, ``pytest.approx`` or
    truth, or when it expects an exception of a name. What compares inside the program's process stays in the rest: there an object that
    equals everything passes ``all(f(x) == y for ..)`` or ``allclose(f(x), y)``.

    Raises:
        SyntaxError: the source is no Python.

    >>> asserts_to_calls("assert f(3) == (9, 1)\\nassert f(2) < f(3)")
    Converted(cases=[{'expression': 'f(3)', 'expected': {'tuple': [9, 1]}}], rest='assert f(2) < f(3)')
    """
    tree = ast.parse(source.replace("\r\n", "\n").replace("\r", "\n"))
    cases: list[dict[str, Any]] = []
    rest: list[str] = []
    top_level: list[ast.stmt] = []
    bodies: list[list[ast.stmt]] = []
    for node in tree.body:
        if _is_test(node):
            bodies.append(node.body)  # type: ignore[attr-defined]
        elif isinstance(node, ast.ClassDef) and any(_is_test(member) for member in node.body):
            bodies += [member.body for member in node.body if _is_test(member)]  # type: ignore[attr-defined]
        elif not _calls_a_test(node):
            top_level.append(node)
    found = _convert(top_level)
    shared = [node for node in top_level if not _holds_assert(node)] if bodies else []
    for converted in (found, *(_convert([*shared, *body]) for body in bodies)):
        cases += converted.cases
        if converted.rest:
            rest.append(converted.rest)
    return Converted(cases, "\n".join(rest))


def _is_test(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and (node.name == "check" or node.name.startswith("test"))


def _calls_a_test(node: ast.stmt) -> bool:
    """``check(f)`` after its definition, ``unittest.main()``, ``if __name__ == ..``: what a runner does."""
    if isinstance(node, ast.If):
        return "__name__" in ast.unparse(node.test)
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and (
        (isinstance(call.func, ast.Name) and (call.func.id == "check" or call.func.id.startswith("test")))
        or ast.unparse(call.func) in ("unittest.main", "pytest.main")
    )


def _holds_assert(node: ast.stmt) -> bool:
    return any(isinstance(inner, ast.Assert) or _unittest_call(inner) is not None or _expects_error(inner) for inner in ast.walk(node))


def _convert(statements: Sequence[ast.stmt]) -> Converted:
    """Convert the asserts of one straight run of statements."""
    before: list[ast.stmt] = []
    bound: set[str] = set()
    cases: list[dict[str, Any]] = []
    rest: list[ast.stmt] = []
    for node in statements:
        if _imports_runner(node):
            continue
        if not _holds_assert(node):
            before.append(node)
            bound |= _bound(node)
            continue
        made = _cases_of(node)
        if made is None:
            rest.append(node)
            # It may change what later asserts see: there it has to run again.
            before.append(node)
            bound |= _bound(node)
            continue
        for expression, case in made:
            needs = {name.id for name in ast.walk(ast.parse(expression)) if isinstance(name, ast.Name)}
            if needs & bound:
                case["before"] = "\n".join(ast.unparse(statement) for statement in before)
            cases.append({"expression": expression, **case})
    if not rest:
        return Converted(cases, "")
    kept = [node for node in statements if not _holds_assert(node) or node in rest]
    return Converted(cases, "\n".join(ast.unparse(node) for node in kept))


def _imports_runner(node: ast.stmt) -> bool:
    """Tell whether a statement only imports what runs tests; a sandbox need not have it."""
    if isinstance(node, ast.Import):
        return all(alias.name in ("pytest", "unittest") for alias in node.names)
    return isinstance(node, ast.ImportFrom) and node.module in ("pytest", "unittest")


def _bound(node: ast.stmt) -> set[str]:
    names: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            names.add(inner.id)
        elif isinstance(inner, ast.FunctionDef | ast.ClassDef):
            names.add(inner.name)
        elif isinstance(inner, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in inner.names}
    # A method call may change its object: treat ``x.append(1)`` as binding x again. The names it reads are bound already.
    return names


def _cases_of(node: ast.stmt) -> list[tuple[str, dict[str, Any]]] | None:
    """Return (expression, rest of the case) of each fact a statement asserts; None where one cannot be checked from outside."""
    try:
        if isinstance(node, ast.Assert):
            return [case for test in _conjuncts(node.test) for case in _case_of_test(test)]
        if isinstance(node, ast.With) and _expects_error(node):
            return [_case_of_error(node)]
        call = _unittest_call(node.value) if isinstance(node, ast.Expr) else None
        if call is not None:
            return _cases_of_unittest(*call)
    except (_NotConstantError, TypeError, ValueError, ArithmeticError):
        return None
    return None


def _conjuncts(test: ast.expr) -> Iterable[ast.expr]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _conjuncts(value)
    else:
        yield test


def _case_of_test(test: ast.expr) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(test, ast.Constant) and test.value:
        return []
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return [_truth(test.operand, expected=False)]
    if isinstance(test, ast.Call) and _name(test.func) in ("math.isclose", "isclose") and len(test.args) == 2:
        options = {str(keyword.arg): float(_constant(keyword.value)) for keyword in test.keywords}
        case = {"rel_tolerance": options.get("rel_tol", 1e-9), "abs_tolerance": options.get("abs_tol", 0.0)}
        return [_with_constant(test.args[0], test.args[1], case)]
    if isinstance(test, ast.Compare):
        if len(test.ops) != 1:
            raise _NotConstantError
        return [_case_of_comparison(test.left, test.ops[0], test.comparators[0])]
    return [_truth(test, expected=True)]


def _truth(node: ast.expr, *, expected: bool) -> tuple[str, dict[str, Any]]:
    return f"bool({_outside(node, expected)})", {"expected": expected}


def _case_of_comparison(left: ast.expr, sign: ast.cmpop, right: ast.expr) -> tuple[str, dict[str, Any]]:
    if isinstance(sign, ast.Eq | ast.Is):
        approximate = next((side for side in (left, right) if _is_approx(side)), None)
        if approximate is not None:
            assert isinstance(approximate, ast.Call)
            options = {str(keyword.arg): float(_constant(keyword.value)) for keyword in approximate.keywords}
            case = {"rel_tolerance": options.get("rel", 1e-6), "abs_tolerance": options.get("abs", 1e-12)}
            return _with_constant(right if approximate is left else left, approximate.args[0], case)
        return _with_constant(left, right, {})
    if isinstance(sign, ast.In) and not isinstance(_constant(right), str):
        wanted = list(_constant(right))
        return _outside(left, *wanted), {"one_of": [encoded(item) for item in wanted]}
    is_distance = isinstance(left, ast.Call) and _name(left.func) in ("abs", "math.fabs", "fabs") and len(left.args) == 1
    if isinstance(sign, ast.Lt | ast.LtE) and is_distance:
        assert isinstance(left, ast.Call)
        inside = left.args[0]
        if isinstance(inside, ast.BinOp) and isinstance(inside.op, ast.Sub):
            return _with_constant(inside.left, inside.right, {"abs_tolerance": float(_constant(right))})
    raise _NotConstantError


def _is_approx(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) in ("pytest.approx", "approx") and len(node.args) == 1


def _with_constant(left: ast.expr, right: ast.expr, case: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the case of two sides, one of which is a constant."""
    try:
        wanted, computed = _constant(right), left
    except _NotConstantError:
        wanted, computed = _constant(left), right
    return _outside(computed, wanted), {"expected": encoded(wanted), **case}


def _outside(node: ast.expr, *wanted: Any) -> str:
    """Return the source of an expression whose value can be compared outside the program's process.

    Raises:
        _NotConstantError: the expression is a comparison itself, or yields so little (a truth value, zero) after working on what the
            program returned that an object with operators of its own could pass without the right value.
    """
    if any(isinstance(inner, ast.Compare | ast.BoolOp | ast.IfExp) for inner in _walk_outside_lambdas(node)):
        raise _NotConstantError
    if any(_says_little(value) for value in wanted) and not _is_returned_as_it_is(node):
        raise _NotConstantError
    return ast.unparse(node)


def _walk_outside_lambdas(node: ast.AST) -> Iterable[ast.AST]:
    """Functions that are handed over as arguments may compare what they like."""
    if not isinstance(node, ast.Lambda):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _walk_outside_lambdas(child)


def _says_little(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(_says_little(item) for item in value)
    return value is None or value in ("", b"", {}) or (isinstance(value, int | float) and value in (-1, 0, 1))


def _is_returned_as_it_is(node: ast.expr) -> bool:
    """Tell whether an expression is a call of the program, at most put in another container: whoever passes has returned that value."""
    if isinstance(node, ast.List | ast.Tuple):
        return all(_is_returned_as_it_is(item) for item in node.elts)
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Subscript | ast.Attribute) and _is_returned_as_it_is(node.value)
    name = _name(node.func)
    if name in _WRAPPERS and len(node.args) == 1 and not node.keywords:
        return _is_returned_as_it_is(node.args[0])
    # In check(candidate) the function asked for has this name: whatever it is called with, nobody works on what it returns.
    if name == "candidate":
        return True
    given = [node.func, *node.args, *(keyword.value for keyword in node.keywords)]
    calls = [inner for part in given for inner in ast.walk(part) if isinstance(inner, ast.Call)]
    return not isinstance(node.func, ast.Lambda) and all(_name(call.func) in _MAKERS for call in calls)


def _unittest_call(node: ast.AST) -> tuple[str, ast.Call] | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _UNITTEST:
        return node.func.attr, node
    return None


def _cases_of_unittest(name: str, call: ast.Call) -> list[tuple[str, dict[str, Any]]]:
    first, second = call.args[0], call.args[1] if len(call.args) > 1 else None
    match name:
        case "assertTrue":
            return [case for test in _conjuncts(first) for case in _case_of_test(test)]
        case "assertFalse":
            return [_truth(first, expected=False)]
        case "assertIsNone":
            return [(_outside(first, None), {"expected": None})]
    assert second is not None
    match name:
        case "assertIn":
            return [_case_of_comparison(first, ast.In(), second)]
        case "assertCountEqual":
            wanted = sorted(_constant(second))
            return [(f"sorted({_outside(first, wanted)})", {"expected": encoded(wanted)})]
        case "assertAlmostEqual":
            options = {keyword.arg: _constant(keyword.value) for keyword in call.keywords}
            places = _constant(call.args[2]) if len(call.args) > 2 else options.get("places", 7)
            return [_with_constant(first, second, {"abs_tolerance": float(options.get("delta", 0.5 * 10.0**-places))})]
        case _:
            return [_with_constant(first, second, {})]


def _expects_error(node: ast.AST) -> bool:
    """``with pytest.raises(ValueError):`` or ``with self.assertRaises(ValueError):``."""
    if not isinstance(node, ast.With) or len(node.items) != 1:
        return False
    call = node.items[0].context_expr
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("raises", "assertRaises")


def _case_of_error(node: ast.With) -> tuple[str, dict[str, Any]]:
    call = node.items[0].context_expr
    assert isinstance(call, ast.Call)
    if len(node.body) != 1 or not isinstance(node.body[0], ast.Expr) or not call.args or not isinstance(call.args[0], ast.Name):
        raise _NotConstantError
    name = call.args[0].id
    return ast.unparse(node.body[0].value), {"expected": encoded(Raised(name)), "catches": name}


def _name(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def _constant(node: ast.expr) -> Any:
    """Work out an expression of constants, in bounds.

    Raises:
        _NotConstantError: a name or call stands in it.
        ArithmeticError, TypeError, ValueError: it has no value.
    """
    match node:
        case ast.Constant(value=value) if value is not ...:
            return value
        case ast.Tuple(elts=items):
            return tuple(_constant(item) for item in items)
        case ast.List(elts=items):
            return [_constant(item) for item in items]
        case ast.Set(elts=items):
            return {_constant(item) for item in items}
        case ast.Dict(keys=keys, values=values):
            if any(key is None for key in keys):
                raise _NotConstantError
            return {_constant(key): _constant(value) for key, value in zip(keys, values) if key is not None}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_constant(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return +_constant(operand)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            return _calculated(_constant(left), type(sign), _constant(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _BUILDERS and len(args) <= 3:
            return _built(name, [_constant(argument) for argument in args])
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str() as text)], keywords=[]):
            return float(text)
    raise _NotConstantError


def _calculated(left: Any, sign: type[ast.operator], right: Any) -> Any:
    if sign is ast.Pow:
        whole = isinstance(left, int) and isinstance(right, int)
        if whole and right > 0 and left.bit_length() * right > _MAX_POWER_BITS:
            raise _NotConstantError
    if sign is ast.Mult and any(isinstance(side, str | bytes | list | tuple) for side in (left, right)):
        parts, count = (right, left) if isinstance(left, int) else (left, right)
        if not isinstance(count, int) or isinstance(parts, int) or len(parts) * count > _MAX_ITEMS:
            raise _NotConstantError
    return _OPERATORS[sign](left, right)


def _built(name: str, arguments: list[Any]) -> Any:
    if name == "range" or any(isinstance(argument, range) for argument in arguments):
        ranges = [range(*arguments)] if name == "range" else [argument for argument in arguments if isinstance(argument, range)]
        if any(len(each) > _MAX_ITEMS for each in ranges):
            raise _NotConstantError
    return _BUILDERS[name](*arguments)
