"""Agreement of the grader with math-verify: random pairs of MATH references, and references perturbed so that the truth is known.

    python benchmarks/grade_agreement.py --data ../shared/data --pairs 4000 --golds 1500

Every disagreement is printed with both verdicts and, where the perturbation fixes it, the truth.
Needs the extra ``mathverify``. docs/verification.md judges the disagreements of the default seed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import math_verify

from reasonforge.verify.extract import last_boxed
from reasonforge.verify.grade import grade


class Pair(NamedTuple):
    """One comparison; ``truth`` is None where nobody has said."""

    kind: str
    gold: str
    answer: str
    truth: bool | None


def math_golds(data: Path) -> list[str]:
    """Return the references of the MATH test set, in order."""
    with gzip.open(data / "math" / "test.jsonl.gz", "rt") as file:
        return [gold for line in file if (gold := last_boxed(json.loads(line)["solution"]))]


_PLAIN = re.compile(r"-?\d+")
_FRACTION = re.compile(r"(-?)\\frac\{(\d+)\}\{(\d+)\}")
_TUPLE = re.compile(r"\((-?\d+), ?(-?\d+)\)")
_LIST = re.compile(r"-?\d+(?:, ?-?\d+)+")
_SURD = re.compile(r"(\d+) ?\\sqrt\{(\d+)\}")
_INTERVAL = re.compile(r"\[(-?\d+), ?\\infty\)")


def perturbations(gold: str) -> Iterator[Pair]:
    """Yield rewritings of a reference, equal ones and different ones."""
    yield Pair("other spelling", gold, f" {gold.replace('frac', 'dfrac')} ", True)
    yield Pair("in a sentence", gold, f"\\text{{The answer is }}{gold}", True)
    if _PLAIN.fullmatch(gold):
        value = int(gold)
        yield Pair("decimal", gold, f"{value}.0", True)
        yield Pair("named", gold, f"x = {value}", True)
        yield Pair("dollars", gold, f"\\${value}", True)
        yield Pair("unit", gold, f"{value}\\text{{ cm}}", True)
        yield Pair("plus one", gold, str(value + 1), False)
        yield Pair("sign", gold, str(-value), value == 0)
        yield Pair("hundredfold", gold, str(100 * value), value == 0)
        yield Pair("percent", gold, f"{value}\\%", None)
        yield Pair("chain", gold, f"{value - 1} = {value}", False)
        yield Pair("or more", gold, f"{value} \\text{{ or more}}", False)
        yield Pair("at least", gold, f"\\ge {value}", False)
        yield Pair("or next", gold, f"{value} \\text{{ or }} {value + 1}", False)
        yield Pair("sum left undone", gold, f"{value - 1} + 1", None)
        yield Pair("near", gold, f"{value}.000001", False)
    if match := _FRACTION.fullmatch(gold):
        sign, top, bottom = match.groups()
        yield Pair("slash", gold, f"{sign}{top}/{bottom}", True)
        yield Pair("expanded", gold, f"{sign}\\frac{{{3 * int(top)}}}{{{3 * int(bottom)}}}", True)
        yield Pair("rounded", gold, f"{sign}{int(top) / int(bottom):.3f}", (1000 * int(top)) % int(bottom) == 0)
        yield Pair("float", gold, f"{sign}{int(top) / int(bottom)!r}", True)
        yield Pair("upside down", gold, f"{sign}\\frac{{{bottom}}}{{{top}}}", top == bottom)
    if match := _TUPLE.fullmatch(gold):
        left, right = match.groups()
        yield Pair("swapped", gold, f"({right},{left})", left == right)
        yield Pair("set for tuple", gold, f"\\{{{left},{right}\\}}", False)
        yield Pair("list for tuple", gold, f"{left}, {right}", False)
        yield Pair("closed ends", gold, f"[{left},{right}]", False)
    if _LIST.fullmatch(gold):
        members = re.split(r", ?", gold)
        yield Pair("reversed list", gold, ", ".join(reversed(members)), True)
        yield Pair("list as set", gold, f"\\{{{gold}\\}}", True)
        yield Pair("one missing", gold, ", ".join(members[1:]), False)
        yield Pair("one more", gold, f"{gold}, 987654", False)
    if match := _SURD.fullmatch(gold):
        factor, root = match.groups()
        yield Pair("under the root", gold, f"\\sqrt{{{int(factor) ** 2 * int(root)}}}", True)
        yield Pair("rounded surd", gold, f"{int(factor) * int(root) ** 0.5:.4f}", False)
        yield Pair("other factor", gold, f"{int(factor) + 1}\\sqrt{{{root}}}", False)
    if match := _INTERVAL.fullmatch(gold):
        yield Pair("inequality", gold, f"x \\ge {match.group(1)}", True)
        yield Pair("strict inequality", gold, f"x > {match.group(1)}", False)


def theirs(gold: str, answer: str) -> bool:
    """Return math-verify's verdict on two boxed answers."""
    reference = math_verify.parse(f"\\boxed{{{gold}}}", parsing_timeout=None)
    prediction = math_verify.parse(f"\\boxed{{{answer}}}", parsing_timeout=None)
    return bool(math_verify.verify(reference, prediction, timeout_seconds=None))


