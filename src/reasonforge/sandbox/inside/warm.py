"""What an interpreter loads and exercises before it forks."""

from __future__ import annotations

import contextlib
import gc
import importlib
import mmap
import os
import resource

_STDLIB = """array ast asyncio base64 bisect calendar cmath collections.abc contextlib copy csv dataclasses datetime decimal enum fractions
functools hashlib heapq inspect io itertools json math numbers operator pprint queue random re statistics string struct textwrap time
traceback types typing unittest uuid zlib"""


def warm_up(flavour: str) -> None:
    """Import, and exercise, what programs use: pages and caches that are touched here are shared by every fork."""
    for name in _STDLIB.split():
        importlib.import_module(name)
    if flavour == "sci":
        with contextlib.suppress(ImportError):
            importlib.import_module("numpy")
            importlib.import_module("numpy.random")
            importlib.import_module("numpy.linalg")
            warm_numpy()
        with contextlib.suppress(ImportError):
            importlib.import_module("sympy")
            warm_sympy()
    _show_one_core()
    # The seconds until a first collection would otherwise be paid, and its pages copied, in every fork.
    gc.collect()
    gc.freeze()


def _show_one_core() -> None:
    """Have Python say one core: a program runs the same on every machine and starts no thread per core that its limits would refuse.

    A convenience and no defence: other roads to the number stay open.
    """
    for name, shown in (("cpu_count", 1), ("process_cpu_count", 1), ("sched_getaffinity", {0})):
        if hasattr(os, name):
            setattr(os, name, lambda pid=0, /, shown=shown: shown)


def warm_numpy() -> None:
    """Touch the common paths of numpy."""
    import numpy

    matrix = numpy.array([[2.0, 1.0], [1.0, 3.0]])
    numpy.linalg.solve(matrix, numpy.array([1.0, 2.0]))
    numpy.linalg.eigvals(matrix)
    str(matrix.sum(axis=0))
    numpy.arange(10).mean()


def warm_sympy() -> None:
    """Touch the common paths of sympy."""
    import sympy

    x, y = sympy.symbols("x y")
    touched = [
        sympy.solve(x**2 - 5 * x + 6, x),
        sympy.solve([x + y - 3, x - y - 1], [x, y]),
        sympy.simplify((x**2 - 1) / (x - 1)),
        sympy.factor(x**3 - 1),
        sympy.expand((x + 1) ** 3),
        sympy.diff(sympy.sin(x) * x, x),
        sympy.integrate(x**2, (x, 0, 1)),
        sympy.integrate(2 * x**2 - sympy.Rational(3, 4) * x + 5, (x, 1, 4)),
        sympy.solve([4 * x + 7 * y - 10, 2 * x - 3 * y + 8], [x, y]),
        sympy.summation(x, (x, 1, y)),
        sympy.limit(sympy.sin(x) / x, x, 0),
        sympy.Rational(3, 4) + sympy.sqrt(8),
        sympy.N(sympy.pi),
        sympy.Matrix([[1, 2], [3, 4]]).inv(),
        sympy.factorint(360),
        list(sympy.primerange(2, 50)),
    ]
    str(touched)
    sympy.latex(sympy.sqrt(x))


def used_address_space() -> int:
    """Measure this process's address space without /proc: the lowest limit under which one more page can be had, by bisection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    page, low, high = mmap.PAGESIZE, 0, 1 << 42
    try:
        while high - low > 1 << 20:
            middle = (low + high) // 2
            resource.setrlimit(resource.RLIMIT_AS, (middle, hard))
            try:
                mmap.mmap(-1, page).close()
                high = middle
            except (OSError, MemoryError):
                low = middle
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return high
