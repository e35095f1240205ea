"""Agreement of the grader with math-verify: random pairs of MATH references, and references perturbed so that the truth is known.

    python benchmarks/grade_agreement.py --data ../shared/data

The truth of a perturbation is fixed by how it is made, but for the kinds in ``JUDGED``, where it is a matter of taste, and random pairs,
which are judged one by one. Needs the extra ``mathverify``; takes about three minutes on one core.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import math_verify
from common import report

from reasonforge.verify.extract import last_boxed
from reasonforge.verify.grade import grade


class Pair(NamedTuple):
    """One comparison; ``truth`` is None where nobody has said."""

    kind: str
    gold: str
    answer: str
    truth: bool | None


JUDGED = {
    "percent": "5 % is not 5. Where the question asks for a percentage the strict profile accepts it, and here no question is passed.",
    "sum left undone": "49 + 1 leaves the work to the reader; a reward that pays for it teaches not to finish.",
}
"""Kinds of disagreement without a truth by construction, and why ours stands."""
JUDGED_PAIRS = {("\\frac{\\pi}{4}", "45^\\circ"): "The same angle."}
"""The same for single pairs."""


def math_golds(data: Path) -> list[str]:
    """Return the references of the MATH test set, in order."""
    with gzip.open(data / "math" / "test.jsonl.gz", "rt") as file:
        return [gold for line in file if (gold := last_boxed(json.loads(line)["solution"]))]


_PLAIN = re.compile(r"-?\d+")
_FRACTION = re.compile(r"(-?)\\frac\{(\d+)\}\{(\d+)\}")
_TUPLE = re.compile(r"\((-?\d+), ?(-?\d+)\)")
_LIST = re.compile(r"-?\d+(?:, ?-?\d+)+")
_SURD = re.compile(r"(\d+) ?\\sqrt\{(\d+)\}")
_ANY_FRACTION = re.compile(r"\\[td]?frac")
_PART = r"(?:[-+0-9a-z^(){} ]|\\(?:frac|sqrt|pi)(?![a-z]))*"
_EXPRESSION = re.compile(rf"{_PART}(?:[a-z]|\\sqrt|\\pi){_PART}")
_INTERVAL = re.compile(r"\[(-?\d+), ?\\infty\)")


def perturbations(gold: str) -> Iterator[Pair]:
    """Yield rewritings of a reference, equal ones and different ones."""
    yield Pair("other spelling", gold, _ANY_FRACTION.sub(r"\\dfrac", f" {gold} "), True)
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
    elif _EXPRESSION.fullmatch(gold) and "=" not in gold:
        yield Pair("expression plus one", gold, f"{gold} + 1", False)
        yield Pair("expression doubled", gold, f"2({gold})", False)
        yield Pair("expression in brackets", gold, f"\\left({gold}\\right)", True)
        yield Pair("expression over one", gold, f"\\frac{{{gold}}}{{1}}", True)
        yield Pair("expression halved twice over", gold, f"\\frac{{1}}{{2}}({gold}) + \\frac{{1}}{{2}}({gold})", True)
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
    reference = math_verify.parse(f"\\boxed{{{gold}}}", parsing_timeout=0)
    prediction = math_verify.parse(f"\\boxed{{{answer}}}", parsing_timeout=0)
    return bool(math_verify.verify(reference, prediction, timeout_seconds=0))


def ours(gold: str, answer: str) -> bool:
    """Return the strict grader's verdict on a boxed answer."""
    return grade(gold, f"\\boxed{{{answer}}}").correct


def timed(judge: Callable[[str, str], bool], pairs: list[Pair]) -> tuple[list[bool], float]:
    """Return verdicts and CPU seconds of this process."""
    start = time.process_time()
    return [judge(pair.gold, pair.answer) for pair in pairs], time.process_time() - start


@dataclass(slots=True)
class Kind:
    """What came of the pairs of one kind."""

    pairs: int = 0
    agreed: int = 0
    ours_wrong: int = 0
    theirs_wrong: int = 0
    disagreements: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)

    def add(self, pair: Pair, *, ours: bool, theirs: bool) -> None:
        """Count one pair."""
        self.pairs += 1
        self.agreed += ours == theirs
        line = f"{pair.gold} | {pair.answer.strip()} | ours {ours}, theirs {theirs}"
        if pair.truth is not None:
            self.ours_wrong += ours != pair.truth
            self.theirs_wrong += theirs != pair.truth
            if ours != pair.truth:
                self.mistakes.append(line)
        elif ours != theirs and pair.kind not in JUDGED and (pair.gold, pair.answer) not in JUDGED_PAIRS:
            self.unjudged.append(line)
        if ours != theirs:
            self.disagreements.append(line)

    def to_json(self, name: str, *, show: int) -> dict[str, Any]:
        """Return the counts, a few disagreements, and all in which ours is wrong or which nobody has judged."""
        counts = {"pairs": self.pairs, "agreed": self.agreed, "ours_wrong": self.ours_wrong, "theirs_wrong": self.theirs_wrong}
        judged = {"judged": JUDGED[name]} if name in JUDGED else {}
        lists = {"disagreements": self.disagreements[:show], "ours_wrong_all": self.mistakes, "not_judged": self.unjudged}
        return {**counts, **judged, **{key: lines for key, lines in lists.items() if lines}}


def main() -> None:
    """Print the table and store it with the disagreements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder in which math/test.jsonl.gz lies")
    parser.add_argument("--pairs", type=int, default=4_000, help="random pairs of references")
    parser.add_argument("--golds", type=int, default=3_000, help="references to perturb")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=3, help="disagreements to store of a kind that is judged; the others are stored whole")
    arguments = parser.parse_args()
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    generator = random.Random(arguments.seed)
    golds = math_golds(arguments.data)
    pairs = [Pair("random pair", gold, other, None) for gold, other in (generator.sample(golds, 2) for _ in range(arguments.pairs))]
    pairs += [pair for gold in generator.sample(golds, min(arguments.golds, len(golds))) for pair in perturbations(gold)]
    our_verdicts, our_seconds = timed(ours, pairs)
    their_verdicts, their_seconds = timed(theirs, pairs)
    kinds: dict[str, Kind] = {}
    for pair, mine, other in zip(pairs, our_verdicts, their_verdicts, strict=True):
        kinds.setdefault(pair.kind, Kind()).add(pair, ours=mine, theirs=other)
    print("| kind | pairs | agree | ours wrong | theirs wrong | not judged |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, kind in kinds.items():
        print(f"| {name} | {kind.pairs} | {kind.agreed} | {kind.ours_wrong} | {kind.theirs_wrong} | {len(kind.unjudged)} |")
    totals = {
        "pairs": len(pairs),
        "agreed": sum(kind.agreed for kind in kinds.values()),
        "ours_wrong": sum(kind.ours_wrong for kind in kinds.values()),
        "theirs_wrong": sum(kind.theirs_wrong for kind in kinds.values()),
        "not_judged": sum(len(kind.unjudged) for kind in kinds.values()),
        "judged_pairs": {f"{gold} | {answer}": why for (gold, answer), why in JUDGED_PAIRS.items()},
        "per_cpu_second": {"ours": round(len(pairs) / our_seconds), "math_verify": round(len(pairs) / their_seconds)},
    }
    listed = {name: kind.to_json(name, show=arguments.show) for name, kind in kinds.items()}
    report("grade_agreement", {**totals, "kinds": listed}, packages=("reasonforge", "math-verify", "sympy"))


if __name__ == "__main__":
    main()