def ours(gold: str, answer: str) -> bool:
    """Return the strict grader's verdict on a boxed answer."""
    return grade(gold, f"\\boxed{{{answer}}}").correct


def timed(judge: Callable[[str, str], bool], pairs: list[Pair]) -> tuple[list[bool], float]:
    """Return verdicts and CPU seconds of this process."""
    start = time.process_time()
    return [judge(pair.gold, pair.answer) for pair in pairs], time.process_time() - start


def main() -> None:
    """Print the table and the disagreements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder in which math/test.jsonl.gz lies")
    parser.add_argument("--pairs", type=int, default=4_000, help="random pairs of references")
    parser.add_argument("--golds", type=int, default=1_500, help="references to perturb")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=5, help="disagreements of one kind to print; 0 = all")
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    golds = math_golds(arguments.data)
    pairs = [Pair("random pair", *generator.sample(golds, 2), None) for _ in range(arguments.pairs)]
    pairs += [pair for gold in generator.sample(golds, min(arguments.golds, len(golds))) for pair in perturbations(gold)]
    our_verdicts, our_seconds = timed(ours, pairs)
    their_verdicts, their_seconds = timed(theirs, pairs)
    print(f"{len(pairs)} pairs; per CPU second: reasonforge {len(pairs) / our_seconds:.0f}, math-verify {len(pairs) / their_seconds:.0f}")
    counts: Counter[str] = Counter(pair.kind for pair in pairs)
    agreed: Counter[str] = Counter()
    wrong: dict[str, Counter[str]] = {"reasonforge": Counter(), "math-verify": Counter()}
    shown: dict[str, list[str]] = {}
    for pair, mine, other in zip(pairs, our_verdicts, their_verdicts, strict=True):
        agreed[pair.kind] += mine == other
        if pair.truth is not None:
            wrong["reasonforge"][pair.kind] += mine != pair.truth
            wrong["math-verify"][pair.kind] += other != pair.truth
        if mine != other:
            truth = "" if pair.truth is None else f", truth {pair.truth}"
            shown.setdefault(pair.kind, []).append(f"    `{pair.gold}` | `{pair.answer.strip()}` | ours {mine}, theirs {other}{truth}")
        elif pair.truth is not None and mine != pair.truth:
            shown.setdefault(pair.kind, []).append(f"    `{pair.gold}` | `{pair.answer.strip()}` | both {mine}, truth {pair.truth}")
    print("| kind | pairs | agree | against the truth: ours | theirs |\n| --- | ---: | ---: | ---: | ---: |")
    for kind, count in counts.items():
        print(f"| {kind} | {count} | {agreed[kind]} | {wrong['reasonforge'][kind]} | {wrong['math-verify'][kind]} |")
    for kind, lines in shown.items():
        print(f"{kind}: {len(lines)}")
        print("\n".join(lines if arguments.show == 0 else lines[: arguments.show]))


if __name__ == "__main__":
    main()
