"""Chat templates of checkpoints: Jinja programs from strangers, run in a sandbox with limits.

The sandbox forbids what reaches outside the template. The limits (source size, loop turns and macro calls, length of every string it
builds) end the bombs that fit in a line; a run that must survive a determined attacker's template needs a memory limit besides.
Nothing in here knows the date, so a prompt is the same tomorrow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from reasonforge.core.errors import DataError

MAX_SOURCE_CHARACTERS = 100_000
MAX_STRING_CHARACTERS = 20_000_000
MAX_TURNS = 50_000
"""Loop turns and macro calls of one rendering, nested ones included; also the parts of a list or mapping that becomes text."""
MAX_RANGE = 10_000

# fmt: off
_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby",
    "int", "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "reverse", "round", "safe", "select", "selectattr", "sort", "title", "trim", "unique", "upper",
)
# fmt: on
"""What templates in use need; filters that pad, wrap or draw at random are left out."""

_PADDING_METHODS = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "translate", "zfill"})
"""String methods that make a long string out of a short one and a number."""


class _LimitError(Exception):
    """The template asks for more than it may have."""


class _RaisedByTemplate(Exception):
    """The template itself refuses the conversation (``raise_exception``)."""


class ChatTemplate:
    """A compiled chat template."""

    def __init__(self, source: str) -> None:
        """Compile; raise a one-line ``DataError`` if the source is too long, not Jinja, or needs what the sandbox has not."""
        if len(source) > MAX_SOURCE_CHARACTERS:
            raise DataError(f"chat template: {len(source)} characters; at most {MAX_SOURCE_CHARACTERS} are allowed")
        try:
            self._template = _Sandbox().from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise DataError(f"chat template: line {error.lineno}: {error.message}") from error
        except (RecursionError, MemoryError, OverflowError) as error:
            raise DataError("chat template: nested too deeply") from error

    def render(self, messages: Sequence[Mapping[str, str]], *, generation: bool, variables: Mapping[str, Any]) -> str:
        """Return the text of a conversation.

        Args:
            messages: ``{"role": ..., "content": ...}`` each.
            generation: end with the words that open the assistant's turn.
            variables: what else the template may read (``bos_token``, ``enable_thinking``, ...).
        """
        turns = _Turns()
        # `tools` and `documents` are None rather than undefined: templates test them both ways.
        names = {"tools": None, "documents": None, **variables}
        try:
            chunks: list[str] = []
            size = 0
            for chunk in self._template.generate(
                **names, messages=[dict(message) for message in messages], add_generation_prompt=generation, _turn=turns.count
            ):
                size = _allow(size + len(chunk))
                chunks.append(chunk)
            return "".join(chunks)
        except _RaisedByTemplate as error:
            raise DataError(f"chat template: it refuses this conversation: {_one_line(error)}") from error
        except _LimitError as error:
            raise DataError(f"chat template: over the limits: {_one_line(error)}") from error
        except SecurityError as error:
            raise DataError(f"chat template: forbidden: {_one_line(error)}") from error
        except Exception as error:
            # A template is somebody else's program: whatever it dies of is its fault, and one line for the user.
            raise DataError(f"chat template: {type(error).__name__}: {_one_line(error)}") from error


@lru_cache(maxsize=16)
def compile_template(source: str) -> ChatTemplate:
    """Return the compiled template of a source; compiling takes milliseconds, rendering microseconds."""
    return ChatTemplate(source)


class _Sandbox(ImmutableSandboxedEnvironment):
    # What joins the pieces of a macro or of a `set` block; without a limit here, a block that prints itself twice grows without end.
    concat = staticmethod(lambda pieces: _join(pieces))
    # Operators that can make something huge; the environment asks `call_binop` before each.
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        # Trimmed blocks are the dialect that chat templates are written in. Unoptimised: constants are not folded while compiling,
        # before any limit applies.
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], optimized=False, finalize=_printable)
        self.filters = {name: self.filters[name] for name in _FILTERS}
        self.filters |= {"tojson": _to_json, "join": _join, "replace": _replace, "string": _text}
        self.globals = {
            "range": _range,
            "raise_exception": _raise_exception,
            "namespace": self.globals["namespace"],
            "dict": dict,
            _CONCAT: _concat,
        }

    def _generate(self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False) -> str:
        return super()._generate(_Limiter().visit(source), name, filename, defer_init=defer_init)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _PADDING_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Leave ``str.format`` to :meth:`is_safe_attribute`, which refuses it, instead of wrapping it."""

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if isinstance(owner, str) and name == "replace":
            return _replace(owner, *args)
        if isinstance(owner, str) and name == "join":
            return _join(args[0], owner)
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise _LimitError(f"the operator {operator} is not available here")
        if operator == "*":
            if isinstance(left, list | tuple) or isinstance(right, list | tuple):
                raise _LimitError("lists cannot be repeated here")
            _allow(_size(left) * _size(right))
        elif operator == "+" and not isinstance(left, int | float):
            _allow(_size(left) + _size(right))
        return super().call_binop(context, operator, left, right)


