"""What a model may write to hang, swell, crash or fool the grader: for the tests, and for the benchmark that prints what each costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from itertools import combinations

import psutil

from reasonforge.verify.items import GradeItem
from reasonforge.verify.pool import GradePool

LETTERS = "abcdefgh"


def boxed(answer: str) -> str:
    return rf"Therefore \boxed{{{answer}}}."


def sum_power(power: int) -> str:
    return rf"({'+'.join(LETTERS)})^{{{2 * power}}}"


def written_out(power: int) -> str:
    """Return the same as ``sum_power``, with its square multiplied out."""
    mixed = "+".join(f"2{one}{other}" for one, other in combinations(LETTERS, 2))
    return rf"({'+'.join(f'{letter}^2' for letter in LETTERS)}+{mixed})^{{{power}}}"


HANGING = GradeItem(gold=sum_power(15), text=boxed(written_out(15)))
"""A true identity that computer algebra does not finish proving."""
RIGHT = GradeItem(gold="1/2", text=boxed(r"\frac{2}{4}"))

WRONG_OR_NOTHING = {
    "empty": "",
    "whitespace": " \n\t\r\n ",
    "empty box": boxed(""),
    "unclosed box": r"\boxed{7",
    "nested boxes": r"\boxed{" * 20_000 + "7",
    "closed nested boxes": r"\boxed{" * 20_000 + "6" + "}" * 20_000,
    "braces": boxed("{" * 50_000 + "6" + "}" * 50_000),
    "open braces": boxed("{" * 50_000),
    "parentheses": boxed("(" * 5_000 + "6" + ")" * 5_000),
    "NUL": boxed("6\x00"),
    "lone surrogate": boxed("\ud800"),
    "byte order mark": "\ufeff" + boxed("6"),
    "Windows line ends": "so\r\n" * 1_000 + boxed("6") + "\r\n",
    "full width": boxed("\uff16" * 300 + "\uff08" * 300),
    "Chinese numerals": boxed("\u4ebf" * 5_000),
    "Chinese marks": boxed("\u3001\u3002\uff0c\uff1b" * 10_000),
    "vulgar fractions": boxed("\u00bd" * 5_000),
    "root signs": boxed("\u221a" * 5_000 + "2"),
    "superscripts": boxed("9" + "\u2079" * 5_000),
    "right-to-left mark": boxed("\u202e6"),
    "zero width": boxed("\u200b\u200d"),
    "digits": boxed("1" * 100_000),
    "few digits": boxed("1" * 390),
    "digits behind the point": boxed("7." + "0" * 100_000 + "1"),
    "nan": boxed("nan"),
    "inf": boxed("inf"),
    "infinity": boxed(r"\infty"),
    "division by zero": boxed("5/0"),
    "zero over zero": boxed(r"\frac{0}{0}"),
    "tower": boxed("9^{9^9}"),
    "higher tower": boxed("9^{9^{9^{9^9}}}"),
    "power of two": boxed("2^{2^{40}}"),
    "factorials": boxed("((9!)!)!"),
    "factorial": boxed("1000000!"),
    "binomial": boxed(r"\binom{10^9}{5\cdot 10^8}"),
    "power near one": boxed("1.0001^{10^{12}}"),
    "negative tower": boxed("7+9^{-9^{9^9}}"),
    "sum": boxed(r"\sum_{k=1}^{10^9} k"),
    "product": boxed(r"\prod_{k=1}^{10^9} k"),
    "integral": boxed(r"\int_0^{\infty} e^{-x^{7}\sin x}\,dx"),
    "limit": boxed(r"\lim_{n\to\infty} (1+\frac{1}{n})^{n^n}"),
    "roots": boxed(r"\sqrt{" * 200 + "2" + "}" * 200),
    "fractions": boxed(r"\frac{1}{1+" * 500 + "1" + "}" * 500),
    "matrix": boxed(
        r"\begin{pmatrix}"
        + r" \\ ".join(" & ".join(f"x_{{{row + column}}}" for column in range(30)) for row in range(30))
        + r"\end{pmatrix}"
    ),
    "set": boxed(r"\{" + ",".join(map(str, range(2_000))) + r"\}"),
    "set of roots": boxed(r"\{" + ",".join(rf"\sqrt{{{number}}}" for number in range(2, 200)) + r"\}"),
    "list": boxed(",".join(["7"] * 20_000)),
    "commas": boxed("1," * 50_000),
    "sum of decimals": boxed("12345.678 + " * 80_000 + "1"),
    "trigonometry": boxed("+".join(rf"\sin({number}x)" for number in range(1, 61))),
    "text": "lorem ipsum " * 85_000,
    "dollars": "$" * 200_000,
    "brackets": r"\(" * 100_000,
    "two boxes": r"\boxed{6} or \boxed{8}",
    "hedge": boxed("1,2,3,4,5,6,7,8"),
    "or": boxed("7 or 8"),
    "or more": boxed("7 \\text{ or more}"),
    "at least": boxed(r"\ge 7"),
    "equation": boxed("6=7"),
    "chain": boxed("1=2=3=7"),
    "identity": boxed("x=x"),
    "two answer blocks": "<answer>7</answer> or <answer>6</answer>",
    "answer blocks": "<answer>" * 50_000,
    "thinking ends twice": "<think>7</think> \\boxed{7} </think> \\boxed{6}",
    "thinking ends often": "</think>" * 50_000,
    "cut off": "Therefore \\boxed{\\frac{7}{",
    "hash lines": "#### 6\n" * 50_000,
    "answer phrases": "the answer is " * 20_000,
    "taken back": r"\boxed{7}" + " wait, no," * 20_000 + " 6",
    "in thinking only": "<think>so 7</think>",
    "thinking without an end": r"<think>\boxed{7}",
    "percent": boxed(r"700\%"),
    "injection": boxed("__import__('os').system('echo 7')"),
    "injection in LaTeX": boxed(r"\input{/etc/hostname}"),
    "lambda": boxed("(lambda: 7)()"),
    "format": boxed("{0.__class__}"),
}
"""Completions that do not give the answer 7."""

GOLDS: dict[str, object] = {"None": None, "int": 70, "float": 70.0, "list": ["1", "2"], "unparsable": "0. 98.", "empty": ""}
"""References as careless data sets hold them."""

PRIMES = (2, 3, 5, 7, 11, 13, 17)


def plus(form: str, numbers: Iterable[int]) -> str:
    return "+".join(form % number for number in numbers)


MIXED = plus(r"2\sqrt{%d}", (one * other for one, other in combinations(PRIMES, 2)))
HARD = {
    "towers": ("9^{9^9}+1", "9^{9^9}+2"),
    "higher towers": ("9^{9^{9^{9^9}}}", "9^{9^{9^{9^9}}}+1"),
    "factorials": ("((9!)!)!", "((9!)!)!+1"),
    "binomials": (r"\binom{10^9}{5\cdot 10^8}", r"\binom{10^9}{5\cdot 10^8}+1"),
    "power near one": ("1.0001^{10^{12}}", "1.0001^{10^{12}}+1"),
    "powers of powers": (r"((\sqrt{2}^{1999})^{1999})^{1999}", r"((\sqrt{2}^{1999})^{1999})^{1999}+1"),
    "power of a binomial": ("(x+y+z)^{900}", "(x+y+z)^{899}(z+y+x)"),
    "nested roots": (r"\sqrt{1+" * 100 + "x" + "}" * 100, r"\sqrt{1+" * 99 + r"\sqrt{x+1}" + "}" * 99),
    "nested fractions": (r"\frac{1}{1+" * 70 + "x" + "}" * 70, r"\frac{1}{1+" * 70 + "2x" + "}" * 70),
    "nested functions": (r"\sin(" * 60 + "x" + ")" * 60, r"\sin(" * 60 + "x+0.000001" + ")" * 60),
    "nested steps": (r"\lfloor \pi" * 40 + "x" + r"\rfloor" * 40, r"\lfloor \pi" * 40 + "2x" + r"\rfloor" * 40),
    "sets of roots": (
        r"\{" + ",".join(rf"\sqrt{{{number}}}+1" for number in range(2, 60)) + r"\}",
        r"\{" + ",".join(rf"\sqrt{{{number}+x}}" for number in range(2, 60)) + r"\}",
    ),
    "many roots": (plus(r"\sqrt{%d}", PRIMES), rf"\sqrt{{{sum(PRIMES)}+{MIXED}}}"),
    "cube roots": (plus(r"\sqrt[3]{%d}", PRIMES), plus(r"\sqrt[9]{%d}", (prime**3 for prime in reversed(PRIMES)))),
    "trigonometry": (r"\sin(x)^{40}", r"(1-\cos(x)^2)^{20}"),
    "many angles": (r"\sin(60x)", r"2\sin(30x)\cos(30x)"),
    "variables in exponents": (r"(x^y+y^x)^{30}", r"(x^{2y}+2x^yy^x+y^{2x})^{15}"),
    "logarithms": (r"\ln(x^{30}y^{20})^{10}", r"(30\ln x+20\ln y)^{10}"),
    "fractions": (plus(r"\frac{1}{x+%d}", range(30)), plus(r"\frac{2}{2x+%d}", range(0, 60, 2))),
}
"""Hard for computer algebra: most are true, so that no value refutes them."""


class Memory:
    """Watches how much the workers hold, for as long as the block lasts."""

    def __init__(self, pool: GradePool) -> None:
        self.peak_mb = 0.0
        self._keepers = [psutil.Process(worker.process.pid) for worker in pool._pool._all]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._done.is_set():
            for keeper in self._keepers:
                for child in keeper.children():
                    try:
                        self.peak_mb = max(self.peak_mb, child.memory_info().rss / 2**20)
                    except psutil.NoSuchProcess:
                        continue
            time.sleep(0.01)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
