"""What a model may write to hang, swell, crash or fool the grader, through the pool at its usual deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

import psutil
import pytest

from reasonforge.verify.items import GradeItem
from reasonforge.verify.pool import GradePool

DEADLINE = 2.0
MEMORY_MB = 512
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
    "in thinking only": "<think>so 7</think>",
    "thinking without an end": r"<think>\boxed{7}",
    "percent": boxed(r"700\%"),
    "injection": boxed("__import__('os').system('echo 7')"),
    "injection in LaTeX": boxed(r"\input{/etc/hostname}"),
    "lambda": boxed("(lambda: 7)()"),
    "format": boxed("{0.__class__}"),
}
"""Completions that do not give the answer 7."""


@pytest.fixture(scope="module")
def pool() -> Iterator[GradePool]:
    with GradePool(1, deadline_seconds=DEADLINE, memory_mb=MEMORY_MB) as pool:
        pool.start()
        yield pool


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


@pytest.mark.parametrize("name", WRONG_OR_NOTHING)
def test_it_is_judged_in_time_is_not_right_and_harms_no_other(name: str, pool: GradePool) -> None:
    start = time.monotonic()
    with Memory(pool) as memory:
        verdict = pool.grade(GradeItem(gold="7", text=WRONG_OR_NOTHING[name]))
    took = time.monotonic() - start
    assert verdict.status != "correct"
    assert took < DEADLINE + 3.0  # a bound on hanging; how near the deadline it comes is measured by benchmarks/bench_grade.py
    assert memory.peak_mb < MEMORY_MB
    assert pool.grade(RIGHT).correct


@pytest.mark.parametrize(
    "name", ["tower", "factorials", "roots", "matrix", "set", "trigonometry", "digits", "list", "injection", "lone surrogate"]
)
def test_a_hostile_reference_is_judged_in_time_too(name: str, pool: GradePool) -> None:
    gold = WRONG_OR_NOTHING[name].removeprefix(r"Therefore \boxed{").removesuffix("}.")
    start = time.monotonic()
    assert pool.grade(GradeItem(gold=gold, text=boxed("7"))).status != "correct"
    assert time.monotonic() - start < DEADLINE + 3.0
    assert pool.grade(RIGHT).correct


def test_what_cannot_be_decided_in_time_is_a_timeout(pool: GradePool) -> None:
    with Memory(pool) as memory:
        verdict = pool.grade(HANGING)
    assert verdict.status == "timeout"
    assert "2 s" in verdict.reason
    assert memory.peak_mb < MEMORY_MB
    assert pool.grade(RIGHT).correct


PRIMES = (2, 3, 5, 7, 11, 13, 17)


def plus(form: str, numbers: Iterable[int]) -> str:
    return "+".join(form % number for number in numbers)


MIXED = plus(r"2\sqrt{%d}", (one * other for one, other in combinations(PRIMES, 2)))
HARD = {
    "many roots": (plus(r"\sqrt{%d}", PRIMES), rf"\sqrt{{{sum(PRIMES)}+{MIXED}}}"),
    "cube roots": (plus(r"\sqrt[3]{%d}", PRIMES), plus(r"\sqrt[9]{%d}", (prime**3 for prime in reversed(PRIMES)))),
    "trigonometry": (r"\sin(x)^{40}", r"(1-\cos(x)^2)^{20}"),
    "many angles": (r"\sin(60x)", r"2\sin(30x)\cos(30x)"),
    "variables in exponents": (r"(x^y+y^x)^{30}", r"(x^{2y}+2x^yy^x+y^{2x})^{15}"),
    "logarithms": (r"\ln(x^{30}y^{20})^{10}", r"(30\ln x+20\ln y)^{10}"),
    "fractions": (plus(r"\frac{1}{x+%d}", range(30)), plus(r"\frac{2}{2x+%d}", range(0, 60, 2))),
}
"""Hard for computer algebra: most are true, so that no value refutes them."""


@pytest.mark.parametrize("name", HARD)
def test_hard_pairs_are_decided_or_time_out_and_harm_no_other(name: str, pool: GradePool) -> None:
    gold, answer = HARD[name]
    start = time.monotonic()
    verdict = pool.grade(GradeItem(gold=gold, text=boxed(answer)))
    assert time.monotonic() - start < DEADLINE + 3.0
    assert verdict.status in ("correct", "wrong", "timeout")
    assert pool.grade(RIGHT).correct


def test_what_outgrows_the_memory_is_an_error() -> None:
    with GradePool(1, deadline_seconds=60.0, memory_mb=128) as pool:
        verdict = pool.grade(HANGING)
        assert (verdict.status, verdict.reason) == ("error", "the worker ran out of memory")
        assert pool.grade(RIGHT).correct


def test_nothing_that_is_written_is_run(pool: GradePool, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for code in (
        f"__import__('pathlib').Path({str(canary)!r}).touch()",
        f"\\write18{{touch {canary}}}",
        f"`touch {canary}`",
        f"$(touch {canary})",
    ):
        for gold, answer in (
            (code, "7"),
            ("7", code),
            (code, code),
            (f"x+{code}", f"{code}+x"),
            (rf"\sqrt{{{code}}}", rf"\sqrt{{8}}+{code}"),
        ):
            pool.grade(GradeItem(gold=gold, text=boxed(answer)))
            pool.grade(GradeItem(gold=gold, text=boxed(answer), profile="qwen-math"))
    assert not canary.exists()


@pytest.mark.parametrize("profile", ["strict", "deepseek-math", "qwen-math", "prm800k", "bbh", "mcq"])
def test_every_profile_survives_the_list(profile: str, pool: GradePool) -> None:
    items = [GradeItem(gold="7", text=text, profile=profile) for text in WRONG_OR_NOTHING.values()]  # type: ignore[arg-type]
    verdicts = pool.grade_many([part for item in items for part in (item, RIGHT)])
    assert all(verdict.correct for verdict in verdicts[1::2])
    assert not any("the worker" in verdict.reason for verdict in verdicts)


def test_a_burst_with_hanging_items_loses_no_right_answer() -> None:
    burst = [HANGING if index % 20 == 7 else GradeItem(gold=str(index), text=boxed(str(index))) for index in range(1_000)]
    with GradePool(2, deadline_seconds=0.2) as pool:
        verdicts = pool.grade_many(burst)
    statuses = [verdict.status for verdict in verdicts]
    assert [index for index, status in enumerate(statuses) if status == "timeout"] == [index for index in range(1_000) if index % 20 == 7]
    assert statuses.count("correct") == 950
