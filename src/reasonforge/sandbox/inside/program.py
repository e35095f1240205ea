"""Runs model-written code in a process that is already isolated, and tells the supervisor what calls returned.

Nothing here protects anything: the code shares this process and may change all of it. What it can forge is its own answer.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import json
import linecache
import os
import random
import signal
import struct
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any, NoReturn

READY, MEMORY, DONE_OK, DONE_ERROR = b"RMOE"
"""Bytes on the state pipe. READY comes before any model-written code, so nothing after it is the sandbox's own failure."""
STATE, VALUES, BLOCKS = 3, 4, 4
"""Descriptors: what is said of the state; what calls return, or, in a session, the blocks to come."""
_NAME = "<program>"
_LONGEST_ERROR = 300


class _CallDeadline(BaseException):
    """A call has used its CPU time; not an Exception, so that a program's ``except Exception`` lets it pass."""


def run_program(content: dict[str, Any]) -> NoReturn:
    """Run the code once, make the calls, end as an interpreter ends."""
    _seed(content["seed"])
    namespace = _new_main()
    code, _ = _guarded(lambda: exec(_compile(content["code"]), namespace))  # noqa: S102
    if code is None:
        for call in content["calls"]:
            _write(VALUES, _make_call(call, namespace, content["call_seconds"]) + b"\n")
    _finish(code or 0)


def run_session(seed: int) -> NoReturn:
    """Run block after block in one namespace."""
    _seed(seed)
    namespace = _new_main()
    while True:
        block = _read_exactly(BLOCKS, struct.unpack("!I", _read_exactly(BLOCKS, 4))[0])
        code = block.decode("utf-8", "surrogatepass")
        failed, wants_to_end = _guarded(lambda code=code: _run_block(code, namespace))
        if wants_to_end:
            _finish(failed or 0)
        sys.stdout.flush()
        sys.stderr.flush()
        say(DONE_OK if failed is None else DONE_ERROR)


def say(state: int) -> None:
    """Tell the supervisor how far this is."""
    _write(STATE, bytes([state]))


def _new_main() -> dict[str, Any]:
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    sys.argv = ["program.py"]
    return main.__dict__


def _seed(seed: int) -> None:
    random.seed(seed)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(seed % 2**32)


def _compile(source: str) -> types.CodeType:
    linecache.cache[_NAME] = (len(source), None, source.splitlines(keepends=True), _NAME)
    return compile(source, _NAME, "exec", dont_inherit=True)


def _run_block(source: str, namespace: dict[str, Any]) -> None:
    """Run statements; print the value of a last expression, as a notebook does."""
    linecache.cache[_NAME] = (len(source), None, source.splitlines(keepends=True), _NAME)
    tree = ast.parse(source, _NAME)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, _NAME, "exec", dont_inherit=True), namespace)  # noqa: S102
    if last is not None:
        exec(compile(ast.Interactive([last]), _NAME, "single", dont_inherit=True), namespace)  # noqa: S102


def _guarded(action: Callable[[], object]) -> tuple[int | None, bool]:
    """Run, print the traceback of what is raised.

    Returns:
        The exit code, None where nothing was raised; and whether the program asked to end.
    """
    try:
        action()
    except SystemExit as stop:
        return _exit_code(stop), True
    except MemoryError:
        say(MEMORY)
        _write(2, b"MemoryError\n")
        return 1, False
    except BaseException as error:
        _print_traceback(error)
        return 1, False
    return None, False


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    print(stop.code, file=sys.stderr)
    return 1


def _print_traceback(error: BaseException) -> None:
    """Print a traceback that begins in the program, as if it had been run from a file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    try:
        traceback.print_exception(type(error), error, trace, limit=-20)
    except BaseException:
        _write(2, type(error).__name__.encode("utf-8", "replace") + b"\n")


def _make_call(call: dict[str, Any], namespace: dict[str, Any], seconds: float | None) -> bytes:
    """Make one call; return its outcome as one line of JSON."""
    try:
        if seconds is not None:
            signal.signal(signal.SIGPROF, _on_deadline)
            signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            value = _find(call["function"], namespace, method=call["method"])(*call["args"], **call["kwargs"])
            text = _dumps(value)
        finally:
            if seconds is not None:
                signal.setitimer(signal.ITIMER_PROF, 0)
        return b'{"status":"ok","type":%s,"value":%s}' % (json.dumps(type(value).__name__[:100]).encode(), text)
    except _CallDeadline:
        return b'{"status":"timeout"}'
    except BaseException as error:
        try:
            message = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        except BaseException:
            message = "an exception that cannot be printed"
        return json.dumps({"status": "error", "error": message}).encode()


def _on_deadline(number: int, frame: object) -> NoReturn:
    raise _CallDeadline


def _find(name: str, namespace: dict[str, Any], *, method: bool) -> Any:
    first, *rest = name.split(".")
    if first not in namespace and not hasattr(builtins, first):
        raise NameError(f"name {first!r} is not defined")
    found = namespace[first] if first in namespace else getattr(builtins, first)
    if method:
        found = found()
    for part in rest:
        found = getattr(found, part)
    return found


def _dumps(value: Any) -> bytes:
    return json.dumps(value, default=_as_json, allow_nan=False, separators=(",", ":")).encode()


def _as_json(value: Any) -> Any:
    """What JSON has no word for: sets become sorted lists, arrays lists, scalars of numpy numbers, mappings and iterators plain."""
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (range, type({}.keys()), type({}.values()))) or hasattr(value, "popleft"):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} is not JSON")


def _finish(code: int) -> NoReturn:
    """End as an interpreter ends: wait for threads, run exit handlers, flush. Late failures do not change what was printed."""
    try:
        threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
        atexit._run_exitfuncs()
    except SystemExit as stop:
        code = _exit_code(stop)
    except BaseException as error:
        _print_traceback(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            code = code or 120
    os._exit(code)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _read_exactly(descriptor: int, size: int) -> bytearray:
    data = bytearray()
    while len(data) < size:
        piece = os.read(descriptor, size - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data