class _Limiter(NodeTransformer):
    """Counts every turn of a loop and call of a macro, and routes ``~`` through a function that knows the length limit."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        node.body.insert(0, _count_turn(node.lineno))
        # The condition of a filtered loop runs on turns that the body never sees.
        if node.test is not None:
            node.test = nodes.And(_call("_turn", node.lineno), node.test, lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        node.body.insert(0, _count_turn(node.lineno))
        return self.generic_visit(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        node.body.insert(0, _count_turn(node.lineno))
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _call(_CONCAT, node.lineno, *node.nodes)


_CONCAT = "_concat"


def _call(name: str, line: int, *arguments: nodes.Expr) -> nodes.Call:
    return nodes.Call(nodes.Name(name, "load", lineno=line), list(arguments), [], None, None, lineno=line)


def _count_turn(line: int) -> nodes.ExprStmt:
    return nodes.ExprStmt(_call("_turn", line), lineno=line)


class _Turns:
    """A budget of loop turns for one rendering."""

    def __init__(self) -> None:
        self._used = 0

    def count(self) -> bool:
        self._used += 1
        if self._used > MAX_TURNS:
            raise _LimitError(f"more than {MAX_TURNS} loop turns")
        return True


def _size(value: Any) -> int:
    return abs(value) if isinstance(value, int) else len(value) if isinstance(value, str | list | tuple) else 1


def _measured(value: Any) -> Any:
    """Return a value after making sure that its text is not huge: lists within lists grow exponentially with their depth."""
    num_parts, num_characters, waiting = 0, 0, [value]
    while waiting:
        part = waiting.pop()
        num_parts += 1
        if isinstance(part, str):
            num_characters = _allow(num_characters + len(part))
        elif isinstance(part, Mapping):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set):
            waiting += part
        if num_parts + len(waiting) > MAX_TURNS:
            raise _LimitError(f"a list of more than {MAX_TURNS} parts")
    return value


def _text(value: Any) -> str:
    return str(_measured(value))


def _printable(value: Any) -> Any:
    return value if isinstance(value, str) else _measured(value)


def _allow(size: int) -> int:
    if size > MAX_STRING_CHARACTERS:
        raise _LimitError(f"text or list longer than {MAX_STRING_CHARACTERS}")
    return size


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise _LimitError(f"range longer than {MAX_RANGE}")
    return numbers


def _raise_exception(message: str) -> NoReturn:
    raise _RaisedByTemplate(message)


def _concat(*values: Any) -> str:
    return _join(values)


def _join(values: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    texts = [_text(value if attribute is None else value[attribute]) for value in values]
    _allow(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(text: Any, old: str, new: str, count: int = -1) -> str:
    text = _text(text)
    _allow(len(text) + (text.count(old) if count < 0 else count) * len(new))
    return text.replace(old, new, count)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Not Jinja's own: that one escapes <, > and & for web pages, and models are trained on plain JSON.
    return json.dumps(
        _measured(value),
        ensure_ascii=ensure_ascii,
        indent=None if indent is None else min(indent, 16),
        separators=separators,
        sort_keys=sort_keys,
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
