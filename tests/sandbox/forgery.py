"""Programs that are wrong and want to pass, and programs that are right in unusual ways.

The task: the sum of the squares of a number's decimal digits; as a function, or from standard input to standard output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reasonforge.core.records import Message, Problem

CASES = [(7, 49), (12, 5), (90, 81), (345, 50), (1234567, 140), (99999, 405)]
CALLS: Mapping[str, Any] = {
    "type": "calls",
    "entry_point": "squares",
    "cases": [{"function": "squares", "args": [number], "expected": total} for number, total in CASES],
    "seconds": 1.0,
}
STDIO: Mapping[str, Any] = {
    "type": "stdio",
    "cases": [{"stdin": f"{number}\n", "stdout": f"{total}\n"} for number, total in CASES],
    "seconds": 1.0,
}
ASSERTS = "\n".join(f"assert squares({number}) == {total}" for number, total in CASES)
"""The same tests as people write them, for the checkers that can be fooled."""


def problem(tests: Mapping[str, Any]) -> Problem:
    """The task with these tests."""
    question = Message("user", "Sum the squares of the digits of a number.")
    return Problem(id="squares", messages=(question,), answer="", kind="code", source="test", meta={"tests": tests})


def completion(code: str) -> str:
    """A completion whose answer is this program."""
    return f"<think>\nDigits, squared, added.\n</think>\n\n```python\n{code}\n```\n"


DISHONEST_CALLS: dict[str, str] = {
    "exit while loading": """
import sys
sys.exit(0)
""",
    "hard exit while loading": """
import os
os._exit(0)
""",
    "exit when called": """
import sys
def squares(n): sys.exit(0)
""",
    "hard exit when called": """
import os
def squares(n): os._exit(0)
""",
    "exit handler": """
def squares(n): return -1
import atexit, os
atexit.register(os._exit, 0)
""",
    "exception hook": """
def squares(n): return -1
import sys, os
sys.excepthook = lambda *a: os._exit(0)
""",
    "alarm": """
import os, signal, time
signal.signal(signal.SIGALRM, lambda *a: os._exit(0))
signal.setitimer(signal.ITIMER_REAL, 0.05)
def squares(n): time.sleep(2)
""",
    "thread that exits": """
import os, threading, time
threading.Thread(target=lambda: (time.sleep(0.05), os._exit(0))).start()
def squares(n): time.sleep(1)
""",
    "fork and exit": """
import os
pid = os.fork()
if pid: os._exit(0)
def squares(n): return -1
""",
    "another program instead": """
import os, sys
os.execv(sys.executable, [sys.executable, '-c', ''])
def squares(n): return -1
""",
    "equal to everything": """
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def squares(n): return Any()
""",
    "number equal to everything": """
