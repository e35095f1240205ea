r"""Write the tables of docs/verification.md: what each profile makes of a few dozen answers, and the agreement with math-verify.

    python benchmarks/grade_table.py            # rewrites the tables in the page
    python benchmarks/grade_table.py --check    # exit 1 where the page is not what the grader does

The second table is read from benchmarks/results/grade_agreement.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from reasonforge.verify.grade import grade
from reasonforge.verify.profiles import Profile

PAGE = Path(__file__).resolve().parent.parent / "docs" / "verification.md"
AGREEMENT = Path(__file__).resolve().parent / "results" / "grade_agreement.json"
PROFILES: tuple[Profile, ...] = ("strict", "deepseek-math", "qwen-math", "prm800k")

CASES: dict[str, list[tuple[str, str]]] = {
    "Spelling": [
        ("1/2", "\\boxed{0.5}"), ("12345", "\\boxed{12,345}"), ("18", "\\boxed{\\$18.00}"), ("7/2", "\\boxed{3½}"),
        ("18", "\\boxed{１８个}"),
        ("2/3", "\\boxed{三分之二}"), ("1/3", "\\boxed{0.\\overline{3}}"), ("2\\sqrt{3}", "\\boxed{\\sqrt{12}}"), ("5", "\\boxed{x = 5}"),
        ("5", "\\boxed{\\text{Area} = 5}"), ("5", "\\boxed{a+b = 5}"), ("5\\sqrt{2}", "\\boxed{5\\sqrt{2} \\approx 7.07}"),
        ("35", "\\boxed{\\binom{7}{3} = 35}"), ("x^2+2x+1", "\\boxed{(x+1)^2}"), ("\\sin(2x)", "\\boxed{2\\sin x\\cos x}"),
        ("4:30 p.m.", "\\boxed{16:30}"),
    ],
    "Structures": [
        ("[0,\\infty)", "\\boxed{x \\ge 0}"), ("(1,5)", "\\boxed{1,5}"), ("(1,5)", "\\boxed{(5,1)}"), ("1,-2", "\\boxed{\\{-2,1\\}}"),
        ("(3,4)", "\\boxed{x=3, y=4}"), ("[1,5)", "\\boxed{[1,5]}"), ("2:3", "\\boxed{4:6}"), ("y=2x", "\\boxed{2x-y=0}"),
        ("x=1", "\\boxed{(x-1)(x-2)=0}"),
    ],
    "Units and percent": [
        ("5 cm", "\\boxed{5}"), ("5", "\\boxed{5\\text{ cm}}"), ("5 cm", "\\boxed{5 mm}"), ("50\\%", "\\boxed{50}"), ("5", "\\boxed{5\\%}"),
        ("25", "\\boxed{2500}"), ("0.05", "\\boxed{0}"), ("90^\\circ", "\\boxed{\\frac{\\pi}{2}}"), ("1/3", "\\boxed{0.333}"),
    ],
    "Hedges and open ends": [
        ("5", "\\boxed{4=5}"), ("5", "\\boxed{5 \\text{ or more}}"), ("5", "\\boxed{\\ge 5}"), ("5", "\\boxed{5, 6}"),
        ("5", "\\boxed{5 \\text{ or } 6}"),
        ("5", "\\boxed{2+3}"), ("6", "\\boxed{5} and \\boxed{6}"), ("5", "\\boxed{5}. Wait, actually 6."),
        ("5", "The answer is not \\boxed{5}."),
        ("\\text{(C)}", "\\boxed{C, D}"),
    ],
    "Places": [
        ("5", "<think>\\boxed{6}</think>The answer is 5."), ("5", "<think>so \\boxed{5}"), ("5", "<answer>5</answer>"),
        ("5", "2 + 3 = 5. #### 5"),
        ("5", "**Final Answer**\n\n5"), ("5", "最终答案是5。"), ("5", "so there are 5"),
    ],
}  # fmt: skip


def case_rows() -> Iterable[Sequence[str]]:
    """Yield the lines of the table of cases."""
    yield ("reference", "completion", *(f"`{profile}`" for profile in PROFILES))
    yield ("---",) * (2 + len(PROFILES))
    for section, cases in CASES.items():
        yield (f"**{section}**", "", *("" for _ in PROFILES))
        for gold, text in cases:
            marks = ["yes" if grade(gold, text, profile=profile).correct else "-" for profile in PROFILES]
            yield (code(gold), code(text), *marks)


def agreement_rows() -> Iterable[Sequence[str]]:
    """Yield the lines of the table of agreement."""
    result = json.loads(AGREEMENT.read_text(encoding="utf-8"))
    yield ("kind of pair", "pairs", "both say the same", "ours wrong", "theirs wrong")
    yield ("---", *["---:"] * 4)
    for name, kind in result["kinds"].items():
        taste = name in ("percent", "sum left undone")
        wrong = ("judged below",) * 2 if taste else (f"{kind['ours_wrong']:,}", f"{kind['theirs_wrong']:,}")
        yield (name, f"{kind['pairs']:,}", f"{kind['agreed']:,}", *wrong)
    yield ("all", f"{result['pairs']:,}", f"{result['agreed']:,}", f"{result['ours_wrong']:,}", f"{result['theirs_wrong']:,}")


def code(text: str) -> str:
    """Return a text as code inside a table."""
    return "`" + text.replace("\n", "⏎").replace("|", "\\|") + "`"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def rendered(page: str) -> str:
    """Return a page with its tables written anew."""
    for name, rows in (("cases", case_rows), ("agreement", agreement_rows)):
        head, begin, rest = page.partition(f"<!-- {name}: begin -->\n")
        _, end, tail = rest.partition(f"<!-- {name}: end -->")
        if not (begin and end):
            raise SystemExit(
                f"{PAGE}: the marks of the table {name!r} are missing; put back <!-- {name}: begin --> and <!-- {name}: end -->"
            )
        page = f"{head}{begin}{table(rows())}\n{end}{tail}"
    return page


def main() -> None:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    new = rendered(page)
    if not check:
        PAGE.write_text(new, encoding="utf-8")
    elif new != page:
        sys.exit(f"{PAGE} is out of date: run python benchmarks/grade_table.py")


if __name__ == "__main__":
    main()