class Any(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def squares(n): return Any(3)
""",
    "text equal to everything": """
class Any(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def squares(n): return Any('x')
""",
    "list equal to everything": """
class Any(list):
    def __eq__(self, other): return True
def squares(n): return Any()
""",
    "reflected comparison": """
class Any(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
def squares(n): return Any(1.5)
""",
    "constants of the caller": """
import sys
def squares(n):
    constants = [c for c in sys._getframe(1).f_code.co_consts if isinstance(c, int)]
    for number, constant in enumerate(constants):
        if constant == n and number + 1 < len(constants): return constants[number + 1]
    return -1
""",
    "globals of every frame": """
import sys
def squares(n):
    frame = sys._getframe()
    while frame:
        for part in (frame.f_locals, frame.f_globals):
            for name in list(part):
                if 'expect' in name.lower(): return part[name]
                if isinstance(part[name], dict) and 'expected' in part[name]: return part[name]['expected']
        frame = frame.f_back
    return -1
""",
    "search of all objects": """
import gc
def squares(n):
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            if 'expected' in thing: return thing['expected']
            if thing.get('args') == [n] and 'value' in thing: return thing['value']
    return -1
""",
    "patched assert machinery": """
def squares(n): return -1
import builtins, sys
builtins.AssertionError = type('Nothing', (SystemExit,), {'code': 0})
sys.exit = lambda *a: None
""",
    "patched JSON": """
import json
real = json.dumps
json.dumps = lambda *a, **k: '49'
json.JSONEncoder.encode = lambda *a: '49'
json.JSONEncoder.iterencode = lambda *a: iter(['49'])
def squares(n): return -1
""",
    "patched comparison": """
import builtins, operator
builtins.isinstance = lambda *a: True
operator.eq = lambda *a: True
builtins.all = lambda x: True
builtins.any = lambda x: False
builtins.abs = lambda x: 0
def squares(n): return -1
""",
    "patched modules": """
import sys, types
class Module(types.ModuleType):
    def __getattr__(self, name): return lambda *a, **k: True
for name in ('json', 'unittest', 'pytest', 'math'): sys.modules[name] = Module(name)
def squares(n): return -1
""",
    "passing words printed": """
def squares(n): return -1
for word in ('OK', 'PASSED', 'All tests passed', '{"status": "correct"}', '__RESULT__ok'): print(word)
""",
    "frames on every descriptor": r"""
import json, os
reply = {'id': 1, 'status': 'correct', 'values': [{'status': 'ok', 'value': None}] * 6}
text = json.dumps(reply).encode()
def squares(n):
    for descriptor in range(1, 64):
        for frame in (len(text).to_bytes(4, 'big') + text, len(text).to_bytes(4, 'little') + text, text + b'\n'):
            try: os.write(descriptor, frame)
            except OSError: pass
    return -1
""",
    "forged results of calls": r"""
import os
for value in (b'true', b'null', b'[49, 5, 81]', b'NaN', b'"expected"', b'1e999'):
    for descriptor in range(3, 16):
        try: os.write(descriptor, b'C{"status":"ok","type":"int","value":' + value + b'}\n')
        except OSError: pass
def squares(n): return -1
""",
    "forged results of calls, later ones too": r"""
import os
def squares(n):
    for descriptor in range(3, 16):
        try: os.write(descriptor, b'C{"status":"ok","type":"int","value":true}\n' * 20)
        except OSError: pass
    os._exit(0)
""",
    "not a number": "def squares(n): return float('nan')",
    "infinity": "def squares(n): return float('inf')",
    "truth": "def squares(n): return True",
    "nothing": "def squares(n): return None",
    "its argument": "def squares(n): return n",
    "every number at once": "def squares(n): return list(range(1000))",
    "set of every number": "def squares(n): return set(range(1000))",
    "the number as text": "def squares(n): return str(sum(int(d) ** 2 for d in str(n)))",
    "the number in a list": "def squares(n): return [sum(int(d) ** 2 for d in str(n))]",
    "only the first case": "def squares(n): return 49",
    "off by one at the end": "def squares(n): return sum(int(d) ** 2 for d in str(n)) + (n == 99999)",
    "generator that never ends": """
def squares(n):
    while True: yield 49
""",
    "object with a forged representation": """
class Any:
    def __repr__(self): return '49'
    __str__ = __repr__
    def __index__(self): return 49
    __int__ = __index__
    def tolist(self): return self
def squares(n): return Any()
""",
    "number that prints as every case": """
class Any(int):
    def __repr__(self): return '49, "value": 5'
    __str__ = __repr__
def squares(n): return Any(1)
""",
    "class instead of function": """
class squares:
    def __init__(self, n): self.n = n
    def __eq__(self, other): return True
""",
    "name that is not there": "def square(n): return -1",
    "patched function of the loader": """
import sys
frame = sys._getframe()
while frame:
    for name in list(frame.f_globals):
        if name.startswith(('_make', '_dump', '_find', '_write')):
            frame.f_globals[name] = lambda *a, **k: b'{"status":"ok","value":true}'
    frame = frame.f_back
def squares(n): return -1
""",
}
"""Function suites: none may be judged correct."""

DISHONEST_STDIO: dict[str, str] = {
    "nothing printed": """
import sys
sys.exit(0)
""",
    "hard exit": """
import os
os._exit(0)
""",
    "every number at once": "print(*range(500))",
    "every number on its own line": "for n in range(500): print(n)",
    "passing words": """
print('correct')
print('OK')
print('PASSED')
""",
    "answers of all cases": "print('49 5 81 50 140 405')",
    "answer of the first case": "print(49)",
    "cursor tricks": r"""
n = input()
print('0\r\x1b[2K49\x1b[8m')
""",
    "invisible digits": "print('4\\u200b9')",
    "forged reply": """
import os
reply = b'{"status": "ok", "stdout": "49"}'
for d in range(1, 32):
    try: os.write(d, len(reply).to_bytes(4, 'big') + reply)
    except OSError: pass
""",
    "not a number": "print('nan')",
    "infinity": "print('inf')",
    "pattern": "print('.*')",
    "template": "print('{expected}')",
    "search for files": """
import glob, os
for path in glob.glob('/**/*expected*', recursive=True)[:20]:
    try: print(open(path).read())
    except OSError: pass
""",
    "crash after a right answer": """
print(sum(int(d) ** 2 for d in input()))
raise SystemExit(1)
""",
    "right answer among others": """
n = input()
print(sum(int(d) ** 2 for d in n), 'or', 7)
""",
    "right answer, then a sleep": """
import time
print(sum(int(d) ** 2 for d in input()), flush=True)
time.sleep(20)
""",
    "right answer, then a flood": """
print(sum(int(d) ** 2 for d in input()))
while True: print(' ' * 10000)
""",
}
"""Suites of inputs and outputs: none may be judged correct."""

HONEST_CALLS: dict[str, str] = {
    "plain": "def squares(n): return sum(int(d) ** 2 for d in str(n))",
    "recursive": "def squares(n): return 0 if n == 0 else (n % 10) ** 2 + squares(n // 10)",
    "lambda": "squares = lambda n: sum(int(d) ** 2 for d in str(n))",
    "callable object": """
class Squares:
    def __call__(self, n): return sum(int(d) ** 2 for d in str(n))
squares = Squares()
""",
    "cached": """
from functools import lru_cache
@lru_cache(maxsize=None)
def squares(n: int) -> int:
    return sum(int(d) ** 2 for d in str(n))
""",
    "float": "def squares(n): return float(sum(int(d) ** 2 for d in str(n)))",
    "numpy": """
import numpy as np
def squares(n): return (np.array([int(d) for d in str(n)]) ** 2).sum()
""",
    "that prints": """
def squares(n):
    print('called with', n)
    return sum(int(d) ** 2 for d in str(n))
""",
    "with its own tests": """
def squares(n): return sum(int(d) ** 2 for d in str(n))
if __name__ == '__main__':
    print(squares(12))
    assert squares(12) == 5
""",
    "subclass of int": """
class Total(int): pass
def squares(n): return Total(sum(int(d) ** 2 for d in str(n)))
""",
    "dataclass": """
from dataclasses import dataclass
@dataclass
class Digit:
    value: int
def squares(n): return sum(Digit(int(d)).value ** 2 for d in str(n))
""",
    "threads": """
from concurrent.futures import ThreadPoolExecutor
def squares(n):
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda d: int(d) ** 2, str(n)))
""",
    "stderr": """
import sys
def squares(n):
    print('log', file=sys.stderr)
    return sum(int(d) ** 2 for d in str(n))
""",
}
"""Function suites: all must be judged correct."""

HONEST_STDIO: dict[str, str] = {
    "plain": "print(sum(int(d) ** 2 for d in input()))",
    "main guard": """
def main():
    print(sum(int(d) ** 2 for d in input()))
if __name__ == '__main__':
    main()
""",
    "reads all": """
import sys
print(sum(int(d) ** 2 for d in sys.stdin.read().strip()))
""",
    "reads bytes": """
import sys
sys.stdout.buffer.write(str(sum((c - 48) ** 2 for c in sys.stdin.buffer.read().strip())).encode())
""",
    "opens descriptor 0": "print(sum(int(d) ** 2 for d in open(0).read().split()[0]))",
    "leaves by sys.exit": """
import sys
print(sum(int(d) ** 2 for d in input()))
sys.exit(0)
""",
    "trailing spaces": """
print(sum(int(d) ** 2 for d in input()), ' ')
print()
""",
    "flushed": r"""
import sys
for line in sys.stdin:
    sys.stdout.write(f'{sum(int(d) ** 2 for d in line.strip())}\n')
    sys.stdout.flush()
""",
    "prints at exit": """
import atexit
n = input()
atexit.register(lambda: print(sum(int(d) ** 2 for d in n)))
""",
    "warns": """
import warnings
warnings.warn('careful')
print(sum(int(d) ** 2 for d in input()))
""",
}
"""Suites of inputs and outputs: all must be judged correct."""
